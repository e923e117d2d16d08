//! Durations as people write them: `500ms`, `2s`, `1m30s`.
//!
//! # Invariants
//!
//! 1. A unit is always written, except for `0`: a bare `30` could be seconds or milliseconds, and
//!    a wrong guess is off by a factor of a thousand.
//! 2. `Display` and `FromStr` are inverse to each other for every duration.
//!
//! # Why a type of its own
//!
//! A bare number is a trap (`timeout: 30` of what?), and formats that take fractions (`1.5h`) lose
//! exactness or invite `0.1s`. Here a duration is a sum of whole numbers with units, exact to the
//! nanosecond, and there is one canonical way to write each.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserializer, Error as _, Unexpected};
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
/// valid.
///
/// # Example
///
/// ```
/// use processpype_config::HumanDuration;
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
/// use processpype_config::HumanDuration;
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
/// use processpype_config::HumanDuration;
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
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &EXPECTED))
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
            "type": "string",
            "description": "A duration with a unit, such as 500ms, 2s, 1m30s or 1h.",
            "format": FORMAT,
            "pattern": PATTERN,
            "minLength": 1,
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
    fn anything_else_is_refused() {
        for text in ["", "30", "s", "1x", "1s1m", "1s1s", "-1s", "1.5s", " 1s", "1 s", "١s"] {
            check(text, None);
        }
        check("18446744073709551616s", None);
        check("99999999999999999999999999999999999999999d", None);
    }
}
