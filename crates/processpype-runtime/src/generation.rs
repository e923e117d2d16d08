//! One generation, from its constructor to being gone, as one future on the services' runtime.
//!
//! # Invariants
//!
//! 1. The supervisor is told that the generation is gone exactly once, also when this future is
//!    aborted.
//! 2. `stop` runs exactly once if the constructor had succeeded, after `run` has ended or was
//!    dropped.
//! 3. The instance is taken back from slot and routes before anything else of a stop happens.
//! 4. Every phase has its end: draining and `run` may take [`DRAIN_SHARE`] and [`RUN_SHARE`] of the
//!    time, `stop` always has the rest.
//!
//! # How it reads
//!
//! [`live`] is the life from top to bottom: construct, start, run, tear down. Each step gives back
//! how it [`Ended`], and nothing in the later ones asks why the earlier ones did. A stop can come
//! at any await; `select!` is biased towards it, so a stop that was asked for wins over a success
//! at the same moment.
//!
//! All user code runs contained. A panic is an ending like an error, with another kind, and the
//! teardown goes on.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use processpype_core::{ErrorKind, Exit};
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, Span};

use crate::blueprint::Make;
use crate::cell::Routed;
use crate::configuration::Configured;
use crate::context::Context;
use crate::error::Result;
use crate::failure::Failure;
use crate::life::{Call, Interruption, Life, Phase};
use crate::message::{Ending, Message};
use crate::panic::{Contained, Panicked, contain};
use crate::reconfigure;
use crate::remains::Remains;
use crate::routes::Mounted;
use crate::service::{BoxFuture, ErasedService};
use crate::vitals::{Stage, own_polled};

/// The share of `stop_timeout` for requests in flight.
const DRAIN_SHARE: f64 = 0.4;

/// The share of `stop_timeout` for `run` and the children.
const RUN_SHARE: f64 = 0.4;

/// The share of what is left for `stop` in which children that were aborted may end before it.
const ABORTED_SHARE: f64 = 0.1;

/// How long an instance may still be in use before it counts as leaked.
const LEAK_PATIENCE: Duration = Duration::from_millis(10);

/// What a generation needs to know beside its life.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) make: Arc<dyn Make>,
    pub(crate) wiring: Arc<crate::argument::Wiring>,
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

/// Lives one generation, in its span; its polls can be seen from outside.
///
/// One box, so that the runtime's task has room for a pointer alone: a task is laid out in steps of
/// 128 bytes.
pub(crate) fn live(life: Arc<Life>, orders: Orders, span: Span) -> BoxFuture<'static, ()> {
    let seen = async move {
        let watched = Arc::clone(&life);
        let mut all = std::pin::pin!(live_unseen(life, orders));
        std::future::poll_fn(|cx| own_polled(&watched, || all.as_mut().poll(cx))).await;
    };
    Box::pin(seen.instrument(span))
}

async fn live_unseen(life: Arc<Life>, orders: Orders) {
    let farewell = Farewell { life: Some(Arc::clone(&life)) };
    let cx = Context::new(Arc::clone(&life));
    let ending = match construct(&cx, &orders).await {
        Ok(service) => live_service(&cx, &orders, service).await,
        Err(ended) => without_service(&life, ended).await,
    };
    farewell.say(ending);
}

async fn construct(cx: &Context, orders: &Orders) -> Result<Arc<dyn ErasedService>, Ended> {
    if cx.life.stop_by().is_some() {
        return Err(Ended::Asked);
    }
    let settled =
        |outcome| settle("constructor", ErrorKind::StartFailed, outcome).map_err(Ended::failed);
    match contain(|| orders.make.make(&orders.wiring, cx)) {
        Ok(Ok(Making::Now(made))) => settled(Ok(made)),
        Ok(Ok(Making::Later(making))) => tokio::select! {
            biased;
            _ = cx.life.asked_to_stop() => Err(Ended::Asked),
            outcome = Contained::new(making) => settled(outcome),
        },
        Ok(Err(error)) => settled(Ok(Err(error))),
        Err(panicked) => settled(Err(panicked)),
    }
}

/// There is no instance; what is left are children that the constructor had begun.
async fn without_service(life: &Life, ended: Ended) -> Ending {
    life.enter(Phase::Closed, Instant::now());
    life.vitals.enter(Stage::Children);
    life.abort_children();
    if !life.is_untracked() {
        ended.tell(life);
        life.untracked().await;
    }
    ended.into_ending()
}

async fn live_service(cx: &Context, orders: &Orders, service: Arc<dyn ErasedService>) -> Ending {
    cx.life.vitals.enter(Stage::Start);
    let ended = match start(cx, &service).await {
        Ok(()) => run(cx, orders, &service).await,
        Err(ended) => Stopped::without_run(ended),
    };
    Box::pin(teardown(cx, orders, service, ended)).await
}

/// From the constructor's success to `running`.
async fn start(cx: &Context, service: &Arc<dyn ErasedService>) -> Result<(), Ended> {
    tokio::select! {
        biased;
        interruption = cx.life.interrupted() => Err(Ended::early(interruption)),
        outcome = Contained::new(service.start(cx)) => {
            settle("start", ErrorKind::StartFailed, outcome).map_err(Ended::failed)
        }
    }?;
    cx.life.vitals.enter(Stage::Routes);
    let copy = Arc::clone(service);
    let routes = contain(move || copy.routes())
        .map_err(|panicked| Ended::failed(Failure::from_panic("routes()", &panicked)))?;
    let access = routes.access();
    let router = routes.checked().map_err(Ended::failed)?;
    let routed = match router {
        Some(router) => {
            let life = Arc::clone(&cx.life);
            Routed::Mounted(Arc::new(Mounted::new(router, access, life, Span::current())))
        }
        None => Routed::Nothing(access),
    };
    cx.life.cell.open(cx.life.generation, Arc::clone(service).into_any(), routed);
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
}

/// Runs until the service ends by itself or is asked to stop; then drains and ends `run`.
async fn run(cx: &Context, orders: &Orders, service: &Arc<dyn ErasedService>) -> Stopped {
    let life = &cx.life;
    life.vitals.enter(Stage::Run);
    let mut running = Contained::new(service.run(cx));
    let by = loop {
        let call = tokio::select! {
            biased;
            call = life.called() => call,
            outcome = &mut running => {
                return Stopped::without_run(Ended::of_run(outcome, orders));
            }
        };
        match call {
            Call::Interrupted(Interruption::Asked(by)) => break by,
            Call::Interrupted(Interruption::ChildFailed(failure)) => {
                // If `run` has ended as well, that is how it ended.
                if let Some(outcome) = (&mut running).now_or_never() {
                    life.fail_child(failure);
                    return Stopped::without_run(Ended::of_run(outcome, orders));
                }
                // The first failure counts; a panic of what is dropped is logged.
                drop(running);
                return Stopped::without_run(Ended::failed(failure));
            }
            Call::Offered(offer) => {
                let offered = reconfigure::offer(cx, &**service, offer, &mut running);
                // A service that runs does not carry the room for this about either.
                if let Some(outcome) = Box::pin(offered).await {
                    return Stopped::without_run(Ended::of_run(outcome, orders));
                }
            }
        }
    };
    // A service that runs does not carry the room for its end about.
    Box::pin(wind_down(life, running, by)).await
}

/// From the request to stop to the end of `run`.
async fn wind_down(life: &Life, mut running: Running<'_>, by: Instant) -> Stopped {
    life.cell.shut(life.generation);
    let total = by.saturating_duration_since(Instant::now());
    let drained = drain(life, &mut running, Instant::now() + total.mul_f64(DRAIN_SHARE)).await;
    let run_by = (Instant::now() + total.mul_f64(RUN_SHARE)).min(by);
    life.vitals.enter(Stage::Ending);
    life.enter(Phase::Stopping, run_by);
    let outcome = match drained {
        Some(outcome) => Some(outcome),
        None => timeout_at(run_by, &mut running).await.ok(),
    };
    let cut = outcome.is_none().then(|| "`run` has not ended in time".to_owned());
    let outcome = outcome.or_else(|| running.cut().map(Err));
    let failure = outcome.and_then(|outcome| settle("run", ErrorKind::Failed, outcome).err());
    let ended = match failure {
        // What comes up while stopping does not make the stop a failure, but it is told.
        Some(failure) => Ended::Unasked(Exit::Stopped, Some(failure)),
        None => Ended::Asked,
    };
    Stopped { ended, by: Some(by), cut: cut.into_iter().collect() }
}

/// Lets requests in flight finish while `run` still serves them; returns `run`'s end if it came
/// first.
async fn drain<F: Future + Unpin>(
    life: &Life,
    running: &mut F,
    until: Instant,
) -> Option<F::Output> {
    life.enter(Phase::Draining, until);
    life.vitals.enter(Stage::Draining);
    if !life.has_requests() {
        return None;
    }
    let mut outcome = None;
    let mut idle = std::pin::pin!(timeout_at(until, life.requests_ended()));
    loop {
        tokio::select! {
            biased;
            _ = &mut idle => return outcome,
            ended = &mut *running, if outcome.is_none() => outcome = Some(ended),
        }
    }
}

/// From the end of `run` to gone: children, `stop`, the instance.
async fn teardown(
    cx: &Context,
    orders: &Orders,
    service: Arc<dyn ErasedService>,
    stopped: Stopped,
) -> Ending {
    let life = &cx.life;
    life.cell.shut(life.generation);
    stopped.ended.tell(life);
    let by = (stopped.by)
        .or_else(|| life.stop_by())
        .unwrap_or_else(|| Instant::now() + orders.configured.options.stop_timeout);
    let mut cut = stopped.cut;
    let mut ending = stopped.ended.into_ending();
    life.vitals.enter(Stage::Children);
    cut.extend(end_children(life, by).await);
    life.enter(Phase::Closing, by);
    life.vitals.enter(Stage::Stop);
    let (in_time, failure) = stop(cx, &service, by).await;
    cut.extend((!in_time).then(|| "`stop` has not ended in time".to_owned()));
    life.enter(Phase::Closed, by);
    life.vitals.enter(Stage::Children);
    life.abort_children();
    life.untracked().await;
    life.vitals.enter(Stage::Drop);
    let (leaked, dropped) = let_go(service).await;
    // The first failure counts: of `run`, of a child on its way out, of `stop`, of the drop.
    let later = [life.take_child_failure(), failure, dropped];
    ending.failure = ending.failure.or_else(|| later.into_iter().flatten().next());
    ending.leaked = leaked;
    if !cut.is_empty() && ending.exit == Exit::Stopped {
        ending.exit = Exit::Aborted;
        ending.cut = Some(cut.join("; "));
    }
    ending
}

/// Calls `stop`. Returns whether it ended in time, and its failure.
async fn stop(
    cx: &Context,
    service: &Arc<dyn ErasedService>,
    by: Instant,
) -> (bool, Option<Failure>) {
    let mut stopping = Contained::new(service.stop(cx));
    let outcome = timeout_at(by, &mut stopping).await;
    let in_time = outcome.is_ok();
    let outcome = outcome.ok().or_else(|| stopping.cut().map(Err));
    let failure = outcome.and_then(|out| settle("stop", ErrorKind::StopFailed, out).err());
    (in_time, failure.map(Failure::of_stop))
}

/// Gives the children their time, then aborts them. Returns what is to be said if it came to that.
async fn end_children(life: &Life, by: Instant) -> Option<String> {
    let left = by.saturating_duration_since(Instant::now());
    let until = life.deadline().unwrap_or_else(|| Instant::now() + left.mul_f64(RUN_SHARE)).min(by);
    life.enter(Phase::Stopping, until);
    if !life.has_children() || timeout_at(until, life.children_ended()).await.is_ok() {
        return None;
    }
    let children = Remains { children: life.children(), ..Remains::default() };
    life.abort_children();
    // A child that blocks its thread does not end; `stop` must have its time all the same.
    let left = by.saturating_duration_since(Instant::now());
    let until = Instant::now() + left.mul_f64(ABORTED_SHARE);
    let _ = timeout_at(until, life.children_ended()).await;
    Some(format!("{children} in time"))
}

/// Drops the generation's own handle. Returns whether somebody else keeps the instance, and the
/// panic of its `Drop`.
///
/// Who just uses it, through a `Ref` between two awaits, is given [`LEAK_PATIENCE`].
async fn let_go(service: Arc<dyn ErasedService>) -> (bool, Option<Failure>) {
    let weak = Arc::downgrade(&service);
    let dropped = contain(move || drop(service));
    let failure = dropped.err().map(|panicked| Failure::from_panic("drop", &panicked));
    let until = Instant::now() + LEAK_PATIENCE;
    while weak.strong_count() > 0 && Instant::now() < until {
        tokio::time::sleep(LEAK_PATIENCE / 10).await;
    }
    (weak.strong_count() > 0, failure)
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
        Ok(Err(error)) => Err(Failure::from_error(kind, what, &error)),
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
        Ending { exit, failure, leaked: false, cut: None }
    }
}

/// Tells the supervisor that the generation is gone, whatever happens to its future.
struct Farewell {
    life: Option<Arc<Life>>,
}

impl Farewell {
    fn say(mut self, ending: Ending) {
        if let Some(life) = self.life.take() {
            life.report(Message::Gone(life.cell_id(), life.generation, ending));
        }
    }
}

impl Drop for Farewell {
    /// The future was aborted: gone once its children and requests are.
    fn drop(&mut self) {
        let Some(life) = self.life.take() else { return };
        life.cell.shut(life.generation);
        life.enter(Phase::Closed, Instant::now());
        life.vitals.enter(Stage::Left);
        life.abort_children();
        let ending = if std::thread::panicking() {
            // Every hook is contained, so this is what nobody thought of; it must not pass for a
            // stop.
            let failure = Failure::new(ErrorKind::Panic, "the service panicked outside its hooks");
            Ended::failed(failure).into_ending()
        } else {
            Ending { exit: Exit::Aborted, failure: None, leaked: false, cut: None }
        };
        let gone = Message::Gone(life.cell_id(), life.generation, ending);
        if life.is_untracked() {
            life.report(gone);
        } else {
            let services = life.services.clone();
            services.spawn(async move {
                life.untracked().await;
                life.report(gone);
            });
        }
    }
}

/// `run`, contained.
type Running<'a> = Contained<BoxFuture<'a, Result>>;
