//! The command line: which workloads, how many runs, where the record goes.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use crate::figure::Failure;
use crate::record::{Machine, Record};
use crate::sampler::{self, SAMPLE};
use crate::table::{Row, print_rows};
use crate::workload::{Case, WORKLOADS, Workload};
use crate::{elsewhere, helpers, instructions};

const USAGE: &str = "\
usage: processpype-bench [WORKLOAD… | all] [--without WORKLOAD]… [--quick] [--runs N]
                         [--json FILE] [--case NAME]
       processpype-bench instructions [--update]

Runs are rounded up to an odd number. `--quick` takes fewer and shorter samples. With the
feature `peers`, peers run beside.";

const EXIT_USAGE: u8 = 64;

/// Runs unless told otherwise: enough for a median that one disturbed run does not move.
const RUNS: usize = 5;

/// The same for `--quick`.
const RUNS_QUICK: usize = 3;

/// What is asked for.
#[derive(Debug, Default)]
struct Request {
    workloads: Vec<&'static Workload>,
    runs: Option<usize>,
    json: Option<PathBuf>,
    case: Option<String>,
    is_quick: bool,
}

/// Runs the program with the arguments of the command line.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let words: Vec<String> = arguments.collect();
    let done = match words.first().map(String::as_str) {
        Some(SAMPLE) => return sampler::sample(words.into_iter(), None),
        Some("instructions") => instructions::run(&words[1..]),
        Some("hot") => instructions::run_hot(&words[1..]),
        _ => match Request::parse(words) {
            Some(request) => request.run(),
            None => {
                let _ = writeln!(io::stderr(), "{USAGE}\n\n{}", list());
                return ExitCode::from(EXIT_USAGE);
            }
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> String {
    let line = |workload: &Workload| format!("{:10} {}\n", workload.name, workload.about);
    WORKLOADS.iter().map(line).collect()
}

// === impl Request ===

impl Request {
    fn parse(words: Vec<String>) -> Option<Self> {
        let mut request = Self::default();
        let mut without = Vec::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => request.is_quick = true,
                "--without" => without.push(words.next()?),
                "--runs" => request.runs = Some(words.next()?.parse().ok()?),
                "--json" => request.json = Some(words.next()?.into()),
                "--case" => request.case = Some(words.next()?),
                name => {
                    let meant = WORKLOADS.iter().filter(|workload| workload.is_meant(name));
                    let before = request.workloads.len();
                    request.workloads.extend(meant);
                    if request.workloads.len() == before {
                        return None;
                    }
                }
            }
        }
        request.workloads.retain(|workload| !without.iter().any(|word| workload.is_meant(word)));
        (!request.workloads.is_empty()).then_some(request)
    }

    /// Returns whether every sample could be taken.
    fn run(self) -> Result<bool, Failure> {
        let mut out = io::stdout();
        let machine = Machine::here();
        writeln!(out, "{machine}\n")?;
        let mut rows = Vec::new();
        let mut is_whole = true;
        for workload in &self.workloads {
            for helper in workload.helpers {
                helpers::build(*helper)?;
            }
            writeln!(out, "{}: {}", workload.name, workload.about)?;
            elsewhere::say(&mut out, workload.name)?;
            let wanted = |case: &Case| self.case.as_ref().is_none_or(|name| *name == case.name);
            for case in (workload.cases)().into_iter().filter(wanted) {
                let (new, whole) = self.measure(workload, &case)?;
                is_whole &= whole;
                print_rows(&mut out, &new)?;
                rows.extend(new);
            }
            writeln!(out)?;
        }
        if let Some(path) = &self.json {
            Record { machine, rows }.write(path)?;
        }
        Ok(is_whole)
    }

    /// Takes a sample of each subject in turn, as often as there are runs.
    fn measure(&self, workload: &Workload, case: &Case) -> Result<(Vec<Row>, bool), Failure> {
        let mut rows: Vec<Row> = Vec::new();
        let mut is_whole = true;
        for run in 0..self.runs_of(workload) {
            for subject in &case.subjects {
                match sampler::ask(workload, &case.name, subject, self.is_quick) {
                    Ok(figures) => {
                        for figure in figures {
                            Row::take(&mut rows, workload.name, &case.name, subject, run, figure);
                        }
                    }
                    Err(failure) => {
                        is_whole = false;
                        let (name, case) = (workload.name, &case.name);
                        writeln!(io::stderr(), "{name} {case} {subject}: {failure}")?;
                    }
                }
            }
        }
        Row::compare(&mut rows);
        Ok((rows, is_whole))
    }

    fn runs_of(&self, workload: &Workload) -> usize {
        let (usual, most) = match self.is_quick {
            true => (RUNS_QUICK, workload.runs_max_quick),
            false => (RUNS, workload.runs_max),
        };
        // An even number has no run in the middle.
        self.runs.unwrap_or(usual).min(most) | 1
    }
}
