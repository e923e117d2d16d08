//! Order: who may start now, who may stop now.
//!
//! # Invariants
//!
//! 1. `unmet` counts the providers that are not `available`, `live_dependents` the dependents whose
//!    generation lives: both change only here, in steps of one.
//! 2. A queued service is wanted; one that may start is queued or started within the same input.
//! 3. Who is `leaving` is not available, so nothing new begins on what is about to stop.

use super::{Action, Life, Machine};
use crate::event::Cause;
use crate::graph::ServiceId;
use crate::state::{Desired, Generation, Input, ServiceState};

impl Machine {
    /// Says that a new generation should begin as soon as it may.
    pub(super) fn want(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        record.wanted = Some(cause);
        record.recovery = None;
        actions.push(Action::Touched(id));
        self.enqueue(id);
        self.wait_as_stopped(id, actions);
    }

    /// Puts a service that may start in the queue.
    fn enqueue(&mut self, id: ServiceId) {
        let closing = self.is_closing();
        let record = self.record_mut(id);
        let may = record.wanted.is_some() && record.life == Life::Gone && record.unmet == 0;
        if may && !record.queued && !closing {
            record.queued = true;
            self.queue.push_back(id);
        }
    }

    /// Starts from the queue while there are places.
    pub(super) fn pump(&mut self, actions: &mut Vec<Action>) {
        while self.starting < self.starts_at_once {
            let Some(id) = self.queue.pop_front() else { return };
            let record = self.record_mut(id);
            record.queued = false;
            // A provider may have gone, or a stop may have come, since it was put in the queue.
            if record.life != Life::Gone || record.unmet != 0 {
                continue;
            }
            if let Some(cause) = record.wanted.take() {
                self.spawn(id, cause, actions);
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
        record.failure = None;
        record.leaving = None;
        record.exhausted = false;
        self.live += 1;
        self.transition(id, Input::Start, cause, actions);
        self.refresh_availability(id, actions);
        for provider in 0..self.graph.providers(id).len() {
            let provider = self.graph.providers(id)[provider];
            self.record_mut(provider).live_dependents += 1;
        }
        let generation = self.generation(id);
        actions.push(Action::Spawn(id, generation));
        actions.push(Action::Arm(id, generation, super::Timer::Start));
    }

    /// Tells dependents when a service becomes available to them, or stops being so.
    pub(super) fn refresh_availability(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        let staying = record.state == ServiceState::Running && record.leaving.is_none();
        let available = record.completed || (staying && record.ready);
        if std::mem::replace(&mut record.available, available) == available {
            return;
        }
        for dependent in 0..self.graph.dependents(id).len() {
            let dependent = self.graph.dependents(id)[dependent];
            let record = self.record_mut(dependent);
            if available {
                record.unmet -= 1;
            } else {
                record.unmet += 1;
            }
            if let Some(cause) = record.wanted {
                // Who waited for a provider starts because of it, whatever asked first.
                let by_itself = matches!(cause, Cause::Boot | Cause::Restart);
                record.wanted = Some(if available && by_itself && record.unmet == 0 {
                    Cause::DependencyReady
                } else {
                    cause
                });
                actions.push(Action::Touched(dependent));
                self.enqueue(dependent);
                self.wait_as_stopped(dependent, actions);
            }
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

    /// Asks a service to stop once no dependent of it lives.
    pub(super) fn leave(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        if record.state == ServiceState::Stopping {
            // An operator's stop takes a failure as known; closing leaves it to be seen.
            record.asked |= record.desired == Desired::Stopped;
            return;
        }
        record.leaving.get_or_insert(cause);
        self.refresh_availability(id, actions);
        self.go_if_free(id, actions);
    }

    fn go_if_free(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record(id);
        let stoppable = matches!(record.state, ServiceState::Starting | ServiceState::Running);
        if let (Some(cause), 0, true) = (record.leaving, record.live_dependents, stoppable) {
            self.ask(id, cause, actions);
        }
    }

    /// Returns the living generation of a service, for an action.
    pub(super) fn generation_of(&self, id: ServiceId) -> Generation {
        self.record(id).generation
    }
}
