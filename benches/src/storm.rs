//! W10: a thousand services in a crash loop: what it costs, and whether the control API still
//! answers.
//!
//! They wait a second after each crash, and the application's limit on restarts lets some of them
//! pass. Every one has more restarts than any sample sees, so that none is given up. The floor has
//! as many restarts, but each by itself: of as few services as it takes, at different times, with
//! no limit in their way. That is what the restarts cost; what a thousand take beyond it is the
//! cost of the crowd, of who waits for a turn.

use std::time::{Duration, Instant};

use crate::figure::{Failure, Figure, Outcome, quantile};
use crate::server::{Server, services};
use crate::workload::{Ask, Case, FLOOR, OURS};

const SERVICES: usize = 1000;
const SETTLE: Duration = Duration::from_secs(3);
const TIME: Duration = Duration::from_secs(10);
const TIME_QUICK: Duration = Duration::from_secs(5);

/// No limit that anybody reaches.
const NO_LIMIT: usize = 10_000;

/// How often the control API is asked.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// A thousand services to which nothing happens.
const CALM: &str = "processpype-calm";

/// As many restarts per second as there may be.
pub(crate) fn cases() -> Vec<Case> {
    ["100", "1000"].map(|rate| Case::new(rate, &[FLOOR, OURS, CALM])).to_vec()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let rate = ask.count()?;
    let (crashing, limit, jitter) = match ask.subject.as_str() {
        // From half a second to a whole one, so each crashes four times in three seconds.
        FLOOR => (rate * 3 / 4, NO_LIMIT, 0.5),
        OURS => (SERVICES, rate, 0.0),
        CALM => (0, rate, 0.0),
        _ => return ask.unknown(),
    };
    let mut server = Server::application(&format!(
        "app: {{restart_rate: {{per_second: {limit}, burst: {limit}}}}}\n\
         defaults: {{restart: {{max_restarts: 1000, within: 100ms, \
         backoff: {{initial: 1s, max: 1s, jitter: {jitter}}}}}}}\nservices:\n{}{}",
        services("crasher", crashing),
        services("plain", SERVICES - crashing)
    ))?;
    server.wait_for("/health/live")?;
    std::thread::sleep(SETTLE);
    let (before, used, begin) = (generations(&server)?, server.used()?, Instant::now());
    let kind = if crashing > 0 { "crasher" } else { "plain" };
    let mut times = ask_for(&server, kind, ask.either(TIME, TIME_QUICK))?;
    let (used, took) = (server.used()? - used, begin.elapsed());
    let restarts = generations(&server)? - before;
    if (restarts > 0) != (crashing > 0) {
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
fn ask_for(server: &Server, kind: &str, time: Duration) -> Result<Vec<f64>, Failure> {
    let (path, begin, mut times) = (format!("/services/{kind}5"), Instant::now(), Vec::new());
    while begin.elapsed() < time {
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
