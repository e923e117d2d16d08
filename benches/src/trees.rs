//! W11: what a small application costs to build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::figure::{Failure, Figure, Outcome};
use crate::workload::{Ask, Case, FLOOR, OURS};

const HOUSE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A clock tick of `/proc`.
const TICK: Duration = Duration::from_millis(10);

const FLOOR_NEEDS: &str = r#"
axum = "0.8"
serde = { version = "1", features = ["derive"] }
tokio = { version = "1", features = ["rt-multi-thread", "macros", "signal", "net"] }
tracing = "0.1"
tracing-subscriber = "0.3"
"#;

const FLOOR_CODE: &str = r#"
#[derive(serde::Serialize)]
struct Value { value: u64 }

#[tokio::main]
async fn main() -> std::io::Result<()> {
    tracing_subscriber::fmt().init();
    let value = async || axum::Json(Value { value: 1 });
    let router = axum::Router::new().route("/value", axum::routing::get(value));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, router).await
}
"#;

const OUR_CODE: &str = r#"
use processpype::{Application, Config, Service};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct CounterConfig {
    /// Added per tick.
    step: u64,
}

struct Counter { _step: u64 }

impl Service for Counter {}

fn main() -> std::process::ExitCode {
    let counter = |config: Config<CounterConfig>| Counter { _step: config.step };
    Application::new().service(counter).main()
}
"#;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("debug, one job", &[FLOOR, OURS])]
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let (needs, code) = match ask.subject.as_str() {
        FLOOR => (FLOOR_NEEDS.to_owned(), FLOOR_CODE),
        OURS => (our_needs(), OUR_CODE),
        _ => return ask.unknown(),
    };
    let project = Project::new(&needs, code)?;
    // What the network takes is not what building takes.
    project.cargo(&["fetch"])?;
    let before = used_by_children()?;
    let told = project.cargo(&["build", "-j1", "--offline"])?;
    let used = used_by_children()? - before;
    let crates = told.lines().filter(|line| line.trim_start().starts_with("Compiling")).count();
    Ok(vec![
        Figure::new("crates", "", crates as f64),
        Figure::new("processor", "s", used.as_secs_f64()),
    ])
}

fn our_needs() -> String {
    format!(
        "processpype = {{ path = \"{HOUSE}/crates/processpype\" }}\n\
         schemars = \"1\"\nserde = {{ version = \"1\", features = [\"derive\"] }}\n"
    )
}

/// A project in a directory of its own.
#[derive(Debug)]
struct Project(PathBuf);

impl Project {
    fn new(needs: &str, code: &str) -> Result<Self, Failure> {
        let name = format!("processpype-bench-tree-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("src"))?;
        let manifest = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        let manifest = format!("{manifest}\n[workspace]\n\n[dependencies]\n{needs}");
        fs::write(path.join("Cargo.toml"), manifest)?;
        fs::write(path.join("src/main.rs"), code)?;
        // The same versions as here.
        fs::copy(Path::new(HOUSE).join("Cargo.lock"), path.join("Cargo.lock"))?;
        Ok(Self(path))
    }

    /// Returns what cargo tells.
    fn cargo(&self, arguments: &[&str]) -> Result<String, Failure> {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut cargo = Command::new(program);
        cargo.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        cargo.env("CARGO_TARGET_DIR", self.0.join("target")).env("CARGO_INCREMENTAL", "0");
        let output = cargo.output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() { Ok(told) } else { Err(told.into()) }
    }
}

impl Drop for Project {
    /// Nothing of it is kept.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The time of processors that ended children of this process have used.
fn used_by_children() -> Result<Duration, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let rest = stat.rsplit_once(')').ok_or("no process")?.1;
    let ticks = rest.split_whitespace().skip(13).take(2).map(str::parse::<u32>);
    Ok(TICK * ticks.sum::<Result<u32, _>>()?)
}
