//! What a browser, or another site in it, may not do.

use axum::body::Body;
use axum::http::{Method, Request};
use tower::ServiceExt;

use crate::fixture::{App, settings};

const PATHS: [&str; 6] =
    ["/", "/services", "/health/live", "/docs", "/events", "/services/counter/value"];

#[tokio::test(start_paused = true)]
async fn other_sites_are_refused_everywhere() {
    let app = App::start().await;
    for path in PATHS {
        for header in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:9999"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            app.ask(Method::GET, path, &[header], "").await.problem(403, "cross-origin");
        }
        let own = [("origin", "http://localhost"), ("sec-fetch-site", "same-origin")];
        let answer = app.ask(Method::GET, path, &own, "").await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
    }
    let start = "/services/idle/start";
    let cross = app.ask(Method::POST, start, &[("origin", "http://evil.example")], "").await;
    cross.problem(403, "cross-origin");
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    let answer = app.ask(Method::OPTIONS, start, &preflight, "").await;
    answer.problem(403, "cross-origin");
}

#[tokio::test(start_paused = true)]
async fn other_hosts_are_refused_everywhere() {
    let mut settings = settings();
    settings.allowed_hosts = vec!["ops.internal".to_owned()];
    let app = App::start_with(settings).await;
    let status = async |host: &str, path: &str| {
        let request = Request::get(path).header("host", host).body(Body::empty());
        let response = app.router.clone().oneshot(request.expect("a request")).await;
        response.expect("never fails").status().as_u16()
    };
    for path in PATHS {
        assert_eq!(status("evil.example", path).await, 421, "{path}");
        assert_eq!(status("ops.internal:8080", path).await, 200, "{path}");
    }
    let request = Request::get("/").body(Body::empty()).expect("a request");
    let response = app.router.clone().oneshot(request).await.expect("never fails");
    assert_eq!(response.status(), 400);
}

/// The machine's clock may have been set since the start: what is told then goes on evenly, and so
/// does the date, by which clients know how long ago something was.
#[tokio::test(start_paused = true)]
async fn an_answer_is_dated_by_the_clock_of_what_it_tells() {
    let app = App::start().await;
    for (path, seconds) in [("/services", "40"), ("/nothing", "41"), ("/health/live", "42")] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("date"), format!("Wed, 18 Nov 2026 11:06:{seconds} GMT"));
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_answer_carries_the_headers_of_safety() {
    let app = App::start().await;
    for path in ["/", "/services", "/nothing", "/docs", "/openapi.json", "/health/live"] {
        let answer = app.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        let cors = |name: &&axum::http::HeaderName| name.as_str().starts_with("access-control");
        assert_eq!(answer.headers.keys().find(cors), None, "{path}");
    }
    app.get(&format!("/{}", "a".repeat(9000))).await.problem(414, "uri-too-long");
}
