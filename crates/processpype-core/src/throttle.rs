//! How many services of one application are started again in what time: a bucket of tokens.
//!
//! A [`Backoff`](crate::Backoff) paces one service; a thousand that crash together would still
//! come back together. So each automatic restart also takes a token here, and one that finds none
//! waits for the next. The runtime asks when the backoff of a service is over: a restart comes at
//! the later of both.
//!
//! The algorithm is GCRA, the generic cell rate algorithm of ATM's traffic control (ITU-T I.371,
//! 1993): instead of counting tokens it keeps the time at which the bucket will be full, so it
//! needs no timer, and one number is all its memory. Time comes in as an argument.
//!
//! # Invariants
//!
//! 1. Within any time `t` no more than `burst + per_second × t` restarts are granted.
//! 2. A grant is never later than that asks for, and never before one that was asked for earlier.
//! 3. The bucket is one number, however much is asked of it.
//!
//! # Where the defaults come from
//!
//! | system | limit over all | limit of one |
//! |---|---|---|
//! | here | 100 at once, then 100 per second | backoff, 5 in 60 s |
//! | Kubernetes' controllers | 100 at once, then 10 per second | 5 ms doubling to 1000 s |
//! | systemd | none | `DefaultStartLimitBurst` 5 in 10 s |
//! | OTP | none but that of each supervisor | 1 in 5 s |
//!
//! The shape is that of client-go's `DefaultControllerRateLimiter`: the later of a backoff for each
//! item and one bucket for all. Its ten per second guard a server on the network; a service in this
//! process starts in milliseconds, and a thousand should be back in seconds: with a hundred at once
//! and a hundred per second the last one waits nine. (See also "Timeouts, retries, and backoff with
//! jitter" in the Amazon Builders' Library, whose clients limit retries with such a bucket, and
//! "Metastable Failures in the Wild", OSDI 2022, for what happens without.)

use std::fmt;
use std::time::Duration;

/// The largest `burst` of a [`RestartRate`].
pub const RESTART_BURST_MAX: u32 = 100_000;

/// The smallest and the largest `per_second` of a [`RestartRate`]: one in 100 s is nearly none, and
/// ten thousand per second is nearly no limit.
const PER_SECOND: std::ops::RangeInclusive<f64> = 0.01..=10_000.0;

const NANOS_PER_MILLI: u128 = 1_000_000;

/// How many automatic restarts an application may make in what time, over all its services.
///
/// ```
/// # use processpype_core as processpype;
/// use processpype::{InvalidRate, RestartRate};
///
/// let rate = RestartRate::new(20.0, 50)?;
/// assert_eq!((rate.per_second(), rate.burst()), (20.0, 50));
/// assert_eq!(RestartRate::new(0.0, 50), Err(InvalidRate::PerSecond));
/// # Ok::<(), InvalidRate>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestartRate {
    per_second: f64,
    burst: u32,
}

/// A rate that is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRate {
    /// `per_second` is below 0.01, above 10,000, or not a number.
    PerSecond,
    /// `burst` is 0 or above [`RESTART_BURST_MAX`].
    Burst,
}

/// Grants restarts at a [`RestartRate`].
///
/// ```
/// use std::time::Duration;
/// use processpype_core::{RestartRate, RestartThrottle};
///
/// let mut throttle = RestartThrottle::new(RestartRate::new(10.0, 2)?);
/// let delays = [0; 4].map(|now| throttle.reserve(now).as_millis());
/// assert_eq!(delays, [0, 0, 100, 200]);
/// assert_eq!(throttle.reserve(1_000), Duration::ZERO);
/// # Ok::<(), processpype_core::InvalidRate>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RestartThrottle {
    /// Between two grants of a bucket that is empty, in nanoseconds.
    interval: u128,
    /// How far the bucket may be from full when a grant is made, in nanoseconds.
    tolerance: u128,
    /// When the bucket will be full, in nanoseconds. (GCRA: the theoretical arrival time.)
    full_at: u128,
}

// === impl RestartRate ===

impl RestartRate {
    /// How many restarts per second.
    pub const PER_SECOND: f64 = 100.0;
    /// How many at once.
    pub const BURST: u32 = 100;

    /// Makes a rate: `burst` at once, and `per_second` from then on.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if `per_second` is not from 0.01 to 10,000, or `burst` not from 1 to
    /// [`RESTART_BURST_MAX`].
    pub fn new(per_second: f64, burst: u32) -> Result<Self, InvalidRate> {
        if !PER_SECOND.contains(&per_second) {
            Err(InvalidRate::PerSecond)
        } else if !(1..=RESTART_BURST_MAX).contains(&burst) {
            Err(InvalidRate::Burst)
        } else {
            Ok(Self { per_second, burst })
        }
    }

    /// Returns how many restarts there may be per second, once the burst is used up.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Returns how many restarts there may be at once after a quiet time.
    #[must_use]
    pub fn burst(&self) -> u32 {
        self.burst
    }

    /// Returns the time between two restarts once the burst is used up.
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.per_second)
    }
}

impl Default for RestartRate {
    /// 100 at once, then 100 per second.
    fn default() -> Self {
        Self { per_second: Self::PER_SECOND, burst: Self::BURST }
    }
}

impl fmt::Display for RestartRate {
    /// Writes it as a limit is spoken of: `100 restarts per second`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} restarts per second", self.per_second)
    }
}

// === impl RestartThrottle ===

impl RestartThrottle {
    /// Makes a throttle that has granted nothing yet.
    #[must_use]
    pub fn new(rate: RestartRate) -> Self {
        let interval = rate.interval().as_nanos();
        Self { interval, tolerance: interval * u128::from(rate.burst - 1), full_at: 0 }
    }

    /// Grants one restart and returns how long to wait for it, from `now`: zero is at once.
    ///
    /// `now` is in milliseconds of any clock that does not go back. What was granted cannot be
    /// given back: a restart that is cancelled while it waits leaves its place empty, and those
    /// behind it come no sooner. With `n` services that each have one restart to wait for, nobody
    /// waits longer than `n` divided by the rate.
    pub fn reserve(&mut self, now: u64) -> Duration {
        let now = u128::from(now) * NANOS_PER_MILLI;
        let full_at = self.full_at.max(now);
        self.full_at = full_at + self.interval;
        let granted_at = full_at.saturating_sub(self.tolerance).max(now);
        let delay = u64::try_from(granted_at - now).unwrap_or(u64::MAX);
        Duration::from_nanos(delay)
    }
}

// === impl InvalidRate ===

impl fmt::Display for InvalidRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PerSecond => f.write_str("`per_second` must be from 0.01 to 10000"),
            Self::Burst => write!(f, "`burst` must be from 1 to {RESTART_BURST_MAX}"),
        }
    }
}

impl std::error::Error for InvalidRate {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(per_second: f64, burst: u32, asked: &[u64], delays: &[u64]) {
        let rate = RestartRate::new(per_second, burst).expect("within the rules");
        let mut throttle = RestartThrottle::new(rate);
        let granted = asked.iter().map(|&now| throttle.reserve(now).as_millis() as u64);
        assert_eq!(granted.collect::<Vec<_>>(), delays);
    }

    #[test]
    fn a_burst_is_at_once_and_the_rest_in_turn() {
        check(10.0, 3, &[5, 5, 5, 5, 5], &[0, 0, 0, 100, 200]);
        check(1.0, 1, &[0, 0, 500], &[0, 1_000, 1_500]);
    }

    #[test]
    fn what_is_not_used_fills_the_bucket_up_to_its_brim() {
        check(10.0, 2, &[0, 0, 100, 100], &[0, 0, 0, 100]);
        check(10.0, 2, &[0, 0, 1_000_000, 1_000_000, 1_000_000], &[0, 0, 0, 0, 100]);
    }

    #[test]
    fn a_thousand_services_are_back_within_ten_seconds() {
        let mut throttle = RestartThrottle::new(RestartRate::default());
        let last = (0..1000).map(|_| throttle.reserve(0)).last();
        assert_eq!(last, Some(Duration::from_secs(9)));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for per_second in [0.0, -1.0, f64::NAN, f64::INFINITY, 10_001.0] {
            assert_eq!(RestartRate::new(per_second, 1), Err(InvalidRate::PerSecond));
        }
        for burst in [0, RESTART_BURST_MAX + 1] {
            assert_eq!(RestartRate::new(1.0, burst), Err(InvalidRate::Burst));
        }
        let RestartRate { per_second, burst } = RestartRate::default();
        assert_eq!(RestartRate::new(per_second, burst), Ok(RestartRate::default()));
    }
}
