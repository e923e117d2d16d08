//! A service that cannot do without another one: it reads a ticker, and ends when there is none.

use std::sync::Arc;

use processpype::{Config, Context, Dep, Result, Routes, Service};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::status;
use crate::ticker::{Interval, Ticker};

/// How often a reader reads.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ReaderConfig {
    /// The time between two reads, such as `500ms`.
    interval: Interval,
}

/// Reads the one ticker of the application at an interval, and shows what it has read in its
/// metadata. It passes on that the ticker is unavailable, which ends it as of kind `dependency`.
pub(crate) struct Reader {
    config: Config<ReaderConfig>,
    ticker: Dep<Ticker>,
}

// === impl Reader ===

impl Reader {
    pub(crate) fn new(config: Config<ReaderConfig>, ticker: Dep<Ticker>) -> Self {
        Self { config, ticker }
    }
}

impl Service for Reader {
    async fn run(&self, cx: &Context) -> Result {
        while cx.sleep(self.config.interval.get()).await {
            let read = self.ticker.get()?.ticks();
            cx.set_metadata("read", read.to_string());
        }
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}
