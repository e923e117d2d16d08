//! Ending generations: asked, then by force; and naming what is left of one that does not end.
//!
//! # Invariants
//!
//! 1. A generation that is aborted or given up is named with what it was doing, as far as that can
//!    be seen without its help.
//! 2. What is named is public: names of hooks and children, and times.

use std::sync::Arc;

use processpype_core::{Cause, Change, ErrorKind, Exit, Generation, ServiceId};

use super::Supervisor;

// === impl Supervisor ===

impl Supervisor {
    /// Asks, with a deadline that closing may shorten.
    pub(super) fn ask_to_stop(&mut self, id: ServiceId, generation: Generation) {
        let timeout = self.services[id.index()].configured.options.stop_timeout;
        let now = self.clock.instant();
        let mut by = now + timeout;
        if let Some(closing) = self.office.closing_by() {
            by = by.min(closing);
        }
        if let Some(life) = self.life(id, generation) {
            let life = Arc::clone(life);
            life.ask_to_stop(by, now);
            // Not left to the generation's task: it may be blocked.
            life.cell.cut(generation);
            self.ring_for(life);
        }
    }

    /// Tells a generation that ends that the application closes, which leaves it less time.
    pub(super) fn hasten(&self, id: ServiceId, generation: Generation) {
        if let Some(life) = self.life(id, generation) {
            life.changed.ring();
        }
    }

    pub(super) fn abort(&mut self, id: ServiceId, generation: Generation) {
        // Its task may have to be there first.
        self.send_off();
        self.note_remains(id, generation);
        let service = &self.services[id.index()];
        if let Some(life) = self.life(id, generation) {
            tracing::warn!(
                target: "processpype", service = %life.cell.name(), generation = generation.0,
                "ending the service by force: {}", service.remains().unwrap_or_default()
            );
            life.cell.cut(generation);
            life.abort();
        }
        if let Some(task) = &service.task {
            task.abort();
        }
    }

    /// Ends by force whatever there still is.
    pub(super) fn end_generations(&self) {
        for service in self.services.iter() {
            if let Some(life) = &service.life {
                life.cell.cut(life.generation);
                life.abort_children();
            }
            if let Some(task) = &service.task {
                task.abort();
            }
        }
    }

    /// Remembers what a generation is doing that will be given up, or ended by force.
    pub(super) fn note_remains(&mut self, id: ServiceId, generation: Generation) {
        if let Some(life) = self.life(id, generation) {
            let remains = self.launch.scrub.text(&life.remains().to_string());
            self.services[id.index()].few().remains = Some(remains.into());
        }
    }

    /// Returns what is to be said about an end by force.
    pub(super) fn forced_text(&self, change: Change) -> Option<String> {
        let is_forced = change.cause == Cause::Exit(Exit::Aborted);
        let remains = self.services[change.service.index()].remains();
        remains.filter(|_| is_forced).map(str::to_owned)
    }

    /// The text of a failure that no code of the service has told.
    pub(super) fn plain_text(&self, id: ServiceId, kind: ErrorKind) -> String {
        let service = &self.services[id.index()];
        match kind {
            ErrorKind::StartTimeout => {
                let limit = service.configured.options.start_timeout;
                format!("constructor and `start` took longer than `start_timeout` ({limit:?})")
            }
            ErrorKind::Orphaned => {
                let remains = service.remains().unwrap_or("its task has not ended");
                format!(
                    "the generation could not be ended: {remains}; it may still run until the \
                     process ends"
                )
            }
            _ => "the service failed; the log has the details".to_owned(),
        }
    }
}
