//! Restarts of several services at a time: groups.
//!
//! # Invariants
//!
//! 1. Who restarts with a group stops in order, like all in a plan, and starts again once nobody of
//!    the group is in the way: nobody who is still to end; and of those whose failure restarts it,
//!    nobody who failed and is not back.
//! 2. [`Blocking`] is that, as last told to those who wait; it changes in
//!    [`Machine::refresh_mates`] only.
//! 3. A failure restarts the group if it restarts the member, and takes nothing from the budgets of
//!    the others. What was asked for (a stop, a restart, a plan) is no failure; nor is a
//!    completion, also where it is repeated.
//!
//! (OTP: `supervisor:restart/3`. There the supervisor waits in place until all children are down;
//! here whoever is down waits for the others by their counts, as dependents wait for providers.)

use std::sync::Arc;

use super::order::Blocker;
use super::record::{Blocking, Together};
use super::recovery::Recovery;
use super::{Action, Life, Machine};
use crate::exit::Exit;
use crate::graph::ServiceId;
use crate::state::{Desired, ServiceState};

impl Machine {
    /// A service fails, and its policy brings it back: so are those that restart with it.
    pub(super) fn restart_mates(&mut self, id: ServiceId, exit: Exit, actions: &mut Vec<Action>) {
        if self.groups.group_of(id).is_none() {
            return;
        }
        let record = self.record(id);
        let comes_back = record.traits().restart.restarts_after(exit);
        let is_asked = record.asked || record.held || record.wanted.is_some();
        // Who has done its work, and is to do it again, leaves nothing wrong behind.
        if exit.error().is_none() || !comes_back || is_asked || self.is_closing() {
            return;
        }
        let groups = Arc::clone(&self.groups);
        let mut marked = groups.mates(id).to_vec();
        marked.retain(|&mate| self.mark(mate, Together::Group));
        self.let_go(marked, actions);
    }

    /// Tells the members of its group when a service begins or ceases to block their start.
    pub(super) fn refresh_mates(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        if self.groups.group_of(id).is_none() {
            return;
        }
        let now = self.blocking(id);
        let before = std::mem::replace(&mut self.record_mut(id).blocking, now);
        let groups = Arc::clone(&self.groups);
        let told = [(groups.mates(id), Blocking::Mates), (groups.before(id), Blocking::All)];
        for (members, from) in told {
            if (before >= from) != (now >= from) {
                for &mate in members.iter().filter(|&&mate| mate != id) {
                    self.tell(mate, now >= from, Blocker::Mate, actions);
                }
            }
        }
    }

    fn blocking(&self, id: ServiceId) -> Blocking {
        let record = self.record(id);
        let stops = record.leaving.is_some() || record.state == ServiceState::Stopping;
        let recovers = matches!(record.recovery, Some(Recovery::Retry | Recovery::Pause));
        let is_orphaned = record.life == Life::Orphan && record.desired == Desired::Running;
        if record.life == Life::Live && stops {
            Blocking::All
        } else if !record.completed && (recovers || record.exhausted || is_orphaned) {
            Blocking::Mates
        } else {
            Blocking::Nobody
        }
    }

    /// Returns the members of its group that a start of the service waits for.
    pub(super) fn blocking_mates(&self, id: ServiceId) -> impl Iterator<Item = ServiceId> {
        let level = |mate: ServiceId| self.record(mate).blocking;
        let after = self.groups.mates(id).iter().copied();
        // In a rest-for-one group these are the later ones, whose failures do not restart it.
        let all = self.groups.mates(id).contains(&id);
        let from = if all { Blocking::Mates } else { Blocking::All };
        let after = after.filter(move |&mate| mate != id && level(mate) >= from);
        let before = self.groups.before(id).iter().copied();
        after.chain(before.filter(move |&mate| level(mate) >= Blocking::Mates))
    }
}
