//! What a generation knows about itself, and how it talks to its supervisor.
//!
//! # Invariants
//!
//! 1. A context never owns its instance: keeping one keeps nothing alive.
//! 2. What a service says about itself is bounded: [`METADATA_MAX`] entries, texts of [`TEXT_MAX`]
//!    bytes, and one unread report to the supervisor at a time, however often it speaks.
//! 3. Every child is counted until it has ended. A generation is gone only when its count is zero.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use processpype_core::{Generation, ServiceName};
use tokio::time::Instant;

use crate::cell::Cell;
use crate::life::{Life, Phase};
use crate::message::{Office, Reports};
use crate::scrub::Scrub;
use crate::text::shortened;
use crate::vitals::Watched;

/// How many metadata entries one generation may set.
pub const METADATA_MAX: usize = 64;

/// The longest text that a service can say about itself, in bytes; longer ones are cut.
pub const TEXT_MAX: usize = 1024;

/// How much of a text is looked at for secrets, before it is cut to [`TEXT_MAX`]: more than any
/// secret is long, so that none is cut in two and so not known again.
pub(crate) const TEXT_UNSEEN_MAX: usize = 64 * 1024;

/// The side of a generation that its own code sees. Cheap to clone.
///
/// Two signals, never one: [`stopping`](Self::stopping) says *please end*,
/// [`deadline`](Self::deadline) says *until when*.
///
/// ```
/// # use processpype_runtime as processpype;
/// use std::time::Duration;
/// use processpype::{Context, Result};
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

/// Asks the service of a [detached](Context::detached) context to stop, in a unit test.
#[derive(Clone, Debug)]
pub struct Stopper {
    life: Arc<Life>,
}

// === impl Context ===

impl Context {
    pub(crate) fn new(life: Arc<Life>) -> Self {
        Self { life }
    }

    /// Makes a context that belongs to no application, for a unit test of a service: it is never
    /// asked to stop, and what the service says about itself goes nowhere.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::Context;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cx = Context::detached("counter");
    /// assert_eq!(cx.name().as_str(), "counter");
    /// assert!(!cx.is_stopping());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime, or if `name` is no valid service name.
    #[must_use]
    pub fn detached(name: &str) -> Self {
        Self::watched(name, Watched::default())
    }

    pub(crate) fn watched(name: &str, watched: Watched) -> Self {
        let name = ServiceName::new(name).expect("a test names its service validly");
        let cell = Cell::detached(name);
        let services = tokio::runtime::Handle::current();
        let office = Arc::new(Office::new(services, Reports::nowhere(), Scrub::default()));
        Self::new(Arc::new(Life::new(cell, Generation(1), office, watched)))
    }

    /// Makes a [detached](Self::detached) context that can be asked to stop, for a unit test of
    /// `run`.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use std::time::Duration;
    /// use processpype::Context;
    /// use tokio::time::Instant;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let (cx, stopper) = Context::stoppable("worker");
    /// stopper.stop(Instant::now() + Duration::from_secs(1));
    /// assert!(!cx.sleep(Duration::from_secs(60)).await);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`detached`](Self::detached).
    #[must_use]
    pub fn stoppable(name: &str) -> (Self, Stopper) {
        let context = Self::detached(name);
        let stopper = Stopper { life: Arc::clone(&context.life) };
        (context, stopper)
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

    /// Sleeps for `duration`. Returns false, at once, when the service is to end its work:
    /// [`stopping`](Self::stopping) says when that is.
    ///
    /// So it does not sleep at all once that has happened, which is always so in
    /// [`Service::stop`](crate::Service::stop): await [`tokio::time::sleep`] there.
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
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the sleep.
    pub async fn sleep(&self, duration: Duration) -> bool {
        self.until_stopped(tokio::time::sleep(duration)).await.is_some()
    }

    /// Awaits `future`, or returns `None` and drops it when the service is to end its work:
    /// [`stopping`](Self::stopping) says when that is.
    ///
    /// The stop wins when both are there at once; so after the loop of `run` was told to stop, and
    /// in [`Service::stop`](crate::Service::stop), it never polls `future`. Await directly there;
    /// the bound is [`deadline`](Self::deadline). A wait without a bound of its own, such as
    /// [`Dep::wait`](crate::Dep::wait), belongs in here.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::Context;
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
    ///
    /// # Cancel safety
    ///
    /// As safe as `future`.
    pub async fn until_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.stopping() => None,
            output = future => Some(output),
        }
    }

    /// Resolves when the service is to end its work.
    ///
    /// After a stop was asked for, that is after the requests in flight have finished, or their
    /// share of the time is over: while it is pending, `run` goes on serving them. A child that
    /// must know earlier has nothing to ask.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    // It is no `async fn`, which would keep its arguments twice: every service that does nothing
    // but wait for its end has one of these.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + '_ {
        self.life.stopping()
    }

    /// Returns whether the service is to end its work, as [`stopping`](Self::stopping).
    ///
    /// For code that cannot await, such as the loop of a blocking child.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.life.is_in(Phase::Stopping)
    }

    /// Returns the end of the current phase of a stop; `None` before the first one.
    ///
    /// A service that fails by itself goes through the last phases too, so there is one in its
    /// [`Service::stop`](crate::Service::stop) although nobody asked.
    ///
    /// An instant of tokio's clock, so that it holds on paused time too. Later phases have later
    /// ends: ask again in [`Service::stop`](crate::Service::stop).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.life.deadline()
    }

    /// Says that the service is alive, if it has a heartbeat; otherwise it does nothing.
    ///
    /// A service with a heartbeat (`processpype: {heartbeat: {within: 30s}}` in its section of the
    /// file, or in code) that does not beat for that long while it is `running` counts as hung. It
    /// is systemd's `WATCHDOG=1`. Beat where the work goes on, not in a task of its own: that would
    /// say only that the runtime lives.
    ///
    /// As cheap as reading the clock and one store; from `run`, a child, a handler or a thread. A
    /// context that outlives its generation beats for nobody.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{Context, Result};
    /// use tokio::sync::mpsc::Receiver;
    /// use std::time::Duration;
    ///
    /// async fn run(cx: &Context, jobs: &mut Receiver<u64>) -> Result {
    ///     loop {
    ///         cx.beat();
    ///         tokio::select! {
    ///             () = cx.stopping() => return Ok(()),
    ///             Some(job) = jobs.recv() => work_on(job).await,
    ///             // Having nothing to do is no hang.
    ///             () = tokio::time::sleep(Duration::from_secs(10)) => {}
    ///         }
    ///     }
    /// }
    /// # async fn work_on(_: u64) {}
    /// ```
    pub fn beat(&self) {
        self.life.vitals.beat();
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
        let why = shortened(why.into(), TEXT_UNSEEN_MAX);
        self.life.set_health(|health| health.degraded = Some(why));
    }

    /// Shows an error of the service without ending it. The text is public.
    ///
    /// It is `error` with kind `reported` beside the state `running`, and stays as `last_error`
    /// after [`recovered`](Self::recovered). To end the service, return an error from its hook
    /// instead.
    pub fn set_error(&self, why: impl Into<String>) {
        let why = shortened(why.into(), TEXT_UNSEEN_MAX);
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
    /// At most [`METADATA_MAX`] keys are kept, of each at most [`TEXT_MAX`] bytes; more are
    /// ignored.
    ///
    /// For what an operator wants to see at a glance: a version, a position, a count. Setting a key
    /// again replaces its value. Not for metrics that change many times a second, and never for a
    /// secret.
    pub fn set_metadata(&self, key: impl Into<String>, value: impl Into<String>) {
        let key = shortened(key.into(), TEXT_UNSEEN_MAX);
        let value = shortened(value.into(), TEXT_UNSEEN_MAX);
        self.life.set_health(|health| {
            if health.metadata.len() < METADATA_MAX || health.metadata.contains_key(&key) {
                health.metadata.insert(key, value);
            }
        });
    }
}

// === impl Stopper ===

impl Stopper {
    /// Asks the context's service to end its work by `deadline`, as the supervisor does.
    pub fn stop(&self, deadline: Instant) {
        self.life.enter(Phase::Stopping, deadline);
    }
}
