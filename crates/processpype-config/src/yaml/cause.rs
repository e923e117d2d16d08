//! The place of a mistake whose parser gave up later: a bracket, a quote or a line further above.
//!
//! # Invariants
//!
//! 1. It is asked once the parser has given up: a right text is never looked through.
//! 2. It names places, and of the text only brackets.
//!
//! # How it looks
//!
//! The text up to where the parser gave up is read once more: as its end comes too early, the
//! parser names what is still open there. The rest is about two lines, the one where it gave up
//! and the one above it: most people write a value, and see the mistake at the next key.

use std::ops::Range;
use std::sync::Arc;

use granit_parser::ErrorKind;

use super::events;
use crate::report::Problem;
use crate::source::{At, Source};

/// How long a key without quotes may be, as YAML has it.
const KEY_CHARS: usize = 1024;

/// The problem at its own place; `None` if that is where the parser gave up, at `start`.
pub(super) fn find(source: &Arc<Source>, kind: &ErrorKind, start: usize) -> Option<Problem> {
    let before = source.text().get(..start)?;
    match kind {
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabInPlainScalar => tab(source, start),
        ErrorKind::InvalidTrailingSingleQuotedScalar
        | ErrorKind::InvalidTrailingDoubleQuotedScalar => quote(source, before),
        // The one mistake that the parser does place where it begins.
        &ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            Some(unclosed(source, (start, open), format!("a `{close}` comes first")))
        }
        _ => {
            if let Some(open) = open_bracket(before) {
                return bracket_in_lines(source, kind, open, start);
            }
            match kind {
                ErrorKind::MappingValueNotAllowed
                | ErrorKind::InvalidColonPlacement
                | ErrorKind::InvalidIndentation
                | ErrorKind::ExpectedBlockMappingKey
                | ErrorKind::SimpleKeyExpected => line_above(source, start),
                _ => None,
            }
        }
    }
}

/// The tab: the parser names the end of the line before.
fn tab(source: &Arc<Source>, start: usize) -> Option<Problem> {
    let (text, first) = (source.text(), line_of(source.text(), start).start);
    let mut at = first;
    for line in text[first..].split_inclusive('\n').take(2) {
        let indent = &line[..indentation(line)];
        if let Some(tab) = indent.find('\t') {
            let at = At::new(source, at + tab..at + tab + 1);
            let problem = at.problem("a tab cannot be used for indentation", false);
            return Some(problem.help("indent with spaces"));
        }
        at += line.len();
    }
    None
}

/// A quote that a later line closes: most often its own closing one is missing.
fn quote(source: &Arc<Source>, before: &str) -> Option<Problem> {
    let close = before.trim_end().len().checked_sub(1)?;
    let (open, kind) = gives_up(before.get(..close)?)?;
    let lines = before.get(open..close)?.contains('\n');
    if !lines || !matches!(kind, ErrorKind::UnclosedQuotedScalar) {
        return None;
    }
    let closed = At::new(source, close..close + 1).origin();
    let problem = At::new(source, open..open + 1)
        .problem("a quote is opened here, and not closed in its line", false)
        .note(format!("the next quote, at {closed}, closes it, and something follows that"));
    Some(problem.help("close the quote, or remove it"))
}

/// The problem of a bracket that is open where the parser gave up.
fn bracket_in_lines(
    source: &Arc<Source>,
    kind: &ErrorKind,
    (open, bracket): (usize, char),
    start: usize,
) -> Option<Problem> {
    let (text, place) = (source.text(), At::new(source, start..start + 1));
    let (first, last) = (line_of(text, open), line_of(text, start));
    let is_outside = indentation(&text[last.clone()]) <= indentation(&text[first.clone()]);
    if first != last && is_outside {
        let begin = last.start + indentation(&text[last]);
        let place = At::new(source, begin..begin + 1).origin();
        let note = format!("the line at {place} is not indented, as one in it is");
        return Some(unclosed(source, (open, bracket), note));
    }
    match kind {
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
            let opened = At::new(source, open..open + 1).origin();
            let message = format!("a comma is missing here, or the `{bracket}` is not closed");
            let problem = place
                .problem(message, false)
                .note(format!("the `{bracket}` is opened at {opened}"));
            Some(problem.help(
                "put commas between values, close every `{` and `[`, quote a `${…}` or a ` #` \
                 inside them",
            ))
        }
        _ => None,
    }
}

fn unclosed(source: &Arc<Source>, (open, bracket): (usize, char), note: String) -> Problem {
    let close = if bracket == '[' { ']' } else { '}' };
    At::new(source, open..open + 1)
        .problem(format!("the `{bracket}` that is opened here is not closed"), false)
        .note(note)
        .help(format!("close it with `{close}`, or quote a value that begins with `{bracket}`"))
}

/// A colon that cannot stand where it does because of the line above.
fn line_above(source: &Arc<Source>, start: usize) -> Option<Problem> {
    let text = source.text();
    let line = line_of(text, start);
    if text[line.start..start].chars().nth(KEY_CHARS).is_some() {
        let from = line.start + indentation(&text[line.clone()]);
        let message = format!("a key has at most {KEY_CHARS} characters");
        let problem = At::new(source, from..from + 1).problem(message, false);
        return Some(problem.help("shorten it, or quote the line if it is a value"));
    }
    if text[line.start..start].contains(": ") {
        return None;
    }
    let above = written_above(text, line.start)?;
    let (word, rest) = split_key(&text[above.clone()]);
    let end = above.start + word.end;
    if rest == ":" {
        return None;
    }
    if rest.starts_with(':') && !rest.starts_with(": ") && !rest.starts_with("://") {
        let at = At::new(source, end..end + 1);
        let problem = at.problem("a space is missing behind this colon", false);
        return Some(problem.help("write `key: value`"));
    }
    if indentation(&text[line.clone()]) <= indentation(&text[above.clone()]) {
        return None;
    }
    if rest.is_empty() && !text[above.clone()].trim_start().starts_with('-') {
        let at = At::new(source, above.start + word.start..end);
        let problem = at.problem("a colon is missing behind this key", false);
        return Some(problem.help("write `key:`, with what is in it in the lines below"));
    }
    let from = line.start + indentation(&text[line.clone()]);
    let problem = At::new(source, from..start.max(from + 1))
        .problem("this line is indented deeper than the one above, which has a value", false)
        .help("align it with its neighbours, or remove the value above it");
    Some(problem)
}

/// The nearest line before a place that has something in it.
fn written_above(text: &str, mut start: usize) -> Option<Range<usize>> {
    while start > 0 {
        let line = line_of(text, start - 1);
        let written = text[line.clone()].trim();
        if !written.is_empty() && !written.starts_with('#') {
            return Some(line);
        }
        start = line.start;
    }
    None
}

/// The word that a line begins with, behind what begins an item, and what follows it.
fn split_key(line: &str) -> (Range<usize>, &str) {
    let start = line.len() - line.trim_start_matches([' ', '-']).len();
    let is_end = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let end = line[start..].find(is_end).map_or(line.len(), |length| start + length);
    (start..end, line[end..].trim_end())
}

/// The innermost bracket that is open at the end of a text.
fn open_bracket(text: &str) -> Option<(usize, char)> {
    match gives_up(text)? {
        (at, ErrorKind::UnclosedFlowCollection { open }) => Some((at, open)),
        _ => None,
    }
}

/// Where and why the parser gives up a text.
fn gives_up(text: &str) -> Option<(usize, ErrorKind)> {
    let error = events(text).find_map(Result::err)?;
    Some((error.marker().byte_offset()?, error.kind().clone()))
}

/// The line that a byte is in, without its end.
fn line_of(text: &str, at: usize) -> Range<usize> {
    let start = text[..at].rfind('\n').map_or(0, |feed| feed + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    start..end
}

/// How many bytes of space a line begins with.
fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).len()
}
