//! What runs: the application, its services, one service.
//!
//! # Invariants
//!
//! 1. An answer that grows with the number of services is rendered once per version.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use processpype_api::{ApplicationState, ApplicationStatus, Code, Info, Problem, ServiceList};
use processpype_core::{ServiceName, ServiceState, each};
use processpype_runtime::{BUSY_MIN, Status};
use processpype_telemetry::Backlog;

use crate::convert;
use crate::query::did_you_mean;
use crate::reply::{self, Rendered};
use crate::server::Control;

pub(crate) fn application(control: &Control, headers: &HeaderMap) -> Response {
    // Each only grows, and so does their sum: it is another one whenever one of them is.
    let log = || control.settings.backlog.as_ref().map_or(0, Backlog::version);
    let (busy, changes) = control.busy.look(&control.manager);
    let version = || control.manager.version() + log() + changes;
    control.application.get(version, || Rendered::json(&overview(control, &busy))).respond(headers)
}

pub(crate) fn services(control: &Control, headers: &HeaderMap) -> Response {
    let (busy, changes) = control.busy.look(&control.manager);
    let version = || control.manager.version() + changes;
    let render = || {
        let (statuses, book) = (control.manager.statuses(), control.manager.config_book());
        let status = |it: &Arc<Status>| convert::status(it, &book, busy.contains(&it.name));
        Rendered::json(&ServiceList { services: each(&statuses, status) })
    };
    control.services.get(version, render).respond(headers)
}

pub(crate) fn service(control: &Control, name: &str) -> Result<Response, Problem> {
    let status = known(control, name)?;
    let counts = control.manager.counts(name).unwrap_or_default();
    let blocks = control.manager.busy_for(name).is_some_and(|time| time >= BUSY_MIN);
    let detail = convert::detail(&status, &control.manager.config_book(), &counts, blocks);
    let response = reply::json(StatusCode::OK, &detail);
    Ok(reply::in_generation(response, status.generation.0))
}

/// Says what the application is. Nothing of its environment or configuration is in it.
pub(crate) fn info(control: &Control) -> Response {
    let settings = &control.settings;
    let uptime = control.manager.now().0.saturating_sub(control.since.0);
    let info = Info {
        title: settings.title.clone(),
        version: settings.version.clone(),
        framework: env!("CARGO_PKG_VERSION").to_owned(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        features: settings.features.clone(),
        panic: if cfg!(panic = "abort") { "abort" } else { "unwind" }.to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        pid: std::process::id(),
        started_at: convert::time(control.since),
        uptime_seconds: uptime / 1000,
        services: control.manager.names().len() as u64,
        creatable_kinds: control.manager.creatable(),
    };
    reply::json(StatusCode::OK, &info)
}

/// Returns the status of the service, or the problem that there is none of this name.
pub(crate) fn known(control: &Control, name: &str) -> Result<Arc<Status>, Problem> {
    control.manager.status(name).ok_or_else(|| {
        let near = did_you_mean(name, control.manager.names().iter().map(ServiceName::as_str));
        let list = || format!("GET {}/services lists the names", control.prefix());
        Problem::new(Code::UnknownService, "there is no service of this name")
            .help(near.unwrap_or_else(list))
    })
}

fn overview(control: &Control, busy: &[ServiceName]) -> ApplicationStatus {
    let settings = &control.settings;
    let (statuses, book) = (control.manager.statuses(), control.manager.config_book());
    let mut services = BTreeMap::new();
    for status in statuses.iter() {
        let blocks = busy.contains(&status.name);
        services.insert(status.name.to_string(), convert::status(status, &book, blocks));
    }
    ApplicationStatus {
        title: settings.title.clone(),
        version: settings.version.clone(),
        environment: settings.environment.clone(),
        state: application_state(control.manager.application_state()),
        restarts_paused: control.manager.pause().as_deref().map(convert::pause),
        journal: control.manager.recording().as_deref().map(convert::journal),
        log: settings.backlog.as_ref().and_then(convert::log),
        services,
    }
}

fn application_state(state: ServiceState) -> ApplicationState {
    match state {
        ServiceState::Starting => ApplicationState::Starting,
        ServiceState::Running => ApplicationState::Running,
        ServiceState::Stopping => ApplicationState::Stopping,
        // An application has no error state: what is wrong is wrong with a service.
        ServiceState::Stopped | ServiceState::Error => ApplicationState::Stopped,
    }
}
