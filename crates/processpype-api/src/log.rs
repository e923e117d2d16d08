//! Log lines on the wire.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answered::{Answered, answered};

/// How many log lines one page holds unless asked for.
pub const LOG_LINES_PER_PAGE: usize = 100;

/// How many log lines one page may hold.
pub const MAX_LOG_LINES_PER_PAGE: usize = 1000;

/// The words for how severe a line is, from everything to what failed.
pub const SEVERITIES: &[&str] = &["trace", "debug", "info", "warn", "error"];

/// Which lines of the whole log are meant.
pub const LOG_SCOPES: &[&str] = &["all", "outside"];

/// A level of detail, from nothing to everything.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// What failed.
    Error,
    /// What is wrong but was survived.
    Warn,
    /// What happens, in few words.
    Info,
    /// What a developer of the service wants to see.
    Debug,
    /// Everything.
    Trace,
}

/// A line of the log, as it was logged.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct LogRecord {
    /// Its place in the log that was asked for: from 1, without gaps.
    pub seq: u64,
    /// When, in the zone of the application (`app.timezone`).
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub time: String,
    /// How severe.
    pub level: LogLevel,
    /// The module that logged.
    pub target: String,
    /// The service it belongs to; absent outside services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The service's generation, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// The text.
    pub message: String,
    /// What was logged beside the text; absent if nothing was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Value>,
}

answered!(LogRecord {
    seq,
    time,
    level,
    target,
    service,
    generation,
    message,
    fields: BTreeMap::new(),
});

/// Some lines of one log, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogPage {
    /// The lines that match.
    pub records: Vec<LogRecord>,
    /// What to pass as `after` to go on from here.
    pub next: u64,
    /// The number of the newest line of this log; when `next` equals it, nothing newer is known.
    pub last: u64,
    /// How many lines after the asked-for place are no longer kept.
    pub lost: u64,
    /// How many lines of this log are no longer kept at all.
    pub dropped: u64,
}

answered!(LogPage { records, next, last, lost, dropped });

// === impl LogLevel ===

impl From<processpype_core::LogLevel> for LogLevel {
    fn from(level: processpype_core::LogLevel) -> Self {
        use processpype_core::LogLevel as Level;
        match level {
            Level::Off => Self::Off,
            Level::Error => Self::Error,
            Level::Warn => Self::Warn,
            Level::Info => Self::Info,
            Level::Debug => Self::Debug,
            Level::Trace => Self::Trace,
        }
    }
}

/// A body has this word as well, so serde reads it where mistakes have a place.
impl Answered for LogLevel {
    fn read(json: Value) -> Result<Self, serde_json::Error> {
        Self::deserialize(json)
    }
}

impl LogLevel {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        processpype_core::LogLevel::from(self).as_str()
    }
}

impl std::fmt::Display for LogLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<LogLevel> for processpype_core::LogLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Off => Self::Off,
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}
