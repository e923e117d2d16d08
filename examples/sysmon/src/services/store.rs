//! `store`: keeps the samples on disk, for the other three.
//!
//! # Invariants
//!
//! 1. The file belongs to one generation: opened by its constructor, closed by its `stop`, even
//!    if somebody kept a reference to the instance. So the next generation can open it.
//! 2. Every call to the disk runs on a blocking thread; at most [`MAX_READS`] read at a time.
//! 3. After a failed write the generation ends with an error: redb must open its file anew.

use std::sync::Arc;

use processpype::{Config, Context, Error, Result, Service};
use tokio::sync::{Semaphore, watch};

use crate::settings::StoreConfig;
use crate::{Archive, ArchiveError, HistoryQuery, Latest, Point, Sample, Time};

/// Reads at a time; more wait, so that questions cannot take every thread from the writer.
const MAX_READS: usize = 4;

/// The service.
#[derive(Debug)]
pub struct Store {
    archive: Arc<Archive>,
    cx: Context,
    reads: Semaphore,
    /// Why the file must be opened anew.
    broken: watch::Sender<Option<String>>,
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
        let opened = blocking(&cx, "open", move || {
            let archive = Archive::open(&directory)?;
            let committed = archive.latest(Time::MAX)?.committed;
            Ok::<_, ArchiveError>((archive, committed))
        });
        let (archive, committed) = opened.await??;
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
    /// Fails if the disk does; the service then starts anew.
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
    /// Fails if the disk does; the service then starts anew.
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

    async fn read<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce(&Archive) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T> {
        let _permit = self.reads.acquire().await?;
        let archive = Arc::clone(&self.archive);
        Ok(blocking(&self.cx, name, move || call(&archive)).await??)
    }

    async fn write<T: Send + 'static>(
        &self,
        name: &'static str,
        call: impl FnOnce(&Archive) -> Result<T, ArchiveError> + Send + 'static,
    ) -> Result<T> {
        let archive = Arc::clone(&self.archive);
        let result = blocking(&self.cx, name, move || call(&archive)).await?;
        if let Err(error @ ArchiveError::Failed { .. }) = &result {
            self.broken.send_replace(Some(error.to_string()));
        }
        Ok(result?)
    }
}

impl Service for Store {
    async fn run(&self, cx: &Context) -> Result {
        let mut broken = self.broken.subscribe();
        match cx.until_stopped(broken.wait_for(Option::is_some)).await {
            Some(Ok(reason)) => Err(Error::msg(reason.clone().unwrap_or_default())),
            Some(Err(_)) | None => Ok(()),
        }
    }

    async fn stop(&self, cx: &Context) -> Result {
        let archive = Arc::clone(&self.archive);
        Ok(blocking(cx, "close", move || archive.close()).await??)
    }
}

/// Runs `call` on a blocking thread, as a child of the service.
async fn blocking<T: Send + 'static>(
    cx: &Context,
    name: &'static str,
    call: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    cx.spawn_blocking(name, call).await
}
