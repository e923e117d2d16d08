//! The file of events of real processes: ended, killed, on a full disk, and back; and SIGUSR1.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Playground, eventually, file, run, run_with};
use crate::http;

const PAIR: &str = "
services:
  hello: {kind: hello}
  fast: {kind: ticker, interval: 10ms, depends_on: [hello]}
";

/// A file that goes with the test.
struct Events(PathBuf);

impl Events {
    fn new() -> Self {
        // A name of its own, by the same count as the configuration files.
        let path = file("").with_extension("jsonl");
        let _ = std::fs::remove_file(path.with_extension("yaml"));
        Self(path)
    }

    fn read(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn start(&self) -> Playground {
        start(&self.0)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn start(events: &Path) -> Playground {
    let set = format!("observability.events.file={}", events.display());
    let app = Playground::start_with(PAIR, &["--set", &set], &[], None);
    app.settle();
    app
}

fn causes(app: &Playground, kind: &str) -> Vec<String> {
    let events = app.events().into_iter().filter(|event| event["kind"] == kind);
    events.filter_map(|event| event["cause"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_run_that_ends_as_it_should_is_whole_in_the_file() {
    let events = Events::new();
    let app = events.start();
    app.post("/services/fast/stop");
    app.terminate().check(0);
    let records = events.read();
    let numbers: Vec<_> = records.iter().filter_map(|it| it["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=records.len() as u64).collect::<Vec<_>>());
    assert_eq!(records.last().map(|it| it["cause"].clone()), Some("closed".into()));
    assert!(records.iter().all(|it| it["run"] == records[0]["run"]), "{records:?}");
    assert!(records.iter().any(|it| it["cause"] == "stop" && it["operation"] == 1));
    let next = events.start();
    assert_eq!(causes(&next, "application"), ["starting", "settled"], "nothing to tell");
    next.terminate().check(0);
}

/// Checks what the metrics say about the run before.
#[track_caller]
fn check_unclean(app: &Playground, value: &str) {
    let scrape = app.get("/metrics").body;
    let sample = format!("processpype_previous_run_unclean {value}");
    assert!(scrape.lines().any(|line| line == sample), "{scrape}");
}

#[test]
fn a_killed_run_is_told_at_the_next_start() {
    let events = Events::new();
    let app = events.start();
    app.post("/services/fast/stop");
    eventually("the stop is in the file", || {
        events.read().iter().any(|it| it["cause"] == "done").then_some(())
    });
    let seen = app.events().len();
    app.signal("KILL");
    app.ended();
    // What had been written before the kill is there without a sync: the system has it.
    assert!(events.read().len() >= seen, "{:?}", events.read());
    let torn = std::fs::read(&events.0).unwrap();
    std::fs::write(&events.0, &torn[..torn.len() - 7]).unwrap();

    let next = events.start();
    assert_eq!(causes(&next, "application"), ["starting", "unclean-end", "settled"]);
    next.logged("the previous run ended uncleanly: its last event is number");
    next.logged("bytes of a torn record were cut");
    check_unclean(&next, "1");
    next.terminate().check(0);
    let last = events.start();
    check_unclean(&last, "0");
    assert_eq!(causes(&last, "application"), ["starting", "settled"], "told once");
}

#[test]
fn events_and_doctor_tell_about_a_dead_process() {
    let events = Events::new();
    let app = events.start();
    app.post("/services/fast/stop");
    eventually("the stop is in the file", || {
        events.read().iter().any(|it| it["cause"] == "done").then_some(())
    });
    let path = events.0.to_str().unwrap().to_owned();
    let alive = run(&["doctor", "--file", &path]);
    assert_eq!(alive.code, Some(0), "{alive:?}");
    assert!(alive.stdout.contains("warning[alive]: a process writes to the file"), "{alive:?}");
    app.signal("KILL");
    app.ended();

    let told = run(&["events", "--file", &path, "--service", "fast"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains("fast#1 command: stop, by anonymous (operation 1)"), "{told:?}");
    assert!(!told.stdout.contains("hello#1"), "{told:?}");
    let found = run(&["doctor", "--file", &path]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stdout.contains("problem[unclean-end]: the last run ended"), "{found:?}");
    let json = run(&["doctor", "--file", &path, "--json"]).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["ok"], &json["findings"][0]["code"]), (&false.into(), &"unclean-end".into()));

    // The application's own command line finds the file where nobody answers.
    let config = file("services: {}\nobservability: {events: {file: EVENTS}}\nserver: {port: 1}\n");
    let text = std::fs::read_to_string(&config).unwrap().replace("EVENTS", &path);
    std::fs::write(&config, &text).unwrap();
    let found = run(&["doctor", "--config", config.to_str().unwrap()]);
    assert_eq!(found.code, Some(1), "{found:?}");
    assert!(found.stdout.contains("problem[unclean-end]"), "{found:?}");
    assert!(found.stderr.contains("tells about the last run"), "{found:?}");
    // One that was never written is no failure.
    let text = text.replace(&path, "/nowhere.jsonl");
    std::fs::write(&config, text).unwrap();
    let found = run(&["doctor", "--config", config.to_str().unwrap()]);
    assert_eq!((found.code, found.stderr.as_str()), (Some(69), ""), "{found:?}");
    let none = "warning[no-run]: no run has left an event: there is no file /nowhere.jsonl";
    assert!(found.stdout.contains(none), "{found:?}");
    let told = run(&["events", "--config", config.to_str().unwrap()]);
    assert_eq!(told.code, Some(69), "{told:?}");
    assert!(
        told.stderr.ends_with(&format!("{}\n", &none["warning[no-run]: ".len()..])),
        "{told:?}"
    );
    std::fs::remove_file(config).unwrap();

    let next = events.start();
    next.terminate().check(0);
    let clean = run(&["doctor", "--file", &path]);
    assert_eq!((clean.code, clean.stdout.contains("ok: nothing is wrong")), (Some(0), true));
    let all = run(&["events", "--file", &path, "--all-runs"]);
    assert_eq!(all.stderr.matches("run that began").count(), 2, "{all:?}");
    let none = run(&["events", "--file", "/nowhere.jsonl"]);
    assert!(none.stderr.contains("`observability.events.file` in the configuration"), "{none:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_stops_the_file_and_nothing_else() {
    let app = start(Path::new("/dev/full"));
    let journal = eventually("the status says so", || {
        let status = app.get("/").json();
        status["journal"]["error"].is_string().then(|| status["journal"].clone())
    });
    assert_eq!(journal["file"], "/dev/full");
    app.logged("cannot write events to /dev/full");
    assert!(causes(&app, "application").contains(&"journal-failed".to_owned()));
    assert_eq!(app.post("/services/fast/restart").json()["status"], "restarted");
    app.terminate().check(0);
}

#[test]
fn a_file_that_can_be_written_again_has_what_happened_meanwhile() {
    let events = Events::new();
    let directory = events.0.with_extension("d");
    let inside = Events(directory.join("events.jsonl"));
    let app = inside.start();
    app.logged("cannot write events to");
    std::fs::create_dir(&directory).unwrap();
    app.logged("the file of events is written again");
    let cause = eventually("the resumption is told", || {
        causes(&app, "application").into_iter().find(|cause| cause == "journal-resumed")
    });
    assert!(app.get("/").json()["journal"]["error"].is_null(), "{cause}");
    app.terminate().check(0);
    let records = inside.read();
    assert_eq!(records[0]["cause"], "starting", "nothing is missing");
    assert!(records.iter().any(|it| it["cause"] == "journal-failed"));
    drop(inside);
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn sigusr1_tells_what_is_known_and_ends_nothing() {
    let app = Playground::settled(
        "services:
  hello: {kind: hello}
  late: {kind: slow, start_delay: 60s, autostart: false}
",
    );
    app.post("/services/late/start?wait=0");
    // What a client says forges no line, and moves no terminal.
    let body = br#"{"reason": "evil\u001b[31m\r\n  2 stop late by root\u202e"}"#;
    let json = [("Content-Type", "application/json")];
    let stop = "/services/hello/stop";
    assert_eq!(http::request(app.address, "POST", stop, &json, body).status, 200);
    app.post("/services/hello/start");
    app.signal("USR1");
    app.logged("=== end of state");
    let log = app.log();
    let has = |text: &str| log.iter().any(|line| line.contains(text));
    assert!(has("application running, supervisor answers"), "{log:#?}");
    assert!(has("hello#2 running since ") && has("late#1 starting since "), "{log:#?}");
    assert!(has("  1 start late by anonymous at "), "{log:#?}");
    assert!(has(" state hello progress starting -> running"), "{log:#?}");
    assert!(has(r"evil\u{1b}[31m\r\n  2 stop late by root\u{202e}"), "{log:#?}");
    assert!(!log.iter().any(|line| line.contains(['\u{1b}', '\r', '\u{202e}'])), "{log:#?}");
    app.terminate().check(0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_that_cannot_be_written_is_told_on_stderr_once() {
    let text = "
server: {port: 0}
observability: {logging: {destination: {file: /dev/full}}}
services: {broken: {kind: flaky, fail_start: 9, significant: true, restart: {policy: never}}}
";
    let printed = run_with("run", text);
    assert_eq!(printed.code, Some(80), "{printed:?}");
    let told = "processpype: cannot write the log to /dev/full: ";
    assert_eq!(printed.stderr.matches(told).count(), 1, "{printed:?}");
}
