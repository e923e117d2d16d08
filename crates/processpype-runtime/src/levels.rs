//! Changing how much is logged, while the application runs.
//!
//! # Invariants
//!
//! 1. This crate knows no log; who has one says what to do.
//! 2. A change is asked of the supervisor, which is the only one that makes it and ends it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use processpype_core::{LogLevel, OperationId, ServiceName, SortedMap};
use tokio::time::Instant;

use crate::clock::Timestamp;
use crate::request::Request;

/// Switches levels of the log: of a service, or of the application for `None`.
///
/// A level holds in place of what is configured until it is switched to `None`; the answer is the
/// level that holds then.
///
/// ```
/// use processpype_core::LogLevel;
/// use processpype_runtime::LevelSwitch;
///
/// // A log that has one level for everything.
/// let switch = LevelSwitch::new(|_, level| level.unwrap_or(LogLevel::Info));
/// assert!(switch.is_there() && !LevelSwitch::default().is_there());
/// ```
#[derive(Clone, Default)]
pub struct LevelSwitch(Option<Arc<Switch>>);

type Switch = dyn Fn(Option<&ServiceName>, Option<LogLevel>) -> LogLevel + Send + Sync;

/// A level that was changed for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LevelChange {
    /// What holds.
    pub level: LogLevel,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who changed it.
    pub actor: Arc<str>,
    /// Why, if they said so.
    pub reason: Option<Arc<str>>,
    /// The same end, for the timer.
    pub(crate) ends: Instant,
}

/// The changes that hold: of services, and of the application for `None`.
pub type LevelChanges = SortedMap<Option<ServiceName>, Arc<LevelChange>>;

/// What a change of a level, or its taking back, has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leveled {
    /// The operation.
    pub operation: OperationId,
    /// Whether it changed something.
    pub changed: bool,
}

/// A change on its way to the supervisor; without a level it takes one back.
#[derive(Debug)]
pub(crate) struct LevelOrder {
    pub(crate) service: Option<ServiceName>,
    pub(crate) change: Option<(LogLevel, Duration)>,
    pub(crate) by: Request,
}

// === impl LevelSwitch ===

impl LevelSwitch {
    /// Makes one of a function, which must be quick: the supervisor calls it.
    pub fn new(
        switch: impl Fn(Option<&ServiceName>, Option<LogLevel>) -> LogLevel + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(switch)))
    }

    /// Returns whether there is a log whose levels can be switched.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn switch(
        &self,
        service: Option<&ServiceName>,
        level: Option<LogLevel>,
    ) -> Option<LogLevel> {
        self.0.as_ref().map(|switch| switch(service, level))
    }
}

impl fmt::Debug for LevelSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_there() { "LevelSwitch(…)" } else { "LevelSwitch" })
    }
}
