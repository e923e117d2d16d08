//! TOML into the located tree: the one file that knows the TOML parser.
//!
//! # Invariant
//!
//! Decimal numbers keep their text; those of another base are decimal here. What TOML calls a date
//! is text, for the configuration type to read.
//!
//! # From TOML's types to raw text
//!
//! TOML has types of its own, and the tree wants raw text. Strings become quoted text, which is
//! never a number; numbers, truth values and dates become the plain text that they were, so that
//! the target decides here too. `inf` and `nan` are spelt as in YAML, which is what the types know.
//!
//! Tables come out sorted by name; they are put back into the order of the file by where their keys
//! stand.

use std::ops::Range;
use std::sync::Arc;

use processpype_core::{each, sort_by};
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::collect::Problems;
use crate::limits::{MAX_DEPTH, MAX_NODES};
use crate::map::Entry;
use crate::marks::{Mark, Marks};
use crate::node::{Node, Style};
use crate::report::{DUPLICATE_KEY, Problem};
use crate::show::names_a_secret;
use crate::source::{At, Source, Span};
use crate::syntax::conflict;

/// Reads a text into a tree; `None` if it cannot be used.
///
/// The parser stops at the first mistake, so there is at most one problem of syntax.
pub(crate) fn read(source: &Arc<Source>, problems: &mut Problems) -> Option<Node> {
    let text = source.text();
    match DeTable::parse(text) {
        Ok(table) => {
            let mut reader = Reader { source, nodes: 0, stop: None };
            let root = reader.table(table.get_ref(), 0..0, 0);
            match reader.stop {
                Some(stop) => problems.push(*stop),
                None => return Some(root),
            }
        }
        Err(error) => problems.push(syntax(source, &error)),
    }
    None
}

/// Finds the keys and values of a text; of a wrong one, what looks like a key.
pub(crate) fn marks(text: &str) -> Marks {
    let mut marks = Marks::default();
    if let Ok(table) = DeTable::parse(text) {
        marks.until = text.len();
        let mut marker = Marker { text, spans: &mut marks.spans };
        marker.table(table.get_ref(), None, false);
        sort_by(&mut marks.spans, |one, other| one.range.start.cmp(&other.range.start));
    } else if !text.contains("\"\"\"") && !text.contains("'''") {
        marks.spans = bare_keys(text);
    }
    marks
}

/// The keys of a text with a syntax error: bare words at the start of a line, before `=`, up to one
/// that is named like a secret.
///
/// Only for texts without multi-line strings, in which any line could look like this.
fn bare_keys(text: &str) -> Vec<Mark> {
    let mut start = 0;
    let mut keys = Vec::new();
    for line in text.split_inclusive('\n') {
        let words = line.split('=').next().unwrap_or_default();
        let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if words.len() < line.len() && !words.is_empty() && words.trim().chars().all(is_bare) {
            let (mut from, mut length) = (start + (words.len() - words.trim_start().len()), 0);
            for word in words.trim().split_inclusive('.') {
                length += word.len();
                if names_a_secret(word.trim_end_matches('.')) {
                    break;
                }
            }
            let rest = start + words.trim_end().len();
            keys.extend(Mark::key(text, from..from + length, 0..usize::MAX).into_iter().flatten());
            from += length;
            keys.extend((from < rest).then(|| Mark::value(from..rest)));
        }
        start += line.len();
    }
    keys
}

/// Notes what is in tables.
struct Marker<'a> {
    text: &'a str,
    spans: &'a mut Vec<Mark>,
}

impl Marker<'_> {
    /// Notes a table's keys and values. `inline` is from where to where it goes if it has brackets;
    /// of any other, what stands on a line behind one of its keys is that key's.
    fn table(&mut self, table: &DeTable<'_>, inline: Option<&Range<usize>>, is_private: bool) {
        for (key, value) in table {
            let (start, end) = (key.span().start, end_of(value).max(key.span().end));
            let map = match inline {
                _ if is_private => start..start,
                Some(inline) => inline.clone(),
                None => start..end,
            };
            self.spans.extend(Mark::key(self.text, key.span(), map).into_iter().flatten());
            self.value(value, is_private || names_a_secret(key.get_ref()));
        }
    }

    /// Notes a scalar, or what is in a list or table.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, is_private: bool) {
        let range = value.span();
        match value.get_ref() {
            DeValue::Table(table) => {
                let is_inline = self.text.as_bytes().get(range.start) == Some(&b'{');
                self.table(table, is_inline.then_some(&range), is_private);
            }
            DeValue::Array(items) => items.iter().for_each(|item| self.value(item, is_private)),
            _ => self.spans.push(Mark::value(range)),
        }
    }
}

/// Where the last of what is in a value ends.
fn end_of(value: &Spanned<DeValue<'_>>) -> usize {
    let last = match value.get_ref() {
        DeValue::Table(table) => table.values().map(end_of).max(),
        DeValue::Array(items) => items.iter().map(end_of).max(),
        _ => None,
    };
    last.unwrap_or_default().max(value.span().end)
}

/// In the parser's words: they are short, and say what it expected.
fn syntax(source: &Arc<Source>, error: &toml::de::Error) -> Problem {
    let range = error.span().unwrap_or(0..0);
    let before = source.text().get(..range.start).unwrap_or_default();
    // A duplicate key or an unexpected token; the parser's text names no value.
    let message = error.message().lines().next().unwrap_or_default().to_owned();
    let is_duplicate = message == DUPLICATE_KEY;
    if let Some(conflict) = conflict(source) {
        return conflict;
    }
    let at = At::of_bytes(source, range.clone());
    let problem = at.problem(format!("not valid TOML: {message}"), false);
    let problem = if is_below_secret(before) { problem.with_snippet(None) } else { problem };
    problem.help(if is_duplicate {
        "remove one of the two"
    } else {
        "put texts in quotes, write each table and key once, and one `key = value` per line"
    })
}

/// Whether the text ends in a table, or behind a key, that is named as a secret. What does not
/// parse has no tree to ask.
fn is_below_secret(before: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    let header = before.lines().rev().map(str::trim_start).find(|line| line.starts_with('['));
    let words = |text: &str| {
        let mut parts = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        parts.any(names_a_secret)
    };
    words(line) || header.is_some_and(words)
}

/// The state of reading one text.
struct Reader<'a> {
    source: &'a Arc<Source>,
    nodes: usize,
    stop: Option<Box<Problem>>,
}

// === impl Reader ===

impl Reader<'_> {
    /// A table in the order of the file.
    fn table(&mut self, table: &DeTable<'_>, range: Range<usize>, depth: usize) -> Node {
        let mut keys: Vec<_> = table.iter().collect();
        sort_by(&mut keys, |(one, _), (other, _)| one.span().start.cmp(&other.span().start));
        let entries = keys.into_iter().map(|(key, value)| {
            let node = self.value(value, depth + 1);
            Entry::new(key.get_ref().as_ref(), Span::new(key.span()), false, node)
        });
        let entries: Vec<Entry> = entries.collect();
        Node::map(entries, self.at(range))
    }

    /// A value with everything below it; past a bound, a placeholder, and the reading is given up.
    fn value(&mut self, value: &Spanned<DeValue<'_>>, depth: usize) -> Node {
        let range = value.span();
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            let what = if depth > MAX_DEPTH { "nested too deeply" } else { "too many values" };
            let problem = self.at(range.clone()).problem(what, false);
            self.stop.get_or_insert_with(|| Box::new(problem));
            return Node::scalar("", Style::Plain, self.at(range));
        }
        let (text, style) = match value.get_ref() {
            DeValue::Table(table) => return self.table(table, range, depth),
            DeValue::Array(items) => {
                let items = each(items, |item| self.value(item, depth + 1));
                return Node::seq(items.into(), self.at(range));
            }
            DeValue::String(text) => (text.to_string(), Style::Quoted),
            DeValue::Integer(number) => (whole(number), Style::Plain),
            DeValue::Float(number) => (float(number.as_str()), Style::Plain),
            DeValue::Boolean(flag) => (flag.to_string(), Style::Plain),
            DeValue::Datetime(date) => (date.to_string(), Style::Quoted),
        };
        Node::scalar(&text, style, self.at(range))
    }

    fn at(&self, range: Range<usize>) -> At {
        At::new(self.source, range)
    }
}

/// A whole number the way the tree writes it: what is binary, octal or hexadecimal in the file has
/// no sign, and is decimal here. One that is too great for us keeps its text, and is refused.
fn whole(number: &DeInteger<'_>) -> String {
    match number.radix() {
        10 => number.as_str().to_owned(),
        radix => u128::from_str_radix(number.as_str(), radix)
            .map_or_else(|_| number.to_string(), |number| number.to_string()),
    }
}

/// `inf` and `nan` the way the tree writes them.
fn float(text: &str) -> String {
    match text.trim_start_matches('+') {
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        "nan" | "-nan" => ".nan".to_owned(),
        number => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Format, Loader};

    #[track_caller]
    fn check(written: &str, expected: u64) {
        let text = format!("mask = {written}");
        let document =
            Loader::new().text("app.toml", Format::Toml, text).load().expect("it is TOML");
        let read: Result<u64, _> = document.section(&["mask"]).read();
        assert_eq!(read.map_err(|report| report.to_string()), Ok(expected), "{written}");
    }

    #[test]
    fn whole_numbers_are_read_in_each_base() {
        check("0b1010", 10);
        check("0b0000_1111", 15);
        check("0o7_55", 493);
        check("0xFF", 255);
        check("0xdead_beef", 0xdead_beef);
        check("1_000", 1000);
        check("+5", 5);
    }
}
