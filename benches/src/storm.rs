//! W10: a thousand services in a crash loop: what it costs, and whether the control API still
//! answers.
//!
//! They wait a second after each crash, and the application's limit on restarts lets some of them
//! pass. Every one has more restarts than any sample sees, so that none is given up.

use std::time::{Duration, Instant};

use crate::figure::{Failure, Figure, Outcome, quantile};
use crate::server::{Server, services};
use crate::workload::{Ask, Case, OURS};

const SERVICES: usize = 1000;
const SETTLE: Duration = Duration::from_secs(3);
const TIME: Duration = Duration::from_secs(10);

/// How often the control API is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A thousand services to which nothing happens.
const CALM: &str = "processpype-calm";

/// As many restarts per second as there may be.
pub(crate) fn cases() -> Vec<Case> {
    ["100", "1000"].map(|rate| Case::new(rate, &[OURS, CALM])).to_vec()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let rate = ask.count()?;
    let kind = match ask.subject.as_str() {
        OURS => "crasher",
        CALM => "plain",
        _ => return ask.unknown(),
    };
    let mut server = Server::application(&format!(
        "app: {{restart_rate: {{per_second: {rate}, burst: {rate}}}}}\n\
         defaults: {{restart: {{max_restarts: 1000, within: 1s, \
         backoff: {{initial: 1s, max: 1s, jitter: 0}}}}}}\nservices:\n{}",
        services(kind, SERVICES)
    ))?;
    server.wait_for("/health/live")?;
    std::thread::sleep(SETTLE);
    let (before, used, begin) = (generations(&server)?, server.used()?, Instant::now());
    let mut times = ask_for(&server, kind)?;
    let (used, took) = (server.used()? - used, begin.elapsed());
    let restarts = generations(&server)? - before;
    if (restarts > 0) != (kind == "crasher") {
        return Err(format!("there were {restarts} restarts").into());
    }
    let seconds = took.as_secs_f64();
    Ok(vec![
        Figure::new("restarts", "1/s", restarts as f64 / seconds),
        Figure::new("of one core", "%", used.as_secs_f64() / seconds * 100.0),
        Figure::ms("control API median", Duration::from_secs_f64(quantile(&mut times, 0.5))),
        Figure::ms("control API p99", Duration::from_secs_f64(quantile(&mut times, 0.99))),
    ])
}

/// Asks for one service again and again; returns how long each answer took, in seconds.
fn ask_for(server: &Server, kind: &str) -> Result<Vec<f64>, Failure> {
    let (path, begin, mut times) = (format!("/services/{kind}5"), Instant::now(), Vec::new());
    while begin.elapsed() < TIME {
        let sent = Instant::now();
        if server.get(&path)?.status != 200 {
            return Err("the control API refuses".into());
        }
        times.push(sent.elapsed().as_secs_f64());
        std::thread::sleep(ASK_EVERY);
    }
    Ok(times)
}

/// How many generations there have been, over all services.
fn generations(server: &Server) -> Result<u64, Failure> {
    let all: serde_json::Value = serde_json::from_slice(&server.get("/services")?.body)?;
    let services = all["services"].as_array().ok_or("no services")?;
    Ok(services.iter().filter_map(|service| service["generation"].as_u64()).sum())
}
