//! What can go wrong when telemetry is built, changed or flushed.
//!
//! # Invariants
//!
//! 1. A text says what would be valid, and the nearest valid word if one is near.
//! 2. No error holds a value that may be secret.

use std::{fmt, io, path::PathBuf};

/// Words nearer than this (Jaro-Winkler similarity, 0 to 1) are suggested.
const NEAR_ENOUGH: f64 = 0.75;

/// Why telemetry could not do what it was asked.
///
/// ```
/// use processpype_telemetry::{TelemetryError, Timezone};
///
/// // Where the machine has a database of zones, the nearest is named.
/// if Timezone::named("America/New_York").is_ok() {
///     let error = Timezone::named("Amerika/New_York").unwrap_err();
///     assert!(matches!(error, TelemetryError::UnknownTimezone { .. }));
///     assert!(error.to_string().ends_with("did you mean `America/New_York`?"));
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TelemetryError {
    /// A level name that does not exist.
    UnknownLevel {
        /// The name as it was written.
        name: String,
        /// The most similar level, if one is similar at all.
        nearest: Option<String>,
        /// Every level that exists.
        valid: Vec<String>,
    },
    /// A time zone that is not in the database of this machine.
    UnknownTimezone {
        /// The name as it was written.
        name: String,
        /// The most similar zone, if one is similar at all.
        nearest: Option<String>,
    },
    /// The machine has no time zone database.
    NoTimezones {
        /// The zone that was asked for.
        name: String,
    },
    /// The zone of the machine was asked for and cannot be found out.
    SystemTimezone {
        /// What the time zone library said.
        reason: String,
    },
    /// The log file cannot be opened for appending.
    OpenFile {
        /// The file as it was configured.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The thread that writes the log cannot be made.
    SpawnWriter {
        /// What the system said.
        source: io::Error,
    },
    /// A subscriber is installed in this process already.
    AlreadyInstalled,
    /// The lines that were queued could not be written in time.
    FlushTimedOut {
        /// Lines that were still waiting.
        pending: u64,
    },
}

/// The word of `known` that is most like `word`, if it is like it at all.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(&word, &known.to_lowercase()), known))
        .filter(|(similarity, _)| *similarity >= NEAR_ENOUGH)
        .max_by(|(left, _), (right, _)| left.total_cmp(right))
        .map(|(_, known)| known)
}

// === impl TelemetryError ===

impl TelemetryError {
    /// The error for a level `name` that is none of `valid`.
    pub(crate) fn unknown_level(
        name: &str,
        valid: impl Iterator<Item = &'static str> + Clone,
    ) -> Self {
        Self::UnknownLevel {
            name: name.to_owned(),
            nearest: nearest(name, valid.clone()).map(str::to_owned),
            valid: valid.map(str::to_owned).collect(),
        }
    }

    /// The error for a zone `name` that is none of `known`.
    pub(crate) fn unknown_timezone(name: &str, known: &[String]) -> Self {
        let name = name.to_owned();
        if known.is_empty() {
            return Self::NoTimezones { name };
        }
        let nearest = nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
        Self::UnknownTimezone { name, nearest }
    }
}

impl fmt::Display for TelemetryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLevel { name, nearest, valid } => {
                write!(f, "unknown level `{name}`, expected one of {}", valid.join(", "))?;
                suggest(f, nearest.as_deref())
            }
            Self::UnknownTimezone { name, nearest } => {
                write!(f, "unknown time zone `{name}`, expected an IANA name, UTC or system")?;
                suggest(f, nearest.as_deref())
            }
            Self::NoTimezones { name } => write!(
                f,
                "cannot look up time zone `{name}`: this machine has no time zone database; \
                 install the package tzdata, or use UTC"
            ),
            Self::SystemTimezone { reason } => {
                write!(f, "cannot find out the time zone of this machine: {reason}; name one")
            }
            Self::OpenFile { path, .. } => {
                write!(f, "cannot open the log file {} for appending", path.display())
            }
            Self::SpawnWriter { .. } => f.write_str("cannot start the log writer thread"),
            Self::AlreadyInstalled => f.write_str(
                "a tracing subscriber is already installed in this process; \
                 add the layer of `build_layer` to it instead",
            ),
            Self::FlushTimedOut { pending } => {
                write!(f, "the log was not written in time: {pending} lines are still queued")
            }
        }
    }
}

impl std::error::Error for TelemetryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::OpenFile { source, .. } | Self::SpawnWriter { source } => Some(source),
            Self::UnknownLevel { .. }
            | Self::UnknownTimezone { .. }
            | Self::NoTimezones { .. }
            | Self::SystemTimezone { .. }
            | Self::AlreadyInstalled
            | Self::FlushTimedOut { .. } => None,
        }
    }
}

/// Ends an error text with the word that was probably meant.
fn suggest(f: &mut fmt::Formatter<'_>, nearest: Option<&str>) -> fmt::Result {
    match nearest {
        Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
        None => Ok(()),
    }
}
