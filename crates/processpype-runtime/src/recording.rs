//! What is told by those who work beside the supervisor: how the durable journal is doing, by
//! whoever writes it; new certificates, by whoever looks for them.
//!
//! # Invariants
//!
//! 1. The journal is written elsewhere; here is only told how that goes. Nothing here waits for a
//!    disk.
//! 2. Who tells does not keep the application alive: a [`Reporter`] is no handle.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::operation::Order;

/// How the durable journal is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recording {
    /// Where it is written.
    pub file: Arc<str>,
    /// Why it cannot be written now; it is tried again.
    pub error: Option<Arc<str>>,
    /// How many events are missing in it.
    pub lost: u64,
}

/// Tells the supervisor what happens beside it, and from there everybody.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::WeakSender<Order>);

// === impl Recording ===

impl Recording {
    /// One that is fine so far.
    #[must_use]
    pub fn to(file: &str) -> Self {
        Self { file: file.into(), error: None, lost: 0 }
    }
}

// === impl Reporter ===

impl Reporter {
    pub(crate) fn new(orders: mpsc::WeakSender<Order>) -> Self {
        Self(orders)
    }

    /// Tells how it is doing now, as an event with this cause.
    ///
    /// Never waits. If the supervisor is flooded with commands, the news is dropped: it is in the
    /// log too.
    pub fn tell(&self, cause: &'static str, message: &str, recording: Recording) {
        if let Some(orders) = self.0.upgrade() {
            let _ = orders.try_send(Order::Recording(cause, message.into(), recording));
        }
    }

    /// Tells what happened to the application as a whole, as an event with this cause.
    ///
    /// Never waits. If the supervisor is flooded with commands, the news is dropped: whoever tells
    /// writes it into the log too.
    pub fn note(&self, cause: &'static str, message: &str) {
        if let Some(orders) = self.0.upgrade() {
            let _ = orders.try_send(Order::Note(cause, message.into()));
        }
    }

    /// Returns whether the supervisor is still there.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.0.upgrade().is_some_and(|orders| !orders.is_closed())
    }
}
