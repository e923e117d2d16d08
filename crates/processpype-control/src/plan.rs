//! The order of start and stop, as it is told.
//!
//! # Invariants
//!
//! 1. There is one way from a layout to a plan: before anything runs and while it does.
//! 2. Who is in it is of now. What surrounds it is of the start of the process: the times that the
//!    application and its platform have, and the warnings about them.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use processpype_api as wire;
use processpype_core::{RestartOptions, ServiceId, Timing, each};
use processpype_runtime::{LaidOut, Layout};

use crate::graph::{edges, groups};
use crate::reply::Rendered;
use crate::server::Control;

/// Answers `GET /plan`.
pub(crate) fn respond(control: &Control, headers: &HeaderMap) -> Response {
    let (layout, settings) = (control.manager.layout(), &control.settings);
    let render = || {
        let frame = settings.plan.clone();
        Rendered::json(&planned(frame, &layout, settings.starts_at_once))
    };
    control.plan.get(&layout, render).respond(headers)
}

/// Puts the services of a layout into a plan; what surrounds them stays as it is in `frame`.
#[must_use]
pub fn planned(frame: wire::Plan, layout: &Layout, starts_at_once: usize) -> wire::Plan {
    let plan = layout.plan(starts_at_once);
    let waves = |waves: &[Vec<ServiceId>]| each(waves, |wave| names(layout, wave));
    wire::Plan {
        start: waves(plan.start_waves()),
        stop: waves(&plan.stop_waves()),
        start_timing: timing(layout, plan.start()),
        stop_timing: timing(layout, plan.stop()),
        edges: edges(layout),
        groups: groups(layout),
        services: each(&layout.services, service),
        ..frame
    }
}

fn names(layout: &Layout, ids: &[ServiceId]) -> Vec<String> {
    each(ids, |&id| layout.name(id).to_string())
}

fn timing(layout: &Layout, timing: &Timing) -> wire::Timing {
    let critical_path = names(layout, &timing.critical);
    wire::Timing { worst_case_ms: milliseconds(timing.worst), critical_path }
}

fn service(laid_out: &LaidOut) -> wire::PlannedService {
    let options = laid_out.options();
    wire::PlannedService {
        name: laid_out.name.to_string(),
        kind: laid_out.kind().to_owned(),
        enabled: options.enabled,
        autostart: options.autostart,
        oneshot: options.oneshot,
        significant: options.significant,
        restart: restart(&options.restart),
        start_timeout_ms: milliseconds(options.start_timeout),
        stop_timeout_ms: milliseconds(options.stop_timeout),
    }
}

fn restart(options: &RestartOptions) -> wire::RestartRules {
    let backoff = &options.backoff;
    wire::RestartRules {
        policy: options.policy.as_str().to_owned(),
        backoff: wire::BackoffRules {
            initial_ms: milliseconds(backoff.initial()),
            max_ms: milliseconds(backoff.max()),
            factor: backoff.factor(),
            jitter: backoff.jitter(),
        },
        max_restarts: options.limit.max_restarts(),
        within_ms: milliseconds(options.limit.within()),
        reset_after_ms: milliseconds(options.reset_after),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
