//! One sample, in a process of its own: asked for, taken, and read.

use std::io::{self, Write};
use std::process::{Command, ExitCode, Stdio};

use crate::figure::{Failure, Figure, Meter, Outcome};
use crate::helpers::{self, Helper};
use crate::workload::{Ask, Workload};

/// The word that makes the program take one sample.
pub(crate) const SAMPLE: &str = "sample";

/// Takes the sample that `sample WORKLOAD CASE SUBJECT` names, and prints its figures.
///
/// `meter` reads what the program's allocator has counted, if it counts.
pub fn sample(arguments: impl Iterator<Item = String>, meter: Option<Meter>) -> ExitCode {
    match take(arguments, meter) {
        Ok(figures) => print(&figures),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "no sample: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn take(arguments: impl Iterator<Item = String>, meter: Option<Meter>) -> Outcome {
    let words: Vec<String> = arguments.skip_while(|word| word == SAMPLE).collect();
    let [workload, case, subject] = words.as_slice() else {
        return Err("expected WORKLOAD CASE SUBJECT".into());
    };
    let workload = Workload::named(workload).ok_or("no such workload")?;
    (workload.sample)(&Ask { case: case.clone(), subject: subject.clone(), meter })
}

fn print(figures: &[Figure]) -> ExitCode {
    let mut out = io::stdout().lock();
    let printed = figures.iter().try_for_each(|figure| writeln!(out, "{figure}"));
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Has one sample taken by a new process.
pub(crate) fn ask(workload: &Workload, case: &str, subject: &str) -> Outcome {
    let program = match workload.is_counted {
        true => helpers::path(Helper::Heap)?,
        false => std::env::current_exe()?,
    };
    let mut command = Command::new(program);
    command.args([SAMPLE, workload.name, case, subject]).env_remove("RUST_BACKTRACE");
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let last = text.trim().lines().last().unwrap_or("it said nothing").to_owned();
        return Err(Failure::from(last));
    }
    String::from_utf8(output.stdout)?.lines().map(str::parse).collect()
}
