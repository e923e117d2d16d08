//! TOML into the located tree: the one file that knows the TOML parser.
//!
//! # Invariant
//!
//! Numbers keep their text. What TOML calls a date is text, for the configuration type to read.
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

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::collect::Problems;
use crate::limits::{MAX_DEPTH, MAX_NODES};
use crate::map::Entry;
use crate::node::{Node, Style};
use crate::report::{DUPLICATE_KEY, Problem};
use crate::show::names_a_secret;
use crate::source::{At, Mark, Marks, Source, Span};
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

/// Finds the keys and values of a text; nothing if it has a syntax error.
pub(crate) fn marks(text: &str) -> Marks {
    let mut marks = Marks::default();
    if let Ok(table) = DeTable::parse(text) {
        marks.until = text.len();
        mark_table(table.get_ref(), &mut marks.spans);
        marks.spans.sort_by_key(|mark| mark.range.start);
    } else if !text.contains("\"\"\"") && !text.contains("'''") {
        marks.spans = bare_keys(text);
    }
    marks
}

/// The keys of a text with a syntax error: a bare word at the start of a line, before `=`.
///
/// Only for texts without multi-line strings, in which any line could look like this.
fn bare_keys(text: &str) -> Vec<Mark> {
    let mut start = 0;
    let mut keys = Vec::new();
    for line in text.split_inclusive('\n') {
        let word = line.split('=').next().unwrap_or_default();
        let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if word.len() < line.len() && !word.is_empty() && word.trim().chars().all(is_bare) {
            let from = start + (word.len() - word.trim_start().len());
            keys.push(Mark { range: from..from + word.trim().len(), is_key: true });
        }
        start += line.len();
    }
    keys
}

/// Notes a table's keys and values.
fn mark_table(table: &DeTable<'_>, spans: &mut Vec<Mark>) {
    for (key, value) in table {
        spans.push(Mark { range: key.span(), is_key: true });
        mark_value(value, spans);
    }
}

/// Notes a scalar, or what is in a list or table.
fn mark_value(value: &Spanned<DeValue<'_>>, spans: &mut Vec<Mark>) {
    match value.get_ref() {
        DeValue::Table(table) => mark_table(table, spans),
        DeValue::Array(items) => items.iter().for_each(|item| mark_value(item, spans)),
        _ => spans.push(Mark { range: value.span(), is_key: false }),
    }
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
        keys.sort_by_key(|(key, _)| key.span().start);
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
                let items = items.iter().map(|item| self.value(item, depth + 1)).collect();
                return Node::seq(items, self.at(range));
            }
            DeValue::String(text) => (text.to_string(), Style::Quoted),
            DeValue::Integer(number) => (number.to_string(), Style::Plain),
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

/// `inf` and `nan` the way the tree writes them.
fn float(text: &str) -> String {
    match text.trim_start_matches('+') {
        "inf" => ".inf".to_owned(),
        "-inf" => "-.inf".to_owned(),
        "nan" | "-nan" => ".nan".to_owned(),
        number => number.to_owned(),
    }
}
