//! Whose thread does not come back: news that no version tells, since nothing has happened.
//!
//! # Invariants
//!
//! 1. The number of changes only grows, and is another one whenever the names are: what was
//!    rendered with one of them may be kept by it.
//! 2. Services are looked at at most once for each pulse, as long as nobody is busy: an answer that
//!    is kept does not cost more the more services there are.

use std::sync::{Arc, Mutex, PoisonError};

use processpype_core::ServiceName;
use processpype_runtime::Manager;

/// Who was found busy last.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<Found>);

#[derive(Debug, Default)]
struct Found {
    names: Arc<[ServiceName]>,
    /// How often the names have changed.
    changes: u64,
    /// How many pulses there were before the look.
    pulses: Option<u32>,
}

// === impl Busy ===

impl Busy {
    /// Returns who is, and how often that has changed.
    pub(crate) fn look(&self, manager: &Manager) -> (Arc<[ServiceName]>, u64) {
        self.found(manager.pulses(), || manager.busy())
    }

    fn found(
        &self,
        pulses: u32,
        look: impl FnOnce() -> Vec<ServiceName>,
    ) -> (Arc<[ServiceName]>, u64) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever is busy may come back at any time; to become so takes a pulse.
        if !last.names.is_empty() || last.pulses != Some(pulses) {
            last.pulses = Some(pulses);
            let now = look();
            if *last.names != *now {
                last.names = now.into();
                last.changes += 1;
            }
        }
        (Arc::clone(&last.names), last.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_another_number_whenever_others_are_busy_and_one_look_for_each_pulse() {
        let busy = Busy::default();
        let mut looks = 0;
        let mut check = |pulses, names: &[&str]| {
            let names = names.iter().map(|name| name.parse().expect("a name")).collect();
            let found = busy.found(pulses, || {
                looks += 1;
                names
            });
            (found.1, looks)
        };
        assert_eq!(check(7, &[]), (0, 1));
        assert_eq!(check(7, &["a"]), (0, 1), "nobody can be before the next pulse");
        assert_eq!(check(8, &["a"]), (1, 2));
        assert_eq!(check(8, &["a"]), (1, 3), "it may have come back");
        assert_eq!(check(8, &["b"]), (2, 4));
        assert_eq!(check(8, &[]), (3, 5));
        assert_eq!(check(8, &[]), (3, 5));
    }
}
