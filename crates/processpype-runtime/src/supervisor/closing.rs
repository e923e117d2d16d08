//! Closing an application: readiness first, then the services, then what is left is named.
//!
//! # Invariants
//!
//! 1. Closing begins once; its first cause counts, and nothing undoes it.
//! 2. Its deadline is set when it begins, and leaves a reserve for aborting: what is left then is
//!    ended by force and named.
//! 3. Readiness falls before any service is asked to stop, by the drain delay.
//! 4. Each straggler is named by an event of its own, before the last one.

use std::sync::Arc;

use futures_util::FutureExt as _;
use processpype_core::{
    CloseCause, EventKind, Generation, Machine, OperationId, ServiceId, ServiceName, ServiceState,
};
use tokio::sync::oneshot;

use super::keys::{Told, What};
use super::{ABORT_RESERVE, ASKS_AT_ONCE, Supervisor};
use crate::journal::Event;
use crate::manager::Asked;
use crate::operation::{CommandError, Done, Shutdown};
use crate::request::Request;
use crate::timers::Due;

/// How an application ended.
///
/// `stragglers` is empty for a clean end. A service that failed long before is none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// Why it closed; the first cause.
    pub cause: CloseCause,
    /// The service that made it close, if one did.
    pub significant: Option<ServiceName>,
    /// What that service failed with, causes included, as the log tells it: for whoever reads the
    /// log, not for clients. Known secrets are taken out of it.
    pub failure: Option<Arc<str>>,
    /// The services that had to be ended by force while closing, or could not be ended.
    pub stragglers: Vec<ServiceName>,
}

impl Closed {
    /// The end of an application whose runtime was dropped under it: nothing was stopped in order,
    /// and `unfinished` were cut.
    ///
    /// For the roof; see [`Manager::unfinished`](crate::Manager::unfinished).
    #[must_use]
    pub fn cut(unfinished: Vec<ServiceName>) -> Self {
        Self {
            cause: CloseCause::Requested,
            significant: None,
            failure: None,
            stragglers: unfinished,
        }
    }
}

/// How far closing is.
#[derive(Debug, Default)]
pub(super) struct Closing {
    begun: bool,
    /// Who asked for it, as an operation.
    by: Option<(OperationId, Request)>,
    closed: bool,
    /// What the significant service failed with, if one is the cause.
    failure: Option<Arc<str>>,
    /// Who had been ended by force before: not a straggler of this closing.
    forced_before: Vec<ServiceId>,
}

// === impl Closing ===

impl Closing {
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Takes what was asked of the whole application since the last look.
    pub(super) fn take_asked(&mut self) {
        match self.shared.take_asked() {
            Some(Asked::Close) => self.begin_closing(),
            Some(Asked::Abort) => {
                self.begin_closing();
                self.step(Machine::abort_all);
            }
            None => {}
        }
    }

    /// Fails readiness at once; services are asked to stop after the drain delay.
    pub(super) fn begin_closing(&mut self) {
        if self.closing.begun {
            return;
        }
        // Nobody may have asked for anything for long.
        self.clock.read();
        let delay = self.launch.drain_delay.min(self.launch.closing_timeout);
        self.arm_closing();
        if delay.is_zero() {
            self.step(|machine, actions| machine.close(CloseCause::Requested, actions));
        } else {
            self.machine.announce_close(CloseCause::Requested);
            self.timers.arm(self.clock.instant(), delay, Due::Drained);
        }
    }

    /// Asks the next services to stop, if closing has not asked all; returns how many at most.
    pub(super) fn ask_more_to_stop(&mut self) -> usize {
        if !self.machine.has_more_to_ask() {
            return 0;
        }
        self.step(Machine::ask_more);
        ASKS_AT_ONCE
    }

    /// Closes the application as a signal does, for somebody who has a name.
    pub(super) fn shut_down(&mut self, by: Request) -> Result<Shutdown, CommandError> {
        if let Some(Told::Shutdown(shutdown)) = self.told(&What::Shutdown, &by)? {
            return Ok(shutdown);
        }
        let operation = self.open(None, ("shutdown", Vec::new()), &by);
        let changed = !self.closing.begun;
        let (generation, affected) = (Generation(0), Vec::new());
        let done = Done { changed, generation, affected, configured: None };
        self.close_record(operation, Ok(done));
        let shutdown = Shutdown { operation, changed, within: self.launch.closing_timeout };
        self.keep_told(What::Shutdown, &by, Told::Shutdown(shutdown));
        self.closing.by = Some((operation, by));
        self.begin_closing();
        Ok(shutdown)
    }

    /// The machine began to close, whoever asked.
    pub(super) fn note_closing(&mut self, cause: CloseCause) {
        if let Some(service) = significant(cause) {
            let name = self.cells[service.index()].name();
            tracing::error!(
                target: "processpype", service = %name, "a significant service failed: closing"
            );
            self.closing.failure = self.story(service);
        }
        self.arm_closing();
    }

    /// What a service failed with, as the log tells it, without secrets. Of what no code of the
    /// service has told, its status says all there is.
    fn story(&self, id: ServiceId) -> Option<Arc<str>> {
        let error = self.error(id);
        let told = self.services[id.index()].failure.as_ref();
        let told = told.filter(|told| error.as_ref().is_none_or(|error| error.kind == told.kind));
        let told = told.map(|told| self.launch.scrub.text(&told.story).into());
        told.or_else(|| Some(Arc::from(&*error?.message)))
    }

    fn arm_closing(&mut self) {
        if std::mem::replace(&mut self.closing.begun, true) {
            return;
        }
        let forced = |&id: &ServiceId| self.machine.was_forced(id) && !self.machine.is_alive(id);
        self.closing.forced_before = self.machine.graph().services().filter(forced).collect();
        let (now, timeout) = (self.clock.instant(), self.launch.closing_timeout);
        let after = timeout.saturating_sub(ABORT_RESERVE);
        // Services must be gone by then, so that aborting still fits.
        self.office.close_by(now + after);
        let ends = |&id: &ServiceId| self.machine.state(id) == ServiceState::Stopping;
        for id in self.machine.graph().services().filter(ends) {
            self.hasten(id, self.machine.generation(id));
        }
        self.timers.arm(now, after, Due::Closing);
        self.shared.set_state(ServiceState::Stopping);
        let by = self.closing.by.take();
        tracing::info!(
            target: "processpype", actor = by.as_ref().map(|(_, by)| &*by.actor),
            reason = by.as_ref().and_then(|(_, by)| by.reason.as_deref()), "application closing"
        );
        let event = self.event(EventKind::Application, None, "closing");
        self.append(match by {
            Some((operation, by)) => Event {
                operation: Some(operation),
                actor: Some(by.actor),
                message: by.reason,
                ..event
            },
            None => event,
        });
    }

    pub(super) fn farewell(mut self) -> Closed {
        self.end_turnover();
        let stragglers: Vec<ServiceId> = (self.machine.graph().services())
            .filter(|&id| self.machine.was_forced(id) || self.machine.is_orphaned(id))
            .filter(|id| !self.closing.forced_before.contains(id))
            .collect();
        stragglers.iter().for_each(|&id| self.tell_straggler(id, self.machine.is_orphaned(id)));
        let stragglers = self.names(stragglers.into_iter());
        let cause = self.machine.close_cause().unwrap_or(CloseCause::Requested);
        let name = |id: ServiceId| self.cells[id.index()].name().clone();
        let significant = significant(cause).map(name);
        self.say(EventKind::Application, "closed");
        self.shared.set_state(ServiceState::Stopped);
        let failure = self.closing.failure.take();
        self.leave();
        Closed { cause, significant, failure, stragglers }
    }

    /// Drops itself, and then what may be the user's where the user's code runs.
    fn leave(mut self) {
        self.end_generations();
        let theirs = (std::mem::take(&mut self.services), Arc::clone(&self.shared));
        let (here, gone) = oneshot::channel::<()>();
        let dropping = async move {
            // Nothing comes but the end: it is not the last owner before.
            let _ = gone.await;
            drop(theirs);
        };
        self.launch.services.spawn(dropping.boxed());
        drop(self);
        drop(here);
    }
}

fn significant(cause: CloseCause) -> Option<ServiceId> {
    match cause {
        CloseCause::SignificantAtStart(id) | CloseCause::Significant(id) => Some(id),
        _ => None,
    }
}
