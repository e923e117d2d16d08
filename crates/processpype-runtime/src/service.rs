//! What a service is.
//!
//! # Invariants
//!
//! 1. [`Service`] is for users and is not dyn-safe, so that hooks are native `async fn`;
//!    [`ErasedService`] is its shadow with boxed futures, for the supervisor's tables.
//! 2. The futures are boxed once for a hook, not once for a poll.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::context::Context;
use crate::diagnosis::Finding;
use crate::error::Result;
use crate::reconfigure::{NewConfig, Reconfigured};
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
/// # use processpype_runtime as processpype;
/// use std::time::Duration;
/// use processpype::{Context, Result, Service};
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
///
/// # When a hook fails
///
/// | what | exit | `stop` runs |
/// |---|---|---|
/// | constructor returns an error or panics | `start-failed` or `panic` | no |
/// | `start` returns an error, or takes too long | `start-failed`, `start-timeout` | yes |
/// | `routes` panics or takes a reserved path | `panic` or `start-failed` | yes |
/// | `run` returns an error | `failed` | yes |
/// | `run` returns `Ok` unasked | `unexpected-end`; completed if `oneshot` | yes |
/// | a child returns an error | `child-failed` | yes |
/// | any of them because a provider was away | `dependency` | as above |
///
/// # Where to keep what
///
/// State that others read lives in the struct, behind atomics or short locks: `run`, handlers and
/// dependents use it at the same time. State of the loop alone lives in local variables of `run`,
/// as do exclusive resources (a socket, a lock file), which are then free when `run` ends or is
/// dropped. `Drop` of the struct is no event of the lifecycle: a kept `Arc` can delay it.
///
/// # Panics
///
/// Any hook may panic; the panic is contained and ends the generation, nothing else. Under
/// `panic = "abort"` there is no containment.
pub trait Service: Send + Sync + 'static {
    /// Prepares the service; it is not `running` before this returns.
    ///
    /// For what must be there before anybody may use the service: a connection, a warm cache, a
    /// bound port. Long work that can be done later belongs into [`run`](Self::run), with
    /// [`cx.ready(false)`](Context::ready) until it is done.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{Context, Error, Result, Service};
    ///
    /// struct Store { path: std::path::PathBuf }
    ///
    /// impl Service for Store {
    ///     async fn start(&self, cx: &Context) -> Result {
    ///         let path = self.path.clone();
    ///         let read = cx.spawn_blocking("read", move || std::fs::read(path)).await?;
    ///         // What an operator may read, with the cause for the log.
    ///         read.map_err(|e| Error::public("the store cannot be read").with_source(e))?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let store = Store { path: "/does/not/exist".into() };
    /// let error = store.start(&Context::detached("store")).await.unwrap_err();
    /// assert_eq!(error.public_message(), Some("the store cannot be read"));
    /// # }
    /// ```
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
        cx.stopping().map(Ok)
    }

    /// Releases what the service holds.
    ///
    /// Called once when the constructor had succeeded, also after a failure or a panic, and never
    /// beside `run`. It is for what `run` could not release: the last flush, a farewell to a peer.
    /// Not needed for what the struct or the locals of `run` drop by themselves.
    ///
    /// It is not called when the generation is aborted as a whole: by a second signal,
    /// [`Manager::abort`](crate::Manager::abort), the closing deadline, or because a hook blocks
    /// its thread until the generation is given up as an orphan. What must not be lost cannot wait
    /// for `stop`.
    ///
    /// Await here directly, within [`cx.deadline()`](Context::deadline):
    /// [`cx.sleep`](Context::sleep) and [`cx.until_stopped`](Context::until_stopped) return at
    /// once, since the service has been asked to stop.
    ///
    /// The default does nothing.
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

    /// Takes over a new configuration while the service runs, or says that it cannot.
    ///
    /// Called when the service's own section changes while it is running, beside `run`: over the
    /// API, or because the file was loaded again. What comes has been checked against the
    /// constructor's [`Config`](crate::Config); see [`NewConfig`] for an example. The next
    /// generation's constructor gets the new configuration either way.
    ///
    /// The default asks for a restart.
    ///
    /// # Errors
    ///
    /// An error refuses the new configuration: the service must go on by the old one, which is
    /// then what it has again, also for the next generation.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the service is asked to stop, when `run` ends, and at
    /// `start_timeout`. After a timeout or a panic the service is restarted with the old
    /// configuration.
    fn reconfigure(
        &self,
        cx: &Context,
        new: NewConfig,
    ) -> impl Future<Output = Result<Reconfigured>> + Send {
        let _ = (cx, new);
        async { Ok(Reconfigured::NeedsRestart) }
    }

    /// Returns the routes that are served below `/services/{name}/` while the service runs.
    ///
    /// Called once for each generation, after `start`. A handler may clone the `Arc`: the
    /// generation is gone only when its handlers have ended. `POST` to `start`, `stop`, `restart`,
    /// `configure`, `configure_and_start` and all below `/-/` are the framework's; a collision
    /// fails the start.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use axum::routing::get;
    /// use processpype::{Routes, Service};
    /// use std::sync::Arc;
    ///
    /// struct Motto(&'static str);
    ///
    /// impl Service for Motto {
    ///     fn routes(self: Arc<Self>) -> Routes {
    ///         axum::Router::new().route("/motto", get(async move || self.0)).into()
    ///     }
    /// }
    ///
    /// assert!(!Service::routes(Arc::new(Motto("steady"))).is_empty());
    /// ```
    ///
    /// The default has none.
    fn routes(self: Arc<Self>) -> Routes {
        Routes::none()
    }

    /// Looks for what is wrong with the service, when an operator asks.
    ///
    /// `doctor` and `GET /diagnosis` tell it beside the framework's own findings, each with its
    /// remedy. It is for what a status cannot say at all times: a disk that fills up, a certificate
    /// that ends soon, a peer of another version.
    ///
    /// It is called beside `run`, in the same task, and should change nothing. A panic in it is a
    /// finding, and the service goes on. At most [`FINDINGS_MAX`](crate::FINDINGS_MAX) are told.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{Context, Finding, Service};
    ///
    /// struct Store { free_percent: u8 }
    ///
    /// impl Service for Store {
    ///     async fn diagnose(&self, _: &Context) -> Vec<Finding> {
    ///         let free = self.free_percent;
    ///         let is_low = free < 10;
    ///         let message = format!("{free} % of the disk is free");
    ///         let low = Finding::warning("disk-space", message, "delete old exports");
    ///         is_low.then_some(low).into_iter().collect()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cx = Context::detached("store");
    /// assert!(Store { free_percent: 50 }.diagnose(&cx).await.is_empty());
    /// assert_eq!(Store { free_percent: 3 }.diagnose(&cx).await[0].code, "disk-space");
    /// # }
    /// ```
    ///
    /// The default finds nothing.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when the service is asked to stop, when `run` ends, and after
    /// [`DIAGNOSE_TIME`](crate::DIAGNOSE_TIME).
    fn diagnose(&self, cx: &Context) -> impl Future<Output = Vec<Finding>> + Send {
        let _ = cx;
        async { Vec::new() }
    }
}

pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// [`Service`] without its type.
pub(crate) trait ErasedService: Send + Sync + 'static {
    fn start(self: Arc<Self>, cx: Context) -> BoxFuture<'static, Result>;
    fn run(self: Arc<Self>, cx: Context) -> BoxFuture<'static, Result>;
    fn stop<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result>;
    fn reconfigure<'a>(
        &'a self,
        cx: &'a Context,
        new: NewConfig,
    ) -> BoxFuture<'a, Result<Reconfigured>>;
    fn diagnose<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Vec<Finding>>;
    fn routes(self: Arc<Self>) -> Routes;
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

impl<S: Service> ErasedService for S {
    fn start(self: Arc<Self>, cx: Context) -> BoxFuture<'static, Result> {
        // In the future, so that a panic before the first await is contained as well.
        Box::pin(async move { Service::start(&*self, &cx).await })
    }

    fn run(self: Arc<Self>, cx: Context) -> BoxFuture<'static, Result> {
        Box::pin(async move { Service::run(&*self, &cx).await })
    }

    fn stop<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result> {
        Box::pin(async move { Service::stop(self, cx).await })
    }

    fn reconfigure<'a>(
        &'a self,
        cx: &'a Context,
        new: NewConfig,
    ) -> BoxFuture<'a, Result<Reconfigured>> {
        Box::pin(async move { Service::reconfigure(self, cx, new).await })
    }

    fn diagnose<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Vec<Finding>> {
        Box::pin(async move { Service::diagnose(self, cx).await })
    }

    fn routes(self: Arc<Self>) -> Routes {
        Service::routes(self)
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
