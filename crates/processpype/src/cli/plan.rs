//! `plan` and `check`: what would happen, and how long it would take at worst.
//!
//! # Invariants
//!
//! 1. There is one plan: what is printed, what `--json` prints and what the control API answers are
//!    the same value.

use std::time::Duration;

use processpype_api as wire;
use processpype_core::{Plan, RestartOptions, ServiceId, Timing};
use processpype_runtime::{LaidOut, Layout};
use serde_json::{Value, json};

use super::print::{Printer, say};
use super::warnings::{Warning, plan_of, warnings};
use crate::platform::{Manager, Platform};
use crate::process::EXIT_SLACK;
use crate::setup::Setup;

/// `check`: everything was checked before this; what is left are warnings.
pub(super) fn check(setup: &Setup, printer: Printer) {
    let warnings = warnings(setup, &plan_of(setup));
    let services = setup.blueprint.specs().len();
    if printer.json {
        let warnings: Vec<Value> = warnings.iter().map(Warning::as_json).collect();
        let answer = json!({ "ok": true, "services": services, "warnings": warnings });
        return say(&format!("{answer:#}"));
    }
    warnings.iter().for_each(|warning| say(&warning.to_string()));
    say(&format!("ok: {services} services, configuration and plan are valid"));
}

/// `plan`: the order of start and stop.
pub(super) fn plan(setup: &Setup, printer: Printer) {
    let plan = wire_plan(setup);
    if printer.json {
        // Through a value, whose keys are sorted.
        say(&format!("{:#}", json!(plan)));
    } else {
        say(&processpype_cli::plan_text(&plan));
    }
}

/// Makes the plan as it is told.
pub(crate) fn wire_plan(setup: &Setup) -> wire::Plan {
    let plan = plan_of(setup);
    let layout = Layout::of(&setup.blueprint);
    let waves = |waves: &[Vec<ServiceId>]| waves.iter().map(|wave| names(&layout, wave)).collect();
    let closing = setup.settings.server.closing_timeout();
    wire::Plan {
        start: waves(plan.start_waves()),
        stop: waves(&plan.stop_waves()),
        start_timing: timing(&layout, plan.start()),
        stop_timing: timing(&layout, plan.stop()),
        closing_timeout_ms: milliseconds(closing),
        exit_worst_case_ms: milliseconds(closing + EXIT_SLACK),
        platform: platform(&Platform::of(setup)),
        edges: processpype_control::edges(&layout),
        groups: processpype_control::groups(&layout),
        services: layout.services.iter().map(service).collect(),
        warnings: told(setup, &plan),
    }
}

fn told(setup: &Setup, plan: &Plan) -> Vec<wire::PlanWarning> {
    warnings(setup, plan).into_iter().map(Warning::into_wire).collect()
}

fn names(layout: &Layout, ids: &[ServiceId]) -> Vec<String> {
    ids.iter().map(|&id| layout.name(id).to_string()).collect()
}

fn timing(layout: &Layout, timing: &Timing) -> wire::Timing {
    let critical_path = names(layout, &timing.critical);
    wire::Timing { worst_case_ms: milliseconds(timing.worst), critical_path }
}

fn service(laid_out: &LaidOut) -> wire::PlannedService {
    let options = &laid_out.options;
    wire::PlannedService {
        name: laid_out.name.to_string(),
        kind: laid_out.kind.to_string(),
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

fn platform(platform: &Platform) -> wire::PlanPlatform {
    wire::PlanPlatform {
        manager: platform.manager.map(|manager| Manager::as_str(manager).to_owned()),
        stop_timeout_ms: platform.stop.map(milliseconds),
        start_timeout_ms: platform.start.map(milliseconds),
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
