//! The live view under a real pseudo-terminal, against a real application.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::harness::{Playground, eventually, run_in, signal};

const SHOP: &str = "
app: {title: Shop, version: 1.4.0, environment: test}
services:
  disk: {kind: hello}
  report: {kind: hello, depends_on: [disk]}
  db: {kind: flaky, fail_start: 9, restart: {backoff: {initial: 1h, max: 1h, jitter: 0}}}
";

/// A terminal in which the playground's `top` runs.
struct Terminal {
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
    child: Child,
    reader: Option<JoinHandle<()>>,
    /// How the terminal was before.
    before: Termios,
}

// === impl Terminal ===

impl Terminal {
    /// Opens a terminal of 80 columns and runs `top` in it, as the leader of its session.
    #[track_caller]
    fn open(app: &Playground, variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let winsize = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, winsize).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())).to_owned();
        let tty = || OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let before = tcgetattr(&master).unwrap();
        let mut command = Command::new("setsid");
        command.args(["--ctty", env!("CARGO_BIN_EXE_playground"), "top", "--url"]);
        command.arg(format!("http://{}", app.address)).envs([app.at_home()]);
        command.env_remove("NO_COLOR").env("TERM", "xterm").envs(variables.iter().copied());
        let child = command.stdin(Stdio::from(tty())).stdout(tty()).stderr(tty()).spawn().unwrap();
        drop(command);
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(24), size(80), 0)));
        let drawn = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // When nobody has the other side any more, that is an error on Linux.
            while let Ok(read @ 1..) = output.read(&mut piece) {
                drawn.lock().unwrap().process(&piece[..read]);
            }
        });
        Self { keyboard, screen, child, reader: Some(reader), before }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until one line of the screen has all these words.
    #[track_caller]
    fn see(&self, words: &[&str]) {
        let has = |line: &str| words.iter().all(|word| line.contains(word));
        let seen = || self.text().lines().any(has).then_some(());
        eventually(&format!("the screen has {words:?}"), seen);
    }

    /// Whether the terminal is as it was before.
    fn is_restored(&self) -> bool {
        let now = tcgetattr(&self.keyboard).unwrap();
        let same = now.local_modes == self.before.local_modes
            && now.input_modes == self.before.input_modes
            && now.output_modes == self.before.output_modes;
        let screen = self.screen.lock().unwrap();
        same && !screen.screen().alternate_screen() && !screen.screen().hide_cursor()
    }

    /// Waits for the end and checks that the terminal is as it was.
    #[track_caller]
    fn ended(mut self) -> String {
        let status = eventually("top ends", || self.child.try_wait().unwrap());
        assert!(status.success(), "{status}\n{}", self.text());
        eventually("the terminal is restored", || self.is_restored().then_some(()));
        self.text()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn size(number: u16) -> NonZero<u16> {
    NonZero::new(number).unwrap()
}

fn process_state(process: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[test]
fn services_are_seen_stopped_and_started_again() {
    let app = Playground::settled(SHOP);
    app.wait("db", "error");
    let mut terminal = Terminal::open(&app, &[]);
    terminal.see(&["Shop 1.4.0 (test): running, 3 services"]);
    terminal.see(&["> db", "error", "#1"]);
    terminal.see(&["disk", "running", "yes"]);
    terminal.see(&["db: error, in backoff"]);
    terminal.press("j");
    terminal.see(&["> disk"]);
    terminal.see(&["why disk"]);
    terminal.press("x");
    terminal.see(&["stop disk?"]);
    terminal.press("n");
    terminal.see(&["q quit"]);
    terminal.press("xy");
    terminal.see(&["> disk", "stopped"]);
    assert_eq!(app.service("disk")["acted"]["actor"], "token:local");
    terminal.see(&["report", "running", "without disk"]);
    terminal.press("e");
    terminal.see(&["disk#1 stopping → stopped"]);
    terminal.press("s");
    terminal.see(&["> disk", "running", "yes"]);
    terminal.see(&["disk#2 starting → running"]);
    terminal.press("\r");
    terminal.see(&["disk: running, ready (generation 2"]);
    terminal.press("l");
    terminal.see(&["INFO disk#2"]);
    terminal.press("/repo\r");
    terminal.see(&["> report"]);
    terminal.see(&["1 shown"]);
    terminal.press("\u{1b}");
    terminal.see(&["  db"]);
    terminal.press("q");
    terminal.ended();
    app.terminate().check(0);
}

#[test]
fn a_lost_application_is_told_and_found_again() {
    let app = Playground::settled(SHOP);
    let (file, address) = (std::fs::read_to_string(&app.file).unwrap(), app.address);
    let home = app.runtime.clone();
    let terminal = Terminal::open(&app, &[]);
    terminal.see(&["disk", "running"]);
    app.terminate().check(0);
    terminal.see(&["connection lost"]);
    let port = format!("server.port={}", address.port());
    std::fs::create_dir_all(&home).unwrap();
    let variables = [("XDG_RUNTIME_DIR", home.to_str().unwrap())];
    let app = Playground::start_with(&file, &["--set", &port], &variables, None);
    terminal.see(&["connected again"]);
    // It has found the token of the new process too: events are heard.
    let at_home = [("XDG_RUNTIME_DIR", home.to_str().unwrap())];
    let url = format!("http://{address}");
    let stopped = run_in(&["stop", "disk", "--url", &url], &at_home);
    assert_eq!(stopped.code, Some(0), "{stopped:?}");
    terminal.see(&["disk", "stopped"]);
    let mut terminal = terminal;
    terminal.press("e");
    terminal.see(&["disk#1 stopping → stopped"]);
    terminal.press("\u{3}");
    terminal.ended();
    drop(app);
    let _ = std::fs::remove_dir_all(home);
}

#[test]
fn signals_give_the_terminal_back() {
    let app = Playground::settled(SHOP);
    let terminal = Terminal::open(&app, &[]);
    terminal.see(&["disk", "running"]);
    let process = terminal.child.id();
    signal(process, "TSTP");
    eventually("it is stopped", || (process_state(process) == Some('T')).then_some(()));
    eventually("the terminal is restored", || terminal.is_restored().then_some(()));
    signal(process, "CONT");
    terminal.see(&["disk", "running"]);
    assert!(!terminal.is_restored(), "the view has the terminal again");
    let winsize = Winsize { ws_row: 12, ws_col: 40, ws_xpixel: 0, ws_ypixel: 0 };
    terminal.screen.lock().unwrap().screen_mut().set_size(size(12), size(40));
    tcsetwinsize(&terminal.keyboard, winsize).unwrap();
    eventually("it is drawn in the new size", || {
        let text = terminal.text();
        let narrow = text.lines().any(|line| line.contains("NAME") && !line.contains("READY"));
        (narrow && text.contains("q quit")).then_some(())
    });
    signal(process, "TERM");
    terminal.ended();
}

#[test]
fn there_is_no_colour_where_it_is_not_wanted() {
    let app = Playground::settled(SHOP);
    app.wait("db", "error");
    for (variables, is_plain) in [(&[][..], false), (&[("NO_COLOR", "1")], true)] {
        let mut terminal = Terminal::open(&app, variables);
        terminal.see(&["> db", "error"]);
        terminal.see(&["disk", "running"]);
        let coloured = {
            let parser = terminal.screen.lock().unwrap();
            let cells = (0..24).flat_map(|row| (0..80).map(move |column| (row, column)));
            let cells = cells.filter_map(|(row, column)| parser.screen().cell(row, column));
            cells.filter(|cell| cell.fgcolor() != vt100::Color::Default).count()
        };
        assert_eq!(coloured == 0, is_plain, "{variables:?}: {coloured}");
        terminal.press("q");
        terminal.ended();
    }
}

#[test]
fn a_pipe_is_no_terminal() {
    let app = Playground::settled(SHOP);
    let printed = app.ask(&["top"]);
    assert_eq!(printed.code, Some(64), "{printed:?}");
    assert!(printed.stderr.contains("`top --json` looks once"), "{printed:?}");
    let printed = app.ask(&["top", "--json"]);
    assert_eq!(printed.stdout, format!("{}\n", app.get("/").body));
    let printed = run_in(&["top", "--url", "http://127.0.0.1:1"], &[]);
    assert_eq!(printed.code, Some(69), "{printed:?}");
}
