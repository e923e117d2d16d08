//! A service that takes its time to start and to stop.

use std::sync::Arc;

use processpype::config::HumanDuration;
use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;

/// How long starting and stopping take.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct SlowConfig {
    /// How long its start takes; a stop request cuts it short.
    start_delay: HumanDuration,
    /// How long its stop takes.
    stop_delay: HumanDuration,
}

/// Starts and stops slowly.
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
        status::router().into()
    }
}
