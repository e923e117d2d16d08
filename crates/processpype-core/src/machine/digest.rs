//! What decides: the part of a [`Machine`] that can influence a later answer.
//!
//! A search over all behaviours must know two states for the same one when they behave alike. Left
//! out is what is only passed on: numbers of generations and operations, causes, kinds of errors.

use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use super::record::{Available, Lack, Leaving};
use super::{Life, Machine};
use crate::graph::ServiceId;
use crate::restart::RestartPolicy;

impl Machine {
    /// Feeds `hasher` everything that can influence a later decision about one service.
    ///
    /// Two machines of one graph that feed the same for every service and for the application
    /// ([`Machine::hash_application`]) answer alike from then on, but for numbers and causes, for
    /// what a cancel goes back to, and to services that join later and need one that was there
    /// before and is lost: the world of the search keeps these itself.
    pub fn hash_service(&self, id: ServiceId, hasher: &mut impl Hasher) {
        let record = self.record(id);
        record.traits().hash(hasher);
        (record.state, record.life, record.desired).hash(hasher);
        (record.is_new(), record.held, record.queued).hash(hasher);
        let waits = !self.graph.providers(id).is_empty();
        let urgent = record.wanted.map(|cause| waits && Machine::is_urgent(cause));
        // Whoever waits takes its turn when a provider returns. Where others may join that need it,
        // whoever searches keeps in mind for each whether it was ever available.
        let is_lost = record.available == Available::Lost && !self.graph.dependents(id).is_empty();
        (is_lost, record.present).hash(hasher);
        record.owes_turn().hash(hasher);
        (urgent, record.leaving.map(Leaving::comes_again)).hash(hasher);
        let may_be_kept = record.is_up() && !self.is_closing();
        let overdue = record.leaving.is_some_and(Leaving::is_overdue);
        (may_be_kept && overdue).hash(hasher);
        let opened = self.settled || !record.traits().significant || record.has_run();
        (self.settled || record.was_started()).hash(hasher);
        (record.recovery, opened, record.blocking).hash(hasher);
        if !self.groups.all().is_empty() {
            record.exhausted.hash(hasher);
        }
        let pauses = record.traits().restart != RestartPolicy::Never && record.life == Life::Live;
        (pauses && record.lack == Some(Lack::Provider)).hash(hasher);
        (record.ready, record.completed, record.is_available()).hash(hasher);
        (record.asked, record.forced && record.life == Life::Live).hash(hasher);
        record.failure.map(|exit| discriminant(&exit)).hash(hasher);
        (record.unmet, record.live_dependents).hash(hasher);
        let operations = self.operations.get(&id);
        operations.map(|all| (discriminant(&all.verb), all.waiting.len())).hash(hasher);
    }

    /// Feeds `hasher` everything beside the services that can influence a later decision.
    pub fn hash_application(&self, hasher: &mut impl Hasher) {
        (self.phase, self.settled, &self.queue, self.starts_at_once).hash(hasher);
        self.leaving.hash(hasher);
        (self.asks_at_once, self.has_more_to_ask().then_some(self.next_asked)).hash(hasher);
    }
}
