//! JSON into the located tree.
//!
//! # Invariants
//!
//! 1. What is read is JSON: a JSON parser has accepted the whole text before any of it is used.
//! 2. Depth and the number of values are bounded, see [`limits`](crate::limits).
//! 3. Keys differ, also where one of the two is written with escapes.
//! 4. In a body a number is no text, and text no number; in a file the target decides, as in YAML.
//!
//! # Why two passes
//!
//! `serde_json` knows JSON exactly but not where its values stood, so it says yes or no. After a
//! yes the second pass need not know any grammar: it only notes where strings, words and brackets
//! are. Reading JSON as YAML, which it nearly is, would refuse keys of more than 1024 characters
//! and tabs, and read escaped surrogate pairs wrongly.
//!
//! # Bodies and files
//!
//! A file is read with a person in mind: `version: 1.10` is what it looks like, in every notation,
//! and layers in JSON and in YAML mean the same. A body was written by a program, against a schema
//! that says `string`; a number there is a mistake of that program, and taking it for text would
//! hide it until a number comes that JSON and the text spell differently.
//!
//! # Places in a text that is no JSON
//!
//! A report about broken JSON still shows its line, masked. Which words of it are keys is then
//! asked of the YAML reader, which gives up where it no longer understands; from there on nothing
//! is shown.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::collect::Problems;
use crate::limits::{MAX_DEPTH, MAX_NODES};
use crate::map::Entry;
use crate::marks::{Marking, Marks};
use crate::node::{Node, Style};
use crate::report::Problem;
use crate::show::names_a_secret;
use crate::source::{At, Source};
use crate::syntax::conflict;
use crate::yaml;

/// Reads a text into a tree; `None` if it cannot be used.
pub(crate) fn read(source: &Arc<Source>, problems: &mut Problems) -> Option<Node> {
    if let Err(error) = serde_json::from_str::<IgnoredAny>(source.text()) {
        problems.push(syntax(source, &error));
        return None;
    }
    let word = if source.is_body() { Style::Typed } else { Style::Plain };
    let tokens = Tokens::of(source.text());
    match (Reader { source, tokens, problems, word, nodes: 0 }).value(0) {
        Ok(node) => Some(node),
        Err(stop) => {
            problems.push(*stop);
            None
        }
    }
}

/// Finds the keys and values of a text; of a wrong one, what YAML makes of it.
pub(crate) fn marks(text: &str) -> Marks {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return yaml::marks(text);
    }
    let mut marking = Marking::default();
    let mut tokens = Tokens::of(text);
    while let Some(token) = tokens.next() {
        let is_key = tokens.peek() == Some(b':');
        match text.as_bytes()[token.start] {
            open @ (b'{' | b'[') => marking.begin(token.start, open == b'{'),
            b'}' | b']' => marking.end(token.end),
            _ if is_key => {
                let name: String = serde_json::from_str(&text[token.clone()]).unwrap_or_default();
                marking.key(text, token, &name);
            }
            _ => marking.value(token),
        }
    }
    marking.finish(text.len())
}

/// The parser's words without its place, which the report has anyway, and what JSON does not allow.
fn syntax(source: &Arc<Source>, error: &serde_json::Error) -> Problem {
    if let Some(conflict) = conflict(source) {
        return conflict;
    }
    let text = source.text();
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    // serde_json ends its text with the place, which stands in the report anyway.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    At::of_bytes(source, at..at + 1)
        .problem(format!("not valid JSON: {message}"), false)
        .help(advice(message))
}

/// What to do, by what the parser expected.
fn advice(message: &str) -> &'static str {
    if message.starts_with("trailing characters") {
        "remove what follows the last bracket: there is one value in a JSON file"
    } else if message.starts_with("EOF") {
        "close every bracket and quote; where nothing is to be said, write {}"
    } else if message.starts_with("invalid number") {
        "write a number without a leading zero or plus, and with digits around its point"
    } else if message.starts_with("invalid escape") || message.starts_with("control character") {
        "write \\\\ for a backslash, and \\n or \\u001b for a control character"
    } else {
        "JSON quotes every key, and has no comments and no comma before a closing bracket"
    }
}

/// The problem after which a text is not read on.
type Stop = Box<Problem>;

/// The state of reading one text, which is valid.
struct Reader<'a> {
    source: &'a Arc<Source>,
    tokens: Tokens<'a>,
    problems: &'a mut Problems,
    /// What a number, a truth value or `null` is.
    word: Style,
    nodes: usize,
}

// === impl Reader ===

impl Reader<'_> {
    /// The next value with everything below it.
    fn value(&mut self, depth: usize) -> Result<Node, Stop> {
        let token = self.tokens.next().unwrap_or_default();
        let at = At::new(self.source, token.clone());
        self.nodes += 1;
        if depth > MAX_DEPTH {
            let problem = at.problem(format!("nested more than {MAX_DEPTH} levels deep"), false);
            return Err(Box::new(problem.help("write it with fewer levels")));
        }
        if self.nodes > MAX_NODES {
            return Err(stop(&at, format!("more than {MAX_NODES} values")));
        }
        let text = &self.source.text()[token];
        match text.as_bytes().first() {
            Some(b'{') => self.object(at, depth),
            Some(b'[') => self.array(at, depth),
            Some(b'"') => Ok(Node::scalar(&unquoted(text, &at)?, Style::Quoted, at)),
            _ => Ok(Node::scalar(text, self.word, at)),
        }
    }

    /// The items up to the closing bracket; the opening one is taken.
    fn array(&mut self, at: At, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        while self.tokens.peek() != Some(b']') {
            items.push(self.value(depth + 1)?);
        }
        self.tokens.next();
        Ok(Node::seq(items.into(), at))
    }

    /// The entries up to the closing brace. Of a key that stands twice the first one is kept, and
    /// the second is a problem: parsers differ in which one wins, and that is how one of them is
    /// deceived.
    fn object(&mut self, at: At, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<Arc<str>, At> = HashMap::new();
        while self.tokens.peek() != Some(b'}') {
            let token = self.tokens.next().unwrap_or_default();
            let key_at = At::new(self.source, token.clone());
            let key: Arc<str> = unquoted(&self.source.text()[token], &key_at)?.into();
            let before = self.problems.count();
            let node = self.value(depth + 1)?;
            if self.problems.count() > before && names_a_secret(&key) {
                self.problems.hide_from(before);
            }
            if let Some(first) = seen.get(&key) {
                self.problems.push_with(|| key_at.spot().duplicate(&key, first.spot()));
                continue;
            }
            entries.push(Entry::new(&key, key_at.span(), false, node));
            seen.insert(key, key_at);
        }
        self.tokens.next();
        Ok(Node::map(entries, at))
    }
}

fn stop(at: &At, message: String) -> Stop {
    Box::new(at.problem(message, false))
}

/// What a string says. A half of a surrogate pair is grammar, but no text.
fn unquoted(text: &str, at: &At) -> Result<String, Stop> {
    serde_json::from_str(text)
        .map_err(|_| stop(at, "not valid JSON: half of a surrogate pair is no text".to_owned()))
}

/// Strings, words and brackets of a valid text; commas, colons and spaces only stand between them.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

// === impl Tokens ===

impl<'a> Tokens<'a> {
    /// From the beginning of a text.
    fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Takes the next token: where it stands.
    fn next(&mut self) -> Option<Range<usize>> {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':'));
        let bytes = &self.text.as_bytes()[self.at..];
        let length = match bytes.first()? {
            b'{' | b'}' | b'[' | b']' => 1,
            b'"' => string_length(bytes),
            _ => bytes
                .iter()
                .position(|byte| b" \t\r\n,:{}[]\"".contains(byte))
                .unwrap_or(bytes.len()),
        };
        let range = self.at..self.at + length;
        self.at = range.end;
        Some(range)
    }

    /// Returns the first byte of what comes next: a token or a colon.
    fn peek(&mut self) -> Option<u8> {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b','));
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes to the first byte that is not between.
    fn skip(&mut self, is_between: impl Fn(u8) -> bool) {
        while self.text.as_bytes().get(self.at).is_some_and(|byte| is_between(*byte)) {
            self.at += 1;
        }
    }
}

/// To the closing quote and with it.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}
