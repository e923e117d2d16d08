//! The program as a process: killed, restarted, asked over a socket.
//! Every wait is a bounded poll; every process is killed at the end, also of a failed test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Polls before a test gives up, and the time between two of them.
const POLLS: usize = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// A directory of one test, removed at its end.
struct Scratch(PathBuf);

/// A running sysmon.
struct Sysmon {
    child: Child,
    port: u16,
}

// === impl Scratch ===

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sysmon-it-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temporary directory is writable");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: a left-over directory harms no other test.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

// === impl Sysmon ===

impl Sysmon {
    /// Starts the program with the file beside it, on a free port, with data in `directory`.
    fn start(directory: &Path, settings: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sysmon"));
        command.arg("run").arg("--set").arg(format!("server.port={port}"));
        command.arg("--set").arg(format!("services.store.data_dir={}", directory.display()));
        for setting in settings {
            command.arg("--set").arg(setting);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::inherit()).spawn();
        Self { child: child.expect("sysmon starts"), port }
    }

    /// Sends a request; `None` while nobody answers.
    fn request(&self, method: &str, path: &str) -> Option<(u16, Value)> {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
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
        let poll = |_| match self.request("GET", "/services/api/latest") {
            Some((200, latest)) => found(&latest),
            _ => None,
        };
        let paused = |poll: Option<T>| {
            poll.or_else(|| {
                std::thread::sleep(PAUSE);
                None
            })
        };
        (0..POLLS).map(poll).find_map(paused).expect("sysmon answers in time")
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

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("bound").port()
}

const FAST: &str = "services.collector.interval=200ms";

#[test]
fn kill_9_loses_no_committed_sample() {
    let scratch = Scratch::new("kill");
    let mut told = 0;
    for _ in 0..3 {
        let mut sysmon = Sysmon::start(&scratch.0, &[FAST]);
        told = sysmon.wait_committed(told + 3);
        sysmon.kill();
        check_kept(&scratch, told);
    }
}

/// What the program, started without its collector, finds on the disk.
#[track_caller]
fn check_kept(scratch: &Scratch, told: u64) {
    let sysmon = Sysmon::start(&scratch.0, &["services.collector.enabled=false"]);
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
    let mut sysmon = Sysmon::start(&scratch.0, &[FAST]);
    let told = sysmon.wait_committed(2);
    assert_eq!(sysmon.terminate().code(), Some(0));
    let next = Sysmon::start(&scratch.0, &[FAST]);
    next.wait_committed(told);
}

#[test]
fn the_store_can_be_restarted_while_the_others_run() {
    let scratch = Scratch::new("restart");
    let sysmon = Sysmon::start(&scratch.0, &[FAST]);
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
    let sysmon = Sysmon::start(&scratch.0, &[FAST]);
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
