//! Order: who may start now, who may stop now.
//!
//! # Invariants
//!
//! 1. `unmet` counts what blocks a start: providers not `available`, or for an optional edge those
//!    `coming`, and members of the group that are `blocking`. `live_dependents` counts the
//!    dependents whose generation lives, by edges of every policy. Both change only here, in steps
//!    of one.
//! 2. A queued service is wanted; one that may start is queued or started within the same input.
//! 3. Who is `leaving` is not available, so nothing new begins on what is about to stop.
//! 4. Whoever may start, and owes a turn, asks for it at the end of the input.
//! 5. Who is leaving waits for those of its dependents that stop as well: for all while closing,
//!    else for those that are leaving or stopping. In a cascade these are all that require it.

use std::sync::Arc;

use super::record::{Available, Lack, Leaving, Together};
use super::{Action, Life, Machine};
use crate::event::Cause;
use crate::graph::{EdgePolicy, ServiceId};
use crate::state::{Desired, Generation, Input, ServiceState};

/// For how many services an empty queue keeps room.
const QUEUE_KEPT: usize = 64;

/// What blocks a start, or does not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocker {
    /// A provider that comes for the first time, or is lost.
    Provider,
    /// A provider that had been available, was lost, and is back.
    Returned,
    /// A provider that only orders.
    Optional,
    /// A member of the same group.
    Mate,
}

impl Machine {
    /// Says that a new generation should begin as soon as it may.
    pub(super) fn want(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let recovered = self.set_recovery(id, None);
        let record = self.record_mut(id);
        record.wanted = Some(cause);
        // Who waits for nobody is seen to be wanted when it starts.
        if recovered.is_some() || record.unmet > 0 {
            actions.push(Action::Touched(id));
        }
        self.refresh_mates(id, actions);
        self.enqueue(id, actions);
        self.wait_as_stopped(id, actions);
    }

    /// Puts a service that may start in the queue.
    fn enqueue(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let closing = self.is_closing();
        let record = self.record_mut(id);
        if record.may_start() && !record.queued && !closing {
            record.queued = true;
            self.queue.push_back(id);
            self.refresh(id, actions);
        }
    }

    /// Starts from the queue while there are places.
    fn pump(&mut self, actions: &mut Vec<Action>) {
        while self.starting < self.starts_at_once {
            let Some(id) = self.queue.pop_front() else {
                // All stood in it at the start.
                self.queue.shrink_to(QUEUE_KEPT);
                return;
            };
            let record = self.record_mut(id);
            record.queued = false;
            // A provider may have gone, or a stop may have come, since it was put in the queue.
            if record.may_start()
                && let Some(cause) = record.wanted.take()
            {
                self.spawn(id, cause, actions);
            } else {
                self.refresh(id, actions);
            }
        }
    }

    fn spawn(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        record.life = Life::Live;
        record.ready = false;
        record.completed = false;
        record.asked = false;
        record.forced = false;
        record.lack = None;
        record.failure = None;
        record.leaving = None;
        record.exhausted = false;
        self.live += 1;
        self.transition(id, Input::Start, cause, actions);
        self.refresh(id, actions);
        for provider in 0..self.graph.providers(id).len() {
            let provider = self.graph.providers(id)[provider];
            self.record_mut(provider).live_dependents += 1;
        }
        let generation = self.generation(id);
        actions.push(Action::Spawn(id, generation));
        actions.push(Action::Arm(id, generation, super::Timer::Start));
        self.restart_dependents(id, actions);
    }

    /// Tells others when a service begins or ceases to block their start.
    pub(super) fn refresh(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        self.refresh_dependents(id, actions);
        self.refresh_mates(id, actions);
    }

    /// Tells dependents when a service begins or ceases to block their start.
    pub(super) fn refresh_dependents(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        let staying = record.state == ServiceState::Running && record.leaving.is_none();
        // A oneshot that runs has still to do what its dependents wait for.
        let serves = staying && record.ready && !record.traits().oneshot;
        let available = record.completed || serves;
        let coming = record.queued || record.state == ServiceState::Starting;
        let before = record.available;
        record.available = before.then(available);
        let gated = record.available != before;
        let ordered = std::mem::replace(&mut record.coming, coming) != coming;
        let is_back = available && before == Available::Lost;
        let by = if is_back { Blocker::Returned } else { Blocker::Provider };
        if (gated || ordered) && !self.graph.dependents(id).is_empty() {
            for (dependent, policy) in Arc::clone(&self.graph).dependent_edges(id) {
                match policy {
                    EdgePolicy::Optional if ordered => {
                        self.tell(dependent, coming, Blocker::Optional, actions);
                    }
                    EdgePolicy::Hold | EdgePolicy::Restart if gated => {
                        self.tell(dependent, !available, by, actions);
                    }
                    EdgePolicy::Optional | EdgePolicy::Hold | EdgePolicy::Restart => {}
                }
            }
        }
    }

    /// Tells a service that one more, or one less, blocks its start.
    pub(super) fn tell(
        &mut self,
        id: ServiceId,
        blocked: bool,
        by: Blocker,
        actions: &mut Vec<Action>,
    ) {
        let record = self.record_mut(id);
        if blocked {
            record.unmet += 1;
            if record.life == Life::Live && matches!(by, Blocker::Provider | Blocker::Returned) {
                record.lack = Some(Lack::Provider);
            }
        } else {
            record.unmet -= 1;
        }
        if record.wanted.is_some() {
            actions.push(Action::Touched(id));
            // Also if others are still in the way: whoever comes last may be a new one.
            if by == Blocker::Returned && record.life == Life::Gone {
                record.lack = Some(Lack::Turn);
            }
            if record.unmet == 0 {
                self.unblocked(id, by);
            }
            self.enqueue(id, actions);
            self.wait_as_stopped(id, actions);
        } else if record.is_up() {
            // It holds, or has again what it held without.
            actions.push(Action::Touched(id));
        }
    }

    /// Nothing is in the way of a start that is wanted any more.
    fn unblocked(&mut self, id: ServiceId, by: Blocker) {
        let record = self.record_mut(id);
        let Some(cause) = record.wanted else { return };
        // Who waited for a provider starts because of it, whatever asked first.
        if by != Blocker::Mate && matches!(cause, Cause::Boot | Cause::Restart) {
            record.wanted = Some(Cause::DependencyReady);
        }
        // What else this input brings may be a stop of it, or somebody who waits for it.
        if record.owes_turn() {
            self.freed.push(id);
        }
    }

    /// Starts who may, and lets those take their turns who were freed in this input.
    pub(super) fn go_on(&mut self, actions: &mut Vec<Action>) {
        self.pump(actions);
        // Whoever is taken out of the queue again may free others.
        while !self.freed.is_empty() {
            self.spread_freed(actions);
            self.pump(actions);
        }
    }

    fn spread_freed(&mut self, actions: &mut Vec<Action>) {
        for next in 0..self.freed.len() {
            let id = self.freed[next];
            let record = self.record(id);
            match record.wanted {
                Some(cause) if record.unmet == 0 && record.owes_turn() => {
                    self.spread(id, cause, actions);
                }
                // Somebody waits for it since it was freed.
                Some(_) => self.enqueue(id, actions),
                None => {}
            }
        }
        self.freed.clear();
        self.freed.shrink_to(QUEUE_KEPT);
    }

    /// Whether somebody waits for what is wanted for this reason.
    pub(super) fn is_urgent(cause: Cause) -> bool {
        matches!(cause, Cause::Operator | Cause::PulledIn)
    }

    /// Restarts who lives and asked for it, in order: a new generation of the provider begins.
    fn restart_dependents(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let restarted = self.mark_following(id, |policy| policy == EdgePolicy::Restart);
        self.let_go(restarted, actions);
    }

    /// Marks the dependents of a service by such edges, and theirs, to be restarted: those that
    /// live, through those that do.
    pub(super) fn mark_following(
        &mut self,
        id: ServiceId,
        follows: impl Fn(EdgePolicy) -> bool,
    ) -> Vec<ServiceId> {
        let mut marked = Vec::new();
        if self.graph.dependents(id).is_empty() {
            return marked;
        }
        let graph = Arc::clone(&self.graph);
        let mut next = vec![id];
        while let Some(provider) = next.pop() {
            for (dependent, policy) in graph.dependent_edges(provider) {
                if follows(policy) && self.mark(dependent, Together::Provider) {
                    marked.push(dependent);
                    next.push(dependent);
                }
            }
        }
        marked
    }

    /// Marks a service to be restarted in order, if it lives. Who is about to stop for good anyway
    /// does, unless a command keeps it. False if that was so already.
    pub(super) fn mark(&mut self, id: ServiceId, with: Together) -> bool {
        let record = self.record_mut(id);
        let is_up = record.is_up();
        match &mut record.leaving {
            _ if !is_up => false,
            Some(leaving) => leaving.note(with),
            None => {
                record.wanted = Some(with.cause());
                record.leaving = Some(Leaving::restart(with.cause()));
                true
            }
        }
    }

    /// Whether a service lives, and is not about to stop anyway.
    pub(super) fn may_be_marked(&self, id: ServiceId) -> bool {
        let record = self.record(id);
        record.is_up() && record.leaving.is_none()
    }

    /// Asks those that are marked to stop, each as soon as it is its turn.
    ///
    /// All are leaving before the first one is asked: so each waits for its dependents.
    pub(super) fn let_go(&mut self, marked: Vec<ServiceId>, actions: &mut Vec<Action>) {
        for id in marked {
            actions.push(Action::Touched(id));
            self.refresh(id, actions);
            self.go_if_free(id, actions);
        }
    }

    /// Takes a generation out of its providers' counts; a leaving provider may go now.
    pub(super) fn release_providers(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        for provider in 0..self.graph.providers(id).len() {
            let provider = self.graph.providers(id)[provider];
            self.record_mut(provider).live_dependents -= 1;
            self.go_if_free(provider, actions);
        }
    }

    /// A service no longer stops: a leaving provider need not wait for it.
    pub(super) fn free_providers(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        for provider in 0..self.graph.providers(id).len() {
            self.go_if_free(self.graph.providers(id)[provider], actions);
        }
    }

    /// Asks a service to stop once no dependent of it is in the way.
    pub(super) fn leave(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        self.plan_to_leave(id, cause, actions);
        self.go_if_free(id, actions);
    }

    /// Says that a service will be asked to stop: nothing begins on it any more.
    pub(super) fn plan_to_leave(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        if record.state == ServiceState::Stopping {
            // An operator's stop takes a failure as known; closing leaves it to be seen.
            record.asked |= record.desired == Desired::Stopped;
            return;
        }
        record.set_leaving(cause);
        self.refresh(id, actions);
    }

    pub(super) fn go_if_free(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record(id);
        if let Some(leaving) = record.leaving
            && record.is_up()
            && self.is_free(id)
        {
            self.ask(id, leaving.cause, actions);
        }
    }

    /// Whether no dependent is in the way of a stop in order.
    fn is_free(&self, id: ServiceId) -> bool {
        let stops = |&dependent: &ServiceId| {
            let record = self.record(dependent);
            let stops = record.leaving.is_some() || record.state == ServiceState::Stopping;
            record.life == Life::Live && stops
        };
        let live = self.record(id).live_dependents > 0;
        !live || (!self.is_closing() && !self.graph.dependents(id).iter().any(stops))
    }

    /// Returns the living generation of a service, for an action.
    pub(super) fn generation_of(&self, id: ServiceId) -> Generation {
        self.record(id).generation
    }
}
