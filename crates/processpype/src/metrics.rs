//! Metrics: what a service registers with [`Context::metrics`], and what a [`Manager`] tells.
//!
//! [`Context::metrics`]: crate::Context::metrics
//! [`Manager`]: crate::Manager

pub use processpype_runtime::{
    BUCKETS_MAX, Buckets, Counter, Counts, Ends, FAMILIES_MAX, Gauge, HELP_MAX, Histogram,
    LABEL_VALUE_MAX, LABELS_MAX, MetricError, MetricKind, Metrics, NAME_MAX, PollTimes, QueueDepth,
    Reading, SERIES_MAX, Series, SeriesFamily, Times,
};
