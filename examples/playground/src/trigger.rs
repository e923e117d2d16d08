//! A crowd that fails at one moment: a trigger, and victims that panic when it is pulled.

use std::sync::Arc;

use axum::Json;
use axum::routing::post;
use processpype::{Context, Dep, Result, Routes, Service};
use serde_json::json;
use tokio::sync::watch;

use crate::status;

/// `POST /services/{name}/pull` makes every running victim panic at once.
pub(crate) struct Trigger {
    pulled: watch::Sender<u64>,
}

/// Panics when its trigger is pulled while it runs; its next generation waits for the next pull.
pub(crate) struct Victim {
    trigger: Dep<Trigger>,
}

// === impl Trigger ===

impl Trigger {
    pub(crate) fn new(_: Context) -> Self {
        Self { pulled: watch::Sender::new(0) }
    }

    /// Returns how many running victims there are to hear it.
    fn pull(&self) -> usize {
        // Counted before: they are gone soon.
        let victims = self.pulled.receiver_count();
        self.pulled.send_modify(|pulls| *pulls += 1);
        victims
    }
}

impl Service for Trigger {
    fn routes(self: Arc<Self>) -> Routes {
        let pull = async move || Json(json!({ "victims": self.pull() }));
        status::router().route("/pull", post(pull)).into()
    }
}

// === impl Victim ===

impl Victim {
    pub(crate) fn new(trigger: Dep<Trigger>) -> Self {
        Self { trigger }
    }
}

impl Service for Victim {
    #[allow(clippy::panic, reason = "a service that panics is what this kind is for")]
    async fn run(&self, cx: &Context) -> Result {
        let mut pulled = self.trigger.get()?.pulled.subscribe();
        match cx.until_stopped(pulled.changed()).await {
            Some(Ok(())) => panic!("the trigger was pulled"),
            // The trigger has a new generation, which knows nothing of this receiver.
            Some(Err(error)) => Err(error.into()),
            None => Ok(()),
        }
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}
