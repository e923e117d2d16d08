//! The decisions about every service of one application: `(state, report or command) → actions`.
//!
//! The [`Machine`] holds desired and observed state and nothing else: no clock, no task, no text. The
//! runtime feeds it [`Report`]s and commands, one at a time, and carries out the [`Action`]s it answers
//! with. (Shape: OTP's `supervisor.erl`, rust-analyzer's main loop.)
//!
//! # Invariants
//!
//! 1. A generation is spawned only when every provider is available and the last generation is gone.
//! 2. In a plan (closing, cascade) a service is asked to stop only when no dependent of it lives;
//!    an orphan does not count, or shutdown would never end.
//! 3. A report of an old generation changes nothing.
//! 4. Every wait has a [`Timer`]: a living generation that should end always has one armed.
//! 5. Each operation ends exactly once.

mod commands;
mod digest;
mod life;
mod order;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::event::{Cause, Change};
use crate::exit::{ErrorKind, Exit};
use crate::graph::{Graph, ServiceId};
use crate::state::{Desired, Generation, Input, ServiceState};

/// What is fixed about one service before anything runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Traits {
    /// Whether the service may run at all.
    pub enabled: bool,
    /// Whether it starts with the application.
    pub autostart: bool,
    /// Whether its success ends it: completed, and from then on ready for its dependents.
    pub oneshot: bool,
    /// Whether the application closes when it fails.
    pub significant: bool,
}

/// Names one command from acceptance to its end; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub u64);

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Run the service, and the providers that were never started.
    Start {
        /// Also start providers that an operator stopped, or that failed.
        with_dependencies: bool,
    },
    /// Stop the service and keep it stopped.
    Stop {
        /// Stop the services that need it first.
        cascade: bool,
    },
    /// Stop the service, if it runs, and start a new generation.
    Restart,
}

/// A wait that the runtime must bound; how long is the runtime's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// Constructor and `start`: `start_timeout`.
    Start,
    /// Teardown: `stop_timeout`.
    Stop,
    /// From abort to orphaned.
    Abort,
}

/// What the runtime tells about generations and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// Constructor and `start` succeeded; `ready` is what the service said meanwhile.
    Started {
        /// Whether it counts as ready from the first moment.
        ready: bool,
    },
    /// The service changed its readiness.
    Ready(bool),
    /// The generation failed or completed by itself and tears itself down.
    Ending(Exit),
    /// Nothing of the generation is left.
    Gone(Exit),
    /// A [`Timer`] that was armed for the generation has elapsed.
    Elapsed(Timer),
}

/// What the runtime has to do, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Run this generation.
    Spawn(ServiceId, Generation),
    /// Ask this generation to stop.
    Stop(ServiceId, Generation),
    /// End this generation by force.
    Abort(ServiceId, Generation),
    /// Report [`Report::Elapsed`] after the timer's time, if the generation still lives then.
    Arm(ServiceId, Generation, Timer),
    /// A transition happened: publish state and event.
    Changed(Change),
    /// Something beside the state changed (readiness, desired, what is waited for): publish it.
    Touched(ServiceId),
    /// An operation ended.
    Finish(OperationId, Outcome),
    /// Every service that should start has started, failed, or waits: told once.
    Settled,
    /// The application began to close.
    Closing(CloseCause),
    /// Nothing lives any more but orphans: told once.
    Closed,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The effect is there.
    Done {
        /// Whether this operation made it.
        changed: bool,
    },
    /// The generation it was about failed.
    Failed(ErrorKind),
    /// A later command, or closing, took its place.
    Superseded,
    /// It cannot be done now.
    Refused(Refusal),
}

/// Why a command is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The service is `enabled: false`.
    Disabled,
    /// The application is closing.
    Closing,
    /// An orphan of the last generation may still run.
    Orphaned,
    /// A provider was stopped by an operator.
    ProviderStopped(ServiceId),
}

/// Why an application closes; the first cause counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// It was asked to: a signal, the owner, the end of a scope.
    Requested,
    /// A significant service failed before the application had settled.
    SignificantAtStart(ServiceId),
    /// A significant service failed later.
    Significant(ServiceId),
}

/// Desired and observed state of every service of an application.
///
/// ```
/// use processpype_core::{Action, Generation, Graph, Machine, ServiceId, Traits};
///
/// let traits = Traits { enabled: true, autostart: true, oneshot: false, significant: false };
/// let mut machine = Machine::new(Graph::new(1, [])?, vec![traits], 8);
/// let mut actions = Vec::new();
/// machine.boot(&mut actions);
/// assert!(actions.contains(&Action::Spawn(ServiceId(0), Generation(1))));
/// # Ok::<(), processpype_core::Cycle>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Shared, so that a copy of the machine is cheap.
    graph: Arc<Graph>,
    records: Vec<Record>,
    /// Services that may start as soon as there is a place.
    queue: VecDeque<ServiceId>,
    /// How many generations may be starting at once.
    starts_at_once: usize,
    /// How many are in `starting`.
    starting: usize,
    /// How many are in `starting` or `stopping`.
    transient: usize,
    /// How many generations live, orphans not counted.
    live: usize,
    phase: Phase,
    settled: bool,
    close_cause: Option<CloseCause>,
}

/// Where the application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Assembled,
    Open,
    Closing,
    Closed,
}

/// All that is known about one service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Record {
    traits: Traits,
    state: ServiceState,
    generation: Generation,
    desired: Desired,
    /// An operator's stop; it stays until an operator's start.
    held: bool,
    /// A new generation should begin as soon as it may; why.
    wanted: Option<Cause>,
    queued: bool,
    life: Life,
    ready: bool,
    /// The last generation completed and nothing has run since.
    completed: bool,
    /// The stop of this generation was asked for (not: it failed).
    asked: bool,
    /// The failure that began the teardown of this generation.
    failure: Option<Exit>,
    /// Asked to stop once its dependents are gone.
    leaving: Option<Cause>,
    /// This generation was ended by force, or could not be ended.
    forced: bool,
    /// Whether dependents may count on it, as last told to them.
    available: bool,
    /// Providers that are not available.
    unmet: u32,
    /// Dependents whose generation lives.
    live_dependents: u32,
    operations: Operations,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    /// Nothing of the last generation is left.
    Gone,
    Live,
    /// It could not be ended; it may still run.
    Orphan,
}

/// The operations that wait for one service: all of the same verb, the later command wins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Operations {
    verb: Option<Verb>,
    waiting: Vec<OperationId>,
    changed: bool,
}

// === impl Machine ===

impl Machine {
    /// Makes the machine of an application: all stopped, nothing started.
    ///
    /// `starts_at_once` bounds how many generations may be in `starting` together (at least 1).
    ///
    /// # Panics
    ///
    /// Panics if there are not as many `traits` as services in `graph`.
    #[must_use]
    pub fn new(graph: Graph, traits: Vec<Traits>, starts_at_once: usize) -> Self {
        assert_eq!(graph.len(), traits.len(), "every service of the graph has its traits");
        let unmet = |id| graph.providers(id).len() as u32;
        let records =
            graph.services().zip(traits).map(|(id, traits)| Record::new(traits, unmet(id)));
        Self {
            records: records.collect(),
            graph: Arc::new(graph),
            queue: VecDeque::new(),
            starts_at_once: starts_at_once.max(1),
            starting: 0,
            transient: 0,
            live: 0,
            phase: Phase::Assembled,
            settled: false,
            close_cause: None,
        }
    }

    /// Starts every service that should run, in order.
    pub fn boot(&mut self, actions: &mut Vec<Action>) {
        if self.phase == Phase::Assembled {
            self.phase = Phase::Open;
            self.desire_providers();
            for id in self.graph.services() {
                if self.record(id).desired == Desired::Running {
                    self.want(id, Cause::Boot, actions);
                }
            }
        }
        self.finish_step(actions);
    }

    /// Takes in what happened to one generation. A report about an old generation changes nothing.
    pub fn report(
        &mut self,
        id: ServiceId,
        generation: Generation,
        report: Report,
        actions: &mut Vec<Action>,
    ) {
        let record = self.record(id);
        if record.generation == generation && record.life != Life::Gone {
            match report {
                Report::Started { ready } => self.started(id, ready, actions),
                Report::Ready(ready) => self.set_ready(id, ready, actions),
                Report::Ending(exit) => self.ending(id, exit, actions),
                Report::Gone(exit) => self.gone(id, exit, actions),
                Report::Elapsed(timer) => self.elapsed(id, timer, actions),
            }
        }
        self.finish_step(actions);
    }

    /// Begins to stop everything in reverse order.
    pub fn close(&mut self, cause: CloseCause, actions: &mut Vec<Action>) {
        self.begin_closing(cause, actions);
        self.finish_step(actions);
    }

    /// Ends everything that still lives by force, in no order: the closing deadline has passed.
    pub fn abort_all(&mut self, actions: &mut Vec<Action>) {
        self.begin_closing(CloseCause::Requested, actions);
        for id in self.graph.services() {
            if self.record(id).life == Life::Live {
                self.abort(id, actions);
            }
        }
        self.finish_step(actions);
    }

    /// Returns the graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the state of a service.
    #[must_use]
    pub fn state(&self, id: ServiceId) -> ServiceState {
        self.record(id).state
    }

    /// Returns the generation that lives, or lived last.
    #[must_use]
    pub fn generation(&self, id: ServiceId) -> Generation {
        self.record(id).generation
    }

    /// Returns what the service should be doing.
    #[must_use]
    pub fn desired(&self, id: ServiceId) -> Desired {
        self.record(id).desired
    }

    /// Returns whether the service is running and ready.
    #[must_use]
    pub fn is_ready(&self, id: ServiceId) -> bool {
        let record = self.record(id);
        record.state == ServiceState::Running && record.ready
    }

    /// Returns whether dependents of the service may start: it is ready and staying, or completed.
    #[must_use]
    pub fn is_available(&self, id: ServiceId) -> bool {
        self.record(id).available
    }

    /// Returns whether the last generation completed.
    #[must_use]
    pub fn is_completed(&self, id: ServiceId) -> bool {
        self.record(id).completed
    }

    /// Returns whether something of the current generation is left, an orphan included.
    #[must_use]
    pub fn is_alive(&self, id: ServiceId) -> bool {
        self.record(id).life != Life::Gone
    }

    /// Returns whether the service's last generation was given up although it may still run.
    #[must_use]
    pub fn is_orphaned(&self, id: ServiceId) -> bool {
        self.record(id).life == Life::Orphan
    }

    /// Returns whether the last generation had to be ended by force.
    #[must_use]
    pub fn was_forced(&self, id: ServiceId) -> bool {
        self.record(id).forced
    }

    /// Returns the providers that a service which should start is waiting for.
    pub fn waiting_on(&self, id: ServiceId) -> impl Iterator<Item = ServiceId> {
        let waits = self.record(id).wanted.is_some() && !self.is_closing();
        let providers = if waits { self.graph.providers(id) } else { &[] };
        providers.iter().copied().filter(|&provider| !self.record(provider).available)
    }

    /// Returns the direct dependents whose generation lives.
    pub fn live_dependents(&self, id: ServiceId) -> impl Iterator<Item = ServiceId> {
        let dependents = self.graph.dependents(id).iter().copied();
        dependents.filter(|&dependent| self.record(dependent).life == Life::Live)
    }

    /// Returns whether everything that should start had started, failed or waited once.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.settled
    }

    /// Returns whether the application is closing or closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed)
    }

    /// Returns why the application closes.
    #[must_use]
    pub fn close_cause(&self) -> Option<CloseCause> {
        self.close_cause
    }

    /// What a service that starts with the application needs starts with it, also without `autostart`.
    fn desire_providers(&mut self) {
        for id in self.graph.topological().into_iter().rev() {
            if self.record(id).desired == Desired::Running {
                for provider in self.graph.providers(id).to_vec() {
                    let record = self.record_mut(provider);
                    if record.traits.enabled {
                        record.desired = Desired::Running;
                    }
                }
            }
        }
    }

    fn begin_closing(&mut self, cause: CloseCause, actions: &mut Vec<Action>) {
        if self.is_closing() {
            return;
        }
        self.phase = Phase::Closing;
        self.close_cause = Some(cause);
        self.queue.clear();
        actions.push(Action::Closing(cause));
        for id in self.graph.services() {
            let record = self.record_mut(id);
            let waited = record.wanted.take().is_some();
            record.queued = false;
            if !matches!(record.operations.verb, Some(Verb::Stop { .. })) {
                record.operations.end(Outcome::Superseded, actions);
            }
            if waited {
                actions.push(Action::Touched(id));
            }
            if self.record(id).life == Life::Live {
                self.leave(id, Cause::Closing, actions);
            }
        }
    }

    /// Does what is left to do after every input: fill free places, tell the ends.
    fn finish_step(&mut self, actions: &mut Vec<Action>) {
        self.pump(actions);
        let quiet = self.transient == 0 && self.queue.is_empty();
        if self.phase == Phase::Open && !self.settled && quiet {
            self.settled = true;
            actions.push(Action::Settled);
        }
        if self.phase == Phase::Closing && self.live == 0 {
            self.phase = Phase::Closed;
            actions.push(Action::Closed);
        }
    }

    fn record(&self, id: ServiceId) -> &Record {
        &self.records[id.index()]
    }

    fn record_mut(&mut self, id: ServiceId) -> &mut Record {
        &mut self.records[id.index()]
    }

    /// The only place that changes a state.
    fn transition(&mut self, id: ServiceId, input: Input, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        let from = record.state;
        let to = from.step(input).expect("the machine only takes steps that the state allows");
        record.state = to;
        if input == Input::Start {
            record.generation = record.generation.next();
        }
        let generation = record.generation;
        self.starting += usize::from(to == ServiceState::Starting);
        self.starting -= usize::from(from == ServiceState::Starting);
        self.transient += usize::from(to.is_transient());
        self.transient -= usize::from(from.is_transient());
        actions.push(Action::Changed(Change { service: id, generation, from, to, cause }));
    }
}

// === impl Record ===

impl Record {
    fn new(traits: Traits, unmet: u32) -> Self {
        let starts = traits.enabled && traits.autostart;
        Self {
            traits,
            state: ServiceState::Stopped,
            generation: Generation::default(),
            desired: if starts { Desired::Running } else { Desired::Stopped },
            held: false,
            wanted: None,
            queued: false,
            life: Life::Gone,
            ready: false,
            completed: false,
            asked: false,
            failure: None,
            leaving: None,
            forced: false,
            available: false,
            unmet,
            live_dependents: 0,
            operations: Operations::default(),
        }
    }
}

// === impl Operations ===

impl Operations {
    /// Adds an operation; one of another verb ends the ones before it as superseded.
    fn join(
        &mut self,
        operation: OperationId,
        verb: Verb,
        changed: bool,
        actions: &mut Vec<Action>,
    ) {
        if !self.verb.is_some_and(|waiting| waiting.is_same_as(verb)) {
            self.end(Outcome::Superseded, actions);
        }
        self.verb = Some(verb);
        self.changed |= changed;
        self.waiting.push(operation);
    }

    /// Ends every waiting operation.
    fn end(&mut self, outcome: Outcome, actions: &mut Vec<Action>) {
        self.verb = None;
        self.changed = false;
        actions.extend(self.waiting.drain(..).map(|operation| Action::Finish(operation, outcome)));
    }

    fn done(&mut self, actions: &mut Vec<Action>) {
        let changed = self.changed;
        self.end(Outcome::Done { changed }, actions);
    }
}

// === impl Verb ===

impl Verb {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Restart => "restart",
        }
    }

    fn is_same_as(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

// === impl Timer ===

impl Timer {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start-timeout",
            Self::Stop => "stop-timeout",
            Self::Abort => "orphaned",
        }
    }
}
