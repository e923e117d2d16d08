//! What is no text of its notation, whichever that is.
//!
//! # Invariant
//!
//! It is asked once a parser has given up: a right text is never looked through.
//!
//! # Why it is worth a module
//!
//! A text that git has left with both sides in it is no YAML, TOML or JSON, and each parser says so
//! in another way, at a place that is not the reason: a colon, an equals sign, a key without a
//! value. The reason is the same in all of them, so it is found here.

use std::sync::Arc;

use crate::report::Problem;
use crate::source::{At, Source};

/// How a line begins that git writes where two sides differ.
const CONFLICT: &str = "<<<<<<< ";

/// The problem of a text with a conflict of a merge in it: whatever the parser says is about that.
pub(crate) fn conflict(source: &Arc<Source>) -> Option<Problem> {
    let text = source.text();
    let start = match text.starts_with(CONFLICT) {
        true => 0,
        false => text.find(&format!("\n{CONFLICT}"))? + 1,
    };
    let at = At::of_bytes(source, start..start + CONFLICT.len() - 1);
    let problem = at.problem("a conflict of a merge is not resolved", false);
    Some(
        problem
            .help("choose one side, and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`"),
    )
}
