//! The journal, as pages and as a stream.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tokio::time::Instant;
use tower::ServiceExt;

use crate::fixture::{App, golden, pretty, settings};
use crate::sse::{ids, open, until};

/// Opens a stream and reads until `enough`.
async fn read(app: &App, target: &str, last: Option<&str>, enough: &str) -> String {
    until(&mut open(app, target, last).await, enough).await
}

#[tokio::test(start_paused = true)]
async fn pages() {
    let app = App::start().await;
    let all = app.get("/events").await.ok(200);
    let events = all["events"].as_array().expect("a list");
    let state = events.iter().find(|event| event["kind"] == "state").expect("a transition");
    golden("event.json", &pretty(state));
    assert_eq!((&all["next"], &all["lost"]), (&all["last"], &json!(0)));
    assert!(events.windows(2).all(|two| two[0]["seq"].as_u64() < two[1]["seq"].as_u64()));

    let page = app.get("/events?after=1&limit=2").await.ok(200);
    let seqs: Vec<&Value> =
        page["events"].as_array().expect("a list").iter().map(|e| &e["seq"]).collect();
    assert_eq!((seqs, &page["next"]), (vec![&json!(2), &json!(3)], &json!(3)));

    let counter = app.get("/events?service=counter&kind=state").await.ok(200);
    let words: Vec<&Value> =
        counter["events"].as_array().expect("a list").iter().map(|event| &event["to"]).collect();
    assert_eq!(words, ["starting", "running"]);
    // There is nothing yet after the newest; what lies beyond is a place of an earlier process.
    let last = &all["last"];
    let none = app.get(&format!("/events?after={last}")).await.ok(200);
    assert_eq!((&none["events"], &none["next"]), (&json!([]), last));
    assert_eq!(app.get("/events?after=999").await.ok(200), all);
    // One kind among others, and the moment itself.
    let settled = app.get("/events?kind=application").await.ok(200);
    let settled = settled["events"].as_array().expect("a list");
    assert!(!settled.is_empty() && settled.iter().all(|event| event["kind"] == "application"));
    let time = events[0]["time"].as_str().expect("a time");
    assert_eq!(app.get(&format!("/events?since={time}")).await.ok(200)["events"], all["events"]);
    // 2^64 milliseconds and some: what is older than time itself is all there is.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(app.get("/events?since=18446744073709552s").await.ok(200), all);
    assert_eq!(app.get("/events?since=1s").await.ok(200)["events"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn bad_questions() {
    let app = App::start().await;
    for query in
        ["limit=0", "limit=1001", "after=-1", "after=x", "service=countr", "knd=state", "kind=x"]
    {
        for path in ["/events", "/events/stream"] {
            if !(path == "/events/stream" && query.starts_with("limit")) {
                let answer = app.get(&format!("{path}?{query}")).await;
                answer.problem(422, "invalid-query");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_kind_is_told_with_the_nearest() {
    let app = App::start().await;
    let problem = app.get("/events?kind=comand").await.problem(422, "invalid-query");
    let fault = &problem["errors"][0];
    assert_eq!(
        (&fault["path"], &fault["help"]),
        (&json!("kind"), &json!("did you mean `command`?"))
    );
    assert_eq!(fault["valid"].as_array().map(Vec::len), Some(processpype_api::EVENT_KINDS.len()));
    app.get("/events?kind=handler-panic").await.ok(200);
}

#[tokio::test(start_paused = true)]
async fn a_stream_tells_what_happens_next() {
    let app = App::start().await;
    let last = app.manager.last_event();
    let (text, _) = tokio::join!(read(&app, "/events/stream", None, "\"to\":\"running\""), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        app.post("/services/idle/start").await.ok(200)
    });
    assert!(text.starts_with("retry: 1000\n"), "{text}");
    assert!(ids(&text).iter().all(|&id| id > last), "{text}");
    assert!(text.contains("\"service\":\"idle\""), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_goes_on_where_it_broke() {
    let app = App::start().await;
    let last = app.manager.last_event();
    let text = read(&app, "/events/stream?after=0", None, &format!("id: {last}\n")).await;
    assert_eq!(ids(&text), (1..=last).collect::<Vec<_>>());
    let text = read(&app, "/events/stream?after=0", Some("2"), &format!("id: {last}\n")).await;
    assert_eq!(ids(&text), (3..=last).collect::<Vec<_>>());
    // An id of an earlier process, whose journal was longer.
    let text = read(&app, "/events/stream", Some("9999"), &format!("id: {last}\n")).await;
    assert_eq!(ids(&text), (1..=last).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_filtered_stream_still_moves_on() {
    let app = App::start().await;
    let last = app.manager.last_event();
    let target = "/events/stream?after=0&service=counter&kind=state";
    let text = read(&app, target, None, &format!("id: {last}\n")).await;
    let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.len(), 2, "{text}");
    assert!(data.iter().all(|data| data.contains("\"service\":\"counter\"")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive() {
    let app = App::start().await;
    let begun = Instant::now();
    read(&app, "/events/stream", None, ": still here\n\n").await;
    // A client gives up a stream that is silent for three times as long.
    assert_eq!(begun.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn streams_are_limited() {
    let mut settings = settings();
    settings.limits.streams = 1;
    let app = App::start_with(settings).await;
    let open = || {
        let request = Request::get("/events/stream").header("host", "localhost");
        app.router.clone().oneshot(request.body(Body::empty()).expect("a request"))
    };
    let first = open().await.expect("never fails");
    let refused = app.get("/events/stream").await;
    refused.problem(503, "busy");
    assert_eq!(refused.header("retry-after"), "5");
    drop(first);
    assert_eq!(open().await.expect("never fails").status(), 200);
}
