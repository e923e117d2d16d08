//! The future of a generation, which is there once for every service that runs.
//!
//! # Invariants
//!
//! 1. It has room for one hook, `start` or `run`. A constructor that waits, what ends a life, and
//!    what happens beside `run` now and then, are futures of their own, for as long as they take.
//! 2. Steps follow each other as below, and none comes back but `Running`.
//! 3. At each poll it looks for what it is told before it polls `start` or `run`; whoever tells it
//!    something rings its bell, so it keeps no wait for that.
//!
//! # The steps
//!
//! ```text
//! New ──▶ Making ──▶ Starting ──▶ Running ◀─▶ Called     an offer, a question
//!  └─────────┼──────────▲│          │           │
//!            │           │          │           │
//!            ▼           ▼          ▼           │        asked to stop, a child failed,
//!          Going ◀───────┴──────────┴───────────┘        the hook has ended
//!            ▼
//!          Gone
//! ```
//!
//! A constructor that has nothing to await is done in `New`. An abort drops the future in whatever
//! step it is; what it held goes first, contained, and then the farewell is said.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use processpype_core::Exit;
use tracing::{Instrument as _, Span};

use super::teardown::{teardown, wind_down};
use super::{
    Ended, Farewell, Making, Orders, Running, Stopped, begin, finish, settle_constructor, started,
    turn, without_service,
};
use crate::context::Context;
use crate::diagnosis;
use crate::error::Result;
use crate::life::{Call, Interruption, Life};
use crate::message::Ending;
use crate::panic::{Contained, Panicked, drop_contained};
use crate::reconfigure;
use crate::service::{BoxFuture, ErasedService};
use crate::vitals::{Stage, own_polled};

/// One generation, from its constructor to being gone.
struct Generation {
    /// What the user's code holds goes before the generation is told to be gone.
    step: Step,
    farewell: Farewell,
}

/// What a generation is doing.
pub(super) enum Step {
    /// It has not been polled yet.
    New,
    /// A constructor that waits.
    Making(BoxFuture<'static, Result<Arc<dyn ErasedService>, Ended>>),
    /// `start`.
    Starting(Arc<dyn ErasedService>, Running),
    /// `run`.
    Running(Arc<dyn ErasedService>, Running),
    /// It is offered or asked something, while `run` goes on.
    Called(Arc<dyn ErasedService>, BoxFuture<'static, Answered>),
    /// From the end of `run` to gone.
    Going(BoxFuture<'static, Ending>),
    Gone,
}

/// What is left of `run` after a call, and how it ended if it did.
type Answered = (Running, Option<Result<Result, Panicked>>);

/// Lives one generation, in its span; its polls can be seen from outside.
///
/// One box, so that the runtime's task has room for a pointer alone: a task is laid out in steps of
/// 128 bytes.
pub(crate) fn live(life: Arc<Life>, orders: Orders, span: Span) -> BoxFuture<'static, ()> {
    let farewell = Farewell { cx: Some(Context::new(life)), orders };
    let generation = Generation { step: Step::New, farewell };
    // Where nobody listens, no room is kept for the span.
    if span.is_disabled() { Box::pin(generation) } else { Box::pin(generation.instrument(span)) }
}

// === impl Generation ===

impl Future for Generation {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<()> {
        let Self { step, farewell } = &mut *self;
        let Farewell { cx: Some(cx), orders } = &*farewell else { return Poll::Pending };
        cx.life.changed.belongs_to(task.waker());
        let ending = ready!(own_polled(&cx.life, || step.poll(orders, cx, task)));
        let wakes_loop_here = cx.life.vitals.office().shares_with_loop();
        let uses_up = wakes_loop_here && matches!(ending.exit, Exit::Failed(_));
        farewell.say(ending);
        if uses_up {
            turn::use_up(task);
        }
        Poll::Ready(())
    }
}

impl Drop for Generation {
    /// It was aborted, if its step is not over. A panic of what it held is logged, and does not
    /// make its end another one.
    fn drop(&mut self) {
        drop_contained(std::mem::replace(&mut self.step, Step::Gone));
    }
}

// === impl Step ===

impl Step {
    /// The life itself, whose polls nobody sees yet: one step after the other.
    fn poll(
        &mut self,
        orders: &Orders,
        cx: &Context,
        task: &mut task::Context<'_>,
    ) -> Poll<Ending> {
        loop {
            *self = match std::mem::replace(self, Self::Gone) {
                Self::New => match begin(cx, orders) {
                    Ok(Making::Now(made)) => Self::made(cx, settle_constructor(Ok(made))),
                    Ok(Making::Later(making)) => Self::Making(Box::pin(finish(cx.clone(), making))),
                    Err(ended) => Self::made(cx, Err(ended)),
                },
                Self::Making(mut making) => match making.as_mut().poll(task) {
                    Poll::Ready(made) => Self::made(cx, made),
                    Poll::Pending => return self.waits(Self::Making(making)),
                },
                Self::Starting(service, mut starting) => match cx.life.interruption() {
                    Some(interruption) => {
                        drop(starting);
                        Self::early(orders, cx, service, Ended::early(interruption))
                    }
                    None => match Pin::new(&mut starting).poll(task) {
                        Poll::Ready(outcome) => match started(cx, &service, outcome) {
                            Ok(()) => Self::run(cx, service),
                            Err(ended) => Self::early(orders, cx, service, ended),
                        },
                        Poll::Pending => return self.waits(Self::Starting(service, starting)),
                    },
                },
                Self::Running(service, mut running) => match cx.life.call() {
                    Some(call) => Self::called(orders, cx, service, running, call),
                    None => match Pin::new(&mut running).poll(task) {
                        Poll::Ready(outcome) => Self::over(orders, cx, service, outcome),
                        Poll::Pending => return self.waits(Self::Running(service, running)),
                    },
                },
                Self::Called(service, mut answer) => match answer.as_mut().poll(task) {
                    Poll::Ready((_, Some(outcome))) => Self::over(orders, cx, service, outcome),
                    Poll::Ready((running, None)) => Self::Running(service, running),
                    Poll::Pending => return self.waits(Self::Called(service, answer)),
                },
                Self::Going(mut going) => match going.as_mut().poll(task) {
                    Poll::Ready(ending) => return Poll::Ready(ending),
                    Poll::Pending => return self.waits(Self::Going(going)),
                },
                Self::Gone => return Poll::Pending,
            };
        }
    }

    /// It stays where it is until it is woken.
    fn waits(&mut self, step: Self) -> Poll<Ending> {
        *self = step;
        Poll::Pending
    }

    /// The constructor has ended: `start` follows, or without an instance, the end.
    fn made(cx: &Context, made: Result<Arc<dyn ErasedService>, Ended>) -> Self {
        match made {
            Ok(service) => {
                cx.life.vitals.enter(Stage::Start);
                let starting = Contained::new(Arc::clone(&service).start(cx.clone()));
                Self::Starting(service, starting)
            }
            Err(ended) => Self::Going(Box::pin(without_service(cx.clone(), ended))),
        }
    }

    /// It does not come so far as to run.
    fn early(orders: &Orders, cx: &Context, service: Arc<dyn ErasedService>, ended: Ended) -> Self {
        Self::go(orders, cx, service, Stopped::without_run(ended))
    }

    /// Calls `run`, which owns what it needs: nothing borrows from the future of the generation.
    fn run(cx: &Context, service: Arc<dyn ErasedService>) -> Self {
        cx.life.vitals.enter(Stage::Run);
        let running = Contained::new(Arc::clone(&service).run(cx.clone()));
        Self::Running(service, running)
    }

    /// A generation that runs is to look at something.
    fn called(
        orders: &Orders,
        cx: &Context,
        service: Arc<dyn ErasedService>,
        mut running: Running,
        call: Call,
    ) -> Self {
        let own = cx.clone();
        match call {
            Call::Interrupted(Interruption::Asked(by)) => {
                let stop_timeout = orders.configured.options.stop_timeout;
                Self::Going(Box::pin(async move {
                    let stopped = wind_down(&own.life, running, by).await;
                    teardown(&own, stop_timeout, service, stopped).await
                }))
            }
            Call::Interrupted(Interruption::ChildFailed(failure)) => {
                Self::go(orders, cx, service, Stopped::by_child(cx, orders, running, failure))
            }
            Call::Offered(offer) => {
                let asked = Arc::clone(&service);
                let answer = async move {
                    let ended = reconfigure::offer(&own, &*asked, offer, &mut running).await;
                    (running, ended)
                };
                Self::Called(service, Box::pin(answer))
            }
            Call::Asked(questions) => {
                let asked = Arc::clone(&service);
                let answer = async move {
                    let ended = diagnosis::ask(&own, &*asked, questions, &mut running).await;
                    (running, ended)
                };
                Self::Called(service, Box::pin(answer))
            }
        }
    }

    /// `run` has ended by itself.
    fn over(
        orders: &Orders,
        cx: &Context,
        service: Arc<dyn ErasedService>,
        outcome: Result<Result, Panicked>,
    ) -> Self {
        Self::go(orders, cx, service, Stopped::without_run(Ended::of_run(outcome, orders)))
    }

    /// What is left is the teardown; the instance goes with it.
    fn go(
        orders: &Orders,
        cx: &Context,
        service: Arc<dyn ErasedService>,
        stopped: Stopped,
    ) -> Self {
        let (cx, stop_timeout) = (cx.clone(), orders.configured.options.stop_timeout);
        Self::Going(Box::pin(async move { teardown(&cx, stop_timeout, service, stopped).await }))
    }
}
