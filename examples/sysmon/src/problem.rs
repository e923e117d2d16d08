//! What `api` says when it cannot answer: a problem document as in RFC 9457.
//! Its text is for the client; what only an operator should see goes to the log.

use std::fmt;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::BadQuery;

/// Seconds after which a client may ask again.
const RETRY_SECONDS: u16 = 1;

/// A refusal, with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

// === impl Problem ===

impl Problem {
    /// The store is not there: 503.
    #[must_use]
    pub fn unavailable(reason: &impl fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", reason.to_string())
    }

    /// The store failed: 500, and the cause in the log alone.
    #[must_use]
    pub fn internal(cause: &impl fmt::Display) -> Self {
        tracing::error!(%cause, "cannot answer");
        let detail = "the samples cannot be read; the log says why".to_owned();
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    fn new(status: StatusCode, code: &'static str, detail: String) -> Self {
        Self { status, code, detail }
    }
}

impl From<BadQuery> for Problem {
    fn from(bad: BadQuery) -> Self {
        let (status, code) = match &bad {
            BadQuery::UnknownMetric(_) => (StatusCode::NOT_FOUND, "unknown-metric"),
            BadQuery::MissingMetric | BadQuery::Number { .. } => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-query")
            }
        };
        Self::new(status, code, bad.to_string())
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-query", rejection.body_text())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Json(json!({
            "type": format!("urn:sysmon:problem:{}", self.code),
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        }));
        let mut response = (self.status, body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS.into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HistoryQuery;

    #[track_caller]
    fn check(problem: Problem, status: u16, retry: bool) {
        let response = problem.into_response();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers().contains_key(RETRY_AFTER), retry);
    }

    fn bad(metric: Option<&str>, minutes: Option<&str>) -> Problem {
        HistoryQuery::parse(metric, minutes, None).expect_err("a bad query").into()
    }

    #[test]
    fn every_refusal_has_its_status() {
        check(bad(Some("cpuu"), None), 404, false);
        check(bad(None, None), 422, false);
        check(bad(Some("cpu"), Some("soon")), 422, false);
        check(Problem::unavailable(&"store is stopped"), 503, true);
        check(Problem::internal(&"cause"), 500, false);
    }

    #[test]
    fn the_cause_of_an_internal_problem_stays_inside() {
        assert!(!Problem::internal(&"/secret/path").detail.contains("secret"));
    }
}
