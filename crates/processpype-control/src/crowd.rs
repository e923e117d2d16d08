//! Who waits for a place among the connections of a listener, and who makes room.
//!
//! # Invariants
//!
//! 1. Nobody keeps others out by being there: when all places are taken, whoever has been there
//!    longest without need gives up its place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use crate::places::ClientPlace;

/// How long a connection may keep its place, whatever it does, when others wait for one. Long
/// enough for any head to arrive over loopback.
const PLACE_KEPT: Duration = Duration::from_secs(1);

/// How often another connection is asked to leave while clients wait for a place.
const ASK_TO_LEAVE_EVERY: Duration = Duration::from_millis(20);

/// What tells connections that others wait.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    is_waiting: AtomicBool,
    leave: Notify,
}

/// Counts the connections of all listeners.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    taken: AtomicU64,
    left: AtomicU64,
}

/// One of the connections that are counted.
#[derive(Debug)]
struct Counted(Arc<Connections>);

/// A place among the connections, and the crowd that may want it back.
#[derive(Debug)]
pub(crate) struct Place {
    _slot: OwnedSemaphorePermit,
    _own: Option<ClientPlace>,
    _counted: Counted,
    crowd: Arc<Crowd>,
}

// === impl Connections ===

impl Connections {
    /// Returns how many have had a place.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Returns how many are open.
    pub(crate) fn open(&self) -> u64 {
        // Left is read first: nobody leaves who has not come.
        let left = self.left.load(Ordering::Acquire);
        self.taken().saturating_sub(left)
    }
}

// === impl Counted ===

impl Counted {
    fn new(connections: &Arc<Connections>) -> Self {
        connections.taken.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(connections))
    }
}

impl Drop for Counted {
    /// The connection is over, however it ended.
    fn drop(&mut self) {
        self.0.left.fetch_add(1, Ordering::Release);
    }
}

// === impl Place ===

impl Place {
    pub(crate) fn new(
        slot: OwnedSemaphorePermit,
        own: Option<ClientPlace>,
        crowd: &Arc<Crowd>,
        connections: &Arc<Connections>,
    ) -> Self {
        let (_counted, crowd) = (Counted::new(connections), Arc::clone(crowd));
        Self { _slot: slot, _own: own, _counted, crowd }
    }

    /// Resolves when the connection, no longer new, should leave.
    pub(crate) async fn asks_to_leave(&self) {
        self.crowd.asks_to_leave().await;
    }
}

// === impl Crowd ===

impl Crowd {
    /// Waits for a free place; while there is none, asks one connection after the other to leave.
    pub(crate) async fn place(&self, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            let free = Arc::clone(slots).acquire_owned();
            if let Ok(slot) = timeout(ASK_TO_LEAVE_EVERY, free).await {
                self.is_waiting.store(false, Ordering::Relaxed);
                return slot.ok();
            }
            self.is_waiting.store(true, Ordering::Relaxed);
            self.leave.notify_one();
        }
    }

    /// Resolves when a connection that is no longer new should leave, the oldest one first.
    async fn asks_to_leave(&self) {
        sleep(PLACE_KEPT).await;
        loop {
            self.leave.notified().await;
            if self.is_waiting.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}
