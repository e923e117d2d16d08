//! The decisions about every service of one application: `(state, report or command) → actions`.
//!
//! The [`Machine`] holds desired and observed state and nothing else: no clock, no task, no text.
//! The runtime feeds it [`Report`]s and commands, one at a time, and carries out the [`Action`]s it
//! answers with. (Shape: OTP's `supervisor.erl`, rust-analyzer's main loop.)
//!
//! # Invariants
//!
//! Each is checked in `tests/it/observer.rs` under the name in brackets, in every behaviour of
//! small applications.
//!
//! 1. A generation is spawned only when every provider is ready, as last told, or completed (a
//!    oneshot: completed), and no optional one is about to start, and when nobody of its group is
//!    in the way (`StartOrder`);
//!    because an operator, the restart policy, or the restart of a provider or of the group asked
//!    for it, and nobody stopped the service since: an operator's stop stays (`Unasked`).
//! 2. In a plan a service is asked to stop only when no direct dependent lives that is in the plan:
//!    while closing all are, in a cascade those that require it, in a restart with a provider or
//!    with a group those that restart too. An orphan does not count, or shutdown would never end
//!    (`StopOrder`). Ended at once, in a plan too: what exceeds its start timeout or hangs, and all
//!    by [`Machine::abort_all`].
//! 3. Never two generations of one service, but after a start that was forced past an orphan; their
//!    numbers go up one by one (`TwoGenerations`).
//! 4. Every wait has a [`Timer`]: a generation that should start or end has one armed (`NoTimer`).
//! 5. Each operation ends exactly once, and its outcome is true (`Operation`).
//! 6. Transitions follow each other and fit what lives (`Chain`); whatever else an accessor shows
//!    changes only together with [`Action::Changed`] or [`Action::Touched`] (`Untold`).
//! 7. A report that comes too late (of an old generation, or for a state that is left) changes
//!    nothing (`Late`).
//! 8. Settled and closed are told at most once, when they are true (`Once`).
//! 9. A restart is asked for after each unasked end that the policy covers and after no other; out
//!    of the budget for failures only, never while waiting or closing; given up means no restart
//!    until somebody acts (`Recovery`). Who takes its turn waited for a provider that is back, and
//!    no operator waits for it. A significant service closes the application when it is given up,
//!    not before.
//! 10. Without new faults and commands everything comes to rest: what was asked for runs, is given
//!     up, completed or waits, for a provider that is down or a member of its group; what was
//!     stopped is gone; who restarts with others has; closing is closed (`Rest`). Only a start or
//!     restart may then still wait, for such a service.
//! 11. A service leaves when nothing of it is left and nobody that stays has an edge to it
//!     (`Members`).

mod cancel;
mod closing;
mod commands;
mod digest;
mod life;
mod membership;
mod order;
mod record;
mod recovery;
#[cfg(test)]
mod tests;
mod together;
mod traits;
mod view;
mod waiting;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use self::membership::{Newcomer, Unregistrable};
pub use self::words::{
    Action, CloseCause, OperationId, Outcome, Refusal, Report, Timer, Traits, Verb,
};

use self::record::{Life, Past, Record};
use self::waiting::Operations;
use crate::event::{Cause, Change};
use crate::graph::{Graph, ServiceId};
use crate::group::Groups;
use crate::state::{Desired, Generation, Input, ServiceState};

/// Desired and observed state of every service of an application.
///
/// Whoever drives it gives it one input at a time ([`Machine::boot`], [`Machine::report`],
/// [`Machine::command`], [`Machine::register`], [`Machine::close`], [`Machine::abort_all`]), each
/// with a list to add the actions to, and carries those out in their order before the next input. A
/// copy is cheap, and two machines that got the same inputs are equal.
///
/// ```
/// use processpype_core::{Action, Generation, Graph, Machine, ServiceId, Traits};
///
/// let mut machine = Machine::new(Graph::new(1, [])?, vec![Traits::default()], 8);
/// let mut actions = Vec::new();
/// machine.boot(&mut actions);
/// assert!(actions.contains(&Action::Spawn(ServiceId(0), Generation(1))));
/// # Ok::<(), processpype_core::Cycle>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Machine {
    /// Shared, so that a copy of the machine is cheap.
    graph: Arc<Graph>,
    groups: Arc<Groups>,
    records: Vec<Record>,
    /// What waits for a service, for those for which something does.
    operations: BTreeMap<ServiceId, Operations>,
    /// Services that may start as soon as there is a place.
    queue: VecDeque<ServiceId>,
    /// Who is to take its turn because of this input; nobody between two.
    freed: Vec<ServiceId>,
    /// How many generations may be starting at once.
    starts_at_once: usize,
    /// How many are in `starting`.
    starting: usize,
    /// How many are in `stopping`.
    stopping: usize,
    /// For how many [`Record::keeps_open`] holds: while there is one, nothing has settled.
    kept_open_by: usize,
    /// How many generations live, orphans not counted.
    live: usize,
    /// Who is to leave the application once it is gone.
    leaving: Vec<ServiceId>,
    /// How many are asked to stop in one input while closing.
    asks_at_once: usize,
    /// While closing: the first of those whose turn to be asked has not come.
    next_asked: usize,
    phase: Phase,
    settled: bool,
    /// Why it closes, or is about to; the first cause.
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
        let gating = |id| graph.provider_edges(id).filter(|(_, policy)| policy.gates()).count();
        let unmet = |id| gating(id) as u32;
        let records =
            graph.services().zip(traits).map(|(id, traits)| Record::new(traits, unmet(id)));
        Self {
            records: records.collect(),
            operations: BTreeMap::new(),
            graph: Arc::new(graph),
            groups: Arc::default(),
            queue: VecDeque::new(),
            freed: Vec::new(),
            starts_at_once: starts_at_once.max(1),
            starting: 0,
            stopping: 0,
            kept_open_by: 0,
            live: 0,
            leaving: Vec::new(),
            asks_at_once: usize::MAX,
            next_asked: 0,
            phase: Phase::Assembled,
            settled: false,
            close_cause: None,
        }
    }

    /// Restarts services together, as `groups` say.
    ///
    /// ```
    /// use processpype_core::{Graph, Group, Groups, Machine, ServiceId, Strategy, Traits};
    ///
    /// let members = vec![ServiceId(0), ServiceId(1)];
    /// let groups = Groups::new(2, [Group { strategy: Strategy::OneForAll, members }])?;
    /// let machine = Machine::new(Graph::new(2, []).unwrap(), vec![Traits::default(); 2], 8);
    /// assert_eq!(machine.with_groups(groups).groups().all().len(), 1);
    /// # Ok::<(), processpype_core::InvalidGroup>(())
    /// ```
    ///
    /// To be called before anything starts. The edges of rest-for-one groups are the caller's to
    /// add: see [`Groups`].
    #[must_use]
    pub fn with_groups(mut self, groups: Groups) -> Self {
        self.groups = Arc::new(groups);
        self
    }

    /// Starts every service that should run, in order.
    ///
    /// That is every enabled service with `autostart`, and what those need. Services whose
    /// providers are not ready yet wait; a second boot changes nothing.
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
    ///
    /// Reports may cross with actions: what a generation says after it was asked to stop, and
    /// timers of a state that is left, change nothing either. So the caller need not disarm a
    /// timer.
    ///
    /// ```
    /// use processpype_core::{Edge, Graph, Machine, Report, ServiceId, ServiceState, Traits};
    ///
    /// let (db, api) = (ServiceId(0), ServiceId(1));
    /// let graph = Graph::new(2, [Edge { dependent: api, provider: db }])?;
    /// let mut machine = Machine::new(graph, vec![Traits::default(); 2], 8);
    /// let mut actions = Vec::new();
    /// machine.boot(&mut actions);
    /// assert_eq!(machine.waiting_on(api).collect::<Vec<_>>(), [db]);
    ///
    /// let generation = machine.generation(db);
    /// machine.report(db, generation, Report::Started { ready: true }, &mut actions);
    /// assert_eq!(machine.state(api), ServiceState::Starting);
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `id` is not a service of the graph.
    pub fn report(
        &mut self,
        id: ServiceId,
        generation: Generation,
        report: Report,
        actions: &mut Vec<Action>,
    ) {
        let record = self.record(id);
        let alive = record.life != Life::Gone;
        if record.generation == generation {
            match report {
                Report::Elapsed(Timer::Restart) => self.resume(id, actions),
                Report::Exhausted => self.give_up(id, actions),
                _ if !alive => {}
                Report::Started { ready } => self.started(id, ready, actions),
                Report::Ready(ready) => self.set_ready(id, ready, actions),
                Report::Ending(exit) => self.ending(id, exit, actions),
                Report::Hung(kind) => self.hung(id, kind, actions),
                Report::Gone(exit) => self.gone(id, exit, actions),
                Report::Elapsed(timer) => self.elapsed(id, timer, actions),
            }
        }
        self.finish_step(actions);
    }

    /// What a service that starts with the application needs starts with it, also without
    /// `autostart`.
    fn desire_providers(&mut self) {
        for id in self.graph.topological().into_iter().rev() {
            if self.record(id).desired == Desired::Running {
                for (provider, policy) in Arc::clone(&self.graph).provider_edges(id) {
                    let record = self.record_mut(provider);
                    if policy.gates() && record.traits().enabled {
                        record.desired = Desired::Running;
                    }
                }
            }
        }
    }

    /// Does what is left to do after every input: fill free places, tell the ends.
    fn finish_step(&mut self, actions: &mut Vec<Action>) {
        self.let_leave(actions);
        self.go_on(actions);
        debug_assert!(
            self.counts_rightly(),
            "who keeps the application from settling, and who is in transit"
        );
        if self.phase == Phase::Open && !self.settled && !self.is_first_start_open() {
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
        if input == Input::Start {
            record.generation = record.generation.next();
        }
        let generation = record.generation;
        match record.has_run() {
            true => record.state = to,
            false => self.step_before_it_has_run(id, from, to),
        }
        self.starting += usize::from(to == ServiceState::Starting);
        self.starting -= usize::from(from == ServiceState::Starting);
        self.stopping += usize::from(to == ServiceState::Stopping);
        self.stopping -= usize::from(from == ServiceState::Stopping);
        actions.push(Action::Changed(Change { service: id, generation, from, to, cause }));
    }

    /// Changes the state of one that may keep the application from settling, and counts that.
    fn step_before_it_has_run(&mut self, id: ServiceId, from: ServiceState, to: ServiceState) {
        let record = self.record_mut(id);
        let kept_open = record.keeps_open();
        record.state = to;
        if !record.was_started() && from.is_transient() && !to.is_transient() {
            record.past = Past::Tried;
        }
        let keeps_open = record.keeps_open();
        self.kept_open_by += usize::from(keeps_open);
        self.kept_open_by -= usize::from(kept_open);
    }
}
