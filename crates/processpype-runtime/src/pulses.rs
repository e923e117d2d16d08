//! For how long a poll has been going on, without a clock.
//!
//! # Invariants
//!
//! 1. Whoever drives the services' threads counts pulses, [`PULSE`] apart or more, as long as a
//!    thread works. A poll notes how many there were when it began: one load and one store.
//! 2. What is told is never more than the time that has passed. The first pulse within a poll may
//!    come at once, and does not count.
//! 3. Where nobody counts, nothing is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// The time between two pulses, at least. A blocked thread is noticed by nobody in less; ten times
/// a second nothing is what cannot be measured.
pub const PULSE: Duration = Duration::from_millis(100);

/// From when on a poll is worth a word to people: an honest one takes milliseconds.
pub const BUSY_MIN: Duration = Duration::from_secs(1);

/// How many pulses there were.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulses(Arc<AtomicU32>);

/// How many there were when the poll began that is going on, plus 1; 0 = none is going on.
#[derive(Debug, Default)]
pub(crate) struct Since(AtomicU32);

// === impl Pulses ===

impl Pulses {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

// === impl Since ===

impl Since {
    pub(crate) fn begin(&self, pulses: u32) {
        self.0.store(pulses.wrapping_add(1).max(1), Relaxed);
    }

    pub(crate) fn end(&self) {
        self.0.store(0, Relaxed);
    }

    /// Returns for how long the poll has been going on, at least.
    pub(crate) fn time(&self, pulses: u32) -> Option<Duration> {
        let began = self.0.load(Relaxed).checked_sub(1)?;
        let seen = pulses.wrapping_sub(began);
        // Who counts and who polls are two threads: the poll may have seen a later pulse.
        let seen = if seen > u32::MAX / 2 { 0 } else { seen };
        let whole = seen.checked_sub(1).filter(|whole| *whole > 0)?;
        Some(PULSE.saturating_mul(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poll_is_as_old_as_the_pulses_after_its_first() {
        let since = Since::default();
        assert_eq!(since.time(100), None, "there is none");
        for (began, now, pulses) in [(7, 7, 0), (7, 8, 0), (7, 9, 1), (7, 20, 12), (7, 6, 0)] {
            since.begin(began);
            let time = since.time(now).unwrap_or_default();
            assert_eq!(time, PULSE * pulses, "from {began} to {now}");
        }
        since.begin(u32::MAX);
        assert_eq!(since.time(u32::MAX.wrapping_add(3)), Some(PULSE), "the number begins anew");
        since.end();
        assert_eq!(since.time(30), None);
    }
}
