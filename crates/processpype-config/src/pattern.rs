//! Patterns of texts, compiled when a text is held against them.

use std::sync::OnceLock;

use regex_lite::Regex;

use crate::rules::Rule;

/// What a schema says of the form of a text.
///
/// Few texts of a schema are written in a file, and compiling a pattern takes longer than all else
/// that is read of its schema.
#[derive(Debug)]
pub(crate) struct Pattern {
    text: String,
    /// Nothing if the text is no regular expression.
    compiled: OnceLock<Option<Regex>>,
}

// === impl Pattern ===

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceLock::new() }
    }

    /// Returns the pattern, unless it is no regular expression: then the schema says nothing.
    pub(crate) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(&self.text).ok()).as_ref()
    }
}

// === impl Rule ===

impl Rule {
    /// Returns the pattern of a text, if the schema says one.
    pub(crate) fn pattern(&self) -> Option<&Regex> {
        self.pattern.as_ref()?.regex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_compiled_for_the_first_text_and_what_is_none_says_nothing() {
        let pattern = Pattern::new("^a+$");
        assert!(pattern.compiled.get().is_none());
        assert!(pattern.regex().is_some_and(|regex| regex.is_match("aa")));
        assert!(Pattern::new("(").regex().is_none());
    }
}
