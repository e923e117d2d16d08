//! What a service is.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::context::Context;
use crate::error::Result;
use crate::routes::Routes;

/// A part of an application with a life of its own.
///
/// Every method is optional; a service with none of them runs until it is asked to stop. Write them
/// as `async fn`. The sequence of one generation is fixed:
///
/// 1. constructor and [`start`](Self::start), together within `start_timeout`, then
///    [`routes`](Self::routes);
/// 2. the service is `running` and, unless it said [`cx.ready(false)`](Context::ready), ready;
/// 3. [`run`](Self::run) until it ends or the service is asked to stop;
/// 4. asked to stop: new requests and `Dep::get` are refused, requests in flight finish while `run`
///    still serves them, event streams end; then [`cx.stopping()`](Context::stopping) resolves,
///    `run` and the children end;
/// 5. [`stop`](Self::stop); then the generation is gone.
///
/// `stop_timeout` bounds 4 and 5: draining and `run` may take 40 % each, `stop` always has the
/// rest. What does not end in its phase is dropped.
///
/// ```
/// use std::time::Duration;
/// use processpype_runtime::{Context, Result, Service};
///
/// struct Heartbeat;
///
/// impl Service for Heartbeat {
///     async fn run(&self, cx: &Context) -> Result {
///         while cx.sleep(Duration::from_secs(1)).await {
///             tracing::info!("alive");
///         }
///         Ok(())
///     }
/// }
/// ```
pub trait Service: Send + Sync + 'static {
    /// Prepares the service; it is not `running` before this returns.
    ///
    /// # Errors
    ///
    /// An error ends the generation as `start-failed`.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the service is asked to stop, or at `start_timeout`; `stop` still
    /// runs.
    fn start(&self, cx: &Context) -> impl Future<Output = Result> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Does the service's work until it is asked to stop. Keep the loop's state in local variables.
    ///
    /// The default waits for the stop.
    ///
    /// # Errors
    ///
    /// An error ends the generation as `failed`; returning `Ok` unasked is `unexpected-end`, unless
    /// the service is `oneshot`. An error that comes from an [`Unavailable`](crate::Unavailable)
    /// provider is of kind `dependency`.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped if it has not ended in its phase of a stop.
    fn run(&self, cx: &Context) -> impl Future<Output = Result> + Send {
        async move {
            cx.stopping().await;
            Ok(())
        }
    }

    /// Releases what the service holds. Called exactly once when the constructor had succeeded,
    /// also after a failure or a panic, and never beside `run`.
    ///
    /// # Errors
    ///
    /// An error is recorded; the service is stopped all the same.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped at the end of `stop_timeout`.
    fn stop(&self, cx: &Context) -> impl Future<Output = Result> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Returns the routes that are served below `/services/{name}/` while the service runs.
    fn routes(self: Arc<Self>) -> Routes {
        Routes::none()
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Service`] without its type.
pub(crate) trait ErasedService: Send + Sync + 'static {
    fn start<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result>;
    fn run<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result>;
    fn stop<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result>;
    fn routes(self: Arc<Self>) -> Routes;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<S: Service> ErasedService for S {
    fn start<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result> {
        // In the future, so that a panic before the first await is contained as well.
        Box::pin(async move { Service::start(self, cx).await })
    }

    fn run<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result> {
        Box::pin(async move { Service::run(self, cx).await })
    }

    fn stop<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result> {
        Box::pin(async move { Service::stop(self, cx).await })
    }

    fn routes(self: Arc<Self>) -> Routes {
        Service::routes(self)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
