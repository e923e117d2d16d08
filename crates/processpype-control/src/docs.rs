//! The documentation page.
use axum::body::Bytes;
use axum::response::Response;
use serde_json::Value;

pub(crate) fn page(_document: &Value, _prefix: &str) -> String {
    String::new()
}
pub(crate) fn respond(page: Bytes) -> Response {
    crate::reply::file("text/html; charset=utf-8", page)
}
pub(crate) fn style() -> Response {
    crate::reply::file("text/css; charset=utf-8", Bytes::from_static(b""))
}
