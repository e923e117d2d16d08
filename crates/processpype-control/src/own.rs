//! Which requests are a service's own, seen from nothing but the path.
//!
//! # Invariants
//!
//! 1. It decides without looking anything up, and in doubt says no: then the router decides.
//! 2. What the framework keeps for itself is never a service's own, with any method.

use std::ops::Range;

use axum::http::Method;
use processpype_runtime::RESERVED_VERBS;

/// Returns where in a target the name of the service stands whose own route it is, beyond doubt.
///
/// A target ends with the slice, or before a space.
pub(crate) fn service(target: &[u8], prefix: &str) -> Option<Range<usize>> {
    let below = target.strip_prefix(prefix.as_bytes())?.strip_prefix(b"/services/")?;
    let end = below.iter().position(|byte| !is(*byte, IN_NAME)).filter(|end| *end > 0)?;
    let rest = below[end..].strip_prefix(b"/")?;
    let first = rest.iter().position(|byte| is(*byte, ENDS)).unwrap_or(rest.len());
    // A letter may be written as `%73`: whether the word is kept is the router's to say.
    let is_written_odd = rest.get(first) == Some(&b'%');
    let first = &rest[..first];
    let is_kept = first == b"-" || RESERVED_VERBS.iter().any(|verb| &verb.as_bytes()[1..] == first);
    let begin = target.len() - below.len();
    (!is_kept && !is_written_odd).then_some(begin..begin + end)
}

/// Returns whether the framework answers this, beyond doubt: then there is a bound on how long.
pub(crate) fn is_framework(method: &Method, path: &str, prefix: &str) -> bool {
    let below = path.strip_prefix(prefix).and_then(|path| path.strip_prefix("/services/"));
    let Some((_, rest)) = below.and_then(|below| below.split_once('/')) else { return true };
    let is_command = || RESERVED_VERBS.iter().any(|verb| &verb[1..] == rest);
    rest.starts_with("-/") || (*method == Method::POST && is_command())
}

/// Returns whether what begins with these bytes is a request for a service's own route.
pub(crate) fn is_asked(bytes: &[u8], prefix: &str) -> bool {
    let is_space = |byte: &u8| *byte == b' ';
    let Some(method) = bytes.iter().position(is_space) else { return false };
    let target = &bytes[method + 1..];
    service(target, prefix).is_some_and(|name| target[name.end..].iter().any(is_space))
}

/// It may stand in a service's name.
const IN_NAME: u8 = 1;

/// It ends the first word of a path.
const ENDS: u8 = 2;

/// What each byte is.
const BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut byte = 0;
    while byte < bytes.len() {
        bytes[byte] = match byte as u8 {
            b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => IN_NAME,
            b'/' | b'%' | b'?' | b' ' => ENDS,
            _ => 0,
        };
        byte += 1;
    }
    bytes
};

fn is(byte: u8, what: u8) -> bool {
    BYTES[usize::from(byte)] == what
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, prefix: &str, expected: Option<&str>) {
        for target in [path.to_owned(), format!("{path}?x=/services/a/b")] {
            let name = service(target.as_bytes(), prefix).map(|name| &target[name]);
            assert_eq!(name, expected, "{target}");
            let head = format!("GET {target} HTTP/1.1\r\n");
            assert_eq!(is_asked(head.as_bytes(), prefix), expected.is_some(), "{target}");
        }
    }

    #[test]
    fn what_is_a_services_own() {
        check("/services/counter/", "", Some("counter"));
        check("/services/counter/value", "", Some("counter"));
        check("/services/two-words_2/a/-/start", "", Some("two-words_2"));
        check("/services/counter//value", "", Some("counter"));
        check("/services/counter/a%20b", "", None);
        check("/services/counter/a/b%20c", "", Some("counter"));
        check("/services/counter/starting", "", Some("counter"));
        check("/api/v1/services/counter/value", "/api/v1", Some("counter"));
    }

    #[test]
    fn what_is_not_or_not_without_doubt() {
        for path in ["/", "/services", "/services/", "/services/counter", "/services//value"] {
            check(path, "", None);
        }
        for verb in RESERVED_VERBS {
            check(&format!("/services/counter{verb}"), "", None);
            check(&format!("/services/counter{verb}/more"), "", None);
        }
        check("/services/counter/-", "", None);
        check("/services/counter/-/why", "", None);
        check("/services/counter/%73top", "", None);
        check("/services/c%6Funter/value", "", None);
        check("/services/Counter/value", "", None);
        check("/services/counter/value", "/api", None);
        check("http://localhost/services/counter/value", "", None);
    }

    #[test]
    fn what_is_the_frameworks() {
        let check = |method: Method, path: &str, expected: bool| {
            assert_eq!(is_framework(&method, path, ""), expected, "{method} {path}");
        };
        for path in ["/", "/reload", "/services", "/services/a", "/services/a/-/why", "*"] {
            check(Method::GET, path, true);
            check(Method::POST, path, true);
        }
        check(Method::POST, "/services/a/stop", true);
        check(Method::GET, "/services/a/stop", false);
        for path in ["/services/a/", "/services/a/stop/more", "/services/a/%73top"] {
            check(Method::POST, path, false);
        }
    }

    #[test]
    fn half_a_head_decides_nothing() {
        for head in ["", "GET", "GET ", "GET /services/a/b", "GET /services/a/b\r\n\r\n"] {
            assert!(!is_asked(head.as_bytes(), ""), "{head}");
        }
    }
}
