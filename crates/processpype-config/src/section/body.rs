//! Bodies of requests: read like a section of a file, but strictly and without references.
//!
//! The same walk checks both, so a constraint holds for a file, a variable and a client alike. What
//! differs is trust: whoever may send a request may not read the environment of the process through
//! an echo, so `${…}` is text here; and JSON says itself what is a number and what is a text.
//!
//! # Invariants
//!
//! 1. A body is measured before it is parsed, and its depth and number of values are bounded.
//! 2. A problem names line and column of the body, never a path of this machine.
//! 3. A value is quoted in a problem only where its schema is known and it is no secret.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::Section;
use super::place::Place;
use super::shared::rules_of;
use crate::collect::Problems;
use crate::json;
use crate::limits::MAX_BODY_BYTES;
use crate::node::Node;
use crate::origin::Origin;
use crate::report::{Problem, Report};
use crate::source::Source;

/// Reads the body of an HTTP request: the same checks and limits as for a file, without `${…}`.
///
/// # Errors
///
/// Every problem of the body at once; if it is not JSON, that alone.
///
/// # Example
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// let report = processpype::config::read_json::<Vec<u8>>(b"[1, 300]").unwrap_err();
/// assert!(report.to_string().contains("request body:1:5"), "{report}");
/// ```
pub fn read_json<T: DeserializeOwned + JsonSchema>(bytes: &[u8]) -> Result<T, Report> {
    let node = body_node(bytes)?;
    let section = node.map_or_else(Section::default, |node| Section::at(Place::alone(node)));
    section.read_with(&rules_of::<T>(), None, &mut Vec::new())
}

/// Reads a body into a tree, within the limits.
pub(crate) fn body_node(bytes: &[u8]) -> Result<Option<Node>, Report> {
    if bytes.len() > MAX_BODY_BYTES {
        let message = format!("the body is larger than {MAX_BODY_BYTES} bytes");
        return Err(Problem::new(message).at(Origin::Body).into());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new("the body is not valid UTF-8").at(Origin::Body))?;
    let mut problems = Problems::default();
    let node = json::read(&Source::body(text.to_owned()), &mut problems);
    problems.finish()?;
    Ok(node)
}
