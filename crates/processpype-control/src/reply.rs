//! Answers: JSON, problems, and the headers that keep browsers from misusing them.
//!
//! # Invariants
//!
//! 1. An answer of the framework may not be stored, framed, sniffed or run as anything.
//! 2. What a service answers keeps its own headers; only absent ones are added.
//! 3. An answer of the framework is dated by the clock of the times in it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, DATE, ETAG, IF_NONE_MATCH,
    LOCATION, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use processpype_api::{Code, Problem};
use processpype_runtime::Timestamp;
use serde::Serialize;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// How to authenticate (RFC 6750). No scheme that browsers ask their user for: what they then send
/// by themselves could be misused by another site.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"processpype\"");

const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// On every answer.
static SAFETY: [(HeaderName, HeaderValue); 2] = [
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// On the framework's own answers.
static OWN_SAFETY: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    ),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// How many headers an answer of the framework has room for at once: its type, its tag, its place,
/// those of safety, and its date.
const HEADERS: usize = 12;

/// Where the text of an answer begins to grow, in bytes: most statuses are not longer.
const TEXT: usize = 1024;

/// Marks an answer that a service gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromService;

/// Bytes that were rendered once, with their entity tag.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    pub(crate) body: Bytes,
    media: HeaderValue,
    etag: HeaderValue,
}

/// Answers with `value` as JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Response {
    with_type(status, JSON, to_bytes(value))
}

/// Answers 200 with a file of the given type.
pub(crate) fn file(media: &'static str, body: Bytes) -> Response {
    with_type(StatusCode::OK, HeaderValue::from_static(media), body)
}

/// Answers 200 with a body that is made while it is sent.
pub(crate) fn stream(media: &'static str, body: Body) -> Response {
    with_type(StatusCode::OK, HeaderValue::from_static(media), body)
}

/// Answers 202, with where to look.
pub(crate) fn accepted<T: Serialize>(value: &T, location: &str) -> Response {
    located(StatusCode::ACCEPTED, value, location)
}

/// Answers with `value` as JSON, and with where to look.
pub(crate) fn located<T: Serialize>(status: StatusCode, value: &T, location: &str) -> Response {
    let mut response = json(status, value);
    if let Ok(location) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// Tags an answer with the generation that it is about, for `If-Match` of a command.
///
/// The tag does not name these bytes: the answer may not be stored, and `If-None-Match` is not
/// looked at.
pub(crate) fn in_generation(mut response: Response, generation: u64) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{generation}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// Renders a problem that is the same for all who ask, whose documentation is below `prefix`.
pub(crate) fn rendered(problem: Problem, prefix: &str) -> Bytes {
    to_bytes(&problem.under(prefix))
}

/// Answers with a problem that was rendered once; it says neither when to come again nor what is
/// allowed.
pub(crate) fn known_problem(status: StatusCode, body: Bytes) -> Response {
    with_type(status, PROBLEM_JSON, body)
}

/// Answers with `problem`, whose documentation is below `prefix`.
pub(crate) fn problem(problem: Problem, prefix: &str) -> Response {
    let status =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry_after = problem.retry_after_seconds();
    let allowed = problem.allowed_methods().and_then(|methods| methods.parse().ok());
    let mut response = with_type(status, PROBLEM_JSON, to_bytes(&problem.under(prefix)));
    if status == StatusCode::UNAUTHORIZED {
        response.headers_mut().insert(WWW_AUTHENTICATE, BEARER);
    }
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    if let Some(methods) = allowed {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// Answers `OPTIONS`: the methods, and no leave for other sites.
pub(crate) fn options(methods: &str) -> Response {
    let mut response = empty(StatusCode::NO_CONTENT);
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// Dates an answer by the clock of what it tells, in place of hyper's.
///
/// Clients compute with it how long ago something was. The machine's clock may have been set since.
pub(crate) fn date(headers: &mut HeaderMap, now: Timestamp) {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(now.0));
    if let Ok(date) = HeaderValue::from_str(&date) {
        headers.insert(DATE, date);
    }
}

/// Adds the headers of safety.
pub(crate) fn secure(headers: &mut HeaderMap, is_services: bool) {
    let own: &[_] = if is_services { &[] } else { &OWN_SAFETY };
    for (name, value) in SAFETY.iter().chain(own) {
        // There are few: looking at each is cheaper than looking one up.
        if !headers.keys().any(|known| known == name) {
            headers.insert(name, value.clone());
        }
    }
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn with_type(status: StatusCode, media: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    // Else it would be made small, and made again for the headers of safety.
    *response.headers_mut() = HeaderMap::with_capacity(HEADERS);
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// Wire types always serialise; a failure would be a bug, and is told as one.
fn to_bytes<T: Serialize>(value: &T) -> Bytes {
    let mut text = Vec::with_capacity(TEXT);
    let written = serde_json::to_writer(&mut text, value);
    whole(text, written)
}

/// What follows is the same for all types, so that no type brings a copy of it.
fn whole(text: Vec<u8>, written: serde_json::Result<()>) -> Bytes {
    match written {
        Ok(()) => text.into(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be serialised");
            Bytes::from_static(b"{}")
        }
    }
}

// === impl Rendered ===

impl Rendered {
    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        Self::new(JSON, to_bytes(value))
    }

    pub(crate) fn text(media: &'static str, text: String) -> Self {
        Self::new(HeaderValue::from_static(media), text.into())
    }

    fn new(media: HeaderValue, body: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        body.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let etag = HeaderValue::from_str(&etag).unwrap_or(HeaderValue::from_static("\"\""));
        Self { body, media, etag }
    }

    /// Answers 200, or 304 if the client has exactly these bytes.
    pub(crate) fn respond(&self, request: &HeaderMap) -> Response {
        let mut response = match self.is_known(request) {
            true => empty(StatusCode::NOT_MODIFIED),
            false => with_type(StatusCode::OK, self.media.clone(), self.body.clone()),
        };
        response.headers_mut().insert(ETAG, self.etag.clone());
        response
    }

    fn is_known(&self, request: &HeaderMap) -> bool {
        let own = self.etag.to_str().unwrap_or_default();
        let values = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = values.flat_map(|value| value.split(',')).map(str::trim);
        tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == own)
    }
}

/// A bug of ours: told to the log in full, to the client not at all.
pub(crate) fn internal(what: &str) -> Problem {
    tracing::error!("{what}");
    Problem::new(Code::Internal, "this is a bug; the log has the details")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_says_of_its_safety_stays() {
        let own = [HeaderValue::from_static("cross-origin"), HeaderValue::from_static("again")];
        let mut headers = HeaderMap::new();
        for value in &own {
            headers.append(CROSS_ORIGIN_RESOURCE_POLICY, value.clone());
        }
        secure(&mut headers, true);
        let said: Vec<_> = headers.get_all(CROSS_ORIGIN_RESOURCE_POLICY).iter().cloned().collect();
        assert_eq!(said, own);
        assert_eq!(headers.get(X_CONTENT_TYPE_OPTIONS), Some(&SAFETY[0].1));
        assert_eq!(headers.len(), 3);
        secure(&mut headers, false);
        assert!(OWN_SAFETY.iter().all(|(name, value)| headers.get(name) == Some(value)));
        assert_eq!(headers.len(), 3 + OWN_SAFETY.len());
    }
}
