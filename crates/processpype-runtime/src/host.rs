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
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// A runtime: that of the services, or the caller's own. For the control plane, which serves
/// connections where the services run if they ask for little else than services' own routes.
#[derive(Clone, Debug)]
pub struct Host(Handle);

/// A future that runs on another runtime. It resolves to `None` if that ends early, by a panic or
/// because the runtime does.
///
/// # Cancel safety
///
/// Dropping it ends what runs there, at its next await.
#[derive(Debug)]
pub struct Carried<T> {
    there: AbortHandle,
    result: oneshot::Receiver<T>,
}

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
    /// It is boxed, as whatever is spawned beside the services themselves, and its result is told
    /// apart: tokio's code for a task is compiled for each type of future and of result, and for
    /// each of its schedulers.
    pub fn carry<F>(&self, future: F) -> Carried<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let (tell, result) = oneshot::channel();
        let carried = async move {
            // Whoever has carried it away may be gone.
            let _ = tell.send(future.await);
        };
        Carried { there: self.0.spawn(carried.boxed()).abort_handle(), result }
    }
}

// === impl Carried ===

impl<T> Future for Carried<T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for Carried<T> {
    fn drop(&mut self) {
        self.there.abort();
    }
}
