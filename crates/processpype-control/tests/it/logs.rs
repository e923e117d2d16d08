//! The log, as pages and as a stream.

use futures_util::FutureExt as _;
use http_body_util::BodyExt;
use processpype_telemetry::SERVICE_LOG_LINES;
use serde_json::{Value, json};

use crate::fixture::{App, golden, logged, pretty, service_span};
use crate::sse::{ids, open, until};

fn messages(page: &Value) -> Vec<&str> {
    let records = page["records"].as_array().expect("a list").iter();
    records.map(|record| record["message"].as_str().expect("a text")).collect()
}

fn say(service: &str, text: &str) {
    service_span(service, 1).in_scope(|| tracing::info!("{text}"));
}

#[tokio::test(start_paused = true)]
async fn pages() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    let about_the_start = app.get("/services/idle/-/logs").await.ok(200);
    assert_eq!(messages(&about_the_start), [""; 0], "it has logged nothing");
    service_span("idle", 7).in_scope(|| {
        tracing::info!(target: "app", count = 3, password = "x", "one");
        tracing::warn!(target: "app", "two");
        tracing::debug!(target: "app", "hidden");
    });
    let page = app.get("/services/idle/-/logs").await.ok(200);
    golden("logs.json", &pretty(&page));

    let path = "/services/idle/-/logs";
    let page = app.get(&format!("{path}?after=0&limit=1")).await.ok(200);
    assert_eq!((messages(&page), &page["next"]), (vec!["one"], &json!(1)));
    let page = app.get(&format!("{path}?limit=1")).await.ok(200);
    assert_eq!((messages(&page), &page["next"]), (vec!["two"], &json!(2)));
    for (after, expected) in [(2, vec![]), (999, vec!["one", "two"])] {
        let page = app.get(&format!("{path}?after={after}")).await.ok(200);
        assert_eq!((messages(&page), &page["next"]), (expected, &json!(2)));
    }
    for (query, expected) in [
        ("level=warn", vec!["two"]),
        ("level=trace", vec!["one", "two"]),
        ("contains=count", vec!["one"]),
        ("contains=", vec!["one", "two"]),
        ("contains=tw&level=error", vec![]),
        ("since=10m", vec!["one", "two"]),
    ] {
        let page = app.get(&format!("{path}?{query}")).await.ok(200);
        assert_eq!(messages(&page), expected, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_log_has_the_lines_of_all() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    say("idle", "inside");
    tracing::info!("outside");
    let all = app.get("/logs?limit=2").await.ok(200);
    assert_eq!(messages(&all), ["inside", "outside"]);
    let outside = app.get("/logs?scope=outside&limit=1000").await.ok(200);
    assert!(messages(&outside).contains(&"outside") && !messages(&outside).contains(&"inside"));
    let problem = app.get("/logs?scope=inside&level=loud&since=x&aftr=1").await;
    let problem = problem.problem(422, "invalid-query");
    let errors = problem["errors"].as_array().expect("a list");
    assert_eq!(errors.len(), 4, "{problem}");
    let level = errors.iter().find(|error| error["path"] == "level").expect("it is told");
    assert_eq!(level["valid"], json!(["trace", "debug", "info", "warn", "error"]));
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_is_logged_and_goes_on_where_it_broke() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    let path = "/services/idle/-/logs/stream";
    say("idle", "before");
    let mut stream = open(&app, path, None).await;
    until(&mut stream, "retry: 1000").await;
    say("counter", "of another");
    say("idle", "first");
    say("idle", "second");
    let text = until(&mut stream, "second").await;
    assert_eq!(ids(&text), [2, 3], "{text}");
    assert!(!text.contains("before") && !text.contains("of another"), "{text}");

    drop(stream);
    say("idle", "third");
    let text = until(&mut open(&app, path, Some("2")).await, "third").await;
    assert_eq!(ids(&text), [3, 4], "{text}");
    // What a client has seen counts more than where it once began.
    let text = until(&mut open(&app, &format!("{path}?after=0"), Some("3")).await, "third").await;
    assert_eq!(ids(&text), [4], "{text}");
    // A place of an earlier process.
    let text = until(&mut open(&app, path, Some("99")).await, "third").await;
    assert_eq!(ids(&text), [1, 2, 3, 4], "{text}");
    app.get(&format!("{path}?after=x")).await.problem(422, "invalid-query");
    app.ask(axum::http::Method::GET, path, &[("last-event-id", "x")], "")
        .await
        .problem(422, "invalid-query");
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_it_lost_and_what_it_passed_over() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    (0..SERVICE_LOG_LINES + 5).for_each(|n| say("idle", &n.to_string()));
    let path = "/services/idle/-/logs/stream?after=1&contains=no%20such";
    let text = until(&mut open(&app, path, None).await, "id: ").await;
    assert!(text.contains("event: lagged\ndata: {\"lost\":4}\n\n"), "{text}");
    assert_eq!(ids(&text), [SERVICE_LOG_LINES as u64 + 5]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_the_last_line() {
    let (_guard, _log, settings) = logged();
    let app = App::start_with(settings).await;
    let held = app.manager.clone();
    let mut stream = open(&app, "/logs/stream", None).await;
    until(&mut stream, "retry: 1000").await;
    // It has looked, found nothing, and waits for a line; the server stops while that is gathered.
    assert!(stream.frame().now_or_never().is_none());
    say("idle", "the last");
    assert!(stream.frame().now_or_never().is_none());
    drop(app);
    let text = until(&mut stream, "event: closing").await;
    assert!(text.contains("the last"), "{text}");
    assert!(stream.frame().await.is_none());
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn without_a_log_it_is_said_so() {
    let app = App::start().await;
    for path in ["/logs", "/logs/stream", "/services/idle/-/logs", "/services/idle/-/logs/stream"] {
        let problem = app.get(path).await.problem(501, "logs-unavailable");
        assert!(problem["help"].as_str().is_some_and(|help| help.contains(".main()")));
    }
    app.get("/services/nobody/-/logs").await.problem(404, "unknown-service");
}
