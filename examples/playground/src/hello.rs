//! The smallest service that shows itself: it greets and waits to be stopped.

use std::sync::Arc;

use processpype::{Context, Result, Routes, Service};

use crate::status;

/// Greets once, then runs until it is asked to stop.
pub(crate) struct Hello;

// === impl Hello ===

impl Hello {
    pub(crate) fn new() -> Self {
        Self
    }
}

impl Service for Hello {
    async fn start(&self, cx: &Context) -> Result {
        tracing::info!("hello from {}", cx.name());
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        status::router().into()
    }
}
