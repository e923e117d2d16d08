//! The command line that every application has, run as a process of its own.

use std::process::{Command, ExitCode};
use std::time::Duration;

use processpype::config::Secret;
use processpype::{Application, Config, Dep, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::assert_golden;

/// Keeps what must not be seen.
#[derive(Deserialize, JsonSchema)]
struct VaultConfig {
    /// Opens the vault.
    password: Secret<String>,
    /// How many shelves there are.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 9))]
    shelves: u8,
}

fn three() -> u8 {
    3
}

struct Vault;

impl Service for Vault {}

fn vault(config: Config<VaultConfig>) -> Vault {
    let _ = (&config.password, config.shelves);
    Vault
}

struct Guard;

impl Service for Guard {}

fn guard(_: Dep<Vault>) -> Guard {
    Guard
}

fn demo() -> Application {
    Application::new()
        .service(vault)
        .significant()
        .stop_timeout(Duration::from_secs(5))
        .service(guard)
        .kind("spare", vault)
        .environment([("PROCESSPYPE_SERVICES__VAULT__SHELVES".to_owned(), "4".to_owned())])
}

const GOOD: &str = "app: {title: Demo}\nservices:\n  vault:\n    password: hunter2-hunter2\n  \
                    attic: {kind: spare, password: hunter2-hunter2, depends_on: [vault],\n    \
                    stop_timeout: 11s}\n  guard: {uses: {vault: attic}}\n";

/// Tells the child process, which is this test binary again, that it is the application.
const ARGUMENTS: &str = "PROCESSPYPE_TEST_ARGUMENTS";

/// What the child prints before and after the application's own output.
const BEGIN: &str = "--- begin ---\n";
const END: &str = "--- exit ";

/// Is the application when [`ARGUMENTS`] are set, and else nothing.
#[test]
fn child() {
    let Ok(arguments) = std::env::var(ARGUMENTS) else { return };
    let arguments: Vec<String> = arguments.split('\n').map(str::to_owned).collect();
    print!("\n{BEGIN}");
    let code = demo().main_with(arguments);
    let number = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code);
    print!("{END}{}\n", number.expect("it is one of them"));
}

pub(crate) struct Ran {
    pub(crate) code: u8,
    out: String,
    pub(crate) err: String,
}

/// Runs the application with `arguments`, its file beside it.
#[track_caller]
pub(crate) fn run(name: &str, yaml: &str, arguments: &[&str]) -> Ran {
    let folder =
        std::env::temp_dir().join(format!("processpype-cli-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    std::fs::write(folder.join("demo.yaml"), yaml).expect("a file can be written");
    let line: Vec<&str> = ["demo"].into_iter().chain(arguments.iter().copied()).collect();
    let output = Command::new(std::env::current_exe().expect("it has a path"))
        .args(["--exact", "cli::child", "--nocapture", "--test-threads=1"])
        .env(ARGUMENTS, line.join("\n"))
        .env("COLUMNS", "100")
        .env_remove("RUST_BACKTRACE")
        .current_dir(&folder)
        .output()
        .expect("it can be run");
    let _ = std::fs::remove_dir_all(&folder);
    let all = String::from_utf8(output.stdout).expect("it is text");
    let (_, all) = all.split_once(BEGIN).expect("the child begins");
    let (out, rest) = all.split_once(END).expect("the child ends");
    let code = rest.lines().next().and_then(|line| line.parse().ok()).expect("a code");
    Ran { code, out: out.to_owned(), err: String::from_utf8(output.stderr).expect("it is text") }
}

/// Runs one verb and asserts its code, and that its answer is the golden one.
#[track_caller]
fn check(name: &str, yaml: &str, arguments: &[&str], code: u8) -> String {
    let ran = run(name, yaml, arguments);
    assert_eq!(ran.code, code, "{}{}", ran.out, ran.err);
    let is_answer = code == 0 || !ran.out.is_empty();
    let text = if is_answer { &ran.out } else { &ran.err };
    assert!(!text.contains("hunter2"), "{text}");
    assert_golden(&format!("cli/{name}"), text);
    text.clone()
}

const FILE: [&str; 2] = ["--config", "demo.yaml"];

fn with_file<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(FILE).collect()
}

#[test]
fn help_and_usage() {
    check("help.txt", GOOD, &["--help"], 0);
    let ran = run("usage", GOOD, &["paln"]);
    assert_eq!(ran.code, 64);
    assert!(ran.err.contains("'plan'"), "{}", ran.err);
    assert_eq!(run("no-verb", GOOD, &["--bogus"]).code, 64);
}

#[test]
fn plan_and_check() {
    check("plan.txt", GOOD, &with_file(&["plan"]), 0);
    let json = check("plan.json", GOOD, &with_file(&["plan", "--json"]), 0);
    let plan: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(plan["start"], serde_json::json!([["vault"], ["attic"], ["guard"]]));
    assert_eq!(plan["stop"], serde_json::json!([["guard"], ["attic"], ["vault"]]));
    check("check.txt", GOOD, &with_file(&["check"]), 0);
    check("check.json", GOOD, &with_file(&["check", "--json"]), 0);
}

#[test]
fn a_broken_file() {
    let broken = "services:\n  vault: {shelves: 10, passwrod: hunter2-hunter2}\n  \
                  guard: {depends_on: [gaurd]}\n";
    check("check-broken.txt", broken, &with_file(&["check"]), 78);
    let json = check("check-broken.json", broken, &with_file(&["check", "--json"]), 78);
    let answer: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(answer["ok"], false);
    for verb in ["run", "plan", "schema", "config", "openapi"] {
        assert_eq!(run(&format!("broken-{verb}"), broken, &with_file(&[verb])).code, 78, "{verb}");
    }
    let missing = run("missing", GOOD, &["check", "--config", "nowhere.yaml"]);
    assert_eq!(missing.code, 78);
    assert!(missing.err.contains("nowhere.yaml"), "{}", missing.err);
}

#[test]
fn config_shows_origins_and_masks_secrets() {
    let arguments = with_file(&["config", "--set", "services.attic.shelves=5"]);
    let text = check("config.txt", GOOD, &arguments, 0);
    assert!(text.contains("services.attic.shelves = 5"), "{text}");
    check("config.json", GOOD, &with_file(&["config", "--json"]), 0);
}

#[test]
fn schema_and_openapi() {
    let ran = run("schema", GOOD, &with_file(&["schema"]));
    assert_eq!(ran.code, 0, "{}", ran.err);
    let schema: serde_json::Value = serde_json::from_str(&ran.out).expect("it is JSON");
    assert_golden(
        "cli/schema-of-services.json",
        &format!("{:#}\n", schema["properties"]["services"]),
    );
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let openapi = run("openapi", GOOD, &with_file(&["openapi"]));
    assert_eq!(openapi.code, 0);
    let openapi: serde_json::Value = serde_json::from_str(&openapi.out).expect("it is JSON");
    assert_eq!(openapi["openapi"], "3.1.0");
    assert_eq!(openapi["info"]["title"], "Demo");
}

#[test]
fn every_exit_code_is_documented() {
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let table = docs.split("| Exit code | Cause | Restart it? |\n|---|---|---|\n").nth(1).unwrap();
    let rows = table.split("\n\n").next().unwrap().lines();
    let cells = rows.flat_map(|row| row.split('|').nth(1).unwrap().split(','));
    let codes: Vec<u8> = cells.map(|code| code.trim().parse().unwrap()).collect();
    let known: Vec<u8> = processpype::Exit::ALL.iter().map(|exit| exit.code()).collect();
    assert_eq!(codes, known);
}

/// The habit of `#[tokio::main]` is told what to do, not what tokio thinks of it.
#[tokio::test]
async fn inside_of_a_runtime_main_refuses_to_run() {
    let code = demo().main_with(["app", "check"]);
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(70)));
}
