//! What runs, and paths.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use axum::http::Method;
use processpype_telemetry::{LoggingConfig, Telemetry};
use serde_json::{Value, json};

use crate::fixture::{App, golden, pretty, settings};

#[tokio::test(start_paused = true)]
async fn the_answers_keep_their_shape() {
    let app = App::start().await;
    app.post("/services/broken/start").await.problem(503, "start-failed");
    golden("application.json", &pretty(&app.get("/").await.ok(200)));
    golden("services.json", &pretty(&app.get("/services").await.ok(200)));
    golden("service.json", &pretty(&app.get("/services/broken").await.ok(200)));
}

#[tokio::test(start_paused = true)]
async fn the_seeds_fields_are_there() {
    let app = App::start().await;
    let json = app.get("/").await.ok(200);
    for key in ["title", "version", "environment", "state", "services"] {
        assert!(!json[key].is_null(), "{key}");
    }
    let counter = &json["services"]["counter"];
    assert_eq!(counter["state"], "running");
    assert_eq!(counter["error"], json!(null));
    assert_eq!(counter["metadata"], json!({}));
    assert_eq!(counter["is_configured"], true);
    let list = app.get("/services").await.ok(200);
    assert_eq!(list["services"][0]["name"], "broken");
    assert_eq!(list["services"].as_array().map(Vec::len), Some(8));
}

#[tokio::test(start_paused = true)]
async fn unknown_services_are_told_with_the_nearest() {
    let app = App::start().await;
    let problem = app.get("/services/countr").await.problem(404, "unknown-service");
    assert_eq!(problem["help"], "did you mean `counter`?");
    assert_eq!(problem["instance"], "/services/countr");
    assert_eq!(problem["type"], "/docs#problem-unknown-service");
    app.post("/services/countr/start").await.problem(404, "unknown-service");
    app.get("/services/countr/value").await.problem(404, "unknown-service");
}

#[tokio::test(start_paused = true)]
async fn paths_are_what_they_are() {
    let app = App::start().await;
    app.get("/services/%63ounter").await.ok(200);
    app.get("/services/counter?").await.ok(200);
    for (path, code) in [
        ("/nothing", "unknown-path"),
        ("/services/", "unknown-path"),
        ("//services", "unknown-path"),
        ("/events/", "unknown-path"),
        ("/health", "unknown-path"),
        ("/Services", "unknown-path"),
        ("/services/counter%2Fvalue", "unknown-service"),
        ("/services/%ff", "unknown-service"),
        ("/services/COUNTER", "unknown-service"),
        ("/services/..", "unknown-service"),
    ] {
        let problem = app.get(path).await.problem(404, code);
        assert!(!problem.to_string().contains("reader"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn methods() {
    let app = App::start().await;
    for (path, also) in [
        ("/", ""),
        ("/services", "POST, "),
        ("/services/counter", "DELETE, "),
        ("/health/live", ""),
        ("/docs", ""),
        ("/events/stream", ""),
    ] {
        let allowed = format!("GET, HEAD, {also}OPTIONS");
        let answer = app.ask(Method::PUT, path, &[], "").await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allowed);
        let options = app.ask(Method::OPTIONS, path, &[], "").await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, &*allowed));
        assert!(!options.headers.keys().any(|name| name.as_str().starts_with("access-control")));
    }
    let get = app.get("/services").await;
    let head = app.ask(Method::HEAD, "/services", &[], "").await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    app.ask(Method::HEAD, "/events/stream", &[], "").await;
}

#[tokio::test(start_paused = true)]
async fn a_known_answer_is_not_sent_again() {
    let app = App::start().await;
    for path in ["/", "/services", "/openapi.json"] {
        let etag = app.get(path).await.header("etag").to_owned();
        assert!(etag.len() > 8, "{etag}");
        for known in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
            let again = app.ask(Method::GET, path, &[("if-none-match", &known)], "").await;
            assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""), "{known}");
            assert_eq!(again.header("etag"), etag);
        }
        app.ask(Method::GET, path, &[("if-none-match", "\"x\"")], "").await.ok(200);
    }
    let before = app.get("/services").await.header("etag").to_owned();
    app.post("/services/idle/start").await.ok(200);
    let after = app.ask(Method::GET, "/services", &[("if-none-match", &before)], "").await;
    assert_eq!(after.ok(200)["services"][2]["state"], "running");
}

#[tokio::test(start_paused = true)]
async fn the_prefix_moves_everything_but_the_probes() {
    let mut settings = settings();
    settings.api_prefix = "/api/v1".to_owned();
    let app = App::start_with(settings).await;
    for path in ["", "/", "/services", "/services/counter", "/events", "/openapi.json"] {
        app.get(&format!("/api/v1{path}")).await.ok(200);
    }
    assert_eq!(app.get("/api/v1/services/counter/value").await.text, "42");
    assert_eq!(app.get("/api/v1/services/counter/uri?a=b").await.text, "/uri?a=b");
    assert!(app.get("/api/v1/docs").await.text.contains("/api/v1/services/{name}/start"));
    app.get("/health/live").await.ok(200);
    for path in ["/", "/services", "/docs", "/openapi.json", "/api", "/api/v1/health/live"] {
        let problem = app.get(path).await.problem(404, "unknown-path");
        assert_eq!(problem["type"], "/api/v1/docs#problem-unknown-path");
    }
    let accepted = app.post("/api/v1/services/slow/start?wait=0").await;
    assert_eq!(accepted.header("location"), "/api/v1/operations/1");
    app.get(accepted.header("location")).await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn queries_are_read_strictly() {
    let app = App::start().await;
    for path in ["/?x=1", "/services?x", "/services/counter?x=1", "/docs?x=1", "/openapi.json?x="] {
        let problem = app.get(path).await.problem(422, "invalid-query");
        assert_eq!(problem["errors"][0]["path"], "x");
    }
    // A probe is never wrong about what it was asked.
    app.get("/health/live?x=1").await.ok(200);
}

/// An output that fails for as long as it is told to.
struct Full(Arc<AtomicBool>);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.load(SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_written_is_told_until_it_can() {
    let full = Arc::new(AtomicBool::new(false));
    let builder = Telemetry::builder(LoggingConfig::default()).writer(Full(Arc::clone(&full)));
    let (subscriber, log) = builder.build().unwrap();
    let subscriber = tracing::Dispatch::new(subscriber);
    let write = |fails: bool| {
        full.store(fails, SeqCst);
        tracing::dispatcher::with_default(&subscriber, || tracing::info!(target: "t", "a line"));
        log.flush(Duration::from_secs(60)).unwrap();
    };
    let mut settings = settings();
    settings.backlog = Some(log.backlog());
    let app = App::start_with(settings).await;
    let shown = async || app.get("/").await.ok(200)["log"].clone();
    write(false);
    assert_eq!(shown().await, Value::Null);
    write(true);
    let error = io::Error::from(io::ErrorKind::StorageFull).to_string();
    assert_eq!(shown().await, json!({"error": error, "lost": 1}));
    // Nothing but the log has changed since the answer was rendered.
    write(true);
    assert_eq!(shown().await["lost"], 2);
    write(false);
    assert_eq!(shown().await, json!({"error": null, "lost": 2}));
}
