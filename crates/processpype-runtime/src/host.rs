//! Runtimes as places: where services run, for whoever serves their clients.
//!
//! # Invariants
//!
//! 1. What is carried to the services' runtime runs beside their handlers: it shares their threads,
//!    and stands still when services block all of them.
//! 2. Whoever carries something away stays its owner.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

/// A runtime: that of the services, or the caller's own. For the control plane, which serves
/// connections where the services run if they ask for little else than services' own routes.
#[derive(Clone, Debug)]
pub struct Host(Handle);

/// A future that runs on another runtime.
///
/// # Cancel safety
///
/// Dropping it ends what runs there, at its next await.
#[derive(Debug)]
pub struct Carried<T>(JoinHandle<T>);

// === impl Host ===

impl Host {
    pub(crate) fn new(services: Handle) -> Self {
        Self(services)
    }

    /// Returns the runtime of the caller: the way back, for what it has carried elsewhere.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    #[must_use]
    pub fn here() -> Self {
        Self(Handle::current())
    }

    /// Returns whether the caller runs there itself.
    #[must_use]
    pub fn is_here(&self) -> bool {
        Handle::try_current().is_ok_and(|here| here.id() == self.0.id())
    }

    /// Runs a future there.
    ///
    /// It is boxed, as whatever is spawned beside the services themselves: tokio's code for a task
    /// is compiled for each type of future, for each of its schedulers.
    pub fn carry<F>(&self, future: F) -> Carried<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        Carried(self.0.spawn(future.boxed()))
    }
}

// === impl Carried ===

impl<T> Future for Carried<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Carried<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
