//! A service's own routes, and how one request passes through them.
//!
//! # Invariants
//!
//! 1. A handler runs on the services' runtime, as part of its generation: never on the thread of
//!    the control plane, which a blocked handler would stop.
//! 2. A generation is gone only when its handlers have returned and their bodies have ended; those
//!    that have not when `run` is told to end are cut.
//! 3. A handler's panic is that request's failure and an event, nothing more.
//!
//! # The way of a request
//!
//! 1. The control plane finds the service's cell and in it what is mounted, or answers 503.
//! 2. [`Mounted::call`] takes a guard of the generation; after the stop has begun there is none.
//! 3. The handler runs on the services' runtime, in the generation's span: where it is, if whoever
//!    calls is there already, else as a task. Its client's going drops it; `run` being told to end
//!    cuts it.
//! 4. The guard moves into the body and lives until that has been sent, unless the body is in
//!    memory already.

mod body;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, header};
use axum::routing::{any, post};
use processpype_core::{ErrorKind, Role};
use tower::ServiceExt as _;
use tracing::Instrument as _;

use crate::failure::Failure;
use crate::host::Host;
use crate::life::{Life, Phase};
use crate::message::Message;
use crate::panic::{contain, contained, drop_contained};
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
        let copy = router.clone();
        // Axum refuses two handlers of one method and path by a panic: merge a copy to find out.
        let is_free = contain(move || drop(reserved().merge(copy))).is_ok();
        // What is below `/-/` collides with no path in particular: axum lists paths only here.
        if is_free && !format!("{router:?}").contains("\"/-/") {
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

/// The paths that are not the service's to take, as routes that do nothing.
fn reserved() -> Router {
    let router = RESERVED_VERBS
        .iter()
        .fold(Router::new(), |router, verb| router.route(verb, post(async || ())));
    router.route("/-/{*rest}", any(async || ()))
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
    /// # Errors
    ///
    /// Says why there is no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, because the client has gone, drops the handler's.
    pub async fn call(&self, request: Request<Body>) -> Result<Response<Body>, RequestError> {
        let served = self.served.as_ref().ok_or(RequestError::NoRoutes)?;
        // The guard comes first: the generation waits for whoever holds its router.
        let guard = served.life.track_request().map_err(|_| RequestError::Stopping)?;
        let router = served.router.load_full().ok_or(RequestError::Stopping)?;
        let life = Arc::clone(&served.life);
        let answer = contained(answer(router, request));
        let answer = Seen::other(&life, "a handler", None, answer);
        let handler = async move {
            let outcome = tokio::select! {
                biased;
                outcome = answer => Some(outcome),
                () = guard.life().reached(Phase::Stopping) => None,
            };
            (outcome, guard)
        };
        let handler = handler.instrument(served.span.clone());
        let host = Host::new(life.services().clone());
        let outcome = match host.is_here() {
            true => Ok(handler.await),
            false => host.carry(handler).await,
        };
        match outcome {
            Ok((Some(Ok(response)), guard)) => {
                let is_stream = is_event_stream(&response);
                Ok(response.map(|body| body::guarded(body, is_stream, guard)))
            }
            Ok((Some(Err(panicked)), _)) => {
                let failure = Failure::from_panic("a handler", &panicked);
                life.report(Message::HandlerPanic(life.cell_id(), life.generation, failure));
                // On one thread the event comes before the answer.
                tokio::task::yield_now().await;
                Err(RequestError::Panicked)
            }
            Ok((None, _)) | Err(_) => Err(RequestError::Ended),
        }
    }
}

/// A router cannot fail: what its handlers cannot answer is an answer too.
async fn answer(router: Arc<Router>, request: Request<Body>) -> Response<Body> {
    match Router::clone(&router).oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn is_event_stream(response: &Response<Body>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
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
