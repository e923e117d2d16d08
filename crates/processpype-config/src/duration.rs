//! Durations as people write them: `500ms`, `2s`, `1m30s`.
//!
//! # Invariants
//!
//! 1. A unit is always written, except for `0`, as a text or as a number: a bare `30` could be
//!    seconds or milliseconds, and a wrong guess is off by a factor of a thousand.
//! 2. `Display` and `FromStr` are inverse to each other for every duration.
//!
//! # Why a type of its own
//!
//! A bare number is a trap (`timeout: 30` of what?), and formats that take fractions (`1.5h`) lose
//! exactness or invite `0.1s`. Here a duration is a sum of whole numbers with units, exact to the
//! nanosecond, and there is one canonical way to write each.
//!
//! # What was meant
//!
//! Whoever writes `1.5h`, `30 seconds` or `30s 1m` is understood and refused all the same, with the
//! text to write ([`meant`]): one way to write a time is worth more than five, and each report
//! costs nobody more than a glance. A bare number is told both usual units, since nobody but its
//! writer knows which one it has.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Unexpected, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// What a problem says is valid.
pub(crate) const EXPECTED: &str = "a duration with a unit, such as 500ms, 2s, 1m30s or 1h";

/// The schema's `format`; texts of this format are checked by [`HumanDuration::from_str`], which is
/// exact and faster than the pattern.
pub(crate) const FORMAT: &str = "human-duration";

/// What an editor checks; unit by unit as in [`UNITS`].
const PATTERN: &str =
    concat!("^(0|([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?", "([0-9]+ms)?([0-9]+us)?([0-9]+ns)?)$");

/// The units, largest first, in nanoseconds.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A span of time, written as whole numbers with units.
///
/// Units are `d h m s ms us ns`, each at most once, largest first. Without a unit only `0` is
/// valid, also as a number.
///
/// # Example
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::HumanDuration;
/// use std::time::Duration;
///
/// let timeout: HumanDuration = "1m30s".parse()?;
/// assert_eq!(*timeout, Duration::from_secs(90));
/// assert_eq!(timeout.to_string(), "1m30s");
/// assert!("30".parse::<HumanDuration>().is_err());
/// # Ok::<(), processpype_config::InvalidDuration>(())
/// ```
///
/// In a configuration type use it in place of [`Duration`], which serde would want as a map. It
/// dereferences to one:
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::HumanDuration;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use std::time::Duration;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Poll {
///     #[serde(default = "every_minute")]
///     interval: HumanDuration,
/// }
///
/// fn every_minute() -> HumanDuration { HumanDuration::new(Duration::from_secs(60)) }
///
/// let poll: Poll = serde_json::from_str("{}").unwrap();
/// assert_eq!(poll.interval.as_millis(), 60_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HumanDuration(Duration);

/// The text is not a duration.
///
/// Its text says what would be right; it does not repeat the text that was wrong.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::HumanDuration;
///
/// let error = "1.5s".parse::<HumanDuration>().unwrap_err();
/// assert!(error.to_string().contains("a duration with a unit, such as 500ms"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDuration(());

// === impl HumanDuration ===

impl HumanDuration {
    /// Wraps a duration.
    ///
    /// Any duration has a text, so this cannot fail.
    pub const fn new(duration: Duration) -> Self {
        Self(duration)
    }

    /// Returns the duration.
    ///
    /// The same as dereferencing, for code that wants it by value.
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl Deref for HumanDuration {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl From<HumanDuration> for Duration {
    fn from(duration: HumanDuration) -> Self {
        duration.0
    }
}

impl FromStr for HumanDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        if text == "0" {
            return Ok(Self::default());
        }
        let nanos = total_nanos(text).ok_or(InvalidDuration(()))?;
        let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| InvalidDuration(()))?;
        let rest = u32::try_from(nanos % 1_000_000_000).map_err(|_| InvalidDuration(()))?;
        Ok(Self(Duration::new(seconds, rest)))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_nanos();
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in UNITS {
            if left >= size {
                write!(f, "{}{unit}", left / size)?;
                left %= size;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads a text, or the number 0.
struct Written;

impl Visitor<'_> for Written {
    type Value = HumanDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<HumanDuration, E> {
        text.parse().map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<HumanDuration, E> {
        match number {
            0 => Ok(HumanDuration::default()),
            number => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<HumanDuration, E> {
        match number {
            0 => Ok(HumanDuration::default()),
            number => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }
}

impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for HumanDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HumanDuration".into()
    }

    fn schema_id() -> Cow<'static, str> {
        "processpype_config::HumanDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "description": "A duration with a unit, such as 500ms, 2s, 1m30s or 1h.",
            "format": FORMAT,
            "pattern": PATTERN,
            "minLength": 1,
            "minimum": 0,
            "maximum": 0,
            "examples": ["500ms", "2s", "1m30s", "1h"],
            "x-expected": EXPECTED,
        })
    }
}

// === impl InvalidDuration ===

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {EXPECTED}")
    }
}

impl std::error::Error for InvalidDuration {}

/// Returns the duration that was probably meant by a text that is none, in the way it is written:
/// a number without a unit in both units that are usual, fractions and long names of units as
/// whole numbers with short ones.
pub(crate) fn meant(text: &str) -> Option<String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let in_unit = |unit: &str| format!("{text}{unit}").parse::<HumanDuration>().ok();
        let (seconds, millis) = (in_unit("s")?, in_unit("ms")?);
        return Some(format!("write {seconds} or {millis}, whichever is meant"));
    }
    let nanos = loose_nanos(text)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    let rest = u32::try_from(nanos % 1_000_000_000).ok()?;
    Some(format!("write {}", HumanDuration(Duration::new(seconds, rest))))
}

/// Sums what a person can read: units in any order and case, by long names too, with blanks and
/// fractions. `None` if it is no whole number of nanoseconds.
fn loose_nanos(text: &str) -> Option<u128> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '.';
    let mut rest = text.trim();
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c| !is_digit(c))?);
        let tail = tail.trim_start();
        let (unit, tail) = tail.split_at(tail.find(is_digit).unwrap_or(tail.len()));
        let size = size_of_unit(unit.trim_end())?;
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let scale = 10_u128.checked_pow(u32::try_from(part.len()).ok()?)?;
        let digits: u128 = format!("{whole}{part}").parse().ok()?;
        let nanos = digits.checked_mul(size)?;
        total = total.checked_add((nanos % scale == 0).then_some(nanos / scale)?)?;
        rest = tail;
    }
    (total > 0).then_some(total)
}

fn size_of_unit(name: &str) -> Option<u128> {
    let name = name.to_ascii_lowercase();
    let short = match name.as_str() {
        "day" | "days" => "d",
        "hr" | "hrs" | "hour" | "hours" => "h",
        "min" | "mins" | "minute" | "minutes" => "m",
        "sec" | "secs" | "second" | "seconds" => "s",
        "msec" | "msecs" | "millis" | "millisecond" | "milliseconds" => "ms",
        "µs" | "μs" | "usec" | "usecs" | "microsecond" | "microseconds" => "us",
        "nsec" | "nsecs" | "nanos" | "nanosecond" | "nanoseconds" => "ns",
        other => other,
    };
    UNITS.iter().find(|(unit, _)| *unit == short).map(|(_, size)| *size)
}

/// Sums `1m30s`; `None` on anything else, a unit out of order, or overflow.
///
/// Each unit is looked for only among those smaller than the last one, which makes order and "at
/// most once" one rule.
fn total_nanos(text: &str) -> Option<u128> {
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        let nanos = number.parse::<u128>().ok()?.checked_mul(*size)?;
        total = total.checked_add(nanos)?;
        rest = tail;
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::HumanDuration;
    use std::time::Duration;

    #[track_caller]
    fn check(text: &str, expected: Option<Duration>) {
        assert_eq!(text.parse::<HumanDuration>().ok().map(HumanDuration::get), expected, "{text}");
    }

    #[test]
    fn people_write_units() {
        check("500ms", Some(Duration::from_millis(500)));
        check("1m30s", Some(Duration::from_secs(90)));
        check("1d", Some(Duration::from_secs(86_400)));
        check("0", Some(Duration::ZERO));
        check("18446744073709551615s", Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn zero_may_be_a_number() {
        let read = |json: &str| serde_json::from_str::<HumanDuration>(json).map(HumanDuration::get);
        for zero in ["0", "\"0\"", "\"0s\"", "-0"] {
            assert_eq!(read(zero).ok(), (zero != "-0").then_some(Duration::ZERO), "{zero}");
        }
        for json in ["1", "-1", "0.0", "true", "null", "[]"] {
            let error = read(json).expect_err(json).to_string();
            assert!(error.contains("a duration with a unit"), "{error}");
        }
    }

    #[test]
    fn what_was_meant_is_known() {
        for (text, expected) in [
            ("30", "write 30s or 30ms, whichever is meant"),
            ("90000", "write 1d1h or 1m30s, whichever is meant"),
            ("1.5h", "write 1h30m"),
            ("0.1 Sec", "write 100ms"),
            ("30 seconds", "write 30s"),
            ("5 S", "write 5s"),
            ("30s 1min", "write 1m30s"),
            ("250µs", "write 250us"),
        ] {
            let meant = super::meant(text);
            assert_eq!(meant.as_deref(), Some(expected), "{text}");
            let written = expected.trim_start_matches("write ").split(' ').next();
            assert!(written.is_some_and(|it| it.parse::<HumanDuration>().is_ok()), "{text}");
        }
        for text in ["", "soon", "s", "1", "1x", "-1s", ".", "1.2.3s", "0.1ns", "٣s"] {
            assert_eq!(
                super::meant(text),
                (text == "1").then(|| "write 1s or 1ms, whichever is meant".to_owned()),
                "{text}"
            );
        }
        assert_eq!(super::meant(&"9".repeat(60)), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "30", "s", "1x", "1s1m", "1s1s", "-1s", "1.5s", " 1s", "1 s", "١s"] {
            check(text, None);
        }
        check("18446744073709551616s", None);
        check("99999999999999999999999999999999999999999d", None);
    }
}
