//! Who acts: what a command says about the services that it names and concerns, and how it ends.
//!
//! # Invariants
//!
//! 1. A service that is stopped or desired by a command shows in `acted` who gave it, also if the
//!    command named another one.
//! 2. A refused command changed nothing, and `acted` does not show it; the journal does.

use std::sync::Arc;

use processpype_core::{Desired, EventKind, OperationId, ServiceId, Verb};

use super::Supervisor;
use crate::journal::Event;
use crate::operation::{CommandError, Done, Waiting};
use crate::request::Request;
use crate::status::Acted;

impl Supervisor {
    /// Shows who acts; returns who had acted before.
    pub(super) fn tell_command(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        verb: Verb,
        by: &Request,
    ) -> Option<Arc<Acted>> {
        let before = self.acted(id);
        self.show_acted(operation, id, verb.as_str(), by, by.reason.clone());
        self.append(Event {
            generation: Some(self.machine.generation(id)),
            actor: Some(Arc::clone(&by.actor)),
            operation: Some(operation),
            message: with_flags(verb, by.reason.as_ref()),
            ..self.event(EventKind::Command, Some(id), verb.as_str())
        });
        before
    }

    /// Who acted on a service last.
    pub(super) fn acted(&self, id: ServiceId) -> Option<Arc<Acted>> {
        self.cells[id.index()].look(|facts| facts.rare()?.acted.clone())
    }

    /// Shows who changes the configuration of a service.
    pub(super) fn tell_change(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        word: &'static str,
        by: &Request,
    ) {
        self.show_acted(operation, id, word, by, by.reason.clone());
        self.append(Event {
            generation: Some(self.machine.generation(id)),
            actor: Some(Arc::clone(&by.actor)),
            operation: Some(operation),
            message: by.reason.clone(),
            ..self.event(EventKind::Command, Some(id), word)
        });
    }

    /// A refused command changed nothing: who acted last is who it was before. The journal keeps
    /// the attempt.
    pub(super) fn take_back_command(&mut self, waiting: &Waiting) {
        let before = waiting.before.clone();
        self.update(waiting.service, |facts| facts.change(|rare| rare.acted = before));
    }

    /// Shows who acts on those that a cascade stops with the service that was named.
    pub(super) fn note_cascade(&mut self, operation: OperationId, named: ServiceId, by: &Request) {
        let concerned: Vec<ServiceId> = self.machine.cascade(named).collect();
        let verb = Verb::Stop { cascade: true };
        self.note_concerned(&concerned, "cascade of", operation, named, verb, by);
    }

    /// Returns the providers of a service that nobody wants to run.
    pub(super) fn unwanted_providers(&self, id: ServiceId) -> Vec<ServiceId> {
        let mut providers = self.machine.graph().all_required(id);
        providers.retain(|&provider| self.machine.desired(provider) == Desired::Stopped);
        providers
    }

    /// Shows who acted on those that were pulled in: not wanted before, and now.
    pub(super) fn note_pulled_in(
        &mut self,
        mut unwanted: Vec<ServiceId>,
        operation: OperationId,
        named: ServiceId,
        verb: Verb,
        by: &Request,
    ) {
        unwanted.retain(|&provider| self.machine.desired(provider) == Desired::Running);
        self.note_concerned(&unwanted, "pulled in by", operation, named, verb, by);
    }

    fn note_concerned(
        &mut self,
        concerned: &[ServiceId],
        how: &str,
        operation: OperationId,
        named: ServiceId,
        verb: Verb,
        by: &Request,
    ) {
        if concerned.is_empty() {
            return;
        }
        let mut reason = format!("{how} `{}`", self.cells[named.index()].name());
        if let Some(why) = &by.reason {
            reason = format!("{reason}; {why}");
        }
        let reason: Arc<str> = reason.into();
        for &id in concerned {
            self.show_acted(operation, id, verb.as_str(), by, Some(Arc::clone(&reason)));
        }
    }

    fn show_acted(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        verb: &'static str,
        by: &Request,
        reason: Option<Arc<str>>,
    ) {
        let (actor, at) = (Arc::clone(&by.actor), self.clock.now());
        let acted = Arc::new(Acted { operation, actor, verb, reason, at });
        self.update(id, |facts| facts.change(|rare| rare.acted = Some(acted)));
    }

    /// Tells how an operation ended; a cancel is told as done by who cancelled.
    pub(super) fn tell_finished(
        &mut self,
        operation: OperationId,
        waiting: &Waiting,
        result: &Result<Done, CommandError>,
    ) {
        let word = waiting.word();
        let (cause, message) = match result {
            Ok(done) if done.changed => ("done", None),
            Ok(_) => ("unchanged", None),
            Err(CommandError::Cancelled) => {
                let reason = waiting.cancelled.as_ref().and_then(|by| by.reason.clone());
                ("cancelled", reason)
            }
            Err(error) => (error.state().as_str(), Some(Arc::from(error.to_string()))),
        };
        let by = waiting.cancelled.as_ref().unwrap_or(&waiting.by);
        // Why it was cancelled stands in the line already, as what a client says.
        let error = message.as_ref().filter(|_| cause != "cancelled");
        tracing::info!(
            target: "processpype", service = %self.cells[waiting.service.index()].name(),
            actor = &*by.actor, reason = by.reason.as_deref(), operation = operation.0,
            "{word}{} {cause}{}",
            flags(waiting.verb).map_or(String::new(), |flags| format!(" ({flags})")),
            error.map_or(String::new(), |text: &Arc<str>| format!(": {text}"))
        );
        self.append(Event {
            generation: Some(self.machine.generation(waiting.service)),
            actor: Some(Arc::clone(&by.actor)),
            operation: Some(operation),
            message,
            ..self.event(EventKind::Command, Some(waiting.service), cause)
        });
    }
}

/// What a command asked for beside its verb.
fn flags(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::Start { with_dependencies: true, force: true } => Some("with dependencies, forced"),
        Verb::Start { force: true, .. } => Some("forced"),
        Verb::Start { with_dependencies: true, .. } => Some("with dependencies"),
        Verb::Stop { cascade: true } => Some("cascade"),
        Verb::Restart { with_dependents: true } => Some("with dependents"),
        Verb::Deregister { cascade: true } => Some("cascade"),
        Verb::Start { .. } | Verb::Stop { .. } | Verb::Restart { .. } | Verb::Deregister { .. } => {
            None
        }
    }
}

/// What a command asked for beside its verb, and why.
fn with_flags(verb: Verb, reason: Option<&Arc<str>>) -> Option<Arc<str>> {
    match (flags(verb), reason) {
        (Some(flags), Some(reason)) => Some(format!("{flags}; {reason}").into()),
        (Some(flags), None) => Some(flags.into()),
        (None, reason) => reason.cloned(),
    }
}
