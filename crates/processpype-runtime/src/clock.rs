//! The one place that reads the wall clock.
//!
//! # Invariants
//!
//! 1. Wall time is read once, when the clock is made; from then on it follows tokio's clock, so
//!    that paused time tells the truth and time never runs backwards.
//! 2. Nothing else in this crate knows wall time: deadlines are instants of tokio's clock.
//!
//! So a machine whose clock is set back shows times that go on evenly, off by what it was set,
//! until the process starts again. For an event log that is the lesser evil: order and distances
//! hold.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch, UTC.
///
/// For people and for the wire; to measure, take two of tokio's instants.
///
/// ```
/// use processpype_runtime::{Clock, Timestamp};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let clock = Clock::starting_at(Timestamp(1_000));
/// tokio::time::sleep(Duration::from_secs(2)).await;
/// assert_eq!(clock.now(), Timestamp(3_000));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// Tells wall time in step with tokio's clock.
///
/// Copied freely; all copies tell the same time.
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
        self.at(Instant::now())
    }

    /// Returns the time at a moment of tokio's clock, which is not before this clock was made.
    fn at(&self, moment: Instant) -> Timestamp {
        Timestamp(self.wall + moment.saturating_duration_since(self.base).as_millis() as u64)
    }
}

/// A clock that is read once for all that is done together.
///
/// The loop does some ten things for each message, and each of them has a time. Reading a clock
/// costs as much as many of them, in a virtual machine more; that they happened at one time is as
/// true as any other answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldClock {
    clock: Clock,
    at: Instant,
    /// The same moment, as it is told.
    now: Timestamp,
}

// === impl HeldClock ===

impl HeldClock {
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    pub(crate) fn new(clock: Clock) -> Self {
        let at = Instant::now();
        Self { clock, at, now: clock.at(at) }
    }

    /// Reads the clock: what is done from here on is done at this time.
    pub(crate) fn read(&mut self) {
        *self = Self::new(self.clock);
    }

    /// When it was read last.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The same for deadlines.
    pub(crate) fn instant(&self) -> Instant {
        self.at
    }
}
