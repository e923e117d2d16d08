//! What generations tell, and what becomes of it.
//!
//! # Invariants
//!
//! 1. What a generation tells counts while it is the one that lives; what comes late changes
//!    nothing.
//! 2. The first failure of a generation is the reason of its end, and a later one is only logged.
//!    Its whole story is told here, once: to the log, and to a test.
//! 3. What is told together is shown together: readers are told at the end of a batch.

use processpype_core::{Generation, Report, ServiceId};

use super::Supervisor;
use crate::cell::Cell;
use crate::failure::Failure;
use crate::message::{Ending, Message};

/// After how many messages the clock is read again, if they came together.
const MESSAGES_AT_ONE_TIME: usize = 8;

// === impl Supervisor ===

impl Supervisor {
    /// Takes what came together. What of it is for readers alone, they see once.
    pub(super) fn take_messages(&mut self, batch: &mut Vec<Message>) {
        self.is_taking = true;
        for (done, message) in (1..).zip(batch.drain(..)) {
            self.take_message(message);
            if done % MESSAGES_AT_ONE_TIME == 0 {
                self.clock.read();
            }
        }
        self.is_taking = false;
        self.send_off();
        self.publish_all_touched();
    }

    fn take_message(&mut self, message: Message) {
        let (id, generation) = message.of();
        if !self.machine.knows(id, generation) {
            return;
        }
        match message {
            Message::Started(id, generation, ready) => {
                self.report(id, generation, Report::Started { ready });
                self.watch_beats(id, generation);
                // What was said about readiness since is newer than `ready`.
                if self.life(id, generation).is_some_and(|life| life.has_spoken()) {
                    self.take_health(id, generation);
                }
            }
            Message::Health(id, generation) => self.take_health(id, generation),
            Message::Ending(id, generation, exit, failure) => {
                self.keep_failure(id, generation, failure);
                self.report(id, generation, Report::Ending(exit));
                if self.closing.has_begun() {
                    // Its end may have begun before it could know.
                    self.hasten(id, generation);
                }
            }
            Message::Gone(id, generation, ending) => self.take_gone(id, generation, ending),
            Message::Reconfigured(id, generation, offered, answer) => {
                self.take_answer(id, generation, &offered, answer);
            }
            Message::HandlerPanic(id, generation, failure) => {
                self.tell_handler_panic(id, generation, &failure);
            }
        }
    }

    /// What a service says counts only while its generation does.
    fn take_health(&mut self, id: ServiceId, generation: Generation) {
        let Some(life) = self.life(id, generation) else { return };
        let health = self.launch.scrub.health(life.health());
        let ready = health.ready.unwrap_or(true);
        let before = self.error(id);
        self.report(id, generation, Report::Ready(ready));
        self.publish_health(id, &before, health);
    }

    fn take_gone(&mut self, id: ServiceId, generation: Generation, ending: Ending) {
        if self.machine.generation(id) != generation {
            return;
        }
        self.keep_failure(id, generation, ending.failure);
        let service = &mut self.services[id.index()];
        service.life = None;
        service.task = None;
        if let Some(cut) = ending.cut {
            service.few().remains = Some(self.launch.scrub.text(&cut).into());
        }
        self.report(id, generation, Report::Gone(ending.exit));
        if ending.leaked {
            self.tell_leaked(id, generation);
        }
    }

    /// The first failure of a generation counts; a later one is only logged.
    pub(super) fn keep_failure(
        &mut self,
        id: ServiceId,
        generation: Generation,
        failure: Option<Failure>,
    ) {
        let Some(failure) = failure.map(|failure| self.launch.scrub.failure(failure)) else {
            return;
        };
        if self.machine.generation(id) != generation || !self.machine.is_alive(id) {
            return;
        }
        let kept = &mut self.services[id.index()].failure;
        if kept.as_ref() != Some(&failure) {
            kept.get_or_insert_with(|| failure.clone());
            self.tell_story(id, generation, &failure, "failed");
        }
    }

    /// Tells the whole story of a failure: to the log, and to the test if this is one.
    pub(super) fn tell_story(
        &self,
        id: ServiceId,
        generation: Generation,
        failure: &Failure,
        what: &str,
    ) {
        let cell = &self.cells[id.index()];
        log_failure(cell, generation, failure, what);
        self.tell_test(id, generation, failure);
    }
}

/// Tells the whole story of a failure, once: the transitions that follow from it do not tell it
/// again.
pub(crate) fn log_failure(cell: &Cell, generation: Generation, failure: &Failure, what: &str) {
    tracing::error!(
        target: "processpype", service = %cell.name(), generation = generation.0,
        kind = failure.kind.as_str(), "{what}: {}", failure.story
    );
}
