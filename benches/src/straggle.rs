//! The end against the worst: services that ignore that they are asked to stop, and services that
//! block their thread.

use crate::figure::{Figure, Outcome};
use crate::server::{Server, services};
use crate::workload::{Ask, Case, OURS};

const IGNORING: usize = 192;
const BLOCKING: usize = 8;

/// The closing timeout, as `Server::application` sets it.
const DEADLINE_MS: f64 = 3000.0;

/// Stragglers were ended by force.
const EXIT_STRAGGLERS: i32 = 82;

pub(crate) fn cases() -> Vec<Case> {
    vec![Case::new("192 + 8", &[OURS])]
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let services = services("ignorer", IGNORING) + &services("blocker", BLOCKING);
    let mut server = match ask.subject.as_str() {
        OURS => Server::application(&format!("services:\n{services}"))?,
        _ => return ask.unknown(),
    };
    server.wait_for("/health/ready")?;
    let (time, status) = server.terminate()?;
    if status.code() != Some(EXIT_STRAGGLERS) {
        return Err(format!("it ended with {status}").into());
    }
    let over = time.as_secs_f64() * 1e3 - DEADLINE_MS;
    Ok(vec![Figure::ms("SIGTERM to exit", time), Figure::new("over the deadline", "ms", over)])
}
