//! What metrics and labels may be called.
//!
//! The rules are those of Prometheus' data model without its extension to all of UTF-8, and of its
//! naming conventions: <https://prometheus.io/docs/practices/naming/>.

use super::{Kind, MetricError};

/// The longest name of a metric or a label, in bytes.
pub const NAME_MAX: usize = 128;

/// The longest help text, in bytes.
pub const HELP_MAX: usize = 512;

/// The most labels of one metric, beside `service`.
pub const LABELS_MAX: usize = 8;

/// The longest value of a label, in bytes.
pub const LABEL_VALUE_MAX: usize = 256;

/// What the framework's own metrics begin with.
const RESERVED: [&str; 2] = ["processpype_", "process_"];

/// What the parts of other metrics end in.
const ENDINGS: [&str; 6] = ["_total", "_bucket", "_sum", "_count", "_created", "_info"];

/// Labels that are not a service's to give.
const TAKEN: [&str; 3] = ["service", "le", "quantile"];

pub(super) fn check(name: &str, kind: Kind, help: &str) -> Result<(), MetricError> {
    let owned = || name.to_owned();
    if !is_name(name) {
        return Err(MetricError::Name { name: owned() });
    }
    if RESERVED.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(MetricError::Reserved { name: owned() });
    }
    let fits = match kind {
        Kind::Counter => name.ends_with("_total"),
        Kind::Gauge | Kind::Histogram => !ENDINGS.iter().any(|ending| name.ends_with(ending)),
    };
    if !fits {
        return Err(MetricError::Ending { name: owned(), kind });
    }
    if help.len() > HELP_MAX { Err(MetricError::Help { name: owned() }) } else { Ok(()) }
}

/// Returns every name that stands in an exposition because of a metric: the family's, in both
/// formats, and those of its samples, the times of creation among them, which others add.
///
/// Source: OpenMetrics 1.0, "Metric naming" and "Suffixes"; the Prometheus clients for Python and
/// Java refuse the same.
pub(super) fn told(name: &str, kind: Kind) -> Vec<String> {
    let (family, endings): (_, &[&str]) = match kind {
        Kind::Counter => (name.strip_suffix("_total").unwrap_or(name), &["_total", "_created"]),
        Kind::Gauge => (name, &[]),
        Kind::Histogram => (name, &["_bucket", "_sum", "_count", "_created"]),
    };
    let parts = endings.iter().map(|ending| format!("{family}{ending}"));
    [family.to_owned()].into_iter().chain(parts).collect()
}

pub(super) fn check_label(
    label: &str,
    value: &str,
    others: &[(String, String)],
) -> Result<(), MetricError> {
    let is_taken = TAKEN.contains(&label) || others.iter().any(|(other, _)| other == label);
    if !is_name(label) || label.starts_with("__") || is_taken {
        return Err(MetricError::Label { label: label.to_owned() });
    }
    if value.len() > LABEL_VALUE_MAX {
        return Err(MetricError::LabelValue { label: label.to_owned() });
    }
    if others.len() >= LABELS_MAX { Err(MetricError::Labels) } else { Ok(()) }
}

/// Without the colon, which is for what Prometheus itself computes.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let begins = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    begins
        && name.len() <= NAME_MAX
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prometheus() {
        let long = "a".repeat(NAME_MAX + 1);
        for (name, kind, fits) in [
            ("jobs_total", Kind::Counter, true),
            ("jobs", Kind::Counter, false),
            ("_jobs", Kind::Gauge, true),
            ("jobs_total", Kind::Gauge, false),
            ("jobs_count", Kind::Histogram, false),
            ("jobs_info", Kind::Gauge, false),
            ("1jobs", Kind::Gauge, false),
            ("jöbs", Kind::Gauge, false),
            ("jobs:rate", Kind::Gauge, false),
            ("", Kind::Gauge, false),
            (&long, Kind::Gauge, false),
            ("process_heat", Kind::Gauge, false),
            ("processpype_jobs_total", Kind::Counter, false),
            ("processed", Kind::Gauge, true),
        ] {
            assert_eq!(check(name, kind, "").is_ok(), fits, "{name} {kind}");
        }
        assert!(check("jobs", Kind::Gauge, &"a".repeat(HELP_MAX + 1)).is_err());
    }

    #[test]
    fn labels_are_bounded_and_the_frameworks_are_not_given() {
        let label = |name: &str, value: &str| check_label(name, value, &[]);
        for (name, fits) in
            [("queue", true), ("_q", true), ("__q", false), ("service", false), ("le", false)]
        {
            assert_eq!(label(name, "a \"b\" \\ \n").is_ok(), fits, "{name}");
        }
        assert!(label("queue", &"a".repeat(LABEL_VALUE_MAX + 1)).is_err());
        let others: Vec<_> = (0..LABELS_MAX).map(|i| (format!("l{i}"), String::new())).collect();
        assert!(check_label("l0", "", &others[..1]).is_err(), "it stands there already");
        assert_eq!(check_label("queue", "", &others), Err(MetricError::Labels));
    }
}
