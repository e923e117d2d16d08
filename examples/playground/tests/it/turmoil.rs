//! Files that change at random while clients command at random: whatever happens between them, it
//! has an end, and once it is calm the application is what its file says.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::harness::{Playground, eventually};
use crate::http::{self, Answer};
use crate::random::Random;

/// Edits and commands are random, but the same each time; how they meet is not.
const SEED: u64 = 0x5eed;

/// How many services the file may have; each has the same kind in every version of it, because a
/// kind is not changed while a process runs.
const SERVICES: usize = 8;

/// Clients that command at the same time, beside the one that changes the file.
const CLIENTS: usize = 3;

/// Commands of each client.
const COMMANDS: usize = 120;

/// Versions of the file.
const VERSIONS: usize = 24;

const HEAD: &str = "
server:
  creatable_kinds: [ticker]
  limits: {writes: {burst: 100000, per_second: 100000}}
defaults: {restart: {backoff: {initial: 1ms, max: 20ms}}}
services:
";

/// Returns a section of the service of this number, which may need those before it; or any, if the
/// file is to be wrong.
fn section(number: usize, is_wrong: bool, numbers: &mut Random) -> String {
    let kind = match number % 4 {
        0 => "hello".to_owned(),
        1 => format!("ticker, interval: {}", numbers.one_of(&["5ms", "40ms", "1s"])),
        2 => format!(
            "slow, start_delay: {}, stop_delay: {}",
            numbers.one_of(&["1ms", "60ms"]),
            numbers.one_of(&["1ms", "60ms"])
        ),
        _ => format!(
            "flaky, {}",
            numbers.one_of(&["fail_start: 2", "panic_after: 5ms", "error_after: 9ms"])
        ),
    };
    let end = if is_wrong { SERVICES } else { number };
    let needs = match numbers.below(2) {
        0 if end > 0 => format!(", depends_on: [s{}]", numbers.below(end)),
        _ => String::new(),
    };
    format!("  s{number}: {{kind: {kind}{needs}}}\n")
}

/// Returns a version of the file: some of the services, and sometimes one that needs a stranger, or
/// itself, or goes round in a circle.
fn version(numbers: &mut Random) -> String {
    let is_wrong = numbers.below(4) == 0;
    let mut text = HEAD.to_owned();
    for number in 0..SERVICES {
        // The first two are always there, so that there is something to need.
        if number < 2 || numbers.below(4) > 0 {
            text.push_str(&section(number, is_wrong, numbers));
        }
    }
    text
}

/// Returns the file as it is in the end: everybody is well, and needs the one before.
fn calm() -> String {
    let mut text = HEAD.to_owned();
    for number in 0..SERVICES {
        let kind = match number % 4 {
            0 => "hello",
            1 => "ticker, interval: 1s",
            2 => "slow",
            _ => "flaky",
        };
        let needs = number.checked_sub(1).map(|it| format!(", depends_on: [s{it}]"));
        let needs = needs.unwrap_or_default();
        writeln!(text, "  s{number}: {{kind: {kind}{needs}}}").unwrap();
    }
    text
}

fn names() -> Vec<String> {
    (0..SERVICES).map(|number| format!("s{number}")).collect()
}

fn replace(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// Asks as somebody who may do everything.
fn ask(app: &Playground, method: &str, path: &str, body: &str) -> Answer {
    let bearer = app.bearer();
    let headers = [("Authorization", &*bearer), ("Content-Type", "application/json")];
    let answer = http::request(app.address, method, path, &headers, body.as_bytes());
    // Whatever is asked of whatever state: it is done, or it is said why not.
    match answer.status {
        200..=202 => {}
        404 | 409 | 422 => assert!(answer.json()["code"].is_string(), "{answer:?}"),
        _ => panic!("{method} {path}: {answer:?}"),
    }
    answer
}

fn command(app: &Playground, numbers: &mut Random) {
    let name = match numbers.below(4) {
        0 => format!("r{}", numbers.below(3)),
        _ => format!("s{}", numbers.below(SERVICES)),
    };
    let wait = numbers.one_of(&["", "?wait=0", "?wait=20ms"]);
    let interval = numbers.one_of(&[r#"{"interval":"7ms"}"#, r#"{"interval":"3s"}"#]);
    let joins = format!(r#"{{"name":"{name}","kind":"ticker","start":true,"config":{interval}}}"#);
    let (method, path, body) = match numbers.below(16) {
        0..=2 => ("POST", format!("/services/{name}/start{wait}"), ""),
        3..=5 => ("POST", format!("/services/{name}/stop{wait}"), ""),
        6..=7 => ("POST", format!("/services/{name}/restart{wait}"), ""),
        8..=9 => ("POST", format!("/services/{name}/configure{wait}"), interval),
        10 => ("DELETE", format!("/services/{name}/-/config{wait}"), ""),
        11..=12 => ("POST", "/services".to_owned(), &*joins),
        13 if name.starts_with('r') => ("DELETE", format!("/services/{name}?cascade=true"), ""),
        13 => ("DELETE", format!("/operations/{}", 1 + numbers.below(900)), ""),
        14 => ("POST", numbers.one_of(&["/restarts/pause?for=1s", "/restarts/resume"]).into(), ""),
        _ => ("GET", format!("/services/{name}/-/why"), ""),
    };
    ask(app, method, &path, body);
}

/// Changes the file at random, and has it read.
fn edit(app: &Playground, path: &Path, numbers: &mut Random) {
    replace(path, &version(numbers));
    match numbers.below(4) {
        0 => app.signal("HUP"),
        1 => drop(ask(app, "POST", "/reload?wait=0", "")),
        2 => drop(ask(app, "POST", "/reload?dry_run=true", "")),
        _ => drop(ask(app, "POST", "/reload", "")),
    }
}

/// Undoes what came over the API, has the calm file read, and starts what an operator stopped.
fn calm_down(app: &Playground, path: &Path) {
    replace(path, &calm());
    ask(app, "POST", "/restarts/resume", "");
    eventually("those leave that joined over the API, and the file holds", || {
        for name in ["r0", "r1", "r2"] {
            ask(app, "DELETE", &format!("/services/{name}?cascade=true"), "");
        }
        for name in names() {
            ask(app, "DELETE", &format!("/services/{name}/-/config"), "");
        }
        let answer = ask(app, "POST", "/reload", "");
        let here: BTreeSet<String> = running(app).into_iter().map(|(name, _)| name).collect();
        (answer.status == 200 && here == BTreeSet::from_iter(names())).then_some(())
    });
    for name in names() {
        ask(app, "POST", &format!("/services/{name}/start"), "");
    }
}

/// Returns the services, and whether they run.
fn running(app: &Playground) -> Vec<(String, bool)> {
    let services = app.get("/services").json();
    let all = services["services"].as_array().unwrap().iter();
    let of = |it: &Value| (it["name"].as_str().unwrap().to_owned(), it["state"] == "running");
    all.map(of).collect()
}

fn check_operations(app: &Playground) {
    let page = app.get("/operations?limit=1000").json();
    let operations = page["operations"].as_array().unwrap();
    assert!(operations.len() > 100, "{} operations", operations.len());
    for operation in operations {
        assert_ne!(operation["state"], "waiting", "{operation}");
    }
}

#[test]
fn whatever_is_asked_of_files_that_change_has_an_end_and_leaves_nothing_behind() {
    let app = Playground::settled(&calm());
    let path = app.file.clone();
    thread::scope(|scope| {
        for client in 1..=CLIENTS {
            let app = &app;
            scope.spawn(move || {
                let mut numbers = Random::new(SEED + client as u64);
                (0..COMMANDS).for_each(|_| command(app, &mut numbers));
            });
        }
        let mut numbers = Random::new(SEED);
        (0..VERSIONS).for_each(|_| edit(&app, &path, &mut numbers));
    });
    calm_down(&app, &path);
    eventually("all run", || running(&app).iter().all(|(_, runs)| *runs).then_some(()));
    check_operations(&app);
    eventually("it is ready", || (app.get("/health/ready").status == 200).then_some(()));
    let ended = app.terminate();
    ended.check(0);
    let panics = ended.log.iter().filter(|line| line.contains(" panicked"));
    let unplanned: Vec<_> = panics.filter(|line| !line.contains("as planned")).collect();
    assert!(unplanned.is_empty(), "{unplanned:#?}");
}
