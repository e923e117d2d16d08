//! The supervisor's own queue of what happens later.
//!
//! # Invariants
//!
//! 1. A timer fires at or after its time, in the order of times; equal times in the order of
//!    arming.
//! 2. A timer is never cancelled: the machine ignores one that no longer matters.
//!
//! # Why not tokio's timers
//!
//! One task with one sleep serves all waits: the loop stays the only place where time turns into
//! events, and their order is defined. Not cancelling keeps arming and firing at O(log n), without
//! handles; every timer carries the generation it was armed for, so a late one is recognised as
//! such.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use processpype_core::{Generation, ServiceId, Timer};
use tokio::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A wait for one generation.
    Generation(ServiceId, Generation, Timer),
    /// A look at the beats of one generation.
    Beat(ServiceId, Generation),
    /// A look at the polls of one generation.
    Polls(ServiceId, Generation),
    /// The pause of this number is over: automatic restarts go on.
    Resume(u64),
    /// The change of a level with this number is over.
    Level(u64),
    /// The drain delay is over: stop the services.
    Drained,
    /// The closing deadline.
    Closing,
}

/// Timers by time.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u64, Due)>>,
    armed: u64,
}

// === impl Timers ===

impl Timers {
    /// Arms a timer; it cannot be taken back.
    pub(crate) fn arm(&mut self, at: Instant, due: Due) {
        self.heap.push(Reverse((at, self.armed, due)));
        self.armed += 1;
    }

    /// When the next timer is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }

    /// Returns the next timer whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse((_, _, due))| due)
    }
}
