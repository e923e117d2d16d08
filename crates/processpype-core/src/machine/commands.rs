//! What an operator can ask, in every state.
//!
//! The later command wins: an operation of another verb that still waits ends as superseded;
//! operations of the same verb join and end together. `stop` always wins over a start, a wait and
//! an error. (DESIGN: "Operator".)
//!
//! # Every verb in every situation
//!
//! How the operation ends at once (`waits` if it does not), and the state then. The table is
//! checked cell by cell in `tests/it/table.rs`.
//!
//! | situation | start | stop | stop, cascade | restart |
//! |---|---|---|---|---|
//! | stopped | waits, starting | unchanged | unchanged | waits, starting |
//! | stopped, waits for a provider | waits | done | done | waits |
//! | stopped, completed | waits, starting | unchanged | unchanged | waits, starting |
//! | stopped, its provider too, by an operator | refused | done | done | refused |
//! | stopped, disabled | refused | unchanged | unchanged | refused |
//! | starting | waits | waits, stopping | waits, in order | waits, stopping |
//! | running | unchanged | waits, stopping | waits, in order | waits, stopping |
//! | running, leaving in a cascade | done: it stays | waits, stopping | waits | waits, stopping |
//! | running, closing | refused | waits, in order | waits, in order | refused |
//! | stopping, for whatever reason | waits for the next generation | waits | waits | waits |
//! | error | waits, starting | done, stopped | done, stopped | waits, starting |
//! | error, orphaned | refused | failed, held all the same | failed, held | refused |
//!
//! # Which providers a start brings with it
//!
//! Without `with_dependencies`: those that were never started. A provider that failed is waited
//! for, one that an operator stopped is a refusal that names it. With `with_dependencies`: all
//! that are down or on their way down, but for those that completed; an orphan among them starts
//! once it is gone.

use super::{Action, Life, Machine, OperationId, Outcome, Refusal, Verb};
use crate::event::Cause;
use crate::exit::{ErrorKind, Exit};
use crate::graph::ServiceId;
use crate::state::{Desired, Input, ServiceState};

impl Machine {
    /// Takes a command. It ends with exactly one [`Action::Finish`] for `operation`, now or later.
    ///
    /// A command can be given in every state and at any time; what cannot be done is refused with
    /// [`Outcome::Refused`] and changes nothing. An operation whose service waits for a provider
    /// that is down may wait without bound: whoever shows it to a client bounds that wait.
    ///
    /// ```
    /// use processpype_core::{
    ///     Action, Graph, Machine, OperationId, Outcome, ServiceId, Traits, Verb,
    /// };
    ///
    /// let traits = Traits { enabled: true, autostart: false, oneshot: false, significant: false };
    /// let mut machine = Machine::new(Graph::new(1, [])?, vec![traits], 8);
    /// let mut actions = Vec::new();
    /// machine.boot(&mut actions);
    /// // Nothing runs, so a stop has nothing to change.
    /// let stop = Verb::Stop { cascade: false };
    /// machine.command(OperationId(1), ServiceId(0), stop, &mut actions);
    /// let unchanged = Outcome::Done { changed: false };
    /// assert!(actions.contains(&Action::Finish(OperationId(1), unchanged)));
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `id` is not a service of the graph.
    pub fn command(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        verb: Verb,
        actions: &mut Vec<Action>,
    ) {
        match self.refusal(id, verb) {
            Some(refusal) => {
                actions.push(Action::Finish(operation, Outcome::Refused(refusal)));
            }
            None => match verb {
                Verb::Stop { cascade } => self.command_stop(operation, id, cascade, actions),
                Verb::Start { with_dependencies } => {
                    self.command_start(operation, id, with_dependencies, actions);
                }
                Verb::Restart => self.command_restart(operation, id, actions),
            },
        }
        self.finish_step(actions);
    }

    fn refusal(&self, id: ServiceId, verb: Verb) -> Option<Refusal> {
        let with_dependencies = match verb {
            Verb::Stop { .. } => return None,
            Verb::Start { with_dependencies } => with_dependencies,
            Verb::Restart => false,
        };
        let record = self.record(id);
        if self.is_closing() {
            Some(Refusal::Closing)
        } else if !record.traits.enabled {
            Some(Refusal::Disabled)
        } else if record.life == Life::Orphan {
            Some(Refusal::Orphaned)
        } else if with_dependencies {
            None
        } else {
            let held = |&provider: &ServiceId| {
                let record = self.record(provider);
                record.held && !record.available
            };
            let mut providers = self.graph.all_providers(id).into_iter();
            providers.find(held).map(Refusal::ProviderStopped)
        }
    }

    fn command_start(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        with_dependencies: bool,
        actions: &mut Vec<Action>,
    ) {
        self.pull_in_providers(id, with_dependencies, actions);
        let record = self.record_mut(id);
        let verb = Verb::Start { with_dependencies };
        let runs = record.state == ServiceState::Running && record.leaving.is_none();
        record.operations.join(operation, verb, !runs, actions);
        if runs {
            self.record_mut(id).operations.done(actions);
        } else {
            self.start_again(id, Cause::Operator, actions);
        }
    }

    fn command_restart(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        actions: &mut Vec<Action>,
    ) {
        self.pull_in_providers(id, false, actions);
        let record = self.record_mut(id);
        record.operations.join(operation, Verb::Restart, true, actions);
        if matches!(record.state, ServiceState::Starting | ServiceState::Running) {
            record.leaving = None;
            record.desired = Desired::Running;
            record.held = false;
            record.wanted = Some(Cause::Operator);
            self.ask(id, Cause::Operator, actions);
        } else {
            self.start_again(id, Cause::Operator, actions);
        }
    }

    /// Makes a service run: at once, when its providers are ready, or when its last generation is
    /// gone.
    fn start_again(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        record.desired = Desired::Running;
        record.held = false;
        if matches!(record.operations.verb, Some(Verb::Stop { .. })) {
            // Pulled in by a later command: the stop that was under way lost.
            record.operations.end(Outcome::Superseded, actions);
        }
        match record.state {
            ServiceState::Starting | ServiceState::Running => {
                // Only a pending plan wanted it gone: the later command wins.
                record.leaving = None;
                self.refresh_availability(id, actions);
                if self.state(id) == ServiceState::Running {
                    self.record_mut(id).operations.done(actions);
                }
            }
            ServiceState::Stopping => record.wanted = Some(cause),
            ServiceState::Stopped | ServiceState::Error => self.want(id, cause, actions),
        }
        actions.push(Action::Touched(id));
    }

    /// Starts the providers that a start needs: those never started and, if asked for, all that are
    /// down or about to be.
    fn pull_in_providers(&mut self, id: ServiceId, all: bool, actions: &mut Vec<Action>) {
        for provider in self.graph.all_providers(id) {
            if self.record(provider).traits.enabled && self.needs_start(provider, all) {
                self.start_again(provider, Cause::PulledIn, actions);
            }
        }
    }

    fn needs_start(&self, provider: ServiceId, all: bool) -> bool {
        let record = self.record(provider);
        let unwanted = record.desired == Desired::Stopped || record.generation.0 == 0;
        let comes = record.wanted.is_some();
        match record.state {
            ServiceState::Stopped | ServiceState::Error if record.completed || comes => false,
            ServiceState::Stopped | ServiceState::Error => all || unwanted,
            ServiceState::Starting | ServiceState::Running => all && record.leaving.is_some(),
            ServiceState::Stopping => all && !comes && record.failure != Some(Exit::Completed),
        }
    }

    fn command_stop(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        cascade: bool,
        actions: &mut Vec<Action>,
    ) {
        let changes = {
            let record = self.record(id);
            record.state != ServiceState::Stopped || record.wanted.is_some()
        };
        self.hold(id);
        actions.push(Action::Touched(id));
        let verb = Verb::Stop { cascade };
        self.record_mut(id).operations.join(operation, verb, changes, actions);
        if cascade {
            let touched: Vec<ServiceId> = self.cascade(id).collect();
            for dependent in touched {
                self.stop_for_cascade(dependent, actions);
            }
        }
        // Closing is a plan: a stop within it waits for its turn like all others.
        let in_order = cascade || self.is_closing();
        match self.state(id) {
            ServiceState::Starting | ServiceState::Running if in_order => {
                self.leave(id, Cause::Operator, actions);
            }
            ServiceState::Starting | ServiceState::Running => {
                self.record_mut(id).leaving = None;
                self.ask(id, Cause::Operator, actions);
            }
            ServiceState::Stopping => self.record_mut(id).asked = true,
            ServiceState::Stopped => self.record_mut(id).operations.done(actions),
            ServiceState::Error => self.dismiss(id, actions),
        }
    }

    fn stop_for_cascade(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        self.hold(id);
        self.record_mut(id).operations.end(Outcome::Superseded, actions);
        actions.push(Action::Touched(id));
        if self.record(id).life == Life::Live {
            self.leave(id, Cause::Cascade, actions);
        }
    }

    /// An operator wants it stopped: that stays until an operator wants otherwise.
    fn hold(&mut self, id: ServiceId) {
        let record = self.record_mut(id);
        record.desired = Desired::Stopped;
        record.held = true;
        record.wanted = None;
    }

    /// A stop takes an error as known; what could not be ended stays an error.
    fn dismiss(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        if self.record(id).life == Life::Orphan {
            let failed = Outcome::Failed(ErrorKind::Orphaned);
            self.record_mut(id).operations.end(failed, actions);
        } else {
            self.transition(id, Input::Dismiss, Cause::Operator, actions);
            self.record_mut(id).operations.done(actions);
        }
    }
}
