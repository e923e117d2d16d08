//! SIGTERM and SIGINT: when, how often, and who is in the way.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use crate::harness::{PATIENCE, Playground, eventually, file, program, read_until, run_in, signal};
use crate::http;

const PAIR: &str = "
services:
  hello: {kind: hello}
  fast: {kind: ticker, interval: 10ms, depends_on: [hello]}
";

/// Far less than the deadline of 25 s: nobody was waited for in vain.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn sigterm_stops_everything_cleanly() {
    for signal in ["TERM", "INT"] {
        let app = Playground::settled(PAIR);
        app.signal(signal);
        let ended = app.ended();
        ended.check(0);
        assert!(ended.took < SOON, "{:?}", ended.took);
    }
}

#[test]
fn sigterm_during_start_stops_cleanly() {
    let app = Playground::start("services: {slow: {kind: slow, start_delay: 20s}}");
    app.wait("slow", "starting");
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn sigterm_while_others_wait_for_a_start_stops_what_runs_and_starts_nothing() {
    let app = Playground::start(
        "services:
  hello: {kind: hello}
  slow: {kind: slow, start_delay: 20s, depends_on: [hello]}
  waits: {kind: hello, depends_on: [slow]}",
    );
    app.wait("slow", "starting");
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.took < SOON, "{:?}", ended.took);
    let begun = ended.log.iter().any(|line| line.contains("hello from waits"));
    assert!(!begun, "{:#?}", ended.log);
}

#[test]
fn sigterm_during_a_backoff_waits_for_nobody() {
    let app = Playground::settled(
        "services:
  bad: {kind: flaky, fail_start: 99, restart: {backoff: {initial: 1h, max: 1h}}}
  waits: {kind: hello, depends_on: [bad]}
  hello: {kind: hello}",
    );
    let bad = app.wait("bad", "error");
    assert_eq!(bad["restart"]["attempt"], 1, "{bad}");
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn an_open_stream_and_an_idle_connection_do_not_hold_up_the_end() {
    let app = Playground::settled(PAIR);
    let mut stream = app.follow();
    read_until(&mut stream, "data: ");
    let mut idle = http::send(app.address, "GET", "/services", &[], b"");
    read_until(&mut idle, "\r\n\r\n");
    let ended = app.terminate();
    ended.check(0);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn a_second_signal_ends_everything_at_once() {
    let app = Playground::settled(
        "services: {lazy: {kind: slow, stop_delay: 20s}}\ndefaults: {stop_timeout: 24s}",
    );
    app.signal("INT");
    app.wait("lazy", "stopping");
    app.interrupt_again();
    let ended = app.ended();
    ended.check(83);
    assert!(ended.took < SOON, "{:?}", ended.took);
}

#[test]
fn an_echo_of_the_first_signal_is_no_second_one() {
    let app = Playground::settled("services: {lazy: {kind: slow, stop_delay: 1s}}");
    app.signal("TERM");
    app.signal("TERM");
    app.ended().check(0);
}

#[test]
fn while_it_closes_it_is_not_ready_and_takes_no_commands() {
    let app = Playground::settled(
        "services: {lazy: {kind: slow, stop_delay: 2s}, off: {kind: hello, autostart: false}}",
    );
    app.signal("TERM");
    app.wait("lazy", "stopping");
    assert_eq!(app.get("/health/ready").status, 503);
    assert_eq!(app.get("/health/live").status, 200);
    app.post("/services/off/start").problem(503, "closing");
    app.ended().check(0);
}

#[test]
fn a_sighup_while_it_closes_is_ignored_and_no_error() {
    let app = Playground::settled("services: {lazy: {kind: slow, stop_delay: 2s}}");
    app.signal("TERM");
    app.wait("lazy", "stopping");
    app.signal("HUP");
    app.logged("INFO processpype: SIGHUP: ignored, the application closes");
    let ended = app.ended();
    ended.check(0);
    assert!(!ended.log.iter().any(|line| line.contains("ERROR")), "{:#?}", ended.log);
}

#[test]
fn a_token_that_a_killed_process_has_left_keeps_nobody_from_what_needs_none() {
    let app = Playground::settled(PAIR);
    // As where the process was killed, and runs again with another runtime directory.
    let runtime = app.runtime.join("operator");
    let left = runtime.join("processpype").join(app.token_file().file_name().unwrap());
    std::fs::create_dir_all(left.parent().unwrap()).unwrap();
    std::fs::write(&left, "0123456789abcdefghijkl-of-nobody\n").unwrap();
    for path in [left.parent().unwrap(), &left] {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let url = format!("http://{}", app.address);
    let ask = |verb: &[&str]| {
        let home = [("XDG_RUNTIME_DIR", runtime.to_str().unwrap())];
        run_in(&[verb, &["--url", &url]].concat(), &home)
    };
    for verb in [&["status"][..], &["stop", "fast"], &["start", "fast"]] {
        let printed = ask(verb);
        assert_eq!(printed.code, Some(0), "{printed:?}");
    }
    let refused = ask(&["events"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let told = format!("{}, which a process left behind that was killed: ", left.display());
    assert!(refused.stderr.contains(&told), "{refused:?}");
    // One that somebody holds is of a process that lives: what is wrong there is not passed over.
    let file = std::fs::File::open(&left).unwrap();
    file.lock().unwrap();
    assert_eq!(ask(&["status"]).code, Some(1));
    drop(file);
    app.terminate().check(0);
}

#[test]
fn kill_9_leaves_nothing_that_hinders_a_new_start() {
    let app = Playground::settled(PAIR);
    let port = app.address.port();
    let mut idle = http::send(app.address, "GET", "/services", &[], b"");
    read_until(&mut idle, "\r\n\r\n");
    app.signal("KILL");
    let ended = app.ended();
    assert_eq!(ended.code, None);
    assert!(ended.took < PATIENCE);
    let port = format!("server.port={port}");
    let again = Playground::start_with(PAIR, &["--set", &port], &[], None);
    again.settle();
    again.terminate().check(0);
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_end() {
    // Full before the first line: whoever writes to it waits for ever.
    let (reader, mut pipe) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&pipe, true).unwrap();
    while pipe.write(&[b'.'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&pipe, false).unwrap();
    let events = file("");
    let config = file(&format!(
        "observability: {{events: {{file: {}}}, logging: {{destination: stdout}}}}\n{PAIR}",
        events.display()
    ));
    let mut command = program(None);
    command.arg("run").arg("--config").arg(config).args(["--set", "server.port=0"]);
    command.env("XDG_RUNTIME_DIR", events.parent().unwrap()).stdout(pipe).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    eventually("it is settled", || {
        std::fs::read_to_string(&events).unwrap().contains("settled").then_some(())
    });
    signal(child.id(), "TERM");
    let status = eventually("it ends", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    drop(reader);
}
