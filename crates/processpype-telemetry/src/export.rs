//! What has become of what is sent to another system.
//!
//! # Invariants
//!
//! 1. What was admitted is pending until it is delivered or lost, and is counted once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::tap::RequestSpans;

/// What a process sends to another system, as far as the control plane has to know.
///
/// Two are equal if they are of the same exporter.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Makes a span of each request, if somebody listens to them.
    pub request_spans: Option<Arc<dyn RequestSpans>>,
    /// What has become of each signal.
    pub exported: Vec<Arc<Exported>>,
}

/// How much of one signal, such as `traces`, is under way, was delivered, and was lost.
///
/// Whoever sends counts here; whoever shows numbers reads. Counts only grow.
///
/// ```
/// use processpype_telemetry::Exported;
///
/// let traces = Exported::new("traces", 2);
/// assert!(traces.admit() && traces.admit());
/// assert!(!traces.admit(), "there is room for two");
/// traces.deliver(1);
/// traces.lose(1);
/// assert_eq!((traces.pending(), traces.delivered(), traces.lost()), (0, 1, 2));
/// ```
#[derive(Debug)]
pub struct Exported {
    signal: &'static str,
    most: u64,
    pending: AtomicU64,
    delivered: AtomicU64,
    lost: AtomicU64,
}

// === impl Export ===

impl PartialEq for Export {
    fn eq(&self, other: &Self) -> bool {
        let signals = self.exported.iter().zip(&other.exported);
        self.exported.len() == other.exported.len()
            && signals.fold(true, |same, (one, two)| same && Arc::ptr_eq(one, two))
    }
}

// === impl Exported ===

impl Exported {
    /// Begins to count `signal`, of which at most `most` may be under way.
    #[must_use]
    pub fn new(signal: &'static str, most: u64) -> Self {
        let [pending, delivered, lost] = std::array::from_fn(|_| AtomicU64::new(0));
        Self { signal, most, pending, delivered, lost }
    }

    /// Takes one more on its way; if there is no room for it, it is lost.
    pub fn admit(&self) -> bool {
        let more = |pending| (pending < self.most).then_some(pending + 1);
        let is_admitted = self.pending.fetch_update(Relaxed, Relaxed, more).is_ok();
        if !is_admitted {
            self.lost.fetch_add(1, Relaxed);
        }
        is_admitted
    }

    /// `count` of those on their way have arrived.
    pub fn deliver(&self, count: u64) {
        self.settle(count);
        self.delivered.fetch_add(count, Relaxed);
    }

    /// `count` of those on their way will not arrive.
    pub fn lose(&self, count: u64) {
        self.settle(count);
        self.lost.fetch_add(count, Relaxed);
    }

    fn settle(&self, count: u64) {
        let less = |pending: u64| Some(pending.saturating_sub(count));
        let _ = self.pending.fetch_update(Relaxed, Relaxed, less);
    }

    /// What is sent, such as `traces` or `logs`.
    #[must_use]
    pub fn signal(&self) -> &'static str {
        self.signal
    }

    /// How many are on their way.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    /// How many have arrived.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// How many will not arrive: the other side did not take them, or there was no room.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}
