//! The playground as a process.
//!
//! # Invariants
//!
//! 1. No test outlives [`PATIENCE`] at one condition, and none sleeps and hopes: every wait looks
//!    again and again at what it waits for.
//! 2. A test leaves no process behind: dropping a [`Playground`] kills it.
//! 3. Ports are the kernel's choice, read from the program's own log.

#![allow(clippy::disallowed_methods, reason = "a real process runs on the real clock")]

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::http::{self, Answer};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Longer than a second signal is taken for an echo of the first, which is 250 ms.
const ECHO: Duration = Duration::from_millis(400);

/// How many lines of its log are told when a test fails.
const LINES_TOLD: usize = 30;

/// Makes the names of files unique within one test process.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A running playground.
pub(crate) struct Playground {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    readers: Vec<JoinHandle<()>>,
    pub(crate) address: SocketAddr,
    pub(crate) file: PathBuf,
    /// Where it keeps its token.
    pub(crate) runtime: PathBuf,
}

/// What is left of a playground that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The exit code; `None` if a signal killed it.
    pub(crate) code: Option<i32>,
    /// From the call that waits to the end of the process.
    pub(crate) took: Duration,
    pub(crate) log: Vec<String>,
}

/// What a command of the playground has printed.
#[derive(Debug)]
pub(crate) struct Printed {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Writes a configuration file.
pub(crate) fn file(text: &str) -> PathBuf {
    let name = format!("it-{}-{}.yaml", std::process::id(), FILES.fetch_add(1, Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Makes a directory as a session of a user has one.
fn runtime_directory() -> PathBuf {
    let name = format!("run-{}-{}", std::process::id(), FILES.fetch_add(1, Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Runs one command to its end.
pub(crate) fn run(arguments: &[&str]) -> Printed {
    run_in(arguments, &[])
}

/// Runs one command to its end, with these variables.
pub(crate) fn run_in(arguments: &[&str], variables: &[(&str, &str)]) -> Printed {
    let mut command = program(None);
    command.envs(variables.iter().copied());
    let child = command.args(arguments).stdout(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        signal(id, "KILL");
        panic!("{arguments:?} did not end");
    };
    let output = output.unwrap();
    Printed {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs one command on a configuration.
pub(crate) fn run_with(verb: &str, text: &str) -> Printed {
    let path = file(text);
    run(&[verb, "--config", path.to_str().unwrap()])
}

/// Returns what `read` finds, as soon as it does.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut read: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = read() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The program, in an environment that does not configure it.
pub(crate) fn program(core: Option<u32>) -> Command {
    let playground = env!("CARGO_BIN_EXE_playground");
    let mut command = match core {
        None => Command::new(playground),
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string(), playground]);
            command
        }
    };
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PROCESSPYPE_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_BACKTRACE").stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &process.to_string()]).status();
    assert!(sent.unwrap().success(), "kill -{name} {process}");
}

fn read_into(
    log: &Arc<Mutex<Vec<String>>>,
    output: impl std::io::Read + Send + 'static,
) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            log.lock().unwrap().push(line);
        }
    })
}

fn lines(log: &Mutex<Vec<String>>) -> Vec<String> {
    log.lock().unwrap().clone()
}

// === impl Playground ===

impl Playground {
    /// Starts it on a free port and waits until it listens.
    #[track_caller]
    pub(crate) fn start(text: &str) -> Self {
        Self::start_with(text, &[], &[], None)
    }

    /// Starts it and waits until every service has settled.
    #[track_caller]
    pub(crate) fn settled(text: &str) -> Self {
        let playground = Self::start(text);
        playground.settle();
        playground
    }

    /// Starts it with arguments and variables, on one core or on all.
    #[track_caller]
    pub(crate) fn start_with(
        text: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
        core: Option<u32>,
    ) -> Self {
        Self::start_file(file(text), arguments, variables, core)
    }

    /// As [`start_with`](Self::start_with), on a file that is there already.
    #[track_caller]
    pub(crate) fn start_file(
        file: PathBuf,
        arguments: &[&str],
        variables: &[(&str, &str)],
        core: Option<u32>,
    ) -> Self {
        let mut command = program(core);
        command.arg("run").arg("--config").arg(&file).args(["--set", "server.port=0"]);
        let runtime = runtime_directory();
        command.env("XDG_RUNTIME_DIR", &runtime);
        command.args(arguments).envs(variables.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        // A run prints nothing but its log; if it ever does, that is seen too.
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let readers = vec![read_into(&log, stdout), read_into(&log, stderr)];
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut playground = Self { child, log, readers, address, file, runtime };
        playground.address = eventually("it listens", || {
            let ended = playground.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?} {:#?}", lines(&playground.log));
            lines(&playground.log).iter().find_map(|line| {
                let text = line.rsplit_once(" address=").map(|(_, address)| address);
                let json = || line.rsplit_once("\"address\":\"")?.1.split('"').next();
                text.or_else(json).and_then(|address| address.parse().ok())
            })
        });
        playground
    }

    #[track_caller]
    pub(crate) fn settle(&self) {
        eventually("it is settled", || (self.get("/health/startup").status == 200).then_some(()));
    }

    /// Returns the variable that lets the command line find the token of the process.
    pub(crate) fn at_home(&self) -> (&str, &str) {
        ("XDG_RUNTIME_DIR", self.runtime.to_str().unwrap())
    }

    /// Returns the file with the token that the process has made.
    #[track_caller]
    pub(crate) fn token_file(&self) -> PathBuf {
        let files = std::fs::read_dir(self.runtime.join("processpype")).unwrap();
        let mut files = files.map(|file| file.unwrap().path());
        let (file, None) = (files.next().unwrap(), files.next()) else {
            panic!("there is more than one file");
        };
        file
    }

    /// Returns what `Authorization` says with the token that the process has made.
    #[track_caller]
    pub(crate) fn bearer(&self) -> String {
        let token = std::fs::read_to_string(self.token_file()).unwrap();
        format!("Bearer {token}")
    }

    /// Asks as somebody who has the token of the process.
    pub(crate) fn get(&self, path: &str) -> Answer {
        http::request(self.address, "GET", path, &[("Authorization", &self.bearer())], b"")
    }

    /// Asks with the program's own command line, as whoever has started it.
    #[track_caller]
    pub(crate) fn ask(&self, words: &[&str]) -> Printed {
        let url = format!("http://{}", self.address);
        run_in(&[words, &["--url", &url]].concat(), &[self.at_home()])
    }

    /// Begins to read the journal from its first event.
    pub(crate) fn follow(&self) -> std::net::TcpStream {
        let credential = [("Authorization", &*self.bearer())];
        http::send(self.address, "GET", "/events/stream?after=0", &credential, b"")
    }

    pub(crate) fn post(&self, path: &str) -> Answer {
        http::request(self.address, "POST", path, &[], b"")
    }

    pub(crate) fn post_body(&self, path: &str, content_type: &str, body: &[u8]) -> Answer {
        http::request(self.address, "POST", path, &[("Content-Type", content_type)], body)
    }

    /// Returns the status of one service.
    #[track_caller]
    pub(crate) fn service(&self, name: &str) -> Value {
        let answer = self.get(&format!("/services/{name}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    #[track_caller]
    pub(crate) fn wait(&self, service: &str, state: &str) -> Value {
        eventually(&format!("{service} is {state}"), || {
            Some(self.service(service)).filter(|status| status["state"] == state)
        })
    }

    /// Returns every event so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let page = self.get("/events?after=0&limit=1000").json();
        assert_eq!(page["lost"], 0);
        page["events"].as_array().unwrap().clone()
    }

    pub(crate) fn log(&self) -> Vec<String> {
        lines(&self.log)
    }

    /// Waits until a line of the log contains a text.
    #[track_caller]
    pub(crate) fn logged(&self, text: &str) {
        eventually(&format!("the log says `{text}`"), || {
            self.log().iter().any(|line| line.contains(text)).then_some(())
        });
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }

    /// Sends a second SIGINT: not so soon after the first that it would be taken for its echo, and
    /// no later than need be.
    #[track_caller]
    pub(crate) fn interrupt_again(&self) {
        let first = Instant::now();
        eventually("the echo time is over", || (first.elapsed() > ECHO).then_some(()));
        self.signal("INT");
    }

    /// Sends SIGTERM and waits for the end.
    #[track_caller]
    pub(crate) fn terminate(self) -> Ended {
        self.signal("TERM");
        self.ended()
    }

    /// Waits until it has ended.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let begun = Instant::now();
        let status: ExitStatus = eventually("it ends", || self.child.try_wait().unwrap());
        let took = begun.elapsed();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        Ended { code: status.code(), took, log: lines(&self.log) }
    }
}

impl Drop for Playground {
    #[allow(clippy::print_stderr, reason = "what a failed test needs to be understood")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whether it has ended, and what it said last: else a refused connection says nothing.
            let (ended, log) = (self.child.try_wait(), lines(&self.log));
            let last = log[log.len().saturating_sub(LINES_TOLD)..].join("\n");
            eprintln!("the playground at {}: {ended:?}, and last:\n{last}", self.address);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir_all(&self.runtime);
    }
}

// === impl Ended ===

impl Ended {
    #[track_caller]
    pub(crate) fn check(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{:#?}", self.log);
    }

    /// Returns the services that the last record of the log names as stragglers.
    #[track_caller]
    pub(crate) fn stragglers(&self) -> Vec<String> {
        let last = self.log.last().unwrap();
        let (_, names) = last
            .split_once("services that did not stop in time: ")
            .unwrap_or_else(|| panic!("the last record names nobody: {last}"));
        let names = names.rsplit_once(" count=").map_or(names, |(names, _)| names);
        names.split(", ").map(str::to_owned).collect()
    }
}

// === impl Printed ===

impl Printed {
    /// Checks that a configuration was refused with these words.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(78), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no `{word}` in: {}", self.stderr);
        }
    }
}

/// Reads what arrives until `found` is in it.
#[track_caller]
pub(crate) fn read_until(stream: &mut std::net::TcpStream, found: &str) -> String {
    let mut text = String::new();
    let mut piece = [0; 4096];
    while !text.contains(found) {
        let read = match stream.read(&mut piece) {
            // A test of the terminal stops and continues this process too.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => panic!("no `{found}` came: {error}; what came: {text}"),
            Ok(read) => read,
        };
        assert!(read > 0, "the stream ended without `{found}`: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    text
}
