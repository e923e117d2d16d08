//! A service that takes its time: to start, to answer and to stop.

use std::sync::Arc;

use axum::Json;
use axum::routing::get;
use processpype::config::HumanDuration;
use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use crate::status;

/// How long starting, answering and stopping take.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct SlowConfig {
    /// How long its start takes; a stop request cuts it short.
    start_delay: HumanDuration,
    /// How long the answer to `GET /services/{name}/work` takes.
    work_delay: HumanDuration,
    /// How long its stop takes.
    stop_delay: HumanDuration,
}

/// Starts, answers and stops slowly.
pub(crate) struct Slow {
    config: Config<SlowConfig>,
}

// === impl Slow ===

impl Slow {
    pub(crate) fn new(config: Config<SlowConfig>) -> Self {
        Self { config }
    }
}

impl Service for Slow {
    async fn start(&self, cx: &Context) -> Result {
        cx.sleep(self.config.start_delay.get()).await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        // Not `cx.sleep`: that ends at once in a service that has been asked to stop.
        tokio::time::sleep(self.config.stop_delay.get()).await;
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let work = async move || {
            // A stop does not cut it short: a request that has begun is finished.
            tokio::time::sleep(self.config.work_delay.get()).await;
            Json(json!({ "done": true }))
        };
        status::router().route("/work", get(work)).into()
    }
}
