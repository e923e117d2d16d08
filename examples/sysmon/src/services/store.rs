//! `store`: keeps the samples on disk, for the other three.
//!
//! # Invariants
//!
//! 1. The file belongs to one generation: opened by its constructor, closed at its end, even if
//!    somebody kept a reference to the instance. So the next generation can open it.
//! 2. Every call to the disk runs on a blocking thread; at most [`MAX_READS`] read at a time.
//! 3. After a failed write the generation ends with an error: redb must open its file anew.
//! 4. What the status shows names the file and the remedy; the database's own words are for the
//!    log.

use std::sync::Arc;

use processpype::{Config, Context, Error, Finding, Result, Service};
use tokio::sync::{Semaphore, watch};

use crate::settings::StoreConfig;
use crate::{Archive, ArchiveError, HistoryQuery, Latest, Metric, Point, Sample, Time};

/// Reads at a time; more wait, so that questions cannot take every thread from the writer.
const MAX_READS: usize = 4;

/// From how full a disk, in percent, the doctor warns: what is left is a matter of days then.
const NEARLY_FULL: f64 = 90.0;

/// The service.
#[derive(Debug)]
pub struct Store {
    archive: Arc<Archive>,
    cx: Context,
    reads: Semaphore,
    /// Why the file must be opened anew.
    broken: watch::Sender<Option<Arc<ArchiveError>>>,
}

// === impl Store ===

impl Store {
    /// Opens the file.
    ///
    /// # Errors
    ///
    /// As [`Archive::open`].
    pub async fn new(config: Config<StoreConfig>, cx: Context) -> Result<Self> {
        let directory = config.data_dir.clone();
        let opened = cx.spawn_blocking("open", move || {
            let archive = Archive::open(&directory)?;
            let committed = archive.latest(Time::MAX)?.committed;
            Ok::<_, ArchiveError>((archive, committed))
        });
        let (archive, committed) = opened.await?.map_err(shown)?;
        tracing::info!(file = %archive.path().display(), committed, "store opened");
        let broken = watch::Sender::new(None);
        Ok(Self { archive: Arc::new(archive), cx, reads: Semaphore::new(MAX_READS), broken })
    }

    /// Commits a sample; once this returns, it survives whatever ends the process.
    ///
    /// Returns how many samples were committed so far.
    ///
    /// # Errors
    ///
    /// Fails if the disk does; the service then ends with an error.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped may or may not have committed the sample.
    pub async fn append(&self, sample: Sample) -> Result<u64> {
        self.write("append", move |archive| archive.append(&sample)).await
    }

    /// Deletes at most `limit` values older than `cutoff`, and returns how many.
    ///
    /// # Errors
    ///
    /// Fails if the disk does; the service then ends with an error.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped may or may not have deleted them.
    pub async fn delete_before(&self, cutoff: Time, limit: usize) -> Result<usize> {
        self.write("delete", move |archive| archive.delete_before(cutoff, limit)).await
    }

    /// Returns the newest value of every metric.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub async fn latest(&self, now: Time) -> Result<Latest> {
        self.read("latest", move |archive| archive.latest(now)).await
    }

    /// Returns what `query`, asked `now`, wants to know.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub async fn history(&self, query: HistoryQuery, now: Time) -> Result<Vec<Point>> {
        let answer = query.downsampler(now);
        self.read("history", move |archive| archive.history(query.metric(), answer)).await
    }

    /// Waits for the stop; a file that must be opened anew ends the wait with an error.
    async fn until_broken(&self, cx: &Context) -> Result {
        let mut broken = self.broken.subscribe();
        match cx.until_stopped(broken.wait_for(Option::is_some)).await {
            Some(Ok(error)) => error.clone().map_or(Ok(()), |error| Err(unusable(error))),
            Some(Err(_)) | None => Ok(()),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce(&Archive) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T> {
        let _permit = self.reads.acquire().await?;
        let archive = Arc::clone(&self.archive);
        Ok(self.cx.spawn_blocking(name, move || call(&archive)).await??)
    }

    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce(&Archive) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T> {
        let archive = Arc::clone(&self.archive);
        let result = self.cx.spawn_blocking(name, move || call(&archive)).await?;
        let Err(error @ ArchiveError::Failed { .. }) = result else { return Ok(result?) };
        let error = Arc::new(error);
        self.broken.send_replace(Some(Arc::clone(&error)));
        Err(error.into())
    }
}

impl Service for Store {
    async fn run(&self, cx: &Context) -> Result {
        let ended = self.until_broken(cx).await;
        let archive = Arc::clone(&self.archive);
        let closed = cx.spawn_blocking("close", move || archive.close()).await?;
        ended.and(closed.map_err(shown))
    }

    async fn diagnose(&self, _: &Context) -> Vec<Finding> {
        let archive = Arc::clone(&self.archive);
        let exists = self.cx.spawn_blocking("exists", move || archive.path().exists());
        if !exists.await.unwrap_or(true) {
            let message = "somebody has deleted the file; what is kept goes nowhere";
            let remedy = "`restart store` makes a new one; the samples so far are lost";
            return vec![Finding::problem("file-gone", message, remedy)];
        }
        let Ok(latest) = self.latest(Time::MAX).await else {
            let remedy = "its log says why; `restart store` opens the file anew";
            return vec![Finding::problem("unreadable", "the file cannot be read", remedy)];
        };
        let used = latest.readings.iter().find(|(metric, ..)| *metric == Metric::Disk);
        let full = used.filter(|(.., percent)| *percent >= NEARLY_FULL);
        let finding = |(.., percent): &(Metric, Time, f64)| {
            let message = format!("the disk is {percent:.0} % full, and samples are kept on it");
            let remedy = "free some space, or keep samples for a shorter time: `retention.keep`";
            Finding::warning("disk-space", message, remedy)
        };
        full.map(finding).into_iter().collect()
    }

    /// Makes sure of it: `run` has closed the file, unless it was cut short.
    async fn stop(&self, _: &Context) -> Result {
        self.archive.close().map_err(shown)
    }
}

/// Makes the text of `error` part of the service's status, and its cause part of the log.
fn shown(error: ArchiveError) -> Error {
    Error::public(error.to_string()).with_source(error)
}

fn unusable(error: Arc<ArchiveError>) -> Error {
    let text = format!("{error}; start `store` again once its disk can be written");
    Error::public(text).with_source(error)
}
