//! What is counted as part of a generation beside its own task: children, requests.
//!
//! # Invariants
//!
//! 1. What is counted is counted until its guard is dropped, however it ended.
//! 2. Whoever waits for the last of them has entered the phase before looking, so the last one
//!    rings.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Life, Phase};

/// What is part of a generation beside its own task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// A handler runs, or a streamed body is on its way.
    pub(crate) requests: bool,
    /// A child runs.
    pub(crate) children: bool,
}

/// Counts one child or request as part of the generation until it is dropped.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(super) life: Arc<Life>,
    pub(super) child: Option<u64>,
}

/// Why a child or request could not be taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTracked {
    Stopping,
    TooMany,
}

// === impl Left ===

impl Left {
    /// Whether nothing is left but the generation's own task.
    pub(crate) fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

// === impl Guard ===

impl Guard {
    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    pub(crate) fn child(&self) -> Option<u64> {
        self.child
    }
}

impl Drop for Guard {
    /// The child or request has ended, however it ended.
    fn drop(&mut self) {
        let mut control = self.life.control();
        let more = control.more();
        let count = match self.child {
            Some(id) => {
                more.tracked.remove(&id);
                &self.life.cell.tally.tasks
            }
            None => {
                more.requests -= 1;
                &self.life.cell.tally.requests
            }
        };
        count.fetch_sub(1, Ordering::Relaxed);
        let idle = more.requests == 0 || more.tracked.is_empty();
        drop(control);
        // Nobody waits for it earlier; whoever does has entered the phase before looking.
        if idle && self.life.is_in(Phase::Draining) {
            self.life.changed.ring();
        }
    }
}

// === impl NotTracked ===

impl std::fmt::Display for NotTracked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stopping => "the service is stopping",
            Self::TooMany => "the service has too many children",
        })
    }
}

impl std::error::Error for NotTracked {}
