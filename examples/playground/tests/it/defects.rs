//! Six defects of the original framework, shown absent.

use std::time::Duration;

use crate::harness::{Playground, file, run, run_with};

const SECRET: &str = "correct-horse-battery";

/// Four services in a row.
const CHAIN: &str = "
services:
  d: {kind: slow, stop_delay: 5ms, depends_on: [c]}
  c: {kind: slow, stop_delay: 5ms, depends_on: [b]}
  b: {kind: slow, stop_delay: 5ms, depends_on: [a]}
  a: {kind: slow, stop_delay: 5ms}
";

/// Services in the order in which the log says they entered a state.
fn order(log: &[String], state: &str) -> Vec<String> {
    let word = format!("processpype: {state} ");
    let lines = log.iter().filter(|line| line.contains(&word));
    let names = lines.filter_map(|line| line.split('#').next()?.rsplit(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn stop_order_is_the_reverse_of_start_order() {
    let ended = Playground::settled(CHAIN).terminate();
    ended.check(0);
    assert_eq!(order(&ended.log, "running"), ["a", "b", "c", "d"], "{:#?}", ended.log);
    assert_eq!(order(&ended.log, "stopped"), ["d", "c", "b", "a"], "{:#?}", ended.log);
}

#[test]
fn a_never_started_service_does_not_delay_shutdown() {
    let app = Playground::settled(
        "defaults: {restart: {policy: never}}
services:
  never: {kind: slow, stop_delay: 9s, autostart: false}
  off: {kind: slow, stop_delay: 9s, enabled: false}
  failed: {kind: flaky, fail_start: 9}
  waits: {kind: slow, stop_delay: 9s, depends_on: [failed]}",
    );
    assert_eq!(app.service("never")["generation"], 0);
    assert_eq!(app.service("waits")["waiting_on"][0], "failed");
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.took < Duration::from_secs(3), "{:?}", ended.took);
}

#[test]
fn a_failed_service_can_be_started_again() {
    let app = Playground::settled(
        "services: {bad: {kind: flaky, fail_start: 2, restart: {policy: never}}}",
    );
    app.wait("bad", "error");
    let problem = app.post("/services/bad/start").problem(503, "start-failed");
    assert!(problem["detail"].as_str().unwrap().contains("fails as planned"), "{problem}");
    let started = app.post("/services/bad/start");
    assert_eq!(started.status, 200, "{started:?}");
    let status = app.service("bad");
    assert_eq!(status["state"], "running");
    assert_eq!(status["generation"], 3);
    assert_eq!(status["error"], serde_json::Value::Null);
}

#[test]
fn misspelt_keys_are_refused() {
    let text = "
sever: {port: 1}
services:
  fast: {kind: ticker, intervall: 1s, dependson: []}
";
    let printed = run_with("run", text);
    printed.refused(&["sever", "server", "intervall", "interval", "dependson", "depends_on"]);
}

#[test]
fn a_password_is_shown_nowhere() {
    let text = "
observability: {logging: {level: debug}}
services:
  vault: {kind: vault, password: not-this-one}
  other: {kind: vault, password: not-that-one}
";
    let set = format!("services.other.password={SECRET}");
    let environment = [("PROCESSPYPE_SERVICES__VAULT__PASSWORD", SECRET)];
    let app = Playground::start_with(text, &["--set", &set], &environment, None);
    app.settle();
    for path in [
        "/",
        "/services",
        "/services/vault",
        "/services/vault/status",
        "/events",
        "/openapi.json",
        "/health/ready",
        "/docs",
    ] {
        let answer = app.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(!answer.body.contains(SECRET), "{path}");
        assert!(!answer.body.contains("not-this-one"), "{path}");
    }
    app.post("/services/vault/restart");
    let config = run(&["config", "--config", app.file.to_str().unwrap(), "--set", &set]);
    assert_eq!(config.code, Some(0), "{config:?}");
    let ended = app.terminate();
    let log = ended.log.join("\n");
    assert!(log.contains("locked with ***"), "the vault gave it away: {log}");
    for text in [&log, &config.stdout, &config.stderr] {
        assert!(!text.contains(SECRET), "{text}");
        assert!(!text.contains("not-this-one"), "{text}");
    }
    assert!(config.stdout.contains("services.vault.password = ***"), "{}", config.stdout);
}

#[test]
fn a_report_of_a_wrong_configuration_does_not_show_the_password() {
    let wrong = [
        format!("services: {{vault: {{kind: vault, password: {SECRET}, passwort: {SECRET}-2}}}}"),
        format!("services: {{vault: {{kind: vault, password: [{SECRET}]}}}}"),
        format!("services: {{vault: {{kind: vault, password: {{is: {SECRET}}}}}}}"),
        format!("services: {{vault: {{kind: valt, password: {SECRET}}}}}"),
    ];
    for text in wrong {
        for arguments in [&["check"][..], &["run"], &["check", "--json"], &["config"]] {
            let path = file(&text);
            let mut all = arguments.to_vec();
            all.extend(["--config", path.to_str().unwrap()]);
            let printed = run(&all);
            assert_eq!(printed.code, Some(78), "{text}: {printed:?}");
            let shown = format!("{}{}", printed.stdout, printed.stderr);
            assert!(!shown.contains(SECRET), "{arguments:?} {text}: {shown}");
        }
    }
}

#[test]
fn errors_are_told_apart_by_their_status() {
    let app = Playground::settled(
        "services:
  hello: {kind: hello}
  off: {kind: hello, enabled: false}
  bad: {kind: flaky, fail_start: 9, restart: {policy: never}}",
    );
    let json = "application/json";
    let seen = [
        app.post("/services/nope/start").status,
        app.get("/services/hello/stop").status,
        app.post("/services/off/start").status,
        app.post_body("/services/hello/stop", "text/plain", b"{}").status,
        app.post_body("/services/hello/stop", json, b"{").status,
        app.post("/services/bad/start").status,
    ];
    assert_eq!(seen, [404, 405, 409, 415, 422, 503]);
}
