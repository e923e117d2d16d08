//! Metrics of services: counters, gauges and histograms that stand beside the framework's own.
//!
//! # Invariants
//!
//! 1. Changing a metric touches atomics alone; registering one takes a short lock.
//! 2. A name has one kind and one help text in the whole application; a series of a service stands
//!    once, whichever generation registered it.
//! 3. No name in an exposition belongs to two of them, neither in OpenMetrics, where a counter's
//!    family goes without `_total`, nor with what the parts of a metric end in.
//! 4. Help texts and values of labels are scrubbed when they are registered: what is one series
//!    then never becomes two of the same name.
//! 5. A service has at most [`SERIES_MAX`] series, an application at most [`FAMILIES_MAX`] names.
//!
//! # Whose they are
//!
//! Counters and histograms belong to the service: a new generation that registers the same one goes
//! on counting where the last one ended, so that a restart is no reset. A gauge tells what is now,
//! so it belongs to its generation: it begins anew at 0, and is not shown once its generation is
//! gone. All of a service's series go with the service.

mod error;
mod name;
mod reading;
mod store;
mod value;

use std::sync::Arc;

use processpype_core::Generation;

use crate::context::Context;

pub use self::error::MetricError;
pub use self::name::{HELP_MAX, LABEL_VALUE_MAX, LABELS_MAX, NAME_MAX};
pub use self::reading::{Reading, Series, SeriesFamily};
pub use self::store::{FAMILIES_MAX, SERIES_MAX};
pub(crate) use self::store::{Families, Store};
pub use self::value::{BUCKETS_MAX, Buckets, Counter, Gauge, Histogram};

/// What kind of metric a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
}

/// Registers the metrics of one service; from [`Context::metrics`].
///
/// They are told at `GET /metrics` under their own name, with the label `service`. Names are those
/// of Prometheus: a unit in the name (`_seconds`, `_bytes`), and `_total` ends that of a counter.
/// Names that begin with `processpype_` or `process_` are the framework's.
///
/// Registering again gives the same metric, so it can be done wherever it is needed; do it once,
/// in the constructor, where it is used often.
///
/// ```
/// # mod processpype { pub use processpype_runtime::*; pub use processpype_runtime as metrics; }
/// use processpype::{Context, Result};
/// use processpype::metrics::{Buckets, Counter, Histogram};
/// use std::time::Duration;
///
/// struct Mailer { sent: Counter, refused: Counter, time: Histogram }
///
/// impl Mailer {
///     fn new(cx: Context) -> Result<Self> {
///         let metrics = cx.metrics();
///         let mails = |outcome| {
///             metrics.with("outcome", outcome)?.counter("mails_total", "Mails, by outcome.")
///         };
///         Ok(Self {
///             sent: mails("sent")?,
///             refused: mails("refused")?,
///             time: metrics.histogram("mail_seconds", "Time to send a mail.", Buckets::TIMES)?,
///         })
///     }
///
///     fn send(&self) {
///         self.sent.inc();
///         self.time.observe_time(Duration::from_millis(30));
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result {
/// let cx = Context::detached("mailer");
/// let mailer = Mailer::new(cx.clone())?;
/// mailer.send();
/// // A test looks at the metric itself, or asks for it again.
/// assert_eq!((mailer.sent.get(), mailer.refused.get()), (1.0, 0.0));
/// assert_eq!(cx.metrics().with("outcome", "sent")?.counter("mails_total", "")?.get(), 1.0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    store: Arc<Store>,
    generation: Generation,
    /// In the order of names.
    labels: Vec<(String, String)>,
}

// === impl Context ===

impl Context {
    /// Returns where the service registers metrics of its own.
    ///
    /// In a [detached](Context::detached) context they are there too, and told to nobody.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        let store = Arc::clone(self.life.cell.metrics(self.life.families()));
        Metrics { store, generation: self.life.generation, labels: Vec::new() }
    }
}

// === impl Metrics ===

impl Metrics {
    /// Returns the same with one more label, for all that is registered through it.
    ///
    /// A value should come from a small set that is known beforehand: each is a series of its own,
    /// for as long as the service is there. What is secret in a value is shown as `***`; values
    /// that are the same then are one series.
    ///
    /// # Errors
    ///
    /// Refuses what is no name of a label, `service` and `le`, which are the framework's, a second
    /// value for the same label, more than [`LABELS_MAX`] labels, and values of more than
    /// [`LABEL_VALUE_MAX`] bytes.
    pub fn with(&self, label: &str, value: impl Into<String>) -> Result<Self, MetricError> {
        let value = value.into();
        name::check_label(label, &value, &self.labels)?;
        let mut labels = self.labels.clone();
        labels.push((label.to_owned(), self.store.public(&value)));
        processpype_core::sort(&mut labels);
        Ok(Self { store: Arc::clone(&self.store), generation: self.generation, labels })
    }

    /// Registers a counter, or returns the one that is registered.
    ///
    /// It goes on over generations: a restart does not set it back.
    ///
    /// # Errors
    ///
    /// Refuses a name that is none, is the framework's or does not end in `_total`; one that stands
    /// for another kind of metric, or with another one for the same in the answer, as `jobs_total`
    /// and the gauge `jobs` do in OpenMetrics; and more than [`SERIES_MAX`] series.
    pub fn counter(&self, name: &str, help: &str) -> Result<Counter, MetricError> {
        name::check(name, Kind::Counter, help)?;
        self.store.counter(self.generation, name, help, &self.labels)
    }

    /// Registers a gauge, or returns the one that this generation has registered.
    ///
    /// It begins at 0, and is shown as long as this generation lives.
    ///
    /// # Errors
    ///
    /// As [`counter`](Self::counter), but that the name must not end in `_total`, nor in what the
    /// parts of a histogram end in.
    pub fn gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricError> {
        name::check(name, Kind::Gauge, help)?;
        self.store.gauge(self.generation, name, help, &self.labels)
    }

    /// Registers a histogram, or returns the one that is registered.
    ///
    /// It goes on over generations, unless a later one asks for other buckets: then it begins anew.
    ///
    /// # Errors
    ///
    /// As [`gauge`](Self::gauge); besides, one generation cannot have the same histogram with two
    /// sorts of buckets.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Buckets,
    ) -> Result<Histogram, MetricError> {
        name::check(name, Kind::Histogram, help)?;
        self.store.histogram(self.generation, name, help, &self.labels, buckets)
    }
}

// === impl Kind ===

impl Kind {
    /// Returns the word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
