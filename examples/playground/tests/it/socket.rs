//! The verbs that ask over a Unix socket: by its address, and by the application's own file.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use crate::harness::{Printed, eventually, file, program, run, run_in};

/// A playground that listens on a socket and nowhere else, unless told so.
struct OnSocket {
    child: Child,
    file: PathBuf,
    directory: PathBuf,
}

// === impl OnSocket ===

impl OnSocket {
    /// Starts it, and waits until it answers who has nothing but its file.
    #[track_caller]
    fn start(test: &str, others: &str, prefix: &str) -> Self {
        // The path of a socket has at most some 100 bytes.
        let directory = std::env::temp_dir().join(format!("pp-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let socket = directory.join("shop.sock");
        let file = file(&format!(
            "server:\n  api_prefix: '{prefix}'\n  listeners:\n{others}    - {{address: \
             'unix:{}'}}\nservices: {{hello: {{kind: hello}}}}\n",
            socket.display()
        ));
        let mut command = program(None);
        command.arg("run").arg("--config").arg(&file).env("XDG_RUNTIME_DIR", &directory);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let app = Self { child, file, directory };
        eventually("it answers", || (app.own(&["status", "hello"]).code == Some(0)).then_some(()));
        app
    }

    fn url(&self) -> String {
        format!("unix:{}", self.directory.join("shop.sock").display())
    }

    /// Asks where the file says.
    fn own(&self, arguments: &[&str]) -> Printed {
        run(&[arguments, &["--config", self.file.to_str().unwrap()]].concat())
    }

    /// Asks by the address, and checks that it is answered.
    #[track_caller]
    fn ask(&self, arguments: &[&str]) -> String {
        let url = self.url();
        let printed = run(&[arguments, &["--url", &url]].concat());
        assert_eq!(printed.code, Some(0), "{printed:?}");
        printed.stdout
    }
}

impl Drop for OnSocket {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[test]
fn every_verb_goes_over_a_socket() {
    let app = OnSocket::start("verbs", "", "");
    assert!(app.ask(&["stop", "hello", "--reason", "new disk"]).starts_with("hello stopped"));
    assert!(app.ask(&["why", "hello"]).contains("new disk"), "why");
    assert!(app.ask(&["start", "hello"]).starts_with("hello started"));
    for verb in ["status", "services", "plan", "logs", "info", "operations", "timeline"] {
        let remote: &[&str] = if verb == "plan" { &["--remote"] } else { &[] };
        assert!(!app.ask(&[&[verb], remote].concat()).is_empty(), "{verb}");
    }
    // What needs a role is open: the kernel says that the owner asks.
    let events = app.ask(&["events", "--service", "hello"]);
    assert!(events.contains("by user:"), "{events}");
    let reload = app.ask(&["reload"]);
    assert!(reload.contains("no service has another"), "{reload}");
    let doctor = app.own(&["doctor"]);
    let asked = format!(
        "asked {} (from the application's own configuration; no token: the system says who asks)",
        app.url()
    );
    assert!(doctor.stdout.contains(&asked), "{doctor:?}");
    assert!(app.ask(&["top", "--json"]).contains("\"hello\""), "top");
}

#[test]
fn a_stream_goes_over_a_socket() {
    let app = OnSocket::start("stream", "", "");
    let mut command = program(None);
    // As docker writes it.
    let url = app.url().replace("unix:", "unix://");
    command.args(["events", "-f", "--after", "0", "--url", &url]).stdout(Stdio::piped());
    let mut following = command.spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    let seen = lines.by_ref().map_while(Result::ok).find(|line| line.contains("→ running"));
    assert!(seen.is_some_and(|line| line.contains("hello")), "the stream has ended");
    app.ask(&["restart", "hello"]);
    let again = lines.map_while(Result::ok).find(|line| line.contains("hello#2 starting"));
    assert!(again.is_some(), "the stream has ended");
    let _ = following.kill();
    let _ = following.wait();
}

#[test]
fn a_socket_is_found_beside_a_port_that_nobody_knows() {
    let others = "    - {address: '127.0.0.1:0'}\n";
    let app = OnSocket::start("both", others, "/api/v1");
    let url = format!("{}:/api/v1", app.url());
    let printed = run(&["status", "--url", &url]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    let without = run(&["status", "--url", &app.url()]);
    assert_ne!(without.code, Some(0), "the prefix counts there too: {without:?}");
}

#[test]
fn a_token_that_is_named_counts_on_a_socket_too() {
    let app = OnSocket::start("token", "", "");
    let wrong = [("PROCESSPYPE_TOKEN", "0123456789abcdefghijkl-wrong")];
    let refused = run_in(&["status", "--url", &app.url()], &wrong);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("PROCESSPYPE_TOKEN"), "{refused:?}");
}

#[test]
fn a_socket_that_is_not_there_is_named() {
    let printed = run(&["status", "--url", "unix:/nowhere/shop.sock"]);
    assert_eq!((printed.code, printed.stdout.as_str()), (Some(69), ""));
    let nobody = "nothing answers at unix:/nowhere/shop.sock: No such file";
    assert!(printed.stderr.contains(nobody), "{printed:?}");
    let printed = run(&["status", "--url", "unix:shop.sock"]);
    assert_eq!(printed.code, Some(64), "{printed:?}");
    assert!(printed.stderr.contains("the whole path"), "{printed:?}");
}
