//! An answer of the control plane, read whole.
//!
//! # Invariants
//!
//! 1. Reading it needs no `Result`: what is missing is `None`, `null` or a replacement character,
//!    so that an assertion shows what was there.
//! 2. A body is read up to a bound; an endless stream is an error text, not an endless test.

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

/// How much of a body a test reads.
const BODY_MAX: usize = 16 * 1024 * 1024;

/// A response with its whole body.
///
/// Bodies above 16 MiB, and ones that break off, are replaced by a text that says so.
#[derive(Clone, Debug)]
pub struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

// === impl TestResponse ===

impl TestResponse {
    pub(super) async fn read(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = match Limited::new(body, BODY_MAX).collect().await {
            Ok(body) => body.to_bytes().to_vec(),
            Err(error) => format!("the body ended with an error: {error}").into_bytes(),
        };
        Self { status: parts.status, headers: parts.headers, body }
    }

    /// What a test sees of a request that cannot be sent at all.
    pub(super) fn unsendable(error: &str) -> Self {
        let (status, headers) = (StatusCode::BAD_REQUEST, HeaderMap::new());
        Self { status, headers, body: error.as_bytes().to_vec() }
    }

    /// Returns the status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns a header's value, if it is there and is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns the body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Returns the body as JSON; `null` if it is none.
    ///
    /// Index it with names and numbers; what is not there is `null`.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}
