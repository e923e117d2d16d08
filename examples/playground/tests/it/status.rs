//! What the API shows: the seed's shapes, and the routes of services.

use serde_json::json;

use crate::harness::{Playground, eventually};

const TWO: &str = "
app: {title: Play, version: 1.2.3, environment: test}
services:
  hello: {kind: hello}
  fast: {kind: ticker, interval: 10ms, depends_on: [hello]}
  off: {kind: hello, enabled: false}
";

const EACH: &str = "
services:
  hello: {kind: hello}
  ticker: {kind: ticker, interval: 1h}
  flaky: {kind: flaky}
  slow: {kind: slow, start_delay: 1ms, stop_delay: 1ms}
  ignore: {kind: stubborn, mode: ignore-stop}
  block: {kind: stubborn, mode: block-thread}
  vault: {kind: vault, password: correct-horse}
";

#[test]
fn the_application_and_its_services_have_the_seeds_shape() {
    let app = Playground::settled(TWO);
    let root = app.get("/").json();
    assert_eq!(root["title"], "Play");
    assert_eq!(root["version"], "1.2.3");
    assert_eq!(root["environment"], "test");
    assert_eq!(root["state"], "running");
    let hello = &root["services"]["hello"];
    assert_eq!(hello["state"], "running");
    assert_eq!(hello["error"], json!(null));
    assert_eq!(hello["metadata"], json!({}));
    assert_eq!(hello["is_configured"], true);
    let list = app.get("/services").json();
    let names: Vec<_> = list["services"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["fast", "hello", "off"]);
    assert_eq!(list["services"][2]["state"], "stopped");
    assert_eq!(app.service("hello")["generation"], 1);
}

#[test]
fn start_and_stop_say_what_they_changed_and_leave_events() {
    let app = Playground::settled(TWO);
    let stop = || app.post("/services/fast/stop");
    let start = || app.post("/services/fast/start");
    for (answer, word, changed) in [
        (stop(), "stopped", true),
        (stop(), "stopped", false),
        (start(), "started", true),
        (start(), "started", false),
    ] {
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        assert_eq!(json["status"], word);
        assert_eq!(json["service"], "fast");
        assert_eq!(json["changed"], changed);
    }
    let events = app.events();
    let transitions: Vec<_> = events
        .iter()
        .filter(|event| event["kind"] == "state" && event["service"] == "fast")
        .map(|event| format!("{} {} {}", event["generation"], event["from"], event["to"]))
        .collect();
    let expected = [
        "1 'stopped' 'starting'",
        "1 'starting' 'running'",
        "1 'running' 'stopping'",
        "1 'stopping' 'stopped'",
        "2 'stopped' 'starting'",
        "2 'starting' 'running'",
    ];
    assert_eq!(transitions, expected.map(|line| line.replace('\'', "\"")));
    let numbers: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
}

#[test]
fn every_kind_answers_its_status_while_it_runs() {
    let app = Playground::settled(EACH);
    for name in ["hello", "ticker", "flaky", "slow", "ignore", "block", "vault"] {
        let answer = app.get(&format!("/services/{name}/status"));
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(answer.json(), json!({ "state": "running" }), "{name}");
    }
}

#[test]
fn ticks_are_counted_and_begin_anew_with_each_generation() {
    let app = Playground::settled(TWO);
    let ticks = || app.get("/services/fast/ticks").json()["ticks"].as_u64().unwrap();
    let many = eventually("twenty ticks", || Some(ticks()).filter(|ticks| *ticks >= 20));
    assert_eq!(app.post("/services/fast/restart").json()["status"], "restarted");
    let first = ticks();
    assert!(first < many, "{first} after {many}");
}

#[test]
fn a_stopped_services_routes_say_why_and_when_to_try_again() {
    let app = Playground::settled(TWO);
    app.post("/services/fast/stop");
    let answer = app.get("/services/fast/ticks");
    let problem = answer.problem(503, "service-unavailable");
    assert_eq!(problem["service"], "fast");
    assert_eq!(problem["state"], "stopped");
    assert!(problem["detail"].as_str().unwrap().contains("stopped"), "{problem}");
    let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(after > 0);
}

#[test]
fn what_is_not_there_is_404_and_what_cannot_be_done_is_405() {
    let app = Playground::settled(TWO);
    app.get("/services/nope").problem(404, "unknown-service");
    app.post("/services/nope/start").problem(404, "unknown-service");
    app.get("/services/nope/status").problem(404, "unknown-service");
    app.get("/nope").problem(404, "unknown-path");
    app.get("/services/hello/nope").problem(404, "unknown-path");
    let answer = app.get("/services/hello/start");
    answer.problem(405, "method-not-allowed");
    assert!(answer.header("allow").unwrap().contains("post"), "{answer:?}");
    app.post("/").problem(405, "method-not-allowed");
    app.post("/services/off/start").problem(409, "disabled");
}

#[test]
fn the_prefix_moves_everything_but_the_probes() {
    let app = Playground::start(&format!("{TWO}\nserver: {{api_prefix: /api/v1}}"));
    app.settle();
    for path in ["/", "/services", "/services/fast/ticks", "/events", "/openapi.json", "/docs"] {
        let moved = app.get(&format!("/api/v1{}", path.strip_suffix('/').unwrap_or(path)));
        assert_eq!(moved.status, 200, "{path}: {moved:?}");
        assert_eq!(app.get(path).status, 404, "{path}");
    }
    assert_eq!(app.post("/api/v1/services/fast/stop").status, 200);
    let problem = app.get("/api/v1/nope").problem(404, "unknown-path");
    let docs = problem["type"].as_str().unwrap();
    assert!(docs.starts_with("/api/v1/docs#"), "{docs}");
    for probe in ["/health/live", "/health/ready", "/health/startup"] {
        assert_eq!(app.get(probe).status, 200, "{probe}");
    }
}
