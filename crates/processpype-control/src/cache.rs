//! Answers that are made at most once per version of what they show, or once for as long as nobody
//! joins or leaves.
//!
//! # Invariants
//!
//! 1. The version is read before the value is made: a value is never older than its version.
//! 2. Two readers that miss at once make one value; readers that hit wait for nobody.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use processpype_runtime::Layout;

/// Keeps the newest value.
#[derive(Debug)]
pub(crate) struct Cache<T> {
    newest: ArcSwapOption<(u64, Arc<T>)>,
    making: Mutex<()>,
}

// === impl Cache ===

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self { newest: ArcSwapOption::empty(), making: Mutex::new(()) }
    }
}

impl<T> Cache<T> {
    /// Returns the value for the current version, made by `make` if there is none yet.
    pub(crate) fn get(&self, version: impl Fn() -> u64, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(value) = self.hit(version()) {
            return value;
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let version = version();
        if let Some(value) = self.hit(version) {
            return value;
        }
        let value = Arc::new(make());
        self.newest.store(Some(Arc::new((version, Arc::clone(&value)))));
        value
    }

    fn hit(&self, version: u64) -> Option<Arc<T>> {
        let newest = self.newest.load();
        newest.as_ref().filter(|newest| newest.0 == version).map(|newest| Arc::clone(&newest.1))
    }
}

/// Keeps what was made of the newest layout.
#[derive(Debug)]
pub(crate) struct PerLayout<T>(Mutex<Option<(Arc<Layout>, Arc<T>)>>);

// === impl PerLayout ===

impl<T> Default for PerLayout<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> PerLayout<T> {
    /// Returns the value for a layout, made by `make` if it is another one than the last time.
    pub(crate) fn get(&self, layout: &Arc<Layout>, make: impl FnOnce() -> T) -> Arc<T> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*kept {
            Some((made_of, value)) if Arc::ptr_eq(made_of, layout) => Arc::clone(value),
            _ => {
                let value = Arc::new(make());
                *kept = Some((Arc::clone(layout), Arc::clone(&value)));
                value
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_value_is_made_once_per_version() {
        let (cache, made) = (Cache::default(), AtomicUsize::new(0));
        let get = |version| *cache.get(|| version, || made.fetch_add(1, Ordering::Relaxed));
        assert_eq!([1, 1, 2, 2, 2, 3].map(get), [0, 0, 1, 1, 1, 2]);
    }

    #[test]
    fn many_readers_make_one_value() {
        let (cache, made) = (Cache::default(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| cache.get(|| 7, || made.fetch_add(1, Ordering::Relaxed)));
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
