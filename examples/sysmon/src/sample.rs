//! A sample: what was measured at one moment.
//!
//! # Invariants
//!
//! 1. Every value is finite: [`Sample::push`] drops what is not.
//! 2. Each metric occurs at most once; a second value replaces the first.

use crate::{Metric, Time};

/// The readings of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    time: Time,
    readings: Vec<(Metric, f64)>,
}

// === impl Sample ===

impl Sample {
    /// Begins a sample without readings.
    #[must_use]
    pub const fn new(time: Time) -> Self {
        Self { time, readings: Vec::new() }
    }

    /// Adds a reading; one that is not finite is dropped.
    pub fn push(&mut self, metric: Metric, value: f64) {
        if !value.is_finite() {
            return;
        }
        match self.readings.iter_mut().find(|(known, _)| *known == metric) {
            Some(reading) => reading.1 = value,
            None => self.readings.push((metric, value)),
        }
    }

    /// Returns when it was measured.
    #[must_use]
    pub const fn time(&self) -> Time {
        self.time
    }

    /// Returns the readings, in the order in which they were added.
    #[must_use]
    pub fn readings(&self) -> &[(Metric, f64)] {
        &self.readings
    }

    /// Returns the value of `metric`, if it was measured.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.readings.iter().find(|(known, _)| *known == metric).map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], expected: Option<f64>) {
        let mut sample = Sample::new(Time::MIN);
        values.iter().for_each(|value| sample.push(Metric::Cpu, *value));
        assert_eq!(sample.get(Metric::Cpu), expected);
        assert_eq!(sample.readings().len(), usize::from(expected.is_some()));
    }

    #[test]
    fn keeps_finite_values_and_the_last_of_a_metric() {
        check(&[], None);
        check(&[1.0], Some(1.0));
        check(&[1.0, 2.0], Some(2.0));
        check(&[f64::NAN, f64::INFINITY], None);
        check(&[3.0, f64::NAN], Some(3.0));
    }
}
