//! What `api` answers, as it goes over the wire.
//!
//! # Invariants
//!
//! 1. Times are RFC 3339 in UTC; values have at most [`DECIMALS`] decimals.
//! 2. An answer is bounded: one value per metric, or [`HistoryQuery::MAX_POINTS`] points.

use std::borrow::Cow;
use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::{HistoryQuery, Latest, Point};

/// Decimals of a value; a monitor's reader needs no more.
const DECIMALS: i32 = 3;

/// The answer of `GET /services/api/latest`.
#[derive(Debug, Serialize)]
pub struct LatestAnswer {
    /// The newest of the times below; null before the first sample.
    time: Option<String>,
    /// Samples committed to the database so far, those deleted since included.
    committed: u64,
    metrics: BTreeMap<Cow<'static, str>, Reading>,
}

/// The newest value of a metric.
#[derive(Debug, Serialize)]
struct Reading {
    value: f64,
    unit: &'static str,
    time: String,
}

/// The answer of `GET /services/api/history`.
#[derive(Debug, Serialize)]
pub struct HistoryAnswer {
    metric: Cow<'static, str>,
    unit: &'static str,
    minutes: u32,
    /// Values that the points stand for.
    samples: u64,
    points: Vec<HistoryPoint>,
}

/// One point: the values of a short time.
#[derive(Debug, Serialize)]
struct HistoryPoint {
    time: String,
    /// The mean of the values.
    value: f64,
    min: f64,
    max: f64,
    samples: u64,
}

// === impl LatestAnswer ===

impl From<Latest> for LatestAnswer {
    fn from(latest: Latest) -> Self {
        let newest = latest.readings.iter().map(|(_, time, _)| *time).max();
        let metrics = latest.readings.into_iter().map(|(metric, time, value)| {
            let reading =
                Reading { value: round(value), unit: metric.unit(), time: time.to_string() };
            (metric.name(), reading)
        });
        Self {
            time: newest.map(|time| time.to_string()),
            committed: latest.committed,
            metrics: metrics.collect(),
        }
    }
}

impl IntoResponse for LatestAnswer {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

// === impl HistoryAnswer ===

impl HistoryAnswer {
    /// Answers `query` with `points`.
    #[must_use]
    pub fn new(query: HistoryQuery, points: &[Point]) -> Self {
        Self {
            metric: query.metric().name(),
            unit: query.metric().unit(),
            minutes: query.minutes(),
            samples: points.iter().map(|point| point.samples).sum(),
            points: points.iter().map(HistoryPoint::from).collect(),
        }
    }
}

impl IntoResponse for HistoryAnswer {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl From<&Point> for HistoryPoint {
    fn from(point: &Point) -> Self {
        Self {
            time: point.time.to_string(),
            value: round(point.mean),
            min: round(point.min),
            max: round(point.max),
            samples: point.samples,
        }
    }
}

fn round(value: f64) -> f64 {
    let scale = 10_f64.powi(DECIMALS);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Metric, Time};

    #[test]
    fn latest_has_every_metric_with_unit_and_time() {
        let readings = vec![
            (Metric::Cpu, Time::from_millis(1_000), 12.345_678),
            (Metric::Load1, Time::from_millis(2_000), 0.5),
        ];
        let latest = Latest { committed: 7, readings };
        let answer = serde_json::to_value(LatestAnswer::from(latest)).expect("json");
        let expected = json!({
            "time": "1970-01-01T00:00:02Z",
            "committed": 7,
            "metrics": {
                "cpu": { "value": 12.346, "unit": "percent", "time": "1970-01-01T00:00:01Z" },
                "load_1m": { "value": 0.5, "unit": "processes", "time": "1970-01-01T00:00:02Z" },
            },
        });
        assert_eq!(answer, expected);
    }

    #[test]
    fn before_the_first_sample_there_is_no_time() {
        let answer = serde_json::to_value(LatestAnswer::from(Latest::default())).expect("json");
        assert_eq!(answer, json!({ "time": null, "committed": 0, "metrics": {} }));
    }

    #[test]
    fn a_history_tells_its_question_and_its_samples() {
        let query = HistoryQuery::parse(Some("disk_used"), Some("5"), None).expect("valid");
        let time = Time::from_millis(3_000);
        let point = Point { time, mean: 1.0 / 3.0, min: 0.0, max: 1.0, samples: 3 };
        let answer = serde_json::to_value(HistoryAnswer::new(query, &[point, point]));
        let shown = json!({
            "time": "1970-01-01T00:00:03Z", "value": 0.333, "min": 0.0, "max": 1.0, "samples": 3,
        });
        let expected = json!({
            "metric": "disk_used", "unit": "bytes", "minutes": 5, "samples": 6,
            "points": [shown, shown],
        });
        assert_eq!(answer.expect("json"), expected);
    }
}
