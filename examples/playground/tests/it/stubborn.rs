//! Services that do not stop when asked, and services that block their thread.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

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
fn with_a_thread_blocked_on_one_core_and_open_streams_the_api_answers_and_sigterm_ends_in_time() {
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
    let mut stream = http::send(
        app.address,
        "GET",
        "/events/stream?after=0",
        &[("Authorization", &app.bearer())],
        b"",
    );
    read_until(&mut stream, "data: ");
    let mut idle = http::send(app.address, "GET", "/services", &[], b"");
    read_until(&mut idle, "\r\n\r\n");
    let ended = app.terminate();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["block"]);
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}

#[test]
fn a_second_sigint_ends_a_blocked_thread_at_once() {
    let app = Playground::settled(
        "services:
  block: {kind: stubborn, mode: block-thread}
  deaf: {kind: stubborn, mode: ignore-stop}",
    );
    app.signal("INT");
    app.wait("deaf", "stopping");
    app.interrupt_again();
    let ended = app.ended();
    ended.check(83);
    assert!(ended.took < IN_TIME, "{:?}", ended.took);
}

#[test]
fn a_significant_failure_ends_in_time_whoever_is_in_the_way() {
    let never = "{policy: never}";
    for (lapse, code) in [("fail_start: 9", 80), ("error_after: 300ms", 81)] {
        let app = Playground::start(&format!(
            "server: {{closing_timeout_seconds: {DEADLINE}}}
services:
  deaf: {{kind: stubborn, mode: ignore-stop}}
  block: {{kind: stubborn, mode: block-thread}}
  bad:
    {{kind: flaky, {lapse}, depends_on: [deaf, block], significant: true, restart: {never}}}"
        ));
        let ended = app.ended();
        ended.check(code);
        assert_eq!(ended.stragglers(), ["block", "deaf"]);
        assert!(ended.took < IN_TIME, "{:?}", ended.took);
    }
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
fn a_start_is_forced_past_a_blocked_thread_and_is_told_with_what_it_leaves_behind() {
    let app = Playground::settled(
        "server: {closing_timeout_seconds: 2}
defaults: {stop_timeout: 200ms, processpype: {watchdog: {poll: 100ms}}}
services:
  block: {kind: stubborn, mode: block-thread}
  heals: {kind: hangs, block_after: 50ms, block_for: 1h, heal_after: 1}",
    );
    for service in ["block", "heals"] {
        let path = format!("/services/{service}");
        // Whoever stops it before it blocks meets no orphan.
        app.logged(&format!("{service}#1 processpype: blocked: "));
        app.post(&format!("{path}/stop")).problem(409, "orphaned");
        app.post(&format!("{path}/start")).problem(409, "orphaned");
        app.post(&format!("{path}/restart")).problem(409, "orphaned");
        let forced = app.post(&format!("{path}/start?force=true")).json();
        assert_eq!((&forced["changed"], &forced["generation"]), (&true.into(), &2.into()));
        let note = "what is left of generation 1 may run beside this one until the process ends";
        assert_eq!(forced["note"], note);
        assert_eq!(app.get(&format!("{path}/status")).status, 200);
        app.logged(&format!("{service} processpype: start (forced) done"));
    }
    let forced = app.events().into_iter().filter(|event| event["message"] == "forced");
    assert_eq!(forced.count(), 2);
    // Who blocks again is a straggler; what was left behind before is none.
    let ended = app.terminate();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["block"]);
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
