//! Panics that no service contains: of the main thread, run as a process of its own.

use std::process::{Command, ExitCode};
use std::sync::Arc;

use processpype::config::Secret;
use processpype::{Application, Config, Service};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

/// Says which application the child process, which is this test binary again, is.
const WHICH: &str = "PROCESSPYPE_TEST_LAST_WORDS";

/// The arguments of the child, one a line.
const ARGUMENTS: &str = "PROCESSPYPE_TEST_LAST_WORDS_ARGUMENTS";

const SECRET: &str = "hunter2-hunter2";

#[derive(Deserialize, JsonSchema)]
struct VaultConfig {
    password: Secret<String>,
}

struct Vault;

impl Service for Vault {}

/// Panics when it is dropped once there is a log: on the main thread, if nothing else began.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if tracing::dispatcher::has_been_set() {
            tracing::info!("the last line before");
            panic!("no {SECRET}\u{1b}[2J here");
        }
    }
}

/// Panics when it is read, which is before there is a log.
#[derive(JsonSchema)]
struct Trap {}

impl<'de> Deserialize<'de> for Trap {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("not read")
    }
}

fn application(which: &str) -> Application {
    let bomb = Arc::new(Bomb);
    match which {
        "bomb" => Application::new()
            .service(move |config: Config<VaultConfig>| {
                let _ = (&bomb, &config.password);
                Vault
            })
            .named("vault"),
        _ => Application::new().service(|_: Config<Trap>| Vault).named("vault"),
    }
}

/// Is the application when [`WHICH`] is set, and else nothing.
#[test]
fn child() {
    let Ok(which) = std::env::var(WHICH) else { return };
    let arguments = std::env::var(ARGUMENTS).expect("they are set");
    let code = application(&which).main_with(arguments.lines());
    let number = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code);
    println!("\nexit {}", number.expect("it is one of them"));
}

struct Ended {
    code: String,
    err: String,
}

fn run(which: &str, arguments: &[&str]) -> Ended {
    let output = Command::new(std::env::current_exe().expect("it has a path"))
        .args(["--exact", "last_words::child", "--nocapture", "--test-threads=1"])
        .env(WHICH, which)
        .env(ARGUMENTS, arguments.join("\n"))
        .env_remove("RUST_BACKTRACE")
        .output()
        .expect("it can be run");
    let out = String::from_utf8(output.stdout).expect("it is text");
    let code = out.lines().find_map(|line| line.strip_prefix("exit ")).unwrap_or("none");
    let err = String::from_utf8(output.stderr).expect("it is text");
    Ended { code: code.to_owned(), err }
}

#[test]
fn a_value_that_panics_when_it_goes_is_told_in_the_log_and_is_not_the_end() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = format!("server.port={}", taken.local_addr().expect("an address").port());
    let name = format!("processpype-last-words-{}.log", std::process::id());
    let log = std::env::temp_dir().join(name);
    let to = format!("observability.logging.destination={{file: {}}}", log.display());
    let password = format!("services.vault.password={SECRET}");
    let set = ["--set", &port, "--set", &to, "--set", &password];
    let line: Vec<&str> = ["demo", "run"].into_iter().chain(set).collect();
    let Ended { code, err } = run("bomb", &line);
    let written = std::fs::read_to_string(&log).expect("there is a log");
    let _ = std::fs::remove_file(log);
    assert_eq!(code, "69", "{err}\n{written}");
    assert!(written.contains("the last line before"), "{written}");
    let last = written.lines().last().expect("a line");
    let said = last.contains("a value panicked: no ***") && last.contains("last_words.rs:");
    assert!(said && last.contains("while it was dropped"), "{written}");
    assert!(!err.contains(SECRET) && !written.contains(SECRET), "{err}\n{written}");
}

#[test]
fn a_panic_before_there_is_a_log_ends_with_the_same_code() {
    let Ended { code, err } = run("trap", &["demo", "check"]);
    assert_eq!(code, "70", "{err}");
    assert!(err.contains("error: the program panicked: not read"), "{err}");
    assert!(err.contains("last_words.rs:"), "{err}");
}

/// It goes on with nothing: the file of events, which another process may hold, is no matter then.
#[test]
fn who_has_no_address_tells_of_that_and_of_no_file() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = format!("server.port={}", taken.local_addr().expect("an address").port());
    let events = format!("observability.events.file={}", std::env::temp_dir().display());
    let password = format!("services.vault.password={SECRET}");
    let set = ["--set", &port, "--set", &events, "--set", &password];
    let line: Vec<&str> = ["demo", "run"].into_iter().chain(set).collect();
    let Ended { code, err } = run("bomb", &line);
    assert_eq!(code, "69", "{err}");
    assert!(!err.contains("cannot write events"), "{err}");
}
