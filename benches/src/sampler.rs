//! One sample, in a process of its own: asked for, taken, and read.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::figure::{Failure, Figure, Meter, Outcome};
use crate::helpers::{self, Helper};
use crate::workload::{Ask, Workload};

/// The word that makes the program take one sample.
pub(crate) const SAMPLE: &str = "sample";

/// The word after it that makes the sample a short one.
const QUICK: &str = "--quick";

/// Takes the sample that `sample WORKLOAD CASE SUBJECT [--quick]` names, and prints its figures.
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
    let mut words: Vec<String> = arguments.skip_while(|word| word == SAMPLE).collect();
    let is_quick = words.pop_if(|word| word == QUICK).is_some();
    let [workload, case, subject] = words.as_slice() else {
        return Err("expected WORKLOAD CASE SUBJECT".into());
    };
    let workload = Workload::named(workload).ok_or("no such workload")?;
    (workload.sample)(&Ask { case: case.clone(), subject: subject.clone(), meter, is_quick })
}

fn print(figures: &[Figure]) -> ExitCode {
    let mut out = io::stdout().lock();
    let printed = figures.iter().try_for_each(|figure| writeln!(out, "{figure}"));
    if printed.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Has one sample taken by a new process.
pub(crate) fn ask(workload: &Workload, case: &str, subject: &str, is_quick: bool) -> Outcome {
    let program = match workload.is_counted {
        true => helpers::path(Helper::Heap)?,
        false => std::env::current_exe()?,
    };
    let mut command = Command::new(program);
    command.args([SAMPLE, workload.name, case, subject]).args(is_quick.then_some(QUICK));
    command.env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own, so that one that is given up takes the servers that it started with it.
    let mut child = command.process_group(0).spawn()?;
    let until = Instant::now() + workload.time_max;
    let out = read_beside(child.stdout.take());
    let err = read_beside(child.stderr.take());
    let (Some(out), Some(err)) = (text_by(&out, until), text_by(&err, until)) else {
        give_up(&mut child);
        return Err(format!("no sample within {:?}", workload.time_max).into());
    };
    if !child.wait()?.success() {
        let last = err.trim().lines().last().unwrap_or("it said nothing");
        return Err(Failure::from(last.to_owned()));
    }
    out.lines().map(str::parse).collect()
}

/// Reads a pipe to its end on a thread of its own, which may take for ever.
fn read_beside(pipe: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, text) = sync_channel(1);
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    text
}

fn text_by(text: &Receiver<String>, until: Instant) -> Option<String> {
    let left: Duration = until.saturating_duration_since(Instant::now());
    text.recv_timeout(left).ok()
}

fn give_up(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.wait();
}
