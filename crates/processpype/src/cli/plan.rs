//! `plan` and `check`: what would happen, and how long it would take at worst.

use std::time::Duration;

use processpype_config::HumanDuration;
use processpype_core::{EdgePolicy, Plan, RestartOptions, RestartPolicy, ServiceId, Timing};
use processpype_runtime::{NamedEdge, NamedGroup, Spec};
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
    let plan = plan_of(setup);
    if printer.json { say(&format!("{:#}", as_json(setup, &plan))) } else { print(setup, &plan) }
}

fn as_json(setup: &Setup, plan: &Plan) -> Value {
    let names = |ids: &[ServiceId]| -> Vec<&str> {
        ids.iter().map(|&id| setup.blueprint.name(id).as_str()).collect()
    };
    let waves = |waves: &[Vec<ServiceId>]| waves.iter().map(|wave| names(wave)).collect::<Vec<_>>();
    let timing = |timing: &Timing| {
        json!({
            "worst_case_ms": milliseconds(timing.worst), "critical_path": names(&timing.critical),
        })
    };
    let edge = |edge: &NamedEdge| {
        json!({
            "dependent": setup.blueprint.name(edge.dependent).as_str(),
            "provider": setup.blueprint.name(edge.provider).as_str(),
            "policy": edge.policy.as_str(),
            "origin": edge.origin.to_string(),
        })
    };
    let group = |group: &NamedGroup| {
        json!({
            "name": &*group.name,
            "strategy": group.strategy.as_str(),
            "members": names(&group.members),
            "max_restarts": group.limit.max_restarts(),
            "within_ms": milliseconds(group.limit.within()),
            "origin": group.origin.to_string(),
        })
    };
    let service = |spec: &Spec| {
        json!({
            "name": spec.name.as_str(),
            "kind": &*spec.kind_name,
            "enabled": spec.options.enabled,
            "autostart": spec.options.autostart,
            "oneshot": spec.options.oneshot,
            "significant": spec.options.significant,
            "restart": restart(&spec.options.restart),
            "start_timeout_ms": milliseconds(spec.options.start_timeout),
            "stop_timeout_ms": milliseconds(spec.options.stop_timeout),
        })
    };
    let closing = setup.settings.server.closing_timeout();
    json!({
        "start": waves(plan.start_waves()),
        "stop": waves(&plan.stop_waves()),
        "start_timing": timing(plan.start()),
        "stop_timing": timing(plan.stop()),
        "closing_timeout_ms": milliseconds(closing),
        "exit_worst_case_ms": milliseconds(closing + EXIT_SLACK),
        "platform": platform(&Platform::of(setup)),
        "edges": setup.blueprint.edges().iter().map(edge).collect::<Vec<_>>(),
        "groups": setup.blueprint.groups().iter().map(group).collect::<Vec<_>>(),
        "services": setup.blueprint.specs().iter().map(service).collect::<Vec<_>>(),
        "warnings": warnings(setup, plan).iter().map(Warning::as_json).collect::<Vec<_>>(),
    })
}

fn print(setup: &Setup, plan: &Plan) {
    for (i, wave) in plan.start_waves().iter().enumerate() {
        say(&format!("wave {}", i + 1));
        for &id in wave {
            say(&format!("  {}", line(setup, id)));
        }
    }
    say(&format!("start: at worst {}", timing(setup, plan.start())));
    say(&format!("stop:  the same backwards, at worst {}", timing(setup, plan.stop())));
    for group in setup.blueprint.groups() {
        say(&group_line(setup, group));
    }
    for warning in warnings(setup, plan) {
        say(&warning.to_string());
    }
}

fn group_line(setup: &Setup, group: &NamedGroup) -> String {
    let members: Vec<&str> =
        group.members.iter().map(|&id| setup.blueprint.name(id).as_str()).collect();
    let limit = match group.limit.max_restarts() {
        Some(max) => format!("{max} restarts in {}", HumanDuration::from(group.limit.within())),
        None => "restarts without limit".to_owned(),
    };
    let (name, strategy, origin) = (&group.name, group.strategy, &group.origin);
    format!("group {name}: {strategy} of {}, {limit} ({origin})", members.join(", "))
}

fn line(setup: &Setup, id: ServiceId) -> String {
    let options = &setup.blueprint.specs()[id.index()].options;
    let edges = setup.blueprint.edges().iter().filter(|edge| edge.dependent == id);
    let needs: Vec<String> = edges
        .map(|edge| {
            let provider = setup.blueprint.name(edge.provider);
            format!("{provider} ({}{})", edge.origin, policy(edge.policy))
        })
        .collect();
    let times = format!(
        "start ≤ {}, stop ≤ {}{}",
        HumanDuration::from(options.start_timeout),
        HumanDuration::from(options.stop_timeout),
        restarts(options.restart.policy)
    );
    let name = setup.blueprint.name(id);
    if needs.is_empty() {
        format!("{name:<24} {times}")
    } else {
        format!("{name:<24} {times}, after {}", needs.join(", "))
    }
}

/// What is said of an edge beside its origin.
fn policy(policy: EdgePolicy) -> String {
    if policy == EdgePolicy::default() { String::new() } else { format!("; {policy}") }
}

/// What is said of a policy that is not the usual one.
fn restarts(policy: RestartPolicy) -> String {
    if policy == RestartPolicy::default() { String::new() } else { format!(", restart {policy}") }
}

fn restart(options: &RestartOptions) -> Value {
    json!({
        "policy": options.policy.as_str(),
        "backoff": {
            "initial_ms": milliseconds(options.backoff.initial()),
            "max_ms": milliseconds(options.backoff.max()),
            "factor": options.backoff.factor(),
            "jitter": options.backoff.jitter(),
        },
        "max_restarts": options.limit.max_restarts(),
        "within_ms": milliseconds(options.limit.within()),
        "reset_after_ms": milliseconds(options.reset_after),
    })
}

fn platform(platform: &Platform) -> Value {
    json!({
        "manager": platform.manager.map(Manager::as_str),
        "stop_timeout_ms": platform.stop.map(milliseconds),
        "start_timeout_ms": platform.start.map(milliseconds),
    })
}

fn timing(setup: &Setup, timing: &Timing) -> String {
    let names: Vec<&str> =
        timing.critical.iter().map(|&id| setup.blueprint.name(id).as_str()).collect();
    let path = if names.is_empty() { String::new() } else { format!(" ({})", names.join(" → ")) };
    format!("{}{path}", HumanDuration::from(timing.worst))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
