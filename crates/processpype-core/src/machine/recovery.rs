//! What follows a generation that nobody asked to end: another one, or giving up.
//!
//! # Invariants
//!
//! 1. The machine counts nothing and waits for nothing: it asks with [`Action::Retry`],
//!    [`Action::Pause`] or [`Action::Spread`], and the runtime answers once: the time has come, or
//!    the budget is gone.
//! 2. At most one answer is awaited for each generation, and only while nothing of the service
//!    lives and nothing is wanted: what starts it, stops it or closes the application takes the
//!    question back.
//! 3. A budget is asked for a failure alone, never for a wait: not for a failure of kind
//!    [`ErrorKind::Dependency`] while a provider was missing that the service cannot start without,
//!    and not when one that was missing is back.
//!
//! # Who restarts when
//!
//! | end, unasked | always | on-failure | never |
//! |---|---|---|---|
//! | failed | retry | retry | given up |
//! | failed for want of a provider that was missing | pause | pause | given up |
//! | orphaned, and gone after all | retry | retry | given up |
//! | completed | retry | – | – |
//!
//! Who waited for a provider that is back after it was gone takes its turn ([`Action::Spread`]),
//! unless an operator waits for it: a thousand dependents do not start in the same moment. So does
//! whose backoff ended while somebody was in the way, as it had none then; and whoever else it
//! still waited for, and comes last, changes nothing about that (ADR 0054).
//!
//! Who fails for want of a provider although none was missing that it waits for (the edge is
//! optional, or the provider has completed and will not come back) has failed like any other: to
//! pause would bring it back at no cost for ever.
//!
//! An end that was asked for (a stop, a plan, closing) is followed by nothing, whatever the policy
//! says. A significant service that is given up closes the application; while one is
//! retrying, or starts again, that has never run, the application has not settled. Any other has
//! its say in that once: when it has come through its first start.

use super::record::Lack;
use super::{Action, Life, Machine};
use crate::event::Cause;
use crate::exit::{ErrorKind, Exit};
use crate::graph::ServiceId;
use crate::state::{Input, ServiceState};

/// In how large an application what is counted is counted twice, where debug assertions are on.
const COUNTED_TWICE: usize = 8;

/// What the runtime was asked for after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Recovery {
    /// A restart out of the budget.
    Retry,
    /// A restart that costs nothing.
    Pause,
    /// Its turn, among all that waited.
    Spread,
    /// The same, and it is a restart that waited for members of its group alone.
    SpreadRestart,
}

impl Machine {
    /// A generation ended like this, unasked, and nothing else is wanted.
    pub(super) fn recover(&mut self, id: ServiceId, exit: Exit, actions: &mut Vec<Action>) {
        let closing = self.is_closing();
        let record = self.record_mut(id);
        let generation = record.generation;
        if closing || !record.traits().restart.restarts_after(exit) {
            self.escalate(id, actions);
            return;
        }
        if exit == Exit::Failed(ErrorKind::Dependency) && record.lack == Some(Lack::Provider) {
            self.set_recovery(id, Some(Recovery::Pause));
            actions.push(Action::Pause(id, generation));
        } else {
            self.set_recovery(id, Some(Recovery::Retry));
            actions.push(Action::Retry(id, generation));
        }
        self.restart_mates(id, exit, actions);
    }

    /// Nobody is in its way any more: it starts in its turn.
    pub(super) fn spread(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let again = cause == Cause::Restart;
        let recovery = if again { Recovery::SpreadRestart } else { Recovery::Spread };
        self.set_recovery(id, Some(recovery));
        let record = self.record_mut(id);
        (record.wanted, record.lack) = (None, None);
        actions.push(Action::Spread(id, record.generation));
    }

    /// The backoff is over: the service should run again.
    pub(super) fn resume(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let cause = match self.record(id).recovery {
            Some(Recovery::Retry | Recovery::Pause | Recovery::SpreadRestart) => Cause::Restart,
            Some(Recovery::Spread) => Cause::DependencyReady,
            None => return,
        };
        let record = self.record_mut(id);
        // The runtime gives a turn to those only that begin with it.
        record.lack = (record.unmet > 0).then_some(Lack::Turn);
        self.want(id, cause, actions);
    }

    /// The only place that changes what was asked for; returns what it was before.
    pub(super) fn set_recovery(
        &mut self,
        id: ServiceId,
        recovery: Option<Recovery>,
    ) -> Option<Recovery> {
        let record = self.record_mut(id);
        // Whether something was asked for counts, and not what.
        let counts = record.recovery.is_some() != recovery.is_some();
        let kept_open = counts && record.keeps_open();
        let before = std::mem::replace(&mut record.recovery, recovery);
        let keeps_open = counts && record.keeps_open();
        self.kept_open_by += usize::from(keeps_open);
        self.kept_open_by -= usize::from(kept_open);
        before
    }

    /// There were too many restarts: the service stays down until somebody acts.
    pub(super) fn give_up(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        if self.record(id).recovery == Some(Recovery::Retry) {
            self.set_recovery(id, None);
            self.record_mut(id).exhausted = true;
            actions.push(Action::Touched(id));
            self.escalate(id, actions);
        }
    }

    /// An operator starts the service: its failures are forgotten.
    pub(super) fn forgive(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        self.set_recovery(id, None);
        self.record_mut(id).exhausted = false;
        actions.push(Action::Forgive(id));
        self.refresh_mates(id, actions);
    }

    /// What waits for a provider is stopped, not in error.
    pub(super) fn wait_as_stopped(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record(id);
        let failed = record.state == ServiceState::Error && record.life == Life::Gone;
        if failed && record.wanted.is_some() && record.unmet > 0 {
            self.transition(id, Input::Dismiss, Cause::Dependency, actions);
        }
    }

    /// Whether a service has still to come through its first start: it is in it, or about to be.
    ///
    /// A significant one has until it runs, or nothing more comes by itself. Any other has been
    /// through it once it failed: what retries, and when, says nothing about who has not started.
    ///
    /// Asked after every input until the application has settled, and so counted. Only who stands
    /// in the queue is looked at: nobody does before all places are taken, mostly by those that
    /// count.
    pub(super) fn is_first_start_open(&self) -> bool {
        let waits = |&id: &ServiceId| {
            let record = self.record(id);
            record.is_untried() && record.may_start()
        };
        self.kept_open_by > 0 || self.queue.iter().any(waits)
    }

    /// Whether what is counted is what a look at all services finds. Not asked of more than a few:
    /// each input would cost as much as there are services.
    pub(super) fn counts_rightly(&self) -> bool {
        let keeps_open = |record: &&super::Record| record.keeps_open();
        let is_in_transit = |record: &&super::Record| record.state.is_transient();
        self.records.len() > COUNTED_TWICE
            || (self.kept_open_by == self.records.iter().filter(keeps_open).count()
                && self.in_transit() == self.records.iter().filter(is_in_transit).count())
    }
}
