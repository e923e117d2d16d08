//! `retention`: deletes samples that are older than configured.
//!
//! # Invariants
//!
//! 1. One transaction deletes at most [`BATCH`] values, so that no sample waits long for its turn.
//! 2. One round has at most [`MAX_BATCHES`]; what is left waits for the next round.

use processpype::{Config, Context, Dep, Result, Service};

use crate::settings::RetentionConfig;
use crate::{Store, Time};

/// Values of one transaction: some ten milliseconds of writing.
const BATCH: usize = 5_000;

/// Transactions of one round.
const MAX_BATCHES: usize = 1_000;

/// The service.
#[derive(Debug)]
pub struct Retention {
    config: Config<RetentionConfig>,
    store: Dep<Store>,
}

// === impl Retention ===

impl Retention {
    /// Takes the configuration and the store.
    #[must_use]
    pub fn new(config: Config<RetentionConfig>, store: Dep<Store>) -> Self {
        Self { config, store }
    }

    /// Deletes what is too old `now`, until asked to stop, and returns how many values.
    async fn round(&self, cx: &Context, now: Time) -> Result<usize> {
        let cutoff = now.minus(self.config.keep.get());
        let mut deleted = 0;
        for _ in 0..MAX_BATCHES {
            let store = self.store.get()?;
            let batch = store.delete_before(cutoff, BATCH);
            let Some(batch) = cx.until_stopped(batch).await else { break };
            let batch = batch?;
            deleted += batch;
            if batch < BATCH {
                break;
            }
        }
        Ok(deleted)
    }
}

impl Service for Retention {
    async fn run(&self, cx: &Context) -> Result {
        while cx.sleep(self.config.every.get()).await {
            match self.round(cx, Time::now()).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old values deleted"),
                // The next round deletes what this one could not.
                Err(error) => tracing::warn!(error = error.chain(), "old values are not deleted"),
            }
        }
        Ok(())
    }
}
