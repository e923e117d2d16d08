//! The configuration of the services: the sections `services.<name>` of the file.
//!
//! # Invariants
//!
//! 1. What was read is valid: a duration outside its range is an error at its place in the file.
//! 2. Every key has a default, so that an empty file runs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use processpype::config::HumanDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MIN_INTERVAL;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A duration from `MIN` to `MAX` milliseconds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "HumanDuration", into = "HumanDuration")]
pub struct Between<const MIN: u64, const MAX: u64>(HumanDuration);

/// A duration is too short or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    min: HumanDuration,
    max: HumanDuration,
}

/// Samples the machine.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CollectorConfig {
    /// Time from one sample to the next, 200ms to 1h.
    pub interval: Between<{ MIN_INTERVAL.as_millis() as u64 }, HOUR>,
    /// Also sample each core on its own, as `cpu_core_0`, `cpu_core_1`, …
    pub per_core: bool,
    /// A path on the file system to watch.
    pub disk: PathBuf,
}

/// Keeps the samples on disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// Directory of the database, made if it is missing; relative to the working directory.
    pub data_dir: PathBuf,
}

/// Deletes old samples.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionConfig {
    /// Age at which a sample is deleted, 1m to 30d.
    pub keep: Between<MINUTE, { 30 * DAY }>,
    /// Time from one clean-up to the next, 1s to 1d.
    pub every: Between<SECOND, DAY>,
}

// === impl Between ===

impl<const MIN: u64, const MAX: u64> Between<MIN, MAX> {
    /// Returns the duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0.get()
    }

    /// Wraps a constant that is known to be in range; `MIN` or `MAX` if it is not.
    const fn millis(millis: u64) -> Self {
        let millis = if millis < MIN { MIN } else { millis };
        let millis = if millis > MAX { MAX } else { millis };
        Self(HumanDuration::new(Duration::from_millis(millis)))
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<HumanDuration> for Between<MIN, MAX> {
    type Error = OutOfRange;

    fn try_from(duration: HumanDuration) -> Result<Self, OutOfRange> {
        let range = Self::millis(MIN).0..=Self::millis(MAX).0;
        if range.contains(&duration) {
            Ok(Self(duration))
        } else {
            let (min, max) = range.into_inner();
            Err(OutOfRange { min, max })
        }
    }
}

impl<const MIN: u64, const MAX: u64> From<Between<MIN, MAX>> for HumanDuration {
    fn from(between: Between<MIN, MAX>) -> Self {
        between.0
    }
}

// === impl OutOfRange ===

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected a duration from {} to {}", self.min, self.max)
    }
}

impl std::error::Error for OutOfRange {}

// === impl CollectorConfig, StoreConfig, RetentionConfig ===

impl Default for CollectorConfig {
    fn default() -> Self {
        Self { interval: Between::millis(SECOND), per_core: false, disk: "/".into() }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { data_dir: "./data".into() }
    }
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { keep: Between::millis(DAY), every: Between::millis(MINUTE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(interval: &str, expected: Result<u64, &str>) {
        let json = serde_json::json!({ "interval": interval });
        match (serde_json::from_value::<CollectorConfig>(json), expected) {
            (Ok(config), Ok(millis)) => {
                assert_eq!(config.interval.get(), Duration::from_millis(millis));
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expected) => panic!("{interval}: {got:?} is not {expected:?}"),
        }
    }

    #[test]
    fn an_interval_is_within_its_range() {
        check("200ms", Ok(200));
        check("1h", Ok(HOUR));
        for outside in ["0", "199ms", "1h1ms", "2d"] {
            check(outside, Err("expected a duration from 200ms to 1h"));
        }
    }

    #[test]
    fn an_empty_section_is_the_default() {
        let retention: RetentionConfig = serde_json::from_str("{}").expect("valid");
        assert_eq!(retention.keep.get(), Duration::from_secs(86_400));
        assert_eq!(retention.every.get(), Duration::from_secs(60));
        let store: StoreConfig = serde_json::from_str("{}").expect("valid");
        assert_eq!(store.data_dir, PathBuf::from("./data"));
    }

    #[test]
    fn the_schema_shows_the_defaults_and_the_descriptions() {
        let schema = schemars::schema_for!(CollectorConfig).to_value();
        assert_eq!(schema["properties"]["interval"]["default"], "1s");
        assert_eq!(
            schema["properties"]["disk"]["description"],
            "A path on the file system to watch."
        );
    }
}
