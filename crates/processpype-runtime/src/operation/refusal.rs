//! Why a command had no effect.
//!
//! # Invariants
//!
//! 1. Each reason is one answer of the control API, and one end of an operation.
//! 2. The text says what is so, in lower case and without a full stop; what to do about it is for
//!    the one who shows it.

use processpype_core::{ErrorKind, Generation, OperationId, ServiceName, each};

use crate::register::OperationState;

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
