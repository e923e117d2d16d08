//! Commands on services, from acceptance to their end.
//!
//! # Invariants
//!
//! 1. Every accepted command ends exactly once: done, refused, failed or superseded. It ends in the
//!    journal even if nobody awaits it.
//! 2. What is refused for lack of room, or because nobody is there, is refused before acceptance
//!    and leaves no trace.

use std::sync::Arc;

use processpype_core::{ErrorKind, Generation, OperationId, ServiceName, Verb};
use tokio::sync::oneshot;

use crate::status::Acted;

/// Who asks for something, and why.
///
/// ```
/// use processpype_runtime::Request;
///
/// let request = Request::by("ops:alice").because("rotating the certificate");
/// assert_eq!(request.reason.as_deref(), Some("rotating the certificate"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Who; from the credential, never from the request's body.
    pub actor: Arc<str>,
    /// Why, if they say so.
    pub reason: Option<Arc<str>>,
}

/// An accepted command. Dropping it does not cancel the command.
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
    /// Services that need this one and were concerned: running ones, which go on without it, or
    /// those that a cascade has stopped or a restart has restarted with it.
    pub affected: Vec<ServiceName>,
}

/// Why a command had no effect.
///
/// Each variant is one answer of the control API: 404 for `Unknown`, 503 for `Failed`, `Busy` and
/// `Closing`, 409 for the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// There is no service of this name.
    Unknown {
        /// The name asked for.
        name: String,
    },
    /// The service is `enabled: false`.
    Disabled,
    /// The application is closing.
    Closing,
    /// The last generation could not be ended and may still run.
    Orphaned,
    /// A provider was stopped by an operator.
    ProviderStopped {
        /// The provider.
        provider: ServiceName,
    },
    /// A later command, or closing, took its place.
    Superseded,
    /// The generation that the command was about failed.
    Failed {
        /// What kind of failure.
        kind: ErrorKind,
        /// The public text.
        message: String,
    },
    /// Too many commands are on the way.
    Busy,
}

/// A command on its way to the supervisor.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) service: processpype_core::ServiceId,
    pub(crate) verb: Verb,
    pub(crate) by: Request,
    pub(crate) accepted: oneshot::Sender<Result<Operation, CommandError>>,
}

/// An operation that the supervisor has not finished.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) service: processpype_core::ServiceId,
    pub(crate) verb: Verb,
    pub(crate) by: Request,
    /// Who had acted before; it is shown again if the command is refused.
    pub(crate) before: Option<Acted>,
    pub(crate) affected: Vec<ServiceName>,
    pub(crate) sender: oneshot::Sender<Result<Done, CommandError>>,
}

// === impl Request ===

impl Request {
    /// Makes a request of `actor`, without a reason.
    ///
    /// Such as `api:loopback`, `cli:alice` or `code`. It is shown in statuses and events.
    #[must_use]
    pub fn by(actor: &str) -> Self {
        Self { actor: actor.into(), reason: None }
    }

    /// Adds the reason.
    ///
    /// For whoever reads the journal at three in the morning.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.into());
        self
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
    /// Unique within one run of the application.
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

// === impl CommandError ===

impl std::fmt::Display for CommandError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { name } => write!(f, "there is no service `{name}`"),
            Self::Disabled => f.write_str("the service is disabled in the configuration"),
            Self::Closing => f.write_str("the application is closing"),
            Self::Orphaned => f.write_str(
                "the last generation of the service could not be ended and may still run",
            ),
            Self::ProviderStopped { provider } => {
                write!(f, "the service needs `{provider}`, which an operator stopped")
            }
            Self::Superseded => f.write_str("a later command took the place of this one"),
            Self::Failed { message, .. } => f.write_str(message),
            Self::Busy => f.write_str("too many commands are on the way; try again"),
        }
    }
}

impl std::error::Error for CommandError {}
