//! A service that does not stop when it is asked to.

use std::sync::Arc;
use std::time::Duration;

use processpype::{Config, Context, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;

/// How long the blocked thread sleeps before it goes back to sleep.
const NAP: Duration = Duration::from_secs(3600);

/// In which way it is stubborn.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct StubbornConfig {
    /// What it does in place of stopping.
    mode: Mode,
}

/// A way not to stop.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Mode {
    /// Its `run` goes on as if nobody had asked. The supervisor can drop it, and does so at its
    /// deadline.
    IgnoreStop,
    /// From the moment it runs it sleeps on its worker thread and never gives it back. Nothing can
    /// end that but the end of the process.
    BlockThread,
}

/// Runs for ever, whatever is asked of it.
pub(crate) struct Stubborn {
    config: Config<StubbornConfig>,
}

// === impl Stubborn ===

impl Stubborn {
    pub(crate) fn new(config: Config<StubbornConfig>) -> Self {
        Self { config }
    }
}

impl Service for Stubborn {
    async fn run(&self, _: &Context) -> Result {
        match self.config.mode {
            Mode::IgnoreStop => std::future::pending().await,
            Mode::BlockThread => block_thread(),
        }
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}

fn block_thread() -> ! {
    loop {
        std::thread::sleep(NAP);
    }
}
