//! Whatever an operator changes leaves an event that says who, and why where a reason was given.
//!
//! # Invariants
//!
//! 1. The changes are read from the program's own document. One that this test cannot make fails
//!    it, so that none is forgotten.

use serde_json::Value;

use crate::harness::Playground;
use crate::http::{self, Answer};

const TOKEN: &str = "a-token-of-somebody-who-acts";

const REASON: &str = "because the test says so";

const APPLICATION: &str = "
server:
  shutdown_endpoint: true
  creatable_kinds: [hello]
  limits: {writes: {burst: 1000, per_second: 1000}}
  auth: {tokens: [{name: ops, role: admin, token: TOKEN}]}
services:
  hello: {kind: hello}
  slow: {kind: slow, start_delay: 1h, start_timeout: 2h, autostart: false}
  lazy: {kind: slow, stop_delay: 3s}
  tuned: {kind: slow}
";

/// One change: what is asked, and with which body.
struct Act {
    method: String,
    path: String,
    body: String,
}

/// A change as the document has it.
struct Change {
    method: String,
    template: String,
    /// Whether a reason can be given, in the body or in the query.
    takes_reason: bool,
}

// === impl Act ===

impl Act {
    /// Makes the request of one operation of the document.
    fn new(app: &Playground, method: &str, template: &str) -> Self {
        let reason = format!("\"reason\":\"{REASON}\"");
        let level = format!("{{\"level\":\"debug\",\"for\":\"10m\",{reason}}}");
        let hello = template.replace("{name}", "hello");
        let tuned = format!("{}?reason={}", template.replace("{name}", "tuned"), query(REASON));
        // Another one for each, so that each changes something.
        let other = format!("{{\"work_delay\":\"{}ms\"}}", template.len());
        let (path, body) = match (method, template) {
            ("POST", "/services/{name}/configure" | "/services/{name}/configure_and_start")
            | ("PUT", "/services/{name}/-/config") => (tuned, other),
            ("DELETE", "/services/{name}/-/config") => (tuned, String::new()),
            ("POST", "/services") => {
                let body = format!("{{\"name\":\"joined\",\"kind\":\"hello\",{reason}}}");
                (hello, body)
            }
            ("POST", "/restarts/pause") => (format!("{hello}?for=1m"), format!("{{{reason}}}")),
            ("DELETE", "/operations/{id}") => {
                (template.replace("{id}", &begin_a_start(app)), String::new())
            }
            ("DELETE", "/services/{name}") => {
                (template.replace("{name}", "joined"), format!("{{{reason}}}"))
            }
            ("PUT", "/levels" | "/services/{name}/-/level") => (hello, level),
            (
                "POST",
                "/restarts/resume"
                | "/shutdown"
                | "/reload"
                | "/services/{name}/start"
                | "/services/{name}/stop"
                | "/services/{name}/restart",
            ) => (hello, format!("{{{reason}}}")),
            ("DELETE", "/levels" | "/services/{name}/-/level") => (hello, String::new()),
            _ => panic!("this test does not know how to {method} {template}"),
        };
        Self { method: method.to_owned(), path, body }
    }

    fn ask(&self, app: &Playground) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        let json = ("Content-Type", "application/json");
        let headers = [("Authorization", &*bearer), json];
        let headers = if self.body.is_empty() { &headers[..1] } else { &headers[..] };
        http::request(app.address, &self.method, &self.path, headers, self.body.as_bytes())
    }
}

/// Begins a start that takes an hour, and returns the operation that it is.
fn begin_a_start(app: &Playground) -> String {
    let answer = app.post("/services/slow/start?wait=0");
    assert_eq!(answer.status, 202, "{answer:?}");
    let location = answer.header("location").expect("a place").to_owned();
    location.rsplit('/').next().expect("an id").to_owned()
}

/// A text as it stands in a query.
fn query(text: &str) -> String {
    text.replace(' ', "%20")
}

/// Whether an operation of the document takes a reason.
fn takes_reason(document: &Value, operation: &Value) -> bool {
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = body["$ref"].as_str().and_then(|at| document.pointer(at.trim_start_matches('#')));
    let parameters = operation["parameters"].as_array();
    parameters.is_some_and(|all| all.iter().any(|one| one["name"] == "reason"))
        || body.is_some_and(|body| body["properties"]["reason"].is_object())
}

/// The changes in an order in which each has something to change.
fn changes(app: &Playground) -> Vec<Change> {
    let document = app.get("/openapi.json").json();
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let methods = methods.as_object().unwrap();
        for (method, operation) in methods.iter().filter(|(method, _)| *method != "get") {
            // What a service's own routes do is the service's to tell.
            if !path.ends_with("{path}") {
                let (method, template) = (method.to_uppercase(), path.clone());
                let takes_reason = takes_reason(&document, operation);
                all.push(Change { method, template, takes_reason });
            }
        }
    }
    let turn = |method: &str, path: &str| match (method, path) {
        (_, "/shutdown") => 9,
        (_, "/services/{name}/stop") => 0,
        (_, "/services/{name}/start") => 1,
        ("DELETE", _) | (_, "/restarts/resume") => 3,
        _ => 2,
    };
    all.sort_by_key(|change| turn(&change.method, &change.template));
    all
}

#[test]
fn every_change_leaves_an_event_with_actor_and_reason() {
    let app = Playground::settled(&APPLICATION.replace("TOKEN", TOKEN));
    let all = changes(&app);
    assert!(all.len() >= 13, "the document has lost changes");
    for Change { method, template, takes_reason } in all {
        let act = Act::new(&app, &method, &template);
        let gives_reason = act.body.contains(REASON) || act.path.contains(&query(REASON));
        let before = app.get("/events?limit=1").json()["last"].as_u64().unwrap();
        let answer = act.ask(&app);
        let what = format!("{method} {template}");
        assert!(gives_reason || !takes_reason, "{what}: give the reason that it takes");
        assert!((200..300).contains(&answer.status), "{what}: {answer:?}");
        let events = app.get(&format!("/events?after={before}&limit=1000")).json();
        let events = events["events"].as_array().unwrap();
        let by_ops = |event: &&Value| event["actor"] == "token:ops";
        let told: Vec<&Value> = events.iter().filter(by_ops).collect();
        assert!(!told.is_empty(), "{what} left no trace of who did it: {events:#?}");
        let is_explained = told.iter().any(|event| event.to_string().contains(REASON));
        assert!(is_explained || !takes_reason, "{what} left no reason: {events:#?}");
    }
    app.ended().check(0);
}
