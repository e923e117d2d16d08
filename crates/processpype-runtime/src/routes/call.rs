//! One request on its way through a service's routes.
//!
//! # Invariants
//!
//! 1. A handler is made, polled and dropped on the services' runtime, in the span of its
//!    generation, and its panics are contained.
//! 2. What has answered when it is polled first costs no task, and no place of its own.
//! 3. The guard of the generation is held until the handler is dropped.
//!
//! # Why in place
//!
//! Most handlers have their answer without waiting for anybody. To make a future for them, move it
//! into a box, and from there to where it is polled costs as much as a small handler itself. So the
//! handler is polled where it is called; its future has the one box that axum's needs, because it
//! may have to stay where it is. Only what waits gets what waiting needs: a look at the phase of
//! the generation, and a place to be polled from.
//!
//! That first poll has nobody to wake. Whoever gets the [`Call`] polls again, and is woken then, as
//! everybody who polls a future that somebody else has polled before.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::future::RouteFuture;
use tower::Service as _;
use tracing::Instrument as _;

use super::{Mounted, RequestError, body};
use crate::failure::Failure;
use crate::host::Host;
use crate::life::{Guard, Life, Phase};
use crate::message::Message;
use crate::panic::{Contained, Panicked};
use crate::vitals::Seen;

/// A request that a service's routes answer, or have answered already.
///
/// It resolves to the service's answer as the service gave it. A body of which not all is in memory
/// keeps the request among those of its generation until it has been sent.
///
/// For the control plane; see [`Mounted::call`].
///
/// # Errors
///
/// Says why there is no answer.
///
/// # Cancel safety
///
/// Dropping it, because the client has gone, drops the handler's future.
#[must_use = "a handler that has not answered at once is dropped with it"]
pub struct Call(Calling);

enum Calling {
    /// Empty once the outcome was taken.
    Over(Option<Outcome>),
    OnItsWay(Pin<Box<dyn Future<Output = Outcome> + Send>>),
}

type Outcome = Result<Response<Body>, RequestError>;

/// A handler on its way.
type Handler = Seen<Contained<Pin<Box<RouteFuture<Infallible>>>>>;

/// A handler that could not answer at once; it is dropped in its span, and before its guard.
struct Waiting {
    handler: Option<Handler>,
    guard: Option<Guard>,
    mounted: Arc<Mounted>,
}

/// What a handler has answered.
type Handled = Result<Result<Response<Body>, Infallible>, Panicked>;

// === impl Call ===

impl Call {
    pub(super) fn begin(mounted: Arc<Mounted>, request: Request<Body>) -> Self {
        let (router, guard) = match mounted.admit() {
            Ok(admitted) => admitted,
            Err(error) => return Self::over(Err(error)),
        };
        let services = Host::new(guard.life().services().clone());
        if services.is_here() {
            return Self::here(mounted, router, request, guard);
        }
        let there = async move { Self::here(mounted, router, request, guard).await };
        // Whoever calls may be in a span of the request, which the handler is part of.
        let carried = services.carry(there.in_current_span());
        Self::on_its_way(async move { carried.await.unwrap_or(Err(RequestError::Ended)) })
    }

    /// Begins the handler in place.
    ///
    /// It is made and polled within one containment and one visit to the span.
    fn here(
        mounted: Arc<Mounted>,
        mut router: Router,
        request: Request<Body>,
        guard: Guard,
    ) -> Self {
        let Some(served) = &mounted.served else { return Self::over(Err(RequestError::NoRoutes)) };
        // Who waits polls again, with a waker.
        let mut cx = Context::from_waker(Waker::noop());
        let entered = served.span.enter();
        let (handler, handled) = Seen::begin(&served.life, "a handler", None, || {
            Contained::begin(|| Box::pin(router.call(request)), &mut cx)
        });
        if let Poll::Ready(handled) = handled {
            drop(handler);
            return Self::finish(&mounted, handled, guard);
        }
        drop(entered);
        let handler = Some(handler);
        Self::on_its_way(Waiting { handler, guard: Some(guard), mounted }.outcome())
    }

    /// Looks at the body that a handler has made, in its span, and makes an outcome of both.
    fn finish(mounted: &Mounted, handled: Handled, guard: Guard) -> Self {
        let Some(served) = &mounted.served else { return Self::over(Err(RequestError::NoRoutes)) };
        match handled {
            Ok(Ok(response)) => match body::guarded(response, guard, &served.span) {
                Ok(response) => Self::over(Ok(response)),
                Err((panicked, guard)) => Self::panicked("a body", &panicked, guard),
            },
            Ok(Err(never)) => match never {},
            Err(panicked) => Self::panicked("a handler", &panicked, guard),
        }
    }

    /// Tells that a handler, or its body, has panicked before there was an answer.
    fn panicked(what: &str, panicked: &Panicked, guard: Guard) -> Self {
        tell_panic(guard.life(), what, panicked);
        // On one thread the event comes before the answer. The guard lives until it is told.
        Self::on_its_way(async move {
            tokio::task::yield_now().await;
            drop(guard);
            Err(RequestError::Panicked)
        })
    }

    fn over(outcome: Outcome) -> Self {
        Self(Calling::Over(Some(outcome)))
    }

    fn on_its_way(outcome: impl Future<Output = Outcome> + Send + 'static) -> Self {
        Self(Calling::OnItsWay(Box::pin(outcome)))
    }

    /// Takes the outcome if it is there: most have it when the call returns.
    ///
    /// What this returned is gone from here: a second time there is none, and a call whose outcome
    /// was taken never resolves.
    ///
    /// # Errors
    ///
    /// Says why there is no answer.
    pub fn take(&mut self) -> Option<Result<Response<Body>, RequestError>> {
        match &mut self.0 {
            Calling::Over(outcome) => outcome.take(),
            Calling::OnItsWay(_) => None,
        }
    }
}

impl Future for Call {
    type Output = Result<Response<Body>, RequestError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Calling::Over(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
            Calling::OnItsWay(outcome) => outcome.as_mut().poll(cx),
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_over = matches!(self.0, Calling::Over(_));
        f.debug_struct("Call").field("is_over", &is_over).finish_non_exhaustive()
    }
}

// === impl Mounted ===

impl Mounted {
    /// Counts a request, and returns who answers it.
    fn admit(&self) -> Result<(Router, Guard), RequestError> {
        let served = self.served.as_ref().ok_or(RequestError::NoRoutes)?;
        // The guard comes first: the generation waits for whoever holds its router.
        let guard = served.life.track_request().map_err(|_| RequestError::Stopping)?;
        let router = served.router.load().as_deref().cloned().ok_or(RequestError::Stopping)?;
        Ok((router, guard))
    }
}

/// Tells the supervisor that a handler, or the body that it made, has panicked.
pub(super) fn tell_panic(life: &Life, what: &str, panicked: &Panicked) {
    let failure = Failure::from_panic(what, panicked);
    life.report(Message::HandlerPanic(life.cell_id(), life.generation, failure));
}

// === impl Waiting ===

impl Waiting {
    /// Polls the handler as part of the generation, until it has answered or is cut.
    async fn outcome(mut self) -> Outcome {
        let mounted = Arc::clone(&self.mounted);
        let Some(served) = &mounted.served else { return Err(RequestError::NoRoutes) };
        let mut cut = pin!(served.life.reached(Phase::Stopping));
        let handled = poll_fn(|cx| match self.poll(&served.span, cx) {
            Poll::Ready(handled) => Poll::Ready(Some(handled)),
            Poll::Pending => cut.as_mut().poll(cx).map(|()| None),
        });
        match (handled.await, self.guard.take()) {
            (Some(handled), Some(guard)) => {
                served.span.in_scope(|| Call::finish(&mounted, handled, guard)).await
            }
            (_, _) => Err(RequestError::Ended),
        }
    }

    fn poll(&mut self, span: &tracing::Span, cx: &mut Context<'_>) -> Poll<Handled> {
        let Some(handler) = &mut self.handler else { return Poll::Pending };
        let _entered = span.enter();
        let handled = ready!(Pin::new(handler).poll(cx));
        self.handler = None;
        Poll::Ready(handled)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let (Some(handler), Some(served)) = (self.handler.take(), &self.mounted.served) {
            let _entered = served.span.enter();
            drop(handler);
        }
    }
}
