//! Rows: the samples of one metric of one subject, and how they compare with the floor's.

use std::io::{self, Write};

use crate::figure::{Figure, median};
use crate::workload::FLOOR;

/// All samples of one metric.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) case: String,
    pub(crate) subject: String,
    pub(crate) metric: String,
    pub(crate) unit: String,
    /// By run; a run that failed has none.
    pub(crate) samples: Vec<(usize, f64)>,
    /// The median of the ratios to the floor within each run.
    pub(crate) to_floor: Option<f64>,
}

// === impl Row ===

impl Row {
    /// Adds one figure to its row.
    pub(crate) fn take(
        rows: &mut Vec<Self>,
        workload: &str,
        case: &str,
        subject: &str,
        run: usize,
        figure: Figure,
    ) {
        let is_own = |row: &&mut Self| row.subject == subject && row.metric == figure.metric;
        match rows.iter_mut().find(is_own) {
            Some(row) => row.samples.push((run, figure.value)),
            None => rows.push(Self {
                workload: workload.to_owned(),
                case: case.to_owned(),
                subject: subject.to_owned(),
                metric: figure.metric,
                unit: figure.unit,
                samples: vec![(run, figure.value)],
                to_floor: None,
            }),
        }
    }

    /// Compares every row of one case with the floor's.
    pub(crate) fn compare(rows: &mut [Self]) {
        let floors: Vec<Self> = rows.iter().filter(|row| row.subject == FLOOR).cloned().collect();
        for row in rows.iter_mut().filter(|row| row.subject != FLOOR) {
            let floor = floors.iter().find(|floor| floor.metric == row.metric);
            row.to_floor = floor.and_then(|floor| row.over(floor));
        }
    }

    fn over(&self, floor: &Self) -> Option<f64> {
        let of_run = |run: usize| floor.samples.iter().find(|(other, _)| *other == run);
        let ratio = |(run, value): &(usize, f64)| of_run(*run).map(|(_, least)| value / least);
        let ratios: Vec<f64> = self.samples.iter().filter_map(ratio).collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    pub(crate) fn values(&self) -> Vec<f64> {
        self.samples.iter().map(|(_, value)| *value).collect()
    }
}

/// Prints the rows of one case.
pub(crate) fn print_rows(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    for row in rows {
        let values = row.values();
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let spread = format!("{} – {}", short(least), short(most));
        let ratio = row.to_floor.map_or(String::new(), |ratio| format!("{ratio:.2} × floor"));
        writeln!(
            out,
            "  {:14} {:24} {:22} {:>10} {:9} ({spread:17}) {ratio}",
            row.case,
            row.subject,
            row.metric,
            short(median(&values)),
            row.unit
        )?;
    }
    Ok(())
}

/// Three digits that count.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_taken_within_each_run() {
        let mut rows = Vec::new();
        for (run, floor, ours) in [(0, 1.0, 2.0), (1, 10.0, 30.0), (2, 2.0, 5.0)] {
            for (subject, value) in [(FLOOR, floor), ("ours", ours)] {
                let figure = Figure::new("start", "ms", value);
                Row::take(&mut rows, "w", "1", subject, run, figure);
            }
        }
        Row::compare(&mut rows);
        assert_eq!(rows[0].to_floor, None);
        assert_eq!(rows[1].to_floor, Some(2.5));
    }
}
