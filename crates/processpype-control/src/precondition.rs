//! The headers that say under which conditions a command is meant: `If-Match` and
//! `Idempotency-Key`.
//!
//! # Invariants
//!
//! 1. A header that cannot be read is a mistake of the request, never taken for absent; so is a
//!    condition where nothing could fulfil it.

use axum::http::{HeaderMap, HeaderName};
use processpype_api::Fault;
use processpype_core::Generation;
use processpype_runtime::Request;

use crate::query::Query;

const IF_MATCH: HeaderName = HeaderName::from_static("if-match");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// How long a key may be, in bytes.
const KEY_BYTES: usize = 255;

/// What the headers of a command say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    expects: Option<Vec<Generation>>,
    key: Option<String>,
}

// === impl Conditions ===

impl Conditions {
    /// Reads the headers; mistakes are told together with those of the query.
    pub(crate) fn take(headers: &HeaderMap, query: &mut Query) -> Self {
        Self { expects: expects(headers, query), key: key(headers, query) }
    }

    /// Reads the headers of a request about what is in no generation, such as the application, a
    /// level of the log, or a service that is not there yet: it cannot be made to depend on one.
    pub(crate) fn take_key(headers: &HeaderMap, query: &mut Query) -> Self {
        Self::refuse_match(headers, query);
        Self { expects: None, key: key(headers, query) }
    }

    /// Refuses `If-Match` where nothing could match: who sent it relies on it. `*` is no condition.
    pub(crate) fn refuse_match(headers: &HeaderMap, query: &mut Query) {
        if expects(headers, query).is_some() {
            let message = "what this is about is in no generation, so that none can be expected";
            query.fault(Fault::new("If-Match", message));
        }
    }

    /// Adds them to a request.
    pub(crate) fn on(&self, mut request: Request) -> Request {
        if let Some(generations) = &self.expects {
            request = request.expecting(generations.iter().copied());
        }
        match &self.key {
            Some(key) => request.keyed(key),
            None => request,
        }
    }
}

/// Reads `If-Match`: `*` is no condition; a weak tag never matches (RFC 9110, 13.1.1).
fn expects(headers: &HeaderMap, query: &mut Query) -> Option<Vec<Generation>> {
    let mut generations = Vec::new();
    let mut any = false;
    for value in headers.get_all(IF_MATCH) {
        for tag in value.to_str().unwrap_or("?").split(',').map(str::trim) {
            match tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(opaque) => generations.extend(opaque.parse().ok().map(Generation)),
                None if tag == "*" => any = true,
                None if tag.starts_with("W/\"") && tag.ends_with('"') => {}
                None => {
                    let message = "it is not an entity tag such as `\"3\"`, nor `*`";
                    query.fault(Fault::new("If-Match", message));
                    return None;
                }
            }
        }
    }
    (headers.contains_key(IF_MATCH) && !any).then_some(generations)
}

fn key(headers: &HeaderMap, query: &mut Query) -> Option<String> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let value = values.next()?;
    let text = value.to_str().ok().filter(|text| is_key(text));
    if text.is_none() || values.next().is_some() {
        let message = format!("it is not one text of 1 to {KEY_BYTES} visible ASCII characters");
        query.fault(Fault::new("Idempotency-Key", message));
    }
    text.map(str::to_owned)
}

fn is_key(text: &str) -> bool {
    (1..=KEY_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;

    use super::*;

    #[track_caller]
    fn check(
        headers: &[(&HeaderName, &str)],
        expected: Result<(Option<&[u64]>, Option<&str>), ()>,
    ) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().expect("a header value"));
        }
        let mut query = Query::of(&Uri::from_static("/"));
        let conditions = Conditions::take(&map, &mut query);
        let expected = expected.map(|(generations, key)| Conditions {
            expects: generations.map(|all| all.iter().copied().map(Generation).collect()),
            key: key.map(str::to_owned),
        });
        assert_eq!(query.finish().map(|()| conditions).map_err(drop), expected, "{headers:?}");
    }

    #[test]
    fn tags() {
        check(&[], Ok((None, None)));
        check(&[(&IF_MATCH, "*")], Ok((None, None)));
        check(&[(&IF_MATCH, "\"3\"")], Ok((Some(&[3]), None)));
        check(&[(&IF_MATCH, "\"3\", \"4\"")], Ok((Some(&[3, 4]), None)));
        check(&[(&IF_MATCH, "\"3\""), (&IF_MATCH, "\"5\"")], Ok((Some(&[3, 5]), None)));
        // These match no generation, so nothing is done.
        check(&[(&IF_MATCH, "W/\"3\"")], Ok((Some(&[]), None)));
        check(&[(&IF_MATCH, "\"e7c1\"")], Ok((Some(&[]), None)));
        for bad in ["3", "", "\"3", "\"3\" \"4\"x", "'3'"] {
            check(&[(&IF_MATCH, bad)], Err(()));
        }
    }

    #[test]
    fn tags_of_what_is_in_no_generation() {
        for (tag, is_taken) in [("*", true), ("\"3\"", false), ("W/\"3\"", false), ("3", false)] {
            let mut map = HeaderMap::new();
            map.insert(IF_MATCH, tag.parse().expect("a header value"));
            let mut query = Query::of(&Uri::from_static("/"));
            assert_eq!(Conditions::take_key(&map, &mut query), Conditions::default(), "{tag}");
            assert_eq!(query.finish().is_ok(), is_taken, "{tag}");
        }
    }

    #[test]
    fn keys() {
        let (long, longer) = ("k".repeat(255), "k".repeat(256));
        check(&[(&IDEMPOTENCY_KEY, "deploy-17")], Ok((None, Some("deploy-17"))));
        check(&[(&IDEMPOTENCY_KEY, &long)], Ok((None, Some(&long))));
        for bad in ["", "a b", &longer, "ä"] {
            check(&[(&IDEMPOTENCY_KEY, bad)], Err(()));
        }
        check(&[(&IDEMPOTENCY_KEY, "a"), (&IDEMPOTENCY_KEY, "a")], Err(()));
    }
}
