//! What the state of a service and the fields beside it mean together.
//!
//! # Invariants
//!
//! 1. Every service is in exactly one [`Situation`]; what an operator must know first wins.

use processpype_api::{Desired, ServiceState, Situation, Timestamp};
use processpype_core::{ErrorKind, RestartPolicy};

use super::{GROUP, Known};

/// Judges one service.
pub(super) fn situation(known: &Known, is_closing: bool) -> Situation {
    let orphaned = known.status.error.as_ref().map(|error| error.kind.as_str());
    if orphaned == Some(ErrorKind::Orphaned.as_str()) {
        return Situation::Orphaned;
    }
    if is_closing {
        return Situation::Closing;
    }
    match known.status.state {
        ServiceState::Stopped => stopped(known),
        ServiceState::Starting => Situation::Starting,
        ServiceState::Running => running(known),
        ServiceState::Stopping => Situation::Stopping,
        ServiceState::Error => failed(known),
    }
}

/// Returns when something happens by itself.
pub(super) fn next_at(known: &Known, situation: Situation) -> Option<Timestamp> {
    let (since, rules) = (known.status.since.0, &known.rules);
    match situation {
        Situation::Backoff | Situation::Held => known.status.restart.as_ref()?.next_at,
        Situation::Starting => Some(Timestamp(since.saturating_add(rules.start_timeout_ms))),
        Situation::Stopping => Some(Timestamp(since.saturating_add(rules.stop_timeout_ms))),
        _ => None,
    }
}

fn stopped(known: &Known) -> Situation {
    let status = &known.status;
    if !status.enabled {
        return Situation::Disabled;
    }
    if !status.waiting_on.is_empty() {
        return waiting(known);
    }
    if status.completed {
        return Situation::Completed;
    }
    match status.desired {
        Desired::Running => Situation::Queued,
        Desired::Stopped => unwanted(known),
    }
}

/// Nobody wants it to run: who said so?
fn unwanted(known: &Known) -> Situation {
    let status = &known.status;
    if known.cascade.is_some() {
        Situation::StoppedByCascade
    } else if status.acted.as_ref().is_some_and(|acted| acted.verb == "stop") {
        Situation::StoppedByOperator
    } else if status.generation == 0 && !known.rules.autostart {
        Situation::NotAutostarted
    } else {
        Situation::Stopped
    }
}

fn waiting(known: &Known) -> Situation {
    let all_mates = super::waits_for(known).iter().all(|it| it.relation == GROUP);
    if all_mates { Situation::WaitingOnGroup } else { Situation::WaitingOnProvider }
}

fn running(known: &Known) -> Situation {
    let status = &known.status;
    if known.hung.is_some() || known.busy.is_some() {
        Situation::Hung
    } else if !status.waiting_on.is_empty() {
        Situation::RunningWithout
    } else if !status.ready {
        Situation::Unready
    } else if status.error.is_some() {
        Situation::Complaining
    } else if status.degraded.is_some() {
        Situation::Degraded
    } else {
        Situation::Running
    }
}

fn failed(known: &Known) -> Situation {
    match &known.status.restart {
        Some(restart) if restart.exhausted => Situation::Exhausted,
        Some(restart) if restart.held => Situation::Held,
        Some(restart) if restart.next_at.is_some() => Situation::Backoff,
        _ if !known.status.waiting_on.is_empty() => waiting(known),
        _ if known.rules.policy == RestartPolicy::Never => Situation::GivenUp,
        _ => Situation::Failed,
    }
}
