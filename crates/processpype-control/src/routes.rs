//! From a request to its handler: the guard, the table of endpoints, and what is the same for all.
//!
//! # Invariants
//!
//! 1. The routes are exactly [`ENDPOINTS`], and the path of a service's root.
//! 2. A path is what it is: no redirects, no slashes added, removed or joined. A path of the framework
//!    ends without a slash; `/services/{name}/` is the root of the service's own routes.
//! 3. A panic of ours is a 500 that says nothing.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use futures_util::FutureExt;
use processpype_api::{Code, ENDPOINTS, Endpoint, EndpointId, Method as Known, Problem};
use processpype_runtime::RESERVED_VERBS;

use crate::commands::{self, Command};
use crate::server::Control;
use crate::{docs, journal, passage, probes, reply, status, stream};

/// The path of a service's own root route, beside [`EndpointId::ServiceRoute`].
const SERVICE_ROOT: &str = "/services/{name}/";

/// Makes the router of the whole control plane.
pub(crate) fn router(control: &Arc<Control>) -> Router {
    let mut router = Router::new();
    for endpoint in ENDPOINTS {
        router = router.route(&endpoint.full_path(control.prefix()), any(entry(endpoint)));
        let alias = match endpoint.id {
            EndpointId::ServiceRoute => format!("{}{SERVICE_ROOT}", control.prefix()),
            EndpointId::Application if !control.prefix().is_empty() => {
                format!("{}/", control.prefix())
            }
            _ => continue,
        };
        router = router.route(&alias, any(entry(endpoint)));
    }
    router
        .fallback(async |State(control): State<Arc<Control>>, request: Request| {
            finish(&control, request.uri().path(), Err(unknown_path()))
        })
        .layer(from_fn_with_state(Arc::clone(control), around))
        .with_state(Arc::clone(control))
}

/// What is done around every request.
async fn around(State(control): State<Arc<Control>>, request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    let path = request.uri().path().to_owned();
    let checked = control.guard.check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => finish(&control, &path, Err(reply::internal("a request handler panicked"))),
        },
        Err(problem) => finish(&control, &path, Err(problem)),
    };
    reply::secure(&mut response);
    if is_head { without_body(response) } else { response }
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

/// Makes the handler of one path.
fn entry(
    endpoint: &'static Endpoint,
) -> impl AsyncFn1 {
    async move |State(control): State<Arc<Control>>, params: RawPathParams, request: Request| {
        let path = request.uri().path().to_owned();
        let result = dispatch(&control, endpoint, &params, request).await;
        finish(&control, &path, result)
    }
}

/// Turns a problem into its answer.
fn finish(control: &Control, path: &str, result: Result<Response, Problem>) -> Response {
    result.unwrap_or_else(|problem| {
        let code = problem.code();
        if problem.status() >= 500 {
            tracing::debug!(path, code = code.as_str(), "{}", problem.detail());
        }
        let response = reply::problem(problem.instance(path), control.prefix());
        if code == Code::MethodNotAllowed { reply::allow_if_absent(response) } else { response }
    })
}

async fn dispatch(
    control: &Arc<Control>,
    endpoint: &Endpoint,
    params: &RawPathParams,
    request: Request,
) -> Result<Response, Problem> {
    let method = request.method();
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match endpoint.method {
        Known::Get if is_read => read(control, endpoint.id, params, &request),
        Known::Get if *method == Method::OPTIONS => Ok(options()),
        Known::Get => Err(Problem::new(Code::MethodNotAllowed, "this can only be read")),
        Known::Post if *method == Method::POST => command(control, endpoint.id, params, request).await,
        // Only `POST` on this path is the framework's.
        Known::Post | Known::Any => pass(control, params, request).await,
    }
}
