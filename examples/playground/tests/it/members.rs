//! Services that join and leave a real process, and its end over HTTP.

use serde_json::{Value, json};

use crate::harness::{Playground, file};
use crate::http;

const OPEN: &str = "
server: {shutdown_endpoint: true, creatable_kinds: [hello, ticker]}
services: {hello: {kind: hello}}
";

fn shut_down(app: &Playground, body: &Value) -> http::Answer {
    let bearer = app.bearer();
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    http::request(app.address, "POST", "/shutdown", &headers, body.to_string().as_bytes())
}

#[test]
fn an_admin_ends_the_process_over_http() {
    let app = Playground::settled(OPEN);
    let anybody = http::request(app.address, "POST", "/shutdown", &[], b"");
    assert_eq!(anybody.status, 401, "{anybody:?}");
    let answer = shut_down(&app, &json!({ "reason": "moving" }));
    assert_eq!((answer.status, &answer.json()["changed"]), (202, &json!(true)), "{answer:?}");
    let ended = app.ended();
    ended.check(0);
    assert!(ended.log.iter().any(|line| line.contains("moving")), "{:#?}", ended.log);
}

#[test]
fn stragglers_of_an_end_over_http_are_ended_by_force() {
    let app = Playground::start(
        "server: {shutdown_endpoint: true, closing_timeout_seconds: 1}
services: {late: {kind: stubborn, mode: block-thread}}",
    );
    app.wait("late", "running");
    assert_eq!(shut_down(&app, &json!({})).status, 202);
    let ended = app.ended();
    ended.check(82);
    assert_eq!(ended.stragglers(), ["late"]);
}

#[test]
fn a_signal_ends_it_as_before() {
    let app = Playground::settled(OPEN);
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.log.iter().any(|line| line.contains("SIGTERM: closing")), "{:#?}", ended.log);
}

#[test]
fn the_command_line_registers_deregisters_and_shuts_down() {
    let app = Playground::settled(OPEN);
    let section = file("interval: 10ms\ndepends_on: [hello]\n");
    let section = section.to_str().unwrap();
    let register = ["register", "ticker", "fast", "--section", section, "--start"];
    let dry = app.ask(&[&register[..], &["--dry-run"]].concat());
    assert_eq!(dry.code, Some(0), "{dry:?}");
    assert!(dry.stdout.contains("start fast") && dry.stdout.contains("nothing was done"));
    assert_eq!(app.get("/services/fast").status, 404);
    let registered = app.ask(&[&register[..], &["--reason", "a closer look"]].concat());
    assert_eq!(registered.code, Some(0), "{registered:?}");
    assert!(registered.stdout.starts_with("fast started (generation 1)"), "{registered:?}");
    assert_eq!(app.service("fast")["acted"]["reason"], "a closer look");
    let again = app.ask(&[&register[..], &["--json"]].concat());
    let problem: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!((again.code, &problem["code"]), (Some(1), &json!("name-taken")));
    let other = app.ask(&["register", "vault", "safe"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.stderr.contains("error[kind-not-creatable]"), "{other:?}");
    assert!(app.ask(&["info"]).stdout.contains("creatable  hello, ticker"));

    let needed = app.ask(&["deregister", "hello"]);
    assert_eq!(needed.code, Some(1), "{needed:?}");
    assert!(needed.stderr.contains("--cascade") && needed.stderr.contains("`fast`"), "{needed:?}");
    let left = app.ask(&["deregister", "hello", "--cascade", "--reason", "enough"]);
    assert_eq!(left.code, Some(0), "{left:?}");
    assert!(left.stdout.starts_with("hello deregistered (generation 1)"), "{left:?}");
    assert!(left.stdout.contains("affected: fast"), "{left:?}");

    let closed = app.ask(&["shutdown", "--reason", "moving"]);
    assert_eq!((closed.code, closed.stdout.trim()), (Some(0), "the application has closed"));
    app.ended().check(0);
}

#[test]
fn an_application_is_not_closed_unless_its_file_allows_it() {
    let app = Playground::settled("services: {hello: {kind: hello}}");
    let refused = app.ask(&["shutdown"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("error[shutdown-disabled]"), "{refused:?}");
    assert!(refused.stderr.contains("server.shutdown_endpoint"), "{refused:?}");
    app.terminate().check(0);
}
