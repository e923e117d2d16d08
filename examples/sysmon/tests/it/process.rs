//! The program as a process: killed, restarted, asked over a socket.
//! Every wait is bounded; every process is killed at the end, also of a failed test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use crate::scratch::Scratch;

/// Polls before a test gives up, and the time between two of them.
const POLLS: usize = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// The longest that the program may take until it listens, or for one answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// What the log says before the address.
const LISTENS: &str = "control API listens on http://";

const FAST: &str = "services.collector.interval=200ms";
const WITHOUT_COLLECTOR: &str = "services.collector.enabled=false";

/// Runs a program that cannot write beyond the first 20 or 40 KiB of a file, as the shell counts.
const FULL_DISK: &str = r#"trap "" XFSZ; ulimit -f 40; exec "$0" "$@""#;

/// A running sysmon.
struct Sysmon {
    child: Child,
    address: String,
}

// === impl Sysmon ===

impl Sysmon {
    /// Starts the program with the file beside it, on a free port, with data in `scratch`.
    fn start(scratch: &Scratch, settings: &[&str]) -> Self {
        Self::spawn(command(env!("CARGO_BIN_EXE_sysmon"), scratch, settings))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("sysmon starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (told, address) = mpsc::channel();
        // Reads to the end, so that the program never waits for its log to be read.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                eprintln!("{line}");
                if let Some((_, rest)) = line.split_once(LISTENS) {
                    let _ = told.send(rest.split(' ').next().unwrap_or_default().to_owned());
                }
            }
        });
        // Made before the wait, so that a program that never listens is killed too.
        let mut sysmon = Self { child, address: String::new() };
        sysmon.address = address.recv_timeout(ANSWER_TIMEOUT).expect("sysmon listens in time");
        sysmon
    }

    /// Sends a request; `None` while nobody answers.
    fn request(&self, method: &str, path: &str) -> Option<(u16, Value)> {
        let mut socket = TcpStream::connect(&self.address).ok()?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT)).ok()?;
        let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n");
        socket.write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes()).ok()?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).ok()?;
        let status = answer.split(' ').nth(1)?.parse().ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    }

    /// Polls until `found` finds something in the newest samples.
    fn wait_latest<T>(&self, found: impl Fn(&Value) -> Option<T>) -> T {
        poll(|| match self.request("GET", "/services/api/latest") {
            Some((200, latest)) => found(&latest),
            _ => None,
        })
    }

    /// Waits until at least `count` samples are committed, and returns how many.
    fn wait_committed(&self, count: u64) -> u64 {
        self.wait_latest(|latest| latest["committed"].as_u64().filter(|n| *n >= count))
    }

    fn kill(&mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("wait");
    }

    fn terminate(&mut self) -> ExitStatus {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill");
        assert!(sent.success());
        self.child.wait().expect("wait")
    }
}

impl Drop for Sysmon {
    fn drop(&mut self) {
        // Already gone unless the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks until something is found.
#[track_caller]
fn poll<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..POLLS {
        if let Some(found) = look() {
            return found;
        }
        std::thread::sleep(PAUSE);
    }
    panic!("not found within {:?}", PAUSE * u32::try_from(POLLS).unwrap_or(u32::MAX));
}

/// The command line of a run on a free port, with data in `scratch`.
fn command(program: &str, scratch: &Scratch, settings: &[&str]) -> Command {
    let mut command = Command::new(program);
    if program == "sh" {
        command.args(["-c", FULL_DISK, env!("CARGO_BIN_EXE_sysmon")]);
    }
    command.current_dir(scratch.path()).stdout(Stdio::null()).arg("run");
    let data_dir = scratch.data_dir();
    for setting in ["server.port=0", &*data_dir].iter().chain(settings) {
        command.arg("--set").arg(setting);
    }
    command
}

/// Runs the program where it is expected to refuse; returns what it said.
fn refused(scratch: &Scratch, settings: &[&str]) -> Output {
    let mut command = command(env!("CARGO_BIN_EXE_sysmon"), scratch, settings);
    command.stderr(Stdio::piped()).output().expect("sysmon starts")
}

#[test]
fn kill_9_loses_no_committed_sample() {
    let scratch = Scratch::new("kill");
    let mut told = 0;
    for _ in 0..3 {
        let mut sysmon = Sysmon::start(&scratch, &[FAST]);
        told = sysmon.wait_committed(told + 3);
        sysmon.kill();
        check_kept(&scratch, told);
    }
}

/// What the program, started without its collector, finds on the disk.
#[track_caller]
fn check_kept(scratch: &Scratch, told: u64) {
    let sysmon = Sysmon::start(scratch, &[WITHOUT_COLLECTOR]);
    let committed = sysmon.wait_committed(0);
    assert!(committed >= told, "{told} samples were committed, {committed} are left");
    let history = sysmon.request("GET", "/services/api/history?metric=cpu&minutes=60");
    let (status, history) = history.expect("sysmon answers");
    assert_eq!(status, 200, "{history}");
    assert_eq!(history["samples"].as_u64(), Some(committed), "{history}");
}

#[test]
fn sigterm_ends_cleanly_and_frees_the_file() {
    let scratch = Scratch::new("term");
    let mut sysmon = Sysmon::start(&scratch, &[FAST]);
    let told = sysmon.wait_committed(2);
    assert_eq!(sysmon.terminate().code(), Some(0));
    let next = Sysmon::start(&scratch, &[FAST]);
    next.wait_committed(told);
}

#[test]
fn the_store_can_be_restarted_while_the_others_run() {
    let scratch = Scratch::new("restart");
    let sysmon = Sysmon::start(&scratch, &[FAST]);
    let before = sysmon.wait_committed(2);
    let (status, _) = sysmon.request("POST", "/services/store/stop").expect("an answer");
    assert_eq!(status, 200);
    let (status, problem) = sysmon.request("GET", "/services/api/latest").expect("an answer");
    assert_eq!(status, 503, "{problem}");
    let (status, _) = sysmon.request("POST", "/services/store/start").expect("an answer");
    assert_eq!(status, 200);
    sysmon.wait_committed(before + 2);
}

#[test]
fn bad_questions_are_answered_with_problems() {
    let scratch = Scratch::new("questions");
    let sysmon = Sysmon::start(&scratch, &[FAST]);
    sysmon.wait_committed(1);
    let ask = |query: &str| {
        let path = format!("/services/api/history{query}");
        let (status, problem) = sysmon.request("GET", &path).expect("an answer");
        (status, problem["detail"].as_str().unwrap_or_default().to_owned())
    };
    for (query, status, part) in [
        ("?metric=cpuu", 404, "known metrics: cpu"),
        ("", 422, "`metric` is missing"),
        ("?metric=cpu&minutes=0", 422, "from 1 to 10080"),
        ("?metric=cpu&points=1001", 422, "from 1 to 1000"),
        ("?metrics=cpu", 422, "metrics"),
    ] {
        let (got, detail) = ask(query);
        assert_eq!(got, status, "{query}: {detail}");
        assert!(detail.contains(part), "{query}: {detail}");
    }
}

#[test]
fn a_file_in_use_is_told_and_left_alone() {
    let scratch = Scratch::new("in-use");
    let first = Sysmon::start(&scratch, &[FAST]);
    let before = first.wait_committed(1);
    let second = Sysmon::start(&scratch, &[FAST]);
    let in_use = || {
        let (_, store) = second.request("GET", "/services/store")?;
        (store["state"] == "error").then(|| store["error"]["message"].to_string())
    };
    let message = poll(in_use);
    assert!(message.contains("in use by another process"), "{message}");
    assert!(first.wait_committed(before + 1) > before);
}

#[test]
fn a_failing_disk_ends_the_store_alone_and_loses_no_committed_sample() {
    let scratch = Scratch::new("disk");
    scratch.fill(1..=50);
    let size = std::fs::metadata(scratch.file()).expect("filled").len();
    assert!(size > 40 * 1024, "{size} bytes do not reach the limit of any shell");
    let sysmon = Sysmon::spawn(command("sh", &scratch, &[FAST]));
    let failed = || {
        let (_, store) = sysmon.request("GET", "/services/store")?;
        (store["state"] == "error").then(|| store["error"]["message"].to_string())
    };
    let message = poll(failed);
    assert!(message.contains("cannot append") && message.contains("sysmon.redb"), "{message}");
    assert!(message.contains("start `store` again"), "{message}");
    let (_, collector) = sysmon.request("GET", "/services/collector").expect("an answer");
    assert_eq!(collector["state"], "running");
    drop(sysmon);
    check_kept(&scratch, 50);
}

#[test]
fn a_broken_file_is_refused_with_its_place() {
    let scratch = Scratch::new("broken");
    let broken = "services:\n  collector:\n    intervall: 1s\n  retention:\n    keep: 10s\n";
    std::fs::write(scratch.path().join("sysmon.yaml"), broken).expect("write");
    let output = refused(&scratch, &[]);
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8_lossy(&output.stderr);
    for part in ["sysmon.yaml:3:5", "`interval`", "sysmon.yaml:5:11", "from 1m to 30d"] {
        assert!(told.contains(part), "{part} in {told}");
    }
}

#[test]
fn an_address_in_use_is_refused() {
    let scratch = Scratch::new("address");
    let first = Sysmon::start(&scratch, &[WITHOUT_COLLECTOR]);
    let (_, port) = first.address.rsplit_once(':').expect("host and port");
    let output = refused(&scratch, &[&format!("server.port={port}")]);
    assert_eq!(output.status.code(), Some(69), "{}", String::from_utf8_lossy(&output.stderr));
}
