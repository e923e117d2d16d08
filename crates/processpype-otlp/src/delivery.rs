//! Whether what is sent arrives, counted and told.
//!
//! # Invariants
//!
//! 1. A collector that takes nothing is told of once, and once more when it takes again.
//! 2. What is told is not exported: the exporter's thread is known to the SDK.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use opentelemetry_sdk::error::OTelSdkResult;
use processpype_telemetry::Exported;

/// How many spans, and how many lines, may be on their way; OpenTelemetry's own default.
pub const QUEUE_MAX: usize = 2048;

/// How many are delivered at a time; OpenTelemetry's own default.
pub(crate) const BATCH_MAX: usize = 512;

/// The fate of one signal.
#[derive(Clone, Debug)]
pub(crate) struct Delivery(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exported: Arc<Exported>,
    /// The last delivery has failed.
    is_down: AtomicBool,
}

// === impl Delivery ===

impl Delivery {
    pub(crate) fn of(signal: &'static str) -> Self {
        let exported = Arc::new(Exported::new(signal, QUEUE_MAX as u64));
        Self(Arc::new(Inner { exported, is_down: AtomicBool::new(false) }))
    }

    pub(crate) fn exported(&self) -> &Arc<Exported> {
        &self.0.exported
    }

    /// Whether there is room for one more.
    pub(crate) fn admit(&self) -> bool {
        self.0.exported.admit()
    }

    /// Notes how a delivery of `count` has ended.
    pub(crate) fn note(&self, count: usize, result: &OTelSdkResult) {
        let Inner { exported, is_down } = &*self.0;
        let signal = exported.signal();
        match result {
            Ok(()) => {
                exported.deliver(count as u64);
                if is_down.swap(false, Relaxed) {
                    let lost = exported.lost();
                    tracing::info!(
                        target: "processpype", signal, lost,
                        "the collector takes {signal} again; {lost} were lost so far"
                    );
                }
            }
            Err(error) => {
                exported.lose(count as u64);
                if !is_down.swap(true, Relaxed) {
                    tracing::warn!(
                        target: "processpype", signal,
                        "the collector does not take {signal}: {error}; what is not delivered is \
                         lost and counted, and the application goes on"
                    );
                }
            }
        }
    }
}
