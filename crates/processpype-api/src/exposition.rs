//! The text in which metrics are told: Prometheus' exposition format 0.0.4, and OpenMetrics 1.0.
//!
//! Specifications: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
//!
//! # Invariants
//!
//! 1. What [`Exposition`] writes, [`parse_exposition`] reads back: names, labels, values.
//! 2. The reader is strict: what Prometheus would refuse or take for something else is an error
//!    that names its line.

mod parse;
mod write;

use std::fmt;

use serde::Serialize;

pub use self::parse::parse_exposition;
pub use self::write::{Exposition, HistogramReading};

/// How metrics are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// Prometheus' text format 0.0.4, which everything reads.
    #[default]
    Prometheus,
    /// OpenMetrics 1.0, for whoever asks for it.
    OpenMetrics,
}

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// Only grows, and begins anew with the process. Its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations in buckets.
    Histogram,
    /// Nobody says.
    Untyped,
}

/// One metric with all its series, as it was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricFamily {
    /// The name of the metric.
    pub name: String,
    /// What kind of metric it is.
    pub kind: MetricKind,
    /// What it says.
    pub help: String,
    /// Its samples, in the order of the text.
    pub samples: Vec<MetricSample>,
}

/// One line of a metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricSample {
    /// The name as it stands in the line: that of the family, or of one part of a histogram.
    pub name: String,
    /// Names and values, in the order of the text.
    pub labels: Vec<(String, String)>,
    /// The value; no number and infinity are `null` in JSON.
    pub value: f64,
}

/// Why a text is no exposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidExposition {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

// === impl ExpositionFormat ===

impl ExpositionFormat {
    /// Returns the media type, with its parameters.
    #[must_use]
    pub fn media(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Chooses by the header `Accept`: OpenMetrics only for who asks for it, and likes it at least
    /// as much as the other (RFC 9110, section 12.5.1).
    ///
    /// ```
    /// use processpype_api::ExpositionFormat;
    ///
    /// let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3";
    /// assert_eq!(ExpositionFormat::accepted(prometheus), ExpositionFormat::OpenMetrics);
    /// assert_eq!(ExpositionFormat::accepted("*/*"), ExpositionFormat::Prometheus);
    /// ```
    #[must_use]
    pub fn accepted(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0_f32, 0.0_f32);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for part in parts {
                match part.split_once('=') {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value),
                    _ => {}
                }
            }
            match media.as_str() {
                "application/openmetrics-text" if version.is_none_or(|it| it == "1.0.0") => {
                    open = open.max(quality);
                }
                "text/plain" | "text/*" => plain = plain.max(quality),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Self::OpenMetrics } else { Self::Prometheus }
    }
}

// === impl MetricKind ===

impl MetricKind {
    /// Returns the word as it stands in the text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Untyped => "untyped",
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl MetricSample ===

impl MetricSample {
    /// Returns the value of a label.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

// === impl InvalidExposition ===

impl fmt::Display for InvalidExposition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for InvalidExposition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_what_the_client_likes_best() {
        use ExpositionFormat::{OpenMetrics, Prometheus};
        for (accept, expected) in [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            ("application/openmetrics-text;q=0", Prometheus),
            ("application/openmetrics-text; version=0.0.1", Prometheus),
            ("application/openmetrics-text; version=1.0.0", OpenMetrics),
            ("application/openmetrics-text;q=0.2, text/plain;q=0.5", Prometheus),
            ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", Prometheus),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3",
                OpenMetrics,
            ),
        ] {
            assert_eq!(ExpositionFormat::accepted(accept), expected, "{accept}");
        }
    }
}
