//! Why a metric is not registered.

use std::fmt;

use super::{
    BUCKETS_MAX, FAMILIES_MAX, HELP_MAX, Kind, LABEL_VALUE_MAX, LABELS_MAX, NAME_MAX, SERIES_MAX,
};

/// Why a metric is not registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetricError {
    /// It is no name of a metric.
    Name {
        /// What stands there.
        name: String,
    },
    /// The name is the framework's.
    Reserved {
        /// The name.
        name: String,
    },
    /// The end of the name belongs to another kind of metric, or that of its own is missing.
    Ending {
        /// The name.
        name: String,
        /// What the name was to stand for.
        kind: Kind,
    },
    /// The help text is too long.
    Help {
        /// The name of the metric.
        name: String,
    },
    /// It is no name of a label, or one of the framework's, or stands there already.
    Label {
        /// What stands there.
        label: String,
    },
    /// The value of a label is too long.
    LabelValue {
        /// The label.
        label: String,
    },
    /// There are too many labels.
    Labels,
    /// The name stands for another kind of metric, or for a histogram with other buckets.
    Conflict {
        /// The name.
        name: String,
        /// What it stands for.
        is: Kind,
    },
    /// In an exposition, the name would stand for two metrics.
    Clash {
        /// The name of the metric that is refused.
        name: String,
        /// What it was to stand for.
        kind: Kind,
        /// The metric that is there.
        other: String,
        /// The name that both would have there.
        both: String,
    },
    /// The service has too many series.
    Series {
        /// The metric that found no room.
        name: String,
    },
    /// The application has too many names.
    Families {
        /// The metric that found no room.
        name: String,
    },
    /// The bounds of buckets are none, too many, not finite, or not ascending.
    Buckets,
}

impl fmt::Display for MetricError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => write!(
                f,
                "`{name}` is no name of a metric: letters, digits and `_`, no digit first, at most \
                 {NAME_MAX} bytes"
            ),
            Self::Reserved { name } => write!(
                f,
                "the metric `{name}` would be the framework's: names of services do not begin with \
                 `processpype_` or `process_`"
            ),
            Self::Ending { name, kind: Kind::Counter } => {
                write!(f, "the counter `{name}` has to end in `_total`: call it `{name}_total`")
            }
            Self::Ending { name, kind } => write!(
                f,
                "the {kind} `{name}` must not end in `_total`, `_bucket`, `_sum`, `_count`, \
                 `_created` or `_info`: these belong to other metrics"
            ),
            Self::Help { name } => {
                write!(f, "the help text of the metric `{name}` is longer than {HELP_MAX} bytes")
            }
            Self::Label { label } => write!(
                f,
                "`{label}` is no label that a metric can be given: letters, digits and `_`, no \
                 digit and not `__` first, at most {NAME_MAX} bytes, once; `service`, `le` and \
                 `quantile` are taken"
            ),
            Self::LabelValue { label } => {
                write!(f, "the value of the label `{label}` is longer than {LABEL_VALUE_MAX} bytes")
            }
            Self::Labels => write!(f, "a metric can be given at most {LABELS_MAX} labels"),
            Self::Conflict { name, is: Kind::Histogram } => write!(
                f,
                "the metric `{name}` is registered as a histogram, or with other buckets: choose \
                 another name"
            ),
            Self::Conflict { name, is } => {
                write!(f, "the metric `{name}` is registered as a {is}: choose another name")
            }
            Self::Clash { name, kind, other, both } => write!(
                f,
                "the {kind} `{name}` cannot stand beside the metric `{other}`: for OpenMetrics, \
                 which takes `_total` off a counter's name and adds endings for parts, both would \
                 be `{both}`; call one of them otherwise"
            ),
            Self::Series { name } => write!(
                f,
                "the metric `{name}` would give the service more than {SERIES_MAX} series; a label \
                 with many values is the usual cause"
            ),
            Self::Families { name } => write!(
                f,
                "the metric `{name}` would give the application more than {FAMILIES_MAX} names of \
                 metrics"
            ),
            Self::Buckets => write!(
                f,
                "the bounds of buckets have to be 1 to {BUCKETS_MAX} finite numbers, each greater \
                 than the one before"
            ),
        }
    }
}

impl std::error::Error for MetricError {}
