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
use crate::reply::FromService;
use crate::server::Control;
use crate::traffic::Routed;
use crate::{own, passage, reply, routes};

/// The control plane, as requests reach it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) control: Arc<Control>,
    router: Router,
}

/// An answer, and what is known about it.
struct Answer {
    response: Response,
    routed: Option<Routed>,
    /// Whether a service has made it.
    is_services: bool,
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
    pub(crate) async fn answer(&self, visitor: Visitor, request: Request) -> Response {
        let control = self.control.as_ref();
        let (method, began) = (request.method().clone(), Instant::now());
        let uri = request.uri().clone();
        let is_for_browsers = visitor.gate.is_for_browsers();
        let checked = control.guard.check(&method, &uri, request.headers(), is_for_browsers);
        let refused = |problem| Answer::own(finish(control, uri.path(), Err(problem)));
        let answer = match checked {
            Ok(()) => match AssertUnwindSafe(self.pass(visitor, request)).catch_unwind().await {
                Ok(answer) => answer,
                Err(_) => refused(reply::internal("a request handler panicked")),
            },
            Err(problem) => refused(problem),
        };
        let Answer { mut response, routed, is_services } = answer;
        control.traffic.note(routed.as_ref(), &method, response.status(), began.elapsed());
        reply::secure(&mut response, is_services);
        if method == Method::HEAD { without_body(response) } else { response }
    }

    async fn pass(&self, visitor: Visitor, mut request: Request) -> Answer {
        let control = self.control.as_ref();
        let Some(name) = own::service(request.uri().path(), control.prefix()) else {
            request.extensions_mut().insert(visitor);
            return match self.router.clone().oneshot(request).await {
                Ok(response) => Answer::routed(response),
                Err(never) => match never {},
            };
        };
        let (name, uri) = (name.to_owned(), request.uri().clone());
        let result = match visitor.caller(control, request.headers()) {
            Ok(caller) => passage::pass(control, &name, request, &caller).await,
            Err(problem) => Err(problem),
        };
        let is_services = result.is_ok();
        let response = finish(control, uri.path(), result);
        Answer { response, routed: Some(Routed::service(control, name)), is_services }
    }
}

// === impl Answer ===

impl Answer {
    /// One of ours.
    fn own(response: Response) -> Self {
        Self { response, routed: None, is_services: false }
    }

    /// One that has come through the router, with what that says about it.
    fn routed(mut response: Response) -> Self {
        let extensions = response.extensions_mut();
        let routed = extensions.remove::<Routed>();
        let is_services = extensions.remove::<FromService>().is_some();
        Self { response, routed, is_services }
    }
}

/// Turns a problem into its answer.
pub(crate) fn finish(control: &Control, path: &str, result: Result<Response, Problem>) -> Response {
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
