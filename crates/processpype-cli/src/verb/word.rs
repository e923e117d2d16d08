//! The words that verbs know.

use processpype_api::LogLevel;

use crate::argument::Word;

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

/// The levels that may be set.
pub(super) const LEVELS: [Word<LogLevel>; 6] = [
    ("off", "Nothing at all", LogLevel::Off),
    ("error", "What failed", LogLevel::Error),
    ("warn", "What is wrong but was survived", LogLevel::Warn),
    ("info", "What happens, in few words", LogLevel::Info),
    ("debug", "What a developer of the service wants to see", LogLevel::Debug),
    ("trace", "Everything", LogLevel::Trace),
];

/// How severe a line may be, the least severe first.
pub(super) const SEVERITIES: [Word<LogLevel>; 5] =
    [LEVELS[5], LEVELS[4], LEVELS[3], LEVELS[2], LEVELS[1]];

// === impl GraphFormat ===

impl GraphFormat {
    /// What may be written.
    pub(super) const WORDS: [Word<Self>; 3] = [
        ("text", "Lines for people", Self::Text),
        ("dot", "For Graphviz", Self::Dot),
        ("mermaid", "For Mermaid", Self::Mermaid),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_the_level_that_is_sent() {
        for (word, _, level) in LEVELS.iter().chain(&SEVERITIES) {
            assert_eq!(*word, level.as_str());
        }
        let sent = SEVERITIES.map(|(word, ..)| word);
        assert_eq!(sent, *processpype_api::SEVERITIES);
    }
}
