//! Writing metrics.

use std::fmt::Write as _;

use super::{ExpositionFormat, MetricKind};

/// Metrics as text, one family after the other.
///
/// It writes what it is given: whoever uses it gives valid names, each family once, and each series
/// once.
///
/// ```
/// use processpype_api::{Exposition, ExpositionFormat, MetricKind};
///
/// let mut text = Exposition::new(ExpositionFormat::Prometheus);
/// text.family("jobs_total", MetricKind::Counter, "Jobs done.");
/// text.sample(&[("queue", "a \"b\"")], 3.0);
/// let expected = "# HELP jobs_total Jobs done.\n# TYPE jobs_total counter\n\
///     jobs_total{queue=\"a \\\"b\\\"\"} 3\n";
/// assert_eq!(text.finish(), expected);
/// ```
#[derive(Clone, Debug)]
pub struct Exposition {
    text: String,
    format: ExpositionFormat,
    name: String,
}

/// What a histogram shows at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramReading {
    /// Upper bounds, ascending, and how many observations were at most that; without infinity.
    pub buckets: Vec<(f64, u64)>,
    /// How many observations there were.
    pub count: u64,
    /// The sum of all observations.
    pub sum: f64,
}

// === impl Exposition ===

impl Exposition {
    /// Begins a text.
    #[must_use]
    pub fn new(format: ExpositionFormat) -> Self {
        Self { text: String::new(), format, name: String::new() }
    }

    /// Begins a family; the samples that follow are its own.
    pub fn family(&mut self, name: &str, kind: MetricKind, help: &str) {
        self.name.clear();
        self.name.push_str(name);
        let open = self.format == ExpositionFormat::OpenMetrics;
        // There, the name of a counter's family goes without what its samples end in.
        let counts = open && kind == MetricKind::Counter;
        let family = if counts { name.strip_suffix("_total").unwrap_or(name) } else { name };
        let kind = match kind {
            MetricKind::Untyped if open => "unknown",
            kind => kind.as_str(),
        };
        let _ = write!(self.text, "# HELP {family} ");
        escape(&mut self.text, help, open);
        let _ = write!(self.text, "\n# TYPE {family} {kind}\n");
    }

    /// Writes one series of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.line("", labels, None, value);
    }

    /// Writes one series of a family of histograms.
    pub fn histogram(&mut self, labels: &[(&str, &str)], reading: &HistogramReading) {
        for (bound, count) in &reading.buckets {
            self.line("_bucket", labels, Some(*bound), *count as f64);
        }
        self.line("_bucket", labels, Some(f64::INFINITY), reading.count as f64);
        self.line("_sum", labels, None, reading.sum);
        self.line("_count", labels, None, reading.count as f64);
    }

    /// Returns how many bytes there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Returns whether nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Ends the text.
    #[must_use]
    pub fn finish(mut self) -> String {
        if self.format == ExpositionFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<f64>, value: f64) {
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
            before = ',';
        }
        if let Some(bound) = bound {
            self.text.push(before);
            self.text.push_str("le=\"");
            self.number(bound, self.format == ExpositionFormat::OpenMetrics);
            self.text.push('"');
            before = ',';
        }
        self.text.push_str(if before == ',' { "} " } else { " " });
        self.number(value, false);
        self.text.push('\n');
    }

    /// `with_point`: a whole number keeps its point, as OpenMetrics asks of bounds.
    fn number(&mut self, value: f64, with_point: bool) {
        let _ = match value {
            f64::INFINITY => write!(self.text, "+Inf"),
            f64::NEG_INFINITY => write!(self.text, "-Inf"),
            value if value.is_nan() => write!(self.text, "NaN"),
            value if with_point => write!(self.text, "{value:?}"),
            value => write!(self.text, "{value}"),
        };
    }
}

fn escape(text: &mut String, plain: &str, with_quotes: bool) {
    for character in plain.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if with_quotes => text.push_str("\\\""),
            character => text.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse_exposition;
    use super::*;

    const ODD: &str = "a\"b\\c\nd{e}=,f é #";

    fn written(format: ExpositionFormat) -> String {
        let mut text = Exposition::new(format);
        text.family("jobs_total", MetricKind::Counter, "Jobs \\ \"done\".\nAll of them.");
        text.sample(&[("queue", ODD), ("empty", "")], 3.0);
        text.family("heat", MetricKind::Gauge, "Now.");
        for (at, value) in [("a", f64::NAN), ("b", f64::INFINITY), ("c", -0.25), ("d", 1e300)] {
            text.sample(&[("at", at)], value);
        }
        text.family("wait_seconds", MetricKind::Histogram, "Waits.");
        let buckets = vec![(0.5, 1), (2.0, 1)];
        text.histogram(&[("queue", ODD)], &HistogramReading { buckets, count: 4, sum: 9.5 });
        text.histogram(&[], &HistogramReading::default());
        text.family("nothing", MetricKind::Untyped, "");
        text.finish()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let families = parse_exposition(&written(ExpositionFormat::Prometheus)).unwrap();
        let names: Vec<&str> = families.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names, ["jobs_total", "heat", "wait_seconds", "nothing"]);
        assert_eq!(families[0].help, "Jobs \\ \"done\".\nAll of them.");
        assert_eq!(families[0].samples[0].label("queue"), Some(ODD));
        assert_eq!(families[0].samples[0].label("empty"), Some(""));
        let heat: Vec<f64> = families[1].samples.iter().map(|sample| sample.value).collect();
        assert!(heat[0].is_nan());
        assert_eq!(heat[1..], [f64::INFINITY, -0.25, 1e300]);
        assert_eq!(families[2].samples.len(), 5 + 3);
        assert_eq!(families[2].samples[2].label("le"), Some("+Inf"));
    }

    #[test]
    fn open_metrics_differs_where_it_must() {
        let text = written(ExpositionFormat::OpenMetrics);
        for line in [
            "# HELP jobs Jobs \\\\ \\\"done\\\".\\nAll of them.",
            "# TYPE jobs counter",
            "jobs_total{queue=\"a\\\"b\\\\c\\nd{e}=,f é #\",empty=\"\"} 3",
            "wait_seconds_bucket{le=\"+Inf\"} 0",
            "# TYPE nothing unknown",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is missing in {text}");
        }
        assert!(text.contains("le=\"2.0\"") && text.ends_with("\n# EOF\n"));
    }
}
