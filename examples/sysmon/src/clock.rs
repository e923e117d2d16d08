//! The time of a sample: milliseconds of the wall clock, shown as RFC 3339 in UTC.
//!
//! # Invariants
//!
//! 1. Only [`Time::now`] reads the wall clock; everything else gets its time as an argument.
//! 2. Arithmetic saturates: no time before 1970, none after [`Time::MAX`].

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// # Examples
///
/// ```
/// use sysmon::Time;
///
/// assert_eq!(Time::from_millis(1_500).to_string(), "1970-01-01T00:00:01.5Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

// === impl Time ===

impl Time {
    /// The beginning of 1970.
    pub const MIN: Self = Self(0);

    /// The last moment that can be shown, 30 December 9999.
    pub const MAX: Self = Self(253_402_207_199_000);

    /// Returns the moment `millis` milliseconds after 1970 began, at most [`Time::MAX`].
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// Reads the wall clock.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "samples carry wall time; this is its one source"
    )]
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Returns the milliseconds since 1970 began.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the moment `span` earlier, at least [`Time::MIN`].
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match Timestamp::from_millisecond(millis) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{millis} ms after 1970"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(millis: u64, shown: &str) {
        assert_eq!(Time::from_millis(millis).to_string(), shown);
    }

    #[test]
    fn shows_rfc_3339_in_utc() {
        check(0, "1970-01-01T00:00:00Z");
        check(1_700_000_000_123, "2023-11-14T22:13:20.123Z");
    }

    #[test]
    fn every_time_can_be_shown() {
        assert!(Time::from_millis(u64::MAX) == Time::MAX);
        assert!(Time::MAX.to_string().starts_with("9999-"), "{}", Time::MAX);
    }

    #[test]
    fn subtraction_stops_at_1970() {
        assert_eq!(Time::from_millis(5).minus(Duration::from_secs(1)), Time::MIN);
        assert_eq!(Time::from_millis(5_000).minus(Duration::from_secs(2)).as_millis(), 3_000);
    }

    #[test]
    fn the_wall_clock_is_past_2024() {
        assert!(Time::now() > Time::from_millis(1_704_067_200_000));
    }
}
