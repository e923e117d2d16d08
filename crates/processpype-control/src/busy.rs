//! Whose thread does not come back: news that no version tells, since nothing has happened.
//!
//! # Invariants
//!
//! 1. The number of changes only grows, and is another one whenever the names are: what was
//!    rendered with one of them may be kept by it.

use std::sync::{Arc, Mutex, PoisonError};

use processpype_core::ServiceName;
use processpype_runtime::Manager;

/// Who was found busy last, and how often that has changed.
#[derive(Debug, Default)]
pub(crate) struct Busy(Mutex<(Arc<[ServiceName]>, u64)>);

// === impl Busy ===

impl Busy {
    /// Returns who is, and how often that has changed.
    pub(crate) fn look(&self, manager: &Manager) -> (Arc<[ServiceName]>, u64) {
        self.note(manager.busy())
    }

    fn note(&self, now: Vec<ServiceName>) -> (Arc<[ServiceName]>, u64) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *last.0 != *now {
            *last = (now.into(), last.1 + 1);
        }
        last.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_another_number_whenever_others_are_busy() {
        let busy = Busy::default();
        let note = |names: &[&str]| {
            busy.note(names.iter().map(|name| name.parse().expect("a name")).collect()).1
        };
        assert_eq!(
            [note(&[]), note(&["a"]), note(&["a"]), note(&["b"]), note(&[])],
            [0, 1, 1, 2, 3]
        );
    }
}
