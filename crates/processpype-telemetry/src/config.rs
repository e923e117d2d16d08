//! The section `observability.logging` of the configuration file, as types.
//!
//! # Invariants
//!
//! 1. Every field has a default: an absent section reads as [`LoggingConfig::default`].
//! 2. An unknown key or level name is an error of deserialization, never ignored.
//! 3. The text of these doc comments is the text of the JSON Schema: it speaks to operators.

use std::{collections::BTreeMap, fmt, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;

use crate::error::TelemetryError;

/// What is logged, how it looks and where it goes.
///
/// ```
/// use processpype_telemetry::{Format, Level, LoggingConfig};
///
/// let config: LoggingConfig = serde_json::from_str(
///     r#"{"level": "warn", "format": "json", "loggers": {"my_app": "debug"}}"#,
/// )?;
/// assert_eq!(config.level, Level::Warn);
/// assert_eq!(config.format, Format::Json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LoggingConfig {
    /// The least severe level that is logged, where nothing more specific is said.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
    /// Levels by target: the key is a module path and covers the modules below it.
    /// One that is quieter than `level` holds everywhere, also in a service with a level of its
    /// own.
    pub loggers: BTreeMap<String, Level>,
    /// What is hidden from the log.
    pub redaction: RedactionConfig,
    /// Where the lines go.
    pub destination: Destination,
}

/// A level of detail, from nothing to everything.
///
/// The order is that of verbosity: `Off < Error < … < Trace`.
///
/// ```
/// use processpype_telemetry::Level;
///
/// assert!(Level::Debug > Level::Info);
/// assert_eq!("warn".parse::<Level>()?, Level::Warn);
/// let error = "wran".parse::<Level>().unwrap_err();
/// assert!(error.to_string().contains("did you mean `warn`"));
/// # Ok::<(), processpype_telemetry::TelemetryError>(())
/// ```
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing at all.
    Off,
    /// What failed.
    Error,
    /// What is wrong but was survived.
    Warn,
    /// What happens, in few words.
    #[default]
    Info,
    /// What a developer of the service wants to see.
    Debug,
    /// Everything.
    Trace,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// `color` on a terminal that wants colours (NO_COLOR and its kin are honoured), else `text`.
    #[default]
    Auto,
    /// One line for people, without colours.
    Text,
    /// One line for people, with colours.
    Color,
    /// One JSON object a line, for programs.
    Json,
}

/// Where the lines go.
///
/// In the file: `stderr`, `stdout`, or `{file: /var/log/app.log}`. A file that was moved away is
/// not opened again: let logrotate use `copytruncate`.
///
/// ```
/// use processpype_telemetry::Destination;
///
/// let file: Destination = serde_json::from_str(r#"{"file": "app.log"}"#)?;
/// assert_eq!(file, Destination::File("app.log".into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Destination {
    /// The standard error stream.
    #[default]
    Stderr,
    /// The standard output stream.
    Stdout,
    /// The end of a file, made when absent; what is in it stays.
    File(PathBuf),
}

/// What is hidden from the log, beside the values that are known to be secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RedactionConfig {
    /// Names of fields whose values are shown as `***`, beside those that are always hidden
    /// (password, passwd, passphrase, secret, token, authorization, credential, cookie, dsn,
    /// `api_key` and `private_key`). A name also covers fields in which it is a whole part:
    /// `token` hides `access_token` and `auth.token`.
    pub fields: Vec<String>,
    /// Names of fields that are shown in spite of that, such as `token_count`.
    pub except: Vec<String>,
}

// === impl Level ===

impl Level {
    /// Every level, from the quietest to the most verbose; for lists of what is valid.
    pub const ALL: &'static [Self] =
        &[Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// The name in the file and on the wire, in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The same level in the words of `tracing`.
    pub(crate) fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }

    /// Whether something of `severity` is shown at this level.
    pub(crate) fn shows(self, severity: tracing::Level) -> bool {
        severity <= self.filter()
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Trace,
        }
    }
}

impl From<processpype_core::LogLevel> for Level {
    fn from(level: processpype_core::LogLevel) -> Self {
        use processpype_core::LogLevel;
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

impl From<Level> for processpype_core::LogLevel {
    fn from(level: Level) -> Self {
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

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Level {
    type Err = TelemetryError;

    /// Reads a level by its name, in any case.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::UnknownLevel`] names the valid levels, and the nearest if one is near.
    fn from_str(name: &str) -> Result<Self, TelemetryError> {
        let same = |level: &Self| level.as_str().eq_ignore_ascii_case(name);
        let valid = || Self::ALL.iter().map(|level| level.as_str());
        let unknown = || TelemetryError::unknown_level(name, valid());
        Self::ALL.iter().copied().find(same).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Result<LoggingConfig, &str>) {
        match (serde_json::from_str::<LoggingConfig>(json), expected) {
            (Ok(config), Ok(expected)) => assert_eq!(config, expected),
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{error} has no {part:?}");
            }
            (got, expected) => panic!("got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_level_is_the_same_by_every_other_name() {
        use processpype_core::LogLevel;
        for (level, other) in [
            (Level::Off, LogLevel::Off),
            (Level::Error, LogLevel::Error),
            (Level::Warn, LogLevel::Warn),
            (Level::Info, LogLevel::Info),
            (Level::Debug, LogLevel::Debug),
            (Level::Trace, LogLevel::Trace),
        ] {
            assert_eq!((Level::from(other), LogLevel::from(level)), (level, other));
            let severity = level.filter().into_level();
            assert_eq!(severity.map(Level::from), (level != Level::Off).then_some(level));
        }
    }

    #[test]
    fn reads_what_is_valid() {
        let base = LoggingConfig::default;
        check("{}", Ok(base()));
        check(r#"{"level": "trace"}"#, Ok(LoggingConfig { level: Level::Trace, ..base() }));
        check(
            r#"{"destination": {"file": "/var/log/app.log"}, "format": "color"}"#,
            Ok(LoggingConfig {
                destination: Destination::File("/var/log/app.log".into()),
                format: Format::Color,
                ..base()
            }),
        );
        check(
            r#"{"loggers": {"hyper": "off"}, "redaction": {"fields": ["pin"]}}"#,
            Ok(LoggingConfig {
                loggers: [("hyper".to_owned(), Level::Off)].into(),
                redaction: RedactionConfig { fields: vec!["pin".into()], except: vec![] },
                ..base()
            }),
        );
    }

    #[test]
    fn refuses_what_is_not() {
        check(r#"{"level": "verbose"}"#, Err("unknown variant `verbose`, expected one of `off`"));
        check(r#"{"format": "xml"}"#, Err("unknown variant `xml`"));
        check(r#"{"levle": "info"}"#, Err("unknown field `levle`"));
        check(r#"{"redaction": {"field": []}}"#, Err("unknown field `field`"));
        check(r#"{"loggers": ["hyper"]}"#, Err("invalid type"));
    }

    #[test]
    fn the_schema_describes_every_key() {
        let schema = serde_json::to_value(schemars::schema_for!(LoggingConfig)).unwrap();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.len(), 5);
        for (name, property) in properties {
            assert!(property["description"].is_string(), "{name} is not described");
        }
        assert_eq!(schema["additionalProperties"], false);
    }

    #[test]
    fn the_schema_names_every_word_that_hides() {
        let schema = serde_json::to_value(schemars::schema_for!(RedactionConfig)).unwrap();
        let text = schema["properties"]["fields"]["description"].as_str().unwrap();
        for word in processpype_core::SECRET_WORDS {
            // The plural and the spelling without a separator go without saying.
            let word = if *word == "apikey" { "api_key" } else { word.trim_end_matches('s') };
            assert!(text.contains(word), "{word} is missing");
        }
    }

    #[test]
    fn levels_read_back_from_their_names() {
        for &level in Level::ALL {
            assert_eq!(level.to_string().parse::<Level>().unwrap(), level);
            assert_eq!(level.as_str().to_uppercase().parse::<Level>().unwrap(), level);
        }
        assert!("".parse::<Level>().is_err());
    }
}
