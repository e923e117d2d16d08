//! The verbs that ask a running application, as processes, against a real one.
//!
//! What they print is golden; times and durations in it are `<time>`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::harness::{Playground, Printed, eventually, program, run};

/// A chain with a broken end, one that is stopped, and a job that is done.
const SHOP: &str = "
app: {title: Shop, version: 1.4.0, environment: test}
services:
  db: {kind: flaky, fail_start: 9, restart: {backoff: {initial: 1h, max: 1h, jitter: 0}}}
  cache: {kind: hello, depends_on: [db]}
  api: {kind: hello, depends_on: [cache]}
  disk: {kind: hello}
  report: {kind: hello, depends_on: [disk]}
  job: {kind: flaky, complete_after: 1ms, oneshot: true}
  spare: {kind: hello, autostart: false}
  never: {kind: hello, enabled: false}
";

/// Two services that are well.
const PAIR: &str = "
services:
  disk: {kind: hello}
  report: {kind: hello, depends_on: [disk]}
";

/// Asks one thing after the other, and compares the whole transcript with a golden file.
#[track_caller]
fn check(name: &str, app: &Playground, lines: &[&str]) {
    let mut transcript = String::new();
    for line in lines {
        let arguments: Vec<&str> = line.split(' ').collect();
        let Printed { code, stdout, stderr } = app.ask(&arguments);
        let code = code.unwrap();
        transcript.push_str(&format!("$ {line}\n{stdout}{stderr}"));
        transcript.push_str(&if code == 0 { "\n".to_owned() } else { format!("[{code}]\n\n") });
    }
    let transcript = without_times(&transcript).replace(&app.address.to_string(), "<address>");
    golden(name, &transcript);
}

/// Writes `<time>` where a time or a duration stands, for those change with every run.
fn without_times(text: &str) -> String {
    let pattern = concat!(
        r"\d{4}-\d\d-\d\dT[0-9:.]+Z",
        r"|\b\d+ h \d+ min\b|\b\d+ min \d+ s\b|\b\d+\.\d s\b",
        r"|\b\d+h\d+m\b|\b\d+m\d+s\b|\b\d+(\.\d)?s\b",
    );
    let text = regex_lite::Regex::new(pattern).unwrap().replace_all(text, "<time>").into_owned();
    // Columns are as wide as what was there.
    regex_lite::Regex::new(r"<time> +").unwrap().replace_all(&text, "<time> ").into_owned()
}

#[track_caller]
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; UPDATE_GOLDEN=1 writes it anew");
}

/// Waits until the shop is as it stays.
fn shop() -> Playground {
    let app = Playground::settled(SHOP);
    app.wait("db", "error");
    eventually("the job is done", || app.service("job")["completed"].as_bool().filter(|it| *it));
    app
}

#[test]
fn looking() {
    let app = shop();
    check("looking.txt", &app, &["status", "status db", "status nobody", "services"]);
}

#[test]
fn why() {
    let app = shop();
    app.ask(&["stop", "disk", "--reason", "new disk"]);
    let lines = ["why api", "why report", "why disk", "why job", "why spare", "why never"];
    check("why.txt", &app, &lines);
}

#[test]
fn acting() {
    let app = shop();
    let lines = [
        "stop disk --reason maintenance",
        "stop disk",
        "restart report",
        "start report --with-dependencies",
        "restart disk --with-dependents",
        "stop disk --cascade",
        "start never",
        "start cache --wait 100ms",
        "start cache --wait 0",
        "start db",
        "start spare --force --json",
    ];
    check("acting.txt", &app, &lines);
}

#[test]
fn events() {
    let app = Playground::settled(PAIR);
    app.ask(&["restart", "disk"]);
    check("events.txt", &app, &["events", "events --after 3 --kind state --service disk"]);
}

#[test]
fn metrics() {
    let app = shop();
    let printed = app.ask(&["metrics", "service_state", "--service", "db"]);
    assert!(printed.stdout.contains("service=db state=error"), "{printed:?}");
    assert_eq!(app.ask(&["metrics", "--service", "nobody"]).code, Some(1));
    let raw = app.ask(&["metrics", "--raw"]).stdout;
    assert!(raw.starts_with("# HELP processpype_build_info "), "{raw}");
}

#[test]
fn seeing() {
    let app = shop();
    app.ask(&["stop", "disk"]);
    let lines = ["graph", "graph --format dot", "graph --format mermaid", "doctor"];
    check("seeing.txt", &app, &lines);
    let app = Playground::settled(PAIR);
    let printed = app.ask(&["timeline"]);
    assert!(printed.stdout.contains("critical path disk → report"), "{printed:?}");
    let printed = app.ask(&["info"]);
    assert!(printed.stdout.contains("processpype 0."), "{printed:?}");
    let printed = app.ask(&["doctor", "--json"]);
    let report: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!((printed.code, &report["ok"]), (Some(0), &true.into()), "{printed:?}");
}

#[test]
fn the_plan_of_the_running_application_is_that_of_its_file() {
    let app = Playground::settled(PAIR);
    let here = run(&["plan", "-c", app.file.to_str().unwrap()]);
    let there = app.ask(&["plan", "--remote"]);
    assert_eq!(here.stdout, there.stdout);
    let here = run(&["plan", "--json", "-c", app.file.to_str().unwrap()]);
    let here: Value = serde_json::from_str(&here.stdout).unwrap();
    assert_eq!(here, app.get("/plan").json());
}

#[test]
fn json_is_what_the_application_answers() {
    let app = shop();
    for (verb, path) in [
        (&["status"][..], "/"),
        (&["status", "db"], "/services/db"),
        (&["services"], "/services"),
        (&["events"], "/events?limit=1000"),
        (&["graph"], "/graph"),
        (&["timeline"], "/timeline"),
        (&["plan", "--remote"], "/plan"),
        (&["status", "nobody"], "/services/nobody"),
    ] {
        let arguments: Vec<&str> = verb.iter().copied().chain(["--json"]).collect();
        let printed = app.ask(&arguments);
        let answer = app.get(path);
        assert_eq!(printed.stdout, format!("{}\n", answer.body), "{verb:?}");
        assert_eq!(printed.code, Some(i32::from(answer.status != 200)), "{verb:?}");
    }
}

#[test]
fn every_verb_has_json() {
    let app = shop();
    for verb in crate::canary::asking().0 {
        let words = verb.about("disk");
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let printed = app.ask(&[&arguments[..], &["--json"]].concat());
        assert!(matches!(printed.code, Some(0 | 1)), "{arguments:?}: {printed:?}");
        assert!(!printed.stdout.is_empty(), "{arguments:?}: {printed:?}");
        for line in printed.stdout.lines() {
            let read = serde_json::from_str::<Value>(line);
            assert!(read.is_ok_and(|value| value.is_object()), "{arguments:?}: {line}");
        }
    }
}

#[test]
fn following_ends_when_the_application_closes() {
    let app = Playground::settled(PAIR);
    let url = format!("http://{}", app.address);
    let mut command = program(None);
    command.envs([app.at_home()]);
    command.args(["events", "-f", "--json", "--after", "0", "--url", &url]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["seq"], &first["cause"]), (&1.into(), &"starting".into()));
    app.terminate().check(0);
    let last: Value = serde_json::from_str(&lines.last().unwrap().unwrap()).unwrap();
    assert_eq!((&last["kind"], &last["cause"]), (&"application".into(), &"closed".into()));
    let status = eventually("it ends", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

#[test]
fn who_cannot_be_reached_is_named() {
    let printed = run(&["status", "--url", "http://127.0.0.1:1"]);
    assert_eq!((printed.code, printed.stdout.as_str()), (Some(69), ""));
    assert!(printed.stderr.contains("nothing answers at http://127.0.0.1:1"), "{printed:?}");
    assert!(printed.stderr.contains("= help: is the application running"), "{printed:?}");
    let printed = run(&["status", "--url", "https://127.0.0.1:1"]);
    // 64 says that this build speaks no TLS.
    assert!(matches!(printed.code, Some(64 | 69)), "{printed:?}");
}

#[test]
fn the_own_file_says_where_it_listens() {
    let app = Playground::settled(PAIR);
    let port = format!("server.port={}", app.address.port());
    let file = app.file.to_str().unwrap();
    // What is wrong elsewhere in the file does not matter: the one that runs is asked.
    let printed =
        run(&["status", "disk", "-c", file, "-s", &port, "-s", "services.x.kind=nothing"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    // The first listener that shows the control API and can be reached.
    let listeners = format!(
        "server.listeners=[{{address: 'unix:/nowhere/x'}}, {{address: '127.0.0.1:1', expose: \
         [probes]}}, {{address: 'localhost:{}'}}, {{address: '127.0.0.1:2'}}]",
        app.address.port()
    );
    let printed = run(&["status", "disk", "-c", file, "-s", &listeners]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let probes = "server.listeners=[{address: '127.0.0.1:1', expose: [probes]}]";
    let printed = run(&["status", "disk", "-c", file, "-s", probes]);
    assert_eq!(printed.code, Some(78), "{printed:?}");
    assert!(printed.stderr.contains("no listener in `server.listeners`"), "{printed:?}");
    let wrong = run(&["status", "-c", file, "-s", "server.port=many"]);
    assert_eq!(wrong.code, Some(78), "{wrong:?}");
    let told = "error: invalid value for `server.port`: \"many\"";
    assert!(
        wrong.stderr.starts_with(told) && wrong.stderr.contains("\n  = help: --url"),
        "{wrong:?}"
    );
    let printed = run(&["status", "-c", file, "-s", "server.port=0"]);
    assert_eq!(printed.code, Some(78), "{printed:?}");
    assert!(printed.stderr.contains("--url"), "{printed:?}");
}
