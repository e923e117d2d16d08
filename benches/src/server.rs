//! Servers in processes of their own: started, asked, looked at, and ended.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::figure::Failure;
use crate::helpers::{self, Helper};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long to rest between two questions whether it is there.
const PAUSE: Duration = Duration::from_micros(100);

/// A clock tick of `/proc`; the same on every Linux that Rust's tier 1 knows.
const TICK: Duration = Duration::from_millis(10);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    /// Its configuration, and where it leaves its token; removed with it.
    home: PathBuf,
}

/// What an HTTP answer said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Server {
    /// Starts an application of this framework with the given services.
    pub(crate) fn application(config: &str) -> Result<Self, Failure> {
        let port = free_port()?;
        let text = format!("server: {{port: {port}, closing_timeout_seconds: 3}}\n{config}");
        let (home, file) = scratch("bench.yaml", text.as_bytes())?;
        let mut command = Command::new(helpers::path(Helper::Application)?);
        command.args(["run", "--config"]).arg(&file).env("XDG_RUNTIME_DIR", &home);
        Self::spawn(command, port, home)
    }

    /// Starts the server that gives the same bytes with axum alone.
    pub(crate) fn axum(body: &[u8]) -> Result<Self, Failure> {
        let port = free_port()?;
        let (home, file) = scratch("body.json", body)?;
        let mut command = Command::new(helpers::path(Helper::Axum)?);
        command.arg(port.to_string()).arg(&file);
        Self::spawn(command, port, home)
    }

    fn spawn(mut command: Command, port: u16, home: PathBuf) -> Result<Self, Failure> {
        command.env_remove("RUST_BACKTRACE");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self { child: command.spawn()?, port, home })
    }

    /// Waits until `path` is answered with 200.
    pub(crate) fn wait_for(&mut self, path: &str) -> Result<Answer, Failure> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.get(path) {
                Ok(answer) if answer.status == 200 => return Ok(answer),
                _ if Instant::now() > until => return Err("the server does not answer".into()),
                _ => std::thread::sleep(PAUSE),
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server has ended: {status}").into());
            }
        }
    }

    /// Asks once, on a connection of its own.
    pub(crate) fn get(&self, path: &str) -> Result<Answer, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let port = self.port;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n"
        )?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Answer::parse(&bytes)
    }

    /// Opens a connection on which events come, and leaves it open.
    pub(crate) fn follow(&self) -> Result<TcpStream, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let (port, token) = (self.port, self.token()?);
        write!(
            stream,
            "GET /events/stream HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\
             authorization: Bearer {}\r\n\r\n",
            token.trim()
        )?;
        let mut first = [0; 12];
        stream.read_exact(&mut first)?;
        match &first == b"HTTP/1.1 200" {
            true => Ok(stream),
            false => {
                let status = String::from_utf8_lossy(&first);
                Err(format!("events cannot be followed: {status}").into())
            }
        }
    }

    /// The token that the application has left for its own machine.
    fn token(&self) -> Result<String, Failure> {
        let files = fs::read_dir(self.home.join("processpype"))?;
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        let mut tokens = paths.filter(|path| path.extension().is_some_and(|it| it == "token"));
        Ok(fs::read_to_string(tokens.next().ok_or("no token was left")?)?)
    }

    /// Asks it to end, and waits until it has; returns how long that took.
    pub(crate) fn terminate(&mut self) -> Result<(Duration, ExitStatus), Failure> {
        let begin = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        Ok((begin.elapsed(), status))
    }

    /// The time of processors that it has used so far.
    pub(crate) fn used(&self) -> Result<Duration, Failure> {
        let (own, kernel) = self.used_apart()?;
        Ok(own + kernel)
    }

    /// The same: its own, and what the kernel has used for it.
    pub(crate) fn used_apart(&self) -> Result<(Duration, Duration), Failure> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // What follows the name, which may hold anything.
        let rest = stat.rsplit_once(')').ok_or("no such process")?.1;
        let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || Ok::<_, Failure>(TICK * ticks.next().ok_or("no times are told")??);
        Ok((next()?, next()?))
    }

    /// Its resident memory, in KiB: what is its own, and what it shares in parts.
    pub(crate) fn memory(&self) -> Result<(f64, f64), Failure> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let of = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.ok_or_else(|| format!("{name} is not told"))
        };
        Ok((of("Rss:")?, of("Pss:")?))
    }

    /// How often its threads have waited and been preempted so far.
    pub(crate) fn switches(&self) -> Result<u64, Failure> {
        let mut switches = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let status = fs::read_to_string(task?.path().join("status"))?;
            let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
            let counts = lines.filter_map(|line| line.split_whitespace().nth(1));
            switches += counts.filter_map(|count| count.parse::<u64>().ok()).sum::<u64>();
        }
        Ok(switches)
    }
}

impl Drop for Server {
    /// Whoever has not ended it does not need it any more.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.home);
    }
}

// === impl Answer ===

impl Answer {
    fn parse(bytes: &[u8]) -> Result<Self, Failure> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")?;
        let head = std::str::from_utf8(&bytes[..end])?;
        let status = head.split_whitespace().nth(1).ok_or("no status")?.parse()?;
        Ok(Self { status, body: bytes[end + 4..].to_vec() })
    }
}

/// A port that nobody listens on now.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A new directory with one file in it.
fn scratch(file: &str, bytes: &[u8]) -> Result<(PathBuf, PathBuf), Failure> {
    let name = format!("processpype-bench-{}-{}", std::process::id(), free_port()?);
    let home = std::env::temp_dir().join(name);
    fs::DirBuilder::new().mode(0o700).create(&home)?;
    let file = home.join(file);
    fs::write(&file, bytes)?;
    Ok((home, file))
}

/// A file's section with `n` services of one kind.
pub(crate) fn services(kind: &str, n: usize) -> String {
    (0..n).map(|index| format!("  {kind}{index}: {{kind: {kind}}}\n")).collect()
}
