//! The metrics that services have registered.

use processpype_api::{Exposition, HistogramReading, MetricKind};
use processpype_core::{ServiceName, SortedMap};
use processpype_runtime::{MetricKind as Kind, Reading, Series, SeriesFamily};

use super::SLICE;
use crate::server::Control;

/// Writes every family of services' own, each with the series of all that have it.
pub(super) async fn write(control: &Control, text: &mut Exposition) {
    let mut families: SortedMap<String, Vec<(&ServiceName, SeriesFamily)>> = SortedMap::new();
    let names = control.manager.names();
    for (at, name) in names.iter().enumerate() {
        for family in control.manager.metrics(name.as_str()).unwrap_or_default() {
            let members = families.get_or_insert_with(family.name.clone(), Vec::new);
            members.push((name, family));
        }
        if at % SLICE == SLICE - 1 {
            tokio::task::yield_now().await;
        }
    }
    for (name, members) in families.iter() {
        let Some((_, first)) = members.first() else { continue };
        text.family(name, kind(first.kind), &first.help);
        for slice in members.chunks(SLICE) {
            for (service, family) in slice {
                family.series.iter().for_each(|series| sample(service.as_str(), series, text));
            }
            tokio::task::yield_now().await;
        }
    }
}

fn kind(kind: Kind) -> MetricKind {
    match kind {
        Kind::Counter => MetricKind::Counter,
        Kind::Gauge => MetricKind::Gauge,
        Kind::Histogram => MetricKind::Histogram,
        _ => MetricKind::Untyped,
    }
}

fn sample(service: &str, series: &Series, text: &mut Exposition) {
    let own = series.labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let labels: Vec<(&str, &str)> = [("service", service)].into_iter().chain(own).collect();
    match &series.reading {
        Reading::Number(value) => text.sample(&labels, *value),
        Reading::Histogram { buckets, count, sum, .. } => {
            let (buckets, count, sum) = (buckets.clone(), *count, *sum);
            text.histogram(&labels, &HistogramReading { buckets, count, sum });
        }
        // What this version does not know has no text.
        _ => {}
    }
}
