//! Work of an asker that may block: code of the user that reads configuration, and files.
//!
//! # Invariants
//!
//! 1. It never runs on the thread of who asks, which may be the one of loop and control plane.
//! 2. [`CHECKS_AT_ONCE`] run at a time at most: whoever gives up waiting does not give the place
//!    back, only the end of the work does.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::newcomer::{CreateError, RegisterError};
use crate::operation::CommandError;

/// How many checks of configuration run at a time, those included that nobody waits for any more.
///
/// Each takes a thread, and one that hangs keeps it. More than enough for those that end; with as
/// many that hang, configuration can neither be changed nor added until the process ends.
pub const CHECKS_AT_ONCE: usize = 16;

/// Threads that may block.
#[derive(Debug)]
pub(crate) struct Aside {
    threads: Handle,
    places: Arc<Semaphore>,
}

/// Why work has no end.
#[derive(Debug)]
pub(super) enum NoEnd {
    Panicked,
    /// The threads are gone.
    Closing,
}

// === impl Aside ===

impl Aside {
    pub(super) fn new(threads: Handle) -> Self {
        Self { threads, places: Arc::new(Semaphore::new(CHECKS_AT_ONCE)) }
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
        }
    }
}

impl From<NoEnd> for RegisterError {
    fn from(no_end: NoEnd) -> Self {
        match no_end {
            NoEnd::Panicked => Self::Panicked,
            NoEnd::Closing => Self::Closing,
        }
    }
}

impl From<NoEnd> for CreateError {
    fn from(no_end: NoEnd) -> Self {
        match no_end {
            NoEnd::Panicked => Self::Panicked,
            NoEnd::Closing => Self::Closing,
        }
    }
}
