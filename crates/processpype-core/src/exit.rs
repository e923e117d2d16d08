//! Why a generation ended.
//!
//! # Invariants
//!
//! 1. Each word stands on the wire as `as_str` gives it, and no two kinds share one.
//! 2. Only [`Exit::Failed`] is a failure: it alone leads to `error`, unless a stop was asked for.

use std::fmt;

/// How one generation ended, once it is gone.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_core::{ErrorKind, Exit as GenerationExit, RestartPolicy};
/// # }
/// use processpype::{ErrorKind, GenerationExit};
///
/// assert_eq!(GenerationExit::Failed(ErrorKind::Panic).error(), Some(ErrorKind::Panic));
/// assert_eq!(GenerationExit::Failed(ErrorKind::Panic).as_str(), "panic");
/// assert_eq!(GenerationExit::Completed.error(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// It was asked to stop and did.
    Stopped,
    /// Its `run` returned success unasked, and the service is `oneshot`.
    Completed,
    /// It was asked to stop, did not within its time, and was ended by force.
    Aborted,
    /// It failed.
    Failed(ErrorKind),
}

/// The kinds of failure a service can have; `error.kind` on the wire.
///
/// A kind says what happened, not what to do about it: that is the restart policy's to decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Its configuration section does not fit its type.
    Configuration,
    /// The constructor or `start` returned an error.
    StartFailed,
    /// Constructor and `start` took longer than `start_timeout`.
    StartTimeout,
    /// User code panicked; the panic was contained.
    Panic,
    /// `run` returned an error.
    Failed,
    /// A tracked child task ended with an error or a panic.
    ChildFailed,
    /// `run` returned success although nobody asked the service to stop, and it is not `oneshot`.
    UnexpectedEnd,
    /// It failed because a declared dependency was unavailable.
    Dependency,
    /// It did not beat for longer than its heartbeat allows.
    HeartbeatLost,
    /// It blocked a thread of the runtime for longer than its watchdog allows.
    Blocked,
    /// `stop` returned an error or panicked.
    StopFailed,
    /// The generation could not be ended; what is left of it may still run.
    Orphaned,
    /// The service itself reported an error while it goes on running.
    Reported,
}

// === impl Exit ===

impl Exit {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Completed => "completed",
            Self::Aborted => "aborted",
            Self::Failed(kind) => kind.as_str(),
        }
    }

    /// Returns the failure, if the generation failed.
    #[must_use]
    pub fn error(self) -> Option<ErrorKind> {
        match self {
            Self::Failed(kind) => Some(kind),
            Self::Stopped | Self::Completed | Self::Aborted => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl ErrorKind ===

impl ErrorKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Configuration,
        Self::StartFailed,
        Self::StartTimeout,
        Self::Panic,
        Self::Failed,
        Self::ChildFailed,
        Self::UnexpectedEnd,
        Self::Dependency,
        Self::HeartbeatLost,
        Self::Blocked,
        Self::StopFailed,
        Self::Orphaned,
        Self::Reported,
    ];

    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::StartFailed => "start-failed",
            Self::StartTimeout => "start-timeout",
            Self::Panic => "panic",
            Self::Failed => "failed",
            Self::ChildFailed => "child-failed",
            Self::UnexpectedEnd => "unexpected-end",
            Self::Dependency => "dependency",
            Self::HeartbeatLost => "heartbeat-lost",
            Self::Blocked => "blocked",
            Self::StopFailed => "stop-failed",
            Self::Orphaned => "orphaned",
            Self::Reported => "reported",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_distinct_and_kebab_case() {
        let words: std::collections::BTreeSet<_> =
            ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(words.len(), ErrorKind::ALL.len());
        let kebab = |c: char| c.is_ascii_lowercase() || c == '-';
        assert!(words.iter().all(|word| word.chars().all(kebab)));
    }
}
