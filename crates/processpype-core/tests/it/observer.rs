//! What a machine may never do, judged by its actions alone.
//!
//! The invariants, each a variant of [`Broken`]:
//!
//! 1. `StartOrder`: no generation begins before every provider is ready (as last told) or
//!    completed, nor while a member of its group is in the way.
//! 2. `StopOrder`: in a plan (closing, cascade) no provider is asked to stop while the generation
//!    of a direct dependent lives, orphans aside.
//! 3. `TwoGenerations`: never two generations of one service, forced starts past an orphan aside;
//!    numbers go up one by one.
//! 4. `NoTimer`: a generation that should start or end has an armed timer.
//! 5. `Operation`: each operation ends exactly once, and its outcome is true.
//! 6. `Unasked`: a generation begins only because somebody asked for one and nobody stopped the
//!    service since; one request begins one generation. Nothing is asked or ended twice.
//! 7. `Chain`: transitions follow each other, by allowed steps only, and fit what lives.
//! 8. `Once`: settled, closing and closed are told at most once, and when they are true.
//! 9. `Late`: a report that comes too late changes nothing.
//! 10. `Untold`: what the public sees changes only with an action that says so.
//! 11. `Recovery`: a restart is asked for after each unasked end that the policy covers, and only
//!     then; a budget is spent on failures alone, never for kind dependency, while waiting, while
//!     stopped or while closing; the answer begins a generation or none; a start or restart
//!     forgives; who waited for a provider that was there before takes its turn, and nobody
//!     else; nor does who an operator waits for.
//! 12. `Rest`: without faults everything comes to rest, and at rest nothing is left to do.
//! 13. `Members`: a service leaves when it is gone, because somebody asked for it, and with all
//!     that have an edge to it; who joins changes nothing for the others.
//! 14. `Places`: no more are starting at a time than there are places.
//! 15. `Refused`: a start, restart or deregistration that is refused as it comes does nothing else.

use processpype_core::{
    Action, Change, CloseCause, Edge, EdgePolicy, ErrorKind, Exit, Graph, OperationId, Outcome,
    Refusal, Report, ServiceId, ServiceState, Timer, Verb,
};

use crate::world::{Move, Pending, Recovery, Service, World, bit, is_gate};

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
    Recovery(ServiceId, &'static str),
    Members(ServiceId),
    Places(ServiceId),
    Refused(ServiceId),
}

type Check = Result<(), Broken>;

fn ensure(holds: bool, broken: Broken) -> Check {
    if holds { Ok(()) } else { Err(broken) }
}

/// What is refused as it comes has no effect beside that; a stop keeps the service stopped.
fn refused_alone(happened: Move, actions: &[Action]) -> Check {
    let Move::Command(operation, id, verb) = happened else { return Ok(()) };
    let refuses = |action: &Action| match *action {
        Action::Finish(of, Outcome::Refused(_)) => of == operation,
        _ => false,
    };
    let is_refused = actions.iter().any(refuses) && !matches!(verb, Verb::Stop { .. });
    ensure(!is_refused || actions.len() == 1, Broken::Refused(id))
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
    pub(crate) fn observe(&mut self, graph: &Graph, happened: Move, actions: &[Action]) -> Check {
        self.lost = self.who_is_lost(graph);
        self.happen(graph, happened, actions);
        for &action in actions {
            self.act(graph, happened, action)?;
        }
        self.forgiven(happened, actions)?;
        refused_alone(happened, actions)?;
        self.note_missing(graph);
        for id in graph.services() {
            let service = self.service_mut(id);
            service.has_served |= service.is_available();
            let returned = self.has_returned(graph, id);
            let service = self.service_mut(id);
            let waits = service.credit && !service.alive;
            service.owes_turn = (service.owes_turn || returned) && waits;
        }
        let is_settled = self.settled || self.closing || self.is_start_open(graph);
        ensure(is_settled, Broken::Once("all have started, and it is not told"))?;
        graph.services().try_for_each(|id| self.stands(id))
    }

    /// Notes who lives without a provider that it could not start without.
    fn note_missing(&mut self, graph: &Graph) {
        for edge in graph.edges().filter(|&edge| is_gate(graph, edge)) {
            let missing = !self.service(edge.provider).is_available();
            let dependent = self.service_mut(edge.dependent);
            dependent.missed |= missing && dependent.alive && !dependent.orphan;
        }
    }

    /// Whether a member of its group is in the way of a start: still to end, or, where its failure
    /// restarts the service, failed and not back.
    fn waits_for_mates(&self, id: ServiceId) -> bool {
        let in_the_way = |other: usize| {
            let mate = &self.services[other];
            let restarts_it = self.groups[other] & 1 << id.0 != 0;
            let is_restarted_by_it = self.groups[id.index()] & 1 << other != 0;
            let ends = mate.told == ServiceState::Stopping || mate.is_leaving();
            let recovers = matches!(mate.recovery, Some(Recovery::Retry | Recovery::Pause));
            let is_missing = recovers || mate.exhausted || (mate.orphan && !mate.unwanted);
            let is_of_group = restarts_it || is_restarted_by_it;
            let is_missing = is_missing && !mate.is_completed();
            (mate.is_in_the_way() && ends && is_of_group) || (restarts_it && is_missing)
        };
        (0..self.services.len()).any(in_the_way)
    }

    fn act(&mut self, graph: &Graph, happened: Move, action: Action) -> Check {
        match action {
            Action::Spawn(id, generation) => self.spawned(graph, id, generation.0),
            Action::Stop(id, generation) => {
                let service = self.service(id);
                let once = service.alive && service.generation == generation.0 && !service.asked;
                let cancels = matches!(happened, Move::Cancel(..));
                ensure(once && !cancels, Broken::Unasked(id, "stop"))?;
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
            Action::Retry(id, generation) => {
                self.recovering(happened, id, generation.0, Recovery::Retry)
            }
            Action::Pause(id, generation) => {
                self.recovering(happened, id, generation.0, Recovery::Pause)
            }
            Action::Spread(id, generation) => self.spread(graph, id, generation.0),
            Action::Forgive(id) => self.may_forgive(graph, happened, id),
            Action::Changed(change) => self.changed(change),
            Action::Touched(_) => Ok(()),
            Action::Removed(id) => self.removed(graph, id),
            Action::Finish(operation, outcome) => self.finished(graph, operation, outcome),
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

    fn removed(&mut self, graph: &Graph, id: ServiceId) -> Check {
        let asked = |pending: &Pending| match pending.verb {
            Verb::Deregister { cascade } => {
                let named = pending.service;
                named == id || (cascade && graph.all_dependents(named).contains(&id))
            }
            _ => false,
        };
        let is_asked = self.pending.iter().flatten().any(asked);
        let alone = graph.dependents(id).iter().all(|&other| !self.service(other).present);
        let service = self.service_mut(id);
        let gone = service.present && !service.alive && !service.credit;
        *service = service.left();
        ensure(is_asked && alone && gone && !self.closing, Broken::Members(id))
    }

    fn spawned(&mut self, graph: &Graph, id: ServiceId, generation: u64) -> Check {
        let open = !self.closing && self.service(id).credit && !self.service(id).unwanted;
        ensure(open, Broken::Unasked(id, "spawn"))?;
        for (provider, policy) in graph.provider_edges(id) {
            let service = self.service(provider);
            let stays = service.is_completed() || !service.held || policy == EdgePolicy::Optional;
            ensure(service.lets_begin(policy) && stays, Broken::StartOrder(id))?;
        }
        ensure(!self.waits_for_mates(id), Broken::StartOrder(id))?;
        let returned = self.has_returned(graph, id);
        let service = self.service_mut(id);
        let takes_turn = service.urgent || !(service.owes_turn || returned);
        ensure(takes_turn, Broken::Recovery(id, "did not wait for its turn"))?;
        let next = !service.alive && generation == service.generation + 1;
        ensure(next, Broken::TwoGenerations(id))?;
        ensure(service.told == ServiceState::Starting, Broken::Chain(id, "spawned, not starting"))?;
        let starting = self.services.iter().filter(|it| it.told == ServiceState::Starting).count();
        ensure(starting <= self.places, Broken::Places(id))?;
        let service = self.service_mut(id);
        (service.alive, service.credit, service.generation) = (true, false, generation);
        (service.exit, service.unasked, service.missed) = (None, false, false);
        self.set_off(graph, id, |policy| policy == EdgePolicy::Restart);
        Ok(())
    }

    /// Who could be counted on once, and cannot now.
    fn who_is_lost(&self, graph: &Graph) -> u8 {
        let is_lost = |id: &ServiceId| {
            let service = self.service(*id);
            service.has_served && !service.is_available()
        };
        graph.services().filter(is_lost).fold(0, |bits, id| bits | 1 << id.0)
    }

    /// Whether a provider came back in this step that the service cannot start without.
    fn has_returned(&self, graph: &Graph, id: ServiceId) -> bool {
        let mut providers = graph.provider_edges(id);
        providers.any(|(provider, policy)| {
            let was_lost = self.lost & 1 << provider.0 != 0;
            policy.gates() && was_lost && self.service(provider).is_available()
        })
    }

    /// Whether somebody is in the way of a start.
    pub(crate) fn is_blocked(&self, graph: &Graph, id: ServiceId) -> bool {
        let mut providers = graph.provider_edges(id);
        let blocks = |(provider, policy): (ServiceId, EdgePolicy)| {
            let waits_for_it = policy == EdgePolicy::Optional && self.is_queued(graph, provider);
            !self.service(provider).lets_begin(policy) || waits_for_it
        };
        providers.any(blocks) || self.waits_for_mates(id)
    }

    /// Whether a service may start, and only waits for a place.
    fn is_queued(&self, graph: &Graph, id: ServiceId) -> bool {
        let service = self.service(id);
        service.credit && !service.alive && !self.closing && !self.is_blocked(graph, id)
    }

    /// Who waited for a provider that is back, or whose backoff ended while it had to wait, takes
    /// its turn; a command does not wait for that.
    fn spread(&mut self, graph: &Graph, id: ServiceId, of: u64) -> Check {
        let returned = self.has_returned(graph, id);
        let service = self.service_mut(id);
        let waits = !service.alive && service.generation == of && !service.held;
        let owes = service.owes_turn || returned;
        let meant = waits && service.credit && !service.urgent && owes && !service.orphan;
        ensure(meant, Broken::Recovery(id, "spread for nothing"))?;
        (service.credit, service.recovery) = (false, Some(Recovery::Spread));
        Ok(())
    }

    /// A restart is asked for: by the end of this generation, which nobody asked for.
    fn recovering(&mut self, happened: Move, id: ServiceId, of: u64, what: Recovery) -> Check {
        let gone = matches!(happened, Move::Report(at, _, Report::Gone(_)) if at == id);
        let open = gone && !self.closing;
        let service = self.service_mut(id);
        let down = !service.alive && service.generation == of;
        let down = down && !service.unwanted && !service.credit;
        ensure(open && down, Broken::Recovery(id, "asked for without an end"))?;
        ensure(service.is_restarted() == Some(what), Broken::Recovery(id, "not by its policy"))?;
        ensure(service.recovery.is_none(), Broken::Recovery(id, "asked for twice"))?;
        service.recovery = Some(what);
        Ok(())
    }

    fn may_forgive(&self, graph: &Graph, happened: Move, id: ServiceId) -> Check {
        let meant = match happened {
            Move::Command(_, of, Verb::Start { .. } | Verb::Restart { .. }) => {
                of == id || graph.all_required(of).contains(&id)
            }
            _ => false,
        };
        ensure(meant, Broken::Recovery(id, "forgiven for nothing"))
    }

    /// A start or restart that is accepted forgives the service.
    fn forgiven(&self, happened: Move, actions: &[Action]) -> Check {
        let Move::Command(operation, id, Verb::Start { .. } | Verb::Restart { .. }) = happened
        else {
            return Ok(());
        };
        let settles = |action: &Action| match *action {
            Action::Forgive(of) => of == id,
            Action::Finish(of, Outcome::Refused(_)) => of == operation,
            _ => false,
        };
        ensure(actions.iter().any(settles), Broken::Recovery(id, "not forgiven"))
    }

    /// In a plan: dependents first. Its own start timeout, or a hang, ends a service at once
    /// all the same.
    fn stop_in_order(&self, graph: &Graph, happened: Move, id: ServiceId) -> Check {
        let by_itself = match happened {
            Move::Report(of, _, Report::Elapsed(Timer::Start) | Report::Hung(_)) => of == id,
            _ => false,
        };
        let service = self.service(id);
        let mut dependents = graph.dependents(id).iter();
        let free = dependents.all(|&dependent| {
            let edge = Edge { dependent, provider: id };
            let dependent = self.service(dependent);
            let stops_too = dependent.is_leaving() && service.is_leaving();
            let in_plan = stops_too || (service.in_plan && is_gate(graph, edge));
            !dependent.is_in_the_way() || !(in_plan || self.closing)
        });
        ensure(free || by_itself, Broken::StopOrder(id))
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
            (service.ending, service.failing, service.due) = (None, false, false);
        }
        service.was_started |= change.from.is_transient() && !change.to.is_transient();
        if change.from == ServiceState::Starting {
            service.armed &= !bit(Timer::Start);
        }
        service.has_served |= service.is_available();
        service.told = change.to;
        Ok(())
    }

    fn finished(&mut self, graph: &Graph, operation: OperationId, outcome: Outcome) -> Check {
        let known = self.pending[operation.0 as usize].take();
        let pending = known.ok_or(Broken::Operation(operation, "ended, but was not pending"))?;
        let service = self.service(pending.service);
        let newer = service.generation > pending.generation;
        let is_true = match (outcome, pending.verb) {
            (Outcome::Done { .. }, Verb::Stop { .. }) => !service.alive,
            (Outcome::Done { changed }, Verb::Deregister { .. }) => changed && !service.present,
            (Outcome::Done { .. }, Verb::Start { .. }) => {
                service.told == ServiceState::Running && !service.asked || service.is_completed()
            }
            (Outcome::Done { .. }, Verb::Restart { .. }) => {
                newer && (service.told == ServiceState::Running || service.is_completed())
            }
            (Outcome::Failed(_), Verb::Stop { .. }) => service.orphan,
            (Outcome::Failed(_), Verb::Deregister { .. }) => {
                let mut dependents = graph.all_dependents(pending.service).into_iter();
                service.orphan || dependents.any(|id| self.service(id).orphan)
            }
            (Outcome::Failed(_), Verb::Start { .. } | Verb::Restart { .. }) => {
                service.told == ServiceState::Error
            }
            (Outcome::Superseded, _) => true,
            (Outcome::Refused(refusal), verb) => {
                self.may_refuse(graph, pending.service, verb, refusal)
            }
        };
        ensure(is_true, Broken::Operation(operation, "its outcome is not true"))
    }

    fn may_refuse(&self, graph: &Graph, id: ServiceId, verb: Verb, refusal: Refusal) -> bool {
        let is_stop = matches!(verb, Verb::Stop { .. });
        if let Verb::Deregister { cascade } = verb {
            let mut dependents = graph.all_dependents(id).into_iter();
            return match refusal {
                Refusal::Closing => self.closing,
                Refusal::Orphaned => self.service(id).orphan,
                Refusal::Needed if cascade => dependents.any(|id| self.service(id).orphan),
                Refusal::Needed => dependents.len() > 0,
                _ => false,
            };
        }
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
            service.told == ServiceState::Error && !service.unwanted && service.recovery.is_none()
        };
        let is_true = match cause {
            CloseCause::Requested => matches!(happened, Move::Close | Move::AbortAll),
            CloseCause::SignificantAtStart(id) => failed(id) && !self.settled,
            CloseCause::Significant(id) => failed(id) && self.settled,
            _ => false,
        };
        ensure(is_true && !self.closing, Broken::Once("closing"))?;
        self.closing = true;
        for service in &mut self.services {
            (service.recovery, service.overdue) = (None, false);
        }
        Ok(())
    }

    fn told_settled(&mut self, graph: &Graph) -> Check {
        let quiet = !self.is_start_open(graph);
        ensure(quiet && !self.settled && !self.closing, Broken::Once("settled"))?;
        self.settled = true;
        Ok(())
    }

    /// Whether somebody is in its first start, or could be and should; a significant service, in
    /// any before it has run.
    fn is_start_open(&self, graph: &Graph) -> bool {
        let open = |id| {
            let service = self.service(id);
            let starts = service.told.is_transient() || self.is_owed(graph, id);
            let again = service.significant && !service.has_run;
            (!service.was_started && starts) || (again && (starts || service.recovery.is_some()))
        };
        graph.services().any(open)
    }

    /// Whether a service could start now and should.
    fn is_owed(&self, graph: &Graph, id: ServiceId) -> bool {
        let service = self.service(id);
        let mut providers = graph.provider_edges(id);
        let can = providers.all(|(provider, policy)| self.service(provider).lets_begin(policy));
        let can = can && !self.waits_for_mates(id);
        service.credit && !service.alive && !self.closing && can
    }

    /// What holds after every step.
    fn stands(&self, id: ServiceId) -> Check {
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
            Stopped | Running | Error => return self.rests_rightly(id),
        };
        ensure(service.armed & wait != 0, Broken::NoTimer(id))
    }

    /// Whoever is down and should not be is restarted, or given up with all that follows.
    fn rests_rightly(&self, id: ServiceId) -> Check {
        let service = self.service(id);
        let comes = service.recovery.is_some() || service.credit;
        let left = !self.closing && !service.unwanted && !comes && !service.alive;
        let forgotten = left && !service.exhausted && service.is_restarted().is_some();
        ensure(!forgotten, Broken::Recovery(id, "an end was forgotten"))?;
        let failed = service.told == ServiceState::Error && !service.unwanted && !comes;
        let unnoticed = failed && service.significant && !self.closing;
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
            ensure(!service.due, Broken::Rest("not restarted with its provider"))?;
        }
        ensure(self.closed || !self.closing, Broken::Rest("closing has no end"))?;
        ensure(self.settled || self.closing, Broken::Rest("never settled"))?;
        let mut pending = self.pending.iter().flatten();
        let waits = |pending: &Pending| self.may_wait(graph, pending);
        ensure(pending.all(waits), Broken::Rest("an operation was lost"))
    }

    /// Only a start may wait at rest: for a provider that is down or unready.
    fn may_wait(&self, graph: &Graph, pending: &Pending) -> bool {
        let mut providers = graph.provider_edges(pending.service);
        let blocked =
            providers.any(|(provider, policy)| !self.service(provider).lets_begin(policy));
        let starts = matches!(pending.verb, Verb::Start { .. } | Verb::Restart { .. });
        let blocked = blocked || self.waits_for_mates(pending.service);
        starts && blocked && !self.service(pending.service).alive && !self.closing
    }
}

// === impl Service ===

impl Service {
    /// What should follow the end of the last generation; the table of `recovery.rs`, by hand.
    pub(crate) fn is_restarted(&self) -> Option<Recovery> {
        use processpype_core::RestartPolicy::{Always, Never, OnFailure};
        match (self.policy, self.exit?) {
            _ if !self.unasked => None,
            (Always | OnFailure, Exit::Failed(ErrorKind::Dependency)) if self.missed => {
                Some(Recovery::Pause)
            }
            (Always | OnFailure, Exit::Failed(_)) | (Always, Exit::Completed) => {
                Some(Recovery::Retry)
            }
            (OnFailure, _) | (Always, _) | (Never, _) => None,
        }
    }
}

/// Why the environment lets an application close.
pub(crate) const REQUESTED: CloseCause = CloseCause::Requested;
