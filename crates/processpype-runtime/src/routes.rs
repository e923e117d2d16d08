//! A service's own routes, and how one request passes through them.
//!
//! # Invariants
//!
//! 1. A handler runs on the services' runtime, as part of its generation: never on the thread of
//!    the control plane, which a blocked handler would stop.
//! 2. A generation is gone only when its handlers have returned and their bodies have ended; those
//!    that have not when `run` is told to end are cut.
//! 3. A panic of a handler, or of the body that it made, is that request's failure and an event,
//!    nothing more.
//!
//! # The way of a request
//!
//! 1. The control plane finds the service's cell and in it what is mounted, or answers 503.
//! 2. [`Mounted::call`] takes a guard of the generation; after the stop has begun there is none.
//! 3. The handler runs on the services' runtime, in the generation's span: where it is, if whoever
//!    calls is there already, else as a task. Its client's going drops it; `run` being told to end
//!    cuts it.
//! 4. The body is looked at in the same place. The guard moves into it and lives until that has
//!    been sent, unless all of it is in memory already.

mod body;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::post;
use processpype_core::{ErrorKind, Role};
use tokio::runtime::Handle;
use tower::ServiceExt as _;
use tower::util::Oneshot;

use crate::failure::Failure;
use crate::host::Host;
use crate::life::{Guard, Life, Phase};
use crate::message::Message;
use crate::panic::{Contained, Panicked, contain, contained, drop_contained};
use crate::vitals::Seen;

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
///
/// A type of its own, so that axum's `Router` is not part of every signature and another framework
/// can follow. State is shared by capturing the service's `Arc`, as in
/// [`Service::routes`](crate::Service::routes).
///
/// # Who may call them
///
/// On loopback everybody, as they always could. On a listener that other machines can reach, only a
/// token of role `operator`, unless the service says otherwise with [`public`](Self::public) or
/// [`require`](Self::require).
#[derive(Clone, Debug, Default)]
pub struct Routes {
    router: Option<Router>,
    access: RouteAccess,
}

/// Who may call the routes of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteAccess {
    /// Nothing was said: everybody on loopback, an operator from elsewhere.
    #[default]
    Unsaid,
    /// Everybody, from wherever they come.
    Public,
    /// Who has this role, on loopback too.
    Role(Role),
}

/// The routes of a running generation.
///
/// For the control plane. It belongs to one generation: get it anew for every request. Who holds
/// it longer than the generation lives holds nothing of the service.
#[derive(Debug)]
pub struct Mounted {
    access: RouteAccess,
    served: Option<Served>,
}

/// Routes that there are, and who serves them.
#[derive(Debug)]
struct Served {
    router: ArcSwapOption<Router>,
    life: Arc<Life>,
    span: tracing::Span,
}

/// A handler on its way. In a box of its own: what is around it is moved, and kept on both ways.
type Handler = Contained<Pin<Box<Oneshot<Router, Request<Body>>>>>;

/// What a handler has answered.
type Answer = Result<Response<Body>, RequestError>;

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
    ///
    /// The same as [`Routes::default`], and what a service has that says nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Opens the routes to everybody who can reach a listener that exposes services.
    ///
    /// For what is meant for the world, or has an authentication of its own: a request then keeps
    /// its `Authorization` header, unless that is a token of the control API.
    ///
    /// ```
    /// use axum::routing::get;
    /// use processpype_runtime::Routes;
    ///
    /// let routes: Routes = axum::Router::new().route("/", get(async || "hello")).into();
    /// assert!(!routes.public().is_empty());
    /// ```
    #[must_use]
    pub fn public(mut self) -> Self {
        self.access = RouteAccess::Public;
        self
    }

    /// Closes the routes to everybody without a token of at least this role, on loopback too.
    ///
    /// ```
    /// use axum::routing::post;
    /// use processpype_core::Role;
    /// use processpype_runtime::Routes;
    ///
    /// let routes: Routes = axum::Router::new().route("/purge", post(async || "gone")).into();
    /// assert!(!routes.require(Role::Admin).is_empty());
    /// ```
    #[must_use]
    pub fn require(mut self, role: Role) -> Self {
        self.access = RouteAccess::Role(role);
        self
    }

    pub(crate) fn access(&self) -> RouteAccess {
        self.access
    }

    /// Returns whether there are no routes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.router.is_none()
    }

    /// Checks that no route stands where the framework's own stand.
    pub(crate) fn checked(self) -> Result<Option<Router>, Failure> {
        let Some(router) = self.router else { return Ok(None) };
        // Axum lists paths only here.
        let listed = format!("{router:?}");
        // What is below `/-/` collides with no path in particular.
        let is_below = listed.contains("\"/-/");
        let is_verb = |verb: &&str| listed.split('"').any(|word| word == *verb);
        if !is_below && (!RESERVED_VERBS.iter().any(is_verb) || is_free(&router)) {
            return Ok(Some(router));
        }
        let text = "a route of the service collides with the framework's own: POST start, stop, \
                    restart, configure, configure_and_start, and everything below /-/";
        Err(Failure::new(ErrorKind::StartFailed, text))
    }
}

impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self { router: Some(router), access: RouteAccess::default() }
    }
}

/// Whether a router has no handler where the framework's own verbs are.
///
/// Axum refuses two handlers of one method and path by a panic: a copy is merged to find out. That
/// costs more than all else of a start, and is done for who has such a path at all.
fn is_free(router: &Router) -> bool {
    let copy = router.clone();
    contain(move || drop(reserved().merge(copy))).is_ok()
}

/// The paths that are not the service's to take, as routes that do nothing.
fn reserved() -> Router {
    RESERVED_VERBS.iter().fold(Router::new(), |router, verb| router.route(verb, post(async || ())))
}

// === impl Mounted ===

impl Mounted {
    pub(crate) fn new(
        router: Router,
        access: RouteAccess,
        life: Arc<Life>,
        span: tracing::Span,
    ) -> Self {
        let router = ArcSwapOption::from_pointee(router);
        Self { access, served: Some(Served { router, life, span }) }
    }

    /// What a service has that has no routes, as long as it runs.
    pub(crate) fn nothing(access: RouteAccess) -> Self {
        Self { access, served: None }
    }

    /// Returns who may call the routes.
    #[must_use]
    pub fn access(&self) -> RouteAccess {
        self.access
    }

    /// Returns whether the service has routes of its own.
    #[must_use]
    pub fn has_routes(&self) -> bool {
        self.served.is_some()
    }

    /// Gives the service's router up. The generation's task only.
    pub(crate) fn close(&self) {
        if let Some(served) = &self.served {
            drop_contained(served.router.swap(None));
        }
    }

    /// Passes one request, its path relative to the service, through the service's routes.
    ///
    /// The request counts as one of the generation's from the call on, not from the first poll.
    ///
    /// # Errors
    ///
    /// Says why there is no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, because the client has gone, drops the handler's.
    pub fn call(
        self: Arc<Self>,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, RequestError>> + Send + 'static {
        let begun = self.begin(request);
        async move {
            let (answer, guard) = begun?;
            let served = self.served.as_ref().ok_or(RequestError::NoRoutes)?;
            match is_here(served.life.services()) {
                true => served.watch(answer, guard).await,
                false => Arc::clone(&self).watch_there(answer, guard).await,
            }
        }
    }

    /// Makes the handler's future, and counts the request.
    fn begin(&self, request: Request<Body>) -> Result<(Handler, Guard), RequestError> {
        let served = self.served.as_ref().ok_or(RequestError::NoRoutes)?;
        // The guard comes first: the generation waits for whoever holds its router.
        let guard = served.life.track_request().map_err(|_| RequestError::Stopping)?;
        let router = served.router.load().as_deref().cloned().ok_or(RequestError::Stopping)?;
        Ok((contained(router.oneshot(request)), guard))
    }

    /// As [`Served::watch`], on the services' runtime: the handler is dropped there, too.
    async fn watch_there(self: Arc<Self>, answer: Handler, guard: Guard) -> Answer {
        let host = Host::new(guard.life().services().clone());
        let carried = async move {
            let served = self.served.as_ref().ok_or(RequestError::NoRoutes)?;
            served.watch(answer, guard).await
        };
        host.carry(carried).await.unwrap_or(Err(RequestError::Ended))
    }
}

// === impl Served ===

impl Served {
    /// Polls a handler as part of the generation, and in its span, and looks at the body that it
    /// made.
    async fn watch(&self, answer: Handler, guard: Guard) -> Answer {
        let answer = Seen::other(&self.life, "a handler", None, answer);
        let mut within = Within { span: &self.span, future: Some(answer) };
        let mut cut = pin!(self.life.reached(Phase::Stopping));
        let outcome = poll_fn(|cx| match within.poll(cx) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => cut.as_mut().poll(cx).map(|()| None),
        });
        match outcome.await.ok_or(RequestError::Ended)? {
            Ok(Ok(response)) => match body::guarded(response, guard, &self.span) {
                Ok(response) => Ok(response),
                Err((panicked, _guard)) => Err(self.panicked("a body", &panicked).await),
            },
            Ok(Err(never)) => match never {},
            // The guard lives until it is told.
            Err(panicked) => Err(self.panicked("a handler", &panicked).await),
        }
    }

    /// Tells that a handler, or its body, has panicked before there was an answer.
    async fn panicked(&self, what: &str, panicked: &Panicked) -> RequestError {
        tell_panic(&self.life, what, panicked);
        // On one thread the event comes before the answer.
        tokio::task::yield_now().await;
        RequestError::Panicked
    }
}

/// Tells the supervisor that a handler, or the body that it made, has panicked.
fn tell_panic(life: &Life, what: &str, panicked: &Panicked) {
    let failure = Failure::from_panic(what, panicked);
    life.report(Message::HandlerPanic(life.cell_id(), life.generation, failure));
}

/// A future that is polled and dropped in a span which somebody else keeps.
struct Within<'a, F> {
    span: &'a tracing::Span,
    future: Option<F>,
}

impl<F: Future + Unpin> Within<'_, F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let _entered = self.span.enter();
        let output = ready!(Pin::new(future).poll(cx));
        self.future = None;
        Poll::Ready(output)
    }
}

impl<F> Drop for Within<'_, F> {
    fn drop(&mut self) {
        if let Some(future) = self.future.take() {
            let _entered = self.span.enter();
            drop(future);
        }
    }
}

fn is_here(services: &Handle) -> bool {
    Handle::try_current().is_ok_and(|here| here.id() == services.id())
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

#[cfg(test)]
mod tests {
    use axum::routing::{any, get};

    use super::*;

    #[track_caller]
    fn check(router: Router, is_free: bool) {
        let listed = format!("{router:?}");
        assert_eq!(Routes::from(router).checked().is_ok(), is_free, "{listed}");
    }

    #[test]
    fn what_is_the_frameworks_own_is_nobody_elses() {
        let nothing = async || ();
        let below = Router::new().route("/", post(nothing));
        for verb in RESERVED_VERBS {
            check(Router::new().route(verb, post(nothing)), false);
            // Whoever takes any method gets what the framework does not take.
            check(Router::new().route(verb, any(nothing)), true);
            check(Router::new().nest(verb, below.clone()), false);
            check(Router::new().route(verb, get(nothing)), true);
            check(Router::new().route(&format!("{verb}/more"), post(nothing)), true);
            check(Router::new().route(&format!("/a{verb}"), post(nothing)), true);
        }
        for path in ["/-/", "/-/why", "/-/{*rest}", "/-/{verb}"] {
            check(Router::new().route(path, get(nothing)), false);
        }
        check(Router::new().nest("/-", Router::new().route("/why", get(nothing))), false);
        for path in ["/", "/value", "/{verb}", "/{*rest}", "/-", "/a/-/b"] {
            check(Router::new().route(path, post(nothing)), true);
        }
        check(Router::new().fallback(nothing), true);
    }
}
