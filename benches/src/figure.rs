//! What a sample gives: figures with a name and a unit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// One measured value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figure {
    pub(crate) metric: String,
    pub(crate) unit: String,
    pub(crate) value: f64,
}

/// Why a sample gave no figures.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What a sample comes to.
pub(crate) type Outcome = Result<Vec<Figure>, Failure>;

/// Reads what an allocator has counted.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    read: fn() -> (usize, usize),
}

// === impl Figure ===

impl Figure {
    pub(crate) fn new(metric: &str, unit: &str, value: f64) -> Self {
        Self { metric: metric.to_owned(), unit: unit.to_owned(), value }
    }

    pub(crate) fn ms(metric: &str, time: Duration) -> Self {
        Self::new(metric, "ms", time.as_secs_f64() * 1e3)
    }

    pub(crate) fn us(metric: &str, time: Duration) -> Self {
        Self::new(metric, "µs", time.as_secs_f64() * 1e6)
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.metric, self.unit, self.value)
    }
}

impl FromStr for Figure {
    type Err = Failure;

    fn from_str(line: &str) -> Result<Self, Failure> {
        let mut parts = line.split('\t');
        let (Some(metric), Some(unit), Some(value)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(format!("this is no figure: {line}").into());
        };
        Ok(Self::new(metric, unit, value.parse()?))
    }
}

// === impl Meter ===

impl Meter {
    /// Makes a meter from what gives live bytes and the number of allocations so far.
    #[must_use]
    pub fn new(read: fn() -> (usize, usize)) -> Self {
        Self { read }
    }

    /// Live bytes, and allocations so far.
    pub(crate) fn read(self) -> (usize, usize) {
        (self.read)()
    }
}

/// The value below which `share` of the values lie; the values are put in order.
pub(crate) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// The value in the middle.
pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(&mut values.to_vec(), 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_comes_back_from_its_line() {
        let figure = Figure::new("start", "ms", 1.25);
        assert_eq!(figure.to_string().parse::<Figure>().expect("it is one"), figure);
        assert!("start\tms".parse::<Figure>().is_err());
        assert!("start\tms\tsoon".parse::<Figure>().is_err());
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let values = [5.0, 1.0, 3.0, 2.0, 4.0];
        assert_eq!(median(&values), 3.0);
        assert_eq!(quantile(&mut values.to_vec(), 1.0), 5.0);
        assert_eq!(quantile(&mut values.to_vec(), 0.0), 1.0);
        assert!(median(&[]).is_nan());
    }
}
