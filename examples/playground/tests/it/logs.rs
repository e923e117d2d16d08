//! The log of the running program, over HTTP and on the command line.

use crate::harness::{Playground, eventually, read_until};
use crate::http;

/// One that ticks, at a level that does not show it, and one that fails with a story.
const APP: &str = "
services:
  fast: {kind: ticker, interval: 10ms}
  loud: {kind: ticker, interval: 10ms, log_level: debug}
  broken: {kind: flaky, fail_start: 9, restart: {policy: never}}
";

#[test]
fn the_newest_lines_of_a_service_are_there_for_who_has_a_token() {
    let app = Playground::settled(APP);
    app.logged("tick ticks=3");
    let page = app.get("/services/loud/-/logs?contains=tick&limit=2").json();
    let records = page["records"].as_array().unwrap();
    assert_eq!(records.len(), 2, "{page}");
    for record in records {
        assert_eq!((&record["service"], &record["level"]), (&"loud".into(), &"debug".into()));
        assert_eq!(record["generation"], 1);
        assert!(record["fields"]["ticks"].is_u64(), "{record}");
    }
    assert_eq!(app.get("/services/fast/-/logs?level=debug&contains=tick").json()["records"], {
        let none: [u8; 0] = [];
        serde_json::json!(none)
    });
    // What the framework says about a service is in the log of the service.
    let story = app.get("/services/broken/-/logs?level=error").json().to_string();
    assert!(story.contains("failed: start"), "{story}");
    for path in ["/logs", "/logs/stream", "/services/fast/-/logs", "/services/fast/-/logs/stream"] {
        let answer = http::request(app.address, "GET", path, &[], b"");
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

#[test]
fn lines_are_streamed_until_the_end() {
    let app = Playground::settled(APP);
    let credential = [("Authorization", &*app.bearer())];
    let path = "/services/loud/-/logs/stream?after=0&level=debug";
    let mut stream = http::send(app.address, "GET", path, &credential, b"");
    let text = read_until(&mut stream, "\"ticks\":5");
    assert!(text.contains("id: 1\n") && text.contains("\"ticks\":1"), "{text}");
    app.signal("TERM");
    let text = read_until(&mut stream, "event: closing");
    assert!(!text.contains("lagged"), "{text}");
    app.ended().check(0);
}

#[test]
fn a_level_is_changed_seen_in_the_stream_and_reverts_by_itself() {
    let app = Playground::settled(APP);
    let credential = [("Authorization", &*app.bearer())];
    let path = "/services/fast/-/logs/stream?after=0";
    let mut stream = http::send(app.address, "GET", path, &credential, b"");
    let headers = [credential[0], ("Content-Type", "application/json")];
    let body = br#"{"level": "debug", "for": "1s", "reason": "looking"}"#;
    let changed = http::request(app.address, "PUT", "/services/fast/-/level", &headers, body);
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json()["now"]["change"]["actor"], "token:local");
    let text = read_until(&mut stream, "\"message\":\"tick\"");
    let told = ["log level: debug for 1s\"", "\"reason\":\"looking\""];
    assert!(told.iter().all(|words| text.contains(words)), "{text}");
    read_until(&mut stream, "log level: info again");
    let events = app.events();
    let of = |kind: &str| events.iter().filter(|event| event["kind"] == kind).collect::<Vec<_>>();
    let (begun, over) = (of("level-changed"), of("level-reverted"));
    assert_eq!((begun.len(), over.len()), (1, 1), "{events:?}");
    assert_eq!((&begun[0]["actor"], &begun[0]["service"]), (&"token:local".into(), &"fast".into()));
    assert_eq!((&over[0]["cause"], &over[0]["service"]), (&"expired".into(), &"fast".into()));
    // What is shown now is at `info` again: whatever ticks, the newest line stays what it is.
    let newest = |app: &Playground| app.get("/services/fast/-/logs?limit=1").json();
    let last = newest(&app);
    assert_eq!(last["records"][0]["message"], "log level: info again", "{last}");
    eventually("it ticks on", || {
        let ticks = app.get("/services/fast/ticks").json()["ticks"].as_u64();
        ticks.filter(|ticks| *ticks > 120)
    });
    assert_eq!(newest(&app)["last"], last["last"]);
    let anonymous = http::request(app.address, "PUT", "/levels", &headers[1..], body);
    assert_eq!(anonymous.status, 401, "{anonymous:?}");
}

/// What `app.debug` and the file's own level come to, by what the program says of itself.
#[track_caller]
fn check_level(head: &str, expected: &str) {
    let app = Playground::settled(&format!("{head}\nservices: {{hi: {{kind: hello}}}}\n"));
    let levels = app.get("/levels").json();
    assert_eq!(levels["application"]["level"], expected, "{head}: {levels}");
    let debug = app.get("/logs?level=debug&contains=&limit=500").json();
    let records = debug["records"].as_array().unwrap();
    let is_debug = |record: &serde_json::Value| record["level"] == "debug";
    assert_eq!(records.iter().any(is_debug), expected == "debug", "{head}: {debug}");
}

#[test]
fn app_debug_is_the_level_unless_the_file_says_another() {
    check_level("app: {debug: false}", "info");
    check_level("app: {debug: true}", "debug");
    check_level("app: {debug: true}\nobservability: {logging: {level: info}}", "info");
}

#[test]
fn the_command_line_changes_levels() {
    let app = Playground::settled(APP);
    let said = |words: &[&str]| {
        let printed = app.ask(words);
        assert_eq!(printed.code, Some(0), "{printed:?}");
        printed.stdout
    };
    assert_eq!(said(&["level", "fast"]), "fast: info, as the application\n");
    assert_eq!(said(&["level", "loud"]), "loud: debug, configured\n");
    let changed = said(&["level", "loud", "warn", "--for", "1h", "--reason", "too much"]);
    assert!(changed.starts_with("loud: warn, for "), "{changed}");
    assert!(changed.ends_with(" more, then debug; by token:local: too much\n"), "{changed}");
    assert!(said(&["level", "--all", "debug"]).starts_with("application: debug, for "));
    let all = said(&["level"]);
    assert!(all.contains("LOG          LEVEL  WHAT\napplication  debug  for "), "{all}");
    assert_eq!(said(&["level", "loud", "--reset"]), "loud: debug, configured\n");
    assert_eq!(said(&["level", "--reset"]), "application: info, configured\n");
    let page: serde_json::Value = serde_json::from_str(&said(&["level", "--json"])).unwrap();
    assert_eq!(page["services"][0]["service"], "loud", "{page}");
    let wrong = app.ask(&["level", "loud", "verbose"]);
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    assert!(wrong.stderr.contains("off, error, warn, info, debug, trace"), "{wrong:?}");
    let wrong = app.ask(&["level", "loud", "debug", "--for", "2d"]);
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("--> for: it is not a duration from 1s to 1d"), "{wrong:?}");
}

#[test]
fn the_command_line_shows_the_log() {
    let app = Playground::settled(APP);
    app.logged("tick ticks=2");
    let printed = app.ask(&["logs", "loud", "--contains", "tick", "-n", "1"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.stdout.contains("DEBUG loud#1 playground::ticker: tick ticks="), "{printed:?}");
    assert_eq!(printed.stdout.lines().count(), 1);
    let printed = app.ask(&["logs", "broken", "--level", "error", "--json"]);
    let page: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(page["records"].as_array().unwrap().len(), 1, "{page}");
    let printed = app.ask(&["logs", "--outside", "--since", "10m"]);
    assert!(printed.stdout.contains("application settled"), "{printed:?}");
    assert!(!printed.stdout.contains("fast#1"), "{printed:?}");
    let printed = app.ask(&["logs", "nobody"]);
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert!(printed.stderr.contains("unknown-service"), "{printed:?}");
}
