//! The record of a measurement: every sample, and the machine, as JSON.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

use crate::figure::{Failure, median};
use crate::table::Row;

/// What was measured on what.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
}

/// Where it was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    kernel: String,
    compiler: String,
    has_peers: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    workload: &'a str,
    case: &'a str,
    subject: &'a str,
    metric: &'a str,
    unit: &'a str,
    median: f64,
    samples: Vec<f64>,
    to_floor: Option<f64>,
    beyond_floor: Option<f64>,
    best_peer: Option<&'a str>,
    to_best_peer: Option<f64>,
}

#[derive(Serialize)]
struct Whole<'a> {
    machine: &'a Machine,
    rows: Vec<Line<'a>>,
}

// === impl Machine ===

impl Machine {
    pub(crate) fn here() -> Self {
        let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = text.lines().find_map(|line| line.strip_prefix("model name"));
        let processor = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
        Self {
            processor: processor.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            kernel: first_line("uname", &["-sr"]),
            compiler: first_line("rustc", &["--version"]),
            has_peers: cfg!(feature = "peers"),
        }
    }
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or("unknown").to_owned()
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { processor, cores, kernel, compiler, has_peers } = self;
        let peers = if *has_peers { "peers beside" } else { "without peers" };
        write!(f, "{processor}, {cores} cores, {kernel}, {compiler}, {peers}")
    }
}

// === impl Record ===

impl Record {
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let line = |row| Line::of(row);
        let whole = Whole { machine: &self.machine, rows: self.rows.iter().map(line).collect() };
        fs::write(path, format!("{}\n", serde_json::to_string_pretty(&whole)?))?;
        Ok(())
    }
}

impl<'a> Line<'a> {
    fn of(row: &'a Row) -> Self {
        let samples = row.values();
        Self {
            workload: &row.workload,
            case: &row.case,
            subject: &row.subject,
            metric: &row.metric,
            unit: &row.unit,
            median: median(&samples),
            samples,
            to_floor: row.to_floor,
            beyond_floor: row.beyond_floor,
            best_peer: row.to_peer.as_ref().map(|(name, _)| name.as_str()),
            to_best_peer: row.to_peer.as_ref().map(|(_, ratio)| *ratio),
        }
    }
}
