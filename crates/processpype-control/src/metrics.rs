//! `GET /metrics`: all numbers at one moment.
//!
//! # Invariants
//!
//! 1. A scrape reads snapshots and atomics: it asks the supervisor nothing. The thread, which may
//!    be the supervisor's too, is given up after every [`SLICE`] services.
//! 2. The framework's families are exactly [`Metric::ALL`]; those of services come after them, each
//!    name once, whichever services have it.
//! 3. One scrape at a time; more wait for a bounded time and are then refused as busy.

mod families;
pub(crate) mod process;
mod services;

use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;
use axum::response::Response;
use processpype_api::{Code, Exposition, ExpositionFormat, Metric, Problem};
use tokio::time::timeout;

use crate::reply;
use crate::server::Control;

use self::families::Scrape;

/// How many services are written before other tasks of the thread have their turn.
const SLICE: usize = 64;

/// How long a scrape waits for the one before it.
const WAIT: Duration = Duration::from_secs(5);

/// Answers with all metrics.
pub(crate) async fn respond(control: &Control, headers: &HeaderMap) -> Result<Response, Problem> {
    let turn = timeout(WAIT, control.scrapes.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        let detail = "another scrape is going on";
        return Err(Problem::new(Code::Busy, detail).retry_after(WAIT.as_secs()));
    };
    let accept: Vec<&str> =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = ExpositionFormat::accepted(&accept.join(","));
    let text = exposition(control, format).await;
    Ok(reply::file(format.media(), text.into()))
}

async fn exposition(control: &Control, format: ExpositionFormat) -> String {
    let scrape = Scrape::take(control);
    tokio::task::yield_now().await;
    let mut text = Exposition::new(format);
    for metric in Metric::ALL {
        text.family(metric.name, metric.kind, metric.help);
        for slice in scrape.slices(metric) {
            scrape.write(metric, slice, &mut text);
            tokio::task::yield_now().await;
        }
    }
    services::write(control, &mut text).await;
    text.finish()
}
