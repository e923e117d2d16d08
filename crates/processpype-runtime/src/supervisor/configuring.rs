//! New configuration of services: taken over, offered to who runs, and taken back if it fails.
//!
//! # Invariants
//!
//! 1. What is taken over was checked against the book that holds: a change that was prepared on an
//!    older one is sent back ([`CommandError::Moved`]) to be checked again.
//! 2. A service has at most one change under way. A later one takes its place, and goes back, if it
//!    fails, to what held before both: that is what the service last worked with.
//! 3. A change that fails is taken back before anything else happens to the service, and its
//!    operation ends when the service is back where it was.
//!
//! # The ways of a change
//!
//! ```text
//! accepted ─▶ nothing to do ───────────────────────────────────────▶ applied, kept
//!          ─▶ offered to the generation ─▶ applied ────────────────▶ applied
//!          │                            ─▶ needs a restart ─┐
//!          │                            ─▶ refused ─────────┼─▶ old configuration ─▶ rolled back
//!          │                            ─▶ broke ───────────┼─▶ old configuration, restart ─▶ …
//!          ─▶ restart, start, stop ◀────────────────────────┘
//!                └─▶ done ─▶ restarted, started, stopped
//!                └─▶ failed ─▶ old configuration, as it was before ─▶ rolled back
//! ```

mod offering;

use self::offering::Patience;

use std::sync::Arc;

use processpype_config::Document;
use processpype_core::{
    Desired, EventKind, Generation, Machine, OperationId, Outcome, ServiceId, ServiceState, Traits,
    Verb,
};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::keys::What;
use super::{OPERATIONS_PENDING, Supervisor};
use crate::configuration::{
    ConfigBook, ConfigEffect, Configured, Next, Secrets, goes_on_after_stop, next,
};
use crate::failure::Failure;
use crate::journal::Event;
use crate::operation::{CommandError, Done, Operation, Waiting};
use crate::request::Request;

/// A change of one service's configuration, checked and ready to be taken over.
#[derive(Debug)]
pub(crate) struct ChangeOrder {
    pub(crate) service: ServiceId,
    /// The operation's name, such as `configure`.
    pub(crate) word: &'static str,
    pub(crate) new: Arc<Configured>,
    /// The revision of the book that it was checked against.
    pub(crate) basis: u64,
    /// Whether the service should run afterwards.
    pub(crate) starts: bool,
    pub(crate) by: Request,
    /// What was asked for, as a number: the same request has the same.
    pub(crate) print: u64,
    /// Which values differ, for the event.
    pub(crate) told: Arc<str>,
}

/// The change that an operation makes.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) word: &'static str,
    /// What holds again if this fails.
    old: Arc<Configured>,
    new: Arc<Configured>,
    stage: Stage,
    /// The service ran, or was about to, when the change came.
    was_up: bool,
    /// What it should have been doing.
    desired: Desired,
    /// The reload that this is part of.
    reload: Option<OperationId>,
    /// Until when a generation may look at an earlier one, whose place this took.
    behind: Option<Instant>,
}

/// How far a change is; see the module's picture.
#[derive(Debug)]
enum Stage {
    /// A running generation looks at it, or at the one whose place this took.
    Offered(Generation, Patience),
    /// A new generation is to begin, or the service to stop.
    Acting(ConfigEffect),
    /// It failed, and the service goes back to where it was.
    Back(Failure),
}

// === impl Change ===

impl Change {
    /// Whether it is one part of a reload, which ends with its parts.
    pub(super) fn reload(&self) -> Option<OperationId> {
        self.reload
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Takes a change over, or sends it back.
    pub(super) fn accept_change(&mut self, order: ChangeOrder) -> Result<Operation, CommandError> {
        let ChangeOrder { service, word, new, basis, starts, by, print, told } = order;
        let verb = Verb::Restart { with_dependents: false };
        if let Some(repeated) = self.repeated(&What::Change(service, print), &by) {
            return repeated;
        }
        self.check_room(basis)?;
        if let Some(stale) = self.stale(service, &by) {
            let id = self.open_change(service, word, &by, print);
            let (sender, receiver) = oneshot::channel();
            let change = self.change(service, word, &new, None);
            let waiting = self.waiting(service, verb, by, change, sender);
            self.end(id, waiting, &Err(stale));
            return Ok(Operation::new(id, receiver));
        }
        let id = self.open_change(service, word, &by, print);
        let (sender, receiver) = oneshot::channel();
        let change = self.change(service, word, &new, None);
        let told = (!new.is_same(&change.old)).then_some(told);
        self.begin_change(id, self.waiting(service, verb, by, change, sender), told, starts);
        self.publish_book(None);
        Ok(Operation::new(id, receiver))
    }

    /// Numbers and keeps the operation of a change, and the request if it has a key.
    pub(super) fn open_change(
        &mut self,
        service: ServiceId,
        word: &'static str,
        by: &Request,
        print: u64,
    ) -> OperationId {
        let name = self.cells[service.index()].name().clone();
        let id = self.open(Some(name), (word, Vec::new()), by);
        self.keep_key(id, What::Change(service, print), by);
        id
    }

    /// Refuses what was checked against an older book, and what there is no room or time for.
    pub(super) fn check_room(&self, basis: u64) -> Result<(), CommandError> {
        if self.closing.has_begun() {
            Err(CommandError::Closing)
        } else if self.operations.len() >= OPERATIONS_PENDING {
            Err(CommandError::Busy)
        } else if basis != self.shared.config.load().revision {
            Err(CommandError::Moved)
        } else {
            Ok(())
        }
    }

    /// Makes the change from what holds to `new`.
    pub(super) fn change(
        &self,
        service: ServiceId,
        word: &'static str,
        new: &Arc<Configured>,
        reload: Option<OperationId>,
    ) -> Change {
        let state = self.machine.state(service);
        Change {
            word,
            old: Arc::clone(&self.services[service.index()].configured),
            new: Arc::clone(new),
            stage: Stage::Acting(ConfigEffect::Kept),
            was_up: matches!(state, ServiceState::Starting | ServiceState::Running),
            desired: self.machine.desired(service),
            reload,
            behind: None,
        }
    }

    /// Makes the operation that waits for the end of a change.
    pub(super) fn waiting(
        &self,
        service: ServiceId,
        verb: Verb,
        by: Request,
        change: Change,
        sender: oneshot::Sender<Result<Done, CommandError>>,
    ) -> Waiting {
        Waiting {
            service,
            verb,
            by,
            cancelled: None,
            before: self.acted(service),
            affected: Vec::new(),
            mark: None,
            senders: vec![sender],
            change: Some(Box::new(change)),
        }
    }

    /// Takes the new configuration over, and does what follows from it.
    pub(super) fn begin_change(
        &mut self,
        id: OperationId,
        mut waiting: Waiting,
        told: Option<Arc<str>>,
        starts: bool,
    ) {
        let service = waiting.service;
        self.supersede_change(service, &mut waiting);
        let Some(change) = waiting.change.as_mut() else { return };
        let now = Arc::clone(&self.services[service.index()].configured);
        let state = self.machine.state(service);
        // It stops only to start again: with this, then.
        let comes = self.machine.desired(service) == Desired::Running
            && !self.machine.is_completed(service);
        let starts = starts || goes_on_after_stop(state, comes);
        let step = next(&now, &change.new, state, starts, comes);
        let (word, new) = (change.word, Arc::clone(&change.new));
        if told.is_some() || step != Next::Nothing(ConfigEffect::Unchanged) {
            self.tell_change(id, service, word, &waiting.by);
        }
        self.take_over(service, new);
        if let Some(told) = told {
            self.tell_configured(id, service, &waiting.by, EventKind::Configured, word, told);
        }
        self.services[service.index()].few().changing = Some(id);
        self.try_out(service, step);
        self.act_on_change(id, waiting, step);
    }

    /// While a new configuration is tried, its failure is that of the change, which is taken back:
    /// the application does not end by it, however significant the service is.
    fn try_out(&mut self, service: ServiceId, step: Next) {
        if matches!(step, Next::Offer | Next::Restart | Next::Start) {
            let options = &self.services[service.index()].configured.options;
            let traits = Traits { significant: false, ..options.traits() };
            self.set_traits(service, traits);
        }
    }

    /// An earlier change that has not ended makes place, and what held before it is what this one
    /// goes back to.
    fn supersede_change(&mut self, service: ServiceId, waiting: &mut Waiting) {
        let few = self.services[service.index()].few.as_mut();
        let Some(before) = few.and_then(|few| few.changing.take()) else { return };
        let Some(earlier) = self.operations.remove(&before) else { return };
        if let (Some(earlier), Some(change)) = (&earlier.change, &mut waiting.change)
            && !matches!(earlier.stage, Stage::Back(_))
        {
            change.old = Arc::clone(&earlier.old);
            change.was_up = change.was_up || earlier.was_up;
            change.behind = earlier.stage.looks_until();
        }
        self.end(before, earlier, &Err(CommandError::Superseded));
    }

    /// Does what a change asks for, now that it holds: through the machine, like every command.
    fn act_on_change(&mut self, id: OperationId, mut waiting: Waiting, step: Next) {
        let (effect, verb) = match step {
            Next::Nothing(effect) => return self.end_change(id, waiting, Ok(effect)),
            Next::Offer => return self.offer_change(id, waiting),
            Next::Restart => (ConfigEffect::Restarted, Verb::Restart { with_dependents: false }),
            Next::Start => {
                (ConfigEffect::Started, Verb::Start { with_dependencies: false, force: false })
            }
            Next::Stop => (ConfigEffect::Stopped, Verb::Stop { cascade: false }),
        };
        if let Some(change) = &mut waiting.change {
            change.stage = Stage::Acting(effect);
        }
        self.command_for_change(id, waiting, verb);
    }

    /// Gives the machine the command of a change; what it makes happen is part of its operation.
    fn command_for_change(&mut self, id: OperationId, mut waiting: Waiting, verb: Verb) {
        let service = waiting.service;
        let before = self.services[service.index()].take_mark();
        self.mark(id, service, verb, &waiting.by.actor);
        waiting.mark = waiting.mark.or(before);
        waiting.verb = verb;
        self.operations.insert(id, waiting);
        self.step(|machine, actions| machine.command(id, service, verb, actions));
    }

    /// The machine has ended what a change asked of it.
    pub(super) fn finish_change(&mut self, id: OperationId, waiting: Waiting, outcome: Outcome) {
        let Some(change) = &waiting.change else { return };
        match (&change.stage, outcome) {
            (Stage::Back(failure), _) => {
                let error = rolled_back(failure, outcome);
                self.end_change(id, waiting, Err(error));
            }
            (Stage::Acting(effect), Outcome::Done { changed }) => {
                let effect = if changed { *effect } else { ConfigEffect::Applied };
                self.end_change(id, waiting, Ok(effect));
            }
            // Not now: the machine has still to say what follows from the failure.
            (_, Outcome::Failed(_)) => self.failed_changes.push_back((id, waiting, outcome)),
            (Stage::Acting(ConfigEffect::Restarted), Outcome::Refused(_)) => {
                self.end_change(id, waiting, Ok(ConfigEffect::Kept));
            }
            (_, Outcome::Refused(_) | Outcome::Done { .. } | Outcome::Superseded) => {
                if matches!(outcome, Outcome::Refused(_)) {
                    self.take_back(&waiting);
                }
                let result = self.outcome(waiting.service, outcome, None);
                self.end_change(id, waiting, result.map(|_| ConfigEffect::Kept));
            }
        }
    }

    /// Changes that have failed are taken back, once all else that followed has been done.
    pub(super) fn take_back_failed(&mut self) {
        while let Some((id, waiting, outcome)) = self.failed_changes.pop_front() {
            let Outcome::Failed(kind) = outcome else { continue };
            let text = self.failure_text(waiting.service, kind);
            self.go_back(id, waiting, Failure::new(kind, &*text), true);
        }
    }

    /// Back to the old configuration; `acts` if the service has to be brought back too.
    fn go_back(&mut self, id: OperationId, mut waiting: Waiting, failure: Failure, acts: bool) {
        let service = waiting.service;
        self.take_back(&waiting);
        let Some(change) = &mut waiting.change else { return };
        let text = Arc::clone(&failure.public);
        let (word, was_up, desired) = (change.word, change.was_up, change.desired);
        let failed = Outcome::Failed(failure.kind);
        let error =
            rolled_back(&failure, if acts { failed } else { Outcome::Done { changed: true } });
        change.stage = Stage::Back(failure);
        self.tell_configured(id, service, &waiting.by, EventKind::RolledBack, word, text);
        self.publish_book(None);
        let verb = match (acts, was_up, desired) {
            (true, true, _) => Verb::Restart { with_dependents: false },
            (true, false, Desired::Stopped) => Verb::Stop { cascade: false },
            // Nothing to bring back; or it was failing before, and its policy goes on.
            (true, false, Desired::Running) | (false, ..) => {
                return self.end_change(id, waiting, Err(error));
            }
        };
        self.command_for_change(id, waiting, verb);
    }

    /// The old configuration holds again, unless another one took the place of the new one.
    fn take_back(&mut self, waiting: &Waiting) {
        let Some(change) = &waiting.change else { return };
        let held = &self.services[waiting.service.index()].configured;
        if Arc::ptr_eq(held, &change.new) {
            self.take_over(waiting.service, Arc::clone(&change.old));
            self.publish_book(None);
        }
    }

    /// Ends the operation of a change, and lets the next change of the service go by itself.
    fn end_change(
        &mut self,
        id: OperationId,
        waiting: Waiting,
        result: Result<ConfigEffect, CommandError>,
    ) {
        let generation = self.machine.generation(waiting.service);
        let service = &mut self.services[waiting.service.index()];
        if service.changing() == Some(id) {
            service.few().changing = None;
            let traits = service.configured.options.traits();
            self.set_traits(waiting.service, traits);
        }
        let done = |effect| Done {
            changed: effect != ConfigEffect::Unchanged,
            generation,
            affected: Vec::new(),
            configured: Some(effect),
        };
        self.end(id, waiting, &result.map(done));
    }

    /// A service is judged by these from now on. What the application settles by is told at the end
    /// of the turn, when all that goes with it is done.
    fn set_traits(&mut self, id: ServiceId, traits: Traits) {
        self.machine.set_traits(id, traits);
        self.has_new_traits = true;
    }

    /// Tells that the application has settled, if it has by what services were told to be.
    pub(super) fn settle(&mut self) {
        if std::mem::take(&mut self.has_new_traits) {
            self.step(Machine::settle);
        }
    }

    /// A configuration holds for a service from now on, and for its next generation.
    pub(super) fn take_over(&mut self, id: ServiceId, new: Arc<Configured>) {
        if let Some(configurer) = &self.launch.configurer {
            configurer.adopt(self.cells[id.index()].name(), &new);
        }
        let traits = new.options.traits();
        let enabled = new.options.enabled;
        let service = &mut self.services[id.index()];
        self.members.rules_changed |= service.configured.options != new.options;
        service.configured = new;
        self.set_traits(id, traits);
        if self.cells[id.index()].look(|facts| facts.enabled) != enabled {
            self.update(id, |facts| {
                (facts.enabled, facts.is_configured) = (enabled, enabled);
            });
        }
    }

    /// Publishes what holds, with another document if there is one.
    pub(super) fn publish_book(&mut self, read: Option<(Document, Secrets)>) {
        if std::mem::take(&mut self.members.rules_changed) {
            self.show_layout();
        }
        let before = self.shared.config.load();
        let directory = self.shared.directory();
        let held = directory
            .cells()
            .all()
            .iter()
            .map(|cell| Arc::clone(&self.services[cell.id().index()].configured));
        let (document, secrets) =
            read.unwrap_or_else(|| (before.document.clone(), before.secrets.clone()));
        self.shared.config.store(Arc::new(ConfigBook {
            revision: before.revision + 1,
            document,
            secrets,
            services: held.collect(),
            directory,
            sent_away: Arc::clone(&self.members.sent_away),
        }));
    }

    /// Tells the journal and the log what holds for a service, or holds again.
    fn tell_configured(
        &self,
        operation: OperationId,
        id: ServiceId,
        by: &Request,
        kind: EventKind,
        word: &'static str,
        message: Arc<str>,
    ) {
        let name = self.cells[id.index()].name();
        tracing::info!(
            target: "processpype", service = %name, actor = &*by.actor, operation = operation.0,
            "{kind}: {message}"
        );
        self.append(Event {
            generation: Some(self.machine.generation(id)),
            actor: Some(Arc::clone(&by.actor)),
            operation: Some(operation),
            message: Some(message),
            ..self.event(kind, Some(id), word)
        });
    }
}

/// The end of a change that was taken back: with the failure, and whether the service is back too.
fn rolled_back(failure: &Failure, back: Outcome) -> CommandError {
    let is_back = matches!(back, Outcome::Done { .. });
    CommandError::RolledBack {
        kind: failure.kind,
        message: failure.public.as_ref().to_owned(),
        is_back,
    }
}
