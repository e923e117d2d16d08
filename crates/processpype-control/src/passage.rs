//! The way to a service's own routes.
//!
//! # Invariants
//!
//! 1. The service sees its own path, and nothing that the control plane's router left on the
//!    request.
//! 2. A token of the control API goes no further: the service gets the request without it.
//! 3. A body on its way to a service is bounded in size, in the time between its pieces, and in
//!    the time to its end. A failure that a service tells of one that was too slow is not heard: it
//!    is 408. A success is: the service did without the rest.

use std::str::FromStr as _;
use std::sync::Arc;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{ALLOW, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use futures_util::StreamExt;
use http_body_util::Limited;
use processpype_api::{Code, Problem};
use processpype_core::{ServiceState, each};
use processpype_runtime::{Mounted, RequestError, RouteAccess, Status, Unavailable};
use tokio::sync::watch;

use crate::gate::{Caller, Need};
use crate::listen::until_true;
use crate::patience::{Late, Patience};
use crate::server::Control;
use crate::settings::Limits;
use crate::status;

/// When to try again, in seconds, if the service is on its way.
const SOON: u64 = 1;

/// When to try again, in seconds, if somebody has to do something first.
const LATER: u64 = 10;

/// A request that may go on to its service.
pub(crate) struct Admitted {
    pub(crate) mounted: Arc<Mounted>,
    /// Whether its body comes in time, if it has one.
    pub(crate) late: Option<Late>,
}

/// Passes a request through the routes of the service that stands there in its path.
pub(crate) async fn pass(
    control: &Control,
    name: &str,
    mut request: Request,
    caller: &Caller,
) -> Result<Response, Problem> {
    let mounted = control.manager.mounted(name);
    let path = request.uri().path();
    let own = path.len() - below_service(path, control.prefix()).unwrap_or("").len();
    *request.uri_mut() = inner_uri(request.uri(), own);
    let Admitted { mounted, late } = admit(control, name, mounted, &mut request, caller)?;
    answered(control, name, mounted.call(request).await, late.as_ref())
}

/// Lets a request through to its service, or says why not; its address is the service's already.
///
/// The request becomes what the service sees. It is changed in place: it is large, and would be
/// copied at each step of the way.
pub(crate) fn admit(
    control: &Control,
    name: &str,
    mounted: Option<Result<Arc<Mounted>, Unavailable>>,
    request: &mut Request,
    caller: &Caller,
) -> Result<Admitted, Problem> {
    let access = match &mounted {
        Some(Ok(mounted)) => mounted.access(),
        // What it would say is not known now.
        Some(Err(_)) | None => RouteAccess::Unsaid,
    };
    // Its routes may be public, which is not known while it is away: that much is said, no more.
    let is_away = matches!(&mounted, Some(Err(_)));
    if is_away
        && caller.is_allowed(Need::Routes(RouteAccess::Public))
        && !caller.is_allowed(Need::Routes(access))
    {
        // A right token is told more: what is wrong is counted here as it is everywhere.
        caller.tried(control)?;
        let detail = "the service is not available";
        return Err(Problem::new(Code::ServiceUnavailable, detail).retry_after(LATER));
    }
    caller.may(control, Need::Routes(access))?;
    if caller.has_token() {
        request.headers_mut().remove(AUTHORIZATION);
    }
    let mounted = match mounted {
        Some(Ok(mounted)) => mounted,
        Some(Err(unavailable)) => return Err(away(control, name, Some(&unavailable))),
        None => return Err(away(control, name, None)),
    };
    let late = to_inner(request, &control.settings.limits)?;
    Ok(Admitted { mounted, late })
}

/// Makes of the service's answer what the client gets.
pub(crate) fn answered(
    control: &Control,
    name: &str,
    outcome: Result<Response, RequestError>,
    late: Option<&Late>,
) -> Result<Response, Problem> {
    match outcome {
        Ok(response) if !response.status().is_success() && late.is_some_and(Late::is_so) => {
            Err(Problem::new(Code::RequestTimeout, "the body did not arrive in time").service(name))
        }
        Ok(response) if is_unrouted(&response) => Err(nothing(name)),
        Ok(response) if is_wrong_method(&response) => Err(wrong_method(name, &response)),
        Ok(response) if is_stream(&response) => Ok(ending_with(&control.closing, response)),
        Ok(response) => Ok(response),
        Err(RequestError::NoRoutes) => Err(nothing(name)),
        Err(RequestError::Panicked) => {
            let detail = format!("a handler of service `{name}` panicked; the service goes on");
            Err(Problem::new(Code::HandlerPanicked, detail).service(name))
        }
        Err(_) => Err(away(control, name, None)),
    }
}

/// Says why the service does not answer, or that there is none.
fn away(control: &Control, name: &str, unavailable: Option<&Unavailable>) -> Problem {
    match status::known(control, name) {
        Ok(status) => not_running(control, &status, unavailable),
        Err(problem) => problem,
    }
}

/// Makes the request as the service sees it; returns what will know whether its body is too slow.
fn to_inner(request: &mut Request, limits: &Limits) -> Result<Option<Late>, Problem> {
    // What the outer router knows about its own paths would confuse the service's.
    request.extensions_mut().clear();
    if request.body().is_end_stream() {
        return Ok(None);
    }
    check_length(request.headers(), limits.service_body_bytes)?;
    let limited = Limited::new(std::mem::take(request.body_mut()), limits.service_body_bytes);
    let patience = Patience::new(limits.body_read_time, limits.service_body_time, limited);
    let late = patience.late();
    *request.body_mut() = Body::new(patience);
    Ok(Some(late))
}

/// Cuts off what comes before the service's own path, which begins at `own`; what is left is not
/// decoded.
pub(crate) fn inner_uri(uri: &Uri, own: usize) -> Uri {
    let target = uri.path_and_query().and_then(|target| target.as_str().get(own..)).unwrap_or("");
    let parsed = match target.starts_with('/') {
        true => PathAndQuery::from_str(target),
        false => PathAndQuery::try_from(format!("/{target}")),
    };
    parsed.map_or_else(|_| Uri::from_static("/"), Uri::from)
}

fn below_service<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    let path = path.strip_prefix(prefix)?.strip_prefix("/services/")?;
    path.find('/').map(|slash| &path[slash..])
}

/// Refuses a body that says it is too long before any of it is read.
pub(crate) fn check_length(headers: &HeaderMap, most: usize) -> Result<(), Problem> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match length.and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > most as u64 => Err(too_large(most)),
        _ => Ok(()),
    }
}

pub(crate) fn too_large(most: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("the body is longer than {most} bytes"))
}

/// Whether this is the answer of a router that knows no such path.
fn is_unrouted(response: &Response) -> bool {
    response.status() == StatusCode::NOT_FOUND && says_nothing(response)
}

/// Whether this is the answer of a router that knows the path, but not with this method.
fn is_wrong_method(response: &Response) -> bool {
    response.status() == StatusCode::METHOD_NOT_ALLOWED && says_nothing(response)
}

/// Whether an answer comes from a router and not from a handler: it has nothing to say.
fn says_nothing(response: &Response) -> bool {
    response.body().size_hint().exact() == Some(0) && !response.headers().contains_key(CONTENT_TYPE)
}

/// Whether this goes on until somebody ends it.
fn is_stream(response: &Response) -> bool {
    if response.body().size_hint().exact().is_some() {
        return false;
    }
    let media = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    media.is_some_and(|media| media.starts_with(b"text/event-stream"))
}

/// Lets a stream that would never end by itself end when the server stops.
fn ending_with(closing: &watch::Receiver<bool>, response: Response) -> Response {
    let mut closing = closing.clone();
    let closed = async move { until_true(&mut closing).await };
    response.map(|body| Body::from_stream(body.into_data_stream().take_until(Box::pin(closed))))
}

fn nothing(name: &str) -> Problem {
    let detail = format!("service `{name}` has nothing at this path");
    Problem::new(Code::UnknownPath, detail).service(name)
}

fn wrong_method(name: &str, response: &Response) -> Problem {
    let allowed = response.headers().get(ALLOW).and_then(|value| value.to_str().ok());
    let detail = match allowed {
        Some(methods) => format!("service `{name}` takes only {methods} here"),
        None => format!("service `{name}` does not take this method here"),
    };
    let problem = Problem::new(Code::MethodNotAllowed, detail).service(name);
    match allowed {
        Some(methods) => problem.allow(methods.to_owned()),
        None => problem,
    }
}

/// Says why the service does not answer, and when to try again.
fn not_running(control: &Control, status: &Status, unavailable: Option<&Unavailable>) -> Problem {
    let name = &status.name;
    let state = unavailable.map_or(status.state, |unavailable| unavailable.state);
    let waiting: Vec<String> = each(&status.waiting_on, |name| format!("`{name}`"));
    let reason = match &status.error {
        Some(error) => format!(": {}", error.message),
        None if !waiting.is_empty() => format!(": it waits for {}", waiting.join(", ")),
        None if !status.enabled => ": it is disabled".to_owned(),
        None => String::new(),
    };
    let known = unavailable.and_then(|unavailable| unavailable.retry_at);
    let until = known.map(|at| at.0.saturating_sub(control.manager.now().0));
    let after = until.map_or(LATER, |milliseconds| milliseconds / 1000 + 1);
    let after = if state.is_transient() { SOON } else { after };
    let word = match state {
        ServiceState::Error => "in error".to_owned(),
        // It is up, and stops to answer or does not answer yet.
        ServiceState::Running => "not available".to_owned(),
        ServiceState::Stopped | ServiceState::Starting | ServiceState::Stopping => {
            state.to_string()
        }
    };
    Problem::new(Code::ServiceUnavailable, format!("service `{name}` is {word}{reason}"))
        .service(name.as_str())
        .state(state)
        .retry_after(after)
}
