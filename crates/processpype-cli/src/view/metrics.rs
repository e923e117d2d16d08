//! Metrics for people: one line for each series, and one for each histogram.

use processpype_api::{MetricFamily, MetricKind, MetricSample};

use super::Paper;
use super::table::{Cell, table};
use crate::clean::clean;

/// Shows metrics, but for those series that only say which state it is not.
pub(crate) fn metrics(families: &[MetricFamily], paper: Paper) -> String {
    let rows: Vec<Vec<Cell>> = families.iter().flat_map(rows).collect();
    table(&["METRIC", "LABELS", "VALUE"], &rows, paper.width)
}

fn rows(family: &MetricFamily) -> Vec<Vec<Cell>> {
    let shown = |sample: &&MetricSample| match family.kind {
        MetricKind::Histogram => sample.name.ends_with("_count"),
        _ => sample.value != 0.0 || sample.label("state").is_none(),
    };
    let row = |sample: &MetricSample| {
        let value = match family.kind {
            MetricKind::Histogram => histogram(family, sample),
            _ => number(sample.value),
        };
        vec![family.name.as_str().into(), labels(sample).into(), value.into()]
    };
    family.samples.iter().filter(shown).map(row).collect()
}

fn labels(sample: &MetricSample) -> String {
    let label = |(name, value): &(String, String)| {
        // A value may hold anything; a line and a terminal are not its to break.
        let is_plain = !value.is_empty() && !value.contains(' ') && clean(value) == *value;
        if is_plain { format!("{name}={value}") } else { clean(&format!("{name}={value:?}")) }
    };
    sample.labels.iter().map(label).collect::<Vec<_>>().join(" ")
}

/// How many observations, and their mean.
fn histogram(family: &MetricFamily, count: &MetricSample) -> String {
    let name = format!("{}_sum", family.name);
    let sum = family.samples.iter().find(|it| it.name == name && it.labels == count.labels);
    match sum.filter(|_| count.value > 0.0) {
        Some(sum) => {
            let mean = sum.value / count.value;
            format!("{} of {} on average", number(count.value), rounded(mean))
        }
        None => number(count.value),
    }
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value}") } else { rounded(value) }
}

/// Four digits are enough for a look.
fn rounded(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return format!("{value}");
    }
    let digits = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# TYPE processpype_service_state gauge
processpype_service_state{service=\"db\",state=\"running\"} 1
processpype_service_state{service=\"db\",state=\"error\"} 0
# TYPE jobs_total counter
jobs_total{service=\"db\",queue=\"a b\\n\\\"\"} 12
jobs_total{service=\"db\",queue=\"\"} 0
jobs_total{service=\"db\",queue=\"\u{202e}lrt\"} 1
# TYPE heat gauge
heat 0.000123456
# TYPE t_seconds histogram
t_seconds_bucket{service=\"db\",le=\"+Inf\"} 3
t_seconds_sum{service=\"db\"} 1
t_seconds_count{service=\"db\"} 3
";

    #[test]
    fn a_series_is_a_line() {
        let families = processpype_api::parse_exposition(TEXT).unwrap();
        let shown = metrics(&families, Paper::default());
        let shown = anstream::adapter::strip_str(&shown).to_string();
        let expected = "\
METRIC                     LABELS                          VALUE
processpype_service_state  service=db state=running        1
jobs_total                 service=db queue=\"a b\\n\\\"\"      12
jobs_total                 service=db queue=\"\"             0
jobs_total                 service=db queue=\"\\u{202e}lrt\"  1
heat                                                       0.0001235
t_seconds                  service=db                      3 of 0.3333 on average";
        assert_eq!(shown, expected);
    }
}
