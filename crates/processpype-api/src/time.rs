//! Times on the wire: RFC 3339, UTC, milliseconds.
//!
//! # Invariants
//!
//! 1. The text always has 24 characters for years up to 9999, so it sorts like the time it names.

use std::fmt;

use serde::de::Error as _;
use serde::{Serialize, Serializer};
use serde_json::{Error, Value};

use crate::answered::{Answered, deserialize};

const MS_PER_DAY: u64 = 86_400_000;

/// Milliseconds since the Unix epoch, written as `2026-11-23T12:00:00.000Z`.
///
/// ```
/// use processpype_api::Timestamp;
///
/// assert_eq!(Timestamp(951_782_400_123).to_string(), "2000-02-29T00:00:00.123Z");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

/// A text is no time such as `2026-11-23T12:00:00Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTime;

// === impl InvalidTime ===

impl fmt::Display for InvalidTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not a time in UTC such as `2026-11-23T12:00:00Z`")
    }
}

impl std::error::Error for InvalidTime {}

// === impl Timestamp ===

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0 / MS_PER_DAY);
        let ms = self.0 % MS_PER_DAY;
        let (hour, minute) = (ms / 3_600_000, ms / 60_000 % 60);
        let (second, milli) = (ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = InvalidTime;

    /// Reads the text that [`Display`](fmt::Display) writes; the milliseconds may be left out.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let whole = text.strip_suffix('Z').filter(|rest| !rest.contains('.'));
        let parsed = match whole {
            Some(rest) => Self::parse(&format!("{rest}.000Z")),
            None => Self::parse(text),
        };
        parsed.ok_or(InvalidTime)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Answered for Timestamp {
    fn read(json: Value) -> Result<Self, Error> {
        let text = String::read(json)?;
        Self::parse(&text).ok_or_else(|| Error::custom(format!("`{text}` is no time")))
    }
}

deserialize!(Timestamp);

impl Timestamp {
    /// Reads a time as this type writes it; nothing else.
    ///
    /// ```
    /// use processpype_api::Timestamp;
    ///
    /// assert_eq!(Timestamp::parse("2000-02-29T00:00:00.123Z"), Some(Timestamp(951_782_400_123)));
    /// assert_eq!(Timestamp::parse("yesterday"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
        let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
        let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
        let seconds = (hour * 60 + minute) * 60 + second;
        let ms = days(year, month, day)? * MS_PER_DAY + seconds * 1000 + number(20, 23)?;
        // What is written again the same way was well formed.
        Some(Self(ms)).filter(|time| time.to_string() == text)
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// Turns days since 1970-01-01 into year, month and day.
///
/// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.)
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// Turns year, month and day into days since 1970-01-01, if they are not before.
///
/// (As above, `days_from_civil`.)
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = ((153 * month_from_march + 2) / 5 + day).checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ms: u64, expected: &str) {
        assert_eq!(Timestamp(ms).to_string(), expected);
        assert_eq!(Timestamp::parse(expected), Some(Timestamp(ms)));
    }

    #[test]
    fn milliseconds_may_be_left_out() {
        assert_eq!("1970-01-02T00:00:01Z".parse(), Ok(Timestamp(86_401_000)));
        for text in ["", "x", "1970-01-01", "1970-13-01T00:00:00Z", "1970-01-01T00:00:00.5Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTime), "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_times() {
        for text in [
            "",
            "2024",
            "2024-02-30T00:00:00.000Z",
            "2023-02-29T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "2024-13-01T00:00:00.000Z",
            "2024-01-01T24:00:00.000Z",
            "2024-01-01T00:00:00.000+01:00",
            "2024-01-01 00:00:00.000Z",
            "2024-00-00T00:00:00.000Z",
            "2024-01-01T00:00:00.000Zé",
            "éééééééééééé",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn known_times() {
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_399_999, "2000-02-28T23:59:59.999Z");
        check(951_868_800_000, "2000-03-01T00:00:00.000Z");
        check(1_735_689_599_001, "2024-12-31T23:59:59.001Z");
        check(1_709_164_800_000, "2024-02-29T00:00:00.000Z");
        check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
        check(253_402_300_799_999, "9999-12-31T23:59:59.999Z");
    }
}
