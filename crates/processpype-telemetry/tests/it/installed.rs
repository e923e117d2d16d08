//! The log of a whole process: a child of the test, so that nothing global is set in the others.

use std::{
    fmt,
    process::{Command, Stdio},
};

use processpype_telemetry::{LoggingConfig, MAX_NESTED_EVENTS, Telemetry, TelemetryError};

use crate::harness::{PATIENCE, builder};

/// A value that logs while it is logged, as a panic hook does; without an end.
struct Endless(u32);

impl fmt::Debug for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(depth) = self;
        tracing::info!(target: "t", inner = ?Endless(depth + 1), "depth {}", depth + 1);
        write!(f, "value {depth}")
    }
}

/// What the child does; [`a_process_has_one_log`] runs it and looks at its stderr.
#[test]
#[ignore = "installs a subscriber for the whole process; run as a child"]
fn child() {
    let handle = builder(LoggingConfig::default()).install().unwrap();
    let again = Telemetry::builder(LoggingConfig::default()).install().unwrap_err();
    assert!(matches!(again, TelemetryError::AlreadyInstalled));
    tracing::info!(target: "t", inner = ?Endless(0), "depth 0");
    assert_eq!(handle.lost_lines(), 1);
    tracing::info!(target: "t", "after");
    handle.flush(PATIENCE).unwrap();
}

/// What the child does whose stderr nobody reads; [`an_unread_pipe_blocks_nobody`] runs it.
#[test]
#[ignore = "installs a subscriber for the whole process; run as a child"]
fn unread_child() {
    // Enough to fill any pipe, the batch in flight and the queue.
    const LINES: u32 = 40_000;
    let handle = builder(LoggingConfig::default()).install().unwrap();
    let guard = handle.flush_on_drop();
    for n in 0..LINES {
        tracing::info!(target: "t", n, "a line that nobody reads");
    }
    assert!(handle.lost_lines() > 0);
    drop(guard);
}

/// This program, running one ignored test.
fn run(child: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", child, "--nocapture", "--test-threads=1"]);
    command
}

#[test]
fn an_unread_pipe_blocks_nobody() {
    let mut child = run("installed::unread_child")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe is held open and not read until the child has ended by itself.
    let unread = child.stderr.take();
    assert!(child.wait().unwrap().success());
    drop(unread);
}

#[test]
fn a_process_has_one_log() {
    let child = run("installed::child").output().unwrap();
    let stderr = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{stderr}");
    let mut told: Vec<&str> = stderr.lines().filter_map(|line| line.get(25..)).collect();
    // The innermost is finished first; the one below it was too deep, and is told.
    let mut expected: Vec<String> = (0..MAX_NESTED_EVENTS)
        .rev()
        .map(|depth| format!(" INFO t: depth {depth} inner=\"value {depth}\""))
        .collect();
    expected.push(" WARN processpype::telemetry: 1 log lines lost lost=1".to_owned());
    expected.push(" INFO t: after".to_owned());
    // Whether the loss is told before or after the next line is a race with the writer.
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected, "{stderr}");
}
