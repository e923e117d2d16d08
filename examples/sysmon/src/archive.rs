//! The samples on disk: one redb file, used by one process at a time.
//!
//! # Invariants
//!
//! 1. [`Archive::append`] returns after the sample is on disk: whatever ends the process later,
//!    the next [`Archive::open`] finds it.
//! 2. The file is free once [`Archive::close`] returns, even if somebody still holds the archive:
//!    what they ask of it then is [`ArchiveError::Closed`].
//! 3. The key of a value is (metric name, time in ms), so a metric's history is one range. Two
//!    samples of the same millisecond are one: the later replaces the earlier.
//! 4. No call answers with more than a bounded number of values.
//!
//! Every call blocks: use a blocking thread.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition,
    TableError,
};

use crate::{Downsampler, Metric, Point, Sample, Time};

mod error;

pub use error::ArchiveError;

/// The name of the file in the data directory.
const FILE: &str = "sysmon.redb";

/// The layout that this program writes; a file with another one is refused.
const FORMAT: u64 = 1;

/// Memory for pages read from the file, in bytes.
const CACHE: usize = 16 << 20;

const SAMPLES: TableDefinition<'_, (&str, u64), f64> = TableDefinition::new("samples");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
const META_FORMAT: &str = "format";
const META_COMMITTED: &str = "committed";

/// The open file.
///
/// # Examples
///
/// ```
/// use sysmon::{Archive, Metric, Sample, Time};
///
/// # let dir = std::env::temp_dir().join(format!("sysmon-doc-{}", std::process::id()));
/// let archive = Archive::open(&dir)?;
/// let mut sample = Sample::new(Time::from_millis(1_000));
/// sample.push(Metric::Cpu, 12.5);
/// assert_eq!(archive.append(&sample)?, 1);
/// archive.close()?;
/// assert!(archive.append(&sample).is_err());
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Archive {
    path: PathBuf,
    /// `None` once closed. Calls hold it for reading, so that closing waits for them.
    database: RwLock<Option<Database>>,
}

/// The newest value of every metric.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Latest {
    /// Samples committed since the file was made, those deleted since included.
    pub committed: u64,
    /// Metric, time and value, sorted by the metric's name.
    pub readings: Vec<(Metric, Time, f64)>,
}

// === impl Archive ===

impl Archive {
    /// Opens the file in `directory`; makes both if they are missing.
    ///
    /// The whole file is checked, so that damage is an error here and not a surprise later.
    ///
    /// # Errors
    ///
    /// Fails if the directory cannot be made, another process uses the file, or the file is
    /// damaged, not a database, or of another format.
    pub fn open(directory: &Path) -> Result<Self, ArchiveError> {
        fs::create_dir_all(directory)
            .map_err(|source| ArchiveError::Directory { path: directory.to_path_buf(), source })?;
        let path = directory.join(FILE);
        let database = Builder::new()
            .set_cache_size(CACHE)
            .set_check_integrity_on_open(true)
            .create(&path)
            .map_err(|error| ArchiveError::opening(&path, error))?;
        prepare(&path, &database)?;
        Ok(Self { path, database: RwLock::new(Some(database)) })
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits `sample` durably and returns how many were committed to this file so far.
    ///
    /// # Errors
    ///
    /// After an error of the disk the archive is of no more use: close it and open it anew.
    pub fn append(&self, sample: &Sample) -> Result<u64, ArchiveError> {
        self.with("append a sample", |database| {
            let mut write = database.begin_write()?;
            write.set_durability(Durability::Immediate)?;
            let committed = {
                insert(&mut write.open_table(SAMPLES)?, sample)?;
                increment(&mut write.open_table(META)?)?
            };
            write.commit()?;
            Ok(committed)
        })
    }

    /// Returns the newest value of every metric, not counting samples later than `now`.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn latest(&self, now: Time) -> Result<Latest, ArchiveError> {
        self.with("read the newest samples", |database| {
            let read = database.begin_read()?;
            let samples = read.open_table(SAMPLES)?;
            let mut readings = Vec::new();
            for metric in metrics(&samples)? {
                let name = metric.name();
                let newest = samples.range((&*name, 0)..=(&*name, now.as_millis()))?.next_back();
                if let Some((key, value)) = newest.transpose()? {
                    readings.push((metric, Time::from_millis(key.value().1), value.value()));
                }
            }
            Ok(Latest { committed: committed(&read.open_table(META)?)?, readings })
        })
    }

    /// Returns the history of `metric` as points, at most as many as `downsampler` allows.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn history(
        &self,
        metric: Metric,
        mut downsampler: Downsampler,
    ) -> Result<Vec<Point>, ArchiveError> {
        let window = downsampler.window();
        self.with("read a history", |database| {
            let samples = database.begin_read()?.open_table(SAMPLES)?;
            let name = metric.name();
            let (from, to) = (window.from.as_millis(), window.to.as_millis());
            if from <= to {
                for entry in samples.range((&*name, from)..=(&*name, to))? {
                    let (key, value) = entry?;
                    downsampler.add(Time::from_millis(key.value().1), value.value());
                }
            }
            Ok(downsampler.finish())
        })
    }

    /// Deletes values older than `cutoff`, at most `limit` of them, and returns how many.
    ///
    /// Fewer than `limit` means that none is left. One call is one transaction.
    ///
    /// # Errors
    ///
    /// As [`Archive::append`].
    pub fn delete_before(&self, cutoff: Time, limit: usize) -> Result<usize, ArchiveError> {
        self.with("delete old samples", |database| {
            let write = database.begin_write()?;
            let deleted = delete(&mut write.open_table(SAMPLES)?, cutoff, limit)?;
            match deleted {
                0 => write.abort()?,
                _ => write.commit()?,
            }
            Ok(deleted)
        })
    }

    /// Waits for the calls in progress and releases the file; closing twice is fine.
    ///
    /// # Errors
    ///
    /// Fails if the file could not be left tidy. It is released all the same, and no committed
    /// sample is lost.
    pub fn close(&self) -> Result<(), ArchiveError> {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.take() else { return Ok(()) };
        database.close().map_err(|error| self.failed("tidy up", error.into()))
    }

    fn with<T>(
        &self,
        doing: &'static str,
        call: impl FnOnce(&Database) -> Result<T, redb::Error>,
    ) -> Result<T, ArchiveError> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = &*database else {
            return Err(ArchiveError::Closed { path: self.path.clone() });
        };
        call(database).map_err(|source| self.failed(doing, source))
    }

    fn failed(&self, doing: &'static str, source: redb::Error) -> ArchiveError {
        ArchiveError::Failed { path: self.path.clone(), doing, source: Box::new(source) }
    }
}

/// Makes the tables of a new file; refuses a file of another format.
fn prepare(path: &Path, database: &Database) -> Result<(), ArchiveError> {
    let found = format(database).map_err(|error| ArchiveError::opening(path, error))?;
    if found != FORMAT {
        return Err(ArchiveError::Format { path: path.to_path_buf(), found, supported: FORMAT });
    }
    Ok(())
}

fn format(database: &Database) -> Result<u64, redb::Error> {
    match database.begin_read()?.open_table(META) {
        Ok(meta) => return Ok(meta.get(META_FORMAT)?.map_or(0, |found| found.value())),
        Err(TableError::TableDoesNotExist(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let write = database.begin_write()?;
    write.open_table(SAMPLES)?;
    write.open_table(META)?.insert(META_FORMAT, FORMAT)?;
    write.commit()?;
    Ok(FORMAT)
}

fn insert(
    table: &mut Table<'_, (&'static str, u64), f64>,
    sample: &Sample,
) -> Result<(), redb::Error> {
    for (metric, value) in sample.readings() {
        table.insert((&*metric.name(), sample.time().as_millis()), value)?;
    }
    Ok(())
}

fn increment(meta: &mut Table<'_, &'static str, u64>) -> Result<u64, redb::Error> {
    let committed = committed(meta)?.saturating_add(1);
    meta.insert(META_COMMITTED, committed)?;
    Ok(committed)
}

fn committed(meta: &impl ReadableTable<&'static str, u64>) -> Result<u64, redb::Error> {
    Ok(meta.get(META_COMMITTED)?.map_or(0, |committed| committed.value()))
}

/// Lists the metrics that have a value, by skipping from one name to the next.
///
/// Names that this program does not know, from a later one, are left out.
fn metrics(
    samples: &impl ReadableTable<(&'static str, u64), f64>,
) -> Result<Vec<Metric>, redb::Error> {
    let mut metrics = Vec::new();
    let mut from = String::new();
    while let Some(entry) = samples.range((&*from, 0)..)?.next() {
        entry?.0.value().0.clone_into(&mut from);
        metrics.extend(from.parse::<Metric>());
        // The least name after this one.
        from.push('\0');
    }
    Ok(metrics)
}

fn delete(
    samples: &mut Table<'_, (&'static str, u64), f64>,
    cutoff: Time,
    limit: usize,
) -> Result<usize, redb::Error> {
    let mut deleted = 0;
    for metric in metrics(samples)? {
        let name = metric.name();
        let old =
            samples.extract_from_if((&*name, 0)..(&*name, cutoff.as_millis()), |_, _| true)?;
        for entry in old.take(limit - deleted) {
            entry?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests;
