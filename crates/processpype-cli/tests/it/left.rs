//! Tokens that a killed process has left behind.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::membership::info;
use crate::{BEGAN, Ran, answer, run_with, serve, status};

/// A runtime directory of one test.
struct Runtime(PathBuf);

impl Runtime {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("left-{name}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(path.join("processpype")).unwrap();
        Self(path)
    }

    /// Writes the token of the application at this host and the port of `url`: left behind, as long
    /// as nobody locks it.
    fn token(&self, host: &str, url: &str) -> File {
        let port = url.rsplit(':').next().unwrap();
        let path = self.0.join("processpype").join(format!("shop-{host}-{port}.token"));
        std::fs::write(&path, "x".repeat(43)).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        File::open(path).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        run_with(arguments, &[("XDG_RUNTIME_DIR", self.0.to_str().unwrap())])
    }
}

fn refusal() -> Vec<u8> {
    let body = r#"{"title":"t","status":401,"code":"unauthenticated","detail":"d"}"#;
    answer("401 Unauthorized", "application/problem+json", body)
}

/// Which of these requests had a token.
fn shown(heads: &[String]) -> Vec<bool> {
    heads.iter().map(|head| head.contains("\r\nauthorization: ")).collect()
}

#[test]
fn a_token_that_was_left_is_shown_once() {
    let runtime = Runtime::new("once");
    let accepted = r#"{"operation":1,"status":"accepted","command":"x","service":"db",
        "state":"starting","waiting_on":[],"location":"/"}"#;
    let accepted = answer("202 Accepted", "application/json", accepted);
    let (url, serving) = serve(vec![refusal(), status("running", 1, ""), accepted]);
    runtime.token("127.0.0.1", &url);
    let ran = runtime.run(&["-u", &url, "restart", "db", "--wait", "0"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(shown(&serving.join().unwrap()), [true, false, false]);
}

#[test]
fn who_is_refused_after_that_is_told_where_the_token_was_from() {
    let runtime = Runtime::new("told");
    let (url, serving) = serve(vec![refusal(), status("running", 1, ""), refusal()]);
    runtime.token("127.0.0.1", &url);
    let ran = runtime.run(&["-u", &url, "restart", "db", "--wait", "0"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains(".token, which a process left behind that was killed"), "{ran:?}");
    assert_eq!(shown(&serving.join().unwrap()), [true, false, false]);
}

#[test]
fn whether_a_token_was_left_is_that_of_the_one_that_was_shown() {
    let runtime = Runtime::new("shown");
    // A living one at another address.
    let (url, serving) = serve(vec![refusal(), info(BEGAN)]);
    runtime.token("127.0.0.1", &url);
    let living = runtime.token("::1", &url);
    living.lock().unwrap();
    let ran = runtime.run(&["-u", &url, "info"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(shown(&serving.join().unwrap()), [true, false]);
    // One that was left at another address is not shown here, so there is nothing to leave out.
    let (url, serving) = serve(vec![refusal()]);
    runtime.token("::1", &url);
    let ran = runtime.run(&["-u", &url, "info"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(shown(&serving.join().unwrap()), [false]);
}
