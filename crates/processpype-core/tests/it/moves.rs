//! What a move of the environment means for the world, whatever the machine answers.
//!
//! Reports change what lives, commands what somebody asked for. The rules of the documentation,
//! written a second time; what the machine makes of them is judged in `observer.rs`.

use processpype_core::{
    Action, EdgePolicy, ErrorKind, Exit, Graph, OperationId, Outcome, Report, RestartPolicy,
    ServiceId, Timer, Verb,
};

use crate::world::{Move, Pending, Recovery, Service, World, bit};

// === impl World ===

impl World {
    /// What the environment did by itself.
    pub(crate) fn happen(&mut self, graph: &Graph, happened: Move, actions: &[Action]) {
        match happened {
            Move::Report(id, _, report) => {
                self.failed(id, report);
                // A turn is given to those only that begin with it.
                let owes_turn = report == Report::Elapsed(Timer::Restart)
                    && self.service(id).recovery.is_some()
                    && self.is_blocked(graph, id);
                self.reported(id, report);
                self.service_mut(id).owes_turn |= owes_turn;
            }
            Move::Command(operation, id, verb) => {
                let generation = self.service(id).generation;
                let pending = Pending { service: id, verb, generation };
                self.pending[operation.0 as usize] = Some(pending);
                let refused = actions.iter().any(|action| match action {
                    Action::Finish(of, Outcome::Refused(_)) => *of == operation,
                    _ => false,
                });
                if !refused {
                    let first = self.wanting(id).all(|slot| slot as u64 == operation.0);
                    if first && pending.wants() {
                        let service = self.service_mut(id);
                        service.undo = service.unwanted.then_some(service.held);
                    }
                    self.commanded(graph, id, verb);
                }
            }
            Move::Cancel(operation, id) => self.cancelled(operation, id),
            Move::Register(at, joining) => {
                let generation = self.service(at).generation;
                *self.service_mut(at) = Service::joined(&joining.traits, generation);
            }
            Move::AbortAll => self.all_aborted = true,
            Move::Boot | Move::Close | Move::AskMore => {}
        }
    }

    /// A failure that its policy answers with a restart restarts the group, as its strategy says.
    fn failed(&mut self, id: ServiceId, report: Report) {
        let service = *self.service(id);
        let exit = match report {
            Report::Ending(exit) => exit,
            Report::Gone(_) if service.orphan => Exit::Failed(ErrorKind::Orphaned),
            Report::Gone(exit) if !service.failing => exit,
            Report::Hung(kind) => Exit::Failed(kind),
            Report::Elapsed(Timer::Start) => Exit::Failed(ErrorKind::StartTimeout),
            _ => return,
        };
        // An orphan was asked, and did not end.
        let asked = service.asked && !service.orphan;
        let is_asked = asked || service.unwanted || service.credit;
        let fails = exit.error().is_some() && restarts(service.policy, exit);
        if is_asked || self.closing || !fails {
            return;
        }
        for mate in mates(self.groups[id.index()]) {
            let mate = self.service_mut(mate);
            mate.restarts_with_others();
        }
    }

    fn reported(&mut self, id: ServiceId, report: Report) {
        let service = self.service_mut(id);
        match report {
            Report::Started { ready } => {
                (service.started, service.ready, service.has_run) = (true, ready, true);
            }
            Report::Ready(ready) => service.ready = ready,
            Report::Ending(exit) => (service.ending, service.failing) = (Some(exit), true),
            Report::Hung(_) => service.failing = true,
            Report::Gone(exit) => {
                let by_itself = service.ending.is_some() || !service.asked;
                let exit = match service.ending {
                    Some(exit) => exit,
                    None if service.failing => Exit::Failed(ErrorKind::StartTimeout),
                    None if service.orphan => Exit::Failed(ErrorKind::Orphaned),
                    None => exit,
                };
                // A stop takes whatever end comes as asked for; an orphan's end was a failure.
                let by_itself = by_itself || service.failing || service.orphan;
                service.unasked = !service.unwanted && by_itself;
                service.failing = false;
                let undone = exit == Exit::Completed && !by_itself;
                service.exit = Some(if undone { Exit::Stopped } else { exit });
                (service.alive, service.orphan) = (false, false);
                (service.in_plan, service.due, service.overdue) = (false, false, false);
                (service.started, service.ready, service.ending) = (false, false, None);
                (service.asked, service.aborted, service.armed) = (false, false, 0);
            }
            Report::Elapsed(Timer::Restart) => {
                if service.recovery.take().is_some() {
                    (service.credit, service.urgent) = (true, false);
                    service.owes_turn = false;
                }
            }
            Report::Elapsed(timer) => {
                service.armed &= !bit(timer);
                service.failing |= timer == Timer::Start;
            }
            Report::Exhausted => (service.recovery, service.exhausted) = (None, true),
        }
    }

    fn commanded(&mut self, graph: &Graph, id: ServiceId, verb: Verb) {
        match verb {
            Verb::Stop { cascade } | Verb::Deregister { cascade } => {
                let leaves = matches!(verb, Verb::Deregister { .. });
                let service = self.service_mut(id);
                (service.held, service.credit, service.in_plan) =
                    (true, false, cascade && service.alive);
                (service.recovery, service.exhausted, service.unwanted) = (None, false, true);
                service.restarts_only_if_kept();
                let dependents = match cascade {
                    false => Vec::new(),
                    true if leaves => graph.all_dependents(id),
                    true => graph.all_requiring(id),
                };
                for dependent in dependents {
                    let service = self.service_mut(dependent);
                    let after = Exit::Failed(ErrorKind::Orphaned);
                    let returns = service.orphan && restarts(service.policy, after);
                    let comes = service.credit || service.recovery.is_some() || returns;
                    if service.is_in_the_way() || comes {
                        (service.held, service.recovery, service.unwanted) = (true, None, true);
                    }
                    service.in_plan = service.is_in_the_way();
                    service.restarts_only_if_kept();
                    service.credit = false;
                }
            }
            Verb::Start { with_dependencies, force } => {
                if force {
                    self.abandoned(id);
                }
                self.wanted(id, false);
                self.pulled_in(graph, id, with_dependencies);
            }
            Verb::Restart { with_dependents } => {
                if with_dependents {
                    self.set_off(graph, id, EdgePolicy::gates);
                }
                self.wanted(id, true);
                let service = self.service_mut(id);
                service.due = with_dependents && service.is_up();
                self.pulled_in(graph, id, false);
            }
        }
    }

    /// The last start or restart that waits is taken back: if nothing of the generation has begun,
    /// the service is what it was before the first of them.
    fn cancelled(&mut self, operation: OperationId, id: ServiceId) {
        let is_last = self.wanting(id).all(|slot| slot as u64 == operation.0);
        let service = self.service_mut(id);
        let comes = service.credit || service.recovery.is_some();
        let Some(held) = service.undo.filter(|_| is_last && comes && !service.is_up()) else {
            return;
        };
        if !service.unwanted {
            (service.held, service.unwanted, service.credit) = (held, true, false);
            (service.recovery, service.exhausted) = (None, false);
        }
    }

    /// What is left of an orphan does not count any more.
    fn abandoned(&mut self, id: ServiceId) {
        let service = self.service_mut(id);
        if service.orphan {
            (service.alive, service.orphan) = (false, false);
            service.exit = Some(Exit::Failed(ErrorKind::Orphaned));
            (service.started, service.ready, service.asked) = (false, false, false);
            (service.aborted, service.armed) = (false, 0);
        }
    }

    /// A start brings its providers: the never started ones, or all that are not there to stay.
    fn pulled_in(&mut self, graph: &Graph, id: ServiceId, all: bool) {
        for provider in graph.all_required(id) {
            let service = self.service(provider);
            let completes = service.ending == Some(Exit::Completed);
            let needed = all && !service.is_completed() && !completes;
            if service.enabled && (needed || service.generation == service.first) {
                self.wanted(provider, false);
            } else {
                self.hurried(provider);
            }
        }
    }

    /// Who comes anyway does not wait for its turn, when somebody waits for it.
    fn hurried(&mut self, id: ServiceId) {
        let service = self.service_mut(id);
        if service.recovery == Some(Recovery::Spread) {
            (service.recovery, service.credit) = (None, true);
        }
        service.urgent |= service.credit && !service.is_up();
    }

    fn wanted(&mut self, id: ServiceId, again: bool) {
        let service = self.service_mut(id);
        let is_kept = service.in_plan && service.is_up();
        service.due |= is_kept && service.overdue;
        service.overdue = false;
        let again = again || service.due;
        (service.held, service.in_plan, service.unwanted) = (false, false, false);
        (service.recovery, service.exhausted) = (None, false);
        (service.credit, service.urgent) =
            (service.credit || again || !service.alive || !service.is_up(), true);
    }

    /// Who lives, and is to be restarted with its provider, by its choice or by a command.
    pub(crate) fn set_off(
        &mut self,
        graph: &Graph,
        provider: ServiceId,
        follows: fn(EdgePolicy) -> bool,
    ) {
        for (dependent, policy) in graph.dependent_edges(provider) {
            let service = self.service_mut(dependent);
            if follows(policy) && service.restarts_with_others() {
                self.set_off(graph, dependent, follows);
            }
        }
    }
}

/// The services of a set of bits.
fn mates(bits: u8) -> impl Iterator<Item = ServiceId> {
    (0..8).filter(move |id| bits & 1 << id != 0).map(ServiceId)
}

/// Whether a service is started again after such an end.
fn restarts(policy: RestartPolicy, exit: Exit) -> bool {
    match (policy, exit) {
        (RestartPolicy::Always | RestartPolicy::OnFailure, Exit::Failed(_)) => true,
        (RestartPolicy::Always, Exit::Completed) => true,
        (RestartPolicy::Always | RestartPolicy::OnFailure | RestartPolicy::Never, _) => false,
    }
}

// === impl Service ===

impl Service {
    /// It restarts because others do, if it lives: at once, or if it is kept. False if that was so
    /// already.
    fn restarts_with_others(&mut self) -> bool {
        self.has_served |= self.is_available();
        let is_new = self.is_up() && !self.due && !self.overdue;
        if is_new && self.in_plan {
            self.overdue = true;
        } else if is_new {
            (self.due, self.credit, self.urgent) = (true, true, false);
        }
        is_new
    }

    /// It is to stop for good, unless a command keeps it.
    fn restarts_only_if_kept(&mut self) {
        self.overdue |= self.due && self.in_plan;
        self.due = false;
    }
}
