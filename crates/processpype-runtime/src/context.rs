//! What a generation knows about itself, and how it talks to its supervisor.
//!
//! # Invariants
//!
//! 1. A context never owns its instance: keeping one keeps nothing alive.
//! 2. What a service says about itself is bounded: [`METADATA_MAX`] entries, texts of [`TEXT_MAX`]
//!    bytes, and one unread report to the supervisor at a time, however often it speaks.
//! 3. Every child is counted until it has ended. A generation is gone only when its count is zero.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use processpype_core::{ErrorKind, Generation, ServiceName};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::cell::Cell;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::life::{Life, Phase};
use crate::message::Reports;
use crate::panic::{Panicked, contain, contained};

/// How many metadata entries one generation may set.
pub const METADATA_MAX: usize = 64;

/// The longest text that a service can say about itself, in bytes; longer ones are cut.
pub const TEXT_MAX: usize = 1024;

/// The side of a generation that its own code sees. Cheap to clone.
///
/// Two signals, never one: [`stopping`](Self::stopping) says *please end*,
/// [`deadline`](Self::deadline) says *until when*.
///
/// ```
/// use std::time::Duration;
/// use processpype_runtime::{Context, Result};
///
/// async fn poll_every_second(cx: &Context) -> Result {
///     while cx.sleep(Duration::from_secs(1)).await {
///         // work
///     }
///     Ok(())
/// }
/// ```
///
/// # Saying how it goes
///
/// | call | the service | readiness | until |
/// |---|---|---|---|
/// | [`ready(false)`](Self::ready) | cannot do its work now | falls | `ready(true)` |
/// | [`degraded(…)`](Self::degraded) | works, less well | stays | [`recovered()`] |
/// | [`set_error(…)`](Self::set_error) | works, but look | stays | [`recovered()`] |
/// | an error from `run` | is over | falls | the next start |
///
/// [`recovered()`]: Self::recovered
///
/// None of the first three ends the generation or restarts anything. A new generation begins with a
/// clean record.
///
/// # Waiting
///
/// Prefer [`sleep`](Self::sleep) to tokio's in a loop: it ends when the service is to stop. Around
/// any other future put [`until_stopped`](Self::until_stopped), and use
/// [`stopping`](Self::stopping) itself in a `select!` where stopping needs some work of its own.
#[derive(Clone, Debug)]
pub struct Context {
    pub(crate) life: Arc<Life>,
}

/// A blocking child of a generation, as a future of its value.
///
/// A panic of the child is an error here or, if the future was dropped, ends the generation.
///
/// Dropping it does not stop the child; nothing can.
#[derive(Debug)]
pub struct BlockingChild<T> {
    receiver: oneshot::Receiver<Result<T, Panicked>>,
    life: Arc<Life>,
    what: String,
}

/// What a child task can end with: nothing, or a result.
///
/// Implemented for `()` and for results whose error converts into [`Error`].
pub trait ChildOutput: Send + 'static {
    /// Converts into the framework's result.
    ///
    /// # Errors
    ///
    /// Returns the child's error: it ends the generation as `child-failed`.
    fn into_result(self) -> Result;
}

// === impl Context ===

impl Context {
    pub(crate) fn new(life: Arc<Life>) -> Self {
        Self { life }
    }

    /// Makes a context that belongs to no application, for a unit test of a service: it is never
    /// asked to stop, and what the service says about itself goes nowhere.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime, or if `name` is no valid service name.
    ///
    /// ```
    /// use processpype_runtime::Context;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cx = Context::detached("counter");
    /// assert_eq!(cx.name().as_str(), "counter");
    /// assert!(!cx.is_stopping());
    /// # }
    /// ```
    #[must_use]
    pub fn detached(name: &str) -> Self {
        let name = ServiceName::new(name).expect("a test names its service validly");
        let cell = Cell::detached(name);
        let services = tokio::runtime::Handle::current();
        Self::new(Arc::new(Life::new(cell, Generation(1), services, Reports::nowhere())))
    }

    /// Returns the service's name.
    #[must_use]
    pub fn name(&self) -> &ServiceName {
        self.life.cell.name()
    }

    /// Returns which life of the service this is; the first is 1.
    ///
    /// Useful to tell the lives of one service apart in the traces of what it talks to. It grows by
    /// one with every start and is not kept over a restart of the process.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.life.generation
    }

    /// Sleeps for `duration`. Returns false, at once, when the service is asked to stop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the sleep.
    ///
    /// Made for the head of a loop:
    ///
    /// ```
    /// # use processpype_runtime::{Context, Result};
    /// # use std::time::Duration;
    /// # async fn refresh() -> Result { Ok(()) }
    /// async fn run(cx: &Context) -> Result {
    ///     while cx.sleep(Duration::from_secs(30)).await {
    ///         refresh().await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The time between two rounds is the sleep and the work. For rounds at fixed times put the
    /// tick of a [`tokio::time::interval`] into [`until_stopped`](Self::until_stopped).
    pub async fn sleep(&self, duration: Duration) -> bool {
        self.until_stopped(tokio::time::sleep(duration)).await.is_some()
    }

    /// Awaits `future`, or returns `None` and drops it when the service is asked to stop.
    ///
    /// # Cancel safety
    ///
    /// As safe as `future`.
    ///
    /// The stop wins when both are there at once. A wait without a bound of its own, such as
    /// [`Dep::wait`](crate::Dep::wait), belongs in here.
    ///
    /// ```
    /// use processpype_runtime::Context;
    /// use tokio::sync::mpsc;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let cx = Context::detached("worker");
    /// let (sender, mut jobs) = mpsc::channel(8);
    /// sender.send("a job").await.unwrap();
    /// drop(sender);
    /// let mut done = 0;
    /// // `None` is a stop, `Some(None)` the end of the channel.
    /// while let Some(Some(_job)) = cx.until_stopped(jobs.recv()).await {
    ///     done += 1;
    /// }
    /// assert_eq!(done, 1);
    /// # }
    /// ```
    pub async fn until_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.stopping() => None,
            output = future => Some(output),
        }
    }

    /// Resolves when the service is asked to end its work.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    ///
    /// That is after the requests in flight have finished, or their share of the time is over:
    /// while it is pending, `run` goes on serving them. A child that must know earlier has nothing
    /// to ask.
    pub async fn stopping(&self) {
        self.life.reached(Phase::Stopping).await;
    }

    /// Returns whether the service has been asked to end its work.
    ///
    /// For code that cannot await, such as the loop of a blocking child.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.life.is_in(Phase::Stopping)
    }

    /// Returns the end of the current phase of a stop; `None` while nobody asked for one.
    ///
    /// An instant of tokio's clock, so that it holds on paused time too. Later phases have later
    /// ends: ask again in [`Service::stop`](crate::Service::stop).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.life.deadline()
    }

    /// Says whether the service can do its work now. Dependents start only when it is ready.
    ///
    /// Called with `false` in the constructor or in `start`, it keeps the service from being ready
    /// when it enters `running`.
    ///
    /// Running dependents are not told and go on; what they get from [`Dep::get`](crate::Dep::get)
    /// does not change either. `ready` is about who may start and what `/health/ready` answers.
    ///
    /// Where to use which: `ready(false)` for "do not send me work" (a cache that warms up, a lost
    /// connection), [`degraded`](Self::degraded) for "it works, but look" (a replica is gone),
    /// [`set_error`](Self::set_error) for "it works, but something failed" (a batch was refused).
    pub fn ready(&self, ready: bool) {
        self.life.set_health(|health| health.ready = Some(ready));
    }

    /// Says that the service works, but less well than it should.
    ///
    /// The text is public: it stands in the status. The last one counts; at most [`TEXT_MAX`]
    /// bytes.
    pub fn degraded(&self, why: impl Into<String>) {
        let why = cut(why.into());
        self.life.set_health(|health| health.degraded = Some(why));
    }

    /// Shows an error of the service without ending it. The text is public.
    ///
    /// It is `error` with kind `reported` beside the state `running`, and stays as `last_error`
    /// after [`recovered`](Self::recovered). To end the service, return an error from its hook
    /// instead.
    pub fn set_error(&self, why: impl Into<String>) {
        let why = cut(why.into());
        self.life.set_health(|health| health.error = Some(why));
    }

    /// Takes back what [`degraded`](Self::degraded) and [`set_error`](Self::set_error) said.
    ///
    /// It does not touch readiness; say [`ready(true)`](Self::ready) too if it had fallen.
    pub fn recovered(&self) {
        self.life.set_health(|health| {
            health.degraded = None;
            health.error = None;
        });
    }

    /// Shows a value under `metadata` in the service's status. The value is public.
    ///
    /// At most [`METADATA_MAX`] keys are kept; more are ignored.
    ///
    /// For what an operator wants to see at a glance: a version, a position, a count. Setting a key
    /// again replaces its value. Not for metrics that change many times a second, and never for a
    /// secret.
    pub fn set_metadata(&self, key: impl Into<String>, value: impl Into<String>) {
        let (key, value) = (key.into(), cut(value.into()));
        self.life.set_health(|health| {
            if health.metadata.len() < METADATA_MAX || health.metadata.contains_key(&key) {
                health.metadata.insert(key, value);
            }
        });
    }

    /// Runs `future` as a named child of this generation.
    ///
    /// Children are told to stop together with `run` and are part of the generation: it is gone
    /// only when they are. A child that ends with an error or a panic ends the generation as
    /// `child-failed`. Once the generation runs `stop`, no child is taken any more and `future` is
    /// dropped.
    ///
    /// Its end with `()` or `Ok(())` is nothing special: a child may be a short job. The child does
    /// not hear of a stop by itself; give it a clone of the context:
    ///
    /// ```
    /// use processpype_runtime::{Context, Result, Service};
    /// use std::time::Duration;
    ///
    /// struct Mailer;
    ///
    /// impl Service for Mailer {
    ///     async fn run(&self, cx: &Context) -> Result {
    ///         let own = cx.clone();
    ///         cx.spawn("flush", async move {
    ///             while own.sleep(Duration::from_secs(5)).await { /* flush */ }
    ///         });
    ///         cx.stopping().await;
    ///         Ok(())
    ///     }
    /// }
    /// # let _ = Mailer;
    /// ```
    ///
    /// A child that has not ended when its phase of the stop is over is aborted at its next await.
    /// A child that blocks its thread belongs into [`spawn_blocking`](Self::spawn_blocking); one
    /// that nothing may wait for belongs into `tokio::spawn`, and is then nobody's.
    ///
    /// # Panics
    ///
    /// Never, not even outside a runtime: children run on the services' runtime. With more than
    /// [`CHILDREN_MAX`](crate::CHILDREN_MAX) children the generation ends as `child-failed`.
    pub fn spawn<F>(&self, name: &str, future: F)
    where
        F: Future + Send + 'static,
        F::Output: ChildOutput,
    {
        let Some(guard) = self.track(name, Phase::Closing) else { return };
        let life = Arc::clone(&self.life);
        let what = format!("child `{name}`");
        let span = tracing::Span::current();
        let child = guard.child();
        let body = async move {
            let outcome = contained(future).await;
            settle_child(guard.life(), &what, outcome.map(ChildOutput::into_result));
            drop(guard);
        };
        let handle = life.services.spawn(body.instrument(span)).abort_handle();
        if let Some(child) = child {
            life.arm(child, handle);
        }
    }

    /// Runs `work` as a named child on a thread where it may block; awaiting the returned child
    /// gives its value.
    ///
    /// It begins at once and is part of the generation, awaited or not. It cannot be cut: a
    /// generation whose blocking child does not end is orphaned at the end of `stop_timeout`. Ask
    /// [`is_stopping`](Self::is_stopping) now and then. It is there in
    /// [`Service::stop`](crate::Service::stop) too: to flush a file, to close a database.
    ///
    /// For files, compression, C libraries: work that blocks or computes for more than some 100 µs
    /// between two awaits. Inside [`spawn`](Self::spawn) it would hold a worker that others need.
    ///
    /// ```
    /// use processpype_runtime::Context;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype_runtime::Result {
    /// # let cx = Context::detached("hasher");
    /// let sum = cx.spawn_blocking("sum", || (1..=1000_u64).sum::<u64>()).await?;
    /// assert_eq!(sum, 500_500);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The child is an error if it panicked, or if it was not started because the
    /// service's `stop` has returned.
    pub fn spawn_blocking<F, T>(&self, name: &str, work: F) -> BlockingChild<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let what = format!("child `{name}`");
        let child = BlockingChild { receiver, life: Arc::clone(&self.life), what: what.clone() };
        if let Some(guard) = self.track(name, Phase::Closed) {
            let span = tracing::Span::current();
            self.life.services.spawn_blocking(move || {
                let outcome = span.in_scope(|| contain(work));
                if let Err(Err(panicked)) = sender.send(outcome) {
                    // Nobody awaits it: the generation must know.
                    guard.life().fail_child(Failure::from_panic(&what, &panicked).of_child());
                }
                drop(guard);
            });
        }
        child
    }

    /// Counts a child, or says by `None` that there is none. Too many children are the fault of the
    /// service, and end it; a child that comes too late is just not taken.
    fn track(&self, name: &str, last: Phase) -> Option<crate::life::Guard> {
        match self.life.track(name.into(), last) {
            Ok(guard) => Some(guard),
            Err(crate::life::NotTracked::Stopping) => None,
            Err(reason @ crate::life::NotTracked::TooMany) => {
                self.life.fail_child(Failure::new(ErrorKind::ChildFailed, reason.to_string()));
                None
            }
        }
    }
}

/// What the end of a child means for its generation.
fn settle_child(life: &Life, what: &str, outcome: Result<Result, Panicked>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            life.fail_child(Failure::from_error(ErrorKind::Failed, what, &error).of_child());
        }
        Err(panicked) => life.fail_child(Failure::from_panic(what, &panicked).of_child()),
    }
}

/// Cuts at a character's border.
fn cut(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        let mut end = TEXT_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

// === impl BlockingChild ===

impl<T> Future for BlockingChild<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.receiver).poll(cx).map(|received| match received {
            Ok(outcome) => outcome.map_err(Error::from),
            Err(_) => Err(Error::from("the service has stopped: the child was not started")),
        })
    }
}

impl<T> Drop for BlockingChild<T> {
    /// A panic that nobody looked at ends the generation.
    fn drop(&mut self) {
        if let Ok(Err(panicked)) = self.receiver.try_recv() {
            self.life.fail_child(Failure::from_panic(&self.what, &panicked).of_child());
        }
    }
}

// === impl ChildOutput ===

impl ChildOutput for () {
    fn into_result(self) -> Result {
        Ok(())
    }
}

impl<E: Into<Error> + Send + 'static> ChildOutput for std::result::Result<(), E> {
    fn into_result(self) -> Result {
        self.map_err(Into::into)
    }
}
