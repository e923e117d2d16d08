//! A service that opens every file it can get.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use processpype::{Context, Result, Routes, Service};
use serde_json::{Value, json};

use crate::status;

/// How often it looks whether there is one more.
const GRASP: Duration = Duration::from_millis(1);

/// Leaks file descriptors from the moment it is told to.
#[derive(Default)]
pub(crate) struct Hoarder {
    is_greedy: AtomicBool,
}

// === impl Hoarder ===

impl Hoarder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    async fn take(self: Arc<Self>) -> Json<Value> {
        self.is_greedy.store(true, Relaxed);
        Json(json!({ "greedy": true }))
    }
}

impl Service for Hoarder {
    async fn run(&self, cx: &Context) -> Result {
        let mut hoard = Vec::new();
        while cx.sleep(GRASP).await {
            while self.is_greedy.load(Relaxed)
                && let Ok(file) = File::open("/dev/null")
            {
                hoard.push(file);
            }
        }
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let take: Router = Router::new().route("/take", post(move || Arc::clone(&self).take()));
        status::router().merge(take).into()
    }
}
