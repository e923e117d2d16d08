//! Where every request comes in: the guard, the way it takes, and what is the same for all answers.
//!
//! # Invariants
//!
//! 1. Every request passes the guard, whatever its way, and every answer is counted and carries the
//!    headers of safety.
//! 2. What is without doubt a service's own goes straight to the service; all else through the
//!    router. Both are the same to the client: what the router takes for a service's ends where the
//!    straight way does.
//! 3. A panic of ours is a 500 that says nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::Method;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use futures_util::FutureExt;
use processpype_api::Problem;
use tokio::time::Instant;
use tower::ServiceExt as _;

use crate::gate::Visitor;
use crate::server::Control;
use crate::traffic::Routed;
use crate::{own, passage, reply, routes};

/// The control plane, as requests reach it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) control: Arc<Control>,
    router: Router,
}

// === impl Entry ===

impl Entry {
    pub(crate) fn new(control: &Arc<Control>) -> Self {
        Self { control: Arc::clone(control), router: routes::router(control) }
    }

    /// Answers a request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the handler's; a command that was handed over goes on.
    pub(crate) async fn answer(&self, request: Request) -> Response {
        let control = self.control.as_ref();
        let (method, began) = (request.method().clone(), Instant::now());
        let uri = request.uri().clone();
        let is_for_browsers = Visitor::of(&request).gate.is_for_browsers();
        let checked = control.guard.check(&method, &uri, request.headers(), is_for_browsers);
        let mut response = match checked {
            Ok(()) => match AssertUnwindSafe(self.pass(request)).catch_unwind().await {
                Ok(response) => response,
                Err(_) => {
                    let problem = reply::internal("a request handler panicked");
                    finish(control, uri.path(), Err(problem))
                }
            },
            Err(problem) => finish(control, uri.path(), Err(problem)),
        };
        let routed = response.extensions_mut().remove::<Routed>();
        control.traffic.note(routed.as_ref(), &method, response.status(), began.elapsed());
        reply::secure(&mut response);
        if method == Method::HEAD { without_body(response) } else { response }
    }

    async fn pass(&self, request: Request) -> Response {
        let control = self.control.as_ref();
        let Some(name) = own::service(request.uri().path(), control.prefix()) else {
            return match self.router.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
        };
        let (name, uri) = (name.to_owned(), request.uri().clone());
        let result = match Visitor::of(&request).caller(control, request.headers()) {
            Ok(caller) => passage::pass(control, &name, request, &caller).await,
            Err(problem) => Err(problem),
        };
        let mut response = finish(control, uri.path(), result);
        response.extensions_mut().insert(Routed::service(control, name));
        response
    }
}

/// Turns a problem into its answer.
pub(crate) fn finish(
    control: &Control,
    path: &str,
    result: Result<Response, Problem>,
) -> Response {
    result.unwrap_or_else(|problem| {
        tracing::debug!(path, code = problem.code().as_str(), "{}", problem.detail());
        reply::problem(problem.instance(path), control.prefix())
    })
}

/// Keeps the length of the body that a `GET` would bring.
fn without_body(response: Response) -> Response {
    let length = response.body().size_hint().exact();
    let mut response = response.map(|_| Body::empty());
    if let Some(length) = length.filter(|&length| length > 0) {
        response.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
    response
}
