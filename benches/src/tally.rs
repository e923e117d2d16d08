//! A count that somebody waits for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts up to a number, and wakes whoever waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Tally(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    counted: AtomicUsize,
    whole: usize,
    done: Notify,
}

impl Tally {
    pub(crate) fn of(whole: usize) -> Self {
        let (counted, done) = (AtomicUsize::new(0), Notify::new());
        Self(Arc::new(Inner { counted, whole, done }))
    }

    pub(crate) fn add(&self) {
        if self.0.counted.fetch_add(1, Ordering::AcqRel) + 1 == self.0.whole {
            self.0.done.notify_one();
        }
    }

    pub(crate) fn counted(&self) -> usize {
        self.0.counted.load(Ordering::Acquire)
    }

    /// Waits until all are counted. One waiter.
    pub(crate) async fn whole(&self) {
        while self.counted() < self.0.whole {
            self.0.done.notified().await;
        }
    }
}
