//! How much one client may have at a time, be it connections or streams.
//!
//! # Invariants
//!
//! 1. A client has at most the limit; what is refused is not counted.
//! 2. The table has no entry for a client that has nothing: it is as long as what is had, which has
//!    a limit of its own.
//! 3. At most [`WAITING`] of a client wait for a place, each for at most [`PATIENCE`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::crowd::Crowd;
use crate::rate::Client;

/// How many of one client may wait for a place.
const WAITING: usize = 16;

/// How long one waits for a place: longer than a connection may keep its own without need.
const PATIENCE: Duration = Duration::from_secs(3);

/// What clients have, client by client.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    clients: Mutex<HashMap<Client, Arc<Own>>>,
}

/// What one client has.
#[derive(Debug)]
struct Own {
    free: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    crowd: Crowd,
    /// That it has met its limit was told.
    is_told: AtomicBool,
}

/// One of the places of a client; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct ClientPlace {
    _place: OwnedSemaphorePermit,
    guest: Guest,
}

/// A client that has a place, or will have one.
#[derive(Debug)]
pub(crate) struct Coming {
    place: Option<OwnedSemaphorePermit>,
    _waiting: Option<OwnedSemaphorePermit>,
    guest: Guest,
    /// It is the first that has to wait since the client had nothing.
    pub(crate) is_first: bool,
}

/// Keeps the entry of a client as long as it has something, or waits for it.
#[derive(Debug)]
struct Guest {
    places: Arc<Places>,
    client: Client,
    /// Gone only while it is dropped.
    own: Option<Arc<Own>>,
}

/// A client that has all it may have, and waits for as much as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

// === impl Places ===

impl Places {
    /// Makes places, at least one for each client.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let limit = limit.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self { limit, clients: Mutex::default() })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes one for the client, if there is one.
    pub(crate) fn take(self: &Arc<Self>, client: Client) -> Result<ClientPlace, Full> {
        let guest = self.guest(client);
        let place = guest.place().ok_or(Full)?;
        Ok(ClientPlace { _place: place, guest })
    }

    /// Takes one for the client, or has it wait for one.
    pub(crate) fn enter(self: &Arc<Self>, client: Client) -> Result<Coming, Full> {
        let guest = self.guest(client);
        let place = guest.place();
        if place.is_some() {
            return Ok(Coming { place, _waiting: None, guest, is_first: false });
        }
        let waiting = guest.own().and_then(|own| Arc::clone(&own.waiting).try_acquire_owned().ok());
        let waiting = waiting.ok_or(Full)?;
        let is_told = guest.own().is_some_and(|own| own.is_told.swap(true, Ordering::Relaxed));
        Ok(Coming { place: None, _waiting: Some(waiting), guest, is_first: !is_told })
    }

    fn guest(self: &Arc<Self>, client: Client) -> Guest {
        let mut clients = self.lock();
        let own = clients.entry(client).or_insert_with(|| Arc::new(Own::new(self.limit)));
        Guest { own: Some(Arc::clone(own)), places: Arc::clone(self), client }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Arc<Own>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Own ===

impl Own {
    fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit)),
            waiting: Arc::new(Semaphore::new(WAITING)),
            crowd: Crowd::default(),
            is_told: AtomicBool::new(false),
        }
    }
}

// === impl ClientPlace ===

impl ClientPlace {
    /// Resolves when the client itself has more need of the place.
    pub(crate) async fn is_wanted(&self) {
        match self.guest.own() {
            Some(own) => own.crowd.wants_one_to_leave().await,
            None => std::future::pending().await,
        }
    }
}

// === impl Coming ===

impl Coming {
    /// Waits until one of the client's own makes room; `None` if none does in time.
    pub(crate) async fn place(self) -> Option<ClientPlace> {
        let Self { place, guest, .. } = self;
        let place = match (place, guest.own()) {
            (Some(place), _) => place,
            (None, Some(own)) => timeout(PATIENCE, own.crowd.place(&own.free)).await.ok()??,
            (None, None) => return None,
        };
        Some(ClientPlace { _place: place, guest })
    }
}

// === impl Guest ===

impl Guest {
    fn own(&self) -> Option<&Arc<Own>> {
        self.own.as_ref()
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.own()?.free).try_acquire_owned().ok()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut clients = self.places.lock();
        // Under the lock, so that exactly one of two that go together is the last one.
        drop(self.own.take());
        if clients.get(&self.client).is_some_and(|own| Arc::strong_count(own) == 1) {
            clients.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Client = Client::User(1);
    const OTHER: Client = Client::User(2);

    #[test]
    fn each_client_has_its_own() {
        let places = Places::new(2);
        let first = places.take(ONE).expect("free");
        let _second = places.take(ONE).expect("free");
        assert_eq!(places.take(ONE).err(), Some(Full));
        let theirs = places.take(OTHER).expect("another client");
        drop(first);
        let _third = places.take(ONE).expect("one was given back");
        assert!(places.take(ONE).is_err());
        drop(theirs);
        assert_eq!(places.lock().len(), 1, "who has nothing is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_later_waits_for_a_time_and_not_in_a_crowd() {
        let places = Places::new(1);
        let first = places.enter(ONE).expect("free").place().await.expect("free");
        let mut waiting: Vec<_> =
            (0..WAITING).map(|_| places.enter(ONE).expect("it waits")).collect();
        assert!(waiting[0].is_first && waiting[1..].iter().all(|it| !it.is_first));
        assert_eq!(places.enter(ONE).err().map(|_| ()), Some(()));
        assert!(waiting.pop().expect("many").place().await.is_none(), "nobody has left");
        let next = waiting.pop().expect("many");
        let leaves = async {
            first.is_wanted().await;
            drop(first);
        };
        let (next, ()) = tokio::join!(next.place(), leaves);
        assert!(next.is_some());
        drop((next, waiting));
        assert!(places.lock().is_empty());
    }
}
