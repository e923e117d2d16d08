//! Probes: alive, ready, started.
//!
//! # Invariants
//!
//! 1. Liveness looks at no service: a broken dependency must not get the process killed.
//! 2. Readiness fails from the moment closing begins, before any service stops.
//! 3. Startup latches.
//! 4. Who is not ready is listed and rendered once per version, however often it is asked.
//! 5. Who may not see the status sees yes or no, and no name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::Response;
use processpype_api::{Code, Probe, Problem, Unready};
use processpype_core::{Desired, ServiceName, ServiceState};
use processpype_runtime::{Manager, Status};

use crate::convert;
use crate::reply;
use crate::server::Control;

/// How many providers a reason follows to its root.
const REASON_DEPTH: usize = 64;

/// Where readiness is asked for; nothing moves it.
const PATH: &str = "/health/ready";

/// Who is not ready, as one version of everything has it.
#[derive(Debug)]
pub(crate) struct NotReady {
    services: Vec<Unready>,
    /// The answer's body; empty if everybody is ready.
    told: Bytes,
}

pub(crate) fn live() -> Response {
    success("alive")
}

pub(crate) fn ready(control: &Control, with_detail: bool) -> Result<Response, Problem> {
    if control.manager.is_closing() {
        return Err(Problem::new(Code::Closing, "the application is closing"));
    }
    let unready = unready_services(control);
    if unready.services.is_empty() {
        return Ok(success("ready"));
    }
    if !with_detail {
        return Err(Problem::new(Code::NotReady, "it is not ready"));
    }
    Ok(reply::known_problem(StatusCode::SERVICE_UNAVAILABLE, unready.told.clone()))
}

pub(crate) fn startup(control: &Control, with_detail: bool) -> Result<Response, Problem> {
    if control.manager.is_settled() {
        control.has_started.store(true, Ordering::Release);
    }
    if control.has_started.load(Ordering::Acquire) {
        return Ok(success("started"));
    }
    let problem = Problem::new(Code::NotStarted, "the start is not over");
    if !with_detail {
        return Err(problem);
    }
    Err(problem.unready(unready_services(control).services.clone()))
}

fn success(status: &str) -> Response {
    reply::json(StatusCode::OK, &Probe { status: status.to_owned() })
}

fn unready_services(control: &Control) -> Arc<NotReady> {
    let version = || control.manager.version();
    control.unready.get(version, || NotReady::of(list_unready(&control.manager), control.prefix()))
}

// === impl NotReady ===

impl NotReady {
    fn of(services: Vec<Unready>, prefix: &str) -> Self {
        let detail = match &services[..] {
            [one] => format!("service `{}` is not ready: {}", one.service, one.reason),
            many => format!("{} services are not ready", many.len()),
        };
        let told = match services.is_empty() {
            true => Bytes::new(),
            false => {
                let problem = Problem::new(Code::NotReady, detail).unready(services.clone());
                reply::rendered(problem.instance(PATH), prefix)
            }
        };
        Self { services, told }
    }
}

/// Lists every service that should run, whose readiness is required, and that is neither ready nor
/// completed.
fn list_unready(manager: &Manager) -> Vec<Unready> {
    let (statuses, book) = (manager.statuses(), manager.config_book());
    let missing = statuses.iter().filter(|status| is_missing(status));
    let missing = missing.filter(|status| convert::is_required(&book, &status.name));
    missing
        .map(|status| Unready {
            service: status.name.to_string(),
            state: status.state.into(),
            reason: reason(status, &statuses),
            waiting_on: convert::names(&status.waiting_on),
        })
        .collect()
}

/// Whether a service should run, and is neither ready nor completed.
pub(crate) fn is_missing(status: &Status) -> bool {
    let should = status.enabled && status.desired == Desired::Running;
    should && !status.ready && !status.completed
}

/// Finds a service among all of them, in the order of names.
pub(crate) fn named<'a>(statuses: &'a [Arc<Status>], name: &ServiceName) -> Option<&'a Status> {
    let place = statuses.binary_search_by(|status| status.name.cmp(name));
    place.ok().map(|place| &*statuses[place])
}

/// Says why a service is not ready, following what it waits for to the root.
pub(crate) fn reason(status: &Status, statuses: &[Arc<Status>]) -> String {
    let mut root = status;
    for _ in 0..REASON_DEPTH {
        let provider = root.waiting_on.first().and_then(|name| named(statuses, name));
        let Some(provider) = provider.filter(|_| root.error.is_none()) else { break };
        root = provider;
    }
    if std::ptr::eq(root, status) {
        own_reason(status)
    } else {
        format!("waits for `{}`: {}", root.name, own_reason(root))
    }
}

/// Says whether a service that failed comes back by itself.
fn what_follows(status: &Status) -> String {
    match status.restart {
        Some(restart) if restart.exhausted => "; exhausted".to_owned(),
        Some(restart) => restart.next_at.map_or(String::new(), |at| {
            let why = if restart.held { "held by the limit on restarts" } else { "in backoff" };
            format!("; {why}, next try at {}", convert::time(at))
        }),
        None => String::new(),
    }
}

fn own_reason(status: &Status) -> String {
    if let Some(error) = &status.error {
        return format!("{} ({}{})", error.message, error.kind, what_follows(status));
    }
    let text = match status.state {
        ServiceState::Stopped if !status.enabled => "it is disabled",
        ServiceState::Stopped if status.desired == Desired::Stopped => "it is stopped",
        ServiceState::Stopped => "it has not started yet",
        ServiceState::Starting => "it is starting",
        // Others wait for its end.
        ServiceState::Running if status.ready => "it has not completed yet",
        ServiceState::Running => status.degraded.as_deref().unwrap_or("it says it is not ready"),
        ServiceState::Stopping => "it is stopping",
        ServiceState::Error => "it failed",
    };
    text.to_owned()
}
