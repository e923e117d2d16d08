//! Services that do not stop when asked, and services that block their thread.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Playground, read_until};
use crate::http;

/// The closing deadline of these tests, in seconds.
const DEADLINE: u64 = 2;

/// The deadline, and what ending the process may take on top.
const IN_TIME: Duration = Duration::from_secs(DEADLINE + 2);

#[test]
fn a_service_that_ignores_its_stop_is_ended_and_named() {
    let app = Playground::settled(
        "server: {closing_timeout_seconds: 2}
services: {deaf: {kind: stubborn, mode: ignore-stop}, hello: {kind: hello}}",
    );
    let ended = app.terminate();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["deaf"]);
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}

#[test]
fn a_client_that_stays_does_not_hide_who_was_late() {
    let app = Playground::settled(
        "server: {closing_timeout_seconds: 1}
services:
  block: {kind: stubborn, mode: block-thread}
  deaf: {kind: stubborn, mode: ignore-stop, depends_on: [block]}",
    );
    let mut events = app.follow();
    read_until(&mut events, "settled");
    // It has promised a body and keeps the server waiting for it.
    let headers = [("Content-Length", "10"), ("Content-Type", "application/json")];
    let mut stays = http::send(app.address, "POST", "/services/deaf/stop", &headers, b"");
    stays.write_all(b"{").unwrap();
    let reading = std::thread::spawn(move || read_until(&mut events, "\"closed\""));
    let ended = app.terminate();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["block", "deaf"]);
    let told = reading.join().unwrap();
    for (service, how) in [("block", "could not be ended"), ("deaf", "was ended by force")] {
        let event = told.lines().find(|line| {
            line.contains("\"straggler\"") && line.contains(&format!("\"{service}\""))
        });
        assert!(event.is_some_and(|event| event.contains(how)), "{service}: {told}");
    }
}

#[test]
fn with_a_thread_blocked_on_one_core_the_api_answers_and_sigterm_ends_in_time() {
    if Command::new("taskset").arg("--version").output().is_err() {
        println!("skipped: there is no `taskset` here");
        return;
    }
    let text = "server: {closing_timeout_seconds: 2}
services:
  block: {kind: stubborn, mode: block-thread}
  fast: {kind: ticker, interval: 10ms, depends_on: [block]}";
    let app = Playground::start_with(text, &[], &[], Some(0));
    app.settle();
    app.wait("block", "running");
    app.wait("fast", "running");
    for path in ["/", "/services", "/services/fast/ticks", "/services/block/status"] {
        assert_eq!(app.get(path).status, 200, "{path}");
    }
    assert_eq!(app.post("/services/fast/restart").json()["changed"], true);
    let ended = app.terminate();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["block"]);
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}

#[test]
fn a_blocked_service_that_is_stopped_is_orphaned_and_has_no_successor() {
    let app = Playground::settled(
        "server: {closing_timeout_seconds: 2}
services: {block: {kind: stubborn, mode: block-thread, stop_timeout: 200ms}}",
    );
    app.post("/services/block/stop").problem(409, "orphaned");
    let status = app.service("block");
    assert_eq!(status["state"], "error");
    assert_eq!(status["error"]["kind"], "orphaned");
    let message = status["error"]["message"].as_str().unwrap();
    assert!(message.contains("`run` has blocked its thread for at least "), "{message}");
    app.post("/services/block/start").problem(409, "orphaned");
    app.get("/services/block/status").problem(503, "service-unavailable");
    app.terminate().check(82);
}

#[test]
fn two_hundred_stubborn_services_are_all_named_and_nothing_else() {
    let mut text = format!(
        "server: {{closing_timeout_seconds: {DEADLINE}}}\nservices:\n  hello: {{kind: hello}}\n"
    );
    let mut expected = Vec::new();
    for service in 0..200 {
        let mode = if service % 25 == 0 { "block-thread" } else { "ignore-stop" };
        writeln!(text, "  s{service}: {{kind: stubborn, mode: {mode}}}").unwrap();
        expected.push(format!("s{service}"));
    }
    let app = Playground::settled(&text);
    let root: Value = app.get("/").json();
    let services = root["services"].as_object().unwrap();
    assert!(services.values().all(|service| service["state"] == "running"), "{root}");
    let ended = app.terminate();
    ended.check(82);
    let mut named = ended.stragglers();
    named.sort();
    expected.sort();
    assert_eq!(named, expected);
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}
