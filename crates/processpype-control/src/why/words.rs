//! The chain in words.
//!
//! # Invariants
//!
//! 1. A clause says what is, since when or until when, and why, without a full stop.
//! 2. Only public texts are in it: those of statuses and events.

use processpype_api::{ErrorReport, ServiceStatus, Situation, Timestamp, WhyStep};
use processpype_core::each;

use super::{GROUP, Known};

/// Says what is with one service, without its name; and that `/health/ready` does not wait for it,
/// where somebody may wonder.
pub(super) fn clause(known: &Known, situation: Situation, now: Timestamp) -> String {
    let mut clause = what_is(known, situation, now);
    if let Some(starved) = &known.starved {
        clause += &format!("; but {starved}");
    }
    if known.status.is_passed_over() {
        clause += " (`/health/ready` does not wait for it: `readiness_required` is false)";
    }
    clause
}

fn what_is(known: &Known, situation: Situation, now: Timestamp) -> String {
    let status = &known.status;
    let state = status.state.as_str();
    match situation {
        Situation::Closing => format!("{state}, the application is closing"),
        Situation::Disabled => "stopped, disabled in the configuration".to_owned(),
        Situation::Completed => "stopped, completed: it has done its work".to_owned(),
        Situation::StoppedByOperator => format!("stopped by {}", acted(known)),
        Situation::StoppedByCascade => cascade(known),
        Situation::NotAutostarted => "stopped, never started: `autostart` is false, and nothing \
            that needs it was started"
            .to_owned(),
        Situation::Stopped => "stopped, and nobody wants it to run".to_owned(),
        Situation::WaitingOnProvider | Situation::WaitingOnGroup => {
            format!("{state}, {}{}", waits(known), last(known.status.error.as_ref()))
        }
        Situation::Queued => "stopped, about to start: it waits for its turn".to_owned(),
        Situation::Starting => during(known, "starting", known.rules.start_timeout_ms, now),
        Situation::Stopping => during(known, "stopping", known.rules.stop_timeout_ms, now),
        Situation::Orphaned => {
            let error = status.error.as_ref().map_or("", |error| &error.message);
            format!("error, orphaned: {error}")
        }
        Situation::Running
        | Situation::RunningWithout
        | Situation::Unready
        | Situation::Degraded
        | Situation::Hung
        | Situation::Complaining => running(known, situation, now),
        Situation::Backoff
        | Situation::Held
        | Situation::Exhausted
        | Situation::GivenUp
        | Situation::Failed => failed(known, situation, now),
        _ => state.to_owned(),
    }
}

/// Joins the chain to one text.
pub(super) fn chain(steps: &[WhyStep]) -> String {
    let clauses = steps.iter().map(|step| format!("{}: {}", step.service, step.text));
    let starts = steps.iter().filter(|step| is_waiting(step)).map(|step| {
        let others: Vec<&str> = each(&step.waits_for, |it| it.service.as_str());
        format!("{} starts when {} ready", step.service, join(&others))
    });
    let all: Vec<String> = clauses.chain(starts).collect();
    all.join("; ")
}

fn is_waiting(step: &WhyStep) -> bool {
    step.situation == Situation::WaitingOnProvider.as_str()
}

fn running(known: &Known, situation: Situation, now: Timestamp) -> String {
    let status = &known.status;
    let time = for_time(status.since, now);
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    match situation {
        Situation::RunningWithout => {
            let waits = &status.waiting_on;
            format!("running {time}, without {}{}", waits.join(", "), degraded(known))
        }
        Situation::Unready => {
            let said = last(status.error.as_ref());
            format!("running {time}, but it says that it is not ready{}{said}", degraded(known))
        }
        Situation::Degraded => {
            format!("running {time}, but degraded: {}", text(status.degraded.as_ref()))
        }
        Situation::Hung => {
            let found = known.hung.clone().or_else(|| busy(known)).unwrap_or_default();
            format!("running {time}, but hung: {found}")
        }
        Situation::Complaining => {
            let said = status.error.as_ref().map(|error| &error.message);
            format!("running {time}, but it reports an error: {}", text(said))
        }
        _ => format!("running {time}, ready{}", failed_before(status, now)),
    }
}

/// Says that it runs again, since between two failures it looks well.
fn failed_before(status: &ServiceStatus, now: Timestamp) -> String {
    let Some(error) = status.failed_before(now) else { return String::new() };
    let ago = time(now.0.saturating_sub(error.at.0));
    let generation = status.generation;
    format!(
        "; this is generation {generation}, the one before failed {ago} ago{}",
        last(Some(error))
    )
}

fn failed(known: &Known, situation: Situation, now: Timestamp) -> String {
    let (status, rules) = (&known.status, &known.rules);
    let last = last(status.error.as_ref().or(status.last_error.as_ref()));
    let restart = status.restart.as_ref();
    let next = restart.and_then(|restart| restart.next_at).map_or(0, |at| at.0);
    let next = time(next.saturating_sub(now.0));
    let of = rules.max_restarts.map_or(String::new(), |max| format!(" of {max}"));
    let attempt = restart.map_or(0, |restart| restart.attempt);
    match situation {
        Situation::Backoff => {
            format!("error, in backoff, attempt {attempt}{of}, next try in {next}{last}")
        }
        Situation::Held => {
            let limit = || "the application's limit on restarts".to_owned();
            let pause = |actor: &String| format!("the pause of all restarts that {actor} began");
            let by = known.paused_by.as_ref().map_or_else(limit, pause);
            format!("error, held by {by}, attempt {attempt}{of}, its turn is in {next}{last}")
        }
        Situation::Exhausted => format!("error, exhausted: {}{last}", limit(known)),
        Situation::GivenUp => {
            format!("error, given up: its restart policy is `{}`{last}", rules.policy)
        }
        _ => format!("error{last}"),
    }
}

/// Says which limit is used up, by the journal, or by the service's own rules if that has lost it.
fn limit(known: &Known) -> String {
    let rules = &known.rules;
    match (&known.gave_up, rules.max_restarts) {
        (Some(gave_up), _) => gave_up.clone(),
        (None, Some(max)) => {
            format!("more than {} within {}", count(max, "restart"), time(rules.within_ms))
        }
        (None, None) => "too many restarts".to_owned(),
    }
}

fn during(known: &Known, doing: &str, limit_ms: u64, now: Timestamp) -> String {
    let status = &known.status;
    let busy = busy(known).map_or(String::new(), |busy| format!("; {busy}"));
    format!("{doing} {}, of at most {}{busy}", for_time(status.since, now), time(limit_ms))
}

/// Says that its thread has not come back, watched or not.
fn busy(known: &Known) -> Option<String> {
    let ms = known.busy?;
    Some(format!("its thread has not come back for at least {}: it blocks or spins", time(ms)))
}

fn acted(known: &Known) -> String {
    let Some(acted) = &known.status.acted else { return "somebody".to_owned() };
    let because = acted.reason.as_ref().map_or(String::new(), |why| format!(", because: {why}"));
    format!("{} at {}{because}", acted.actor, acted.at)
}

fn cascade(known: &Known) -> String {
    let Some(cascade) = &known.cascade else { return "stopped".to_owned() };
    let actor = cascade.actor.as_deref().unwrap_or("somebody");
    format!("stopped together with {}, which {actor} stopped with `cascade`", cascade.provider)
}

fn waits(known: &Known) -> String {
    let waits = super::waits_for(known);
    let (mates, providers): (Vec<_>, Vec<_>) = waits.iter().partition(|it| it.relation == GROUP);
    let names = |of: &[&processpype_api::WaitsFor]| {
        let names: Vec<&str> = each(of, |it| it.service.as_str());
        names.join(", ")
    };
    let group = known.status.group.as_deref().unwrap_or_default();
    match (&providers[..], &mates[..]) {
        (providers, []) => format!("waits for {}", names(providers)),
        ([], mates) => format!("waits for {} of its group `{group}`", names(mates)),
        (providers, mates) => {
            format!(
                "waits for {}, and for {} of its group `{group}`",
                names(providers),
                names(mates)
            )
        }
    }
}

fn degraded(known: &Known) -> String {
    known.status.degraded.as_ref().map_or(String::new(), |why| format!("; degraded: {why}"))
}

fn last(error: Option<&ErrorReport>) -> String {
    error.map_or(String::new(), |it| format!("; last error: {} ({})", it.message, it.kind))
}

fn join(names: &[&str]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", names.join(" and "))
}

fn for_time(since: Timestamp, now: Timestamp) -> String {
    format!("for {}", time(now.0.saturating_sub(since.0)))
}

fn count(number: u32, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// Returns a time for people: as exact as it matters.
pub(super) fn time(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, ms % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}
