//! What the supervisor tells: statuses, events, log lines. Every change is told once, in order.
//!
//! # Invariants
//!
//! 1. A status is published before the event about it is appended: who reads the event and then the
//!    status never sees the older one.
//! 2. Only public texts leave through here; the story of a failure goes to the log alone.
//! 3. Rendering, sorting and filtering are the readers' work: a publication is a change in place,
//!    or of a copy where a reader holds the last one, and a wake-up.

use std::fmt;
use std::sync::Arc;

use processpype_core::{
    Cause, Change, Desired, ErrorKind, EventKind, Exit, Generation, ServiceId, ServiceName,
    ServiceState,
};

use super::Supervisor;
use crate::blueprint::Spec;
use crate::cell::{Belonging, Cell};
use crate::clock::Timestamp;
use crate::facts::{Facts, Rare};
use crate::failure::Failure;
use crate::journal::Event;
use crate::life::Health;
use crate::recording::Recording;
use crate::status::{ErrorInfo, Past};

/// For how many services that were touched room is kept; all at once are touched by a start.
const TOUCHED_KEPT: usize = 256;

/// Makes the cell of a service that has never been started.
pub(super) fn new_cell(
    id: ServiceId,
    spec: &Spec,
    belonging: Arc<Belonging>,
    generation: Generation,
    now: Timestamp,
) -> Arc<Cell> {
    let options = &spec.options;
    let starts = options.enabled && options.autostart;
    let mut facts = Facts::initial(now);
    facts.desired = if starts { Desired::Running } else { Desired::Stopped };
    facts.enabled = options.enabled;
    facts.is_configured = options.enabled;
    facts.generation = generation;
    Arc::new(Cell::new(id, spec.name.clone(), belonging, facts))
}

impl Supervisor {
    /// A transition happened.
    pub(super) fn publish_change(&mut self, change: Change) {
        let (id, now) = (change.service, self.clock.now());
        if change.from == ServiceState::Running {
            self.keep_offered(id);
        }
        if change.to == ServiceState::Starting {
            self.services[id.index()].started = now;
        }
        let failure = self.failure_of(change);
        if let (Cause::Deadline(_), Some((kind, text))) = (change.cause, &failure) {
            self.tell_test(id, change.generation, &Failure::new(*kind, &**text));
        }
        let (exit, started) = (ended(change), self.services[id.index()].started);
        let cell = &self.cells[id.index()];
        cell.update(|facts| {
            cell.tally.note(change, exit, facts.since, now);
            self.adopt(facts, id);
            (facts.state, facts.generation, facts.since) = (change.to, change.generation, now);
            match change.to {
                ServiceState::Starting => facts.clear(),
                ServiceState::Stopped => facts.recover(true),
                ServiceState::Error => facts.recover(false),
                ServiceState::Running | ServiceState::Stopping => {}
            }
            if let Some((kind, text)) = &failure {
                facts.fail(*kind, text, now, change.to != ServiceState::Stopped);
            }
            if let Some(exit) = exit {
                let generation = change.generation;
                facts.remember(Past { generation, exit, started, ended: now });
            }
        });
        self.note_update(id);
        let (failure, message) = failure.unzip();
        let message = message.or_else(|| self.forced_text(change).map(Arc::from));
        self.note_failed(change);
        let message = message.or_else(|| self.together_text(change).map(Arc::from));
        self.log_change(change, failure, message.as_deref());
        self.touch_mark(id, change.cause);
        let (operation, actor) = self.part_of(id, Some(change.cause)).unzip();
        self.append(Event {
            generation: Some(change.generation),
            from: Some(change.from),
            to: Some(change.to),
            actor,
            operation,
            message,
            ..self.plain_event(EventKind::State, Some(id), change.cause.as_str())
        });
    }

    /// Something beside the state has changed. That a service is ready is told at once, before what
    /// follows from it; for whom it waits, with what else came at the same time: in a large graph a
    /// service loses one provider after the other, and is started with the last of them.
    pub(super) fn touch(&mut self, id: ServiceId) {
        if self.machine.is_ready(id) == self.cells[id.index()].is_ready() {
            self.touched.push(id);
        } else {
            self.publish_touched(id);
        }
    }

    /// Publishes what was put off; nobody is told twice.
    pub(super) fn publish_all_touched(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for id in touched.drain(..) {
            self.publish_touched(id);
        }
        touched.shrink_to(TOUCHED_KEPT);
        self.touched = touched;
    }

    /// Something beside the state may have changed. What a status shows is compared first: the
    /// machine tells of more than can be seen, and a reader is not woken to see the same again.
    /// Readiness is told here, before what follows from it.
    pub(super) fn publish_touched(&mut self, id: ServiceId) {
        let cell = &self.cells[id.index()];
        let was_ready = cell.is_ready();
        if !cell.update_if(|facts| self.adopt(facts, id)) {
            return;
        }
        self.note_update(id);
        let cell = &self.cells[id.index()];
        // Who is about to stop is told to be, which says it all.
        let runs = self.machine.state(id) == ServiceState::Running;
        if runs && cell.state() == ServiceState::Running && was_ready != cell.is_ready() {
            self.tell_health(id, if cell.is_ready() { "ready" } else { "unready" }, None);
        }
    }

    /// Takes over what the machine knows, the state aside; returns whether it is anything new.
    ///
    /// The machine tells of each provider that a service has missed until then, so in a large graph
    /// this is what a start does most often.
    fn adopt(&self, facts: &mut Facts, id: ServiceId) -> bool {
        let machine = &self.machine;
        let told = (machine.is_ready(id), machine.desired(id), machine.is_completed(id));
        let is_other = told != (facts.ready, facts.desired, facts.completed);
        (facts.ready, facts.desired, facts.completed) = told;
        let restart = self.restart_info(id);
        // Whoever waits for somebody may not start.
        if machine.may_start(id) {
            return facts.expect_nobody(restart) || is_other;
        }
        let name = |id: ServiceId| self.cells[id.index()].name();
        facts.expect(machine.waiting_on(id).map(name), restart) || is_other
    }

    pub(super) fn publish_settled(&mut self) {
        self.shared.set_settled();
        if !self.closing.has_begun() {
            self.shared.set_state(ServiceState::Running);
        }
        self.say(EventKind::Application, "settled");
        self.name_unready();
    }

    /// Publishes what a service says about itself; `before` is what was wrong until then.
    pub(super) fn publish_health(
        &mut self,
        id: ServiceId,
        before: &Option<Arc<ErrorInfo>>,
        health: Health,
    ) {
        let now = self.clock.now();
        let watch = self.services[id.index()].few().watch.get_or_insert_default();
        let said = [watch.say(health.degraded.clone()), health.degraded];
        let degraded = watch.degraded();
        let reported = health.error.as_ref().map(|message| {
            Arc::new(ErrorInfo { message: message.clone(), kind: ErrorKind::Reported, at: now })
        });
        let show = |rare: &mut Rare| {
            rare.degraded = degraded;
            rare.metadata = health.metadata;
            let reports = rare.error.as_ref().is_none_or(|e| e.kind == ErrorKind::Reported);
            let same = rare.error.as_ref().map(|e| &e.message) == health.error.as_ref();
            if reports && !same {
                rare.error.clone_from(&reported);
                if reported.is_some() {
                    rare.last_error = reported;
                }
            }
        };
        self.update(id, |facts| facts.change(show));
        let after = self.error(id);
        let [said, says] = said;
        if said != says {
            let cause = if says.is_some() { "degraded" } else { "recovered" };
            self.tell_health(id, cause, says.as_deref());
        }
        if *before != after
            && let Some(error) = &after
        {
            self.tell_health(id, "reported", Some(&error.message));
        }
    }

    /// What is wrong with a service, as it is shown.
    pub(super) fn error(&self, id: ServiceId) -> Option<Arc<ErrorInfo>> {
        self.cells[id.index()].look(|facts| facts.rare()?.error.clone())
    }

    fn tell_health(&self, id: ServiceId, cause: &'static str, message: Option<&str>) {
        let cell = &self.cells[id.index()];
        let generation = cell.generation();
        tracing::info!(
            target: "processpype", service = %cell.name(), generation = generation.0,
            "{cause}{}", Detail(message)
        );
        self.append(Event {
            generation: Some(generation),
            message: message.map(Arc::from),
            ..self.event(EventKind::Health, Some(id), cause)
        });
    }

    pub(super) fn tell_restart(&mut self, id: ServiceId, cause: &'static str, message: &str) {
        let cell = &self.cells[id.index()];
        let (name, generation) = (cell.name(), self.machine.generation(id));
        if self.machine.is_exhausted(id) {
            tracing::error!(
                target: "processpype", service = %name, generation = generation.0,
                "{cause}: {message}"
            );
        } else {
            tracing::info!(
                target: "processpype", service = %name, generation = generation.0,
                "{cause}: {message}"
            );
        }
        self.append(Event {
            generation: Some(generation),
            message: Some(Arc::from(message)),
            ..self.event(EventKind::Restart, Some(id), cause)
        });
    }

    pub(super) fn tell_handler_panic(
        &mut self,
        id: ServiceId,
        generation: Generation,
        failure: &Failure,
    ) {
        self.tell_story(id, generation, failure, "a request failed");
        self.append(Event {
            generation: Some(generation),
            message: Some(Arc::clone(&failure.public)),
            ..self.event(EventKind::HandlerPanic, Some(id), "panic")
        });
    }

    pub(super) fn tell_leaked(&mut self, id: ServiceId, generation: Generation) {
        tracing::warn!(
            target: "processpype", service = %self.cells[id.index()].name(),
            generation = generation.0,
            "somebody still holds the instance of a generation that is gone"
        );
        self.append(Event {
            generation: Some(generation),
            ..self.event(EventKind::InstanceLeaked, Some(id), "instance-leaked")
        });
    }

    /// Names a service that was in the way of closing; the log names all of them in one line.
    pub(super) fn tell_straggler(&self, id: ServiceId, orphaned: bool) {
        let how = if orphaned { "could not be ended" } else { "was ended by force" };
        self.append(Event {
            generation: Some(self.machine.generation(id)),
            message: Some(Arc::from(format!("{how} while the application closed"))),
            ..self.event(EventKind::Application, Some(id), "straggler")
        });
    }

    pub(super) fn say(&mut self, kind: EventKind, cause: &'static str) {
        tracing::info!(target: "processpype", "application {cause}");
        self.append(self.event(kind, None, cause));
    }

    /// Says that the previous run did not end as it should.
    pub(super) fn tell_unclean_end(&mut self) {
        let Some(text) = self.launch.unclean_end.take() else { return };
        tracing::warn!(target: "processpype", "{text}");
        let event = self.event(EventKind::Application, None, "unclean-end");
        self.append(Event { message: Some(text.into()), ..event });
    }

    /// Tells how the durable journal is doing; whoever writes it has logged that.
    pub(super) fn tell_recording(
        &mut self,
        cause: &'static str,
        message: Arc<str>,
        recording: Recording,
    ) {
        self.shared.recording.store(Some(Arc::new(recording)));
        self.shared.touch();
        self.tell_note(cause, message);
    }

    pub(super) fn tell_note(&mut self, cause: &'static str, message: Arc<str>) {
        let event = self.event(EventKind::Application, None, cause);
        self.append(Event { message: Some(message), ..event });
    }

    pub(super) fn names(&self, ids: impl Iterator<Item = ServiceId>) -> Vec<ServiceName> {
        ids.map(|id| self.cells[id.index()].name().clone()).collect()
    }

    /// Returns the public text of a service's failure.
    pub(super) fn failure_text(&self, id: ServiceId, kind: ErrorKind) -> Arc<str> {
        let failure = self.services[id.index()].failure.as_ref();
        match failure.filter(|failure| failure.kind == kind) {
            Some(failure) => Arc::clone(&failure.public),
            None => self.plain_text(id, kind).into(),
        }
    }

    /// Publishes the status of a service: what the machine knows, and what `change` adds.
    pub(super) fn update(&mut self, id: ServiceId, change: impl FnOnce(&mut Facts)) {
        self.cells[id.index()].update(|facts| {
            self.adopt(facts, id);
            change(facts);
        });
        self.note_update(id);
    }

    /// Something that a status shows has changed.
    fn note_update(&mut self, id: ServiceId) {
        self.shared.bump();
        self.has_touched = true;
        if self.machine.state(id) == ServiceState::Running {
            let (ready, now) = (self.machine.is_ready(id), self.clock.now());
            self.services[id.index()].restarts.note_ready(ready, now);
        }
    }

    pub(super) fn append(&self, event: Event) {
        self.shared.journal.append(event);
    }

    pub(super) fn event(
        &self,
        kind: EventKind,
        id: Option<ServiceId>,
        cause: &'static str,
    ) -> Event {
        let (operation, actor) = id.and_then(|id| self.part_of(id, None)).unzip();
        Event { operation, actor, ..self.plain_event(kind, id, cause) }
    }

    /// An event that nobody is known to have made happen.
    fn plain_event(&self, kind: EventKind, id: Option<ServiceId>, cause: &'static str) -> Event {
        Event {
            seq: 0,
            time: self.clock.now(),
            kind,
            service: id.map(|id| self.cells[id.index()].name().clone()),
            generation: None,
            from: None,
            to: None,
            cause,
            actor: None,
            operation: None,
            message: None,
        }
    }

    /// Tells a test, if this is one, of a failure; the log is told otherwise.
    pub(super) fn tell_test(&self, id: ServiceId, generation: Generation, failure: &Failure) {
        if let Some(stories) = &self.launch.stories {
            stories.add(self.cells[id.index()].name(), generation, failure);
        }
    }

    /// Returns what kind of failure a transition is about, and its text.
    fn failure_of(&self, change: Change) -> Option<(ErrorKind, Arc<str>)> {
        let kind = match change.cause {
            Cause::Exit(Exit::Failed(kind)) => kind,
            Cause::Deadline(processpype_core::Timer::Start) => ErrorKind::StartTimeout,
            Cause::Deadline(processpype_core::Timer::Abort) => ErrorKind::Orphaned,
            // What a stop met on its way is told, although it did not keep it from stopping.
            Cause::Exit(_) => self.services[change.service.index()].failure.as_ref()?.kind,
            _ => return None,
        };
        Some((kind, self.failure_text(change.service, kind)))
    }

    fn log_change(&self, change: Change, failure: Option<ErrorKind>, detail: Option<&str>) {
        let name = self.cells[change.service.index()].name();
        let generation = change.generation.0;
        let detail = Detail(detail);
        let cause = change.cause.as_str();
        match change.to {
            ServiceState::Error if !self.is_told(change.service, failure) => tracing::error!(
                target: "processpype", service = %name, generation, kind = cause, "failed{detail}"
            ),
            ServiceState::Stopped if change.cause == Cause::Exit(Exit::Aborted) => tracing::warn!(
                target: "processpype", service = %name, generation, cause,
                "stopped by force{detail}"
            ),
            to @ (ServiceState::Running | ServiceState::Stopped) => tracing::info!(
                target: "processpype", service = %name, generation, cause, "{to}{detail}"
            ),
            // Who reads that it stopped asks why: it has not failed, and nobody named it.
            to @ ServiceState::Stopping if is_for_another(change.cause) => tracing::info!(
                target: "processpype", service = %name, generation, cause, "{to}{detail}"
            ),
            to => tracing::debug!(
                target: "processpype", service = %name, generation, cause, "{to}{detail}"
            ),
        }
    }

    /// Whether the log has the whole story of a failure already.
    fn is_told(&self, id: ServiceId, failure: Option<ErrorKind>) -> bool {
        let kept = self.services[id.index()].failure.as_ref().map(|kept| kept.kind);
        failure.is_some() && kept == failure
    }
}

/// What a line of the log says after its first word, if there is more to say.
///
/// Not a text: most lines are of levels that nobody listens to.
struct Detail<'a>(Option<&'a str>);

impl fmt::Display for Detail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

/// Whether a service is stopped for the sake of another one.
fn is_for_another(cause: Cause) -> bool {
    matches!(cause, Cause::Cascade | Cause::ProviderRestarted | Cause::GroupRestarted)
}

/// Returns how a generation ended, if `change` is its end.
fn ended(change: Change) -> Option<Exit> {
    match (change.to, change.cause) {
        (ServiceState::Stopped | ServiceState::Error, Cause::Exit(exit)) => Some(exit),
        (ServiceState::Error, Cause::Deadline(_)) => Some(Exit::Failed(ErrorKind::Orphaned)),
        _ => None,
    }
}
