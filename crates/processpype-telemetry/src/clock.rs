//! Time: where it comes from, and how a line shows it.
//!
//! # Invariants
//!
//! 1. Nothing in this crate reads a clock but [`Clock::system`]; tests give their own.
//! 2. Every time that is shown is RFC 3339 with the offset of the zone, `Z` for UTC, so that it
//!    names one instant whatever the zone is.
//! 3. The zone is asked once a second per thread: offsets change on whole seconds only.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::zone::{self, Timezone};

/// The last second that is shown, 9999-12-30T22:00:00Z: years have four digits in every zone.
const LAST: i64 = 253_402_207_200;

/// Where the time of a line comes from.
///
/// ```
/// use std::time::UNIX_EPOCH;
/// use processpype_telemetry::Clock;
///
/// let clock = Clock::new(|| UNIX_EPOCH);
/// assert_eq!(clock.now(), UNIX_EPOCH);
/// ```
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

/// A rendered time, kept until the second changes.
#[derive(Debug, Default)]
pub(crate) struct Stamp {
    /// Seconds since the epoch for which the two texts hold; `None` before the first use.
    second: Option<u64>,
    /// `2026-11-23T12:04:05`, without the fraction.
    datetime: String,
    /// `Z` or `+01:00`.
    offset: String,
}

// === impl Clock ===

impl Clock {
    /// A clock that calls `now` once for each line.
    ///
    /// `now` runs on the thread that logs: it should be quick, and must not log itself.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The clock of the machine.
    #[expect(clippy::disallowed_methods, reason = "the one place where the log reads the clock")]
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// The time on this clock.
    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

// === impl Stamp ===

impl Stamp {
    /// Writes `now` as RFC 3339 in `zone`, with `digits` (0 to 9) of the second's fraction.
    ///
    /// A time before 1970 is shown as the epoch: no clock that is set says so.
    pub(crate) fn write(
        &mut self,
        out: &mut String,
        now: SystemTime,
        zone: &Timezone,
        digits: u32,
    ) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        if self.second != Some(since.as_secs()) {
            self.turn(since.as_secs(), zone);
        }
        out.push_str(&self.datetime);
        push_fraction(out, since.subsec_nanos(), digits);
        out.push_str(&self.offset);
    }

    /// Renders the texts of a new second.
    fn turn(&mut self, second: u64, zone: &Timezone) {
        let instant = i64::try_from(second).map_or(LAST, |second| second.min(LAST));
        let offset = zone.offset(instant);
        let local = zone::civil(instant, offset);
        self.second = Some(second);
        self.datetime.clear();
        self.offset.clear();
        // Writing to a String does not fail.
        let _ = write!(
            self.datetime,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            local.year(),
            local.month(),
            local.month_day(),
            local.hour(),
            local.minute(),
            local.second(),
        );
        push_offset(&mut self.offset, offset);
    }
}

/// Writes the first `digits` digits of a fraction given in nanoseconds, after a point.
fn push_fraction(out: &mut String, nanos: u32, digits: u32) {
    if digits == 0 {
        return;
    }
    out.push('.');
    let mut unit = 100_000_000;
    for _ in 0..digits.min(9) {
        // A digit is below ten, so that the cast is exact.
        out.push(char::from(b'0' + (nanos / unit % 10) as u8));
        unit = (unit / 10).max(1);
    }
}

/// Writes an offset in seconds as `Z` or `±hh:mm`; RFC 3339 has no seconds, which are cut.
fn push_offset(out: &mut String, seconds: i32) {
    if seconds == 0 {
        out.push('Z');
        return;
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.unsigned_abs() / 60;
    let _ = write!(out, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rules, so that these tests need no database of zones.
    const ROME: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    const KATHMANDU: &str = "<+0545>-5:45";
    const ST_JOHNS: &str = "NST3:30NDT,M3.2.0,M11.1.0";

    #[track_caller]
    fn check(nanos: u64, zone: &str, digits: u32, expected: &str) {
        let zone = Timezone::named(zone).unwrap_or_else(|_| Timezone::by_rules(zone));
        let mut out = String::new();
        let now = UNIX_EPOCH + Duration::from_nanos(nanos);
        Stamp::default().write(&mut out, now, &zone, digits);
        assert_eq!(out, expected);
    }

    #[test]
    fn times_show_the_offset_of_the_zone() {
        let noon = 1_795_433_045_123_456_789;
        check(noon, "UTC", 3, "2026-11-23T11:24:05.123Z");
        check(noon, "utc", 6, "2026-11-23T11:24:05.123456Z");
        check(noon, "utc", 9, "2026-11-23T11:24:05.123456789Z");
        check(noon, ROME, 0, "2026-11-23T12:24:05+01:00");
        check(noon, KATHMANDU, 0, "2026-11-23T17:09:05+05:45");
        check(noon, ST_JOHNS, 1, "2026-11-23T07:54:05.1-03:30");
        check(0, "UTC", 3, "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_change_of_summer_time_is_seen_on_its_second() {
        let change = 1_792_890_000; // 2026-10-25T01:00:00Z, Rome goes from +02:00 to +01:00.
        check((change - 1) * 1_000_000_000, ROME, 0, "2026-10-25T02:59:59+02:00");
        check(change * 1_000_000_000, ROME, 0, "2026-10-25T02:00:00+01:00");
    }

    #[test]
    fn one_stamp_follows_the_clock_in_both_directions() {
        let (zone, mut stamp) = (Timezone::UTC, Stamp::default());
        for (second, expected) in [
            (5, "1970-01-01T00:00:05Z"),
            (5, "1970-01-01T00:00:05Z"),
            (4, "1970-01-01T00:00:04Z"),
            (60, "1970-01-01T00:01:00Z"),
        ] {
            let mut out = String::new();
            stamp.write(&mut out, UNIX_EPOCH + Duration::from_secs(second), &zone, 0);
            assert_eq!(out, expected);
        }
    }

    #[test]
    fn a_time_out_of_range_is_clamped() {
        let mut out = String::new();
        Stamp::default().write(&mut out, UNIX_EPOCH - Duration::from_secs(9), &Timezone::UTC, 0);
        assert_eq!(out, "1970-01-01T00:00:00Z");
    }
}
