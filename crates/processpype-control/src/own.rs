//! Which requests are a service's own, seen from nothing but the path.
//!
//! # Invariants
//!
//! 1. It decides without looking anything up, and in doubt says no: then the router decides.
//! 2. What the framework keeps for itself is never a service's own, with any method.

use processpype_runtime::RESERVED_VERBS;

/// Returns the name of the service whose own route a path is, beyond doubt.
pub(crate) fn service<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let path = path.strip_prefix(prefix)?.strip_prefix("/services/")?;
    let (name, rest) = path.split_once('/')?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = name.bytes().all(|byte| is_plain(byte) || matches!(byte, b'_' | b'-'));
    let first = rest.split('/').next().unwrap_or_default();
    let is_kept = first == "-" || RESERVED_VERBS.iter().any(|verb| verb[1..] == *first);
    // A letter may be written as `%73`: whether the word is kept is the router's to say.
    (is_name && !name.is_empty() && !is_kept && !first.contains('%')).then_some(name)
}

/// Returns whether what begins with these bytes is a request for a service's own route.
pub(crate) fn is_asked(bytes: &[u8], prefix: &str) -> bool {
    let mut words = bytes.splitn(3, |byte| *byte == b' ');
    let (Some(_method), Some(target), Some(_)) = (words.next(), words.next(), words.next()) else {
        return false;
    };
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    std::str::from_utf8(path).is_ok_and(|path| service(path, prefix).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, prefix: &str, expected: Option<&str>) {
        assert_eq!(service(path, prefix), expected, "{path}");
        let head = format!("GET {path}?x=/services/a/b HTTP/1.1\r\n");
        assert_eq!(is_asked(head.as_bytes(), prefix), expected.is_some(), "{path}");
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
    fn half_a_head_decides_nothing() {
        for head in ["", "GET", "GET ", "GET /services/a/b", "GET /services/a/b\r\n\r\n"] {
            assert!(!is_asked(head.as_bytes(), ""), "{head}");
        }
    }
}
