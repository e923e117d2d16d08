//! Rows: the samples of one metric of one subject, and how they compare with the floor's.

use std::cmp::Ordering;
use std::io::{self, Write};

use crate::figure::{Figure, median};
use crate::workload::{FLOOR, PEERS};

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
    /// The median of the differences from the floor within each run, in the unit of the samples.
    pub(crate) beyond_floor: Option<f64>,
    /// The peer with the best median, and the median of the ratios to it; no peer has one.
    pub(crate) to_peer: Option<(String, f64)>,
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
                beyond_floor: None,
                to_peer: None,
            }),
        }
    }

    /// Compares every row of one case with the floor's and with the best peer's.
    pub(crate) fn compare(rows: &mut [Self]) {
        let all = rows.to_vec();
        for row in rows.iter_mut().filter(|row| row.subject != FLOOR) {
            let same = || all.iter().filter(|other| other.metric == row.metric);
            if let Some(floor) = same().find(|other| other.subject == FLOOR) {
                row.to_floor = row.against(floor, |own, least| own / least);
                row.beyond_floor = row.against(floor, |own, least| own - least);
            }
            if !row.is_peer() {
                let best = same().filter(|other| other.is_peer()).min_by(|a, b| a.order(b));
                let ratio = best.and_then(|best| row.against(best, |own, other| own / other));
                row.to_peer = best.map(|best| best.subject.clone()).zip(ratio);
            }
        }
    }

    fn is_peer(&self) -> bool {
        PEERS.contains(&self.subject.as_str())
    }

    /// The better median first: of a rate the higher one, of all else the lower one.
    fn order(&self, other: &Self) -> Ordering {
        let order = median(&self.values()).total_cmp(&median(&other.values()));
        if self.unit == "1/s" { order.reverse() } else { order }
    }

    /// The median of what `compare` says of the samples of one run.
    fn against(&self, other: &Self, compare: impl Fn(f64, f64) -> f64) -> Option<f64> {
        let of_run = |run: usize| other.samples.iter().find(|(its, _)| *its == run);
        let both = |(run, value): &(usize, f64)| of_run(*run).map(|(_, its)| compare(*value, *its));
        let all: Vec<f64> = self.samples.iter().filter_map(both).collect();
        (!all.is_empty()).then(|| median(&all))
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
        let ratio = row.to_floor.zip(row.beyond_floor);
        let ratio = ratio.map(|(ratio, more)| format!("{ratio:.2} × floor ({more:+.2})"));
        let peer = row.to_peer.as_ref().map(|(name, ratio)| format!("{ratio:.2} × {name}"));
        let compared: Vec<String> = ratio.into_iter().chain(peer).collect();
        writeln!(
            out,
            "  {:14} {:24} {:22} {:>10} {:9} ({spread:17}) {}",
            row.case,
            row.subject,
            row.metric,
            short(median(&values)),
            row.unit,
            compared.join(", ")
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
            for (subject, value) in
                [(FLOOR, floor), ("ours", ours), ("ractor", 4.0), ("kameo", 9.0)]
            {
                let figure = Figure::new("start", "ms", value);
                Row::take(&mut rows, "w", "1", subject, run, figure);
            }
        }
        Row::compare(&mut rows);
        assert_eq!(rows[0].to_floor, None);
        assert_eq!(rows[1].to_floor, Some(2.5));
        assert_eq!(rows[1].beyond_floor, Some(3.0));
        assert_eq!(rows[1].to_peer, Some(("ractor".to_owned(), 1.25)));
        assert_eq!(rows[2].to_peer, None, "a peer is compared with the floor only");
    }
}
