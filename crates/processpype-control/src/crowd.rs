//! Who waits for a place among the connections of a listener, and who makes room.
//!
//! # Invariants
//!
//! 1. Nobody keeps others out by being there: when all places are taken, whoever has been there
//!    longest without need gives up its place. When all of one client are taken, the same holds
//!    among its own: to others on this machine it is the same client.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    waiting: AtomicUsize,
    leave: Notify,
}

/// One that waits for a place.
struct Waiting<'a>(&'a AtomicUsize);

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
    own: Option<ClientPlace>,
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
        Self { _slot: slot, own, _counted, crowd }
    }

    /// Resolves when the connection, no longer new, should leave.
    pub(crate) async fn asks_to_leave(&self) {
        sleep(PLACE_KEPT).await;
        let by_its_client = async {
            match &self.own {
                Some(own) => own.is_wanted().await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = self.crowd.wants_one_to_leave() => {}
            () = by_its_client => {}
        }
    }
}

// === impl Crowd ===

impl Crowd {
    /// Waits for a free place; while there is none, asks one connection after the other to leave.
    pub(crate) async fn place(&self, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let mut free = pin!(Arc::clone(slots).acquire_owned());
        let mut waiting = None;
        loop {
            if let Ok(slot) = timeout(ASK_TO_LEAVE_EVERY, free.as_mut()).await {
                return slot.ok();
            }
            waiting.get_or_insert_with(|| Waiting::new(&self.waiting));
            self.leave.notify_one();
        }
    }

    /// Resolves when one should leave, for the one that has waited for that longest.
    pub(crate) async fn wants_one_to_leave(&self) {
        loop {
            self.leave.notified().await;
            if self.waiting.load(Ordering::Relaxed) > 0 {
                return;
            }
        }
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_a_place_asks_nobody_to_leave_any_more() {
        let (crowd, slots) = (Crowd::default(), Arc::new(Semaphore::new(1)));
        let first = crowd.place(&slots).await.expect("it is free");
        let leaves = async {
            crowd.wants_one_to_leave().await;
            drop(first);
        };
        let (_second, ()) = tokio::join!(crowd.place(&slots), leaves);
        // One that was asked twice finds nobody who waits.
        crowd.leave.notify_one();
        let asked = timeout(PLACE_KEPT, crowd.wants_one_to_leave()).await;
        assert!(asked.is_err(), "nobody waits");
    }
}
