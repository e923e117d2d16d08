//! The answer that every kind gives below `/services/{name}/`.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

/// Returns a router with `GET /status`, to which a kind adds its own routes.
pub(crate) fn router() -> Router {
    Router::new().route("/status", get(status))
}

/// The framework serves routes only while the service runs, so that there is one answer.
async fn status() -> Json<Value> {
    Json(json!({ "state": "running" }))
}
