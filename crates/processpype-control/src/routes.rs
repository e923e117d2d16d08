//! From a request to its handler: the table of endpoints.
//!
//! # Invariants
//!
//! 1. The routes are exactly [`ENDPOINTS`], and the path of a service's root. Endpoints of one path
//!    differ in their method.
//! 2. A path is what it is: no redirects, no slashes added, removed or joined. A path of the
//!    framework ends without a slash; `/services/{name}/` is the root of the service's own routes.
//! 3. Before anything else is done with a request, its gate has let it pass.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request};
use axum::http::Method;
use axum::response::Response;
use axum::routing::any;
use processpype_api::{Access, Code, ENDPOINTS, Endpoint, EndpointId, Method as Known, Problem};
use processpype_runtime::{RESERVED_VERBS, Request as By};

use crate::entry::finish;
use crate::gate::{self, Caller, Need, Visitor};
use crate::listener::Surfaces;
use crate::query::Query;
use crate::reply::FromService;
use crate::server::Control;
use crate::traffic::Routed;
use crate::{
    commands, configuring, diagnosis, docs, graph, groups, journal, levels, logs, metrics,
    operations, passage, plan, probes, registration, reply, restarts, status, stream, timeline,
    why,
};

/// The path of a service's own root route, beside [`EndpointId::ServiceRoute`].
const SERVICE_ROOT: &str = "/services/{name}/";

/// Makes the router of the whole control plane.
///
/// What answers has the control plane itself, and not as a state of the router: so the router is of
/// the type that services have, and axum's code for it is compiled once.
pub(crate) fn router(control: &Arc<Control>) -> Router {
    let entry = |endpoint: Option<&'static Endpoint>| {
        let control = Arc::clone(control);
        move |params: Result<RawPathParams, RawPathParamsRejection>, request: Request| {
            answer(control, endpoint, Params(params.ok()), request)
        }
    };
    let mut router = Router::new();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| is_first(endpoint)) {
        for path in paths(endpoint, control.prefix()) {
            router = router.route(&path, any(entry(Some(endpoint))));
        }
    }
    router.fallback(entry(None)).with_state(())
}

/// Answers at the path of `endpoint`, if there is one, and says for whom.
async fn answer(
    control: Arc<Control>,
    endpoint: Option<&'static Endpoint>,
    params: Params,
    request: Request,
) -> Response {
    let path = request.uri().path().to_owned();
    let Some(endpoint) = endpoint else {
        let here = Visitor::of(&request).gate.expose;
        return finish(&control, &path, Err(unknown_path(control.prefix(), here)));
    };
    let result = dispatch(&control, endpoint, &params, request).await;
    let mut response = finish(&control, &path, result);
    let routed = match endpoint.id {
        EndpointId::ServiceRoute => {
            let name = params.get("name");
            let manager = &control.manager;
            let is_known = manager.state(name).is_some();
            Routed::service(&control.traffic, name, is_known, manager)
        }
        _ => Routed::Endpoint(endpoint),
    };
    response.extensions_mut().insert(routed);
    response
}

/// Whether an endpoint is the first one of its path.
fn is_first(endpoint: &Endpoint) -> bool {
    at_path(endpoint.path).next().is_some_and(|first| first.id == endpoint.id)
}

fn at_path(path: &str) -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().filter(move |endpoint| endpoint.path == path)
}

fn paths(endpoint: &Endpoint, prefix: &str) -> Vec<String> {
    let mut paths = vec![endpoint.full_path(prefix)];
    match endpoint.id {
        EndpointId::ServiceRoute => paths.push(format!("{prefix}{SERVICE_ROOT}")),
        EndpointId::Application if !prefix.is_empty() => paths.push(format!("{prefix}/")),
        _ => {}
    }
    paths
}

/// Finds the endpoint of the request's method among those of its path.
async fn dispatch(
    control: &Arc<Control>,
    first: &Endpoint,
    params: &Params,
    mut request: Request,
) -> Result<Response, Problem> {
    let caller = Visitor::of(&request).caller(control, request.headers())?;
    let method = request.method();
    let endpoint = at_path(first.path).find(|endpoint| answers(endpoint, method));
    // The routes of a service say themselves, further on, who may call them; whatever else there is
    // or will be is asked for here.
    let is_services = match endpoint {
        Some(endpoint) => endpoint.method == Known::Any,
        None => is_of_service(first),
    };
    if !is_services {
        caller.may(control, Need::Endpoint(endpoint.unwrap_or(first).access))?;
        if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            caller.commands(control)?;
        }
    }
    request.extensions_mut().insert(caller.clone());
    let Some(endpoint) = endpoint else {
        return beside(control, first, params, request, &caller).await;
    };
    match endpoint.method {
        Known::Get if endpoint.id == EndpointId::Metrics => {
            Query::of(request.uri()).finish()?;
            metrics::respond(control, request.headers()).await
        }
        Known::Get if endpoint.id == EndpointId::Diagnosis => {
            diagnosis::respond(control, request.uri()).await
        }
        Known::Get => read(control, endpoint.id, params, &request, &caller),
        Known::Post | Known::Put | Known::Delete => {
            act(control, endpoint.id, params, request).await
        }
        Known::Any => pass(control, params, request, &caller).await,
    }
}

fn answers(endpoint: &Endpoint, method: &Method) -> bool {
    match endpoint.method {
        Known::Get => matches!(*method, Method::GET | Method::HEAD),
        Known::Post => *method == Method::POST,
        Known::Put => *method == Method::PUT,
        Known::Delete => *method == Method::DELETE,
        Known::Any => true,
    }
}

/// Whether the service may answer the methods that the framework has not at this path.
fn is_of_service(endpoint: &Endpoint) -> bool {
    let below = endpoint.path.strip_prefix("/services/{name}/");
    below.is_some_and(|path| !path.starts_with("-/"))
}

/// Carries out what changes something.
async fn act(
    control: &Arc<Control>,
    id: EndpointId,
    params: &Params,
    request: Request,
) -> Result<Response, Problem> {
    let by = By::by(&gate::actor(&request));
    match id {
        EndpointId::Register => registration::register(control, request, by).await,
        EndpointId::Shutdown => registration::shut_down(control, request, by).await,
        EndpointId::PauseRestarts | EndpointId::ResumeRestarts => {
            restarts::command(control, id, request, by).await
        }
        EndpointId::CancelOperation => {
            let said = (request.uri(), request.headers());
            operations::cancel(control, params.get("id"), said, by).await
        }
        EndpointId::ChangeLevel | EndpointId::ResetLevel => {
            levels::command(control, id, None, request, by).await
        }
        EndpointId::ChangeServiceLevel | EndpointId::ResetServiceLevel => {
            levels::command(control, id, Some(params.get("name")), request, by).await
        }
        EndpointId::Reload => configuring::reload(control, request).await,
        EndpointId::PutConfig
        | EndpointId::RemoveConfig
        | EndpointId::Configure
        | EndpointId::ConfigureAndStart => {
            configuring::configure(control, id, params.get("name"), request).await
        }
        _ => commands::command(control, id, params.get("name"), request).await,
    }
}

/// Answers what can only be read; nothing here waits.
fn read(
    control: &Arc<Control>,
    id: EndpointId,
    params: &Params,
    request: &Request,
    caller: &Caller,
) -> Result<Response, Problem> {
    if let Some(answer) = asked(control, id, params, request, caller) {
        return answer;
    }
    let (uri, headers) = (request.uri(), request.headers());
    Query::of(uri).finish()?;
    let name = params.get("name");
    match id {
        EndpointId::Application => Ok(status::application(control, headers)),
        EndpointId::Services => Ok(status::services(control, headers)),
        EndpointId::Service => status::service(control, name),
        EndpointId::ServiceLevel => levels::service(control, name),
        EndpointId::Levels => levels::all(control),
        EndpointId::Config => configuring::config(control, name),
        EndpointId::Why => why::why(control, name),
        EndpointId::Groups => Ok(groups::respond(control, headers)),
        EndpointId::Plan => Ok(plan::respond(control, headers)),
        EndpointId::Timeline => Ok(timeline::respond(control, headers)),
        EndpointId::Info => Ok(status::info(control)),
        EndpointId::Operation => operations::look(control, params.get("id")),
        EndpointId::OpenApi => Ok(control.documents().openapi.respond(headers)),
        EndpointId::Docs => Ok(docs::respond(control.documents().page.clone())),
        EndpointId::DocsStyle => Ok(docs::style()),
        EndpointId::Live
        | EndpointId::Ready
        | EndpointId::Startup
        | EndpointId::Events
        | EndpointId::EventStream
        | EndpointId::Metrics
        | EndpointId::Diagnosis
        | EndpointId::Logs
        | EndpointId::LogStream
        | EndpointId::ServiceLogs
        | EndpointId::ServiceLogStream
        | EndpointId::ChangeServiceLevel
        | EndpointId::ResetServiceLevel
        | EndpointId::ChangeLevel
        | EndpointId::ResetLevel
        | EndpointId::Graph
        | EndpointId::Operations
        | EndpointId::CancelOperation
        | EndpointId::PauseRestarts
        | EndpointId::ResumeRestarts
        | EndpointId::Register
        | EndpointId::Deregister
        | EndpointId::Shutdown
        | EndpointId::Start
        | EndpointId::Stop
        | EndpointId::Restart
        | EndpointId::PutConfig
        | EndpointId::RemoveConfig
        | EndpointId::Configure
        | EndpointId::ConfigureAndStart
        | EndpointId::Reload
        | EndpointId::ServiceRoute => Err(reply::internal("an endpoint has no handler")),
    }
}

/// Answers what has parameters of its own, or is open to everybody; `None` for all else.
fn asked(
    control: &Arc<Control>,
    id: EndpointId,
    params: &Params,
    request: &Request,
    caller: &Caller,
) -> Option<Result<Response, Problem>> {
    let (uri, headers) = (request.uri(), request.headers());
    let name = params.get("name");
    Some(match id {
        EndpointId::Live => Ok(probes::live()),
        EndpointId::Ready => probes::ready(control, caller.may_see_detail()),
        EndpointId::Startup => probes::startup(control, caller.may_see_detail()),
        EndpointId::Events => journal::page(control, uri),
        EndpointId::Graph => graph::graph(control, uri, headers),
        EndpointId::EventStream => stream::follow(control, uri, headers, caller),
        EndpointId::Operations => operations::page(control, uri),
        EndpointId::Logs => logs::page(control, None, uri),
        EndpointId::LogStream => logs::follow(control, None, uri, headers, caller),
        EndpointId::ServiceLogs => logs::page(control, Some(name), uri),
        EndpointId::ServiceLogStream => logs::follow(control, Some(name), uri, headers, caller),
        _ => return None,
    })
}

/// Answers a method that no endpoint of the path has.
///
/// Only `POST` on the path of a service's command is the framework's: the service may answer other
/// methods. If it does not, the command is what the path is for.
async fn beside(
    control: &Control,
    first: &Endpoint,
    params: &Params,
    request: Request,
    caller: &Caller,
) -> Result<Response, Problem> {
    let is_options = request.method() == Method::OPTIONS;
    if is_of_service(first) {
        let may_command = caller.is_allowed(Need::Endpoint(first.access));
        match pass(control, params, request, caller).await {
            Err(problem)
                if may_command
                    && matches!(problem.code(), Code::UnknownPath | Code::ServiceUnavailable) => {}
            other => return other,
        }
    }
    let methods = methods(first.path);
    if is_options {
        return Ok(reply::options(&methods));
    }
    let detail = match first.method {
        Known::Post => "a command is given with `POST`",
        _ if methods.contains("PUT") => "this can only be read, set with `PUT`, or deleted",
        _ if methods.contains("POST") => "this can only be read, or posted to",
        _ if methods.contains("DELETE") => "this can only be read, or deleted",
        _ => "this can only be read",
    };
    Err(Problem::new(Code::MethodNotAllowed, detail).allow(methods))
}

/// Returns what can be done with a path, joined by commas.
fn methods(path: &str) -> String {
    let words = at_path(path).map(|endpoint| match endpoint.method {
        Known::Get => "GET, HEAD",
        Known::Post => "POST",
        Known::Put => "PUT",
        Known::Delete => "DELETE",
        Known::Any => "GET, HEAD, POST, PUT, PATCH, DELETE",
    });
    words.chain(["OPTIONS"]).collect::<Vec<_>>().join(", ")
}

/// Passes the request to the service, unless the framework keeps the path for itself.
async fn pass(
    control: &Control,
    params: &Params,
    request: Request,
    caller: &Caller,
) -> Result<Response, Problem> {
    let name = params.get("name");
    let first = params.get("path").split('/').next().unwrap_or_default();
    let is_verb = RESERVED_VERBS.iter().any(|verb| verb.trim_start_matches('/') == first);
    let is_alone = params.get("path") == first;
    if first == "-" || (request.method() == Method::POST && is_verb && is_alone) {
        caller.may(control, Need::Endpoint(Access::Service))?;
        status::known(control, name)?;
        let detail = "the framework keeps this path for itself, and has nothing here";
        return Err(Problem::new(Code::UnknownPath, detail).service(name));
    }
    let mut response = passage::pass(control, name, request, caller).await?;
    response.extensions_mut().insert(FromService);
    Ok(response)
}

/// There is nothing at a path of a listener that has this; it leads to no path that is elsewhere.
pub(crate) fn unknown_path(prefix: &str, here: Surfaces) -> Problem {
    let problem = Problem::new(Code::UnknownPath, "there is nothing at this path");
    if here.control {
        return problem.help(format!("{prefix}/docs lists the paths; a path ends without a slash"));
    }
    match paths_of(prefix, here) {
        paths if paths.is_empty() => problem,
        paths => problem.help(format!("this listener has {paths} only")),
    }
}

/// What there is at a listener without the control plane.
fn paths_of(prefix: &str, here: Surfaces) -> String {
    let services = format!("{prefix}/services/NAME/…");
    let all = [
        (here.probes, "/health/live, /health/ready, /health/startup"),
        (here.metrics, "/metrics"),
        (here.services, &services),
    ];
    all.into_iter()
        .filter(|(is_here, _)| *is_here)
        .map(|(_, paths)| paths)
        .collect::<Vec<_>>()
        .join(", ")
}

// === impl Params ===

/// The parameters in the path, decoded.
struct Params(Option<RawPathParams>);

impl Params {
    /// Returns the parameter, or nothing if it is not there or no UTF-8.
    fn get(&self, name: &str) -> &str {
        let found = self.0.as_ref().and_then(|all| all.iter().find(|(key, _)| *key == name));
        found.map_or("", |(_, value)| value)
    }
}
