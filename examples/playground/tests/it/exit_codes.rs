//! The exit code says what happened.

use std::process::Command;

use crate::harness::{Playground, file, program, run, run_with};

#[test]
fn code_0_for_what_was_asked_and_done() {
    for verb in ["check", "plan", "schema", "openapi", "config"] {
        let printed = run_with(verb, "services: {hello: {kind: hello}}");
        assert_eq!(printed.code, Some(0), "{verb}: {printed:?}");
        assert!(!printed.stdout.is_empty(), "{verb}");
    }
    assert_eq!(run(&["--help"]).code, Some(0));
}

#[test]
fn the_example_files_are_valid() {
    let here = std::fs::read_dir(env!("CARGO_MANIFEST_DIR")).unwrap();
    let files = here.map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|file| file.extension() == Some("yaml".as_ref())).collect();
    assert!(files.len() >= 11, "{files:?}");
    for file in files {
        let printed = run(&["check", "--config", file.to_str().unwrap()]);
        assert_eq!(printed.code, Some(0), "{printed:?}");
    }
}

#[test]
fn code_64_for_a_wrong_command_line() {
    for arguments in [&["--no-such-flag"][..], &["no-such-verb"], &["run", "--config"]] {
        let printed = run(arguments);
        assert_eq!(printed.code, Some(64), "{printed:?}");
        assert!(printed.stderr.contains("--help"), "{printed:?}");
    }
}

#[test]
fn code_64_for_an_assignment_that_names_no_value() {
    for (assignment, fault) in [
        ("hunter2-hunter2", "it has no `=`"),
        ("=hunter2-hunter2", "it needs a path of keys before the `=`"),
        ("a..b=hunter2-hunter2", "it needs a path of keys before the `=`"),
    ] {
        let printed = run(&["check", "--set", assignment]);
        assert_eq!(printed.code, Some(64), "{printed:?}");
        let told = printed.stderr.contains(fault)
            && printed.stderr.contains("write --set services.my_service.port=9000");
        assert!(told && !printed.stderr.contains("hunter2"), "{printed:?}");
    }
    assert_eq!(run(&["check", "--set", "app.title=a=b"]).code, Some(0));
}

/// Runs a verb with its standard output where it cannot be written, or where nobody reads.
#[cfg(target_os = "linux")]
fn run_into(arguments: &[&str], output: std::process::Stdio) -> (Option<i32>, String) {
    let child = program(None).args(arguments).stdout(output).output().unwrap();
    (child.status.code(), String::from_utf8(child.stderr).unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn code_74_for_output_that_cannot_be_written_and_none_for_a_reader_that_has_gone() {
    let path = file("services: {hello: {kind: hello}}");
    let config = ["--config", path.to_str().unwrap()];
    for verb in ["check", "plan", "schema", "openapi", "config", "man", "--help"] {
        let arguments = [&[verb][..], &config].concat();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let (code, told) = run_into(&arguments, full.into());
        assert_eq!(code, Some(74), "{verb}: {told}");
        let first = told.lines().next().unwrap_or_default();
        assert!(first.starts_with("error: cannot write to standard output: No space"), "{told}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        assert_eq!(run_into(&arguments, writer.into()), (Some(0), String::new()), "{verb}");
    }
}

#[test]
fn no_value_of_the_configuration_reaches_the_terminal_unescaped() {
    let text = "app: {title: \"\\e[2Jfake\\nline\"}\nservices: {hello: {kind: hello}}";
    let printed = run_with("config", text);
    assert!(printed.stdout.contains("app.title = \\u{1b}[2Jfake\\nline  # "), "{printed:?}");
    assert!(!printed.stdout.contains('\u{1b}'), "{printed:?}");
    let printed = run(&["check", "--set", "a\u{1b}[2Jb.c=1"]);
    let told = printed.stderr.starts_with("error: there is no section `a\\u{1b}[2Jb`\n");
    assert!(told && printed.code == Some(78), "{printed:?}");
    let path = file(text);
    let printed = run(&["config", "--json", "--config", path.to_str().unwrap()]);
    let values: serde_json::Value = serde_json::from_str(&printed.stdout).unwrap();
    let is_title = |value: &&serde_json::Value| value["path"] == "app.title";
    let title = values.as_array().unwrap().iter().find(is_title).unwrap();
    assert_eq!(title["value"], "\u{1b}[2Jfake\nline");
}

#[test]
fn code_69_for_two_applications_on_one_port() {
    let text = "services: {hello: {kind: hello}}";
    let app = Playground::settled(text);
    let path = file(text);
    let port = app.address.port();
    let set = format!("server.port={port}");
    let second = run(&["run", "--config", path.to_str().unwrap(), "--set", &set]);
    assert_eq!(second.code, Some(69), "{second:?}");
    assert!(second.stderr.contains(&port.to_string()), "{second:?}");
    assert!(second.stderr.contains("in use"), "{second:?}");
    assert_eq!(app.service("hello")["state"], "running");
}

#[test]
fn code_78_where_too_few_files_may_be_open() {
    let path = file("services: {hello: {kind: hello}}");
    for limit in [7, 12] {
        let program = env!("CARGO_BIN_EXE_playground");
        let run = format!("ulimit -n {limit}; exec {program} run -s server.port=0 -c \"$0\"");
        let printed = Command::new("sh").args(["-c", &run]).arg(&path).output().unwrap();
        let text = String::from_utf8_lossy(&printed.stderr);
        assert_eq!(printed.status.code(), Some(78), "{limit}: {text}");
        assert!(text.contains("error: cannot start: Too many open files"), "{limit}: {text}");
        assert!(text.contains("= help: raise") && text.contains("LimitNOFILE="), "{text}");
        assert!(!text.contains("bug"), "{limit}: {text}");
    }
}

/// Where no thread can be had, by no fault of the configuration. A stack as large as all addresses
/// is one that no system gives.
#[cfg(target_os = "linux")]
#[test]
fn code_70_where_no_thread_can_be_had() {
    let path = file("services: {hello: {kind: hello}}");
    let arguments = ["run", "-s", "server.port=0", "-c", path.to_str().unwrap()];
    let mut program = program(None);
    let printed =
        program.args(arguments).env("RUST_MIN_STACK", "281474976710656").output().unwrap();
    let text = String::from_utf8_lossy(&printed.stderr);
    assert_eq!(printed.status.code(), Some(70), "{text}");
    assert!(text.contains("error: cannot start the thread that writes the log: "), "{text}");
    assert!(text.contains("= help: raise") && text.contains("TasksMax="), "{text}");
}

#[test]
fn code_80_when_a_significant_service_fails_at_start() {
    let text = "services:
  bad: {kind: flaky, fail_start: 9, significant: true, restart: {policy: never}}
  hello: {kind: hello}";
    let printed = run(&["run", "--config", file(text).to_str().unwrap(), "--set", "server.port=0"]);
    assert_eq!(printed.code, Some(80), "{printed:?}");
    assert!(printed.stderr.contains("bad"), "{printed:?}");
}

#[test]
fn code_81_when_a_significant_service_fails_later() {
    for lapse in ["panic_after", "error_after", "complete_after"] {
        let app = Playground::start(&format!(
            "services:
  bad: {{kind: flaky, {lapse}: 300ms, significant: true, restart: {{policy: never}}}}
  hello: {{kind: hello}}"
        ));
        app.ended().check(81);
    }
}

#[test]
fn a_significant_service_ends_the_process_once_it_is_exhausted() {
    let restart = "restart: {max_restarts: 2, backoff: {initial: 10ms}}";
    for (lapse, code) in [("fail_start: 9", 80), ("error_after: 200ms", 81)] {
        let app = Playground::start(&format!(
            "services:
  bad: {{kind: flaky, {lapse}, significant: true, {restart}}}
  hello: {{kind: hello}}"
        ));
        let ended = app.ended();
        ended.check(code);
        let told = |text: &str| ended.log.iter().filter(|line| line.contains(text)).count();
        assert_eq!(told("restart-scheduled"), 2, "{:#?}", ended.log);
        assert_eq!(told("gave up after 2 restarts"), 1, "{:#?}", ended.log);
    }
}

#[test]
fn a_oneshot_that_completes_is_no_failure() {
    let app = Playground::settled(
        "services:
  once: {kind: flaky, complete_after: 1ms, oneshot: true, significant: true}
  after: {kind: hello, depends_on: [once]}",
    );
    assert_eq!(app.wait("after", "running")["generation"], 1);
    assert_eq!(app.wait("once", "stopped")["completed"], true);
    app.terminate().check(0);
}
