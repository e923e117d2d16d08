//! Services that stop beating or block their thread, seen from outside.

use serde_json::{Value, json};

use crate::harness::{Playground, eventually};

/// Returns the events of one cause, once there is one.
#[track_caller]
fn told(app: &Playground, cause: &str) -> Vec<Value> {
    eventually(&format!("`{cause}` is told"), || {
        let events = app.events().into_iter();
        let events: Vec<Value> = events.filter(|event| event["cause"] == cause).collect();
        (!events.is_empty()).then_some(events)
    })
}

#[track_caller]
fn begins(value: &Value, begin: &str) {
    assert!(value.as_str().is_some_and(|text| text.starts_with(begin)), "{value}");
}

#[test]
fn a_silence_is_told_and_shown_and_the_service_goes_on() {
    let app = Playground::settled(
        "services:
  silent:
    kind: hangs
    silent_after: 200ms
    processpype: {heartbeat: {within: 500ms}}
  alive:
    kind: hangs
    processpype: {heartbeat: {within: 20s, then: restart}}",
    );
    let lost = told(&app, "heartbeat-lost");
    assert_eq!((lost.len(), &lost[0]["kind"]), (1, &Value::from("health")));
    assert_eq!(lost[0]["service"], "silent");
    begins(&lost[0]["message"], "no beat for ");
    let status = app.service("silent");
    assert_eq!(status["state"], "running");
    begins(&status["degraded"], "no beat for ");
    assert_eq!(app.get("/health/ready").status, 200, "degraded is not unready");
    app.logged("heartbeat-lost: no beat for ");
    app.terminate().check(0);
}

#[test]
fn a_hung_service_that_is_to_be_restarted_comes_back_healed() {
    let app = Playground::settled(
        "services:
  reborn:
    kind: hangs
    silent_after: 100ms
    heal_after: 1
    processpype: {heartbeat: {within: 2s, then: restart}}",
    );
    eventually("its second generation runs", || {
        let status = app.service("reborn");
        (status["generation"] == 2 && status["state"] == "running").then_some(())
    });
    let status = app.service("reborn");
    assert_eq!(status["last_error"]["kind"], "heartbeat-lost");
    begins(&status["last_error"]["message"], "no beat for ");
    assert_eq!(told(&app, "restart-scheduled").len(), 1);
    app.terminate().check(0);
}

#[test]
fn who_blocks_a_thread_is_named_while_it_does_and_so_is_the_end_of_it() {
    let app = Playground::settled(
        "services:
  blocks:
    kind: hangs
    block_after: 100ms
    block_for: 1s
    processpype: {watchdog: {poll: 200ms}}",
    );
    let blocked = told(&app, "blocked");
    assert_eq!(blocked.len(), 1);
    begins(&blocked[0]["message"], "`run` has blocked its thread for ");
    assert_eq!(app.service("blocks")["state"], "running");
    app.logged("blocked: `run` has blocked its thread for ");
    let recovered = told(&app, "recovered");
    begins(&recovered[0]["message"], "`run` gave its thread back");
    assert_eq!(app.service("blocks")["degraded"], Value::Null);
    assert_eq!(told(&app, "blocked").len(), 1, "it is told once");
    app.terminate().check(0);
}

#[test]
fn a_blocked_service_that_is_to_be_restarted_becomes_an_orphan_with_a_name() {
    let app = Playground::settled(
        "server: {closing_timeout_seconds: 2}
services:
  wedged:
    kind: hangs
    block_after: 100ms
    block_for: 1h
    stop_timeout: 200ms
    processpype: {watchdog: {poll: 200ms, then: restart}}",
    );
    let status = app.wait("wedged", "error");
    assert_eq!(status["error"]["kind"], "orphaned");
    let text = "the generation could not be ended: `run` has blocked its thread for ";
    begins(&status["error"]["message"], text);
    app.logged("ending the service by force: `run` has blocked its thread for ");
    let ended = app.terminate();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["wedged"]);
}

#[test]
fn who_blocks_its_thread_on_a_quiet_machine_stops_no_clock_of_others() {
    // Nothing else is going on, so that nobody happens to wake another thread.
    let app = Playground::settled(
        "server: {closing_timeout_seconds: 1}
services:
  wedged: {kind: hangs, block_after: 300ms, block_for: 1h}
  job: {kind: flaky, complete_after: 1s, oneshot: true}",
    );
    app.wait("job", "stopped");
    assert_eq!(app.service("job")["completed"], true);
    assert_eq!(app.service("wedged")["state"], "running");
    app.terminate().check(82);
}

#[test]
fn who_spins_without_a_watchdog_is_named_by_who_asks_why() {
    let app = Playground::settled(
        "services:
  spins: {kind: hangs, block_after: 100ms, block_for: 1h}
  hello: {kind: hello}
server: {closing_timeout_seconds: 2}",
    );
    let why = |name: &str| app.get(&format!("/services/{name}/-/why")).json();
    let told = eventually("it is hung", || {
        let why = why("spins");
        (why["steps"][0]["situation"] == "hung").then_some(why)
    });
    let text = told["text"].as_str().unwrap();
    let expected = "but hung: its thread has not come back for at least 1.";
    assert!(text.contains(expected) && text.ends_with(" s: it blocks or spins"), "{text}");
    assert_eq!(why("hello")["steps"][0]["situation"], "running");
    let found = app.get("/diagnosis").json();
    let finding = &found["findings"][0];
    assert_eq!(finding["code"], "no-answer", "{found}");
    begins(&finding["message"], "its thread has not come back for ");
    assert_eq!(app.service("spins")["blocks"], true);
    assert_eq!(app.service("hello")["blocks"], json!(null));
    let all = app.get("/").json();
    assert_eq!(all["services"]["spins"]["blocks"], true, "{all}");
    let listed = app.get("/services").json();
    assert_eq!(listed["services"][1]["blocks"], true, "{listed}");
    let status = app.ask(&["status"]);
    let row = status.stdout.lines().find(|line| line.starts_with("spins")).unwrap();
    assert!(row.ends_with("its thread does not come back: it blocks or spins"), "{status:?}");
    app.terminate().check(82);
}

#[test]
fn that_no_thread_is_left_for_the_others_is_told() {
    let service = |number| format!("  b{number:02}: {{kind: stubborn, mode: block-thread}}\n");
    let services: String = (0..16).map(service).collect();
    let text = format!(
        "services:\n  hello: {{kind: hello}}\n{services}server: {{closing_timeout_seconds: 1}}"
    );
    let app = Playground::start(&text);
    let found = eventually("it is told", || {
        let found = app.get("/diagnosis").json();
        let all = found["application"].as_array().unwrap().clone();
        all.into_iter().find(|it| it["code"] == "blocked-threads")
    });
    assert!(found["message"].as_str().unwrap().contains("b00, b01, "), "{found}");
    eventually("why tells it too", || {
        let why = app.get("/services/hello/-/why").json();
        let text = why["text"].as_str().unwrap();
        text.contains("; but it has no thread: b00, b01, b02, b03 and ").then_some(())
    });
    app.terminate().check(82);
}
