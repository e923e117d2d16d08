//! The one place that reads the wall clock.
//!
//! # Invariants
//!
//! 1. For all that is told, wall time is read once, when the clock is made; from then on it follows
//!    tokio's clock, so that paused time tells the truth and time never runs backwards.
//! 2. Nothing else in this crate knows wall time: deadlines are instants of tokio's clock.
//!
//! So a machine whose clock is set back shows times that go on evenly, off by what it was set,
//! until the process starts again; so does one that slept, whose monotonic clock stood still. For
//! an event log that is the lesser evil: order and distances hold. It would not do for times that
//! others have written, such as those of a certificate: those are held against
//! [`Clock::wall_time`], which is read each time.

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
    /// It began at the machine's time.
    is_the_machines: bool,
}

// === impl Clock ===

impl Clock {
    /// Makes a clock that begins at the machine's time.
    #[must_use]
    pub fn system() -> Self {
        Self { is_the_machines: true, ..Self::starting_at(machine_time()) }
    }

    /// Makes a clock that begins at `start`, for tests.
    #[must_use]
    #[allow(clippy::disallowed_methods, reason = "this is the clock module")]
    pub fn starting_at(start: Timestamp) -> Self {
        Self { wall: start.0, base: Instant::now(), is_the_machines: false }
    }

    /// Returns the time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.at(Instant::now())
    }

    /// Returns what the machine's clock says now, which may jump: to compare with times that others
    /// have written. A clock for tests says what [`now`](Self::now) does.
    ///
    /// ```
    /// use processpype_runtime::{Clock, Timestamp};
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let (machine, test) = (Clock::system(), Clock::starting_at(Timestamp(1_000)));
    /// tokio::time::sleep(Duration::from_secs(3_600)).await; // In no time: it is paused.
    /// assert!(machine.wall_time() < machine.now());
    /// assert_eq!(test.wall_time(), test.now());
    /// # }
    /// ```
    #[must_use]
    pub fn wall_time(&self) -> Timestamp {
        if self.is_the_machines { machine_time() } else { self.now() }
    }

    /// Returns the time at a moment of tokio's clock, which is not before this clock was made.
    fn at(&self, moment: Instant) -> Timestamp {
        Timestamp(self.wall + moment.saturating_duration_since(self.base).as_millis() as u64)
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the clock module")]
fn machine_time() -> Timestamp {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Timestamp(wall.as_millis() as u64)
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
