//! From the runtime's words to the wire.
//!
//! # Invariants
//!
//! 1. Only what may be shown exists on the left side: the runtime keeps internals for the log.

use std::time::Duration;

use processpype_api as wire;
use processpype_config::{Change, Difference, Effective};
use processpype_core::{ServiceName, each};
use processpype_runtime::{
    Acted, CommandPreview, ConfigBook, ConfigEffect, Counts, ErrorInfo, Event, Fixed,
    OperationState, OperationStatus, Past, PauseInfo, PollTimes, Recording, RestartInfo, Status,
    Timestamp,
};
use processpype_telemetry::Backlog;

use crate::refusal;

pub(crate) fn status(status: &Status, book: &ConfigBook, blocks: bool) -> wire::ServiceStatus {
    wire::ServiceStatus {
        name: status.name.to_string(),
        kind: status.kind.to_string(),
        state: status.state.into(),
        error: status.error.as_deref().map(error),
        metadata: status.metadata.clone(),
        is_configured: status.is_configured,
        enabled: status.enabled,
        ready: status.ready,
        readiness_required: is_required(book, &status.name),
        completed: status.completed,
        generation: status.generation.0,
        since: time(status.since),
        desired: status.desired.into(),
        group: status.group.as_deref().map(str::to_owned),
        waiting_on: names(&status.waiting_on),
        restart: status.restart.as_ref().map(restart),
        degraded: status.degraded.clone(),
        blocks,
        last_error: status.last_error.as_deref().map(error),
        acted: status.acted.as_deref().map(acted),
    }
}

/// Whether `/health/ready` waits for the service.
pub(crate) fn is_required(book: &ConfigBook, name: &ServiceName) -> bool {
    book.service(name.as_str()).is_none_or(|now| now.options.readiness_required)
}

pub(crate) fn detail(
    now: &Status,
    book: &ConfigBook,
    counts: &Counts,
    blocks: bool,
) -> wire::ServiceDetail {
    wire::ServiceDetail {
        status: status(now, book, blocks),
        history: each(&now.history, past),
        tasks: counts.tasks,
        requests: counts.requests,
        polls: polls(counts.polls),
    }
}

fn polls(polls: PollTimes) -> Option<wire::Polls> {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    Some(wire::Polls {
        count: polls.count,
        total_ns: nanoseconds(polls.sum),
        mean_ns: nanoseconds(polls.mean()?),
        max_ns: nanoseconds(polls.max),
    })
}

pub(crate) fn pause(pause: &PauseInfo) -> wire::PauseReport {
    wire::PauseReport {
        until: time(pause.until),
        actor: pause.actor.to_string(),
        reason: pause.reason.as_deref().map(str::to_owned),
    }
}

pub(crate) fn journal(recording: &Recording) -> wire::JournalReport {
    wire::JournalReport {
        file: recording.file.to_string(),
        error: recording.error.as_deref().map(str::to_owned),
        lost: recording.lost,
    }
}

/// Nothing while nothing is wrong.
pub(crate) fn log(backlog: &Backlog) -> Option<wire::LogReport> {
    let (error, lost) = (backlog.error().map(|error| error.to_string()), backlog.lost_lines());
    (error.is_some() || lost > 0).then_some(wire::LogReport { error, lost })
}

/// Turns an event into what stands on the wire, and in the file of events.
#[must_use]
pub fn event(event: &Event) -> wire::Event {
    wire::Event {
        seq: event.seq,
        time: time(event.time),
        kind: event.kind.as_str().to_owned(),
        service: event.service.as_ref().map(ToString::to_string),
        generation: event.generation.map(|generation| generation.0),
        from: event.from.map(Into::into),
        to: event.to.map(Into::into),
        cause: event.cause.to_owned(),
        actor: event.actor.as_deref().map(str::to_owned),
        operation: event.operation.map(|operation| operation.0),
        message: event.message.as_deref().map(str::to_owned),
    }
}

pub(crate) fn operation(status: &OperationStatus) -> wire::Operation {
    let service = status.service.as_ref().map(ServiceName::as_str);
    let done = status.result.as_ref().and_then(|result| result.as_ref().ok());
    let error = status.result.as_ref().and_then(|result| result.as_ref().err());
    let problem =
        error.map(|error| refusal::problem(status.verb, service.unwrap_or_default(), error));
    wire::Operation {
        id: status.id.0,
        verb: status.verb.to_owned(),
        flags: each(&status.flags, |&flag| flag.to_owned()),
        service: service.map(str::to_owned),
        actor: status.actor.to_string(),
        reason: status.reason.as_deref().map(str::to_owned),
        state: operation_state(status.state()),
        accepted: time(status.accepted),
        ended: status.ended.map(time),
        changed: done.map(|done| done.changed),
        generation: done.map(|done| done.generation.0),
        affected: done.map_or_else(Vec::new, |done| names(&done.affected)),
        code: problem.as_ref().map(|problem| problem.code().as_str().to_owned()),
        detail: problem.map(|problem| problem.detail().to_owned()),
    }
}

fn operation_state(state: OperationState) -> wire::OperationState {
    match state {
        OperationState::Done => wire::OperationState::Done,
        OperationState::Failed => wire::OperationState::Failed,
        OperationState::Superseded => wire::OperationState::Superseded,
        OperationState::Cancelled => wire::OperationState::Cancelled,
        OperationState::Refused => wire::OperationState::Refused,
        _ => wire::OperationState::Waiting,
    }
}

/// Says what a command on a service, which is in `generation` now, would do.
pub(crate) fn foreseen(
    verb: &str,
    service: &str,
    generation: u64,
    foreseen: &CommandPreview,
) -> wire::Foreseen {
    let done = foreseen.result.as_ref().and_then(|result| result.as_ref().ok());
    let error = foreseen.result.as_ref().and_then(|result| result.as_ref().err());
    let problem = error.map(|error| refusal::problem(verb, service, error));
    wire::Foreseen {
        would: match &foreseen.result {
            None => wire::Would::Wait,
            Some(Ok(_)) => wire::Would::Succeed,
            Some(Err(_)) => wire::Would::Refuse,
        },
        command: verb.to_owned(),
        service: service.to_owned(),
        changed: done.map_or(error.is_none(), |done| done.changed),
        generation: done.map_or(generation, |done| done.generation.0),
        steps: each(&foreseen.steps, step),
        affected: done.map_or_else(Vec::new, |done| names(&done.affected)),
        waiting_on: names(&foreseen.waiting_on),
        supersedes: each(&foreseen.supersedes, |operation| operation.0),
        code: problem.as_ref().map(|problem| problem.code().as_str().to_owned()),
        detail: problem.map(|problem| problem.detail().to_owned()),
    }
}

fn step(step: &processpype_runtime::PreviewStep) -> wire::Step {
    let action = if step.starts { wire::StepAction::Start } else { wire::StepAction::Stop };
    wire::Step { action, service: step.service.to_string() }
}

pub(crate) fn config_value(value: &Effective) -> wire::ConfigValue {
    wire::ConfigValue {
        path: value.path.clone(),
        value: value.value.clone(),
        origin: value.origin.to_string(),
        overrides: each(&value.overrides, ToString::to_string),
    }
}

pub(crate) fn difference(one: &Difference) -> wire::ConfigDifference {
    let origin = one.new.as_ref().or(one.old.as_ref()).map(|side| side.origin.to_string());
    wire::ConfigDifference {
        path: one.path.clone(),
        change: match one.change() {
            Change::Added => wire::ConfigChange::Added,
            Change::Removed => wire::ConfigChange::Removed,
            Change::Changed => wire::ConfigChange::Changed,
        },
        old: one.old.as_ref().map(|side| side.value.clone()),
        new: one.new.as_ref().map(|side| side.value.clone()),
        origin: origin.unwrap_or_default(),
    }
}

pub(crate) fn fixed(fixed: &Fixed) -> wire::NeedsProcessRestart {
    wire::NeedsProcessRestart { path: fixed.path.clone(), why: fixed.why.clone() }
}

/// What would follow; `None` is a service that is asked first.
pub(crate) fn config_would(effect: Option<ConfigEffect>) -> wire::ConfigEffect {
    effect.map_or(wire::ConfigEffect::Offered, config_effect)
}

pub(crate) fn config_effect(effect: ConfigEffect) -> wire::ConfigEffect {
    match effect {
        ConfigEffect::Unchanged => wire::ConfigEffect::Unchanged,
        ConfigEffect::Restarted => wire::ConfigEffect::Restarted,
        ConfigEffect::Started => wire::ConfigEffect::Started,
        ConfigEffect::Stopped => wire::ConfigEffect::Stopped,
        ConfigEffect::Kept => wire::ConfigEffect::Kept,
        _ => wire::ConfigEffect::Applied,
    }
}

pub(crate) fn names(names: &[ServiceName]) -> Vec<String> {
    each(names, ToString::to_string)
}

fn error(error: &ErrorInfo) -> wire::ErrorReport {
    wire::ErrorReport {
        message: error.message.clone(),
        kind: error.kind.as_str().to_owned(),
        at: time(error.at),
    }
}

fn restart(restart: &RestartInfo) -> wire::Restart {
    wire::Restart {
        attempt: restart.attempt,
        next_at: restart.next_at.map(time),
        exhausted: restart.exhausted,
        held: restart.held,
    }
}

fn acted(acted: &Acted) -> wire::Acted {
    wire::Acted {
        operation: acted.operation.0,
        actor: acted.actor.to_string(),
        verb: acted.verb.to_owned(),
        reason: acted.reason.as_deref().map(str::to_owned),
        at: time(acted.at),
    }
}

fn past(past: &Past) -> wire::Past {
    wire::Past {
        generation: past.generation.0,
        exit: past.exit.as_str().to_owned(),
        started: time(past.started),
        ended: time(past.ended),
    }
}

pub(crate) fn time(time: Timestamp) -> wire::Timestamp {
    wire::Timestamp(time.0)
}
