//! The words that verbs know.

use processpype_api::LogLevel;

use crate::argument::Word;

/// A level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelWord {
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

/// How severe a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Everything.
    Trace,
    /// What a developer of the service wants to see.
    Debug,
    /// What happens, in few words.
    Info,
    /// What is wrong but was survived.
    Warn,
    /// What failed.
    Error,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GraphFormat {
    /// Lines for people.
    Text,
    /// For Graphviz.
    Dot,
    /// For Mermaid.
    Mermaid,
}

// === impl LevelWord ===

impl LevelWord {
    /// What may be written.
    pub(super) const WORDS: [Word<Self>; 6] = [
        ("off", "Nothing at all", Self::Off),
        ("error", "What failed", Self::Error),
        ("warn", "What is wrong but was survived", Self::Warn),
        ("info", "What happens, in few words", Self::Info),
        ("debug", "What a developer of the service wants to see", Self::Debug),
        ("trace", "Everything", Self::Trace),
    ];
}

impl From<LevelWord> for LogLevel {
    fn from(word: LevelWord) -> Self {
        match word {
            LevelWord::Off => Self::Off,
            LevelWord::Error => Self::Error,
            LevelWord::Warn => Self::Warn,
            LevelWord::Info => Self::Info,
            LevelWord::Debug => Self::Debug,
            LevelWord::Trace => Self::Trace,
        }
    }
}

// === impl Severity ===

impl Severity {
    /// What may be written.
    pub(super) const WORDS: [Word<Self>; 5] = [
        ("trace", "Everything", Self::Trace),
        ("debug", "What a developer of the service wants to see", Self::Debug),
        ("info", "What happens, in few words", Self::Info),
        ("warn", "What is wrong but was survived", Self::Warn),
        ("error", "What failed", Self::Error),
    ];

    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

// === impl GraphFormat ===

impl GraphFormat {
    /// What may be written.
    pub(super) const WORDS: [Word<Self>; 3] = [
        ("text", "Lines for people", Self::Text),
        ("dot", "For Graphviz", Self::Dot),
        ("mermaid", "For Mermaid", Self::Mermaid),
    ];
}
