//! What an operator reads at three in the morning: one line a failure, with everything in it.

#[cfg(target_os = "linux")]
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::harness::{Playground, file, run, run_with};

/// Returns the lines of `log` that hold all `words`.
fn with(log: &[String], words: &[&str]) -> Vec<String> {
    let holds = |line: &&String| words.iter().all(|word| line.contains(word));
    log.iter().filter(holds).cloned().collect()
}

#[test]
fn a_failure_is_one_line_and_the_end_of_the_start_sums_up() {
    let app = Playground::settled(
        "services:
           bad: {kind: flaky, fail_start: 99}
           waiter: {kind: hello, depends_on: [bad]}
           late: {kind: slow, start_delay: 1h, start_timeout: 300ms}
           good: {kind: hello, stop_timeout: 1m}",
    );
    app.logged("services are not ready");
    let log = app.log();
    let failed = with(&log, &["ERROR", "bad#1"]);
    assert_eq!(failed.len(), 1, "{failed:#?}");
    assert!(failed[0].contains("failed: start: start 1 fails as planned"), "{failed:#?}");
    assert!(failed[0].ends_with("kind=start-failed"), "{failed:#?}");
    let late = with(&log, &["ERROR", "late#1"]);
    assert_eq!(late.len(), 1, "{late:#?}");
    assert!(late[0].contains("took longer than `start_timeout` (300ms)"), "{late:#?}");
    let sum = "3 of 4 services are not ready: bad (start-failed), late (start-timeout), \
               waiter (waits for bad)";
    assert_eq!(with(&log, &["WARN", sum]).len(), 1, "{log:#?}");
    assert_eq!(with(&log, &["WARN", "stopping can take"]).len(), 1, "{log:#?}");
}

#[test]
fn who_waits_for_work_to_be_done_is_no_warning() {
    let app = Playground::settled(
        "services:
           migrate: {kind: flaky, oneshot: true, complete_after: 1h}
           store: {kind: hello, depends_on: [migrate]}
           api: {kind: hello, depends_on: [store]}
           good: {kind: hello}",
    );
    app.logged("not ready");
    let log = app.log();
    let sum = "2 of 4 services are not ready yet: api (waits for store), store (waits for migrate)";
    assert_eq!(with(&log, &["INFO", sum]).len(), 1, "{log:#?}");
    assert_eq!(with(&log, &["WARN", "not ready"]).len(), 0, "{log:#?}");
}

#[test]
fn a_refused_command_says_why_and_leaves_no_trace_in_the_status() {
    let app = Playground::settled("services: {off: {kind: hello, enabled: false}}");
    assert_eq!(app.post("/services/off/start").status, 409);
    assert_eq!(app.service("off")["acted"], json!(null));
    app.logged("start refused: the service is disabled");
}

#[test]
fn a_file_beyond_the_limit_of_the_process_does_not_end_it() {
    let app = Playground::settled("services: {good: {kind: hello}}");
    // What the system sends with a write beyond `ulimit -f`.
    app.signal("XFSZ");
    assert_eq!(app.get("/health/ready").status, 200);
    app.terminate().check(0);
}

#[test]
fn a_stop_by_force_is_a_warning() {
    let app = Playground::settled(
        "services: {deaf: {kind: stubborn, mode: ignore-stop, stop_timeout: 500ms}}",
    );
    assert_eq!(app.post("/services/deaf/stop").status, 200);
    app.logged("stopped by force");
    assert_eq!(with(&app.log(), &["WARN", "deaf#1", "stopped by force"]).len(), 1);
}

#[test]
fn a_wrong_method_on_a_service_is_a_problem() {
    let app = Playground::settled("services: {good: {kind: hello}}");
    let answer = app.post("/services/good/status");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.json()["code"], "method-not-allowed");
}

#[test]
fn check_warns_of_a_service_that_cannot_start() {
    let printed = run_with("check", "services: {x: {kind: hello, start_timeout: 0s}}");
    assert_eq!(printed.code, Some(0));
    let warning = "warning: `x` can never start: its `start_timeout` is 0s\n";
    assert!(printed.stdout.contains(warning), "{}", printed.stdout);
}

#[test]
fn check_warns_of_a_file_with_nothing_in_it() {
    let printed = run_with("check", "# nothing yet\n");
    assert_eq!(printed.code, Some(0));
    let warning = "warning: nothing is in the configuration file ";
    assert!(printed.stdout.starts_with(warning), "{}", printed.stdout);
}

#[test]
fn check_warns_of_a_file_that_ends_behind_services() {
    let warning = "warning: nothing stands behind `services`\n";
    for (text, is_cut_off) in
        [("services:\n", true), ("services: ~\n", true), ("services: {}\n", false)]
    {
        let printed = run_with("check", text);
        assert_eq!(printed.code, Some(0));
        assert_eq!(printed.stdout.contains(warning), is_cut_off, "{text}: {}", printed.stdout);
    }
}

#[test]
fn a_file_that_is_missing_is_named_without_a_place_in_it() {
    let path = file("").with_file_name("there-is-none.yaml");
    let name = path.to_str().expect("a path in UTF-8");
    let printed = run(&["check", "--config", name]);
    assert_eq!(printed.code, Some(78));
    assert!(printed.stderr.contains(&format!("--> {name}\n")), "{}", printed.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn an_operator_gets_in_when_a_service_has_opened_every_file() {
    let app = Playground::settled("services: {greedy: {kind: hoarder}, good: {kind: hello}}");
    let process = i32::try_from(app.id()).ok().and_then(Pid::from_raw);
    let limit = Rlimit { current: Some(64), maximum: Some(64) };
    prlimit(process, Resource::Nofile, limit).expect("it is our own process");
    // A scraper has been here before.
    assert_eq!(app.get("/metrics").status, 200);
    assert_eq!(app.post("/services/greedy/take").status, 200);
    for _ in 0..20 {
        assert_eq!(app.service("good")["state"], "running");
    }
    app.logged("Too many open files");
    let metrics = app.get("/metrics");
    assert!(metrics.body.contains("\nprocess_resident_memory_bytes "), "{}", metrics.body);
    let told = app.ask(&["doctor"]);
    assert!(told.stdout.contains("[open-files]"), "{told:?}");
    assert!(told.stdout.contains("files are open, of 64 that may be"), "{told:?}");
    assert_eq!(app.post("/services/greedy/stop").status, 200);
    let told = app.ask(&["doctor"]);
    assert!(!told.stdout.contains("open-files"), "{told:?}");
}
