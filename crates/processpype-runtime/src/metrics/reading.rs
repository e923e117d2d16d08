//! What a reader of all metrics sees.

use super::Kind;

/// One metric of services, with the series of one of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SeriesFamily {
    /// The name of the metric.
    pub name: String,
    /// What kind of metric it is.
    pub kind: Kind,
    /// What it says, in the words of who registered it first.
    pub help: String,
    /// The series, in the order of their labels.
    pub series: Vec<Series>,
}

/// One series, as it is now.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Series {
    /// Names and values, in the order of names; `service` is not among them.
    pub labels: Vec<(String, String)>,
    /// What it shows.
    pub reading: Reading,
}

/// What a series shows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reading {
    /// A counter's or a gauge's number.
    Number(f64),
    /// A histogram's.
    #[non_exhaustive]
    Histogram {
        /// Upper bounds, ascending, and how many observations were at most that.
        buckets: Vec<(f64, u64)>,
        /// How many observations there were.
        count: u64,
        /// The sum of all observations.
        sum: f64,
    },
}
