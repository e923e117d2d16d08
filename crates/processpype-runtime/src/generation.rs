//! One generation, from its constructor to being gone, as one future on the services' runtime.
//!
//! # Invariants
//!
//! 1. The supervisor is told that the generation is gone exactly once, also when this future is
//!    aborted.
//! 2. `stop` runs exactly once if the constructor had succeeded, after `run` has ended or was
//!    dropped.
//! 3. What is there once for every service that runs has no room for what few of them need, or
//!    need for a moment: that is in boxes of its own.
//!
//! # How it reads
//!
//! [`Step::poll`](step::Step) is the life from top to bottom: construct, start, run, tear down.
//! Each step gives back how it [`Ended`], and nothing in the later ones asks why the earlier ones
//! did. A stop can come at any await, and is looked for first, so a stop that was asked for wins
//! over a success at the same moment.
//!
//! All user code runs contained. A panic is an ending like an error, with another kind, and the
//! teardown goes on.

mod in_time;
mod step;
mod teardown;
mod turn;

use std::sync::Arc;

use futures_util::FutureExt as _;
use processpype_core::{ErrorKind, Exit};
use tokio::time::Instant;
use tracing::Span;

pub(crate) use self::step::live;
use crate::argument::Wiring;
use crate::cell::Routed;
use crate::configuration::Configured;
use crate::context::Context;
use crate::error::Result;
use crate::failure::Failure;
use crate::life::{Interruption, Life, Phase};
use crate::message::{Ending, Message};
use crate::panic::{Contained, Panicked, contain};
use crate::routes::Mounted;
use crate::service::{BoxFuture, ErasedService};
use crate::vitals::Stage;

/// What a generation needs to know beside its life.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) wiring: Arc<Wiring>,
    /// What held when it began.
    pub(crate) configured: Arc<Configured>,
}

/// How the part of a life before its teardown ended.
enum Ended {
    /// It was asked to stop.
    Asked,
    /// It ended by itself.
    Unasked(Exit, Option<Failure>),
}

/// What a constructor comes to.
///
/// Most have nothing to await, and cost no future then.
pub(crate) enum Making {
    /// It has done all of its work.
    Now(Result<Arc<dyn ErasedService>>),
    /// The rest of it is to be awaited.
    Later(BoxFuture<'static, Result<Arc<dyn ErasedService>>>),
}

/// Reads what the constructor asks for, and calls it, unless a stop was asked for before.
fn begin(cx: &Context, orders: &Orders) -> Result<Making, Ended> {
    if cx.life.stop_by().is_some() {
        return Err(Ended::Asked);
    }
    let called = contain(|| orders.wiring.kind.make.make(orders, cx));
    settle("constructor", ErrorKind::StartFailed, called).map_err(Ended::failed)
}

/// Awaits the rest of a constructor; a stop that comes meanwhile drops it.
async fn finish(
    cx: Context,
    making: BoxFuture<'static, Result<Arc<dyn ErasedService>>>,
) -> Result<Arc<dyn ErasedService>, Ended> {
    tokio::select! {
        biased;
        _ = cx.life.asked_to_stop() => Err(Ended::Asked),
        outcome = Contained::new(making) => settle_constructor(outcome),
    }
}

fn settle_constructor(
    outcome: Result<Result<Arc<dyn ErasedService>>, Panicked>,
) -> Result<Arc<dyn ErasedService>, Ended> {
    settle("constructor", ErrorKind::StartFailed, outcome).map_err(Ended::failed)
}

/// There is no instance; what is left are children that the constructor had begun.
async fn without_service(cx: Context, ended: Ended) -> Ending {
    let life = &cx.life;
    let left = life.enter(Phase::Closed, Instant::now());
    life.vitals.enter(Stage::Children);
    if !left.is_nothing() {
        life.abort_children();
        ended.tell(life);
        life.untracked().await;
    }
    ended.into_ending()
}

/// `start` has ended: what it came to, and if that is good, the instance is there for others.
///
/// A stop that was asked for while it had the thread wins over its success.
fn started(
    cx: &Context,
    service: &Arc<dyn ErasedService>,
    outcome: Result<Result, Panicked>,
) -> Result<(), Ended> {
    settle("start", ErrorKind::StartFailed, outcome).map_err(Ended::failed)?;
    if cx.life.stop_by().is_some() {
        return Err(Ended::Asked);
    }
    open(cx, service)
}

/// Mounts the routes and makes the instance usable for others.
fn open(cx: &Context, service: &Arc<dyn ErasedService>) -> Result<(), Ended> {
    cx.life.vitals.enter(Stage::Routes);
    let copy = Arc::clone(service);
    let made = contain(move || {
        let routes = copy.routes();
        (routes.access(), routes.checked())
    });
    let (access, router) =
        made.map_err(|panicked| Ended::failed(Failure::from_panic("routes()", &panicked)))?;
    let router = router.map_err(Ended::failed)?;
    let routed = match router {
        Some(router) => {
            let life = Arc::clone(&cx.life);
            Routed::Mounted(Arc::new(Mounted::new(router, access, life, Span::current())))
        }
        None => Routed::Nothing(access),
    };
    if !cx.life.cell.open(cx.life.generation, Arc::clone(service).into_any(), routed) {
        // It was cut off while `routes` had the thread.
        return Err(Ended::Asked);
    }
    let ready = cx.life.said_ready();
    cx.life.report(Message::Started(cx.life.cell_id(), cx.life.generation, ready));
    Ok(())
}

/// A generation whose `run` is over; what is left is `stop`.
struct Stopped {
    ended: Ended,
    /// When the teardown must be over.
    by: Option<Instant>,
    /// What had to be dropped because it did not end in its phase.
    cut: Vec<String>,
}

impl Stopped {
    fn without_run(ended: Ended) -> Self {
        Self { ended, by: None, cut: Vec::new() }
    }

    /// A child has failed while `run` was going on.
    fn by_child(cx: &Context, orders: &Orders, mut run: Running, failure: Failure) -> Self {
        // If `run` has ended as well, that is how it ended.
        if let Some(outcome) = (&mut run).now_or_never() {
            cx.life.fail_child(failure);
            return Self::without_run(Ended::of_run(outcome, orders));
        }
        // The first failure counts; a panic of what is dropped is logged.
        drop(run);
        Self::without_run(Ended::failed(failure))
    }
}

fn unasked(outcome: Result<Result, Panicked>, oneshot: bool) -> (Exit, Option<Failure>) {
    match settle("run", ErrorKind::Failed, outcome) {
        Ok(()) if oneshot => (Exit::Completed, None),
        Ok(()) => {
            let text = "run ended although nobody asked the service to stop; \
                        if that is its success, set `oneshot: true`";
            let failure = Failure::new(ErrorKind::UnexpectedEnd, text);
            (Exit::Failed(failure.kind), Some(failure))
        }
        Err(failure) => (Exit::Failed(failure.kind), Some(failure)),
    }
}

fn settle<T>(
    what: &str,
    kind: ErrorKind,
    outcome: Result<Result<T>, Panicked>,
) -> Result<T, Failure> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Failure::from_error(kind, what, error)),
        Err(panicked) => Err(Failure::from_panic(what, &panicked)),
    }
}

// === impl Making ===

impl Making {
    /// Awaits the rest, if there is one.
    pub(crate) async fn made(self) -> Result<Arc<dyn ErasedService>> {
        match self {
            Self::Now(made) => made,
            Self::Later(making) => making.await,
        }
    }
}

// === impl Ended ===

impl Ended {
    fn of_run(outcome: Result<Result, Panicked>, orders: &Orders) -> Self {
        let (exit, failure) = unasked(outcome, orders.configured.options.oneshot);
        Self::Unasked(exit, failure)
    }

    fn early(interruption: Interruption) -> Self {
        match interruption {
            Interruption::Asked(_) => Self::Asked,
            Interruption::ChildFailed(failure) => Self::failed(failure),
        }
    }

    fn failed(failure: Failure) -> Self {
        Self::Unasked(Exit::Failed(failure.kind), Some(failure))
    }

    /// Tells the supervisor that the teardown begins, if it does not know.
    fn tell(&self, life: &Life) {
        if let Self::Unasked(exit, failure) = self
            && *exit != Exit::Stopped
        {
            let message = Message::Ending(life.cell_id(), life.generation, *exit, failure.clone());
            life.report(message);
        }
    }

    fn into_ending(self) -> Ending {
        let (exit, failure) = match self {
            Self::Asked => (Exit::Stopped, None),
            Self::Unasked(exit, failure) => (exit, failure),
        };
        Ending { exit, failure, leaked: false, cut: None, began_with: None }
    }
}

/// Tells the supervisor that the generation is gone, whatever happens to its future.
struct Farewell {
    /// Until it is said.
    cx: Option<Context>,
    /// Kept until then, and sent along: what it began with is what hides its secrets.
    orders: Orders,
}

impl Farewell {
    fn say(&mut self, ending: Ending) {
        if let Some(Context { life }) = self.cx.take() {
            let began_with = Some(Arc::clone(&self.orders.configured));
            let ending = Ending { began_with, ..ending };
            life.report(Message::Gone(life.cell_id(), life.generation, ending));
        }
    }
}

impl Drop for Farewell {
    /// The future was aborted: gone once its children and requests are.
    fn drop(&mut self) {
        let Some(Context { life }) = self.cx.take() else { return };
        life.cell.shut(life.generation);
        let left = life.enter(Phase::Closed, Instant::now());
        life.vitals.enter(Stage::Left);
        life.abort_children();
        let ending = if std::thread::panicking() {
            // Every hook is contained, so this is what nobody thought of; it must not pass for a
            // stop.
            let failure = Failure::new(ErrorKind::Panic, "the service panicked outside its hooks");
            Ended::failed(failure).into_ending()
        } else {
            Ended::Unasked(Exit::Aborted, None).into_ending()
        };
        let ending = Ending { began_with: Some(Arc::clone(&self.orders.configured)), ..ending };
        let gone = Message::Gone(life.cell_id(), life.generation, ending);
        if left.is_nothing() {
            life.report(gone);
        } else {
            let services = life.services().clone();
            let reporting = async move {
                life.untracked().await;
                life.report(gone);
            };
            services.spawn(reporting.boxed());
        }
    }
}

/// `start` or `run`, contained.
type Running = Contained<BoxFuture<'static, Result>>;
