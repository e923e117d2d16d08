//! A client of server-sent events.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::ServiceExt;

use crate::fixture::App;

/// Opens a stream; `last` is the number of the last event that the client has.
pub(crate) async fn open(app: &App, target: &str, last: Option<&str>) -> Body {
    let mut request = Request::get(target).header("host", "localhost");
    if let Some(id) = last {
        request = request.header("last-event-id", id);
    }
    let request = request.body(Body::empty()).expect("a request");
    let response = app.router.clone().oneshot(request).await.expect("never fails");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

/// Reads until `enough`.
pub(crate) async fn until(body: &mut Body, enough: &str) -> String {
    let mut text = String::new();
    while !text.contains(enough) {
        let frame = timeout(Duration::from_secs(60), body.frame()).await;
        let frame = frame.unwrap_or_else(|_| panic!("`{enough}` did not come: {text}"));
        let Some(Ok(frame)) = frame else { panic!("the stream ended: {text}") };
        text += std::str::from_utf8(frame.data_ref().expect("data")).expect("UTF-8");
    }
    text
}

/// Returns the numbers of what came.
pub(crate) fn ids(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}
