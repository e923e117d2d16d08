//! How much one client may have at a time, be it connections or streams.
//!
//! # Invariants
//!
//! 1. A client has at most the limit; what is refused is not counted.
//! 2. The table has no entry for a client that has nothing: it is as long as what is had, which has
//!    a limit of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::rate::Client;

/// What clients have, client by client.
#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    taken: Mutex<HashMap<Client, Taken>>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    /// That it has met its limit was told.
    is_told: bool,
}

/// One of the places of a client; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct ClientPlace {
    places: Arc<Places>,
    client: Client,
}

/// A client that has all it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    /// It was not told since the client had nothing.
    pub(crate) is_first: bool,
}

// === impl Places ===

impl Places {
    /// Makes places, at least one for each client.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), taken: Mutex::default() })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes one for the client.
    pub(crate) fn take(self: &Arc<Self>, client: Client) -> Result<ClientPlace, Full> {
        let mut all = self.lock();
        let taken = all.entry(client).or_default();
        if taken.count >= self.limit {
            return Err(Full { is_first: !std::mem::replace(&mut taken.is_told, true) });
        }
        taken.count += 1;
        Ok(ClientPlace { places: Arc::clone(self), client })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Taken>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ClientPlace {
    fn drop(&mut self) {
        let mut all = self.places.lock();
        if let Some(taken) = all.get_mut(&self.client) {
            taken.count -= 1;
            if taken.count == 0 {
                all.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_its_own() {
        let places = Places::new(2);
        let (one, other) = (Client::User(1), Client::User(2));
        let first = places.take(one).expect("free");
        let _second = places.take(one).expect("free");
        assert_eq!(places.take(one).err(), Some(Full { is_first: true }));
        assert_eq!(places.take(one).err(), Some(Full { is_first: false }));
        let theirs = places.take(other).expect("another client");
        drop(first);
        let _third = places.take(one).expect("one was given back");
        assert!(places.take(one).is_err());
        drop(theirs);
        assert_eq!(places.lock().len(), 1, "who has nothing is forgotten");
    }
}
