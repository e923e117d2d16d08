//! `${VAR}`, `${VAR:-default}` and `${secret://backend:key}`.
//!
//! # Invariants
//!
//! 1. A value is resolved when its section is read, never before: a disabled service's secrets are
//!    not asked for.
//! 2. What was put in is not looked at again.
//! 3. `$${` is a literal `${`.
//!
//! # The grammar
//!
//! ```text
//! text      = { any | "$${" | reference }
//! reference = "${" ( name [ ":-" default ] | "secret://" backend ":" key ) "}"
//! name      = ( letter | "_" ) { letter | digit | "_" }
//! ```
//!
//! A default goes up to the `}` that closes the reference: braces in it count, so they have to come
//! in pairs, and `${LIMITS:-{"a": 1}}` has the default `{"a": 1}`. It cannot hold a reference; a
//! literal `${` is written `$${` there too. As in a shell, `:-` also covers a variable that is set
//! but empty.
//!
//! # Why braces count
//!
//! A default is often a map or a list of maps in one line. A shell takes the first `}`, so that
//! `${A:-{x}}` looks right as long as `A` is not set, and leaves a `}` behind its value once it is.
//! The same would cut a reference in a default in two. So braces come in pairs, a default with one
//! alone is not closed, and a reference in one is refused: each of them is told at its place, and
//! none becomes another value.
//!
//! # What it may not do
//!
//! It is no template language: no conditions, no nesting, no functions, and what was put in is not
//! looked at again, so a variable that holds `${…}` stays text. Bodies of requests are not resolved
//! at all: a client must not be able to read the server's environment through an echo.

use std::ops::Range;

use processpype_core::SortedMap;

use crate::limits::MAX_RESOLVED_BYTES;
use crate::nearest::nearest;
use crate::report::Report;
use crate::secrets::{Backends, Missing};
use crate::source::{At, Spot};

/// The variables of the environment by name: what `${VAR}` reads.
///
/// There are some hundreds at most, so they are one sorted list.
pub(crate) type Variables = SortedMap<String, String>;

/// Looks up variables and secrets.
///
/// Borrowed from a document for one read.
#[derive(Clone, Copy)]
pub(crate) struct Resolver<'a> {
    pub(crate) variables: &'a Variables,
    pub(crate) backends: &'a Backends,
    /// Nothing is looked up: what a reference stands for may be anything.
    pub(crate) skip: bool,
}

/// A text with everything put in.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) text: String,
    /// Something was put in, so the text has no quotes or type of its own.
    pub(crate) changed: bool,
    /// The variables that were put in.
    pub(crate) names: Vec<String>,
    /// A secret was put in.
    pub(crate) secret: bool,
}

/// Why a text cannot be resolved.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) message: String,
    pub(crate) label: &'static str,
    pub(crate) help: String,
    /// The reference itself is harmless: a name, without a default.
    pub(crate) show: bool,
    /// The reason is told elsewhere: this is its report.
    pub(crate) cause: Option<Report>,
    /// The `${…}` in question, in bytes of the text.
    range: Range<usize>,
}

// === impl Resolver ===

impl Resolver<'_> {
    /// Resolves a whole text.
    ///
    /// The first reference that cannot be resolved ends it: one value, one problem.
    pub(crate) fn resolve(self, text: &str) -> Result<Resolved, Failure> {
        let mut out =
            Resolved { text: String::new(), changed: false, names: Vec::new(), secret: false };
        let mut at = 0;
        while let Some(found) = text[at..].find("${") {
            let start = at + found;
            if text[at..start].ends_with('$') {
                out.text.push_str(&text[at..start - 1]);
                out.text.push_str("${");
                at = start + 2;
                continue;
            }
            out.text.push_str(&text[at..start]);
            let end = closing(&text[start..]).map(|length| start + length);
            let Some(end) = end else { return Err(unclosed(start..text.len())) };
            self.put(&text[start + 2..end], start..end + 1, &mut out)?;
            at = end + 1;
        }
        out.text.push_str(&text[at..]);
        Ok(out)
    }

    /// Puts one reference in. The bound on the result is checked after each.
    fn put(self, inner: &str, range: Range<usize>, out: &mut Resolved) -> Result<(), Failure> {
        out.changed = true;
        if let Some(name) = inner.strip_prefix("secret://") {
            out.secret = true;
            let value = self.backends.get(name, self.variables);
            out.text.push_str(&value.map_err(|missing| no_secret(missing, range.clone()))?);
        } else {
            out.text.push_str(&self.variable(inner, &range)?);
            let name = inner.split(":-").next().unwrap_or_default();
            if self.variables.contains_key(name) {
                out.names.push(name.to_owned());
            }
        }
        if out.text.len() > MAX_RESOLVED_BYTES {
            let message = format!("the value is larger than {MAX_RESOLVED_BYTES} bytes");
            return Err(failure(message, "grows here", "use a shorter value", range));
        }
        Ok(())
    }

    /// The value of a variable, or its default.
    fn variable(self, inner: &str, range: &Range<usize>) -> Result<String, Failure> {
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if !is_name(name) {
            let message = "this is not the name of a variable".to_owned();
            let help = "write ${VAR} or ${VAR:-default}; write $${ for a literal ${";
            return Err(failure(message, "not a name", help, range.clone()));
        }
        let default = default.map(|default| literal(default, range)).transpose()?;
        let value = self.variables.get(name);
        match (value, default) {
            (Some(value), Some(default)) if value.is_empty() => Ok(default),
            (Some(value), _) => Ok(value.clone()),
            (None, Some(default)) => Ok(default),
            (None, None) => Err(self.unset(name, range.clone())),
        }
    }

    /// The remedy names both ways out, and the variable that was probably meant.
    fn unset(self, name: &str, range: Range<usize>) -> Failure {
        let near = nearest(name, self.variables.keys().map(String::as_str));
        let or = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        Failure {
            message: format!("the environment variable `{name}` is not set"),
            label: "needs the variable",
            help: format!("set {name}, or give a default: ${{{name}:-default}}{or}"),
            show: true,
            cause: None,
            range,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// The place of the `${` in the file; the whole value if it is not written there literally.
    pub(crate) fn place(&self, at: Spot<'_>, text: &str) -> At {
        let nth = text[..self.range.start].matches("${").count();
        let written = at.written();
        let Some((start, _)) = written.match_indices("${").nth(nth) else { return at.at() };
        let end = closing(&written[start..]).map_or(written.len(), |length| start + length + 1);
        at.part(start..end)
    }
}

fn failure(message: String, label: &'static str, help: &str, range: Range<usize>) -> Failure {
    Failure { message, label, help: help.to_owned(), show: false, cause: None, range }
}

fn no_secret(missing: Missing, range: Range<usize>) -> Failure {
    let (message, help, cause) = match missing {
        Missing::Here(message, help) => (message, help, None),
        Missing::Declared(report) => (String::new(), String::new(), Some(report)),
    };
    Failure { message, label: "asked for here", help, show: true, cause, range }
}

/// Where the `}` is that closes the reference at the begin of `text`: braces between count.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'{' => open += 1,
            b'}' => open = open.saturating_sub(1),
            _ => return false,
        }
        open == 0
    })
}

/// A default as it is put in: `$${` is a literal `${`, and a reference is refused, because putting
/// in half of it would be silent.
fn literal(default: &str, range: &Range<usize>) -> Result<String, Failure> {
    let mut pieces = default.split("$${");
    if pieces.any(|piece| piece.contains("${")) {
        let message = "a default cannot hold another reference".to_owned();
        let help = "defaults do not nest: give each key one variable, or set it before the \
                    application starts; write $${ for a literal ${";
        return Err(failure(message, "the default of this", help, range.clone()));
    }
    Ok(default.replace("$${", "${"))
}

/// The rest of the text is not shown: without its end nobody knows what it is.
fn unclosed(range: Range<usize>) -> Failure {
    let message = "a `${` is not closed".to_owned();
    failure(message, "opened here", "close it with `}`, or write $${ for a literal ${", range)
}

/// As a shell would have it.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::{Backends, Resolver};

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let variables = [("A", "1"), ("EMPTY", ""), ("NEST", "${A}"), ("LOOP", "${LOOP}")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect();
        let backends = Backends::default();
        let resolved =
            Resolver { variables: &variables, backends: &backends, skip: false }.resolve(text);
        match (resolved, expected) {
            (Ok(resolved), Ok(expected)) => assert_eq!(resolved.text, expected),
            (Err(failure), Err(expected)) => {
                assert!(failure.message.contains(expected), "{}", failure.message);
            }
            (resolved, _) => panic!("{text}: {resolved:?}"),
        }
    }

    #[test]
    fn resolves() {
        check("x${A}y${A}", Ok("x1y1"));
        check("${NONE:-d}", Ok("d"));
        check("${EMPTY:-d}", Ok("d"));
        check("${EMPTY}", Ok(""));
        check("$${A} $A $$${A}", Ok("${A} $A $${A}"));
        // What comes in by a reference is text, whatever it looks like.
        check("x${NEST}", Ok("x${A}"));
        check("${LOOP}", Ok("${LOOP}"));
    }

    #[test]
    fn braces_of_a_default_count() {
        check("${NONE:-{\"a\": {}}} ${A:-{x}}.", Ok("{\"a\": {}} 1."));
        check("${NONE:-$${B}}", Ok("${B}"));
        check("${A:-{}", Err("not closed"));
    }

    #[test]
    fn refuses() {
        check("${NONE}", Err("`NONE` is not set"));
        check("${A", Err("not closed"));
        check("${}", Err("not the name"));
        check("${A B}", Err("not the name"));
        check("${A:-${B}}", Err("cannot hold another reference"));
        check("${NONE:-x${A}y}", Err("cannot hold another reference"));
    }
}
