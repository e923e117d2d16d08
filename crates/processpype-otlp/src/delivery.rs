//! Whether what is sent arrives, counted and told.
//!
//! # Invariants
//!
//! 1. What was admitted is delivered or counted as lost, also if the exporter panics, and at the
//!    end.
//! 2. A collector that takes nothing is told of once, and once more when it takes again; at most
//!    one such pair in [`QUIET`], however often it comes and goes.
//! 3. What is told is not exported: the exporter's threads are known to the SDK.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use processpype_telemetry::Exported;

use crate::client::Report;
use crate::settings::Settings;

/// How many spans, and how many lines, may be on their way; OpenTelemetry's own default.
pub const QUEUE_MAX: usize = 2048;

/// How many are delivered at a time; OpenTelemetry's own default.
pub(crate) const BATCH_MAX: usize = 512;

/// How long after a failure was told the next one is not.
const QUIET: Duration = Duration::from_secs(60);

/// The fate of one signal.
#[derive(Clone, Debug)]
pub(crate) struct Delivery(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    exported: Arc<Exported>,
    endpoint: String,
    report: Report,
    /// How many found no room, and were not told of.
    refused: AtomicU64,
    outage: Mutex<Outage>,
}

#[derive(Debug, Default)]
struct Outage {
    told_at: Option<Instant>,
    /// It was told, and its end not yet.
    is_told: bool,
}

// === impl Delivery ===

impl Delivery {
    pub(crate) fn of(signal: &'static str, settings: &Settings) -> Self {
        Self(Arc::new(Inner {
            exported: Arc::new(Exported::new(signal, QUEUE_MAX as u64)),
            endpoint: settings.endpoint.clone(),
            report: Report::new(settings.timeout),
            refused: AtomicU64::new(0),
            outage: Mutex::default(),
        }))
    }

    pub(crate) fn exported(&self) -> &Arc<Exported> {
        &self.0.exported
    }

    pub(crate) fn report(&self) -> Report {
        self.0.report.clone()
    }

    /// Whether there is room for one more. It tells nobody: it is called within `tracing`.
    pub(crate) fn admit(&self) -> bool {
        let is_admitted = self.0.exported.admit();
        if !is_admitted {
            self.0.refused.fetch_add(1, Relaxed);
        }
        is_admitted
    }

    /// Delivers `count`, and notes how that ended.
    pub(crate) async fn deliver(
        &self,
        count: usize,
        export: impl Future<Output = OTelSdkResult>,
    ) -> OTelSdkResult {
        self.0.report.begin();
        let result = AssertUnwindSafe(export).catch_unwind().await;
        let panicked = |_| Err(OTelSdkError::InternalFailure("the exporter panicked".to_owned()));
        let result = result.unwrap_or_else(panicked);
        self.note(count as u64, &result);
        result
    }

    fn note(&self, count: u64, result: &OTelSdkResult) {
        let (trouble, rejected) = self.0.report.take();
        let lost = match result {
            Ok(()) => rejected.min(count),
            Err(_) => count,
        };
        self.0.exported.lose(lost);
        self.0.exported.deliver(count - lost);
        let refused = self.0.refused.swap(0, Relaxed);
        let error = || result.as_ref().err().map(ToString::to_string);
        match trouble.filter(|_| lost > 0).or_else(error) {
            Some(why) => self.tell_trouble(&why),
            None if refused > 0 => {
                self.tell_trouble(&format!("it is too slow: {refused} found no room"));
            }
            None => self.tell_end(),
        }
    }

    fn tell_trouble(&self, why: &str) {
        let Inner { exported, endpoint, .. } = &*self.0;
        let signal = exported.signal();
        let mut outage = self.0.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = outage.told_at.is_some_and(|at| now().duration_since(at) < QUIET);
        if outage.is_told || is_quiet {
            return;
        }
        *outage = Outage { told_at: Some(now()), is_told: true };
        tracing::warn!(
            target: "processpype", signal, endpoint,
            "the collector does not take {signal}: {why}; see whether it runs and can be reached \
             from here, and what it logs; what is not delivered is lost and counted, and the \
             application goes on"
        );
    }

    fn tell_end(&self) {
        let exported = &self.0.exported;
        let mut outage = self.0.outage.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut outage.is_told) {
            let (signal, lost) = (exported.signal(), exported.lost());
            tracing::info!(
                target: "processpype", signal, lost,
                "the collector takes {signal} again; {lost} were lost so far"
            );
        }
    }

    /// The end has come: what has not arrived does not any more.
    pub(crate) fn close(&self) {
        let Inner { exported, endpoint, .. } = &*self.0;
        let (signal, left) = (exported.signal(), exported.pending());
        if left > 0 {
            exported.lose(left);
            tracing::warn!(
                target: "processpype", signal, endpoint,
                "the collector did not take the last {left} {signal} in time"
            );
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a collector keeps no paused time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use processpype_telemetry::{Handle, Log, LogQuery, LoggingConfig, Telemetry};

    use super::*;

    /// What the log has told.
    fn told(log: &Handle) -> Vec<String> {
        let lines = log.logs().page(Log::Whole, &LogQuery::default()).lines;
        lines.iter().map(processpype_telemetry::LogLine::json).collect()
    }

    #[test]
    fn a_collector_that_is_too_slow_is_told_of_once_with_how_many_found_no_room() {
        let log = Telemetry::builder(LoggingConfig::default()).writer(std::io::sink());
        let (subscriber, log) = log.build().unwrap();
        let delivery = Delivery::of("traces", &Settings::new("http://localhost:4318", "shop"));
        let deliver = |count: usize| {
            let delivered = delivery.deliver(count, std::future::ready(Ok(())));
            delivered.now_or_never().expect("it is ready").expect("it is taken");
        };
        tracing::subscriber::with_default(subscriber, || {
            (0..QUEUE_MAX).for_each(|_| assert!(delivery.admit()));
            (0..3).for_each(|_| assert!(!delivery.admit()));
            assert!(told(&log).is_empty(), "it tells nobody within `tracing`");
            deliver(BATCH_MAX);
            let lines = told(&log);
            assert!(
                lines.len() == 1 && lines[0].contains("too slow: 3 found no room"),
                "{lines:?}"
            );
            deliver(QUEUE_MAX - BATCH_MAX);
            // Nothing is left at the end, and nothing is told of it.
            delivery.close();
        });
        let lines = told(&log);
        assert!(lines.len() == 2 && lines[1].contains("takes traces again; 3 were lost"));
        let exported = delivery.exported();
        assert_eq!((exported.pending(), exported.lost()), (0, 3));
    }
}
