//! A service that hangs on purpose: it stops beating, or blocks its thread for a while.

use std::sync::Arc;
use std::time::Duration;

use processpype::config::HumanDuration;
use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use crate::status;

/// How often it beats when nothing else is said.
const BEAT: Duration = Duration::from_millis(100);

/// When and how it hangs. Durations count from the moment a generation runs.
#[derive(Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct HangsConfig {
    /// How often it beats.
    beat_every: HumanDuration,
    /// When a generation stops beating. It waits from then on, and still ends when it is asked to.
    silent_after: Option<HumanDuration>,
    /// When a generation blocks its thread.
    block_after: Option<HumanDuration>,
    /// How long it blocks its thread.
    block_for: HumanDuration,
    /// After how many generations it is healed: every later one behaves. Without it, it never
    /// heals.
    heal_after: Option<u64>,
}

/// Beats, until it is told to hang.
pub(crate) struct Hangs {
    config: Config<HangsConfig>,
}

// === impl HangsConfig ===

impl Default for HangsConfig {
    fn default() -> Self {
        Self {
            beat_every: BEAT.into(),
            silent_after: None,
            block_after: None,
            block_for: HumanDuration::default(),
            heal_after: None,
        }
    }
}

impl HangsConfig {
    fn is_healed(&self, generation: u64) -> bool {
        self.heal_after.is_some_and(|heal_after| generation > heal_after)
    }
}

// === impl Hangs ===

impl Hangs {
    pub(crate) fn new(config: Config<HangsConfig>) -> Self {
        Self { config }
    }
}

impl Service for Hangs {
    async fn run(&self, cx: &Context) -> Result {
        let config = &self.config;
        let hangs = !config.is_healed(cx.generation().0);
        let mut block_after = config.block_after.filter(|_| hangs);
        let began = Instant::now();
        let is_over = |time: Option<HumanDuration>| time.is_some_and(|it| began.elapsed() >= *it);
        while cx.sleep(config.beat_every.get()).await {
            if hangs && is_over(config.silent_after) {
                cx.stopping().await;
                return Ok(());
            }
            if is_over(block_after) {
                block_after = None;
                std::thread::sleep(config.block_for.get());
            }
            cx.beat();
        }
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}
