//! What an operator can ask, in every state.
//!
//! The later command wins: an operation of another verb that still waits ends as superseded;
//! operations of the same verb join and end together. `stop` always wins over a start, a wait and
//! an error, and cancels a restart; a start or restart forgives earlier failures. (DESIGN:
//! "Operator".)
//!
//! # Every verb in every situation
//!
//! How the operation ends at once (`waits` if it does not), and the state then. How it ends later,
//! whatever happens meanwhile, is told and checked cell by cell in `tests/golden/commands.txt`.
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
//! | the same, its provider restarted | waits | waits, stopping | waits | waits, stopping |
//! | running, closing | refused | waits, in order | waits, in order | refused |
//! | running, to restart with its provider | waits | waits, stopping | waits | waits, stopping |
//! | stopping, for whatever reason | waits for the next generation | waits | waits | waits |
//! | error, whatever follows | waits, starting | done, stopped | done, stopped | waits, starting |
//! | error, its provider down | waits, stopped | done, stopped | done, stopped | waits, stopped |
//! | error, closing | refused | done, stopped | done, stopped | refused |
//! | error, orphaned | refused | failed, held all the same | failed, held | refused |
//!
//! A deregistration does what a stop does, and then removes the service; who has dependents leaves
//! only with them, in a cascade (see `membership.rs`). While closing it is refused.
//!
//! A start that is forced is not refused for an orphan: what is left of it counts no more. A
//! restart with dependents restarts those that live and require the service, through others that
//! live: they stop before it, in order, and start after it. Whoever restarts in a plan does so even
//! if a start comes meanwhile; the start then waits for it.
//!
//! # Which providers a start brings with it
//!
//! Without `with_dependencies`: those that were never started. A provider that failed is waited
//! for, one that an operator stopped is a refusal that names it. With `with_dependencies`: all
//! that are down or on their way down, but for those that completed; an orphan among them starts
//! once it is gone. Providers by optional edges are neither brought along nor asked about. Who
//! comes anyway does not wait for its turn any more.

use super::record::Leaving;
use super::recovery::Recovery;
use super::{Action, Life, Machine, OperationId, Outcome, Refusal, Verb};
use crate::event::Cause;
use crate::exit::{ErrorKind, Exit};
use crate::graph::{EdgePolicy, ServiceId};
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
    /// let traits = Traits { autostart: false, ..Traits::default() };
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
                Verb::Stop { cascade } => {
                    let dependents =
                        if cascade { self.graph.all_requiring(id) } else { Vec::new() };
                    self.command_down(operation, id, verb, dependents, actions);
                }
                Verb::Deregister { cascade } => {
                    self.command_deregister(operation, id, cascade, actions);
                }
                Verb::Start { with_dependencies, force } => {
                    if force {
                        self.abandon(id, actions);
                    }
                    self.command_start(operation, id, with_dependencies, actions);
                }
                Verb::Restart { with_dependents } => {
                    self.command_restart(operation, id, with_dependents, actions);
                }
            },
        }
        self.finish_step(actions);
    }

    fn refusal(&self, id: ServiceId, verb: Verb) -> Option<Refusal> {
        if !self.is_registered(id) {
            return Some(Refusal::Unknown);
        }
        let (with_dependencies, force) = match verb {
            Verb::Stop { .. } => return None,
            Verb::Deregister { .. } if self.is_closing() => return Some(Refusal::Closing),
            Verb::Deregister { cascade } => return self.refuses_to_leave(id, cascade),
            Verb::Start { with_dependencies, force } => (with_dependencies, force),
            Verb::Restart { .. } => (false, false),
        };
        let record = self.record(id);
        if self.is_closing() {
            Some(Refusal::Closing)
        } else if !record.traits().enabled {
            Some(Refusal::Disabled)
        } else if record.life == Life::Orphan && !force {
            Some(Refusal::Orphaned)
        } else if with_dependencies {
            None
        } else {
            let held = |&provider: &ServiceId| {
                let record = self.record(provider);
                record.held && !record.is_available()
            };
            let mut providers = self.graph.all_required(id).into_iter();
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
        self.forgive(id, actions);
        let record = self.record_mut(id);
        let verb = Verb::Start { with_dependencies, force: false };
        let runs = record.state == ServiceState::Running && record.leaving.is_none();
        self.join_wanting(operation, id, verb, !runs, actions);
        if runs {
            self.finish_waiting(id, actions);
        } else {
            self.start_again(id, Cause::Operator, actions);
        }
        // Who stays is in the way of no plan. All that stay are known by now.
        self.go_if_free(id, actions);
        self.free_providers(id, actions);
        for provider in self.graph.all_required(id) {
            self.free_providers(provider, actions);
        }
    }

    fn command_restart(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        with_dependents: bool,
        actions: &mut Vec<Action>,
    ) {
        self.pull_in_providers(id, false, actions);
        self.forgive(id, actions);
        let follows = |policy: EdgePolicy| with_dependents && policy.gates();
        let dependents = self.mark_following(id, follows);
        self.join_wanting(operation, id, Verb::Restart { with_dependents }, true, actions);
        let record = self.record_mut(id);
        if matches!(record.state, ServiceState::Starting | ServiceState::Running) {
            record.leaving = Some(Leaving::restart(Cause::Operator));
            record.desired = Desired::Running;
            record.held = false;
            record.wanted = Some(Cause::Operator);
            actions.push(Action::Touched(id));
            self.refresh(id, actions);
            self.let_go(dependents, actions);
            if with_dependents {
                self.go_if_free(id, actions);
            } else {
                // No need to wait for its turn in a plan.
                self.ask(id, Cause::Operator, actions);
            }
        } else {
            self.let_go(dependents, actions);
            self.start_again(id, Cause::Operator, actions);
        }
    }

    /// Makes a service run: at once, when its providers are ready, or when its last generation is
    /// gone.
    fn start_again(&mut self, id: ServiceId, cause: Cause, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        record.desired = Desired::Running;
        record.held = false;
        if self.waits_for_down(id) {
            // Pulled in by a later command: the stop that was under way lost.
            self.end_waiting(id, Outcome::Superseded, actions);
        }
        let record = self.record_mut(id);
        match record.state {
            ServiceState::Starting | ServiceState::Running => {
                // Only a pending plan wanted it gone: the later command wins; but it restarts with
                // its provider or group all the same, also if that came up while it was to stop for
                // good, and the command waits for that.
                record.leaving = record.leaving.and_then(Leaving::kept);
                if record.leaving.is_some() {
                    record.wanted = Some(cause);
                    actions.push(Action::Touched(id));
                    return;
                }
                self.refresh(id, actions);
                if self.state(id) == ServiceState::Running {
                    self.finish_waiting(id, actions);
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
        for provider in self.graph.all_required(id) {
            if self.is_pulled_in(provider, all) {
                self.forgive(provider, actions);
                self.start_again(provider, Cause::PulledIn, actions);
            } else {
                self.hurry(provider, actions);
            }
        }
    }

    /// Somebody waits for a service that comes anyway: it does not wait for its turn.
    fn hurry(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        let record = self.record_mut(id);
        if matches!(record.recovery, Some(Recovery::Spread | Recovery::SpreadRestart)) {
            self.want(id, Cause::PulledIn, actions);
        } else if record.wanted.is_some() && !record.is_up() {
            record.wanted = Some(Cause::PulledIn);
        }
    }

    /// Returns whether a start of what needs the provider starts it too.
    pub(super) fn is_pulled_in(&self, provider: ServiceId, all: bool) -> bool {
        let record = self.record(provider);
        if !record.traits().enabled {
            return false;
        }
        let unwanted = record.desired == Desired::Stopped || record.is_new();
        let comes = record.wanted.is_some();
        match record.state {
            ServiceState::Stopped | ServiceState::Error if record.completed || comes => false,
            ServiceState::Stopped | ServiceState::Error => all || unwanted,
            ServiceState::Starting | ServiceState::Running => all && record.leaving.is_some(),
            ServiceState::Stopping => all && !comes && record.failure != Some(Exit::Completed),
        }
    }

    /// Stops a service, in a cascade after `dependents`.
    pub(super) fn command_down(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        verb: Verb,
        dependents: Vec<ServiceId>,
        actions: &mut Vec<Action>,
    ) {
        let changes = {
            let record = self.record(id);
            let comes = record.wanted.is_some() || record.recovery.is_some();
            record.state != ServiceState::Stopped || comes
        };
        self.hold(id, actions);
        self.join(operation, id, verb, changes, actions);
        self.stop_first(dependents, actions);
        // Closing is a plan: a stop within it waits for its turn like all others.
        let in_order = verb.cascades() || self.is_closing();
        match self.state(id) {
            ServiceState::Starting | ServiceState::Running if in_order => {
                self.leave(id, Cause::Operator, actions);
            }
            ServiceState::Starting | ServiceState::Running => {
                self.record_mut(id).leaving = None;
                self.ask(id, Cause::Operator, actions);
            }
            ServiceState::Stopping => self.record_mut(id).asked = true,
            ServiceState::Stopped => self.finish_waiting(id, actions),
            ServiceState::Error => self.dismiss(id, actions),
        }
    }

    /// Stops those that are to stop before the service that was named.
    fn stop_first(&mut self, dependents: Vec<ServiceId>, actions: &mut Vec<Action>) {
        // All are leaving before the first one is asked: so each waits for its dependents.
        for &dependent in &dependents {
            self.stop_for_cascade(dependent, actions);
        }
        for dependent in dependents {
            if self.record(dependent).life == Life::Live {
                self.leave(dependent, Cause::Cascade, actions);
            }
        }
    }

    /// Holds what lives, or would come by itself; what lives is to stop in its turn.
    fn stop_for_cascade(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        if !self.record(id).lives_or_comes() {
            return;
        }
        self.hold(id, actions);
        self.end_waiting(id, Outcome::Superseded, actions);
        let record = self.record_mut(id);
        match record.state {
            ServiceState::Starting | ServiceState::Running => record.set_leaving(Cause::Cascade),
            ServiceState::Error if record.life == Life::Gone => {
                self.transition(id, Input::Dismiss, Cause::Cascade, actions);
            }
            ServiceState::Error | ServiceState::Stopping | ServiceState::Stopped => {}
        }
    }

    /// An operator wants it stopped: that stays until an operator wants otherwise.
    pub(super) fn hold(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        self.set_recovery(id, None);
        let record = self.record_mut(id);
        record.desired = Desired::Stopped;
        record.held = true;
        record.wanted = None;
        record.exhausted = false;
        actions.push(Action::Touched(id));
        self.refresh_mates(id, actions);
    }

    /// A stop takes an error as known; what could not be ended stays an error.
    fn dismiss(&mut self, id: ServiceId, actions: &mut Vec<Action>) {
        if self.record(id).life == Life::Orphan {
            self.end_waiting(id, Outcome::Failed(ErrorKind::Orphaned), actions);
        } else {
            self.transition(id, Input::Dismiss, Cause::Operator, actions);
            self.finish_waiting(id, actions);
        }
    }
}
