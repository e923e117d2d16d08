//! Why a service is as it is: the chain of causes, from what is published and from the journal.
//!
//! # Invariants
//!
//! 1. [`explain`] is a pure function of a [`Scene`]: one moment of the application, as values.
//! 2. The chain is bounded: at most [`STEPS_MAX`] services, each told once, so that members of a
//!    group that wait for each other end it too.
//! 3. Reading a scene takes snapshots of the services that can be in the chain, and never the
//!    supervisor's loop.

mod actions;
mod judge;
mod words;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use processpype_api::{Problem, ServiceStatus, Timestamp, WaitsFor, Why, WhyStep};
use processpype_core::{
    Cause, Desired, EventKind, OperationId, RestartPolicy, ServiceName, ServiceState, SortedMap,
    each,
};
use processpype_runtime::{BUSY_MIN, EVENTS_KEPT, Event, Layout, Manager, Options};

use crate::convert;
use crate::reply;
use crate::server::Control;
use crate::status;

/// How many services a chain tells of.
const STEPS_MAX: usize = 64;

/// How many of those who have the threads a clause names.
const TAKERS_TOLD: usize = 4;

/// The relation to a provider.
const PROVIDER: &str = "provider";

/// The relation to a member of the same group.
const GROUP: &str = "group";

/// One moment of the application.
#[derive(Debug)]
struct Scene {
    now: Timestamp,
    /// Whether the application closes.
    is_closing: bool,
    /// What goes before every path.
    prefix: String,
    services: SortedMap<String, Known>,
}

/// What is known of one service.
#[derive(Clone, Debug)]
struct Known {
    status: ServiceStatus,
    rules: Rules,
    /// The providers that its edges name.
    providers: Vec<String>,
    /// A provider, of it or of its providers, that an operator stopped: a start is refused then.
    held: Option<String>,
    /// What it was found hung by, if it was and has not recovered.
    hung: Option<String>,
    /// For how long its thread has not come back, at least, if that is worth a word.
    busy: Option<u64>,
    /// Why it does not go on although nothing is wrong with it: who has all the threads.
    starved: Option<String>,
    /// By which limit it was given up: its own, or that of its group.
    gave_up: Option<String>,
    /// The stop that took it along, if one did.
    cascade: Option<Cascade>,
    /// Who paused all automatic restarts, if somebody did.
    paused_by: Option<String>,
}

/// The rules that a service lives by, as far as they explain something.
#[derive(Clone, Debug)]
struct Rules {
    autostart: bool,
    policy: RestartPolicy,
    max_restarts: Option<u32>,
    within_ms: u64,
    start_timeout_ms: u64,
    stop_timeout_ms: u64,
}

/// A stop of a provider with `cascade`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cascade {
    provider: String,
    actor: Option<String>,
}

/// Answers `GET /services/{name}/-/why`.
pub(crate) fn why(control: &Control, name: &str) -> Result<Response, Problem> {
    status::known(control, name)?;
    let scene = Scene::around(control, name);
    let why = explain(&scene, name).ok_or_else(|| reply::internal("a known service is unknown"))?;
    Ok(reply::json(StatusCode::OK, &why))
}

/// Follows what `name` waits for to the roots.
fn explain(scene: &Scene, name: &str) -> Option<Why> {
    let mut steps: Vec<WhyStep> = vec![step(scene, name, 0)?];
    let (mut next, mut truncated) = (0, false);
    while let Some(current) = steps.get(next) {
        let depth = current.depth + 1;
        let others: Vec<String> = each(&current.waits_for, |it| it.service.clone());
        for other in others {
            if steps.iter().any(|step| step.service == other) {
                continue;
            }
            match step(scene, &other, depth) {
                Some(step) if steps.len() < STEPS_MAX => steps.push(step),
                Some(_) => truncated = true,
                None => {}
            }
        }
        next += 1;
    }
    let leads_on = |step: &&WhyStep| !step.waits_for.iter().any(|it| told(&steps, &it.service));
    let mut roots: Vec<String> =
        steps.iter().filter(leads_on).map(|step| step.service.clone()).collect();
    if roots.is_empty() {
        // Members of one group wait for each other: each of them is where to act.
        roots = each(&steps, |step| step.service.clone());
    }
    let text = words::chain(&steps);
    let actions = actions::actions(scene, &steps, &roots);
    Some(Why { service: name.to_owned(), text, steps, roots, truncated, actions })
}

fn told(steps: &[WhyStep], service: &str) -> bool {
    steps.iter().any(|step| step.service == service)
}

fn step(scene: &Scene, name: &str, depth: u32) -> Option<WhyStep> {
    let known = scene.services.get(name)?;
    let situation = judge::situation(known, scene.is_closing);
    let status = &known.status;
    let error = status.error.clone().or_else(|| status.last_error.clone());
    Some(WhyStep {
        service: name.to_owned(),
        depth,
        state: status.state,
        since: status.since,
        situation: situation.as_str().to_owned(),
        text: words::clause(known, situation, scene.now),
        next_at: judge::next_at(known, situation),
        error,
        waits_for: if scene.is_closing { Vec::new() } else { waits_for(known) },
    })
}

fn waits_for(known: &Known) -> Vec<WaitsFor> {
    let relation = |service: &String| {
        if known.providers.contains(service) { PROVIDER } else { GROUP }.to_owned()
    };
    let waits = known.status.waiting_on.iter();
    waits.map(|it| WaitsFor { service: it.clone(), relation: relation(it) }).collect()
}

// === impl Scene ===

impl Scene {
    /// Takes what can be in the chain of `name`, and nothing of the rest of the application.
    fn around(control: &Control, name: &str) -> Self {
        let (manager, book) = (&control.manager, control.manager.config_book());
        let mut services = SortedMap::new();
        let mut next = VecDeque::from([name.to_owned()]);
        // One more than is told, so that it shows whether the chain goes on.
        while services.len() <= STEPS_MAX {
            let Some(name) = next.pop_front() else { break };
            let Some(status) = manager.status(&name).filter(|_| !services.contains_key(&name))
            else {
                continue;
            };
            let status = convert::status(&status, &book, false);
            next.extend(status.waiting_on.iter().cloned());
            services.insert(name, status);
        }
        let layout = manager.layout();
        let rules = layout.services.iter().filter_map(|laid_out| {
            let status = services.remove(laid_out.name.as_str())?;
            Some((laid_out.name.to_string(), Known::new(status, Rules::of(laid_out.options()))))
        });
        let mut services: SortedMap<String, Known> = rules.collect();
        let required = required(&layout);
        let paused_by = manager.pause().map(|pause| pause.actor.to_string());
        let starved = starved(&manager.busy(), control.settings.service_threads);
        for (name, known) in services.iter_mut() {
            let own = required.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            known.providers = each(own, |(provider, _)| (*provider).to_owned());
            known.held = held(manager, &required, name);
            known.paused_by.clone_from(&paused_by);
            let busy = manager.busy_for(name).filter(|busy| *busy >= BUSY_MIN);
            known.busy = busy.map(milliseconds);
            known.starved = starved.clone().filter(|_| known.busy.is_none() && known.is_alive());
        }
        let page = manager.events(0, EVENTS_KEPT);
        let mut cascades = Cascades::new();
        page.events.iter().for_each(|event| recall(&mut services, &mut cascades, event));
        Self {
            now: convert::time(manager.now()),
            is_closing: manager.is_closing(),
            prefix: control.prefix().to_owned(),
            services,
        }
    }
}

/// Says who has all the threads of services, if nobody else can have one.
fn starved(busy: &[ServiceName], threads: usize) -> Option<String> {
    let threads = threads.max(1);
    if busy.is_empty() || busy.len() < threads {
        return None;
    }
    let names: Vec<&str> = busy.iter().take(TAKERS_TOLD).map(ServiceName::as_str).collect();
    let more = match busy.len().saturating_sub(TAKERS_TOLD) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let names = names.join(", ");
    let all = if threads == 1 { "the thread".to_owned() } else { format!("all {threads} threads") };
    Some(format!("it has no thread: {names}{more} block or spin on {all} that services share"))
}

/// The providers of each service, and whether it cannot start without.
type Required<'a> = HashMap<&'a str, Vec<(&'a str, bool)>>;

fn required(layout: &Layout) -> Required<'_> {
    let mut required: Required<'_> = HashMap::new();
    for edge in &layout.edges {
        let provider = (layout.name(edge.provider).as_str(), edge.policy.gates());
        required.entry(layout.name(edge.dependent).as_str()).or_default().push(provider);
    }
    required
}

/// Finds a provider that an operator stopped, among all that `name` cannot start without.
fn held(manager: &Manager, required: &Required<'_>, name: &str) -> Option<String> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut next: Vec<&str> = vec![name];
    while let Some(name) = next.pop() {
        let providers = required.get(name).map_or(&[][..], Vec::as_slice);
        let gates = providers.iter().filter(|(_, gates)| *gates);
        next.extend(gates.map(|(provider, _)| *provider).filter(|it| seen.insert(it)));
    }
    let is_held = |name: &&str| {
        manager.status(name).is_some_and(|it| {
            let by_command = it.acted.as_ref().is_some_and(|acted| acted.verb == "stop");
            let is_wanted = it.desired == Desired::Running || it.completed;
            !is_wanted && (by_command || it.generation.0 > 0)
        })
    };
    seen.into_iter().find(is_held).map(str::to_owned)
}

/// The cascading stops that the journal holds, by their operation.
type Cascades = SortedMap<OperationId, Cascade>;

/// Takes from one event of the journal what no status has.
fn recall(services: &mut SortedMap<String, Known>, cascades: &mut Cascades, event: &Event) {
    let Some(name) = event.service.as_ref().map(ServiceName::as_str) else { return };
    let is_stop = event.kind == EventKind::Command && event.cause == "stop";
    let is_cascade = |flags: &str| flags.starts_with("cascade");
    if let Some(operation) = event.operation.filter(|_| is_stop)
        && event.message.as_deref().is_some_and(is_cascade)
    {
        let actor = event.actor.as_deref().map(str::to_owned);
        cascades.insert(operation, Cascade { provider: name.to_owned(), actor });
        return;
    }
    let Some(known) = services.get_mut(name) else { return };
    match (event.kind, event.cause) {
        (EventKind::State, cause) => {
            // Which stop it was the event says itself: others may have begun since.
            if cause == Cause::Cascade.as_str() {
                known.cascade = event.operation.and_then(|it| cascades.get(&it)).cloned();
            } else if cause == Cause::Operator.as_str() || event.to == Some(ServiceState::Starting)
            {
                known.cascade = None;
            }
            known.hung = None;
        }
        (EventKind::Health, "heartbeat-lost" | "blocked") => {
            known.hung = event.message.as_deref().map(str::to_owned);
        }
        (EventKind::Health, "recovered") => known.hung = None,
        (EventKind::Restart, "exhausted") => {
            let limit = event.message.as_deref().and_then(|text| text.split(';').next());
            known.gave_up = limit.map(str::to_owned);
        }
        _ => {}
    }
}

// === impl Known ===

impl Known {
    fn new(status: ServiceStatus, rules: Rules) -> Self {
        let (held, hung, busy, starved, gave_up) = (None, None, None, None, None);
        let (providers, cascade, paused_by) = (Vec::new(), None, None);
        Self { status, rules, providers, held, hung, busy, starved, gave_up, cascade, paused_by }
    }

    /// Whether something of it should be running.
    fn is_alive(&self) -> bool {
        use processpype_api::ServiceState::{Running, Starting, Stopping};
        matches!(self.status.state, Starting | Running | Stopping)
    }
}

// === impl Rules ===

impl Rules {
    fn of(options: &Options) -> Self {
        let ms = milliseconds;
        Self {
            autostart: options.autostart,
            policy: options.restart.policy,
            max_restarts: options.restart.limit.max_restarts(),
            within_ms: ms(options.restart.limit.within()),
            start_timeout_ms: ms(options.start_timeout),
            stop_timeout_ms: ms(options.stop_timeout),
        }
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
