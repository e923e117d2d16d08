//! The one place that reads the wall clock.
//!
//! # Invariants
//!
//! 1. Wall time is read once, when the clock is made; from then on it follows tokio's clock, so
//!    that paused time tells the truth and time never runs backwards.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// Tells wall time in step with tokio's clock.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    wall: u64,
    base: Instant,
}

// === impl Clock ===

impl Clock {
    /// Makes a clock that begins at the machine's time.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    pub fn system() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self::starting_at(Timestamp(wall.as_millis() as u64))
    }

    /// Makes a clock that begins at `start`, for tests.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { wall: start.0, base: Instant::now() }
    }

    /// Returns the time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp(self.wall + self.base.elapsed().as_millis() as u64)
    }
}
