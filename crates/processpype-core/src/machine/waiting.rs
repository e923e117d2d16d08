//! The operations that wait for a service.
//!
//! # Invariants
//!
//! 1. Those that wait for one service are all of the same verb: the later command wins.
//! 2. There is an entry for a service as long as an operation waits for it, and no longer. So two
//!    machines in which nothing waits are equal, and a service for which nothing waits has no room
//!    for it.

use super::{Action, Machine, OperationId, Outcome, Verb};
use crate::graph::ServiceId;
use crate::state::Desired;

/// The operations that wait for one service; at least one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Operations {
    pub(super) verb: Verb,
    pub(super) waiting: Vec<OperationId>,
    pub(super) changed: bool,
    /// The first start or restart among them found the service not wanted: whether an operator had
    /// stopped it. A cancel goes back to that.
    pub(super) undo: Option<bool>,
}

// === impl Operations ===

impl Operations {
    /// Says how every one of them ended.
    pub(super) fn end(self, outcome: Outcome, actions: &mut Vec<Action>) {
        let waiting = self.waiting.into_iter();
        actions.extend(waiting.map(|operation| Action::Finish(operation, outcome)));
    }
}

// === impl Machine ===

impl Machine {
    /// The verb of what waits for a service.
    pub(super) fn waiting_verb(&self, id: ServiceId) -> Option<Verb> {
        self.operations.get(&id).map(|operations| operations.verb)
    }

    /// Whether what waits wants the service down.
    pub(super) fn waits_for_down(&self, id: ServiceId) -> bool {
        matches!(self.waiting_verb(id), Some(Verb::Stop { .. } | Verb::Deregister { .. }))
    }

    /// Adds an operation; one of another verb ends the ones before it as superseded.
    pub(super) fn join(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        verb: Verb,
        changed: bool,
        actions: &mut Vec<Action>,
    ) {
        if !self.waiting_verb(id).is_some_and(|waiting| waiting.is_same_as(verb)) {
            self.end_waiting(id, Outcome::Superseded, actions);
        }
        let nothing = Operations { verb, waiting: Vec::new(), changed: false, undo: None };
        let operations = self.operations.entry(id).or_insert(nothing);
        operations.verb = verb;
        operations.changed |= changed;
        operations.waiting.push(operation);
    }

    /// Adds a start or restart, before it makes the service wanted.
    pub(super) fn join_wanting(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        verb: Verb,
        changed: bool,
        actions: &mut Vec<Action>,
    ) {
        let undo = match self.operations.get(&id) {
            Some(operations) if !self.waits_for_down(id) => operations.undo,
            Some(_) | None => {
                let record = self.record(id);
                (record.desired == Desired::Stopped).then_some(record.held)
            }
        };
        self.join(operation, id, verb, changed, actions);
        if let Some(operations) = self.operations.get_mut(&id) {
            operations.undo = undo;
        }
    }

    /// Ends every operation that waits for a service.
    pub(super) fn end_waiting(
        &mut self,
        id: ServiceId,
        outcome: Outcome,
        actions: &mut Vec<Action>,
    ) {
        if let Some(operations) = self.operations.remove(&id) {
            operations.end(outcome, actions);
        }
    }

    /// Ends what waited for this; a deregistration waits until the service is removed.
    pub(super) fn finish_waiting(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let Some(operations) = self.operations.get(&id) else { return };
        if matches!(operations.verb, Verb::Deregister { .. }) {
            return;
        }
        let changed = operations.changed;
        self.end_waiting(id, Outcome::Done { changed }, actions);
    }
}
