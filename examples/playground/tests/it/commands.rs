//! Commands outlive their client, and the later one wins.

use crate::harness::{Playground, eventually};
use crate::http::{self, Answer};

const SLOW: &str = "
services:
  slow: {kind: slow, start_delay: 1500ms, stop_delay: 100ms, autostart: false}
";

#[test]
fn a_start_goes_on_when_its_client_has_gone() {
    let app = Playground::settled(SLOW);
    drop(http::send(app.address, "POST", "/services/slow/start", &[], b""));
    app.wait("slow", "starting");
    assert_eq!(app.wait("slow", "running")["generation"], 1);
}

#[test]
fn no_command_of_a_client_that_leaves_at_once_is_lost() {
    let names: Vec<String> = (0..200).map(|number| format!("s{number}")).collect();
    let mut text = String::from("services:\n");
    for name in &names {
        text.push_str(&format!("  {name}: {{kind: hello, autostart: false}}\n"));
    }
    let app = Playground::settled(&text);
    let json = [("Content-Type", "application/json")];
    for round in names.chunks(40) {
        // While the process sleeps, clients come and go: it finds commands whose clients have all
        // left.
        app.signal("STOP");
        for (number, name) in round.iter().enumerate() {
            let path = format!("/services/{name}/start");
            // With a body and without one: the server reads them in different ways.
            let (headers, body) = match number % 2 {
                0 => (&[][..], &b""[..]),
                _ => (&json[..], &b"{\"reason\":\"test\"}"[..]),
            };
            drop(http::send(app.address, "POST", &path, headers, body));
        }
        app.signal("CONT");
        for name in round {
            app.wait(name, "running");
        }
    }
}

#[test]
fn a_command_that_takes_longer_than_its_wait_is_accepted() {
    let app = Playground::settled(SLOW);
    let answer = app.post("/services/slow/start?wait=10ms");
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.header("location"), Some("/operations/1"));
    assert_eq!(answer.json()["command"], "start");
    app.wait("slow", "running");
}

#[test]
fn a_stop_overrides_a_start_that_is_on_its_way() {
    let app = Playground::settled(SLOW);
    let starting = [("Connection", "close")];
    let starting = http::send(app.address, "POST", "/services/slow/start", &starting, b"");
    app.wait("slow", "starting");
    assert_eq!(app.post("/services/slow/stop").json()["status"], "stopped");
    Answer::read(starting).problem(409, "superseded");
    assert_eq!(app.service("slow")["state"], "stopped");
}

#[test]
fn a_start_brings_its_providers_unless_an_operator_stopped_them() {
    let app = Playground::settled(
        "services:
  base: {kind: hello, autostart: false}
  top: {kind: hello, autostart: false, depends_on: [base]}",
    );
    assert_eq!(app.post("/services/top/start").json()["changed"], true);
    assert_eq!(app.service("base")["state"], "running");
    let stop = app.post("/services/base/stop?cascade=true").json();
    assert_eq!(stop["changed"], true);
    assert_eq!(app.service("top")["state"], "stopped");
    let problem = app.post("/services/top/start").problem(409, "provider-stopped");
    assert!(problem.to_string().contains("base"), "{problem}");
    assert_eq!(app.post("/services/top/start?with_dependencies=true").status, 200);
    assert_eq!(app.service("base")["state"], "running");
}

#[test]
fn a_stop_of_a_provider_leaves_its_dependents_running_and_names_them() {
    let app = Playground::settled(
        "services:
  base: {kind: hello}
  top: {kind: hello, depends_on: [base]}",
    );
    let answer = app.post_body("/services/base/stop", "application/json", b"{\"reason\":\"test\"}");
    assert_eq!(answer.json()["affected"][0], "top");
    assert_eq!(app.service("top")["state"], "running");
    let acted = &app.service("base")["acted"];
    assert_eq!(acted["verb"], "stop");
    assert_eq!(acted["reason"], "test");
}

#[test]
fn a_healed_service_stays_up() {
    let app = Playground::settled(
        "defaults: {restart: {policy: never}}
services: {flaky: {kind: flaky, panic_after: 1ms, heal_after: 1}}",
    );
    let status = app.wait("flaky", "error");
    assert_eq!(status["error"]["kind"], "panic");
    app.logged("as planned");
    assert_eq!(app.post("/services/flaky/start").status, 200);
    // It would panic within a millisecond; it answers many times instead.
    let mut answers = 0;
    eventually("it answers a hundred times", || {
        answers += u32::from(app.get("/services/flaky/status").status == 200);
        (answers == 100).then_some(())
    });
    assert_eq!(app.service("flaky")["generation"], 2);
}

#[test]
fn a_flaky_service_comes_back_by_itself() {
    let app = Playground::settled(
        "services:
  flaky:
    kind: flaky
    panic_after: 1ms
    heal_after: 3
    restart: {backoff: {initial: 10ms}}
  user: {kind: hello, depends_on: [flaky]}",
    );
    eventually("its fourth generation runs", || {
        let status = app.service("flaky");
        (status["generation"] == 4 && status["ready"] == true).then_some(())
    });
    let detail = app.get("/services/flaky").json();
    let exits: Vec<&str> = detail["history"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|past| past["exit"].as_str().expect("a word"))
        .collect();
    assert_eq!(exits, ["panic", "panic", "panic"]);
    assert_eq!(detail["restart"], serde_json::Value::Null);
    assert_eq!(detail["last_error"]["kind"], "panic");
    assert_eq!(app.wait("user", "running")["generation"], 1);
}
