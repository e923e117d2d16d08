//! Closing: the one end of an application, whoever asked for it.
//!
//! # Invariants
//!
//! 1. From the first moment of closing everybody who lives is leaving, so nothing starts and who is
//!    needed by another waits for that one.
//! 2. Who may stop is asked in the order of numbers, so many in one input; who had to wait is asked
//!    with the last that kept it. So asking in parts changes when, and never in what order of the
//!    graph.
//! 3. The first cause counts, also that of a closing that is only announced.

use super::{Action, CloseCause, Life, Machine, Outcome, Phase, Verb};
use crate::event::Cause;
use crate::graph::ServiceId;

impl Machine {
    /// Bounds how many services are asked to stop in one input while closing (at least 1); without
    /// this, all are.
    ///
    /// A hundred thousand at once are a long time for who drives the machine. Asked in parts, the
    /// first are gone before the last are asked, which changes no order: [`Machine::ask_more`] goes
    /// on.
    ///
    /// ```
    /// use processpype_core::{CloseCause, Generation, Graph, Machine, Report, ServiceId, Traits};
    ///
    /// let machine = Machine::new(Graph::new(2, [])?, vec![Traits::default(); 2], 8);
    /// let (mut machine, mut actions) = (machine.with_asks_at_once(1), Vec::new());
    /// machine.boot(&mut actions);
    /// for id in [ServiceId(0), ServiceId(1)] {
    ///     machine.report(id, Generation(1), Report::Started { ready: true }, &mut actions);
    /// }
    /// machine.close(CloseCause::Requested, &mut actions);
    /// assert!(machine.state(ServiceId(0)).is_transient());
    /// assert!(machine.has_more_to_ask() && !machine.state(ServiceId(1)).is_transient());
    /// machine.ask_more(&mut actions);
    /// assert!(machine.state(ServiceId(1)).is_transient());
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    #[must_use]
    pub fn with_asks_at_once(mut self, most: usize) -> Self {
        self.asks_at_once = most.max(1);
        self
    }

    /// Says that the application is about to close, and why: it drains.
    ///
    /// Everything goes on as before, until [`Machine::close`]. But this is the first cause, so what
    /// fails meanwhile, however significant, does not close the application sooner or for another.
    pub fn announce_close(&mut self, cause: CloseCause) {
        self.close_cause.get_or_insert(cause);
    }

    /// Begins to stop everything in reverse order.
    ///
    /// Starts that wait are superseded, new ones are refused, stops still wait for their end.
    /// [`Action::Closed`] follows, at once if nothing lives. Closing again changes nothing: the
    /// first cause counts. All are about to stop from now on; they are asked in parts if
    /// [`Machine::with_asks_at_once`] says so.
    pub fn close(&mut self, cause: CloseCause, actions: &mut Vec<Action>) {
        self.begin_closing(cause, actions);
        self.finish_step(actions);
    }

    /// Goes on closing: the next ones are asked to stop.
    ///
    /// To be called until [`Machine::has_more_to_ask`] is false, with other inputs in between.
    pub fn ask_more(&mut self, actions: &mut Vec<Action>) {
        self.ask_some(actions);
        self.finish_step(actions);
    }

    /// Returns whether closing has still to ask somebody.
    #[must_use]
    pub fn has_more_to_ask(&self) -> bool {
        self.phase == Phase::Closing && self.next_asked < self.records.len()
    }

    /// Ends everything that still lives by force, in no order: the closing deadline has passed.
    ///
    /// What does not end even so is orphaned in its time, so [`Action::Closed`] always
    /// follows.
    pub fn abort_all(&mut self, actions: &mut Vec<Action>) {
        self.begin_closing(CloseCause::Requested, actions);
        for id in self.graph.services() {
            if self.record(id).life == Life::Live {
                self.abort(id, actions);
            }
        }
        self.finish_step(actions);
    }

    pub(super) fn begin_closing(&mut self, cause: CloseCause, actions: &mut Vec<Action>) {
        if self.is_closing() {
            return;
        }
        let services = self.graph.services();
        // Who has all its providers is asked no further.
        let misses_any =
            |id: ServiceId| self.record(id).unmet > 0 && self.waiting_on(id).next().is_some();
        let missing: Vec<bool> = services.map(misses_any).collect();
        self.phase = Phase::Closing;
        let cause = *self.close_cause.get_or_insert(cause);
        self.queue.clear();
        actions.push(Action::Closing(cause));
        for id in self.graph.services() {
            let recovered = self.set_recovery(id, None).is_some();
            let record = self.record_mut(id);
            let waited = record.wanted.take().is_some() || recovered;
            record.queued = false;
            if !matches!(self.waiting_verb(id), Some(Verb::Stop { .. })) {
                self.end_waiting(id, Outcome::Superseded, actions);
            }
            if waited || missing[id.index()] {
                actions.push(Action::Touched(id));
            }
            if self.record(id).life == Life::Live {
                self.plan_to_leave(id, Cause::Closing, actions);
            }
        }
        self.ask_some(actions);
    }

    /// Asks the next ones that may stop; those that others need are asked when these are gone.
    fn ask_some(&mut self, actions: &mut Vec<Action>) {
        let mut asked = 0;
        while asked < self.asks_at_once && self.has_more_to_ask() {
            let id = ServiceId(self.next_asked as u32);
            self.next_asked += 1;
            let before = actions.len();
            self.go_if_free(id, actions);
            asked += usize::from(actions.len() > before);
        }
    }
}
