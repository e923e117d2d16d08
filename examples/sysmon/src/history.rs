//! A question about the past, and the answer in a bounded number of points.
//!
//! # Invariants
//!
//! 1. An answer has at most as many points as were asked for, and never over
//!    [`HistoryQuery::MAX_POINTS`], however many samples lie in the window.
//! 2. Points are in the order of time; the samples of one point are neighbours.
//! 3. Memory is one bucket and the points: samples are read once, as a stream.

use std::fmt;
use std::time::Duration;

use crate::{Metric, Time, UnknownMetric};

/// A span of time, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: Time,
    /// The last moment.
    pub to: Time,
}

/// A checked question: which metric, how far back, in how many points.
///
/// # Examples
///
/// ```
/// use sysmon::{HistoryQuery, Metric};
///
/// let query = HistoryQuery::parse(Some("cpu"), Some("5"), None)?;
/// assert_eq!(query.metric(), Metric::Cpu);
/// assert!(HistoryQuery::parse(Some("cpu"), Some("soon"), None).is_err());
/// # Ok::<(), sysmon::BadQuery>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    metric: Metric,
    minutes: u32,
    points: u32,
}

/// Why a question cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadQuery {
    /// No metric was named.
    MissingMetric,
    /// The metric does not exist.
    UnknownMetric(UnknownMetric),
    /// A number is not one, or out of its range.
    Number {
        /// The parameter's name.
        name: &'static str,
        /// The least value.
        min: u32,
        /// The greatest value.
        max: u32,
    },
}

/// The samples of a short time, as one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When the last of them was taken.
    pub time: Time,
    /// Their mean.
    pub mean: f64,
    /// The least of them.
    pub min: f64,
    /// The greatest of them.
    pub max: f64,
    /// How many there are, at least 1.
    pub samples: u64,
}

/// Turns a stream of samples into points.
///
/// The window is cut into buckets of one width; every bucket that has a sample becomes a point.
///
/// # Examples
///
/// ```
/// use sysmon::{Downsampler, Time, Window};
///
/// let window = Window { from: Time::from_millis(0), to: Time::from_millis(99) };
/// let mut points = Downsampler::new(window, 2);
/// points.add(Time::from_millis(10), 1.0);
/// points.add(Time::from_millis(20), 3.0);
/// points.add(Time::from_millis(60), 5.0);
/// let means: Vec<f64> = points.finish().iter().map(|point| point.mean).collect();
/// assert_eq!(means, [2.0, 5.0]);
/// ```
#[derive(Clone, Debug)]
pub struct Downsampler {
    window: Window,
    width: u64,
    bucket: Option<Bucket>,
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    number: u64,
    sum: f64,
    point: Point,
}

// === impl HistoryQuery ===

impl HistoryQuery {
    /// The farthest back that can be asked for: a week.
    pub const MAX_MINUTES: u32 = 7 * 24 * 60;

    /// How far back an answer goes if the question does not say.
    pub const DEFAULT_MINUTES: u32 = 60;

    /// The most points of one answer.
    pub const MAX_POINTS: u32 = 1000;

    /// The points of an answer if the question does not say: about as many as a screen shows.
    pub const DEFAULT_POINTS: u32 = 300;

    /// Checks the three parameters as they stand in a URL.
    ///
    /// # Errors
    ///
    /// Returns [`BadQuery`] for the first parameter that is wrong; its text says what is valid.
    pub fn parse(
        metric: Option<&str>,
        minutes: Option<&str>,
        points: Option<&str>,
    ) -> Result<Self, BadQuery> {
        let metric = metric.ok_or(BadQuery::MissingMetric)?;
        Ok(Self {
            metric: metric.parse().map_err(BadQuery::UnknownMetric)?,
            minutes: number("minutes", minutes, Self::DEFAULT_MINUTES, Self::MAX_MINUTES)?,
            points: number("points", points, Self::DEFAULT_POINTS, Self::MAX_POINTS)?,
        })
    }

    /// Returns the metric that is asked for.
    #[must_use]
    pub const fn metric(self) -> Metric {
        self.metric
    }

    /// Returns the minutes that are asked for, 1 to [`HistoryQuery::MAX_MINUTES`].
    #[must_use]
    pub const fn minutes(self) -> u32 {
        self.minutes
    }

    /// Returns the window that ends `now`.
    #[must_use]
    pub fn window(self, now: Time) -> Window {
        let back = Duration::from_secs(u64::from(self.minutes) * 60);
        Window { from: now.minus(back), to: now }
    }

    /// Returns an empty answer to this question, asked `now`.
    #[must_use]
    pub fn downsampler(self, now: Time) -> Downsampler {
        Downsampler::new(self.window(now), self.points)
    }
}

/// Reads a whole number from 1 to `max`, or takes the default.
fn number(name: &'static str, text: Option<&str>, default: u32, max: u32) -> Result<u32, BadQuery> {
    let Some(text) = text else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or(BadQuery::Number { name, min: 1, max })
}

// === impl BadQuery ===

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingMetric => write!(
                f,
                "`metric` is missing, as in `?metric=cpu&minutes=5`; known metrics: {}",
                Metric::known()
            ),
            Self::UnknownMetric(unknown) => unknown.fmt(f),
            Self::Number { name, min, max } => {
                write!(f, "`{name}` must be a whole number from {min} to {max}")
            }
        }
    }
}

impl std::error::Error for BadQuery {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnknownMetric(unknown) => Some(unknown),
            Self::MissingMetric | Self::Number { .. } => None,
        }
    }
}

// === impl Downsampler ===

impl Downsampler {
    /// Begins an answer of at most `points` points, at least 1 and at most
    /// [`HistoryQuery::MAX_POINTS`].
    #[must_use]
    pub fn new(window: Window, points: u32) -> Self {
        let points = u64::from(points.clamp(1, HistoryQuery::MAX_POINTS));
        let span = window.to.as_millis().saturating_sub(window.from.as_millis()) + 1;
        Self { window, width: span.div_ceil(points), bucket: None, points: Vec::new() }
    }

    /// Returns the window whose samples belong here.
    #[must_use]
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Adds the next sample; one outside the window is ignored.
    ///
    /// Samples come in the order of time.
    pub fn add(&mut self, time: Time, value: f64) {
        if time < self.window.from || self.window.to < time {
            return;
        }
        let number = (time.as_millis() - self.window.from.as_millis()) / self.width;
        match &mut self.bucket {
            Some(bucket) if number <= bucket.number => bucket.add(time, value),
            _ => {
                let full = self.bucket.replace(Bucket::new(number, time, value));
                self.points.extend(full.map(Bucket::into_point));
            }
        }
    }

    /// Returns the points.
    #[must_use]
    pub fn finish(mut self) -> Vec<Point> {
        self.points.extend(self.bucket.map(Bucket::into_point));
        self.points
    }
}

// === impl Bucket ===

impl Bucket {
    fn new(number: u64, time: Time, value: f64) -> Self {
        let point = Point { time, mean: value, min: value, max: value, samples: 1 };
        Self { number, sum: value, point }
    }

    fn add(&mut self, time: Time, value: f64) {
        self.sum += value;
        self.point.time = self.point.time.max(time);
        self.point.min = self.point.min.min(value);
        self.point.max = self.point.max.max(value);
        self.point.samples += 1;
    }

    #[expect(clippy::cast_precision_loss, reason = "a bucket has far fewer than 2^53 samples")]
    fn into_point(self) -> Point {
        Point { mean: self.sum / self.point.samples as f64, ..self.point }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_query(metric: Option<&str>, minutes: Option<&str>, expected: Result<u32, &str>) {
        match (HistoryQuery::parse(metric, minutes, None), expected) {
            (Ok(query), Ok(minutes)) => assert_eq!(query.minutes(), minutes),
            (Err(bad), Err(part)) => assert!(bad.to_string().contains(part), "{bad}"),
            (got, expected) => panic!("{got:?} is not {expected:?}"),
        }
    }

    #[test]
    fn a_good_question_is_read() {
        check_query(Some("cpu"), Some("5"), Ok(5));
        check_query(Some("cpu_core_1"), Some("10080"), Ok(10_080));
        check_query(Some("load_1m"), None, Ok(HistoryQuery::DEFAULT_MINUTES));
    }

    #[test]
    fn a_bad_question_says_what_is_valid() {
        check_query(None, Some("5"), Err("?metric=cpu"));
        check_query(Some("cpuu"), None, Err("known metrics: cpu, memory"));
        for minutes in ["", "0", "-1", "1.5", "10081", "99999999999999999999", "five", " 5"] {
            check_query(Some("cpu"), Some(minutes), Err("a whole number from 1 to 10080"));
        }
        let points = HistoryQuery::parse(Some("cpu"), None, Some("1001"));
        assert_eq!(points, Err(BadQuery::Number { name: "points", min: 1, max: 1000 }));
    }

    #[test]
    fn the_window_ends_now() {
        let query = HistoryQuery::parse(Some("cpu"), Some("2"), None).expect("valid");
        let window = query.window(Time::from_millis(200_000));
        assert_eq!((window.from.as_millis(), window.to.as_millis()), (80_000, 200_000));
    }

    /// Adds `values` at the given times to the window 0..=to; returns (time, mean, samples).
    fn points(to: u64, points: u32, values: &[(u64, f64)]) -> Vec<(u64, f64, u64)> {
        let window = Window { from: Time::MIN, to: Time::from_millis(to) };
        let mut downsampler = Downsampler::new(window, points);
        values.iter().for_each(|(time, v)| downsampler.add(Time::from_millis(*time), *v));
        let points = downsampler.finish();
        points.iter().map(|p| (p.time.as_millis(), p.mean, p.samples)).collect()
    }

    #[test]
    fn few_samples_stay_as_they_are() {
        assert_eq!(points(99, 10, &[]), []);
        assert_eq!(points(99, 10, &[(5, 1.0), (99, 2.0)]), [(5, 1.0, 1), (99, 2.0, 1)]);
    }

    #[test]
    fn neighbours_become_one_point_with_the_last_time() {
        assert_eq!(
            points(99, 2, &[(0, 1.0), (49, 3.0), (50, 5.0), (99, 7.0)]),
            [(49, 2.0, 2), (99, 6.0, 2)]
        );
    }

    #[test]
    fn extremes_are_kept() {
        let window = Window { from: Time::MIN, to: Time::from_millis(9) };
        let mut downsampler = Downsampler::new(window, 1);
        for (time, value) in [(1, 5.0), (2, -1.0), (3, 8.0)] {
            downsampler.add(Time::from_millis(time), value);
        }
        let points = downsampler.finish();
        let expected =
            Point { time: Time::from_millis(3), mean: 4.0, min: -1.0, max: 8.0, samples: 3 };
        assert_eq!(points, [expected]);
    }

    #[test]
    fn samples_outside_the_window_do_not_count() {
        let window = Window { from: Time::from_millis(10), to: Time::from_millis(20) };
        let mut downsampler = Downsampler::new(window, 5);
        for time in [9, 10, 20, 21] {
            downsampler.add(Time::from_millis(time), 1.0);
        }
        assert_eq!(downsampler.finish().iter().map(|p| p.samples).sum::<u64>(), 2);
    }

    #[test]
    fn no_window_gives_more_points_than_asked_and_no_sample_is_lost() {
        for to in [0, 1, 6, 7, 100, 1_000, 1_003] {
            for most in [1, 2, 3, 7, 1_000, u32::MAX] {
                let values: Vec<_> = (0..=to).map(|time| (time, 1.0)).collect();
                let points = points(to, most, &values);
                assert!(points.len() <= most.min(HistoryQuery::MAX_POINTS) as usize);
                assert_eq!(points.iter().map(|(_, _, n)| n).sum::<u64>(), to + 1);
                assert!(points.is_sorted_by(|a, b| a.0 < b.0));
            }
        }
    }

    #[test]
    fn a_window_that_ends_before_it_begins_is_empty() {
        let window = Window { from: Time::from_millis(9), to: Time::from_millis(1) };
        let mut downsampler = Downsampler::new(window, 3);
        downsampler.add(Time::from_millis(5), 1.0);
        assert_eq!(downsampler.finish(), []);
    }
}
