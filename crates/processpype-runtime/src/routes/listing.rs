//! What axum tells of a router: its paths, and which of them take `POST`.
//!
//! # Invariants
//!
//! 1. What cannot be read is not guessed: `None`, and whoever asks takes the long way.
//!
//! # Why its `Debug`
//!
//! Axum lists paths and methods there alone, and no version promises how. There is no other way to
//! learn of a handler without calling it, but for a second one in its place, which is refused by a
//! panic.

use axum::Router;

/// The `Debug` of a router, as far as paths and methods are listed in it.
///
/// ```text
/// Router { path_router: PathRouter {
///     routes: {RouteId(3): MethodRouter(MethodRouter { get: None, …, post: Route, … })},
///     node: Node { paths: {RouteId(3): "/start"} } }, fallback_router: …
/// ```
pub(super) struct Listing(String);

// === impl Listing ===

impl Listing {
    pub(super) fn of(router: &Router) -> Self {
        Self(format!("{router:?}"))
    }

    /// The paths, in no order; none if they cannot be read.
    ///
    /// What a service has below `/-/` is never asked for then: the framework answers there first.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        let quoted = self.0.split('"').skip(1).step_by(2);
        quoted.filter(|word| word.starts_with('/'))
    }

    /// Whether a handler takes `POST` at this very path; `None` if that cannot be read.
    ///
    /// A service that was mounted there takes all there is. A handler of any method does not count:
    /// it gets what nobody else takes.
    pub(super) fn takes_post(&self, path: &str) -> Option<bool> {
        self.paths().next()?;
        if !self.paths().any(|listed| listed == path) {
            return Some(false);
        }
        // Fallbacks have paths and numbers of their own.
        let routes = self.0.split("fallback_router: ").next()?;
        let (before, _) = routes.split_once(&format!(": \"{path}\""))?;
        let number = &before[before.rfind("RouteId(")?..];
        let (_, endpoint) = routes.split_once(&format!("{number}: "))?;
        if endpoint.starts_with("Route(") {
            return Some(true);
        }
        let methods = endpoint.strip_prefix("MethodRouter(MethodRouter { ")?;
        let (_, handler) = methods.split_once(", post: ")?;
        Some(!handler.starts_with("None,"))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::extract::Request;
    use axum::response::{IntoResponse as _, Response};
    use axum::routing::{any, get, post, post_service};

    use super::*;

    #[track_caller]
    fn check(router: &Router, takes_post: Option<bool>) {
        let listing = Listing::of(router);
        assert_eq!(listing.takes_post("/start"), takes_post, "{}", listing.0);
    }

    /// If this fails, this version of axum lists a router in another way: a collision prints a
    /// panic beside its message, and routes below `/-/` are not refused any more. [`Listing`] has
    /// to learn it.
    #[test]
    fn axum_lists_paths_and_methods_for_debugging() {
        let nothing = async || ();
        let nested = Router::new().route("/b/{id}", get(nothing));
        let router = Router::new().route("/-/x", get(nothing)).nest("/a", nested);
        let listing = Listing::of(&router.route("/start", post(nothing)));
        // Beside its fallback, which is listed as two paths of its own.
        for path in ["/-/x", "/a/b/{id}", "/start"] {
            assert!(listing.paths().any(|listed| listed == path), "{path} of {}", listing.0);
        }

        let mounted = || {
            tower::service_fn(async |_: Request<Body>| {
                Ok::<Response, Infallible>(().into_response())
            })
        };
        let others = || Router::new().route("/a", post(nothing)).fallback(nothing);
        check(&others(), Some(false));
        check(&others().route("/start", get(nothing).put(nothing)), Some(false));
        check(&others().route("/start", any(nothing)), Some(false));
        check(&others().route("/start", get(nothing).post(nothing)), Some(true));
        check(&others().route("/start", post_service(mounted())), Some(true));
        check(&others().route_service("/start", mounted()), Some(true));
        check(&others().nest("/start", Router::new().route("/", post(nothing))), Some(true));
        let many = (0..40).fold(others(), |all, n| all.route(&format!("/{n}"), post(nothing)));
        check(&many.route("/start", get(nothing)), Some(false));
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        let read = |text: &str| Listing(text.to_owned()).takes_post("/start");
        assert_eq!(read("Router { .. }"), None);
        assert_eq!(read("Router { paths: [\"/start\"] }"), None);
        assert_eq!(read("Router { paths: {RouteId(1): \"/start\"} }"), None);
        assert_eq!(read("{RouteId(1): Handlers { post: None, }} {RouteId(1): \"/start\"}"), None);
    }
}
