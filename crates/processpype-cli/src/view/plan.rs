//! The order of start and stop.

use std::time::Duration;

use processpype_api::{Edge, Group, Plan, PlanWarning, PlannedService, Timing};
use processpype_config::HumanDuration;

/// The policy that needs no word, because it is the usual one.
const USUAL_RESTART: &str = "on-failure";

/// Shows a plan: wave by wave, with the worst-case times below.
///
/// For a plan that was made here as for one that a running application answered with.
///
/// ```
/// use processpype_api::Plan;
///
/// let plan = Plan { start: vec![vec!["db".to_owned()]], ..Plan::default() };
/// assert!(processpype_cli::plan_text(&plan).starts_with("wave 1\n  db"));
/// ```
#[must_use]
pub fn plan_text(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for (i, wave) in plan.start.iter().enumerate() {
        lines.push(format!("wave {}", i + 1));
        lines.extend(wave.iter().map(|name| format!("  {}", service(plan, name))));
    }
    lines.push(format!("start: at worst {}", timing(&plan.start_timing)));
    lines.push(format!("stop:  the same backwards, at worst {}", timing(&plan.stop_timing)));
    lines.extend(plan.groups.iter().map(group));
    lines.extend(plan.warnings.iter().map(warning));
    lines.join("\n")
}

fn service(plan: &Plan, name: &str) -> String {
    let times = plan.services.iter().find(|it| it.name == name).map_or(String::new(), times);
    let edges = plan.edges.iter().filter(|edge| edge.dependent == name);
    let needs: Vec<String> = edges.map(need).collect();
    let needs =
        if needs.is_empty() { String::new() } else { format!(", after {}", needs.join(", ")) };
    format!("{name:<24} {times}{needs}").trim_end().to_owned()
}

fn times(service: &PlannedService) -> String {
    let policy = &service.restart.policy;
    let restart =
        if policy == USUAL_RESTART { String::new() } else { format!(", restart {policy}") };
    format!(
        "start ≤ {}, stop ≤ {}{restart}",
        human(service.start_timeout_ms),
        human(service.stop_timeout_ms)
    )
}

fn need(edge: &Edge) -> String {
    let Edge { provider, origin, .. } = edge;
    let policy = edge.unusual_policy().map_or(String::new(), |policy| format!("; {policy}"));
    format!("{provider} ({origin}{policy})")
}

fn timing(timing: &Timing) -> String {
    let path = match &timing.critical_path[..] {
        [] => String::new(),
        names => format!(" ({})", names.join(" → ")),
    };
    format!("{}{path}", human(timing.worst_case_ms))
}

pub(super) fn group(group: &Group) -> String {
    let Group { name, strategy, members, max_restarts, within_ms, origin } = group;
    let limit = match max_restarts {
        Some(max) => format!("{max} restarts in {}", human(*within_ms)),
        None => "restarts without limit".to_owned(),
    };
    format!("group {name}: {strategy} of {}, {limit} ({origin})", members.join(", "))
}

fn warning(warning: &PlanWarning) -> String {
    let PlanWarning { message, key, origin, help, .. } = warning;
    let origin = origin.as_ref().map_or(String::new(), |origin| format!("\n  --> {origin}"));
    let place = if key.is_empty() { String::new() } else { format!("in `{key}`: ") };
    format!("warning: {message}{origin}\n  = help: {place}{help}")
}

fn human(ms: u64) -> HumanDuration {
    HumanDuration::from(Duration::from_millis(ms))
}
