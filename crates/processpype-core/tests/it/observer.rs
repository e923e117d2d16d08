//! What a machine may never do, judged by its actions alone.
//!
//! The invariants, each a variant of [`Broken`]:
//!
//! 1. `StartOrder`: no generation begins before every provider is ready (as last told) or
//!    completed.
//! 2. `StopOrder`: in a plan (closing, cascade) no provider is asked to stop while the generation
//!    of a direct dependent lives, orphans aside.
//! 3. `TwoGenerations`: never two generations of one service; numbers go up one by one.
//! 4. `NoTimer`: a generation that should start or end has an armed timer.
//! 5. `Operation`: each operation ends exactly once, and its outcome is true.
//! 6. `Unasked`: a generation begins only because somebody asked for one and nobody stopped the
//!    service since; one request begins one generation. Nothing is asked or ended twice.
//! 7. `Chain`: transitions follow each other, by allowed steps only, and fit what lives.
//! 8. `Once`: settled, closing and closed are told at most once, and when they are true.
//! 9. `Late`: a report that comes too late changes nothing.
//! 10. `Untold`: what the public sees changes only with an action that says so.
//! 11. `Rest`: without faults everything comes to rest, and at rest nothing is left to do.

use processpype_core::{
    Action, Change, CloseCause, Exit, Graph, OperationId, Outcome, Refusal, Report, ServiceId,
    ServiceState, Timer, Traits, Verb,
};

use crate::world::{Move, Pending, World, bit};

/// An invariant that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    StartOrder(ServiceId),
    StopOrder(ServiceId),
    TwoGenerations(ServiceId),
    NoTimer(ServiceId),
    Operation(OperationId, &'static str),
    Unasked(ServiceId, &'static str),
    Chain(ServiceId, &'static str),
    Once(&'static str),
    Late(Move),
    Untold(ServiceId),
    Rest(&'static str),
}

type Check = Result<(), Broken>;

fn ensure(holds: bool, broken: Broken) -> Check {
    if holds { Ok(()) } else { Err(broken) }
}

/// The steps of `DESIGN`: written a second time, by hand.
fn allowed(from: ServiceState, to: ServiceState) -> bool {
    use ServiceState::{Error, Running, Starting, Stopped, Stopping};
    match from {
        Stopped => to == Starting,
        Starting => matches!(to, Running | Stopping | Stopped | Error),
        Running => to == Stopping,
        Stopping => matches!(to, Stopped | Error),
        Error => matches!(to, Starting | Stopped),
    }
}

// === impl World ===

impl World {
    /// Takes in a move and what the machine answered.
    pub(crate) fn observe(
        &mut self,
        graph: &Graph,
        traits: &[Traits],
        happened: Move,
        actions: &[Action],
    ) -> Check {
        self.happen(graph, happened, actions);
        for &action in actions {
            self.act(graph, happened, action)?;
        }
        graph.services().try_for_each(|id| self.stands(id, traits[id.index()]))
    }

    /// What the environment did by itself.
    fn happen(&mut self, graph: &Graph, happened: Move, actions: &[Action]) {
        match happened {
            Move::Report(id, _, report) => self.reported(id, report),
            Move::Command(operation, id, verb) => {
                let generation = self.service(id).generation;
                let pending = Pending { service: id, verb, generation };
                self.pending[operation.0 as usize] = Some(pending);
                let refused = actions.iter().any(|action| match action {
                    Action::Finish(of, Outcome::Refused(_)) => *of == operation,
                    _ => false,
                });
                if !refused {
                    self.commanded(graph, id, verb);
                }
            }
            Move::AbortAll => self.all_aborted = true,
            Move::Boot | Move::Close => {}
        }
    }

    fn reported(&mut self, id: ServiceId, report: Report) {
        let service = self.service_mut(id);
        match report {
            Report::Started { ready } => (service.started, service.ready) = (true, ready),
            Report::Ready(ready) => service.ready = ready,
            Report::Ending(exit) => service.ending = Some(exit),
            Report::Gone(exit) => {
                let by_itself = service.ending.is_some() || !service.asked;
                let exit = service.ending.unwrap_or(exit);
                let undone = exit == Exit::Completed && !by_itself;
                service.exit = Some(if undone { Exit::Stopped } else { exit });
                (service.alive, service.orphan, service.in_plan) = (false, false, false);
                (service.started, service.ready, service.ending) = (false, false, None);
                (service.asked, service.aborted, service.armed) = (false, false, 0);
            }
            Report::Elapsed(timer) => service.armed &= !bit(timer),
        }
    }

    fn commanded(&mut self, graph: &Graph, id: ServiceId, verb: Verb) {
        match verb {
            Verb::Stop { cascade } => {
                let service = self.service_mut(id);
                (service.held, service.credit, service.in_plan) =
                    (true, false, cascade && service.alive);
                let dependents = if cascade { graph.all_dependents(id) } else { Vec::new() };
                for dependent in dependents {
                    let service = self.service_mut(dependent);
                    if service.is_in_the_way() || service.credit {
                        service.held = true;
                    }
                    service.in_plan = service.is_in_the_way();
                    service.credit = false;
                }
            }
            Verb::Start { with_dependencies } => {
                self.wanted(id, false);
                self.pulled_in(graph, id, with_dependencies);
            }
            Verb::Restart => {
                self.wanted(id, true);
                self.pulled_in(graph, id, false);
            }
        }
    }

    /// A start brings its providers: the never started ones, or all that are not there to stay.
    fn pulled_in(&mut self, graph: &Graph, id: ServiceId, all: bool) {
        for provider in graph.all_providers(id) {
            let service = self.service(provider);
            let completes = service.ending == Some(Exit::Completed);
            let needed = all && !service.is_completed() && !completes;
            if service.enabled && (needed || service.generation == 0) {
                self.wanted(provider, false);
            }
        }
    }

    fn wanted(&mut self, id: ServiceId, again: bool) {
        let service = self.service_mut(id);
        let stays = matches!(service.told, ServiceState::Starting | ServiceState::Running);
        (service.held, service.in_plan) = (false, false);
        service.credit |= again || !service.alive || !stays;
    }

    fn act(&mut self, graph: &Graph, happened: Move, action: Action) -> Check {
        match action {
            Action::Spawn(id, generation) => self.spawned(graph, id, generation.0),
            Action::Stop(id, generation) => {
                let service = self.service(id);
                let once = service.alive && service.generation == generation.0 && !service.asked;
                ensure(once, Broken::Unasked(id, "stop"))?;
                self.stop_in_order(graph, happened, id)?;
                self.service_mut(id).asked = true;
                Ok(())
            }
            Action::Abort(id, generation) => {
                let in_time = match happened {
                    Move::Report(of, _, Report::Elapsed(Timer::Stop)) => of == id,
                    _ => happened == Move::AbortAll,
                };
                let service = self.service_mut(id);
                let once = service.alive && service.generation == generation.0 && !service.aborted;
                service.aborted = true;
                ensure(once && in_time, Broken::Unasked(id, "abort"))
            }
            Action::Arm(id, generation, timer) => {
                let service = self.service_mut(id);
                service.armed |= bit(timer);
                let fits = service.alive && service.generation == generation.0;
                ensure(fits, Broken::Chain(id, "a timer for nothing"))
            }
            Action::Changed(change) => self.changed(change),
            Action::Touched(_) => Ok(()),
            Action::Finish(operation, outcome) => self.finished(operation, outcome),
            Action::Settled => self.told_settled(graph),
            Action::Closing(cause) => self.told_closing(happened, cause),
            Action::Closed => {
                let gone = graph.services().all(|id| !self.service(id).is_in_the_way());
                ensure(gone && self.closing && !self.closed, Broken::Once("closed"))?;
                self.closed = true;
                Ok(())
            }
        }
    }

    fn spawned(&mut self, graph: &Graph, id: ServiceId, generation: u64) -> Check {
        let open = !self.closing && self.service(id).credit && !self.service(id).held;
        ensure(open, Broken::Unasked(id, "spawn"))?;
        for &provider in graph.providers(id) {
            let service = self.service(provider);
            let stays = service.is_completed() || !service.held;
            ensure(service.is_available() && stays, Broken::StartOrder(id))?;
        }
        let service = self.service_mut(id);
        let next = !service.alive && generation == service.generation + 1;
        ensure(next, Broken::TwoGenerations(id))?;
        ensure(service.told == ServiceState::Starting, Broken::Chain(id, "spawned, not starting"))?;
        (service.alive, service.credit, service.generation) = (true, false, generation);
        service.exit = None;
        Ok(())
    }

    /// In a plan: dependents first. Its own start timeout ends a service at once all the same.
    fn stop_in_order(&self, graph: &Graph, happened: Move, id: ServiceId) -> Check {
        let by_itself =
            matches!(happened, Move::Report(of, _, Report::Elapsed(Timer::Start)) if of == id);
        let in_plan = self.closing || self.service(id).in_plan;
        let mut dependents = graph.dependents(id).iter();
        let free = dependents.all(|&dependent| !self.service(dependent).is_in_the_way());
        ensure(free || by_itself || !in_plan, Broken::StopOrder(id))
    }

    fn changed(&mut self, change: Change) -> Check {
        let id = change.service;
        let service = self.service_mut(id);
        let chained = service.told == change.from && allowed(change.from, change.to);
        ensure(chained, Broken::Chain(id, "a step that is not allowed"))?;
        let begins = change.to == ServiceState::Starting;
        let generation = service.generation + u64::from(begins);
        ensure(change.generation.0 == generation, Broken::TwoGenerations(id))?;
        if change.to == ServiceState::Error && service.alive {
            // What could not be ended fails whatever waited for its end.
            (service.orphan, service.credit, service.in_plan) = (true, false, false);
            service.ending = None;
        }
        if change.from == ServiceState::Starting {
            service.armed &= !bit(Timer::Start);
        }
        service.told = change.to;
        Ok(())
    }

    fn finished(&mut self, operation: OperationId, outcome: Outcome) -> Check {
        let known = self.pending[operation.0 as usize].take();
        let pending = known.ok_or(Broken::Operation(operation, "ended, but was not pending"))?;
        let service = self.service(pending.service);
        let newer = service.generation > pending.generation;
        let is_true = match (outcome, pending.verb) {
            (Outcome::Done { .. }, Verb::Stop { .. }) => !service.alive,
            (Outcome::Done { .. }, Verb::Start { .. }) => {
                service.told == ServiceState::Running && !service.asked || service.is_completed()
            }
            (Outcome::Done { .. }, Verb::Restart) => {
                newer && (service.told == ServiceState::Running || service.is_completed())
            }
            (Outcome::Failed(_), Verb::Stop { .. }) => service.orphan,
            (Outcome::Failed(_), Verb::Start { .. } | Verb::Restart) => {
                service.told == ServiceState::Error
            }
            (Outcome::Superseded, _) => true,
            (Outcome::Refused(refusal), verb) => self.may_refuse(pending.service, verb, refusal),
        };
        ensure(is_true, Broken::Operation(operation, "its outcome is not true"))
    }

    fn may_refuse(&self, id: ServiceId, verb: Verb, refusal: Refusal) -> bool {
        let is_stop = matches!(verb, Verb::Stop { .. });
        match refusal {
            Refusal::Closing => self.closing && !is_stop,
            Refusal::Orphaned => !is_stop && self.service(id).orphan,
            Refusal::ProviderStopped(provider) => {
                let provider = self.service(provider);
                !is_stop && provider.held && !provider.is_available()
            }
            Refusal::Disabled => !is_stop,
            _ => false,
        }
    }

    fn told_closing(&mut self, happened: Move, cause: CloseCause) -> Check {
        let failed = |id| {
            let service = self.service(id);
            service.told == ServiceState::Error && !service.held
        };
        let is_true = match cause {
            CloseCause::Requested => matches!(happened, Move::Close | Move::AbortAll),
            CloseCause::SignificantAtStart(id) => failed(id) && !self.settled,
            CloseCause::Significant(id) => failed(id) && self.settled,
            _ => false,
        };
        ensure(is_true && !self.closing, Broken::Once("closing"))?;
        self.closing = true;
        Ok(())
    }

    fn told_settled(&mut self, graph: &Graph) -> Check {
        let still = |id| self.service(id).told.is_transient() || self.is_owed(graph, id);
        let quiet = !graph.services().any(still);
        ensure(quiet && !self.settled && !self.closing, Broken::Once("settled"))?;
        self.settled = true;
        Ok(())
    }

    /// Whether a service could start now and should.
    fn is_owed(&self, graph: &Graph, id: ServiceId) -> bool {
        let service = self.service(id);
        let mut providers = graph.providers(id).iter();
        let can = providers.all(|&provider| self.service(provider).is_available());
        service.credit && !service.alive && !self.closing && can
    }

    /// What holds after every step.
    fn stands(&self, id: ServiceId, traits: Traits) -> Check {
        use ServiceState::{Error, Running, Starting, Stopped, Stopping};
        let service = self.service(id);
        let fits = match service.told {
            Starting | Running | Stopping => service.alive,
            Stopped => !service.alive,
            Error => !service.alive || service.orphan,
        };
        ensure(fits, Broken::Chain(id, "the state does not fit what lives"))?;
        let wait = match service.told {
            Starting => bit(Timer::Start),
            Stopping => bit(Timer::Stop) | bit(Timer::Abort),
            Stopped | Running | Error => return self.escalated(id, traits),
        };
        ensure(service.armed & wait != 0, Broken::NoTimer(id))
    }

    fn escalated(&self, id: ServiceId, traits: Traits) -> Check {
        let service = self.service(id);
        let failed = service.told == ServiceState::Error && !service.held;
        let unnoticed = failed && traits.significant && !self.closing;
        ensure(!unnoticed, Broken::Chain(id, "a significant failure did not close"))
    }

    /// What holds when nothing happens by itself any more.
    pub(crate) fn rests(&self, graph: &Graph) -> Check {
        for id in graph.services() {
            let service = self.service(id);
            ensure(!service.told.is_transient(), Broken::Rest("a state on its way"))?;
            let unstopped = service.is_in_the_way() && (service.held || self.closing);
            ensure(!unstopped, Broken::Rest("a stop is not carried out"))?;
            ensure(!self.is_owed(graph, id), Broken::Rest("a service should start and can"))?;
        }
        ensure(self.closed || !self.closing, Broken::Rest("closing has no end"))?;
        ensure(self.settled || self.closing, Broken::Rest("never settled"))?;
        let mut pending = self.pending.iter().flatten();
        let waits = |pending: &Pending| self.may_wait(graph, pending);
        ensure(pending.all(waits), Broken::Rest("an operation was lost"))
    }

    /// Only a start may wait at rest: for a provider that is down or unready.
    fn may_wait(&self, graph: &Graph, pending: &Pending) -> bool {
        let mut providers = graph.providers(pending.service).iter();
        let blocked = providers.any(|&provider| !self.service(provider).is_available());
        let starts = matches!(pending.verb, Verb::Start { .. } | Verb::Restart);
        starts && blocked && !self.service(pending.service).alive && !self.closing
    }
}

/// Why the environment lets an application close.
pub(crate) const REQUESTED: CloseCause = CloseCause::Requested;
