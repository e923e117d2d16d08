//! W5: the process: from exec to the first answer, from SIGTERM to its exit, its size, and what it
//! does when there is nothing to do.

use std::fs;
use std::time::{Duration, Instant};

use crate::figure::{Failure, Figure, Outcome, quantile};
use crate::helpers::{self, Helper};
use crate::server::{Server, services};
use crate::workload::{Ask, Case, FLOOR, OURS};

/// Starts in one sample: five samples have the hundred that a median is taken of.
const STARTS: usize = 20;

/// How long a process is left alone.
const IDLE: Duration = Duration::from_secs(60);

/// What a process does after its start, before it is left alone.
const SETTLE: Duration = Duration::from_secs(2);

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("3 services", &[FLOOR, OURS])]
}

pub(crate) fn idle_cases() -> Vec<Case> {
    vec![Case::new("60 s", &[FLOOR, OURS])]
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let (mut first, mut exit) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begin = Instant::now();
        let mut server = server(&ask.subject)?;
        server.wait_for("/")?;
        first.push(begin.elapsed().as_secs_f64());
        let (time, status) = server.terminate()?;
        if !status.success() {
            return Err(format!("it ended with {status}").into());
        }
        exit.push(time.as_secs_f64());
    }
    let helper = if ask.subject == FLOOR { Helper::Axum } else { Helper::Application };
    let size = fs::metadata(helpers::path(helper)?)?.len();
    Ok(vec![
        Figure::ms("exec to first 200", Duration::from_secs_f64(quantile(&mut first, 0.5))),
        Figure::ms("SIGTERM to exit", Duration::from_secs_f64(quantile(&mut exit, 0.5))),
        Figure::new("binary", "MB", size as f64 / 1e6),
    ])
}

/// The memory and the context switches of a process that nobody asks anything.
pub(crate) fn sample_idle(ask: &Ask) -> Outcome {
    let mut server = server(&ask.subject)?;
    server.wait_for("/")?;
    std::thread::sleep(SETTLE);
    let (before, used) = (server.switches()?, server.used()?);
    std::thread::sleep(IDLE);
    let (switches, used) = (server.switches()? - before, server.used()? - used);
    let (resident, own) = server.memory()?;
    Ok(vec![
        Figure::new("context switches", "", switches as f64),
        Figure::ms("processor", used),
        Figure::new("resident", "KiB", resident),
        Figure::new("proportional", "KiB", own),
    ])
}

fn server(subject: &str) -> Result<Server, Failure> {
    match subject {
        FLOOR => Server::axum(b"{}"),
        OURS => Server::application(&format!("services:\n{}", services("plain", 3))),
        _ => Err("nobody has this name".into()),
    }
}
