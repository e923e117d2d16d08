//! Operations: what was asked, what would happen, and what holds restarts.

use processpype_api::{
    Foreseen, Operation, OperationPage, OperationState, RestartsPaused, StepAction, Would,
};

use super::Paper;
use super::table::{Cell, table};
use crate::print::{BOLD, DIM, ERROR};

/// Lists operations, in the order of acceptance.
pub(crate) fn operations(page: &OperationPage, paper: Paper) -> String {
    if page.operations.is_empty() {
        return "nothing was asked".to_owned();
    }
    let row = |it: &Operation| {
        vec![
            it.id.to_string().into(),
            it.accepted.to_string().into(),
            Cell::from(what(it)),
            word(it.state).into(),
            it.actor.as_str().into(),
            it.detail.as_deref().or(it.reason.as_deref()).unwrap_or_default().into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = page.operations.iter().map(row).collect();
    table(&["ID", "ACCEPTED", "WHAT", "STATE", "BY", "WHY"], &rows, paper.width)
}

/// Shows one operation.
pub(crate) fn operation(it: &Operation, _: Paper) -> String {
    let changed = match it.changed {
        Some(false) => ", it was so already",
        _ => "",
    };
    let state = word(it.state);
    let mut text = format!("{BOLD}operation {}{BOLD:#}: {}, {state}{changed}", it.id, what(it));
    let mut add = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("\n  {key:<10} {value}"));
        }
    };
    add("accepted", Some(format!("{} from {}", it.accepted, it.actor)));
    add("ended", it.ended.map(|at| at.to_string()));
    add("reason", it.reason.clone());
    add("generation", it.generation.map(|generation| generation.to_string()));
    add("affected", some(&it.affected));
    let code = it.code.as_ref().map_or(String::new(), |code| format!(" [{code}]"));
    add("detail", it.detail.as_ref().map(|detail| format!("{detail}{code}")));
    text
}

/// Shows what a command would do.
pub(crate) fn foreseen(it: &Foreseen) -> String {
    let Foreseen { command, service, generation, .. } = it;
    let code = it.code.as_ref().map_or(String::new(), |code| format!("[{code}]"));
    let would = match it.would {
        Would::Succeed if it.changed => format!("would be done (generation {generation})"),
        Would::Succeed => "would change nothing: it is so already".to_owned(),
        Would::Wait => format!("would wait for {}", it.waiting_on.join(", ")),
        Would::Refuse => format!("{ERROR}would be refused{code}{ERROR:#}"),
    };
    let mut text = format!("{BOLD}{command} {service}{BOLD:#} {would}");
    for (number, step) in it.steps.iter().enumerate() {
        let action = match step.action {
            StepAction::Stop => "stop",
            StepAction::Start => "start",
        };
        text.push_str(&format!("\n  {}. {action} {}", number + 1, step.service));
    }
    let takes = it.supersedes.iter().map(u64::to_string).collect::<Vec<_>>();
    for (key, value) in [("affected", some(&it.affected)), ("supersedes", some(&takes))] {
        text.extend(value.map(|value| format!("\n  {key}: {value}")));
    }
    text.extend(it.detail.as_ref().map(|detail| format!("\n  {detail}")));
    text.push_str(&format!("\n{DIM}nothing was done{DIM:#}"));
    text
}

/// Says whether automatic restarts are held.
pub(crate) fn paused(it: &RestartsPaused, paper: Paper) -> String {
    match it.until {
        Some(until) => {
            let left = paper.until(until).map_or(String::new(), |left| format!(", for {left}"));
            format!("automatic restarts are paused until {until}{left}")
        }
        None if it.changed => "automatic restarts go on".to_owned(),
        None => "automatic restarts were not paused".to_owned(),
    }
}

fn what(it: &Operation) -> String {
    let service = it.service.as_ref().map_or(String::new(), |name| format!(" {name}"));
    let flags: String =
        it.flags.iter().map(|flag| format!(" --{}", flag.replace('_', "-"))).collect();
    format!("{}{service}{flags}", it.verb)
}

fn some(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn word(state: OperationState) -> &'static str {
    match state {
        OperationState::Waiting => "waiting",
        OperationState::Done => "done",
        OperationState::Failed => "failed",
        OperationState::Superseded => "superseded",
        OperationState::Cancelled => "cancelled",
        OperationState::Refused => "refused",
    }
}
