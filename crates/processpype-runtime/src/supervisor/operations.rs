//! Operations: accepted, cancelled, foreseen, ended, and what belongs to which.
//!
//! # Invariants
//!
//! 1. What a request expects is checked in the step in which it is accepted: nothing comes between.
//! 2. An event belongs to an operation if the operation made it happen, or if it is about the
//!    service of an operation that goes on.

use std::sync::Arc;

use processpype_core::{
    Cause, Machine, OperationId, Outcome, Refusal, ServiceId, ServiceName, Step, Verb, each,
};
use tokio::sync::oneshot;

use super::keys::What;
use super::{OPERATIONS_PENDING, Supervisor};
use crate::bell::reply;
use crate::newcomer::{Accepted, Joining};
use crate::operation::{
    CancelError, CommandError, CommandPreview, Done, Mark, Operation, PreviewStep, Waiting,
};
use crate::order::{Command, Order};
use crate::register::{self, Lookup, OperationStatus};
use crate::request::Request;

// === impl Supervisor ===

impl Supervisor {
    pub(super) fn take_order(&mut self, order: Order) {
        self.clock.read();
        // Nobody may be waiting for an answer any more; what was asked is done all the same.
        match order {
            Order::Command(Command { service, verb, by, accepted }) => {
                reply(accepted, self.accept(service, verb, by));
            }
            Order::Register(joining) => {
                let Joining { registration, by, accepted } = *joining;
                let kind = Arc::clone(&registration.spec.kind);
                match accepted {
                    Accepted::Registered(answer) => {
                        reply(answer, self.register(registration, by));
                    }
                    Accepted::Foreseen(answer) => {
                        reply(answer, self.preview_registration(&registration));
                        drop(registration);
                    }
                }
                // Of what has not joined this may be the last.
                if let Some(kind) = Arc::into_inner(kind) {
                    self.let_go(kind);
                }
            }
            Order::Change(order, accepted) => {
                reply(accepted, self.accept_change(*order));
            }
            Order::Reload(order, accepted) => {
                reply(accepted, self.accept_reload(*order));
            }
            Order::ForeseeReload(order, answer) => {
                reply(answer, self.check_reload(&order).map(drop));
            }
            Order::Reloaded(by, answer) => {
                reply(answer, self.told_of_reload(&by));
            }
            Order::ReloadRefused(by, message) => self.tell_reload_refused(&by, message),
            Order::Diagnose(service, answer) => {
                reply(answer, self.ask_what_is_wrong(service));
            }
            Order::Foresee(service, verb, by, answer) => {
                reply(answer, self.foresee(service, verb, &by));
            }
            Order::Cancel(operation, by, answer) => {
                reply(answer, self.cancel(operation, by));
            }
            Order::Pause(time, by, answer) => {
                reply(answer, self.pause_restarts(time, &by));
            }
            Order::Resume(by, answer) => {
                reply(answer, self.resume_restarts(&by));
            }
            Order::Level(order, answer) => {
                reply(answer, self.take_level(order));
            }
            Order::Shutdown(by, answer) => {
                reply(answer, self.shut_down(by));
            }
            Order::Recording(cause, message, recording) => {
                self.tell_recording(cause, message, recording);
            }
            Order::Note(cause, message) => self.tell_note(cause, message),
            Order::Answer(answer) => {
                reply(answer, ());
            }
        }
    }

    /// Gives the operation its number before the machine sees it: the machine may finish it at
    /// once.
    fn accept(
        &mut self,
        service: ServiceId,
        verb: Verb,
        by: Request,
    ) -> Result<Operation, CommandError> {
        if !self.machine.is_registered(service) {
            // Who asked knows the name.
            return Err(CommandError::Unknown { name: String::new() });
        }
        if let Some(repeated) = self.repeated(&What::Command(service, verb), &by) {
            return repeated;
        }
        if self.operations.len() >= OPERATIONS_PENDING {
            return Err(CommandError::Busy);
        }
        if self.closing.has_begun() && !matches!(verb, Verb::Stop { .. }) {
            return Err(CommandError::Closing);
        }
        let name = self.cells[service.index()].name().clone();
        let id = self.open(Some(name), (verb.as_str(), register::flags(verb)), &by);
        self.keep_key(id, What::Command(service, verb), &by);
        Ok(self.give(id, service, verb, by))
    }

    /// Gives a command whose operation is open to the machine.
    pub(super) fn give(
        &mut self,
        id: OperationId,
        service: ServiceId,
        verb: Verb,
        by: Request,
    ) -> Operation {
        let (sender, receiver) = oneshot::channel();
        self.give_to(sender, id, service, verb, by);
        Operation::new(id, receiver)
    }

    /// The same for somebody who waits already.
    pub(super) fn give_to(
        &mut self,
        sender: oneshot::Sender<Result<Done, CommandError>>,
        id: OperationId,
        service: ServiceId,
        verb: Verb,
        by: Request,
    ) {
        let stale = self.stale(service, &by);
        let mark = self.services[service.index()].take_mark();
        self.mark(id, service, verb, &by.actor);
        let affected = self.affected(service, verb);
        let before = self.tell_command(id, service, verb, &by);
        let given = by.clone();
        let senders = vec![sender];
        let waiting = Waiting {
            service,
            verb,
            by,
            cancelled: None,
            before,
            affected,
            mark,
            senders,
            change: None,
        };
        match stale {
            Some(stale) => self.end(id, waiting, &Err(stale)),
            None => {
                if verb == (Verb::Stop { cascade: true }) {
                    self.note_cascade(id, service, &given);
                }
                let unwanted = self.unwanted_providers(service);
                self.operations.insert(id, waiting);
                self.step(|machine, actions| machine.command(id, service, verb, actions));
                self.note_pulled_in(unwanted, id, service, verb, &given);
            }
        }
    }

    /// Gives an operation its number, and keeps it.
    pub(super) fn open(
        &mut self,
        service: Option<ServiceName>,
        (verb, flags): (&'static str, Vec<&'static str>),
        by: &Request,
    ) -> OperationId {
        let id = OperationId(self.next_operation);
        self.next_operation += 1;
        self.shared.register.open(OperationStatus {
            id,
            verb,
            flags,
            key: by.key.clone(),
            service,
            actor: Arc::clone(&by.actor),
            reason: by.reason.clone(),
            accepted: self.clock.now(),
            ended: None,
            result: None,
        });
        id
    }

    pub(super) fn stale(&self, service: ServiceId, by: &Request) -> Option<CommandError> {
        let generation = self.machine.generation(service);
        let expects = by.expects.as_ref()?;
        (!expects.contains(&generation)).then_some(CommandError::Stale { generation })
    }

    /// The services beside the named one that a command concerns.
    fn affected(&self, service: ServiceId, verb: Verb) -> Vec<ServiceName> {
        match verb {
            Verb::Stop { cascade: false } => self.names(self.machine.live_dependents(service)),
            Verb::Stop { .. } => self.names(self.machine.cascade(service)),
            Verb::Restart { with_dependents } => {
                self.names(self.machine.following(service, with_dependents).into_iter())
            }
            Verb::Deregister { cascade: true } => {
                self.names(self.machine.graph().all_dependents(service).into_iter())
            }
            Verb::Start { with_dependencies, .. } => {
                self.names(self.machine.pulled_in(service, with_dependencies))
            }
            Verb::Deregister { .. } => Vec::new(),
        }
    }

    /// Takes a start or restart back, as far as it has not begun, or such parts of a reload.
    fn cancel(
        &mut self,
        id: OperationId,
        by: Request,
    ) -> Result<Arc<OperationStatus>, CancelError> {
        let Some(waiting) = self.operations.get_mut(&id) else {
            let cancelled = self.cancel_unbegun(id, &by);
            return match self.shared.register.get(id) {
                Lookup::Found(status) if cancelled > 0 => Ok(status),
                Lookup::Found(status) if status.result.is_none() => Err(CancelError::HasBegun),
                Lookup::Found(status) => Err(CancelError::Ended(status)),
                Lookup::Forgotten => Err(CancelError::Forgotten),
                Lookup::Unknown => Err(CancelError::Unknown),
            };
        };
        if waiting.change.is_some() {
            return Err(CancelError::IsConfigured);
        }
        if matches!(waiting.verb, Verb::Stop { .. } | Verb::Deregister { .. }) {
            return Err(CancelError::IsStop);
        }
        let service = waiting.service;
        waiting.cancelled = Some(by);
        self.step(|machine, actions| {
            machine.cancel(id, service, actions);
        });
        match self.shared.register.get(id) {
            Lookup::Found(status) => Ok(status),
            Lookup::Forgotten | Lookup::Unknown => Err(CancelError::Forgotten),
        }
    }

    fn foresee(&self, service: ServiceId, verb: Verb, by: &Request) -> CommandPreview {
        let refused = |error| CommandPreview {
            result: Some(Err(error)),
            steps: Vec::new(),
            waiting_on: Vec::new(),
            supersedes: Vec::new(),
        };
        if !self.machine.is_registered(service) {
            return refused(CommandError::Unknown { name: String::new() });
        }
        if self.closing.has_begun() && !matches!(verb, Verb::Stop { .. }) {
            return refused(CommandError::Closing);
        }
        if let Some(stale) = self.stale(service, by) {
            return refused(stale);
        }
        let foreseen = self.machine.foresee(service, verb);
        let starts = foreseen.steps.contains(&Step::Start(service));
        let generation = self.machine.generation(service);
        let result = foreseen.outcome.map(|outcome| {
            let done = self.outcome(service, outcome, None)?;
            let touched = done.changed || concerns_others(verb);
            let affected = if touched { self.affected(service, verb) } else { Vec::new() };
            let generation = if starts { generation.next() } else { generation };
            Ok(Done { generation, affected, ..done })
        });
        let step = |step: &Step| {
            let (id, starts) = match *step {
                Step::Start(id) => (id, true),
                Step::Stop(id) => (id, false),
            };
            PreviewStep { service: self.cells[id.index()].name().clone(), starts }
        };
        CommandPreview {
            result,
            steps: each(&foreseen.steps, step),
            waiting_on: self.names(foreseen.waiting_on.into_iter()),
            supersedes: foreseen.supersedes,
        }
    }

    /// The machine has ended an operation.
    pub(super) fn finish(&mut self, operation: OperationId, outcome: Outcome) {
        let Some(waiting) = self.operations.remove(&operation) else { return };
        if waiting.change.is_some() {
            return self.finish_change(operation, waiting, outcome);
        }
        let result = self.outcome(waiting.service, outcome, Some(&waiting));
        self.end(operation, waiting, &result);
    }

    /// Ends an operation: in the register, in the journal, and for whoever waits.
    pub(super) fn end(
        &mut self,
        id: OperationId,
        mut waiting: Waiting,
        result: &Result<Done, CommandError>,
    ) {
        let is_refused = matches!(
            result,
            Err(CommandError::Disabled
                | CommandError::Closing
                | CommandError::Orphaned
                | CommandError::ProviderStopped { .. }
                | CommandError::Needed { .. }
                | CommandError::Stale { .. })
        );
        if is_refused && self.acted_is(waiting.service, id) {
            self.take_back_command(&waiting);
            self.services[waiting.service.index()].set_mark(waiting.mark.take());
        }
        self.close_record(id, result.clone());
        self.tell_finished(id, &waiting, result);
        for sender in waiting.senders {
            // Nobody may be waiting for the end any more; it is in the journal.
            reply(sender, result.clone());
        }
        let changed = waiting.change.and_then(|change| change.reload());
        if let Some(reload) = changed.or_else(|| self.turnover.ended(id)) {
            self.note_reloaded(reload, result);
        }
    }

    /// The supervisor is no more: whatever goes on ends with it, for whoever waits and for whoever
    /// looks. After a panic nobody knows how.
    pub(super) fn end_all_operations(&mut self) {
        let error = match std::thread::panicking() {
            true => CommandError::Lost,
            false => CommandError::Closing,
        };
        let now = self.clock.now();
        for status in self.shared.register.after(OperationId(0)) {
            if status.result.is_none() {
                self.shared.register.close(status.id, now, Err(error.clone()));
            }
        }
        let waiting = self.operations.drain().flat_map(|(_, waiting)| waiting.senders);
        for sender in waiting.chain(self.turnover.take_all().map(|(_, sender)| sender)) {
            // Nobody may be waiting any more.
            reply(sender, Err(error.clone()));
        }
    }

    /// Keeps how an operation ended, and forgets the oldest one with its key.
    pub(super) fn close_record(&mut self, id: OperationId, result: Result<Done, CommandError>) {
        let forgotten = self.shared.register.close(id, self.clock.now(), result);
        if let Some(forgotten) = forgotten {
            self.forget_key(&forgotten);
        }
    }

    fn acted_is(&self, service: ServiceId, id: OperationId) -> bool {
        self.acted(service).is_some_and(|acted| acted.operation == id)
    }

    pub(super) fn outcome(
        &self,
        service: ServiceId,
        outcome: Outcome,
        waiting: Option<&Waiting>,
    ) -> Result<Done, CommandError> {
        let generation = self.machine.generation(service);
        match outcome {
            Outcome::Done { changed } => {
                let touched = |it: &&Waiting| changed || concerns_others(it.verb);
                let affected = waiting.filter(touched).map(|it| it.affected.clone());
                let affected = affected.unwrap_or_default();
                Ok(Done { changed, generation, affected, configured: None })
            }
            Outcome::Superseded if waiting.is_some_and(|it| it.cancelled.is_some()) => {
                Err(CommandError::Cancelled)
            }
            Outcome::Superseded if self.machine.is_closing() => Err(CommandError::Closing),
            Outcome::Superseded => Err(CommandError::Superseded),
            Outcome::Failed(kind) => {
                let message = self.failure_text(service, kind).as_ref().to_owned();
                Err(CommandError::Failed { kind, message })
            }
            Outcome::Refused(refusal) => Err(self.refused(service, refusal)),
        }
    }

    /// Says for people what the machine refuses.
    pub(super) fn refused(&self, service: ServiceId, refusal: Refusal) -> CommandError {
        match refusal {
            Refusal::Disabled => CommandError::Disabled,
            Refusal::Closing => CommandError::Closing,
            Refusal::Orphaned => CommandError::Orphaned,
            Refusal::ProviderStopped(provider) => {
                let provider = self.cells[provider.index()].name().clone();
                CommandError::ProviderStopped { provider }
            }
            Refusal::Needed => {
                let dependents = self.machine.graph().dependents(service).iter().copied();
                CommandError::Needed { by: self.names(dependents) }
            }
            Refusal::Unknown => {
                CommandError::Unknown { name: self.cells[service.index()].name().to_string() }
            }
            // The enum may grow; a command that is refused for another reason may be tried again.
            _ => CommandError::Busy,
        }
    }

    /// Notes whom an operation may concern, so that what happens to them is told as part of it.
    pub(super) fn mark(
        &mut self,
        operation: OperationId,
        service: ServiceId,
        verb: Verb,
        actor: &Arc<str>,
    ) {
        let machine: &Machine = &self.machine;
        let graph = machine.graph();
        let others = match verb {
            Verb::Start { .. } => graph.all_required(service),
            Verb::Stop { cascade: false } => Vec::new(),
            Verb::Stop { cascade: true } => machine.cascade(service).collect(),
            Verb::Deregister { cascade: true } => graph.all_dependents(service),
            Verb::Deregister { cascade: false } => Vec::new(),
            Verb::Restart { .. } => {
                let mut others = graph.all_required(service);
                others.extend(graph.all_requiring(service));
                others
            }
        };
        for other in others {
            let mark = self.services[other.index()].mark();
            let is_free = mark.is_none_or(|mark| !self.operations.contains_key(&mark.operation));
            if is_free || matches!(verb, Verb::Stop { .. } | Verb::Deregister { .. }) {
                let mark = Mark { operation, actor: Arc::clone(actor), is_touched: false };
                self.services[other.index()].few().mark = Some(mark);
            }
        }
        let mark = Mark { operation, actor: Arc::clone(actor), is_touched: true };
        self.services[service.index()].few().mark = Some(mark);
    }

    /// Returns the operation that an event of a service belongs to, and who gave it. `cause` is
    /// that of a transition.
    pub(super) fn part_of(
        &self,
        id: ServiceId,
        cause: Option<Cause>,
    ) -> Option<(OperationId, Arc<str>)> {
        let mark = self.services[id.index()].mark()?;
        let goes_on = self.operations.contains_key(&mark.operation);
        let is_part = match cause {
            Some(Cause::Operator | Cause::PulledIn | Cause::Cascade) => true,
            Some(Cause::ProviderRestarted) => goes_on,
            _ => goes_on && mark.is_touched,
        };
        is_part.then(|| (mark.operation, Arc::clone(&mark.actor)))
    }

    /// Notes that an operation has made something happen to a service.
    pub(super) fn touch_mark(&mut self, id: ServiceId, cause: Cause) {
        let made = matches!(
            cause,
            Cause::Operator | Cause::PulledIn | Cause::Cascade | Cause::ProviderRestarted
        );
        if let Some(few) = self.services[id.index()].few.as_mut().filter(|_| made)
            && let Some(mark) = &mut few.mark
        {
            mark.is_touched = true;
        }
    }
}

/// Returns whether a command may touch others although it changes nothing at the service it names.
///
/// Otherwise what had no effect affects nobody. A cascade stops dependents of a service that is
/// stopped already, and a start pulls in providers of one that runs.
fn concerns_others(verb: Verb) -> bool {
    matches!(verb, Verb::Stop { cascade: true } | Verb::Start { .. })
}
