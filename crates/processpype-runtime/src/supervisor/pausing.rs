//! A pause of all automatic restarts, for as long as an operator looks or mends.
//!
//! # Invariants
//!
//! 1. A pause ends: by itself at its time, when it is resumed, or with the process.
//! 2. While it lasts, no restart begins by itself: what comes due is held, and shown as held. What
//!    an operator starts, first starts, and stops go on.
//! 3. Failures are counted as ever, and who is given up is given up.
//! 4. When it ends, who was held comes through the same limit as after any storm.
//! 5. Who leaves the application is held no longer: nobody is told of one that is not there.
//!
//! # How who is held is found
//!
//! By its number, since it is held anew by each generation and forgotten when it leaves, which may
//! be as often as there are services. When the pause ends they go in the order in which they were
//! held, for which each has a number of its own.
//!
//! # Why who leaves is forgotten at once
//!
//! Timers name a service too, and are asked whether it is still there when they come due. This list
//! is read by whoever ends or prolongs the pause, perhaps long after the place of the service was
//! given to another one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use processpype_core::{
    EventKind, Generation, OperationId, ServiceId, ServiceName, Timer, sort_by,
};

use super::keys::{Told, What};
use super::{Supervisor, recovery::seconds};
use crate::clock::Timestamp;
use crate::journal::Event;
use crate::operation::{CommandError, Done, PauseInfo, Paused};
use crate::request::Request;
use crate::timers::Due;

/// How long automatic restarts may be paused at a time.
///
/// A day: longer than any shift, and it can be prolonged. What is not meant to come back is
/// stopped.
pub const PAUSE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Who waits for the end of a pause.
#[derive(Debug, Default)]
pub(super) struct Pausing {
    held: BTreeMap<ServiceId, Held>,
    /// The number of the one that was held last.
    last: u64,
}

/// A restart that has come due.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    generation: Generation,
}

// === impl Pausing ===

impl Pausing {
    /// Holds the restart after a generation, behind all others. At most one of each service: an
    /// earlier generation is not waited for any more.
    fn hold(&mut self, id: ServiceId, generation: Generation) {
        self.last += 1;
        self.held.insert(id, Held { number: self.last, generation });
    }

    /// Holds a service no longer: it leaves the application.
    pub(super) fn forget(&mut self, id: ServiceId) {
        self.held.remove(&id);
    }

    /// Holds nobody any more; returns who was held, the first one first.
    fn take(&mut self) -> Vec<(ServiceId, Generation)> {
        let mut held: Vec<(ServiceId, Held)> = std::mem::take(&mut self.held).into_iter().collect();
        sort_by(&mut held, |(_, one), (_, other)| one.number.cmp(&other.number));
        held.into_iter().map(|(id, held)| (id, held.generation)).collect()
    }
}

// === impl Supervisor ===

impl Supervisor {
    pub(super) fn pause_restarts(
        &mut self,
        time: Duration,
        by: &Request,
    ) -> Result<Paused, CommandError> {
        let time = time.min(PAUSE_MAX);
        if let Some(Told::Paused(paused)) = self.told(&What::Pause(time), by)? {
            return Ok(paused);
        }
        if self.closing.has_begun() {
            return Err(CommandError::Closing);
        }
        let until = Timestamp(self.clock.now().0 + time.as_millis() as u64);
        let was_paused = self.shared.pause.load().is_some();
        let (actor, reason) = (Arc::clone(&by.actor), by.reason.clone());
        self.shared.pause.store(Some(Arc::new(PauseInfo { until, actor, reason })));
        self.timers.set(Some(self.clock.instant() + time), Due::Resume);
        let held: Vec<ServiceId> = self.pausing.held.keys().copied().collect();
        for id in held {
            self.show_held(id, until);
        }
        let operation = self.application_operation("pause-restarts", None, by, true);
        let text = format!("automatic restarts are paused for {}", seconds(time));
        let reason = by.reason.as_ref().map_or(String::new(), |reason| format!("; {reason}"));
        let message = format!("{text}{reason}");
        self.tell_pause("paused", (&text, &message), Some((operation, by)));
        let paused = Paused { operation, changed: true, was_paused, until: Some(until) };
        self.keep_told(What::Pause(time), by, Told::Paused(paused));
        Ok(paused)
    }

    pub(super) fn resume_restarts(&mut self, by: &Request) -> Result<Paused, CommandError> {
        if let Some(Told::Paused(paused)) = self.told(&What::Resume, by)? {
            return Ok(paused);
        }
        if self.closing.has_begun() {
            return Err(CommandError::Closing);
        }
        let was_paused = self.shared.pause.load().is_some();
        let operation = self.application_operation("resume-restarts", None, by, was_paused);
        if was_paused {
            self.end_pause("automatic restarts go on", Some((operation, by)));
        }
        let paused = Paused { operation, changed: was_paused, was_paused, until: None };
        self.keep_told(What::Resume, by, Told::Paused(paused));
        Ok(paused)
    }

    /// The time of a pause is over.
    pub(super) fn pause_is_over(&mut self) {
        self.end_pause("the pause is over: automatic restarts go on", None);
    }

    fn end_pause(&mut self, text: &str, by: Option<(OperationId, &Request)>) {
        self.shared.pause.store(None);
        self.timers.set(None, Due::Resume);
        let reason = by.and_then(|(_, by)| by.reason.as_deref());
        self.tell_pause("resumed", (text, reason.unwrap_or(text)), by);
        for (id, generation) in self.pausing.take() {
            self.elapsed(id, generation, Timer::Restart);
        }
    }

    /// Holds a restart that has come due, if there is a pause; returns whether it does.
    pub(super) fn hold_for_pause(&mut self, id: ServiceId, generation: Generation) -> bool {
        let Some(pause) = self.shared.pause.load_full() else { return false };
        self.pausing.hold(id, generation);
        self.show_held(id, pause.until);
        self.tell_restart(id, "restart-held", "automatic restarts are paused");
        true
    }

    fn show_held(&mut self, id: ServiceId, until: Timestamp) {
        self.services[id.index()].restarts.hold_until(until);
        self.publish_touched(id);
    }

    /// Makes the record of an operation that is no command of a service, and is done at once.
    pub(super) fn application_operation(
        &mut self,
        verb: &'static str,
        service: Option<ServiceName>,
        by: &Request,
        changed: bool,
    ) -> OperationId {
        let id = self.open(service, (verb, Vec::new()), by);
        let (generation, affected) = (Generation(0), Vec::new());
        self.close_record(id, Ok(Done { changed, generation, affected, configured: None }));
        id
    }

    /// Tells it to the log, where what a client says is a field, and as an event.
    fn tell_pause(
        &self,
        cause: &'static str,
        (text, message): (&str, &str),
        by: Option<(OperationId, &Request)>,
    ) {
        self.shared.touch();
        let reason = by.and_then(|(_, by)| by.reason.as_deref());
        tracing::warn!(target: "processpype", reason, "restarts {cause}: {text}");
        self.append(Event {
            actor: by.map(|(_, by)| Arc::clone(&by.actor)),
            operation: by.map(|(operation, _)| operation),
            message: Some(message.into()),
            ..self.event(EventKind::Restart, None, cause)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_held_first_goes_first_and_each_goes_once() {
        let mut pausing = Pausing::default();
        for (id, generation) in [(7, 1), (3, 1), (5, 1), (7, 2), (1, 4)] {
            pausing.hold(ServiceId(id), Generation(generation));
        }
        pausing.forget(ServiceId(5));
        let held: Vec<_> = pausing.take().iter().map(|(id, it)| (id.0, it.0)).collect();
        assert_eq!(held, [(3, 1), (7, 2), (1, 4)]);
        assert!(pausing.take().is_empty());
    }
}
