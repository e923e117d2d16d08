//! A service with a loop: it counts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Json;
use axum::routing::get;
use processpype::config::HumanDuration;
use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::status;

/// How often a ticker counts.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct TickerConfig {
    /// The time between two ticks, such as `500ms`.
    interval: Interval,
}

/// A span of time that is longer than nothing: a loop without a pause would eat a core.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(try_from = "HumanDuration")]
#[schemars(with = "HumanDuration")]
pub(crate) struct Interval(Duration);

/// The interval is zero.
#[derive(Debug)]
pub(crate) struct NoInterval;

/// Counts at an interval; `GET /services/{name}/ticks` tells how far, and so does its log at
/// `debug`. Each generation begins at 0.
pub(crate) struct Ticker {
    config: Config<TickerConfig>,
    ticks: AtomicU64,
}

// === impl Ticker ===

impl Ticker {
    pub(crate) fn new(config: Config<TickerConfig>) -> Self {
        Self { config, ticks: AtomicU64::new(0) }
    }

    /// Returns how far this generation has counted.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Relaxed)
    }
}

impl Service for Ticker {
    async fn run(&self, cx: &Context) -> Result {
        while cx.sleep(self.config.interval.get()).await {
            let ticks = self.ticks.fetch_add(1, Relaxed) + 1;
            tracing::debug!(ticks, "tick");
        }
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let ticks = async move || Json(json!({ "ticks": self.ticks() }));
        status::router().route("/ticks", get(ticks)).into()
    }
}

// === impl Interval ===

impl Interval {
    pub(crate) fn get(self) -> Duration {
        self.0
    }
}

impl TryFrom<HumanDuration> for Interval {
    type Error = NoInterval;

    fn try_from(duration: HumanDuration) -> std::result::Result<Self, NoInterval> {
        if duration.is_zero() { Err(NoInterval) } else { Ok(Self(duration.get())) }
    }
}

// === impl NoInterval ===

impl fmt::Display for NoInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an interval must be longer than 0")
    }
}
