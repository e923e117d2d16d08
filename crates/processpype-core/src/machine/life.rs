//! The life of one generation: from its spawn to its end, whoever ends it.
//!
//! Ask, then abort, then orphan: each step has its timer, and each is taken at most once. The first
//! failure counts as the exit, whatever the teardown says afterwards. (kubert's shutdown: drain,
//! then abort.)

use super::record::{Leaving, Past};
use super::{Action, CloseCause, Life, Machine, Outcome, Timer};
use crate::event::Cause;
use crate::exit::{ErrorKind, Exit};
use crate::graph::ServiceId;
use crate::state::{Desired, Input, ServiceState};

impl Machine {
    pub(super) fn started(&mut self, id: ServiceId, ready: bool, actions: &mut Vec<Action>) {
        if self.state(id) != ServiceState::Starting {
            return;
        }
        self.transition(id, Input::Started, Cause::Progress, actions);
        let record = self.record_mut(id);
        record.ready = ready;
        record.past = Past::HasRun;
        // What is restarted in its turn is not done yet.
        let comes_again = record.leaving.is_some_and(Leaving::comes_again);
        if !comes_again && !self.waits_for_down(id) {
            self.finish_waiting(id, actions);
        }
        self.refresh(id, actions);
    }

    pub(super) fn set_ready(&mut self, id: ServiceId, ready: bool, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        if record.state == ServiceState::Running && record.ready != ready {
            record.ready = ready;
            actions.push(Action::Touched(id));
            self.refresh(id, actions);
        }
    }

    /// A generation that nobody asked to stop ends by itself: its teardown begins.
    pub(super) fn ending(&mut self, id: ServiceId, exit: Exit, actions: &mut Vec<Action>) {
        if matches!(self.state(id), ServiceState::Starting | ServiceState::Running) {
            self.record_mut(id).failure = Some(exit);
            self.begin_teardown(id, Cause::Exit(exit), actions);
            self.restart_mates(id, exit, actions);
        }
    }

    /// A generation does not answer any more: it has failed, and is asked to stop.
    pub(super) fn hung(&mut self, id: ServiceId, kind: ErrorKind, actions: &mut Vec<Action>) {
        if matches!(self.state(id), ServiceState::Starting | ServiceState::Running) {
            let exit = Exit::Failed(kind);
            self.record_mut(id).failure = Some(exit);
            self.begin_teardown(id, Cause::Exit(exit), actions);
            actions.push(Action::Stop(id, self.generation_of(id)));
            self.restart_mates(id, exit, actions);
        }
    }

    /// Asks a generation to stop, now.
    pub(super) fn ask(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        self.record_mut(id).asked = true;
        self.begin_teardown(id, cause, actions);
        actions.push(Action::Stop(id, self.generation_of(id)));
    }

    fn begin_teardown(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        self.transition(id, Input::Stop, cause, actions);
        self.record_mut(id).ready = false;
        self.refresh(id, actions);
        actions.push(Action::Arm(id, self.generation_of(id), Timer::Stop));
    }

    pub(super) fn elapsed(&mut self, id: ServiceId, timer: Timer, actions: &mut Vec<Action>) {
        let record = self.record(id);
        match (timer, record.state, record.life) {
            (Timer::Start, ServiceState::Starting, Life::Live) => {
                let exit = Exit::Failed(ErrorKind::StartTimeout);
                self.record_mut(id).failure = Some(exit);
                self.begin_teardown(id, Cause::Deadline(timer), actions);
                actions.push(Action::Stop(id, self.generation_of(id)));
                self.restart_mates(id, exit, actions);
            }
            (Timer::Stop, ServiceState::Stopping, Life::Live) => self.abort(id, actions),
            (Timer::Abort, ServiceState::Stopping, Life::Live) => self.orphan(id, actions),
            _ => {}
        }
    }

    /// Ends a generation by force; if that does not end it either, it is orphaned.
    pub(super) fn abort(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        if std::mem::replace(&mut record.forced, true) {
            return;
        }
        if record.state != ServiceState::Stopping {
            record.asked = true;
            self.begin_teardown(id, Cause::Closing, actions);
        }
        let generation = self.generation_of(id);
        actions.push(Action::Abort(id, generation));
        actions.push(Action::Arm(id, generation, Timer::Abort));
    }

    fn orphan(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        self.record_mut(id).life = Life::Orphan;
        self.live -= 1;
        self.transition(id, Input::Orphaned, Cause::Deadline(Timer::Abort), actions);
        self.end_waiting(id, Outcome::Failed(ErrorKind::Orphaned), actions);
        self.record_mut(id).wanted = None;
        self.refresh_mates(id, actions);
        self.release_providers(id, actions);
        // Whom nobody wants, such as who was stopped by an operator, is not missed.
        if self.record(id).desired == Desired::Running {
            self.escalate(id, actions);
        }
    }

    /// Nothing of the generation is left.
    pub(super) fn gone(&mut self, id: ServiceId, exit: Exit, actions: &mut Vec<Action>) {
        if self.record(id).life == Life::Orphan {
            self.orphan_gone(id, actions);
            return;
        }
        let record = self.record_mut(id);
        let by_itself = record.failure.is_some() || !record.asked;
        let exit = record.failure.unwrap_or(exit);
        // Running is left through stopping only, so that readiness and routes are taken back in
        // order.
        if record.state == ServiceState::Running {
            record.failure = Some(exit);
            self.transition(id, Input::Stop, Cause::Exit(exit), actions);
        }
        let record = self.record_mut(id);
        record.life = Life::Gone;
        record.ready = false;
        record.leaving = None;
        record.forced |= exit == Exit::Aborted;
        // Whoever is to stop in its turn, and fails before it, is stopped as well.
        let unasked = !record.asked && !record.held;
        let failed = exit.error().filter(|_| unasked);
        // Its work is done, even if a stop came while it was being torn down.
        record.completed = exit == Exit::Completed && by_itself;
        record.asked = false;
        record.failure = None;
        self.live -= 1;
        let input = if failed.is_some() { Input::Failed } else { Input::Ended };
        self.transition(id, input, Cause::Exit(exit), actions);
        self.refresh_dependents(id, actions);
        // Before providers hear of it: one that goes now may let this one take its turn at once.
        let comes = self.record(id).wanted.is_some();
        self.release_providers(id, actions);
        if !comes {
            self.end_operations(id, failed, actions);
        }
        match self.record(id).wanted {
            Some(cause) => self.want(id, cause, actions),
            None if !comes && unasked => self.recover(id, exit, actions),
            None => {}
        }
        self.refresh_mates(id, actions);
    }

    /// Ends what waited for the end.
    fn end_operations(
        &mut self,
        id: ServiceId,
        failed: Option<ErrorKind>,
        actions: &mut Vec<Action>,
    ) {
        match failed {
            Some(kind) => self.end_waiting(id, Outcome::Failed(kind), actions),
            None => self.finish_waiting(id, actions),
        }
    }

    /// A late end of an orphan: it no longer blocks its successor.
    fn orphan_gone(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        record.life = Life::Gone;
        (record.asked, record.leaving, record.failure) = (false, None, None);
        if let Some(cause) = record.wanted {
            actions.push(Action::Touched(id));
            self.want(id, cause, actions);
        } else if record.desired == Desired::Stopped {
            self.transition(id, Input::Dismiss, Cause::Exit(Exit::Aborted), actions);
        } else {
            actions.push(Action::Touched(id));
            self.recover(id, Exit::Failed(ErrorKind::Orphaned), actions);
        }
        self.refresh_mates(id, actions);
    }

    /// An operator starts past an orphan: what is left of it counts no more.
    pub(super) fn abandon(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        if record.life == Life::Orphan {
            record.life = Life::Gone;
            (record.asked, record.leaving, record.failure) = (false, None, None);
            actions.push(Action::Touched(id));
            self.refresh_mates(id, actions);
        }
    }

    /// A significant service was given up: the application closes.
    pub(super) fn escalate(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record(id);
        let failed = record.state == ServiceState::Error;
        if failed && record.traits().significant && self.close_cause.is_none() {
            let cause = if self.settled {
                CloseCause::Significant(id)
            } else {
                CloseCause::SignificantAtStart(id)
            };
            self.begin_closing(cause, actions);
        }
    }
}
