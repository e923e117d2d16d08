//! Work of an asker that may block: code of the user that reads configuration, and files.
//!
//! # Invariants
//!
//! 1. It never runs on the thread of who asks, which may be the one of loop and control plane.
//! 2. [`CHECKS_AT_ONCE`] run at a time at most: whoever gives up waiting does not give the place
//!    back, only the end of the work does.
//! 3. Nobody waits for longer than [`CHECK_TIME`], for a place and the work together.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::newcomer::{CreateError, RegisterError};
use crate::operation::CommandError;

/// How many checks of configuration run at a time, those included that nobody waits for any more.
///
/// Each takes a thread, and one that hangs keeps it. More than enough for those that end; with as
/// many that hang, configuration can neither be changed nor added until the process ends.
pub const CHECKS_AT_ONCE: usize = 16;

/// How long a check of configuration is waited for, and for its turn. Files may be slow; one that
/// takes longer hangs.
pub const CHECK_TIME: Duration = Duration::from_secs(30);

/// What is said of a check that was not over within [`CHECK_TIME`].
pub(crate) const CHECK_HANGS: &str = "a check of configuration was not over within 30s, and \
    nothing has changed: a file, or code that reads configuration, hangs; each that does keeps one \
    of 16 places until the process ends";

/// Threads that may block.
#[derive(Debug)]
pub(crate) struct Aside {
    threads: Handle,
    places: Arc<Semaphore>,
}

/// Work of any kind: tokio's code for what may block is compiled for each type of it.
type Work = Box<dyn FnOnce() -> Made + Send>;

/// What work has made.
type Made = Box<dyn Any + Send>;

/// Why work has no end.
#[derive(Debug)]
pub(super) enum NoEnd {
    Panicked,
    /// The threads are gone.
    Closing,
    /// It takes too long, or what was there before it does.
    Hangs,
}

// === impl Aside ===

impl Aside {
    pub(super) fn new(threads: Handle) -> Self {
        Self { threads, places: Arc::new(Semaphore::new(CHECKS_AT_ONCE)) }
    }

    /// Returns how many run, those included that nobody waits for any more.
    pub(super) fn running(&self) -> usize {
        CHECKS_AT_ONCE - self.places.available_permits().min(CHECKS_AT_ONCE)
    }

    /// Runs `work` as soon as there is a place.
    ///
    /// # Cancel safety
    ///
    /// Work that has begun goes on.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoEnd> {
        let work: Work = Box::new(|| Box::new(work()));
        let done = timeout(CHECK_TIME, self.run_to_end(work)).await.unwrap_or(Err(NoEnd::Hangs))?;
        Ok(*done.downcast().expect("it is what the work returned"))
    }

    async fn run_to_end(&self, work: Work) -> Result<Made, NoEnd> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| NoEnd::Closing)?;
        let done = self.threads.spawn_blocking(move || {
            let _place = place;
            work()
        });
        // It ends early by a panic, or when the runtime does.
        done.await.map_err(|error| if error.is_panic() { NoEnd::Panicked } else { NoEnd::Closing })
    }
}

// === impl NoEnd ===

impl From<NoEnd> for CommandError {
    fn from(no_end: NoEnd) -> Self {
        match no_end {
            NoEnd::Panicked => Self::Panicked,
            NoEnd::Closing => Self::Closing,
            NoEnd::Hangs => Self::CheckHangs,
        }
    }
}

impl From<NoEnd> for RegisterError {
    fn from(no_end: NoEnd) -> Self {
        match no_end {
            NoEnd::Panicked => Self::Panicked,
            NoEnd::Closing => Self::Closing,
            NoEnd::Hangs => Self::CheckHangs,
        }
    }
}

impl From<NoEnd> for CreateError {
    fn from(no_end: NoEnd) -> Self {
        match no_end {
            NoEnd::Panicked => Self::Panicked,
            NoEnd::Closing => Self::Closing,
            NoEnd::Hangs => Self::CheckHangs,
        }
    }
}
