//! Workers that are left out of work until others are blocked.
//!
//! Services have more threads than there are cores, so that some may block. Work that is there for
//! a moment wakes one of tokio's workers after the other, each of which looks for it with all the
//! others: with sixteen of them on two cores a request cost nine times as many calls of the kernel
//! to wake threads as with two. So the spare ones wait, and are let go, once and for
//! all, when as many others stay in one poll from one look to the next.
//!
//! # Invariants
//!
//! 1. As many workers as are meant to work are neither waiting here nor, for longer than two looks,
//!    blocked, as long as there is a spare one.
//! 2. Whoever was let go does not come back: an application that blocks threads keeps them all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeMetrics};

/// The workers of a runtime that wait.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    waiting: Mutex<Waiting>,
    fewer: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// How many should wait.
    wanted: usize,
    /// How many do.
    count: usize,
}

/// Finds workers that are blocked, by looking again and again.
#[derive(Debug)]
pub(crate) struct Watch {
    metrics: RuntimeMetrics,
    seen: Vec<Progress>,
}

/// How far a worker has come: how often it has parked and gone to work, and for how long it has
/// worked. Tokio brings both up to date between polls.
type Progress = (u64, Duration);

// === impl Reserve ===

impl Reserve {
    /// Leaves `count` workers out of work.
    pub(crate) fn hold(self: &Arc<Self>, services: &Handle, count: usize) {
        self.waiting().wanted = count;
        for _ in 0..count {
            let reserve = Arc::clone(self);
            services.spawn(async move { reserve.wait() });
        }
    }

    /// Lets workers go until at most `most` wait.
    pub(crate) fn keep(&self, most: usize) {
        let mut waiting = self.waiting();
        if most < waiting.wanted {
            waiting.wanted = most;
            self.fewer.notify_all();
        }
    }

    /// How many workers wait.
    pub(crate) fn count(&self) -> usize {
        self.waiting().count
    }

    /// Keeps the worker that calls this until fewer are wanted.
    fn wait(&self) {
        let mut waiting = self.waiting();
        waiting.count += 1;
        while waiting.count <= waiting.wanted {
            waiting = self.fewer.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.count -= 1;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Watch ===

impl Watch {
    pub(crate) fn new(services: &Handle) -> Self {
        Self { metrics: services.metrics(), seen: Vec::new() }
    }

    /// Returns how many workers have been in one poll, or a few slow ones, since the last look;
    /// those that wait in a [`Reserve`] are among them.
    pub(crate) fn blocked(&mut self) -> usize {
        let metrics = &self.metrics;
        let progress = |worker| {
            let parks = metrics.worker_park_unpark_count(worker);
            (parks, metrics.worker_total_busy_duration(worker))
        };
        let seen: Vec<Progress> = (0..metrics.num_workers()).map(progress).collect();
        // An odd number is that of a worker that has nothing to do.
        let is_same = |(now, before): &(&Progress, &Progress)| now == before && now.0 % 2 == 0;
        let blocked = seen.iter().zip(&self.seen).filter(is_same).count();
        self.seen = seen;
        blocked
    }
}
