//! The application and its services, now.

use processpype_api::{
    ApplicationStatus, ErrorReport, Restart, ServiceDetail, ServiceList, ServiceStatus, Timestamp,
};

use super::Paper;
use super::table::{Cell, table};
use crate::print::{BOLD, style_of};

/// The head of a table of services.
const HEAD: [&str; 6] = ["NAME", "STATE", "READY", "GEN", "FOR", "WHAT"];

/// What is said of a service whose thread has not come back.
const BLOCKS: &str = "its thread does not come back: it blocks or spins";

/// Shows the application with all its services.
pub(crate) fn application(status: &ApplicationStatus, paper: Paper) -> String {
    let ApplicationStatus { title, version, environment, state, services, .. } = status;
    let state = state.as_str();
    let missing = services.values().filter(|service| is_missing(service)).count();
    let missing = if missing == 0 { String::new() } else { format!(", {missing} not ready") };
    let count = match services.len() {
        1 => "1 service".to_owned(),
        many => format!("{many} services"),
    };
    let head =
        format!("{BOLD}{title}{BOLD:#} {version} ({environment}): {state}, {count}{missing}");
    let rows: Vec<Vec<Cell>> = services.values().map(|service| row(service, paper)).collect();
    let notices = notices(status, paper);
    format!("{head}{notices}\n\n{}", table(&HEAD, &rows, paper.width))
}

/// What an operator should know before reading the table, a line each.
fn notices(status: &ApplicationStatus, paper: Paper) -> String {
    let mut text = String::new();
    if let Some(pause) = &status.restarts_paused {
        let left = paper.until(pause.until).unwrap_or_else(|| pause.until.to_string());
        let why = pause.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        text.push_str(&format!(
            "\nautomatic restarts are paused by {} for {left}{why}",
            pause.actor
        ));
    }
    if let Some(journal) = status.journal.as_ref().filter(|it| it.error.is_some() || it.lost > 0) {
        let error = journal.error.as_deref().unwrap_or("it is written again");
        let what = match journal.lost {
            0 => "cannot be written".to_owned(),
            lost => format!("misses {lost} events"),
        };
        text.push_str(&format!("\nthe file of events {} {what}: {error}", journal.file));
    }
    if let Some((error, log)) = status.log.as_ref().and_then(|log| Some((log.error.as_ref()?, log)))
    {
        text.push_str(&format!(
            "\nthe log misses {} lines, and cannot be written: {error}",
            log.lost
        ));
    }
    text
}

/// Lists the services.
pub(crate) fn services(list: &ServiceList, paper: Paper) -> String {
    let head = ["NAME", "KIND", "STATE", "DESIRED", "GROUP", "WAITS FOR"];
    let row = |it: &ServiceStatus| {
        vec![
            it.name.as_str().into(),
            it.kind.as_str().into(),
            Cell::styled(it.state.as_str(), style_of(it.state)),
            if it.enabled { it.desired.as_str() } else { "disabled" }.into(),
            it.group.as_deref().unwrap_or("-").into(),
            it.waiting_on.join(", ").into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = list.services.iter().map(row).collect();
    table(&head, &rows, paper.width)
}

/// Shows one service with its past.
pub(crate) fn service(detail: &ServiceDetail, paper: Paper) -> String {
    let it = &detail.status;
    let style = style_of(it.state);
    let kind = if it.kind == it.name { String::new() } else { format!(", kind {}", it.kind) };
    let mut text = format!(
        "{BOLD}{}{BOLD:#}: {style}{}{style:#}{} (generation {}{kind})",
        it.name,
        it.state.as_str(),
        if it.ready { ", ready" } else { "" },
        it.generation
    );
    for (key, value) in facts(it, paper) {
        text.push_str(&format!("\n  {key:<10} {value}"));
    }
    for (key, value) in load(detail) {
        text.push_str(&format!("\n  {key:<10} {value}"));
    }
    for (key, value) in &it.metadata {
        text.push_str(&format!("\n  {key:<10} {value}"));
    }
    for past in detail.history.iter().rev() {
        let lived = super::span(past.ended.0.saturating_sub(past.started.0));
        let (generation, exit) = (past.generation, &past.exit);
        text.push_str(&format!(
            "\n  {:<10} generation {generation} lived {lived} until {}: {exit}",
            "before", past.ended
        ));
    }
    text
}

fn facts(it: &ServiceStatus, paper: Paper) -> Vec<(&'static str, String)> {
    let since = match paper.ago(it.since) {
        Some(ago) => format!("{} ({ago})", it.since),
        None => it.since.to_string(),
    };
    let mut facts = vec![("since", since)];
    let mut add = |key, value: Option<String>| facts.extend(value.map(|value| (key, value)));
    add("enabled", (!it.enabled).then(|| "no".to_owned()));
    add("completed", it.completed.then(|| "yes".to_owned()));
    let not_required = "not required: `/health/ready` does not wait for it";
    add("readiness", (!it.readiness_required).then(|| not_required.to_owned()));
    add("group", it.group.clone());
    add("waits for", (!it.waiting_on.is_empty()).then(|| it.waiting_on.join(", ")));
    add("error", it.error.as_ref().map(error));
    add("restart", it.restart.as_ref().map(|restart| next(restart, paper)));
    add("degraded", it.degraded.clone());
    add("hung", it.blocks.then(|| BLOCKS.to_owned()));
    let last = it.last_error.as_ref().filter(|last| Some(*last) != it.error.as_ref());
    add("last error", last.map(|last| format!("{}, at {}", error(last), last.at)));
    add(
        "acted",
        it.acted.as_ref().map(|acted| {
            let why =
                acted.reason.as_ref().map_or(String::new(), |why| format!(", because: {why}"));
            format!("{} by {} at {}{why}", acted.verb, acted.actor, acted.at)
        }),
    );
    facts
}

/// Says how much of it lives, and how long its polls take.
fn load(detail: &ServiceDetail) -> Vec<(&'static str, String)> {
    let count = |n: u64, word: &str| (n > 0).then(|| format!("{n} {word}"));
    let tasks = count(detail.tasks, if detail.tasks == 1 { "child" } else { "children" });
    let requests = count(detail.requests, "in flight");
    let polls = detail.polls.as_ref().map(|polls| {
        let (mean, max) = (short(polls.mean_ns), short(polls.max_ns));
        format!("{}, {mean} on average, {max} at most", polls.count)
    });
    let all = [("tasks", tasks), ("requests", requests), ("polls", polls)];
    all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Returns a short time with its unit.
fn short(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{}us", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{}ms", ns / 1_000_000),
        _ => super::span(ns / 1_000_000),
    }
}

fn row(it: &ServiceStatus, paper: Paper) -> Vec<Cell> {
    vec![
        it.name.as_str().into(),
        Cell::styled(it.state.as_str(), style_of(it.state)),
        if it.ready { "yes" } else { "-" }.into(),
        it.generation.to_string().into(),
        paper.ago(it.since).unwrap_or_else(|| "-".to_owned()).into(),
        what(it, paper).into(),
    ]
}

/// Says what an operator should know first.
pub(crate) fn what(it: &ServiceStatus, paper: Paper) -> String {
    let mut all = Vec::new();
    if !it.enabled {
        all.push("disabled".to_owned());
    }
    if it.completed {
        all.push("completed".to_owned());
    }
    all.extend(it.error.as_ref().map(error));
    all.extend(it.restart.as_ref().map(|restart| next(restart, paper)));
    if !it.waiting_on.is_empty() {
        let waits = if it.state == processpype_api::ServiceState::Running {
            "without"
        } else {
            "waits for"
        };
        all.push(format!("{waits} {}", it.waiting_on.join(", ")));
    }
    all.extend(it.degraded.clone());
    all.extend(it.blocks.then(|| BLOCKS.to_owned()));
    all.extend(paper.now.and_then(|now| failed_before(it, now)));
    let stopped = it.acted.as_ref().filter(|acted| acted.verb == "stop" && !is_wanted(it));
    all.extend(stopped.map(|acted| format!("stopped by {}", acted.actor)));
    all.join("; ")
}

/// Says of one that runs again what ended the generation before.
pub(crate) fn failed_before(it: &ServiceStatus, now: Timestamp) -> Option<String> {
    let told = it.failed_before(now)?;
    let ago = super::span(now.0.saturating_sub(told.at.0) / 1000 * 1000);
    Some(format!("failed {ago} ago: {}", error(told)))
}

fn error(error: &ErrorReport) -> String {
    format!("{} ({})", error.message, error.kind)
}

fn next(restart: &Restart, paper: Paper) -> String {
    let number = restart.attempt;
    if restart.exhausted {
        return "exhausted: no restart will come".to_owned();
    }
    let held = if restart.held { "held, " } else { "" };
    match restart.next_at.map(|at| paper.until(at).ok_or(at)) {
        Some(Ok(time)) => format!("{held}attempt {number} in {time}"),
        Some(Err(at)) => format!("{held}attempt {number} at {at}"),
        None => format!("{held}attempt {number}"),
    }
}

fn is_wanted(it: &ServiceStatus) -> bool {
    it.desired == processpype_api::Desired::Running
}

pub(crate) fn is_missing(it: &ServiceStatus) -> bool {
    it.enabled && is_wanted(it) && !it.ready && !it.completed
}
