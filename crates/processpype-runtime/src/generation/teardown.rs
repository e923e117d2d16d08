//! The end of a generation: from the request to stop, or the end of `run`, to gone.
//!
//! # Invariants
//!
//! 1. Every phase has its end: draining and `run` may take [`DRAIN_SHARE`] and [`RUN_SHARE`] of the
//!    time, `stop` always has the rest.
//! 2. When the application closes, what that leaves is the time, also for who was ending before.
//! 3. The instance is taken back from slot and routes before anything else of a stop happens.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use processpype_core::{ErrorKind, Exit};
use tokio::time::Instant;

use super::in_time::{in_time, share};
use super::{Ended, Running, Stopped, settle};
use crate::context::Context;
use crate::failure::Failure;
use crate::life::{Life, Phase};
use crate::message::Ending;
use crate::panic::{Contained, contain};
use crate::remains::Remains;
use crate::service::ErasedService;
use crate::vitals::Stage;

/// The share of `stop_timeout` for requests in flight, in percent.
const DRAIN_SHARE: u32 = 40;

/// The share of `stop_timeout` for `run` and the children, in percent.
const RUN_SHARE: u32 = 40;

/// The share of what is left for `stop` in which children that were aborted may end before it, in
/// percent.
const ABORTED_SHARE: u32 = 10;

/// The share for what has the rest of the time.
const ALL: u32 = 100;

/// How long an instance may still be in use before it counts as leaked.
const LEAK_PATIENCE: Duration = Duration::from_millis(10);

/// From the request to stop to the end of `run`.
pub(super) async fn wind_down(life: &Life, mut running: Running, by: Instant) -> Stopped {
    life.cell.shut(life.generation);
    let asked = Instant::now();
    let total = by.saturating_duration_since(asked);
    let (mut drained, mut at) = (None, asked);
    let (mut run_by, mut gone_by) = limits(life, by, total, at);
    if !life.enter_if(Phase::Stopping, run_by, |left| !left.requests) {
        let until = asked + share(total, DRAIN_SHARE);
        (drained, at) = drain(life, &mut running, until, asked).await;
        (run_by, gone_by) = limits(life, by, total, at);
        life.enter(Phase::Stopping, run_by);
    }
    life.vitals.enter_at(Stage::Ending, at);
    let outcome = match drained {
        Some(outcome) => Some(outcome),
        None => in_time::<RUN_SHARE, _>(life, run_by, &mut running).await,
    };
    let cut = outcome.is_none().then(|| "`run` has not ended in time".to_owned());
    let outcome = outcome.or_else(|| running.cut().map(Err));
    let failure = outcome.and_then(|outcome| settle("run", ErrorKind::Failed, outcome).err());
    let ended = match failure {
        // What comes up while stopping does not make the stop a failure, but it is told.
        Some(failure) => Ended::Unasked(Exit::Stopped, Some(failure)),
        None => Ended::Asked,
    };
    Stopped { ended, by: Some(gone_by), cut: cut.into_iter().collect() }
}

/// When `run` must have ended, from `at` on, and when all of it; what began to close meanwhile has
/// shortened what is left.
fn limits(life: &Life, by: Instant, total: Duration, at: Instant) -> (Instant, Instant) {
    let closing = life.within_closing(by);
    let total = if closing < by { closing.saturating_duration_since(at) } else { total };
    ((at + share(total, RUN_SHARE)).min(closing), closing)
}

/// Lets requests in flight finish while `run` still serves them; returns `run`'s end if it came
/// first, and when it is over.
async fn drain<F: Future + Unpin>(
    life: &Life,
    running: &mut F,
    until: Instant,
    now: Instant,
) -> (Option<F::Output>, Instant) {
    life.enter(Phase::Draining, until);
    life.vitals.enter_at(Stage::Draining, now);
    // What few need has room of its own.
    let outcome = Box::pin(serve_out(life, running, until)).await;
    (outcome, Instant::now())
}

/// Goes on with `run` until no request is in flight; returns its end if it came first.
async fn serve_out<F: Future + Unpin>(
    life: &Life,
    running: &mut F,
    until: Instant,
) -> Option<F::Output> {
    let mut outcome = None;
    let mut idle = in_time::<DRAIN_SHARE, _>(life, until, life.requests_ended());
    loop {
        tokio::select! {
            biased;
            _ = &mut idle => return outcome,
            ended = &mut *running, if outcome.is_none() => outcome = Some(ended),
        }
    }
}

/// From the end of `run` to gone: children, `stop`, the instance.
#[expect(clippy::manual_async_fn, reason = "an `async fn` would keep its arguments twice")]
pub(super) fn teardown<'a>(
    cx: &'a Context,
    stop_timeout: Duration,
    service: Arc<dyn ErasedService>,
    stopped: Stopped,
) -> impl Future<Output = Ending> + Send + 'a {
    async move {
        let life = &cx.life;
        if stopped.by.is_none() {
            life.cell.shut(life.generation);
        }
        stopped.ended.tell(life);
        let now = Instant::now();
        let by = stopped.by.or_else(|| life.stop_by()).unwrap_or_else(|| now + stop_timeout);
        let (mut by, mut at) = (life.within_closing(by), now);
        let mut cut = stopped.cut;
        let mut ending = stopped.ended.into_ending();
        if !life.enter_if(Phase::Closing, by, |left| !left.children) {
            let children;
            (children, at) = end_children(life, by, now).await;
            cut.extend(children);
            by = life.within_closing(by);
            life.enter(Phase::Closing, by);
        }
        life.vitals.enter_at(Stage::Stop, at);
        let (in_time, failure) = stop(cx, &service, by).await;
        cut.extend((!in_time).then(|| "`stop` has not ended in time".to_owned()));
        let left = life.enter(Phase::Closed, by);
        if !left.is_nothing() {
            life.vitals.enter(Stage::Children);
            life.abort_children();
            life.untracked().await;
        }
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
}

/// Calls `stop`. Returns whether it ended in time, and its failure.
async fn stop(
    cx: &Context,
    service: &Arc<dyn ErasedService>,
    by: Instant,
) -> (bool, Option<Failure>) {
    let mut stopping = Contained::new(service.stop(cx));
    let outcome = in_time::<ALL, _>(&cx.life, by, &mut stopping).await;
    let is_in_time = outcome.is_some();
    let outcome = outcome.or_else(|| stopping.cut().map(Err));
    let failure = outcome.and_then(|out| settle("stop", ErrorKind::StopFailed, out).err());
    (is_in_time, failure.map(Failure::of_stop))
}

/// Gives the children their time, then aborts them. Returns what is to be said if it came to that,
/// and when it is over.
async fn end_children(life: &Life, by: Instant, now: Instant) -> (Option<String>, Instant) {
    let own_share = || now + share(by.saturating_duration_since(now), RUN_SHARE);
    let until = life.deadline().unwrap_or_else(own_share).min(by);
    life.vitals.enter(Stage::Children);
    life.enter(Phase::Stopping, until);
    Box::pin(async move {
        let cut = match in_time::<RUN_SHARE, _>(life, until, life.children_ended()).await {
            Some(()) => None,
            None => Some(cut_children(life, by).await),
        };
        (cut, Instant::now())
    })
    .await
}

/// Aborts the children, and says which they were.
async fn cut_children(life: &Life, by: Instant) -> String {
    let children = Remains { children: life.children(), ..Remains::default() };
    life.abort_children();
    // A child that blocks its thread does not end; `stop` must have its time all the same.
    let left = life.within_closing(by).saturating_duration_since(Instant::now());
    let until = Instant::now() + share(left, ABORTED_SHARE);
    let _ = in_time::<ABORTED_SHARE, _>(life, until, life.children_ended()).await;
    format!("{children} in time")
}

/// Drops the generation's own handle. Returns whether somebody else keeps the instance, and the
/// panic of its `Drop`.
///
/// Where nobody else has it, or could come to have it, nothing is left to be watched. Who just uses
/// it, through a `Ref` between two awaits, is given [`LEAK_PATIENCE`].
async fn let_go(mut service: Arc<dyn ErasedService>) -> (bool, Option<Failure>) {
    if Arc::get_mut(&mut service).is_some() {
        // Nobody has it, or can come to have it.
        let dropped = contain(move || drop(service));
        return (false, dropped.err().map(|panicked| Failure::from_panic("drop", &panicked)));
    }
    let weak = Arc::downgrade(&service);
    let dropped = contain(move || drop(service));
    let failure = dropped.err().map(|panicked| Failure::from_panic("drop", &panicked));
    if weak.strong_count() == 0 {
        return (false, failure);
    }
    let until = Instant::now() + LEAK_PATIENCE;
    while weak.strong_count() > 0 && Instant::now() < until {
        // In a box, because hardly any needs it.
        Box::pin(tokio::time::sleep(LEAK_PATIENCE / 10)).await;
    }
    (weak.strong_count() > 0, failure)
}
