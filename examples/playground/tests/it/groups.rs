//! Services that are restarted together, as the file of the folder says.

use serde_json::Value;

use crate::harness::{Playground, eventually};

const STORY: &str = include_str!("../../groups.yaml");

fn generation(app: &Playground, service: &str) -> u64 {
    app.service(service)["generation"].as_u64().unwrap()
}

#[track_caller]
fn check_generations(app: &Playground, expected: &[(&str, u64)]) {
    for (service, expected) in expected {
        assert_eq!(generation(app, service), *expected, "{service}: {:#?}", app.events());
    }
}

fn runs_in(app: &Playground, service: &str, generation: u64) -> bool {
    let status = app.service(service);
    status["state"] == "running" && status["generation"] == generation
}

/// Returns the events about a service that have this in a field.
fn told(app: &Playground, service: &str, field: &str, value: &str) -> Vec<Value> {
    let of = |event: &Value| event["service"] == service && event[field] == value;
    app.events().into_iter().filter(of).collect()
}

#[test]
fn who_restarts_with_whom_is_what_the_strategy_says() {
    let app = Playground::settled(STORY);
    eventually("both groups are back", || {
        ["cache", "writer", "auditor", "decode", "store"]
            .iter()
            .all(|service| runs_in(&app, service, 2))
            .then_some(())
    });
    check_generations(&app, &[("receive", 1)]);
    // It is told for whom each was stopped.
    for (service, failed, group) in [
        ("writer", "cache", "state"),
        ("auditor", "cache", "state"),
        ("store", "decode", "pipeline"),
    ] {
        let stopped = told(&app, service, "cause", "group-restarted");
        let text = format!("restarts with its group `{group}`, because `{failed}` failed");
        assert_eq!(stopped[0]["message"], text);
        app.logged(&format!("{service}#1 processpype: stopping: {text} cause=group-restarted"));
        assert_eq!(app.service(service)["group"], group);
    }
    app.terminate().check(0);
}

#[test]
fn nobody_of_a_group_starts_again_before_the_last_one_is_gone() {
    let app = Playground::settled(STORY);
    let members = ["cache", "writer", "auditor"];
    eventually("the group is back", || {
        members.iter().all(|service| runs_in(&app, service, 2)).then_some(())
    });
    let events = app.events();
    let of_group = |event: &&Value| {
        members.contains(&event["service"].as_str().unwrap_or_default()) && event["kind"] == "state"
    };
    let begins = |event: &&Value| event["to"] == "starting" && event["generation"] == 2;
    let ends = |event: &&Value| event["from"] == "stopping" && event["generation"] == 1;
    let seq = |event: &Value| event["seq"].as_u64().unwrap();
    let first = events.iter().filter(of_group).filter(begins).map(seq).min();
    let last = events.iter().filter(of_group).filter(ends).map(seq).max();
    assert!(last.is_some() && last < first, "{last:?} {first:?} {events:#?}");
    app.terminate().check(0);
}

#[test]
fn the_members_spend_one_limit_and_a_start_forgives_it() {
    let app = Playground::settled(STORY);
    let exhausted = |service: &str| app.service(service)["restart"]["exhausted"] == true;
    eventually("both are given up", || (exhausted("left") && exhausted("right")).then_some(()));
    // Three restarts of both together, and the first generation of each.
    assert_eq!(generation(&app, "left") + generation(&app, "right"), 3 + 2);
    let counted: Vec<String> = app.events().iter().filter_map(restart_of_workers).collect();
    assert_eq!(counted, ["restart 1 of 3", "restart 2 of 3", "restart 3 of 3"]);
    let text = "gave up after 3 restarts within 60 s of group `workers`; a start tries again";
    for worker in ["left", "right"] {
        assert_eq!(told(&app, worker, "cause", "exhausted")[0]["message"], text);
    }
    let reasons = app.get("/health/ready").problem(503, "not-ready")["unready"].to_string();
    assert!(reasons.contains("error after 1s, as planned (failed; exhausted)"), "{reasons}");
    let why = app.get("/services/left/-/why").json()["steps"][0].to_string();
    assert!(why.contains("within 60 s of group `workers`"), "{why}");

    assert_eq!(app.post("/services/left/start").json()["status"], "started");
    eventually("it is restarted again", || {
        (told(&app, "left", "cause", "restart-scheduled").len() > 2).then_some(())
    });
    assert!(exhausted("right"), "nobody asked for that one");
    app.terminate().check(0);
}

/// Returns which restart of the group an event schedules.
fn restart_of_workers(event: &Value) -> Option<String> {
    let message = event["message"].as_str().filter(|_| event["cause"] == "restart-scheduled")?;
    let count = message.split(", ").find(|part| part.ends_with(" of group `workers`"))?;
    Some(count.trim_end_matches(" of group `workers`").to_owned())
}

#[test]
fn what_an_operator_does_to_a_member_leaves_the_group_alone() {
    let app = Playground::settled(
        "groups: {all: {strategy: one-for-all, members: [one, two]}}
services: {one: {kind: hello}, two: {kind: hello}}",
    );
    assert_eq!(app.post("/services/one/restart").json()["generation"], 2);
    assert_eq!(app.post("/services/one/stop").json()["changed"], true);
    assert!(runs_in(&app, "two", 1));
    app.terminate().check(0);
}

#[test]
fn groups_say_how_each_member_is_and_who_holds_whom() {
    let app = Playground::start(
        "
services:
  one: {kind: flaky, fail_start: 99, restart: {max_restarts: 0}}
  other: {kind: hello}
  alone: {kind: hello}
groups: {pair: {strategy: one-for-all, members: [other, one], max_restarts: 3, within: 1m}}
",
    );
    app.wait("one", "error");
    let groups = eventually("it is given up", || {
        let groups = app.get("/groups").json();
        let is_it = groups["groups"][0]["members"][1]["exhausted"] == true;
        is_it.then_some(groups)
    });
    let [pair] = &groups["groups"].as_array().unwrap()[..] else { panic!("{groups}") };
    assert_eq!((&pair["name"], &pair["strategy"]), (&"pair".into(), &"one-for-all".into()));
    assert_eq!((&pair["max_restarts"], &pair["within_ms"]), (&3.into(), &60_000.into()));
    assert!(pair["origin"].as_str().unwrap().contains(".yaml:"), "{pair}");
    let [other, one] = &pair["members"].as_array().unwrap()[..] else { panic!("{pair}") };
    assert_eq!((&one["service"], &one["state"]), (&"one".into(), &"error".into()));
    assert_eq!(other["service"], "other");
    let reason = one["reason"].as_str().unwrap();
    assert!(reason.contains("exhausted"), "{one}");
    // What an operator stops is held by nobody, and need not be ready.
    app.post("/services/other/stop");
    let other = &app.get("/groups").json()["groups"][0]["members"][0];
    assert_eq!((&other["desired"], &other["reason"]), (&"stopped".into(), &Value::Null));
    app.terminate().check(0);
}
