//! Files that change while the program runs: SIGHUP, `reload`, and what becomes of services.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use serde_json::Value;

use crate::harness::{Playground, eventually, run_in};
use crate::http;

const BEFORE: &str = "
services:
  hello: {kind: hello}
  fast: {kind: ticker, interval: 1h, depends_on: [hello]}
  slow: {kind: ticker, interval: 1h}
";

/// Returns the last event of a kind, once there is one after the event `after`.
fn event(app: &Playground, kind: &str, after: u64) -> Value {
    eventually(kind, || {
        let is_it = |it: &Value| it["kind"] == kind && it["seq"].as_u64() > Some(after);
        app.events().into_iter().rfind(is_it)
    })
}

fn generation(app: &Playground, service: &str) -> u64 {
    app.service(service)["generation"].as_u64().unwrap()
}

#[test]
fn a_reload_is_repeated_under_its_key_without_reading_the_files_again() {
    let app = Playground::settled(BEFORE);
    let reload = |key: &str| {
        let bearer = app.bearer();
        let headers = [("Authorization", &*bearer), ("Idempotency-Key", key)];
        http::request(app.address, "POST", "/reload", &headers, b"")
    };
    let slower =
        BEFORE.replace("slow: {kind: ticker, interval: 1h", "slow: {kind: ticker, interval: 2h");
    std::fs::write(&app.file, &slower).unwrap();
    let first = reload("one").json();
    assert_eq!((&first["changed"], first["services"].as_array().unwrap().len()), (&true.into(), 1));
    // What is in the files by now is for another key, and so is that it is wrong.
    for text in [&slower.replace("2h", "3h"), "services: {hello: {}}"] {
        std::fs::write(&app.file, text).unwrap();
        assert_eq!(reload("one").json(), first);
    }
    assert_eq!(generation(&app, "slow"), 2);
    reload("two").problem(422, "invalid-config");
    // Who mends the files may not be who asked for it.
    app.logged("reload refused, nothing has changed: ");
    std::fs::write(&app.file, slower.replace("2h", "3h")).unwrap();
    let other = reload("two").json();
    assert_ne!(other["operation"], first["operation"]);
    assert_eq!(generation(&app, "slow"), 3);
    app.terminate().check(0);
}

#[test]
fn sighup_loads_the_file_again_and_touches_only_what_differs() {
    let app = Playground::settled(BEFORE);
    let last = |app: &Playground| app.events().last().unwrap()["seq"].as_u64().unwrap();

    let begun = last(&app);
    std::fs::write(
        &app.file,
        BEFORE.replace("fast: {kind: ticker, interval: 1h", "fast: {kind: ticker, interval: 2h"),
    )
    .unwrap();
    app.signal("HUP");
    let reloaded = event(&app, "reloaded", begun);
    assert_eq!(reloaded["actor"], "signal:SIGHUP", "{reloaded}");
    assert_eq!(["hello", "fast", "slow"].map(|name| generation(&app, name)), [1, 2, 1]);
    let held = app.get("/services/fast/-/config").json();
    let values = held["values"].as_array().unwrap();
    let interval = values.iter().find(|it| it["path"] == "services.fast.interval").unwrap();
    assert_eq!(interval["value"], "2h", "{held}");

    // A broken file changes nothing, and says so.
    std::fs::write(&app.file, BEFORE.replace("interval: 1h", "intervall: 1h")).unwrap();
    app.signal("HUP");
    let refused = event(&app, "reload-refused", begun);
    assert!(
        refused["message"].as_str().unwrap().contains("missing key `services.fast.interval`"),
        "{refused}"
    );
    assert_eq!(["hello", "fast", "slow"].map(|name| generation(&app, name)), [1, 2, 1]);
    // Each signal is one reload, and no more.
    let events = app.events();
    let told = |kind: &str| events.iter().filter(|event| event["kind"] == kind).count();
    assert_eq!((told("reloaded"), told("reload-refused")), (1, 1), "{events:#?}");
    app.terminate().check(0);
}

#[test]
fn signals_while_a_reload_is_in_work_are_one_more_reload_after_it() {
    let text = |delay: u32, number: u32| {
        format!(
            "services:\n  slow: {{kind: slow, start_delay: {delay}ms}}\n  \
             fast: {{kind: ticker, interval: {number}h}}\n"
        )
    };
    let app = Playground::settled(&text(1, 1));
    let write_and_signal = |delay, number| {
        std::fs::write(&app.file, text(delay, number)).unwrap();
        app.signal("HUP");
    };
    // It starts anew, and takes longer for that than all that follows here; and less than a reload
    // waits for services, which is 10 s.
    write_and_signal(9000, 2);
    app.wait("slow", "starting");
    for number in 3..8 {
        write_and_signal(number, number);
        eventually("who was restarted runs", || {
            (app.service("fast")["state"] == "running").then_some(())
        });
    }
    app.logged("SIGHUP: the configuration is loaded again when the reload before (operation 1) is");
    eventually("what was written last holds", || {
        let held = app.get("/services/fast/-/config").json().to_string();
        (held.contains("\"7h\"") && app.service("slow")["generation"] == 3).then_some(())
    });
    app.wait("slow", "running");
    let told = |kind: &str| app.events().iter().filter(|it| it["kind"] == kind).count();
    eventually("the second one is over", || (told("reloaded") == 2).then_some(()));
    assert_eq!(["slow", "fast"].map(|name| generation(&app, name)), [3, 3]);
    app.terminate().check(0);
}

#[test]
fn the_command_line_shows_what_a_reload_would_do_and_does_it() {
    let app = Playground::settled(BEFORE);
    let reload = |more: &[&str]| app.ask(&[&["reload"], more].concat());
    let same = reload(&[]);
    assert_eq!((same.code, same.stdout.trim()), (Some(0), "no service has another configuration"));

    std::fs::write(
        &app.file,
        BEFORE.replace("slow: {kind: ticker, interval: 1h", "slow: {kind: ticker, interval: 3h"),
    )
    .unwrap();
    let would = reload(&["--dry-run"]);
    assert_eq!(would.code, Some(0), "{would:?}");
    for told in ["slow would be", "- services.slow.interval = 1h", "+ services.slow.interval = 3h"]
    {
        assert!(would.stdout.contains(told), "{told}: {would:?}");
    }
    assert_eq!(generation(&app, "slow"), 1);
    let done = reload(&["--reason", "slower"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("slow restarted"), "{done:?}");
    assert_eq!(generation(&app, "slow"), 2);

    std::fs::write(&app.file, "services: {slow: {kind: tikker}}").unwrap();
    let refused = reload(&[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("there is no kind `tikker`"), "{refused:?}");
    assert!(refused.stderr.contains("did you mean `ticker`?"), "{refused:?}");
    app.terminate().check(0);
}

#[test]
fn sighup_lets_services_of_the_file_join_and_leave() {
    let app = Playground::settled(BEFORE);
    let reload = |more: &[&str]| app.ask(&[&["reload"], more].concat());
    // `fast` is renamed, `slow` is gone, and two are new, of which one needs the other.
    let after = "
services:
  hello: {kind: hello}
  quick: {kind: ticker, interval: 1h, depends_on: [hello]}
  first: {kind: ticker, interval: 1h, depends_on: [second]}
  second: {kind: ticker, interval: 1h}
";
    std::fs::write(&app.file, after).unwrap();
    let would = reload(&["--dry-run"]);
    for told in ["fast would be stopped, and leave", "quick would join", "- services.slow.kind"] {
        assert!(would.stdout.contains(told), "{told}: {would:?}");
    }
    let begun = app.events().last().unwrap()["seq"].as_u64().unwrap();
    app.signal("HUP");
    let reloaded = event(&app, "reloaded", begun);
    assert_eq!(reloaded["message"], "what is in the files holds", "{reloaded}");
    let list = app.get("/services").json();
    let names = list["services"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), ["first", "hello", "quick", "second"]);
    for name in ["first", "quick", "second"] {
        assert_eq!(app.service(name)["state"], "running", "{name}");
    }
    assert_eq!(app.get("/services/fast/start").status, 404);

    std::fs::write(&app.file, "app: {title: nothing}").unwrap();
    let refused = reload(&[]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("write `services: {}` if that is meant"), "{refused:?}");
    std::fs::write(&app.file, after.replace("  second", "  x-second").replace("[second]", "[]"))
        .unwrap();
    let fixed = reload(&[]);
    assert!(fixed.stdout.contains("it goes on: `first` had a handle to it"), "{fixed:?}");
    std::fs::write(&app.file, "services: {hello: {kind: hello}}").unwrap();
    let done = reload(&[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    for told in ["first left", "second left", "quick left"] {
        assert!(done.stdout.contains(told), "{told}: {done:?}");
    }
    app.terminate().check(0);
}

#[test]
fn what_is_configured_lies_over_the_file_until_the_process_ends() {
    let app = Playground::settled(BEFORE);
    let set = app.ask(&["configure", "fast", "interval=5h", "--reason", "quieter"]);
    assert_eq!(set.code, Some(0), "{set:?}");
    assert!(set.stdout.contains("was restarted with the new configuration"), "{set:?}");
    std::fs::write(&app.file, BEFORE.replace("1h", "2h")).unwrap();
    assert_eq!(app.ask(&["reload"]).code, Some(0));
    let held = app.ask(&["config", "--remote", "fast"]);
    assert!(held.stdout.contains("services.fast.interval = 5h  # api:token:local"), "{held:?}");
    let wrong = app.ask(&["configure", "fast", "intervall=5h"]);
    assert_eq!((wrong.code, wrong.stdout.as_str()), (Some(1), ""), "{wrong:?}");
    assert!(wrong.stderr.contains("did you mean `interval`?"), "{wrong:?}");
    let unset = app.ask(&["configure", "fast", "--unset", "interval"]);
    assert_eq!(unset.code, Some(0), "{unset:?}");
    assert!(unset.stdout.contains("nothing lies over the files any more"), "{unset:?}");
    let held = app.ask(&["config", "--remote", "fast"]);
    assert!(held.stdout.contains("services.fast.interval = 2h"), "{held:?}");
    app.terminate().check(0);
}

#[test]
fn a_service_that_blocks_its_thread_holds_up_no_change_and_no_reload() {
    let file_text = "
services:
  stuck: {kind: stubborn, mode: block-thread, start_timeout: 1s, stop_timeout: 1s}
  fast: {kind: ticker, interval: 1h}
";
    let app = Playground::settled(file_text);
    let changed = app.ask(&["configure", "stuck", "mode=ignore-stop"]);
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.stderr.contains("error[rolled-back]"), "{changed:?}");
    let waiting = app.get("/operations?state=waiting").json();
    assert_eq!(waiting["operations"], serde_json::json!([]));
    // Signals that come one after the other are both heard.
    for interval in ["2h", "3h"] {
        let begun = app.events().last().unwrap()["seq"].as_u64().unwrap();
        std::fs::write(&app.file, file_text.replace("1h", interval)).unwrap();
        app.signal("HUP");
        event(&app, "reloaded", begun);
    }
    let held = app.ask(&["config", "--remote", "fast"]);
    assert!(held.stdout.contains("services.fast.interval = 3h"), "{held:?}");
    app.terminate().check(82);
}

#[test]
fn a_pipe_in_place_of_the_file_is_refused_and_makes_nobody_deaf() {
    let app = Playground::settled(BEFORE);
    std::fs::remove_file(&app.file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&app.file).status().unwrap();
    assert!(made.success(), "{made}");
    app.signal("HUP");
    let refused = event(&app, "reload-refused", 0);
    assert!(refused["message"].as_str().unwrap().contains("no ordinary file"), "{refused}");
    std::fs::remove_file(&app.file).unwrap();
    std::fs::write(&app.file, BEFORE).unwrap();
    app.signal("HUP");
    event(&app, "reloaded", 0);
    app.terminate().check(0);
}

#[test]
fn who_asks_why_it_is_ready_is_told() {
    let text = |required: bool| {
        format!(
            "services:
  hello: {{kind: hello}}
  reports: {{kind: flaky, fail_start: 99, restart: {{policy: never}},
    processpype: {{readiness_required: {required}}}}}
"
        )
    };
    let app = Playground::settled(&text(false));
    let shell = |words: &[&str]| app.ask(words).stdout;
    assert_eq!(app.get("/health/ready").status, 200);
    let reports = app.service("reports");
    assert_eq!((&reports["ready"], &reports["readiness_required"]), (&false.into(), &false.into()));
    assert!(app.service("hello").get("readiness_required").is_none());
    let told = "`/health/ready` does not wait for it";
    assert!(shell(&["why", "reports"]).contains(told));
    assert!(shell(&["status", "reports"]).contains(told));
    assert!(!shell(&["why", "hello"]).contains(told));

    // Nothing but that is different, and it holds at once.
    std::fs::write(&app.file, text(true)).unwrap();
    let reloaded = shell(&["reload"]);
    let unready = app.get("/health/ready").problem(503, "not-ready");
    assert_eq!(unready["unready"][0]["service"], "reports", "{reloaded}");
    assert!(app.service("reports").get("readiness_required").is_none());
    assert!(!shell(&["why", "reports"]).contains(told));
    let listed = app.get("/services").json();
    assert!(!listed.to_string().contains("readiness_required"), "{listed}");
    app.terminate().check(0);
}

#[test]
fn what_is_wrong_in_the_files_is_shown_as_check_shows_it() {
    let app = Playground::settled(BEFORE);
    let secret = "0123456789abcdefghijkl-operator";
    let wrong = format!(
        "server: {{auth: {{tokens: [{{name: ci, token: {secret}, role: oprator}}]}}}}\n\
         services:\n  slow: {{kind: ticker, intervall: 1h}}\n\n\n\n\n\n  fast: {{kind: ticker, \
         interval: soon}}\n"
    );
    std::fs::write(&app.file, wrong).unwrap();
    let checked = run_in(&["check", "--config", app.file.to_str().unwrap()], &[]);
    let refused = app.ask(&["reload"]);
    assert_eq!((checked.code, refused.code), (Some(78), Some(1)), "{refused:?}");
    assert!(checked.stderr.matches("^^^^").count() >= 3, "{checked:?}");
    let told: Vec<&str> = refused.stderr.lines().collect();
    let errors = checked.stderr.lines().filter(|line| !line.starts_with("warning"));
    let missing: Vec<&str> = errors.filter(|line| !told.contains(line)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "{}\n\n{}", checked.stderr, refused.stderr);
    let all = app.ask(&["reload", "--json"]);
    assert!(all.stdout.contains("oprator") && !all.stdout.contains(secret), "{all:?}");
    app.terminate().check(0);
}
