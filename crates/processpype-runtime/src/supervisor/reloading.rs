//! Reloads: what is in the files is taken over, service by service, under one operation.
//!
//! # Invariants
//!
//! 1. What comes here is valid as a whole: nothing of it is refused any more, only sent back if
//!    something else has changed since it was checked.
//! 2. The operation of a reload ends with the last of its parts; each part is a change like one
//!    that came over the API, and fails, or goes back, alone.
//! 3. A service whose section says the same is not touched, but has it from the files as they are
//!    now: what its references stand for is looked up there. One whose change is still tried is
//!    left to that change, which may have to be taken back.
//!
//! # How it fits
//!
//! The files are read and checked beside the loop, by a [`Configurer`](crate::Configurer); what
//! each service makes of its part is in `configuring`, beside this.

use std::collections::BTreeSet;
use std::sync::Arc;

use processpype_config::{Difference, Document};
use processpype_core::{EventKind, Generation, OperationId, ServiceId, ServiceName, Verb, each};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::keys::{ReloadTold, Told, What};
use super::turnover::unjoinable;
use super::{OPERATIONS_PENDING, Supervisor};
use crate::blueprint::Spec;
use crate::configuration::{ConfigEffect, Configured, Fixed, Secrets};
use crate::journal::Event;
use crate::operation::{CommandError, Done, Operation};
use crate::request::Request;

/// What is in the files, checked and ready to be taken over.
#[derive(Debug)]
pub(crate) struct ReloadOrder {
    pub(crate) document: Document,
    /// Those in it that are of no service, hidden.
    pub(crate) secrets: Secrets,
    /// Every service whose section may be taken over, with what differs.
    pub(crate) services: Vec<(ServiceId, Arc<Configured>, Arc<str>)>,
    /// Who leaves, dependents first.
    pub(crate) leaving: Vec<ServiceId>,
    /// Who joins, those that others need first.
    pub(crate) joining: Vec<(Spec, Configured)>,
    /// Who was deregistered and is in the files all the same.
    pub(crate) away: BTreeSet<ServiceName>,
    /// Keeps other reloads away for as long as somebody leaves or has not joined.
    pub(crate) turn: Option<OwnedSemaphorePermit>,
    /// The revision of the book that it was checked against.
    pub(crate) basis: u64,
    /// Whether any value is another one, be it of a service or not.
    pub(crate) differs: bool,
    /// What is told about it, for whoever repeats it under its key.
    pub(crate) told: Arc<(Vec<Difference>, Vec<Fixed>)>,
    /// What differs and holds only after a restart of the process; empty if nothing does.
    pub(crate) fixed: String,
    pub(crate) by: Request,
}

/// What a reload has begun: itself, and an operation for each service that it concerns.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reloading {
    /// The operation that ends when all others have.
    pub operation: OperationId,
    /// The services whose configuration is another one.
    pub services: Vec<(ServiceName, Operation)>,
    /// The services that leave.
    pub leaving: Vec<(ServiceName, Operation)>,
    /// The services that join, and start unless they say otherwise.
    pub joining: Vec<(ServiceName, Operation)>,
    /// Every value that is another one.
    pub differences: Vec<Difference>,
    /// What differs and holds only after a restart of the process.
    pub fixed: Vec<Fixed>,
}

/// A reload that has not ended.
#[derive(Debug)]
pub(super) struct Reload {
    by: Request,
    /// How many of its parts have not ended.
    left: usize,
    /// How many services went back to their old configuration.
    rolled_back: usize,
    /// How many others have not done what the files ask for.
    failed: usize,
    /// How many were cancelled.
    cancelled: usize,
    /// Somebody has cancelled what had not begun of it.
    is_cancelled: bool,
    /// Whether any service has another configuration, joins or leaves.
    changed: bool,
    /// As of its order.
    differs: bool,
    fixed: String,
}

// === impl Reload ===

impl Reload {
    /// What has come of it, for the log and the event.
    ///
    /// That nothing is different is said only where that is true: a section that is read once, when
    /// the process starts, touches no service and differs all the same, with every reload until
    /// then.
    fn told(&self) -> String {
        let told = match (self.changed, self.rolled_back) {
            (false, _) if self.differs => "no service is touched by what differs".to_owned(),
            (false, _) => "nothing is different".to_owned(),
            (true, back) => {
                let counts = [
                    (back, "rolled back"),
                    (self.failed, "that failed"),
                    (self.cancelled, "cancelled"),
                ];
                let parts = counts.iter().filter(|(count, _)| *count > 0);
                let parts: Vec<String> =
                    parts.map(|(count, what)| format!("{count} {what}")).collect();
                match parts.as_slice() {
                    [] => "what is in the files holds".to_owned(),
                    parts => format!("what is in the files holds, but for {}", parts.join(" and ")),
                }
            }
        };
        match &*self.fixed {
            "" => told,
            fixed => format!("{told}; restart the process for {fixed}"),
        }
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Takes over what is in the files.
    pub(super) fn accept_reload(&mut self, order: ReloadOrder) -> Result<Reloading, CommandError> {
        let parts = self.check_reload(&order);
        if let Err(error @ CommandError::Unjoinable { .. }) = &parts {
            self.tell_reload_refused(&order.by, error.to_string().into());
        }
        let parts = parts?;
        let ReloadOrder { document, secrets, services, leaving, joining, turn, .. } = order;
        let (differs, what, fixed, by) = (order.differs, order.told, order.fixed, order.by);
        let (others, same): (Vec<_>, Vec<_>) =
            services.into_iter().partition(|part| self.is_other(part));
        self.members.sent_away = Arc::new(order.away);
        for (id, new, _) in same {
            // It says the same, in the files as they are now. But what is tried goes on to be: it
            // may still be taken back.
            if self.services[id.index()].changing().is_none() {
                self.take_over(id, new);
            }
        }
        let operation = self.open(None, ("reload", Vec::new()), &by);
        let (by_whom, changed) = (by.clone(), parts > 0);
        // One more than its parts, until what is in the files is published: it is told after that.
        let reload = Reload {
            by: by_whom,
            left: parts + 1,
            rolled_back: 0,
            failed: 0,
            cancelled: 0,
            is_cancelled: false,
            changed,
            differs,
            fixed,
        };
        self.reloads.insert(operation, reload);
        let (leaving, joining) = self.begin_turnover(operation, leaving, joining, (turn, &by));
        let mut begun = Vec::new();
        for (id, new, told) in others {
            begun.push(self.reload_service(operation, id, &new, told, &by));
        }
        if by.key.is_some() {
            let ids = |parts: &[(ServiceName, Operation)]| {
                each(parts, |(name, part)| (name.clone(), part.id()))
            };
            let parts = [ids(&leaving), ids(&begun), ids(&joining)];
            let told = Arc::new(ReloadTold { parts, what });
            self.keep_told(What::Reload, &by, Told::Reloaded(operation, told));
        }
        self.publish_book(Some((document, secrets)));
        self.end_part(operation);
        let (differences, fixed) = (Vec::new(), Vec::new());
        Ok(Reloading { operation, services: begun, leaving, joining, differences, fixed })
    }

    /// Says why a reload would be refused although the files are right; if it would not be, how
    /// many parts it has. A dry run asks this too, and so gets the answer of the reload itself.
    pub(super) fn check_reload(&self, order: &ReloadOrder) -> Result<usize, CommandError> {
        self.check_room(order.basis)?;
        let specs: Vec<Spec> = each(&order.joining, |(spec, _)| spec.clone());
        self.check_joining(&specs, &order.leaving).map_err(|error| unjoinable(&error))?;
        let others = order.services.iter().filter(|part| self.is_other(part)).count();
        let parts = others + order.leaving.len() + order.joining.len();
        if self.operations.len() + parts > OPERATIONS_PENDING {
            return Err(CommandError::Busy);
        }
        Ok(parts)
    }

    fn is_other(&self, (id, new, _): &(ServiceId, Arc<Configured>, Arc<str>)) -> bool {
        !new.is_same(&self.services[id.index()].configured)
    }

    /// Begins the part of a reload that concerns one service, as an operation of its own.
    ///
    /// The precondition and the key of the request were the reload's, and are none of its part.
    fn reload_service(
        &mut self,
        reload: OperationId,
        service: ServiceId,
        new: &Arc<Configured>,
        told: Arc<str>,
        by: &Request,
    ) -> (ServiceName, Operation) {
        let by = Request { expects: None, key: None, ..by.clone() };
        let id = self.open_change(service, "reconfigure", &by, 0);
        let (sender, receiver) = oneshot::channel();
        let change = self.change(service, "reconfigure", new, Some(reload));
        let verb = Verb::Restart { with_dependents: false };
        self.begin_change(id, self.waiting(service, verb, by, change, sender), Some(told), false);
        (self.cells[service.index()].name().clone(), Operation::new(id, receiver))
    }

    /// One part of a reload has ended.
    pub(super) fn note_reloaded(
        &mut self,
        reload: OperationId,
        result: &Result<Done, CommandError>,
    ) {
        let Some(going) = self.reloads.get_mut(&reload) else { return };
        match result {
            Ok(_) => {}
            Err(CommandError::RolledBack { .. }) => going.rolled_back += 1,
            Err(CommandError::Cancelled) => going.cancelled += 1,
            Err(_) => going.failed += 1,
        }
        self.end_part(reload);
    }

    /// Notes that somebody cancels what has not begun of a reload.
    ///
    /// It ends as cancelled then, with the last of what goes on.
    pub(super) fn note_reload_cancelled(&mut self, reload: OperationId) {
        if let Some(going) = self.reloads.get_mut(&reload) {
            going.is_cancelled = true;
        }
    }

    /// Ends a reload with its last part.
    fn end_part(&mut self, id: OperationId) {
        let Some(going) = self.reloads.get_mut(&id) else { return };
        going.left = going.left.saturating_sub(1);
        if going.left > 0 {
            return;
        }
        let Some(reload) = self.reloads.remove(&id) else { return };
        let message = reload.told();
        let Reload { by, changed, is_cancelled, .. } = reload;
        let (generation, affected) = (Generation(0), Vec::new());
        let configured = Some(match changed {
            true => ConfigEffect::Applied,
            false => ConfigEffect::Unchanged,
        });
        self.close_record(
            id,
            match is_cancelled {
                true => Err(CommandError::Cancelled),
                false => Ok(Done { changed, generation, affected, configured }),
            },
        );
        tracing::info!(
            target: "processpype", actor = &*by.actor, reason = by.reason.as_deref(),
            operation = id.0, "reloaded: {message}"
        );
        let message = match &by.reason {
            Some(reason) => format!("{message} ({reason})"),
            None => message,
        };
        self.append(Event {
            actor: Some(by.actor),
            operation: Some(id),
            message: Some(message.into()),
            ..self.event(EventKind::Reloaded, None, "reload")
        });
    }

    /// What is in the files was refused: nothing has changed.
    pub(super) fn tell_reload_refused(&self, by: &Request, message: Arc<str>) {
        self.append(Event {
            actor: Some(Arc::clone(&by.actor)),
            message: Some(message),
            ..self.event(EventKind::ReloadRefused, None, "invalid")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(changed: bool, differs: bool, rolled_back: usize, fixed: &str, expected: &str) {
        let (by, fixed) = (Request::by("ops:alice"), fixed.to_owned());
        let (left, failed, cancelled, is_cancelled) = (0, 0, 0, false);
        let reload = Reload {
            by,
            left,
            rolled_back,
            failed,
            cancelled,
            is_cancelled,
            changed,
            differs,
            fixed,
        };
        assert_eq!(reload.told(), expected);
    }

    #[test]
    fn what_came_of_a_reload_contradicts_no_difference_beside_it() {
        check(false, false, 0, "", "nothing is different");
        let untouched = "no service is touched by what differs";
        check(false, true, 0, "", untouched);
        let restart = "; restart the process for server";
        check(false, true, 0, "server", &format!("{untouched}{restart}"));
        check(true, true, 0, "", "what is in the files holds");
        check(true, true, 0, "server", &format!("what is in the files holds{restart}"));
        let but = "what is in the files holds, but for 2 rolled back";
        check(true, true, 2, "", but);
    }
}
