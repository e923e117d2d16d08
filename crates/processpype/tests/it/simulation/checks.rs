//! What must hold in every history: a second, small idea of what the supervisor does, made from
//! the events alone.
//!
//! # Invariants
//!
//! 1. The observer reads what a client can read (events in order), and what the sample says; it
//!    shares no code with the machine.

mod budget;
mod pace;
mod together;

use std::sync::Arc;

use processpype::{EdgePolicy, Event, EventKind, RestartPolicy, ServiceState};

use self::budget::{Allowed, Budget};
use self::pace::Pace;
use super::actor::World;
use super::sample::{Sample, id_of, name};

/// The actor of every command of a simulation.
pub(crate) const OPERATOR: &str = "operator";
/// What the journal says of a cascading stop.
pub(crate) const CASCADE: &str = "cascade";
/// What the journal says of a start that takes its providers with it.
pub(crate) const WITH_DEPENDENCIES: &str = "with dependencies";
/// What the journal says of a restart that takes its dependents with it.
pub(crate) const WITH_DEPENDENTS: &str = "with dependents";

/// How long before the closing deadline everything is ended by force, in milliseconds.
const ABORT_RESERVE: u64 = 300;

/// Reads a history and collects what is wrong in it.
pub(crate) struct Observer<'a> {
    sample: &'a Sample,
    world: &'a World,
    seen: Vec<Seen>,
    /// From when on everything is ended in no order, in the time of events.
    pub(crate) abort_at: Option<u64>,
    is_closing: bool,
    /// The last command that starts something.
    started: u64,
    /// What a refusal takes back.
    before_command: Option<(usize, u64, Vec<Seen>, Vec<Budget>)>,
    /// What was taken from the budget of each group.
    budgets: Vec<Budget>,
    pace: Pace,
    /// When the application began, in the time of events.
    began: u64,
    given: usize,
    ended: usize,
    pub(crate) wrong: Vec<String>,
}

/// What is known of one service.
#[derive(Clone)]
struct Seen {
    state: ServiceState,
    generation: u64,
    ready: bool,
    completed: bool,
    /// An operator stopped it.
    held: bool,
    /// The last stop with a cascade that it is part of.
    cascade: u64,
    /// The last command on it was a stop that cascades.
    leaves_last: bool,
    /// How the last generation ended, until a restart or a giving up was told.
    end: Option<&'static str>,
    budget: Budget,
    /// A restart was allowed, and has not begun.
    allowed: Option<Allowed>,
    /// Dependents could count on it for sure; and then not.
    served: bool,
    lost: bool,
    /// The generation that is to end because others restart.
    due: Option<u64>,
    /// The generation that is to stop for good, and to restart with others if a command keeps it.
    overdue: Option<u64>,
    /// Its generation ends because it failed.
    failed: bool,
    /// It restarts after those that need it, because an operator said so.
    in_turn: bool,
    /// The generation that may end because others restart.
    marked: Option<u64>,
    /// Since when it is in its state.
    since: u64,
    /// A provider that it cannot start without was missing while it lived.
    missed: bool,
    /// A provider may have been about to stop, which no event shows.
    may_have_missed: bool,
    /// It failed, and is not back before this.
    back_at: Option<u64>,
    /// Given up after too many restarts.
    exhausted: bool,
    /// A restart was promised.
    promised: bool,
    /// Something may have been in the way of the restart that was promised.
    delayed: bool,
    /// An operator started it, and waits.
    urgent: bool,
}

// === impl Observer ===

impl<'a> Observer<'a> {
    pub(crate) fn new(sample: &'a Sample, world: &'a World) -> Self {
        let seen = sample.natures.iter().map(|_| Seen::new()).collect();
        let (wrong, before_command) = (Vec::new(), None);
        let (abort_at, is_closing, started) = (None, false, 0);
        let (given, ended) = (0, 0);
        let budgets = vec![Budget::default(); sample.groups.len()];
        Self {
            sample,
            world,
            seen,
            abort_at,
            is_closing,
            started,
            before_command,
            budgets,
            pace: Pace::default(),
            began: 0,
            given,
            ended,
            wrong,
        }
    }

    /// Reads the whole history; `aborted` says when the operator asked to end everything at once,
    /// `rests` before which events everything had come to rest.
    pub(crate) fn read(&mut self, events: &[Arc<Event>], rests: &[usize], aborted: Option<u64>) {
        self.abort_at = aborted;
        self.began = events.first().map_or(0, |event| event.time.0);
        for (index, event) in events.iter().enumerate() {
            if rests.contains(&index) {
                self.rest(event);
            }
            if event.seq != index as u64 + 1 {
                self.complain(event, "the numbers have a gap");
            }
            self.pass_time(event);
            self.event(event);
            self.note_missing();
        }
        self.check_rate();
        if self.given != self.ended {
            self.wrong.push(format!("{} commands given, {} ended", self.given, self.ended));
        }
        for (id, seen) in self.seen.iter().enumerate() {
            if !matches!(seen.state, ServiceState::Stopped | ServiceState::Error) {
                self.wrong.push(format!("{} is {} at the end", name(id), seen.state));
            }
        }
    }

    /// Who restarts with a provider has done so.
    fn rest(&mut self, event: &Event) {
        for id in 0..self.seen.len() {
            let seen = &self.seen[id];
            if seen.is_due() {
                let what = format!("until here {} was to restart with others", name(id));
                self.complain(event, &what);
            }
        }
    }

    fn event(&mut self, event: &Event) {
        let service = event.service.as_ref().filter(|_| event.kind != EventKind::Application);
        let Some(service) = service else { return self.application(event) };
        let id = id_of(service.as_str());
        match event.kind {
            EventKind::State => self.transition(id, event),
            EventKind::Health => self.health(id, event),
            EventKind::Restart => self.restart(id, event),
            EventKind::Command => self.command(id, event),
            EventKind::HandlerPanic | EventKind::InstanceLeaked | EventKind::Application => {
                self.complain(event, "nobody does such a thing here");
            }
            _ => self.complain(event, "an event that this observer does not know"),
        }
        if event.kind != EventKind::Command {
            self.before_command = None;
        }
    }

    /// The end comes by its deadline, whatever the services do.
    fn application(&mut self, event: &Event) {
        let now = event.time.0;
        match event.cause {
            "closing" => {
                let closing = self.sample.closing_timeout.as_millis() as u64;
                let deadline = now + closing.saturating_sub(ABORT_RESERVE);
                self.abort_at = Some(self.abort_at.map_or(deadline, |at| at.min(deadline)));
                self.is_closing = true;
                self.seen.iter_mut().for_each(|seen| seen.urgent = false);
            }
            "paused" => self.pace.paused = self.pace.paused.or(Some(now)),
            "resumed" => self.pace.paused = None,
            "closed" if self.abort_at.is_none_or(|at| now > at + ABORT_RESERVE) => {
                self.complain(event, &format!("too late: all was to end at {:?}", self.abort_at));
            }
            _ => {}
        }
    }

    fn transition(&mut self, id: usize, event: &Event) {
        let (Some(from), Some(to)) = (event.from, event.to) else {
            return self.complain(event, "a transition without states");
        };
        if from != self.seen[id].state || !may_follow(from, to) {
            self.complain(event, "the states do not follow each other");
        }
        let generation = event.generation.map_or(0, |generation| generation.0);
        let begins = to == ServiceState::Starting;
        self.check_heart(id, event);
        self.check_together(id, event);
        self.count(id, event);
        self.fails(id, event);
        if generation != self.seen[id].generation + u64::from(begins) {
            self.complain(event, "the numbers of generations do not follow each other");
        }
        match to {
            ServiceState::Starting => self.starts(id, event),
            ServiceState::Stopping => self.stops(id, event),
            ServiceState::Running | ServiceState::Stopped | ServiceState::Error => {}
        }
        let unready = self.world.began_unready(id, generation);
        let seen = &mut self.seen[id];
        seen.held |= event.cause == "cascade";
        (seen.state, seen.since) = (to, event.time.0);
        seen.generation = generation;
        seen.ready = to == ServiceState::Running && !unready;
        seen.completed = to == ServiceState::Stopped && event.cause == "completed";
        seen.end = match to {
            ServiceState::Error | ServiceState::Stopped => Some(event.cause),
            ServiceState::Starting | ServiceState::Running | ServiceState::Stopping => None,
        };
    }

    /// Nobody starts before what it needs is there, nor against the will of an operator.
    fn starts(&mut self, id: usize, event: &Event) {
        let mut missing = Vec::new();
        for (provider, policy) in &self.sample.natures[id].edges {
            let seen = &self.seen[*provider];
            let is_there = match policy {
                EdgePolicy::Optional => seen.state != ServiceState::Starting,
                EdgePolicy::Hold | EdgePolicy::Restart => self.is_there(*provider),
            };
            if !is_there {
                missing.push(*provider);
            }
        }
        for provider in missing {
            self.complain(event, &format!("it starts before {} is there", name(provider)));
        }
        self.check_mates(id, event);
        self.follow(id, |policy| policy == EdgePolicy::Restart, true);
        if self.seen[id].held {
            self.complain(event, "it starts although an operator stopped it");
        }
        if self.is_closing && self.abort_at.is_some_and(|at| event.time.0 > at) {
            self.complain(event, "it starts while everything ends");
        }
        self.begins(id, event.time.0);
        self.seen[id].begin();
    }

    /// In a plan nobody is asked to stop before its dependents are gone.
    fn stops(&mut self, id: usize, event: &Event) {
        self.check_order_together(id, event);
        let in_time = self.abort_at.is_none_or(|at| event.time.0 < at);
        let seen = &self.seen[id];
        let cascades = seen.cascade > self.started;
        let in_the_way: fn(EdgePolicy) -> bool = match event.cause {
            "closing" if in_time => |_| true,
            "cascade" if cascades => |policy| policy != EdgePolicy::Optional,
            "operator" if cascades && seen.leaves_last => |policy| policy != EdgePolicy::Optional,
            _ => return,
        };
        let dependents = self.sample.dependents(id).filter(|edge| in_the_way(edge.1));
        let alive: Vec<usize> =
            dependents.map(|edge| edge.0).filter(|&id| self.seen[id].lives()).collect();
        for dependent in alive {
            self.complain(event, &format!("it is asked to stop while {} lives", name(dependent)));
        }
    }

    fn health(&mut self, id: usize, event: &Event) {
        self.check_heart(id, event);
        match event.cause {
            "ready" | "unready" if self.seen[id].state != ServiceState::Running => {
                self.complain(event, "it speaks of readiness and does not run");
            }
            "ready" if !self.seen[id].ready => self.seen[id].ready = true,
            "unready" if self.seen[id].ready => self.seen[id].ready = false,
            "ready" | "unready" => self.complain(event, "it was so already"),
            "heartbeat-lost" | "recovered" => {}
            _ => self.complain(event, "nobody says such a thing here"),
        }
    }

    /// A restart follows one unasked end that the policy covers, and the budget bounds it.
    fn restart(&mut self, id: usize, event: &Event) {
        if event.cause == "restart-held" {
            return self.promise(id, event);
        }
        let options = &self.sample.natures[id].restart;
        let end = self.seen[id].end.take();
        let counted = !event.message.as_ref().is_some_and(|text| text.contains("not counted"));
        let covered = match (options.policy, end) {
            (RestartPolicy::Never, _) | (_, None) => false,
            (RestartPolicy::Always, Some("completed")) => counted,
            (_, Some("dependency")) => self.seen[id].costs(counted),
            (_, Some("completed" | "stopped" | "aborted")) => false,
            (_, Some(_)) => counted,
        };
        if !covered || self.seen[id].held {
            self.complain(event, &format!("nothing asks for this after {end:?}"));
        }
        if event.cause == "restart-scheduled" {
            self.promise(id, event);
        } else {
            self.seen[id].exhausted = true;
        }
        if counted {
            self.spend(id, event);
        }
    }

    fn command(&mut self, id: usize, event: &Event) {
        let reason = event.message.as_deref();
        match event.cause {
            "start" | "restart" | "stop" => {
                self.given += 1;
                let before = (id, self.started, self.seen.clone(), self.budgets.clone());
                self.before_command = Some(before);
            }
            "refused" => match self.before_command.take() {
                Some((refused, started, seen, budgets)) if refused == id => {
                    (self.started, self.seen, self.budgets) = (started, seen, budgets);
                }
                _ => self.complain(event, "a refusal does not come at once"),
            },
            _ => {}
        }
        match event.cause {
            "start" | "restart" => {
                self.started = event.seq;
                self.forgive(id, false, event.time.0);
                let all = reason.is_some_and(|text| text.starts_with(WITH_DEPENDENCIES));
                for provider in self.sample.required(id) {
                    if all || self.seen[provider].generation == 0 {
                        self.forgive(provider, true, event.time.0);
                    }
                }
                self.seen[id].urgent = !self.seen[id].lives();
                if event.cause == "restart" {
                    self.restarts_with_dependents(id, reason == Some(WITH_DEPENDENTS));
                }
            }
            "stop" => {
                self.seen[id].hold();
                self.seen[id].leaves_last = reason == Some(CASCADE);
                if reason == Some(CASCADE) {
                    self.cascades(id, event.seq);
                }
            }
            _ => {
                self.ended += 1;
                // Whether others wait for it still is not shown.
                self.seen[id].urgent &= event.cause != "cancelled";
            }
        }
    }

    fn cascades(&mut self, id: usize, seq: u64) {
        self.seen[id].cascade = seq;
        for dependent in 0..self.seen.len() {
            if self.sample.required(dependent).contains(&id) {
                let seen = &mut self.seen[dependent];
                seen.cascade = seq;
                if seen.lives() {
                    seen.hold();
                } else {
                    seen.may_be_forgiven();
                    seen.urgent = false;
                }
            }
        }
    }

    /// Who lives and cannot do without it stops before it; so it is itself to end in its turn.
    fn restarts_with_dependents(&mut self, id: usize, together: bool) {
        self.seen[id].in_turn = together;
        if !together {
            return;
        }
        self.follow(id, |policy| policy != EdgePolicy::Optional, true);
        let seen = &mut self.seen[id];
        if seen.is_up() {
            (seen.due, seen.marked) = (Some(seen.generation), Some(seen.generation));
        }
    }

    fn complain(&mut self, event: &Event, what: &str) {
        self.wrong.push(format!("event {}: {what}", event.seq));
    }
}

/// The transitions of the contract (docs/semantics.md, States), written down once more.
fn may_follow(from: ServiceState, to: ServiceState) -> bool {
    use ServiceState::{Error, Running, Starting, Stopped, Stopping};
    match from {
        Stopped => to == Starting,
        Starting => to != Starting,
        Running => to == Stopping,
        Stopping => matches!(to, Stopped | Error),
        Error => matches!(to, Starting | Stopped),
    }
}

// === impl Seen ===

impl Seen {
    fn new() -> Self {
        Self {
            state: ServiceState::Stopped,
            generation: 0,
            ready: false,
            completed: false,
            held: false,
            cascade: 0,
            leaves_last: false,
            end: None,
            budget: Budget::default(),
            allowed: None,
            served: false,
            lost: false,
            due: None,
            overdue: None,
            failed: false,
            in_turn: false,
            marked: None,
            since: 0,
            missed: false,
            may_have_missed: false,
            back_at: None,
            exhausted: false,
            promised: false,
            delayed: false,
            urgent: false,
        }
    }

    fn lives(&self) -> bool {
        !matches!(self.state, ServiceState::Stopped | ServiceState::Error)
    }

    fn is_up(&self) -> bool {
        matches!(self.state, ServiceState::Starting | ServiceState::Running)
    }

    fn forgive(&mut self) {
        self.stays();
        self.leaves_last = false;
        self.comes_no_more();
    }

    /// No operator wants it stopped any more. Who was about to, and was to restart, restarts.
    fn stays(&mut self) {
        self.held = false;
        self.due = self.due.or(self.overdue.take());
    }

    /// An operator stops it.
    fn hold(&mut self) {
        self.overdue = self.due.take().or(self.overdue);
        self.held = true;
        (self.urgent, self.in_turn) = (false, false);
        self.comes_no_more();
    }

    /// It may come as before, or not: nobody can rely on when.
    fn may_be_forgiven(&mut self) {
        if self.exhausted || self.back_at.is_some() {
            (self.exhausted, self.back_at, self.delayed) = (false, Some(0), true);
        }
    }

    /// What was promised, or given up, does not count any more.
    fn comes_no_more(&mut self) {
        (self.back_at, self.exhausted) = (None, false);
        (self.promised, self.delayed) = (false, false);
    }

    /// A new generation begins.
    fn begin(&mut self) {
        self.comes_no_more();
        (self.missed, self.may_have_missed) = (false, false);
        (self.urgent, self.in_turn) = (false, false);
    }

    /// Whether a failure for want of a provider costs a restart: only if none was missing that it
    /// cannot start without.
    fn costs(&self, counted: bool) -> bool {
        if counted { !self.missed } else { self.missed || self.may_have_missed }
    }
}
