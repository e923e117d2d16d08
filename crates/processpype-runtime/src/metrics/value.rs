//! The metrics themselves: what user code changes, and what a reader sees.
//!
//! # Invariants
//!
//! 1. A change is a few atomic operations; nothing waits.
//! 2. A counter and the counts of a histogram never go back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::MetricError;

/// The most bounds of a histogram.
pub const BUCKETS_MAX: usize = 64;

/// A number that only grows. Cheap to clone; all clones are one counter.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    whole: AtomicU64,
    /// Added as times; apart, so that neither loses what is small beside what is large.
    nanoseconds: AtomicU64,
}

/// A number that goes up and down. Cheap to clone; all clones are one gauge.
///
/// It begins at 0.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

/// Counts observations in buckets. Cheap to clone; all clones are one histogram.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Observed>);

#[derive(Debug)]
pub(super) struct Observed {
    pub(super) bounds: Buckets,
    /// Not cumulative; the last one is beyond every bound.
    counts: Vec<AtomicU64>,
    sum: AtomicU64,
}

/// The upper bounds of a histogram's buckets, ascending; infinity comes by itself.
///
/// ```
/// # mod processpype { pub use processpype_runtime as metrics; }
/// use processpype::metrics::Buckets;
///
/// let sizes = Buckets::new(vec![1024.0, 65_536.0, 1_048_576.0])?;
/// assert_eq!(sizes.bounds().len(), 3);
/// assert!(Buckets::new(vec![2.0, 1.0]).is_err());
/// # Ok::<(), processpype_runtime::MetricError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Buckets(std::borrow::Cow<'static, [f64]>);

// === impl Counter ===

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.whole.fetch_add(count, Relaxed);
    }

    /// Adds a time, in seconds; for counters whose name ends in `_seconds_total`.
    ///
    /// Nanoseconds are kept; after 584 years it begins anew.
    pub fn add_time(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.0.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    /// Returns the sum of all that was added.
    #[must_use]
    pub fn get(&self) -> f64 {
        let seconds = Duration::from_nanos(self.0.nanoseconds.load(Relaxed)).as_secs_f64();
        self.0.whole.load(Relaxed) as f64 + seconds
    }
}

// === impl Gauge ===

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Adds `value`, which may be negative.
    pub fn add(&self, value: f64) {
        add(&self.0, value);
    }

    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Takes one away.
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Returns the value.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

fn add(word: &AtomicU64, value: f64) {
    let sum = |bits| Some((f64::from_bits(bits) + value).to_bits());
    // The closure never declines, so this never fails.
    let _ = word.fetch_update(Relaxed, Relaxed, sum);
}

// === impl Histogram ===

impl Histogram {
    pub(super) fn new(bounds: Buckets) -> Self {
        let counts = (0..=bounds.bounds().len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Observed { bounds, counts, sum: AtomicU64::new(0.0_f64.to_bits()) }))
    }

    /// Counts an observation. What is no number is not counted.
    pub fn observe(&self, value: f64) {
        if value.is_nan() {
            return;
        }
        let bucket = self.0.bounds.bounds().partition_point(|bound| *bound < value);
        self.0.counts[bucket].fetch_add(1, Relaxed);
        add(&self.0.sum, value);
    }

    /// Counts a time, in seconds.
    pub fn observe_time(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// Returns how many observations there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Returns the sum of all observations.
    #[must_use]
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.0.sum.load(Relaxed))
    }

    pub(super) fn buckets(&self) -> &Buckets {
        &self.0.bounds
    }

    /// Upper bounds, how many observations were at most that, and how many there were.
    pub(super) fn read(&self) -> (Vec<(f64, u64)>, u64) {
        let mut counts = self.0.counts.iter().map(|count| count.load(Relaxed));
        let mut count = 0;
        let cumulative = self.0.bounds.bounds().iter().zip(&mut counts).map(|(bound, own)| {
            count += own;
            (*bound, count)
        });
        let buckets = cumulative.collect();
        (buckets, count + counts.sum::<u64>())
    }
}

// === impl Buckets ===

impl Buckets {
    /// For times in seconds, from 5 ms to 10 s: the defaults of Prometheus' own clients.
    pub const TIMES: Self = Self(std::borrow::Cow::Borrowed(&[
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ]));

    /// Takes bounds of one's own.
    ///
    /// # Errors
    ///
    /// Refuses none, more than [`BUCKETS_MAX`], what is not finite, and what does not ascend.
    pub fn new(bounds: Vec<f64>) -> Result<Self, MetricError> {
        let ascends = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        let is_finite = bounds.iter().all(|bound| bound.is_finite());
        let fits = (1..=BUCKETS_MAX).contains(&bounds.len());
        if ascends && is_finite && fits {
            Ok(Self(bounds.into()))
        } else {
            Err(MetricError::Buckets)
        }
    }

    /// Returns the bounds.
    #[must_use]
    pub fn bounds(&self) -> &[f64] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_keeps_what_is_small_beside_what_is_large() {
        let counter = Counter::default();
        counter.clone().add_time(Duration::from_nanos(500_000_001));
        counter.inc();
        counter.add(2);
        assert!((counter.get() - 3.500_000_001).abs() < 1e-12);
    }

    #[test]
    fn a_gauge_goes_up_and_down_from_many_threads() {
        let gauge = Gauge::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| (gauge.inc(), gauge.add(0.5)).0));
            }
        });
        gauge.dec();
        assert_eq!(gauge.get(), 5999.0);
    }

    #[test]
    fn observations_fall_into_their_buckets() {
        let histogram = Histogram::new(Buckets::new(vec![1.0, 2.0]).unwrap());
        [0.5, 1.0, 1.5, 7.0, f64::NAN].iter().for_each(|value| histogram.observe(*value));
        histogram.observe_time(Duration::from_millis(500));
        assert_eq!(histogram.read(), (vec![(1.0, 3), (2.0, 4)], 5));
        assert_eq!((histogram.count(), histogram.sum()), (5, 10.5));
    }

    #[test]
    fn bounds_ascend_and_are_numbers() {
        let many: Vec<f64> = (0..=BUCKETS_MAX).map(|bound| bound as f64).collect();
        for bad in [vec![], vec![1.0, 1.0], vec![1.0, f64::INFINITY], vec![f64::NAN], many] {
            assert_eq!(Buckets::new(bad), Err(MetricError::Buckets));
        }
    }
}
