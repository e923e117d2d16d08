//! How much is logged, as a word that can be compared.
//!
//! # Invariants
//!
//! 1. The order is that of verbosity: what is greater shows everything that is smaller.

use std::fmt;
use std::str::FromStr;

/// A level of detail of a log, from nothing to everything.
///
/// ```
/// # use processpype_core as processpype;
/// use processpype::LogLevel;
///
/// assert!(LogLevel::Debug > LogLevel::Info);
/// assert_eq!("warn".parse(), Ok(LogLevel::Warn));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// A text that names no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLogLevel;

// === impl LogLevel ===

impl LogLevel {
    /// Every level, the quietest first.
    pub const ALL: &'static [Self] =
        &[Self::Off, Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = InvalidLogLevel;

    fn from_str(text: &str) -> Result<Self, InvalidLogLevel> {
        Self::ALL.iter().copied().find(|level| level.as_str() == text).ok_or(InvalidLogLevel)
    }
}

// === impl InvalidLogLevel ===

impl fmt::Display for InvalidLogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a level is `off`, `error`, `warn`, `info`, `debug` or `trace`")
    }
}

impl std::error::Error for InvalidLogLevel {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_read_back_and_are_in_order() {
        for &level in LogLevel::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert!(LogLevel::ALL.is_sorted());
        assert_eq!("DEBUG".parse::<LogLevel>(), Err(InvalidLogLevel));
    }
}
