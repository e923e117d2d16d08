//! A service's own routes, and how one request passes through them.
//!
//! # Invariants
//!
//! 1. A handler runs on the services' runtime, as part of its generation: never on the thread of
//!    the control plane, which a blocked handler would stop.
//! 2. A generation is gone only when its handlers have returned and their bodies have ended.
//! 3. A handler's panic is that request's failure and an event, nothing more.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, header};
use axum::routing::{any, post};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body::{Body as HttpBody, Frame, SizeHint};
use processpype_core::ErrorKind;
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::failure::Failure;
use crate::life::{Guard, Life, Phase};
use crate::message::Message;
use crate::panic::{contain, contained};

/// What the framework itself answers below `/services/{name}/`, by `POST`.
pub const RESERVED_VERBS: [&str; 5] =
    ["/start", "/stop", "/restart", "/configure", "/configure_and_start"];

/// The routes of a service, relative to `/services/{name}`.
///
/// Made from an [`axum::Router`]:
///
/// ```
/// use axum::routing::get;
/// use processpype_runtime::Routes;
///
/// let routes: Routes = axum::Router::new().route("/value", get(async || "42")).into();
/// assert!(!routes.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Routes(Option<Router>);

/// The routes of a running generation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mounted {
    router: Option<Router>,
    life: Arc<Life>,
    span: tracing::Span,
}

/// Why a request did not get an answer from the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The service has no routes.
    NoRoutes,
    /// The service began to stop.
    Stopping,
    /// The handler panicked.
    Panicked,
    /// The generation ended before the handler had answered.
    Ended,
}

// === impl Routes ===

impl Routes {
    /// Returns no routes.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// Returns whether there are no routes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|router| !router.has_routes())
    }

    /// Checks that no route stands where the framework's own stand.
    pub(crate) fn checked(self) -> Result<Option<Router>, Failure> {
        let Some(router) = self.0.filter(Router::has_routes) else { return Ok(None) };
        let copy = router.clone();
        // Axum refuses two handlers of one method and path by a panic: merge a copy to find out.
        contain(move || reserved().merge(copy)).map(|_| Some(router)).map_err(|_| {
            Failure::new(
                ErrorKind::StartFailed,
                "a route of the service collides with the framework's own: POST start, stop, \
                 restart, configure, configure_and_start, and everything below /-/",
            )
        })
    }
}

impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self(Some(router))
    }
}

fn reserved() -> Router {
    let router = RESERVED_VERBS
        .iter()
        .fold(Router::new(), |router, verb| router.route(verb, post(async || ())));
    router.route("/-/{*rest}", any(async || ()))
}

// === impl Mounted ===

impl Mounted {
    pub(crate) fn new(router: Option<Router>, life: Arc<Life>, span: tracing::Span) -> Self {
        Self { router, life, span }
    }

    /// Returns whether the service has routes of its own.
    #[must_use]
    pub fn has_routes(&self) -> bool {
        self.router.is_some()
    }

    /// Passes one request, its path relative to the service, through the service's routes.
    ///
    /// # Errors
    ///
    /// Says why there is no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, because the client has gone, drops the handler's.
    pub async fn call(&self, request: Request<Body>) -> Result<Response<Body>, RequestError> {
        let router = self.router.clone().ok_or(RequestError::NoRoutes)?;
        let guard = self.life.track_request().map_err(|_| RequestError::Stopping)?;
        let life = Arc::clone(&self.life);
        let handler = async move {
            let outcome = contained(answer(router, request)).await;
            // The guard goes with the answer: the request ends with its body.
            outcome.map(|response| (response, guard))
        };
        let task = self.life.services.spawn(handler.instrument(self.span.clone()));
        match AbortOnDrop(task).await {
            Ok(Ok((response, guard))) => Ok(guarded(response, guard)),
            Ok(Err(panicked)) => {
                let failure = Failure::from_panic("a handler", &panicked);
                life.report(Message::HandlerPanic(life.cell_id(), life.generation, failure));
                Err(RequestError::Panicked)
            }
            Err(_) => Err(RequestError::Ended),
        }
    }
}

async fn answer(router: Router, request: Request<Body>) -> Response<Body> {
    match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// Aborts the task when the waiting side is dropped.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Ties the request's guard to its body, and the body to the phases of the generation.
fn guarded(response: Response<Body>, guard: Guard) -> Response<Body> {
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    let cut_at = if is_stream { Phase::Draining } else { Phase::Stopping };
    response.map(|body| {
        if body.size_hint().exact() == Some(0) {
            return body;
        }
        let life = Arc::clone(guard.life());
        let cut = async move { life.reached(cut_at).await }.boxed();
        Body::new(GuardedBody { body: Some((body, guard)), cut, ends_cleanly: is_stream })
    })
}

/// A body that ends with its generation's patience.
struct GuardedBody {
    body: Option<(Body, Guard)>,
    cut: BoxFuture<'static, ()>,
    /// An event stream just ends; another body that is cut is an error to its reader.
    ends_cleanly: bool,
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        let Some((body, _)) = &mut this.body else { return Poll::Ready(None) };
        // User code: a panic in it must not reach the connection.
        let frame = match contain(|| Pin::new(body).poll_frame(cx)) {
            Ok(frame) => frame,
            Err(panicked) => Poll::Ready(Some(Err(axum::Error::new(panicked)))),
        };
        match frame {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(end) => {
                this.body = None;
                Poll::Ready(end)
            }
            Poll::Pending if this.cut.poll_unpin(cx).is_ready() => {
                this.body = None;
                let cut = || axum::Error::new(crate::life::NotTracked::Stopping);
                Poll::Ready((!this.ends_cleanly).then(|| Err(cut())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), |(body, _)| body.size_hint())
    }
}

// === impl RequestError ===

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoRoutes => "the service has no routes",
            Self::Stopping => "the service is stopping",
            Self::Panicked => "the handler panicked",
            Self::Ended => "the service ended before it had answered",
        })
    }
}

impl std::error::Error for RequestError {}
