//! Commands on services, from acceptance to their end.
//!
//! # Invariants
//!
//! 1. Every accepted command ends exactly once: done, refused, failed or superseded. It ends in the
//!    journal even if nobody awaits it.
//! 2. What is refused for lack of room, or because nobody is there, is refused before acceptance
//!    and leaves no trace.

mod cancel;
mod refusal;

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{Generation, OperationId, ServiceId, ServiceName, Verb};
use tokio::sync::oneshot;

pub use self::cancel::CancelError;
pub use self::refusal::CommandError;
use crate::clock::Timestamp;
use crate::configuration::ConfigEffect;
use crate::request::Request;
use crate::status::Acted;
use crate::supervisor::Change;

/// How many may wait for the end of one operation: the same request repeated under its key.
pub const WAITERS_MAX: usize = 64;

/// An accepted command, see [`Manager::command`](crate::Manager::command). Dropping it does not
/// cancel the command.
///
/// To wait with a bound, put [`outcome`](Self::outcome) into a timeout: the command goes on, and
/// status and events tell its end.
#[derive(Debug)]
pub struct Operation {
    id: OperationId,
    receiver: oneshot::Receiver<Result<Done, CommandError>>,
}

/// A command that has been carried out.
///
/// `changed: false` is success too. Commands are idempotent: to ask for what is so already is no
/// error.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Done {
    /// Whether this command changed something; false if everything was so already.
    pub changed: bool,
    /// The generation afterwards.
    pub generation: Generation,
    /// Other services that were concerned: running ones, which go on without it, those that a
    /// cascade has stopped or a restart has restarted with it, or providers that a start has
    /// started too.
    pub affected: Vec<ServiceName>,
    /// What a new configuration has led to, if this was one.
    pub configured: Option<ConfigEffect>,
}

/// The operation that a service is part of.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) operation: OperationId,
    pub(crate) actor: Arc<str>,
    /// The operation named this service, or has made something happen to it.
    pub(crate) is_touched: bool,
}

/// An application that was asked to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shutdown {
    /// The operation.
    pub operation: OperationId,
    /// Whether this began it; false if it was closing already.
    pub changed: bool,
    /// How long it may take.
    pub within: Duration,
}

/// Automatic restarts are paused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PauseInfo {
    /// When they go on by themselves.
    pub until: Timestamp,
    /// Who paused them.
    pub actor: Arc<str>,
    /// Why, if they said so.
    pub reason: Option<Arc<str>>,
}

/// What a pause or a resumption of automatic restarts has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Paused {
    /// The operation.
    pub operation: OperationId,
    /// Whether it changed something.
    pub changed: bool,
    /// Whether they were paused before.
    pub was_paused: bool,
    /// Until when they are paused now.
    pub until: Option<Timestamp>,
}

/// What a command would do if all goes well.
///
/// Nothing has happened, and nothing is reserved: what comes in between may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandPreview {
    /// How it would end; `None` if it would wait for what does not come by itself.
    pub result: Option<Result<Done, CommandError>>,
    /// What would stop and start because of it, in this order.
    pub steps: Vec<PreviewStep>,
    /// What the service would wait for in the end.
    pub waiting_on: Vec<ServiceName>,
    /// The operations whose place it would take.
    pub supersedes: Vec<OperationId>,
}

/// One thing that a command would do to one service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PreviewStep {
    /// The service.
    pub service: ServiceName,
    /// Whether it would start; otherwise it would stop.
    pub starts: bool,
}

/// An operation that the supervisor has not finished.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) service: ServiceId,
    pub(crate) verb: Verb,
    pub(crate) by: Request,
    /// Who has cancelled it.
    pub(crate) cancelled: Option<Request>,
    /// Who had acted before; it is shown again if the command is refused.
    pub(crate) before: Option<Arc<Acted>>,
    pub(crate) affected: Vec<ServiceName>,
    /// What the service was part of before; it is again if the command is refused.
    pub(crate) mark: Option<Mark>,
    /// Who waits for its end; at most [`WAITERS_MAX`].
    pub(crate) senders: Vec<oneshot::Sender<Result<Done, CommandError>>>,
    /// The configuration that it changes, if it does.
    pub(crate) change: Option<Box<Change>>,
}

// === impl Waiting ===

impl Waiting {
    /// What was asked for, in one word.
    pub(crate) fn word(&self) -> &'static str {
        self.change.as_ref().map_or(self.verb.as_str(), |change| change.word)
    }
}

// === impl Operation ===

impl Operation {
    pub(crate) fn new(
        id: OperationId,
        receiver: oneshot::Receiver<Result<Done, CommandError>>,
    ) -> Self {
        Self { id, receiver }
    }

    /// Returns the operation's id.
    ///
    /// Unique within one run of the application; [`Manager::operation`](crate::Manager::operation)
    /// tells about it, also after its end.
    #[must_use]
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// Waits for the end of the operation.
    ///
    /// # Errors
    ///
    /// Says why the command had no effect.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the command; its outcome is then seen in status and
    /// events.
    pub async fn outcome(self) -> Result<Done, CommandError> {
        self.receiver.await.unwrap_or(Err(CommandError::Closing))
    }
}
