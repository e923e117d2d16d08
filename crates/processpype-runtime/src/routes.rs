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
//! 3. The handler runs on the services' runtime, in the generation's span: within the call, if
//!    whoever calls is there already, else as a task. If it cannot answer at once, its client's
//!    going drops it, and `run` being told to end cuts it.
//! 4. The body is looked at in the same place. The guard moves into it and lives until that has
//!    been sent, unless all of it is in memory already.

mod body;
mod call;
mod listing;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::routing::post;
use processpype_core::{ErrorKind, Role};

pub use self::call::Call;
use self::listing::Listing;
use crate::failure::Failure;
use crate::life::Life;
use crate::panic::{contain, drop_contained};

/// How many routes an error names.
const COLLISIONS_NAMED: usize = 5;

/// What the framework itself answers below `/services/{name}/`, by `POST`.
pub const RESERVED_VERBS: [&str; 5] =
    ["/start", "/stop", "/restart", "/configure", "/configure_and_start"];

/// The routes of a service, relative to `/services/{name}`.
///
/// Made from an [`axum::Router`]:
///
/// ```
/// # use processpype_runtime as processpype;
/// use axum::routing::get;
/// use processpype::Routes;
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
    /// # use processpype_runtime as processpype;
    /// use axum::routing::get;
    /// use processpype::Routes;
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
    /// # mod processpype { pub use processpype_core::Role; pub use processpype_runtime::*; }
    /// use axum::routing::post;
    /// use processpype::Role;
    /// use processpype::Routes;
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
        if !router.has_routes() {
            return Ok(Some(router));
        }
        let listing = Listing::of(&router);
        let is_taken = |verb: &&str| {
            listing.takes_post(verb).unwrap_or_else(|| !is_free(router.clone(), verb))
        };
        let verbs = RESERVED_VERBS.into_iter().filter(is_taken);
        let mut taken: Vec<String> = verbs.map(|verb| format!("POST {verb}")).collect();
        // What is below `/-/` collides with no path in particular.
        let inner = listing.paths().filter(|path| path.starts_with("/-/"));
        taken.extend(inner.map(str::to_owned));
        if taken.is_empty() { Ok(Some(router)) } else { Err(collision(&taken)) }
    }
}

impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self { router: Some(router), access: RouteAccess::default() }
    }
}

/// Whether a router has no handler where one of the framework's own verbs is.
///
/// Axum refuses two handlers of one method and path by a panic, which a panic hook tells beside our
/// own message: a copy is merged to find out only where its listing does not say.
fn is_free(copy: Router, verb: &str) -> bool {
    contain(move || drop(Router::new().route(verb, post(async || ())).merge(copy))).is_ok()
}

/// What a service is told whose routes stand in the framework's place.
fn collision(taken: &[String]) -> Failure {
    let shown = taken[..taken.len().min(COLLISIONS_NAMED)].join(", ");
    let more = match taken.len().saturating_sub(COLLISIONS_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let text = format!(
        "routes of the service stand where the framework's own do: {shown}{more}; give them other \
         paths, or a prefix with `Router::nest`"
    );
    Failure::new(ErrorKind::StartFailed, text)
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
    /// The request counts as one of the generation's from here on. Its handler is begun before this
    /// returns: in place, if this is the services' runtime, else as a task there. So a request that
    /// has been called for is seen by its service, even if its client goes in the same moment.
    ///
    /// # Errors
    ///
    /// The [`Call`] says why there is no answer.
    ///
    /// # Panics
    ///
    /// Never because of the service: what its handler does is contained.
    pub fn call(self: Arc<Self>, request: Request<Body>) -> Call {
        Call::begin(self, request)
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
    fn a_verb_is_found_without_a_list_of_paths() {
        let nothing = async || ();
        assert!(!is_free(Router::new().route("/stop", post(nothing)), "/stop"));
        let others = Router::new().route("/stop", get(nothing)).route("/a", post(nothing));
        assert!(is_free(others, "/stop"));
    }

    #[test]
    fn a_collision_names_the_routes_that_collide_and_no_others() {
        let nothing = async || ();
        let routes = ["/start", "/value", "/-/why", "/configure"];
        let router = routes.iter().fold(Router::new(), |all, path| all.route(path, post(nothing)));
        let failure = Routes::from(router.route("/stop", get(nothing))).checked().unwrap_err();
        let told = "routes of the service stand where the framework's own do: POST /start, POST \
                    /configure, /-/why; give them other paths, or a prefix with `Router::nest`";
        assert_eq!(failure.story, told);
        let inner = |n: u32| format!("/-/{n}");
        let many = (0..9).fold(Router::new(), |all, n| all.route(&inner(n), get(nothing)));
        let failure = Routes::from(many).checked().unwrap_err();
        assert!(failure.story.contains(" and 4 more; "), "{}", failure.story);
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
