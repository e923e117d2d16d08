//! W9: a large configuration, against a parser that only parses.

use std::fmt::Write as _;
use std::time::Instant;

use processpype::config::Format;
use processpype::{Application, Config, Service};
use processpype_config::Loader;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::figure::{Failure, Figure, Outcome};
use crate::workload::{Ask, Case, FLOOR};

const SERVICES: usize = 5000;

/// What each service is told.
#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "reading it is all that is done with it")]
struct WorkerConfig {
    /// Where it listens.
    host: String,
    /// On which port.
    port: u16,
    /// How often it looks, in seconds.
    interval: f64,
    /// Whether it says more.
    verbose: bool,
    /// What it works on.
    tags: Vec<String>,
}

struct Worker {
    _config: Config<WorkerConfig>,
}

impl Service for Worker {}

pub(crate) fn cases() -> Vec<Case> {
    let floor = cfg!(feature = "peers").then_some(FLOOR);
    let subjects: Vec<_> = floor.into_iter().chain(["load", "check"]).collect();
    vec![Case::new(SERVICES.to_string(), &subjects)]
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let text = text(ask.count()?);
    let begin = Instant::now();
    let services = match ask.subject.as_str() {
        #[cfg(feature = "peers")]
        FLOOR => saphyr(&text)?,
        "load" => load(text)?,
        "check" => check(text)?,
        _ => return ask.unknown(),
    };
    let time = begin.elapsed();
    match services == ask.count()? {
        true => Ok(vec![Figure::ms("read", time)]),
        false => Err(format!("{services} services were read").into()),
    }
}

/// One file, as its author would write it.
pub(crate) fn text(services: usize) -> String {
    let mut text = String::from("app: {title: Bench}\nservices:\n");
    for index in 0..services {
        let port = 1024 + index % 60_000;
        let _ = write!(
            text,
            "  worker_{index}:\n    kind: worker\n    host: host-{index}.example.org\n    \
             port: {port}\n    interval: 2.5\n    verbose: false\n    tags: [a, b-{index}]\n"
        );
    }
    text
}

/// Reads the same text into the same types with serde-saphyr.
#[cfg(feature = "peers")]
fn saphyr(text: &str) -> Result<usize, Failure> {
    use std::collections::BTreeMap;

    #[derive(Deserialize)]
    struct Whole {
        services: BTreeMap<String, Entry>,
    }

    #[derive(Deserialize)]
    struct Entry {
        kind: String,
        #[serde(flatten)]
        config: WorkerConfig,
    }

    // Its default bounds are for smaller files.
    let mut options = serde_saphyr::Options::default();
    options.budget = None;
    let whole: Whole = serde_saphyr::from_str_with_options(text, options)?;
    let is_whole = |entry: &&Entry| entry.kind == "worker" && entry.config.tags.len() == 2;
    Ok(whole.services.values().filter(is_whole).count())
}

/// The tree of the file, with the place of every value.
pub(crate) fn load(text: String) -> Result<usize, Failure> {
    let loader = Loader::new().text("bench.yaml", Format::Yaml, text).environment([]);
    let document = loader.load().map_err(|report| report.to_string())?;
    Ok(document.section(&["services"]).keys().len())
}

/// All that an application does before it runs: layers, schemas, types, names, graph.
fn check(text: String) -> Result<usize, Failure> {
    let services = text.matches("kind: worker").count();
    let kind = |config: Config<WorkerConfig>| Worker { _config: config };
    let app = Application::new().kind("worker", kind).environment([]);
    app.config_text("bench.yaml", Format::Yaml, text).check()?;
    Ok(services)
}
