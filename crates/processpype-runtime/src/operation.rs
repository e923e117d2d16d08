//! Commands on services, from acceptance to their end.
//!
//! # Invariants
//!
//! 1. Every accepted command ends exactly once: done, refused, failed or superseded. It ends in the
//!    journal even if nobody awaits it.
//! 2. What is refused for lack of room, or because nobody is there, is refused before acceptance
//!    and leaves no trace.

mod cancel;

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{ErrorKind, Generation, OperationId, ServiceId, ServiceName, Verb, each};
use tokio::sync::oneshot;

/// The answer of a service that was asked what is wrong with it, on its way.
pub(crate) type Asked = oneshot::Receiver<Vec<Finding>>;

use crate::clock::Timestamp;
use crate::configuration::ConfigEffect;
use crate::diagnosis::Finding;
use crate::levels::{LevelOrder, Leveled};
use crate::newcomer::Joining;
use crate::recording::Recording;
use crate::register::{OperationState, OperationStatus};
use crate::status::Acted;
use crate::supervisor::{Change, ChangeOrder, ReloadOrder, Reloading};

/// How many may wait for the end of one operation: the same request repeated under its key.
pub const WAITERS_MAX: usize = 64;

/// Who asks for something, and why.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Request;
///
/// let request = Request::by("ops:alice").because("rotating the certificate");
/// assert_eq!(request.reason.as_deref(), Some("rotating the certificate"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// Who; from the credential, never from the request's body.
    pub actor: Arc<str>,
    /// Why, if they say so.
    pub reason: Option<Arc<str>>,
    /// Only if the service's generation is one of these; `None` = whatever it is.
    pub expects: Option<Vec<Generation>>,
    /// Names the request, so that it can be repeated without being carried out twice.
    pub key: Option<Arc<str>>,
    /// Stands for what is asked beyond the words of a command, such as the body of a registration:
    /// under one key, requests with different digests are different requests.
    pub digest: Option<u64>,
}

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

/// Why a command had no effect.
///
/// Each variant is one answer of the control API: 404 for `Unknown`, 422 for `KeyReused` and
/// `Unjoinable`, 501 for `NoLog`, 500 for `Panicked` and `Lost`, 503 for `Failed`, `Busy`, `Moved`,
/// `CheckHangs` and `Closing`, 409 for the rest and for `Failed` of the kind `Orphaned`.
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
    /// Others depend on the service, or one of those that would leave with it is an orphan.
    Needed {
        /// Those that have an edge to it, of whatever policy.
        by: Vec<ServiceName>,
    },
    /// A later command, or closing, took its place.
    Superseded,
    /// Somebody cancelled it.
    Cancelled,
    /// The service is in another generation than the request expects.
    Stale {
        /// The generation it is in.
        generation: Generation,
    },
    /// The same actor has used the same key for another request.
    KeyReused {
        /// The operation of that request.
        operation: OperationId,
    },
    /// The generation that the command was about failed.
    Failed {
        /// What kind of failure.
        kind: ErrorKind,
        /// The public text.
        message: String,
    },
    /// What checks configuration panicked: a bug, and nothing has changed.
    Panicked,
    /// A check of configuration is not over in [`CHECK_TIME`](crate::CHECK_TIME).
    CheckHangs,
    /// The supervisor panicked: a bug, and nobody knows what became of the command.
    Lost,
    /// The log is not the application's: it is part of a program that decides what is logged.
    NoLog,
    /// The service did not take the new configuration over, or did not start with it: the old one
    /// holds again.
    RolledBack {
        /// What kind of failure.
        kind: ErrorKind,
        /// The public text.
        message: String,
        /// Whether the service is back where it was, too.
        is_back: bool,
    },
    /// The configuration has changed since this one was checked.
    Moved,
    /// A service of the files cannot join the application as it is now.
    Unjoinable {
        /// Why, in words.
        why: String,
    },
    /// Nobody was told how to check configuration while the application runs.
    NotConfigurable,
    /// Too many commands are on the way.
    Busy,
}

/// A command on its way to the supervisor.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) service: ServiceId,
    pub(crate) verb: Verb,
    pub(crate) by: Request,
    pub(crate) accepted: oneshot::Sender<Result<Operation, CommandError>>,
}

/// The operation that a service is part of.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) operation: OperationId,
    pub(crate) actor: Arc<str>,
    /// The operation named this service, or has made something happen to it.
    pub(crate) is_touched: bool,
}

/// What is asked of the supervisor through its bounded queue.
#[derive(Debug)]
pub(crate) enum Order {
    Command(Command),
    Register(Box<Joining>),
    Foresee(ServiceId, Verb, Request, oneshot::Sender<CommandPreview>),
    Cancel(OperationId, Request, oneshot::Sender<Result<Arc<OperationStatus>, CancelError>>),
    /// Pause automatic restarts for a time.
    Pause(Duration, Request, oneshot::Sender<Result<Paused, CommandError>>),
    /// Let them go on.
    Resume(Request, oneshot::Sender<Result<Paused, CommandError>>),
    /// Change a level of the log, or take a change back.
    Level(LevelOrder, oneshot::Sender<Result<Leveled, CommandError>>),
    /// Close the application.
    Shutdown(Request, oneshot::Sender<Result<Shutdown, CommandError>>),
    /// Take over what somebody configured.
    Change(Box<ChangeOrder>, oneshot::Sender<Result<Operation, CommandError>>),
    /// Take over what is in the files.
    Reload(Box<ReloadOrder>, oneshot::Sender<Result<Reloading, CommandError>>),
    /// Why a reload would be refused, if it would be.
    ForeseeReload(Box<ReloadOrder>, oneshot::Sender<Result<(), CommandError>>),
    /// What has become of a reload that was given under this key.
    Reloaded(Request, oneshot::Sender<Result<Option<Reloading>, CommandError>>),
    /// What is in the files is wrong: who asked, and the first problem.
    ReloadRefused(Request, Arc<str>),
    /// How the durable journal is doing, with the cause and the text of an event.
    Recording(&'static str, Arc<str>, Recording),
    /// What happened to the application, with the cause and the text of an event.
    Note(&'static str, Arc<str>),
    /// Asks services that run what is wrong with them: one, or all.
    Diagnose(Option<ServiceId>, oneshot::Sender<Vec<(ServiceName, Asked)>>),
    /// Says that the supervisor takes orders.
    Answer(oneshot::Sender<()>),
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

/// Why an operation cannot be cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelError {
    /// There was no such operation in this run of the application.
    Unknown,
    /// It ended so long ago that it is not known any more.
    Forgotten,
    /// It has ended.
    Ended(Arc<OperationStatus>),
    /// It is a stop, which always wins.
    IsStop,
    /// It is a new configuration, which holds already.
    IsConfigured,
    /// It is a reload, and each of its parts has begun.
    HasBegun,
    /// Too many commands are on the way.
    Busy,
    /// The application has closed.
    Closed,
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

// === impl Request ===

impl Request {
    /// Makes a request of `actor`, without a reason.
    ///
    /// It is shown in statuses and events. The control plane says `token:NAME`,
    /// `certificate:NAME`, `user:UID` or `anonymous`, a signal is `signal:SIGHUP`, and what the
    /// program itself does without a name is `code`.
    #[must_use]
    pub fn by(actor: &str) -> Self {
        Self { actor: actor.into(), reason: None, expects: None, key: None, digest: None }
    }

    /// Adds the reason.
    ///
    /// For whoever reads the journal at three in the morning.
    #[must_use]
    pub fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Asks only if the service is in one of these generations when the supervisor looks.
    ///
    /// So nothing is done to a generation that the one who asks has not seen: otherwise the answer
    /// is [`CommandError::Stale`]. Checked and accepted in one step, so nothing comes in between.
    #[must_use]
    pub fn expecting(mut self, generations: impl IntoIterator<Item = Generation>) -> Self {
        self.expects = Some(generations.into_iter().collect());
        self
    }

    /// Names the request: the same request of the same actor under the same key is the same
    /// operation, however often it is sent, for 24 h or until the operation is forgotten.
    ///
    /// Another request under that key is refused with [`CommandError::KeyReused`].
    #[must_use]
    pub fn keyed(mut self, key: &str) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Adds what stands for the rest of what is asked, such as a hash of it.
    ///
    /// Only what is asked under a [key](Self::keyed) is compared by it.
    #[must_use]
    pub fn digested(mut self, digest: u64) -> Self {
        self.digest = Some(digest);
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

// === impl CommandError ===

impl CommandError {
    /// Returns the state of an operation that ends like this.
    pub(crate) fn state(&self) -> OperationState {
        match self {
            Self::Superseded | Self::Closing => OperationState::Superseded,
            Self::Cancelled => OperationState::Cancelled,
            Self::Failed { .. } | Self::RolledBack { .. } | Self::Panicked | Self::Lost => {
                OperationState::Failed
            }
            Self::Unknown { .. }
            | Self::Disabled
            | Self::Orphaned
            | Self::ProviderStopped { .. }
            | Self::Needed { .. }
            | Self::Stale { .. }
            | Self::KeyReused { .. }
            | Self::NoLog
            | Self::CheckHangs
            | Self::Moved
            | Self::Unjoinable { .. }
            | Self::NotConfigurable
            | Self::Busy => OperationState::Refused,
        }
    }
}

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
            Self::Needed { by } => {
                let names: Vec<String> = each(by, |name| format!("`{name}`"));
                let depend = if names.len() == 1 { "depends" } else { "depend" };
                write!(f, "the service cannot leave: {} {depend} on it", names.join(", "))
            }
            Self::Superseded => f.write_str("a later command took the place of this one"),
            Self::Cancelled => f.write_str("the command was cancelled"),
            Self::Stale { generation } => {
                write!(f, "the service is in generation {generation}, which was not expected")
            }
            Self::KeyReused { operation } => {
                write!(f, "the key belongs to another request, operation {}", operation.0)
            }
            Self::Failed { message, .. } => f.write_str(message),
            Self::Panicked => f.write_str("checking the configuration panicked"),
            Self::CheckHangs => f.write_str(crate::manager::CHECK_HANGS),
            Self::Lost => f.write_str("the supervisor has panicked"),
            Self::NoLog => f.write_str(
                "the application is part of a larger program, which decides what is logged",
            ),
            Self::RolledBack { message, is_back: true, .. } => {
                write!(f, "the old configuration holds again: {message}")
            }
            Self::RolledBack { message, is_back: false, .. } => write!(
                f,
                "the old configuration holds again, but the service is not back yet: {message}"
            ),
            Self::Moved => f.write_str("the configuration has changed in the meantime; try again"),
            Self::Unjoinable { why } => write!(f, "the service cannot join: {why}"),
            Self::NotConfigurable => {
                f.write_str("this application's configuration cannot change while it runs")
            }
            Self::Busy => f.write_str("too many commands are on the way; try again"),
        }
    }
}

impl std::error::Error for CommandError {}
