//! What can be seen of a service: snapshots, published by the supervisor and read by everybody.
//!
//! # Invariants
//!
//! 1. A snapshot is whole: it is made by the supervisor between two steps, and replaced, not
//!    changed.
//! 2. Its texts are public. What a failed service told beyond that is in the log.
//! 3. It is made for who reads it, of what the supervisor keeps (`facts.rs`).
//! 4. Beside the five states there is no sixth: waiting, backing off, completed and given up are
//!    fields beside `stopped` and `error`.

use std::collections::BTreeMap;
use std::sync::Arc;

use processpype_core::{
    Desired, ErrorKind, Exit, Generation, OperationId, ServiceName, ServiceState,
};

use crate::clock::Timestamp;

/// How many past generations a status remembers.
pub const HISTORY_KEPT: usize = 10;

/// Everything that is known about one service at one moment.
///
/// # Reading it
///
/// | state | and | means |
/// |---|---|---|
/// | `stopped` | `desired` is stopped | nobody wants it to run |
/// | `stopped` | `waiting_on` is not empty | it starts as soon as those are ready |
/// | `stopped` | `completed` | a oneshot that has done its work |
/// | `running` | not `ready` | it lives, but asked for no work |
/// | `running` | `error` of kind `reported` | it works and has a complaint |
/// | `error` | `restart.next_at` | it is in backoff and comes back by itself |
/// | `error` | `restart.exhausted` | it failed too often: it is given up until somebody acts |
/// | `error` | `error` of kind `orphaned` | the last generation may still hold a thread |
/// | `error` | any other kind | the last generation failed; `history` says how often |
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::{Manager, Status};
///
/// /// Who does not come back by itself, and why.
/// fn given_up(manager: &Manager) -> Vec<String> {
///     let line = |status: &Status| {
///         let restart = status.restart.filter(|restart| restart.exhausted)?;
///         let why = status.error.as_ref()?;
///         Some(format!("{} after {} tries: {}", status.name, restart.attempt, why.message))
///     };
///     manager.statuses().iter().filter_map(|status| line(status)).collect()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The service.
    pub name: ServiceName,
    /// The kind it is an instance of; its own name for a service that was registered in code.
    pub kind: Arc<str>,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Whether it is running and says that it can do its work.
    pub ready: bool,
    /// Which life this is: 0 = never started. Numbers of one name are never used again: a service
    /// that is registered anew begins with that of the last life of its name.
    pub generation: Generation,
    /// When it entered its state.
    pub since: Timestamp,
    /// What it should be doing.
    pub desired: Desired,
    /// Whether it may run at all.
    pub enabled: bool,
    /// Whether its configuration was checked and accepted.
    pub is_configured: bool,
    /// Whether its last generation completed: a `oneshot` that has done its work.
    pub completed: bool,
    /// The group it is a member of.
    pub group: Option<Arc<str>>,
    /// What it waits for before it can start: providers, and members of its group that failed or
    /// are still to end. While it runs: the providers that it runs without.
    pub waiting_on: Vec<ServiceName>,
    /// What is to come after its last failure: a restart, or none because there were too many.
    pub restart: Option<RestartInfo>,
    /// What is wrong with it now.
    pub error: Option<Arc<ErrorInfo>>,
    /// The last thing that was wrong with it; survives a stop and a start.
    pub last_error: Option<Arc<ErrorInfo>>,
    /// Why it works less well than it should: in its own words, and if it was found hung.
    pub degraded: Option<String>,
    /// What the service tells about itself.
    pub metadata: BTreeMap<String, String>,
    /// Who last acted on it, and why.
    pub acted: Option<Arc<Acted>>,
    /// The last generations that ended, newest last, at most [`HISTORY_KEPT`].
    pub history: Vec<Past>,
}

/// An error of a service, as it may be shown.
///
/// The log has the same moment with the whole chain of causes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorInfo {
    /// A text without internals.
    pub message: String,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// When it happened.
    pub at: Timestamp,
}

/// What follows the failure of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestartInfo {
    /// How many restarts there were in a row, the one to come included.
    pub attempt: u32,
    /// When the next generation comes at the earliest.
    pub next_at: Option<Timestamp>,
    /// Whether there were too many restarts: it stays down until somebody acts.
    pub exhausted: bool,
    /// Whether its backoff is over and it only waits its turn: the application's limit on restarts
    /// per time is reached.
    pub held: bool,
}

/// The last command on a service.
///
/// Accepted, not finished: how it ended is an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Acted {
    /// The operation.
    pub operation: OperationId,
    /// Who gave it.
    pub actor: Arc<str>,
    /// What it was: `start`, `stop`, `restart`, `deregister`, `configure`, `configure-and-start`,
    /// `put-config`, `remove-config`, or `reconfigure` by a reload.
    pub verb: &'static str,
    /// Why, if they said so.
    pub reason: Option<Arc<str>>,
    /// When it was accepted.
    pub at: Timestamp,
}

/// A generation that has ended.
///
/// `ended` minus `started` is the whole life, teardown included.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Past {
    /// Which one.
    pub generation: Generation,
    /// How it ended.
    pub exit: Exit,
    /// When it began.
    pub started: Timestamp,
    /// When nothing was left of it.
    pub ended: Timestamp,
}
