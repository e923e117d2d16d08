//! `plan` and `check`: what would happen, and how long it would take at worst.
//!
//! # Invariants
//!
//! 1. There is one plan: what is printed, what `--json` prints and what the control API answers are
//!    the same value.

use std::time::Duration;

use processpype_api as wire;
use processpype_control::planned;
use processpype_core::{Plan, each};
use processpype_runtime::Layout;
use serde_json::{Value, json};

use super::print::{Printer, clean_lines, say};
use super::warnings::{Warning, plan_of, unrecorded, warnings};
use crate::platform::{Manager, Platform};
use crate::process::EXIT_SLACK;
use crate::setup::Setup;

/// `check`: everything was checked before this; what is left are warnings.
pub(super) fn check(setup: &Setup, printer: Printer) {
    let mut warnings = warnings(setup, &plan_of(setup));
    warnings.extend(unrecorded(setup));
    let services = setup.blueprint.specs().len();
    if printer.json {
        let warnings: Vec<Value> = each(&warnings, Warning::as_json);
        let answer = json!({ "ok": true, "services": services, "warnings": warnings });
        return say(&format!("{answer:#}"));
    }
    warnings.iter().for_each(|warning| say(&clean_lines(&warning.to_string())));
    let services = match services {
        1 => "1 service".to_owned(),
        more => format!("{more} services"),
    };
    say(&format!("ok: {services}, configuration and plan are valid"));
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
    let closing = setup.settings.server.closing_timeout();
    let frame = wire::Plan {
        closing_timeout_ms: milliseconds(closing),
        exit_worst_case_ms: milliseconds(closing + EXIT_SLACK),
        platform: platform(&Platform::of(setup)),
        warnings: told(setup, &plan_of(setup)),
        ..wire::Plan::default()
    };
    planned(frame, &Layout::of(&setup.blueprint), setup.limits.starts_at_once)
}

fn told(setup: &Setup, plan: &Plan) -> Vec<wire::PlanWarning> {
    warnings(setup, plan).into_iter().map(Warning::into_wire).collect()
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
