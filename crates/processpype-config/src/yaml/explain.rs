//! Mistakes in the notation, in words: what was done rather than what the grammar expected.
//!
//! # Invariants
//!
//! 1. Every mistake has a remedy, also those that the parser has a name for and this module none.
//! 2. No text of the file is in a message; the source line is masked as always.
//!
//! # Why words of our own
//!
//! The parser names a state of its grammar: *misplaced flow collection end*. Whoever wrote the file
//! has one bracket too many. Two dozen states are what people run into; the others are told in the
//! parser's words, with the advice that is right most often: quotes.

use std::sync::Arc;

use granit_parser::{ErrorKind, ScanError};

use super::cause;
use crate::report::Problem;
use crate::source::{At, Source};
use crate::syntax::conflict;

/// What to do about too many levels.
pub(super) const NESTED: &str = "write it with fewer levels, or close a `[` or `{` before";

/// A character that no value may have as it is.
const CONTROL: (&str, &str) = (
    "a control character cannot stand here",
    "remove it, or write it as an escape in double quotes",
);

/// A syntax error in words, with a remedy.
///
/// One problem for each file, since nothing after it can be trusted.
pub(super) fn syntax(source: &Arc<Source>, error: &ScanError) -> Problem {
    if let Some(conflict) = conflict(source) {
        return conflict;
    }
    let marker = error.marker();
    let start = marker.byte_offset().unwrap_or(0);
    if let Some(cause) = cause::find(source, error.kind(), start) {
        return cause;
    }
    // The scanner stops behind a tab; the tab is what is wrong.
    let behind_tab = source.text()[..start.min(source.text().len())].ends_with('\t');
    let back = usize::from(behind_tab && marker.col() > 0);
    let start = start - back;
    let control = control_in(source.text(), start);
    let (start, (message, help)) = match (error.kind(), control) {
        (ErrorKind::UnexpectedCharacter { .. }, Some(at)) => {
            (at, (CONTROL.0.to_owned(), CONTROL.1))
        }
        (kind, _) => (start, explain(kind)),
    };
    At::new(source, start..start + 1).problem(message, false).help(help)
}

/// The first control character of a line from a place on, which the scanner does not name.
fn control_in(text: &str, from: usize) -> Option<usize> {
    let rest = text.get(from..)?.lines().next()?;
    rest.find(is_control).map(|at| from + at)
}

fn is_control(c: char) -> bool {
    c.is_control() && !c.is_whitespace()
}

/// The problem of a tag. It is not named: a password may begin with `!`.
pub(super) fn tag(at: &At) -> Problem {
    let help = match at.spot().written() {
        "!include" | "!import" => {
            "a file includes no other: what differs from place to place goes into the file of a \
             profile, what repeats behind an anchor"
        }
        _ => "remove the tag, or quote a value that begins with `!`",
    };
    at.problem("tags are not supported", false).help(help)
}

/// The problem of a key that is no text.
pub(super) fn key(at: &At) -> Problem {
    let is_template = at.spot().written().starts_with('{') && at.spot().is_after("{");
    let help = if is_template {
        "it looks like a template that was not filled in: render it first, or quote the value"
    } else {
        "write a word before the colon, or quote the value that begins here"
    };
    at.problem("a key must be text", false).help(help)
}

/// The mistakes that people make.
fn explain(kind: &ErrorKind) -> (String, &'static str) {
    let (message, help) = match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar => {
            ("a tab cannot be used for indentation", "indent with spaces")
        }
        ErrorKind::UnclosedQuotedScalar => {
            ("a quote is opened here and never closed", "close the quote, or remove it")
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => (BEHIND_QUOTE, BEHIND_SINGLE),
        ErrorKind::InvalidTrailingDoubleQuotedScalar => (BEHIND_QUOTE, BEHIND_DOUBLE),
        ErrorKind::UnknownQuotedScalarEscape
        | ErrorKind::InvalidQuotedScalarHexEscape
        | ErrorKind::InvalidUnicodeEscape => (
            "this escape is not known",
            "write `\\\\` for a backslash, or use single quotes, which know no escapes",
        ),
        ErrorKind::UnclosedFlowCollection { .. }
        | ErrorKind::UnexpectedEofFlowMapping
        | ErrorKind::UnexpectedEofFlowSequence
        | ErrorKind::ExpectedFlowMappingSeparator
        | ErrorKind::ExpectedFlowSequenceSeparator => (
            "a `{` or `[` is not closed, or a comma is missing",
            "close every `{` and `[`, put commas between values, quote a `${…}` or a ` #` inside \
             them",
        ),
        ErrorKind::MisplacedFlowCollectionEnd | ErrorKind::MismatchedFlowCollectionEnd { .. } => (
            "a `}` or `]` closes what is not open",
            "remove it, or open it before; quote a value that contains one",
        ),
        ErrorKind::UnknownAnchor => {
            let help = "define the anchor with `&name` above its use, or quote a value that begins \
                        with `*`";
            ("this alias names no anchor", help)
        }
        ErrorKind::MissingAnchorOrAliasName => {
            ("`&` or `*` without a name", "name the anchor, or quote a value that begins so")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidColonPlacement => (
            "a colon cannot stand here",
            "quote a value that contains `: `, put the nested key on a line of its own, or a colon \
             behind the key in the line before",
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
            ("a key without a value", "write `key: value`, with a space after the colon")
        }
        ErrorKind::InvalidIndentation | ErrorKind::ExpectedBlockMappingKey => {
            ("this line does not fit the indentation above it", "align it with its neighbours")
        }
        ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => (
            "a list cannot begin here",
            "put each `- item` on a line of its own, below its key, or write [a, b]",
        ),
        ErrorKind::ExpectedDocumentStart => {
            ("something follows the end of what the file holds", NO_MAP)
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            ("this character cannot begin a value", "quote the value")
        }
        ErrorKind::RecursionLimitExceeded => ("nested too deeply", NESTED),
        other => return (format!("not valid YAML: {}", words(other)), UNUSUAL),
    };
    (message.to_owned(), help)
}

const BEHIND_QUOTE: &str = "something follows a closing quote";

/// What to do about it behind a single one.
const BEHIND_SINGLE: &str = "put all of the value into the quotes, and write each `'` in '…' twice";

/// What to do about it behind a double one.
const BEHIND_DOUBLE: &str =
    "put all of the value into single quotes: '…\"…\"…'; in double ones write each `\"` as `\\\"`";

/// What to do about a text that is no map of sections.
const NO_MAP: &str = "begin with a section, such as `services:`, and indent what is in it; a file \
    that is TOML or JSON is named .toml or .json";

/// What to do about a mistake that has no text of its own.
const UNUSUAL: &str =
    "look at this line and the one before: a value with one of `: # { [ & * ! % @` may need quotes";

/// `ExpectedDocumentStart` → `expected document start`.
fn words(kind: &ErrorKind) -> String {
    let name = format!("{kind:?}");
    let name = name.split([' ', '(', '{']).next().unwrap_or_default();
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}
