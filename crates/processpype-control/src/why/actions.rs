//! What an operator can do about a chain.
//!
//! # Invariants
//!
//! 1. A request that is offered is one that would be accepted now; what no request does says what
//!    to do instead.
//! 2. Actions at the roots come first: what waits for them goes on by itself then.

use processpype_api::{Action, Situation, WhyStep};

use super::Scene;

/// Returns what can be done, the most useful first.
pub(super) fn actions(scene: &Scene, steps: &[WhyStep], roots: &[String]) -> Vec<Action> {
    let mut found = Vec::new();
    for step in steps.iter().filter(|step| roots.contains(&step.service)) {
        at_root(scene, step, &mut found);
    }
    if let Some(first) = steps.first().filter(|first| !roots.contains(&first.service)) {
        above(scene, first, steps, roots, &mut found);
    }
    found
}

/// What can be done about the service at the end of a chain.
fn at_root(scene: &Scene, step: &WhyStep, found: &mut Vec<Action>) {
    let name = step.service.as_str();
    let mut offer = |action: Action| found.push(action);
    let post = |verb, query, text: &str| request(scene, name, verb, query, text);
    if scene.services.get(name).is_some_and(|known| known.starved.is_some()) {
        let text = "gives the threads back; nothing inside the process can";
        offer(advise(name, "restart-process", text));
    }
    match situation(step) {
        Some(Situation::Closing) => {
            offer(advise(name, "wait", "the application ends; nothing can be started any more"));
        }
        Some(Situation::Disabled) => {
            let text =
                format!("set `services.{name}.enabled: true` and reload, or configure it so");
            offer(advise(name, "configure", &text));
        }
        Some(Situation::Completed) => offer(start(scene, name, "lets it do its work once more")),
        Some(
            Situation::StoppedByOperator
            | Situation::StoppedByCascade
            | Situation::NotAutostarted
            | Situation::Stopped,
        ) => offer(start(scene, name, "starts it; what waits for it goes on then")),
        Some(Situation::Queued) => {
            offer(advise(name, "wait", "it starts by itself when it is its turn"));
        }
        Some(Situation::Starting) => {
            offer(advise(name, "wait", "it is running, or has failed, by the end of its deadline"));
            offer(post("stop", "", "ends the start and keeps it stopped"));
        }
        Some(Situation::Stopping) => {
            offer(advise(name, "wait", "it is gone, or orphaned, by the end of its deadline"));
        }
        Some(Situation::Backoff | Situation::Held) => {
            offer(advise(name, "wait", "it is tried again by itself"));
            offer(start(scene, name, "tries at once, and forgets the failures so far"));
            offer(post("stop", "", "gives it up until somebody starts it"));
        }
        Some(Situation::Exhausted | Situation::GivenUp | Situation::Failed) => {
            offer(mend(name, "its last error, and the log of its last generation, say what"));
            offer(start(scene, name, "tries again, and forgets the failures so far"));
        }
        Some(Situation::Orphaned) => {
            let text = "ends what is left of it; nothing inside the process can";
            offer(advise(name, "restart-process", text));
            let text = "starts a new generation beside what is left of the old one";
            offer(post("start", "?force=true", text));
        }
        Some(
            Situation::Hung | Situation::Unready | Situation::Degraded | Situation::Complaining,
        ) => {
            offer(mend(name, "what it says, and its log, say what"));
            offer(post("restart", "", after_restart(scene, name)));
        }
        _ => offer(post("restart", "", "begins anew, if it must")),
    }
}

/// What a restart leads to: nothing can end who does not give a thread back.
fn after_restart(scene: &Scene, name: &str) -> &'static str {
    match scene.services.get(name).and_then(|known| known.busy) {
        Some(_) => {
            "begins anew if its thread comes back within its `stop_timeout`; else it is orphaned, \
             and only a restart of the process ends it"
        }
        None => "begins anew; those that need it may see it gone",
    }
}

/// What can be done about the service that was asked about, when the cause is elsewhere.
fn above(
    scene: &Scene,
    first: &WhyStep,
    steps: &[WhyStep],
    roots: &[String],
    found: &mut Vec<Action>,
) {
    let name = first.service.as_str();
    let helps = |step: &WhyStep| {
        let situation = situation(step);
        let stopped = [
            Situation::StoppedByOperator,
            Situation::StoppedByCascade,
            Situation::Backoff,
            Situation::Held,
            Situation::Exhausted,
            Situation::GivenUp,
            Situation::Failed,
        ];
        situation.is_some_and(|it| stopped.contains(&it))
    };
    let is_waiting =
        matches!(situation(first), Some(Situation::WaitingOnProvider | Situation::WaitingOnGroup));
    let is_root = |step: &&WhyStep| roots.contains(&step.service);
    if is_waiting && steps.iter().filter(is_root).any(helps) {
        let text = "starts it, and the providers that failed or were stopped";
        found.push(request(scene, name, "start", "?with_dependencies=true", text));
    }
    if is_waiting {
        found.push(request(scene, name, "stop", "", "ends the wait and keeps it stopped"));
    }
}

fn situation(step: &WhyStep) -> Option<Situation> {
    Situation::ALL.iter().copied().find(|situation| situation.as_str() == step.situation)
}

/// A start, with its providers where it would be refused without.
fn start(scene: &Scene, name: &str, text: &str) -> Action {
    match scene.services.get(name).and_then(|known| known.held.as_ref()) {
        Some(held) => {
            let text = format!("starts it, and {held}, which was stopped");
            request(scene, name, "start", "?with_dependencies=true", &text)
        }
        None => request(scene, name, "start", "", text),
    }
}

fn request(scene: &Scene, name: &str, verb: &str, query: &str, text: &str) -> Action {
    Action {
        verb: verb.to_owned(),
        service: name.to_owned(),
        method: Some("POST".to_owned()),
        path: Some(format!("{}/services/{name}/{verb}{query}", scene.prefix)),
        text: text.to_owned(),
    }
}

fn mend(name: &str, text: &str) -> Action {
    advise(name, "mend", &format!("mend the cause: {text}"))
}

fn advise(name: &str, verb: &str, text: &str) -> Action {
    let (verb, service, text) = (verb.to_owned(), name.to_owned(), text.to_owned());
    Action { verb, service, method: None, path: None, text }
}
