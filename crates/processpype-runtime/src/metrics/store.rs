//! Where registered metrics are kept: the names of an application, and the series of each service.
//!
//! # Invariants
//!
//! 1. A name is taken once for each series that has it, and free again with the last of them: who
//!    leaves the application takes nothing of the room for names along.
//! 2. The lock of the names may be taken within that of a service's series, never the other way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use processpype_core::{Generation, SortedMap};

use crate::scrub::Scrub;

use super::name::told;
use super::{Buckets, Counter, Gauge, Histogram, Kind, MetricError, Reading, Series, SeriesFamily};

/// How many series the metrics of one service may have.
///
/// A histogram counts with each of its buckets, as Prometheus keeps it.
pub const SERIES_MAX: usize = 1000;

/// How many names of metrics all services of an application may have together, at a time.
pub const FAMILIES_MAX: usize = 4096;

/// The names of an application's metrics: one kind and one help text for each.
#[derive(Debug, Default)]
pub(crate) struct Families {
    names: Mutex<Names>,
    scrub: Scrub,
}

#[derive(Debug, Default)]
struct Names {
    families: SortedMap<String, Family>,
    /// What stands in an exposition because of each of them, and whose it is.
    told: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Family {
    kind: Kind,
    help: String,
    /// How many series have this name.
    series: usize,
}

/// The metrics of one service.
#[derive(Debug)]
pub(crate) struct Store {
    families: Arc<Families>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The newest generation that has registered something.
    newest: Generation,
    series: SortedMap<Key, Value>,
    /// How many series that is.
    count: usize,
}

/// A name that was taken for a series; given back unless there is one.
struct Taken<'a> {
    families: &'a Families,
    name: &'a str,
    is_kept: bool,
}

/// Name and labels, in the order of an answer.
type Key = (String, Vec<(String, String)>);

#[derive(Clone, Debug)]
enum Value {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram, Generation),
}

// === impl Families ===

impl Families {
    /// Makes one for an application of which nobody may see what `scrub` takes out.
    pub(crate) fn new(scrub: Scrub) -> Self {
        Self { names: Mutex::default(), scrub }
    }

    /// Takes the name for a series of this kind of metric.
    fn take(&self, name: &str, kind: Kind, help: &str) -> Result<(), MetricError> {
        let mut names = self.lock();
        if let Some(known) = names.families.get_mut(name) {
            if known.kind != kind {
                return Err(MetricError::Conflict { name: name.to_owned(), is: known.kind });
            }
            known.series += 1;
            return Ok(());
        }
        if names.families.len() >= FAMILIES_MAX {
            return Err(MetricError::Families { name: name.to_owned() });
        }
        let told = told(name, kind);
        if let Some((both, other)) = told.iter().find_map(|it| names.told.get_key_value(it)) {
            let (both, other, name) = (both.clone(), other.clone(), name.to_owned());
            return Err(MetricError::Clash { name, kind, other, both });
        }
        names.told.extend(told.into_iter().map(|it| (it, name.to_owned())));
        let family = Family { kind, help: self.scrub.text(help), series: 1 };
        names.families.insert(name.to_owned(), family);
        Ok(())
    }

    /// A series is no more; with the last one its name is free again.
    fn give_back(&self, name: &str) {
        let mut names = self.lock();
        let names = &mut *names;
        let Some(family) = names.families.get_mut(name) else { return };
        family.series -= 1;
        if family.series == 0 {
            told(name, family.kind).iter().for_each(|it| drop(names.told.remove(it)));
            names.families.remove(name);
        }
    }

    fn help(&self, name: &str) -> String {
        self.lock().families.get(name).map_or_else(String::new, |family| family.help.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Store ===

impl Store {
    pub(crate) fn new(families: Arc<Families>) -> Self {
        Self { families, kept: Mutex::default() }
    }

    /// Returns the value of a label as everybody may see it.
    pub(super) fn public(&self, value: &str) -> String {
        self.families.scrub.text(value)
    }

    pub(super) fn counter(
        &self,
        generation: Generation,
        name: &str,
        help: &str,
        labels: &[(String, String)],
    ) -> Result<Counter, MetricError> {
        let taken = self.take(name, Kind::Counter, help)?;
        let key = (name.to_owned(), labels.to_vec());
        let mut kept = self.begun(generation);
        if let Some(Value::Counter(counter)) = kept.series.get(&key) {
            return Ok(counter.clone());
        }
        let counter = Counter::default();
        kept.add(key, Value::Counter(counter.clone()))?;
        taken.keep();
        Ok(counter)
    }

    pub(super) fn gauge(
        &self,
        generation: Generation,
        name: &str,
        help: &str,
        labels: &[(String, String)],
    ) -> Result<Gauge, MetricError> {
        let taken = self.take(name, Kind::Gauge, help)?;
        let key = (name.to_owned(), labels.to_vec());
        let mut kept = self.begun(generation);
        if generation < kept.newest {
            // What is left of an old generation sets a gauge that nobody sees.
            return Ok(Gauge::default());
        }
        if let Some(Value::Gauge(gauge)) = kept.series.get(&key) {
            return Ok(gauge.clone());
        }
        let gauge = Gauge::default();
        kept.add(key, Value::Gauge(gauge.clone()))?;
        taken.keep();
        Ok(gauge)
    }

    pub(super) fn histogram(
        &self,
        generation: Generation,
        name: &str,
        help: &str,
        labels: &[(String, String)],
        buckets: Buckets,
    ) -> Result<Histogram, MetricError> {
        let taken = self.take(name, Kind::Histogram, help)?;
        let key = (name.to_owned(), labels.to_vec());
        let mut kept = self.begun(generation);
        match kept.series.get(&key) {
            Some(Value::Histogram(histogram, _)) if *histogram.buckets() == buckets => {
                return Ok(histogram.clone());
            }
            Some(Value::Histogram(_, since)) if *since >= generation => {
                let (name, is) = (name.to_owned(), Kind::Histogram);
                return Err(MetricError::Conflict { name, is });
            }
            Some(_) => {
                kept.remove(&key);
                self.families.give_back(name);
            }
            None => {}
        }
        let histogram = Histogram::new(buckets);
        kept.add(key, Value::Histogram(histogram.clone(), generation))?;
        taken.keep();
        Ok(histogram)
    }

    /// Returns every series; gauges only of the generation that is `alive`.
    pub(crate) fn read(&self, alive: Option<Generation>) -> Vec<SeriesFamily> {
        // The lock is held for copies of pointers; reading them takes longer.
        let kept = self.kept();
        let shows_gauges = alive == Some(kept.newest);
        let series: Vec<(Key, Value)> =
            kept.series.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        drop(kept);
        let mut families: Vec<SeriesFamily> = Vec::new();
        for ((name, labels), value) in series {
            if matches!(value, Value::Gauge(_)) && !shows_gauges {
                continue;
            }
            let series = Series { labels, reading: value.read() };
            match families.last_mut().filter(|family| family.name == name) {
                Some(family) => family.series.push(series),
                None => {
                    let (kind, help) = (value.kind(), self.families.help(&name));
                    families.push(SeriesFamily { name, kind, help, series: vec![series] });
                }
            }
        }
        families
    }

    fn take<'a>(&'a self, name: &'a str, kind: Kind, help: &str) -> Result<Taken<'a>, MetricError> {
        self.families.take(name, kind, help)?;
        Ok(Taken { families: &self.families, name, is_kept: false })
    }

    /// The series, once this generation registers something: the gauges of earlier ones tell of
    /// nobody any more.
    fn begun(&self, generation: Generation) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept();
        if generation > kept.newest {
            kept.newest = generation;
            kept.series.retain(|(name, _), value| {
                let stays = !matches!(value, Value::Gauge(_));
                if !stays {
                    self.families.give_back(name);
                }
                stays
            });
            kept.count = kept.series.values().map(Value::weight).sum();
        }
        kept
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    /// The service has left, and nobody registers anything for it any more.
    fn drop(&mut self) {
        self.kept().series.keys().for_each(|(name, _)| self.families.give_back(name));
    }
}

// === impl Taken ===

impl Taken<'_> {
    /// There is a series that has it.
    fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.families.give_back(self.name);
        }
    }
}

// === impl Kept ===

impl Kept {
    fn add(&mut self, key: Key, value: Value) -> Result<(), MetricError> {
        let count = self.count + value.weight();
        if count > SERIES_MAX {
            return Err(MetricError::Series { name: key.0 });
        }
        self.count = count;
        self.series.insert(key, value);
        Ok(())
    }

    fn remove(&mut self, key: &Key) {
        if let Some(value) = self.series.remove(key) {
            self.count -= value.weight();
        }
    }
}

// === impl Value ===

impl Value {
    fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(..) => Kind::Histogram,
        }
    }

    fn weight(&self) -> usize {
        match self {
            Self::Counter(_) | Self::Gauge(_) => 1,
            // Infinity, sum and count are series too.
            Self::Histogram(histogram, _) => histogram.buckets().bounds().len() + 3,
        }
    }

    fn read(&self) -> Reading {
        match self {
            Self::Counter(counter) => Reading::Number(counter.get()),
            Self::Gauge(gauge) => Reading::Number(gauge.get()),
            Self::Histogram(histogram, _) => {
                let (buckets, count) = histogram.read();
                Reading::Histogram { buckets, count, sum: histogram.sum() }
            }
        }
    }
}

#[cfg(test)]
mod tests;
