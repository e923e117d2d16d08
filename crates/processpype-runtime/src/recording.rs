//! What is told by those who work beside the supervisor: how the durable journal is doing, by
//! whoever writes it; new certificates, by whoever looks for them.
//!
//! # Invariants
//!
//! 1. The journal is written elsewhere; here is only told how that goes. Nothing here waits for a
//!    disk.
//! 2. Who tells does not keep the application alive: a [`Reporter`] is no handle.
//! 3. Nor is it deaf when there is no handle any more: services may stop for long after that.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use crate::manager::Shared;
use crate::order::Order;

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
pub struct Reporter {
    shared: Weak<Shared>,
    orders: mpsc::WeakSender<Order>,
}

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
    pub(crate) fn new(shared: &Arc<Shared>, orders: mpsc::WeakSender<Order>) -> Self {
        Self { shared: Arc::downgrade(shared), orders }
    }

    /// Tells how it is doing now, as an event with this cause.
    ///
    /// Never waits. If the supervisor is flooded with commands, or no handle to it is left, the
    /// news is dropped: it is in the log too.
    pub fn tell(&self, cause: &'static str, message: &str, recording: Recording) {
        if let Some(orders) = self.orders.upgrade() {
            let _ = orders.try_send(Order::Recording(cause, message.into(), recording));
        }
    }

    /// Tells what happened to the application as a whole, as an event with this cause.
    ///
    /// Never waits. If the supervisor is flooded with commands, the news is dropped: whoever tells
    /// writes it into the log too.
    pub fn note(&self, cause: &'static str, message: &str) {
        if let Some(orders) = self.orders.upgrade() {
            let _ = orders.try_send(Order::Note(cause, message.into()));
        }
    }

    /// Returns whether the supervisor is still there, and there may be more events.
    ///
    /// Also while it closes because its last handle is gone.
    #[must_use]
    pub fn is_heard(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| !shared.has_ended())
    }
}
