//! From the runtime's words to the wire.
//!
//! # Invariants
//!
//! 1. Only what may be shown exists on the left side: the runtime keeps internals for the log.

use std::time::Duration;

use processpype_api as wire;
use processpype_core::ServiceName;
use processpype_runtime::{
    Acted, Counts, ErrorInfo, Event, Past, PollTimes, RestartInfo, Status, Timestamp,
};

pub(crate) fn status(status: &Status) -> wire::ServiceStatus {
    wire::ServiceStatus {
        name: status.name.to_string(),
        kind: status.kind.to_string(),
        state: status.state.into(),
        error: status.error.as_ref().map(error),
        metadata: status.metadata.clone(),
        is_configured: status.is_configured,
        enabled: status.enabled,
        ready: status.ready,
        completed: status.completed,
        generation: status.generation.0,
        since: time(status.since),
        desired: status.desired.into(),
        group: status.group.as_deref().map(str::to_owned),
        waiting_on: names(&status.waiting_on),
        restart: status.restart.as_ref().map(restart),
        degraded: status.degraded.clone(),
        last_error: status.last_error.as_ref().map(error),
        acted: status.acted.as_ref().map(acted),
    }
}

pub(crate) fn detail(now: &Status, counts: &Counts) -> wire::ServiceDetail {
    wire::ServiceDetail {
        status: status(now),
        history: now.history.iter().map(past).collect(),
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

pub(crate) fn event(event: &Event) -> wire::Event {
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
        message: event.message.as_deref().map(str::to_owned),
    }
}

pub(crate) fn names(names: &[ServiceName]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
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
