//! Why an operation cannot be cancelled.
//!
//! # Invariants
//!
//! 1. The text says what is so, in lower case and without a full stop; what to do about it is for
//!    the one who shows it.
//! 2. None of it is from a service: it may be shown to everybody who may cancel.

use std::sync::Arc;

use crate::register::OperationStatus;

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

// === impl CancelError ===

impl std::fmt::Display for CancelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => f.write_str("there was no such operation"),
            Self::Forgotten => f.write_str("the operation ended long ago and is forgotten"),
            Self::Ended(status) => {
                write!(f, "the operation has ended: {}", status.state().as_str())
            }
            Self::IsStop => f.write_str("a stop cannot be cancelled"),
            Self::IsConfigured => {
                f.write_str("a new configuration holds already; configure the service again")
            }
            Self::HasBegun => f.write_str("every part of the reload has begun"),
            Self::Busy => f.write_str("too many commands are on the way; try again"),
            Self::Closed => f.write_str("the application has closed"),
        }
    }
}

impl std::error::Error for CancelError {}
