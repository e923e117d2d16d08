//! What JSON refuses and YAML would let pass.
//!
//! # Invariant
//!
//! JSON is read by the YAML reader, for the places; but only after a JSON parser accepted it, so
//! that `port: 1` is not taken for JSON.
//!
//! # Why two parsers
//!
//! `serde_json` knows JSON exactly but not where its values stood; the YAML reader knows places,
//! but takes much that is no JSON (comments, bare words, single quotes). So the first one says yes
//! or no, and the second one builds the tree. The cost is a second pass.

use std::sync::Arc;

use serde::de::IgnoredAny;

use crate::node::Node;
use crate::report::{Problem, Problems};
use crate::source::{At, Source};
use crate::yaml;

/// Reads a text into a tree; `None` if it cannot be used.
pub(crate) fn read(source: &Arc<Source>, problems: &mut Problems) -> Option<Node> {
    match serde_json::from_str::<IgnoredAny>(source.text()) {
        Ok(_) => yaml::read(source, source.text(), problems),
        Err(error) => {
            problems.push(syntax(source, &error));
            None
        }
    }
}

/// The parser's words without its place, which the report has anyway, and what JSON does not allow.
fn syntax(source: &Arc<Source>, error: &serde_json::Error) -> Problem {
    let text = source.text();
    let line_start: usize =
        text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = (line_start + error.column().saturating_sub(1)).min(text.len());
    // serde_json ends its text with the place, which stands in the report anyway.
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    At::of_bytes(source, at..at + 1)
        .problem(format!("not valid JSON: {message}"), false)
        .help("JSON quotes every key, and has no comments and no comma before a closing bracket")
}
