//! Services that join a running application: what is asked for, and why it may be refused.
//!
//! # Invariants
//!
//! 1. Whatever can be checked without the loop is checked before the loop is asked: configuration
//!    is read for the one who asks, on a thread that may block.
//! 2. What is refused has changed nothing.

use std::fmt;
use std::sync::Arc;

use processpype_config::{Document, Layer, Report};
use processpype_core::{EdgePolicy, Generation, OperationId, ServiceName};
use tokio::sync::oneshot;

use crate::blueprint::{Choice, EdgeChoice, EdgeOrigin, Spec};
use crate::configuration::Secrets;
use crate::operation::{CommandError, CommandPreview, Operation};
use crate::problem::PlanError;
use crate::request::Request;

/// How many more services than at its start an application may have.
///
/// The queue of what generations tell the supervisor has room for as many: it must never refuse.
pub const REGISTERED_MAX: usize = 1024;

/// What is told of a check that panicked; what it said is in the log.
const CHECK_PANICKED: &str = "checking the configuration panicked";

/// A service that is to join a running application.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_runtime::*;
/// #     pub use processpype_runtime as registration;
/// # }
/// use std::sync::Arc;
/// use processpype::Service;
/// use processpype::registration::{Kind, Registration, Spec};
///
/// struct Ticker;
/// impl Service for Ticker {}
///
/// let spec = Spec::new("fast".parse().unwrap(), Arc::new(Kind::of(|| Ticker)));
/// let registration = Registration::of(spec).started();
/// assert!(registration.start);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "nobody joins before `Manager::register`"]
pub struct Registration {
    /// The service.
    pub spec: Spec,
    /// The name of the group whose last member it becomes.
    pub group: Option<String>,
    /// Whether it is started as well. Its `autostart` does not count: the application has started.
    pub start: bool,
}

/// A service that has joined.
#[derive(Debug)]
#[non_exhaustive]
pub struct Registered {
    /// Its name.
    pub name: ServiceName,
    /// The number after which its generations count: 0, unless there was a service of this name.
    pub generation: Generation,
    /// The operation; it ends with the start, if one was asked for.
    pub operation: OperationId,
    /// Its start, if it was asked for. Dropping it does not cancel the start.
    pub start: Option<Operation>,
}

/// Why a service cannot join; nothing has changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RegisterError {
    /// There is a service of this name, or of one that differs only in `-` and `_`.
    Taken {
        /// Its name.
        name: ServiceName,
    },
    /// Its configuration is wrong.
    Config(Report),
    /// It does not fit into the application: its providers, its edges, its group.
    Plan(PlanError),
    /// A provider is about to leave the application.
    ProviderLeaves {
        /// The provider.
        provider: ServiceName,
    },
    /// There are [`REGISTERED_MAX`] more services than at the start already.
    TooMany,
    /// It could join, but its start would be refused.
    Start(CommandError),
    /// The same actor has used the same key for another request.
    KeyReused {
        /// The operation of that request.
        operation: OperationId,
    },
    /// Checking its configuration panicked: code of its type, or a bug of the framework.
    Panicked,
    /// Such a check is not over in [`CHECK_TIME`](crate::CHECK_TIME).
    CheckHangs,
    /// The application is closing.
    Closing,
    /// Too many commands are on the way.
    Busy,
}

/// A service as somebody wants it who has no types at hand: over the API.
#[derive(Clone, Debug)]
#[non_exhaustive]
#[must_use = "nothing is made before `Manager::create`"]
pub struct Wish {
    /// Its name.
    pub name: ServiceName,
    /// The name of its kind.
    pub kind: String,
    /// Its section: the framework's keys and its own.
    pub section: Layer,
}

/// Makes services of the kinds that an application knows; the roof implements it.
pub trait Creator: Send + Sync + fmt::Debug {
    /// Makes what can be registered, under the `defaults` of `document`. Nothing is changed by it.
    ///
    /// # Errors
    ///
    /// Says which kinds there are, or everything that is wrong with the section.
    fn create(&self, document: &Document, wish: &Wish) -> Result<Spec, CreateError>;

    /// Lists the kinds of which services can be made.
    fn creatable(&self) -> Vec<String>;
}

/// Why a service of a kind cannot be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// There is no kind of this name.
    UnknownKind {
        /// Those of which services can be made.
        creatable: Vec<String>,
    },
    /// Nobody said that services of this kind may be made at run time.
    NotCreatable {
        /// Those of which services can be made.
        creatable: Vec<String>,
    },
    /// Its section is wrong.
    Config(Report),
    /// Checking its section panicked: code of its type, or a bug of the framework.
    Panicked,
    /// Such a check is not over in [`CHECK_TIME`](crate::CHECK_TIME).
    CheckHangs,
    /// The application is closing.
    Closing,
}

/// A registration on its way to the supervisor.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) registration: Registration,
    pub(crate) by: Request,
    pub(crate) accepted: Accepted,
}

/// Who waits for the answer to a registration.
#[derive(Debug)]
pub(crate) enum Accepted {
    Registered(oneshot::Sender<Result<Registered, RegisterError>>),
    /// Nothing is to happen: what would?
    Foreseen(oneshot::Sender<Result<CommandPreview, RegisterError>>),
}

// === impl Wish ===

impl Wish {
    /// Wants a service of a kind, with nothing in its section.
    pub fn of(name: ServiceName, kind: &str) -> Self {
        Self { name, kind: kind.to_owned(), section: Layer::default() }
    }

    /// The same with a section.
    pub fn with_section(mut self, section: Layer) -> Self {
        self.section = section;
        self
    }
}

// === impl Registration ===

impl Registration {
    /// Asks for a service to join, in no group and stopped.
    pub fn of(spec: Spec) -> Self {
        Self { spec, group: None, start: false }
    }

    /// Starts it as well.
    pub fn started(mut self) -> Self {
        self.start = true;
        self
    }

    /// Lets it be the last member of a group.
    ///
    /// In a rest-for-one group it needs the member before it, as all members do.
    pub fn in_group(mut self, name: &str) -> Self {
        self.group = Some(name.to_owned());
        self
    }
}

// === impl RegisterError ===

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { name } => write!(f, "there is a service `{name}` already"),
            Self::Config(report) => report.fmt(f),
            Self::Plan(error) => error.fmt(f),
            Self::ProviderLeaves { provider } => {
                write!(f, "its provider `{provider}` is about to leave the application")
            }
            Self::TooMany => {
                write!(f, "no more than {REGISTERED_MAX} services can join at run time")
            }
            Self::Start(error) => write!(f, "it could not be started: {error}"),
            Self::KeyReused { operation } => {
                write!(f, "its key stands for another request, operation {}", operation.0)
            }
            Self::Panicked => f.write_str(CHECK_PANICKED),
            Self::CheckHangs => f.write_str(crate::manager::CHECK_HANGS),
            Self::Closing => f.write_str("the application is closing"),
            Self::Busy => f.write_str("too many commands are on their way"),
        }
    }
}

impl std::error::Error for RegisterError {}

// === impl CreateError ===

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, creatable) = match self {
            Self::UnknownKind { creatable } => ("there is no such kind", creatable),
            Self::NotCreatable { creatable } => {
                ("services of this kind may not be made at run time", creatable)
            }
            Self::Config(report) => return report.fmt(f),
            Self::Panicked => return f.write_str(CHECK_PANICKED),
            Self::CheckHangs => return f.write_str(crate::manager::CHECK_HANGS),
            Self::Closing => return f.write_str("the application is closing"),
        };
        match creatable.as_slice() {
            [] => write!(f, "{what}; there is none of which services may be made"),
            kinds => write!(f, "{what}; services may be made of: {}", kinds.join(", ")),
        }
    }
}

impl std::error::Error for CreateError {}

// === impl Choice ===

impl Choice {
    /// Chooses an instance for a role.
    #[must_use]
    pub fn new(role: impl Into<String>, instance: impl Into<String>, origin: EdgeOrigin) -> Self {
        Self { role: role.into(), instance: instance.into(), origin }
    }
}

// === impl EdgeChoice ===

impl EdgeChoice {
    /// Chooses a policy for the edges to a provider.
    #[must_use]
    pub fn new(provider: impl Into<String>, policy: EdgePolicy, origin: EdgeOrigin) -> Self {
        Self { provider: provider.into(), policy, origin }
    }
}

// === impl Spec ===

impl Spec {
    /// Makes an instance of all that every instance has; the same as [`new`](Self::new) and fields
    /// set afterwards, without making what is replaced. For the roof.
    #[doc(hidden)]
    #[must_use]
    pub fn from_parts(
        name: ServiceName,
        kind_name: Arc<str>,
        kind: Arc<crate::kind::Kind>,
        section: processpype_config::Section,
        options: Arc<crate::blueprint::Options>,
    ) -> Self {
        let (uses, depends_on, edges) = (Vec::new(), Vec::new(), Vec::new());
        let (secrets, joined) = (Secrets::default(), None);
        Self { name, kind_name, kind, section, secrets, joined, options, uses, depends_on, edges }
    }

    /// Makes an instance of a kind without configuration, choices and further edges; the name of
    /// the kind is its own.
    #[must_use]
    pub fn new(name: ServiceName, kind: Arc<crate::kind::Kind>) -> Self {
        Self {
            kind_name: name.as_str().into(),
            section: processpype_config::Section::empty(&format!("services.{name}")),
            secrets: Secrets::default(),
            joined: None,
            name,
            kind,
            options: Arc::default(),
            uses: Vec::new(),
            depends_on: Vec::new(),
            edges: Vec::new(),
        }
    }
}
