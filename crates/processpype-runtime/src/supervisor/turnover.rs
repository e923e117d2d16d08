//! Services that leave and join because the files say so: one part of a reload each.
//!
//! # Invariants
//!
//! 1. Nobody is asked to leave before all have left who depend on it. Nobody joins before all have
//!    left who leave by the same reload: a service that was renamed does not meet itself, and what
//!    it holds alone is free.
//! 2. At most one reload has services on their way: the next one waits, beside the loop, for the
//!    permit that this one holds until the last of them has its place.
//! 3. What goes wrong with one concerns it alone, and is told as the end of its operation; what can
//!    be known before is checked before the reload is accepted.
//! 4. One joins in a turn of the loop: each costs as much as all services that there are.
//!
//! # The way of a turnover
//!
//! ```text
//! accepted ─▶ dependents are gone ─▶ asked to leave ─▶ left ─┐
//!                                   └─▶ stays: superseded, ──┤
//!                                       orphaned             │
//!                                                            ▼
//!                                      nobody leaves any more ─▶ joins ─▶ starts ─▶ done
//!                                                             │         └─▶ done: no autostart
//!                                                             └─▶ cannot join: told, left out
//! ```
//!
//! When the last has its place, the permit is given back, and the next reload reads the files. The
//! starts go on by themselves, as all starts do.
//!
//! # When the application closes meanwhile
//!
//! Whoever was asked to leave is stopped with all others, and its part ends as superseded by that.
//! Whoever was not, or has not joined, stays as it is: its part ends as closing. The reload ends
//! with them, before the loop does.
//!
//! # When it is cancelled
//!
//! A part that has not begun ends as cancelled: whoever has not been asked to leave stays, and
//! whoever has no place gets none. For the others it is as if it had failed: whom the one needs
//! that stays, stays too, and who needs the one that does not join is left out. To cancel the
//! reload is to cancel all of these at a time; what has begun goes on, and the reload ends with it.
//!
//! # When something changes meanwhile
//!
//! What was checked when the reload was accepted is checked again when a service joins: somebody
//! may have registered one of its name, or sent away whom it needs. It is left out then, as one
//! whose start fails is in error, and the next reload tries it again, for the files still name it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use processpype_core::{EventKind, Generation, OperationId, ServiceId, ServiceName, Verb};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{ASKS_AT_ONCE, BATCH, Supervisor};
use crate::bell::reply;
use crate::blueprint::Spec;
use crate::configuration::Configured;
use crate::journal::Event;
use crate::newcomer::{RegisterError, Registration};
use crate::operation::{CommandError, Done, Operation};
use crate::panic::drop_contained;
use crate::request::Request;

/// Who leaves and joins because of a reload.
#[derive(Debug, Default)]
pub(super) struct Turnover {
    /// Operations that are parts of a reload, and have not ended.
    parts: HashMap<OperationId, OperationId>,
    /// Those of them in which a service leaves.
    leaving: HashMap<OperationId, ServiceId>,
    /// Who has not been asked to leave yet, dependents first.
    to_ask: Vec<Leaver>,
    /// Somebody has left, or stays, since it was seen who can be asked.
    has_moved: bool,
    joining: VecDeque<Joiner>,
    /// Keeps the next reload away.
    turn: Option<OwnedSemaphorePermit>,
}

/// A service that waits until its dependents have left.
#[derive(Debug)]
struct Leaver {
    id: ServiceId,
    operation: OperationId,
    by: Request,
    sender: oneshot::Sender<Result<Done, CommandError>>,
}

/// A service that has no place yet.
#[derive(Debug)]
struct Joiner {
    operation: OperationId,
    spec: Spec,
    configured: Configured,
    by: Request,
    sender: oneshot::Sender<Result<Done, CommandError>>,
}

/// What is given for a service that leaves. Nobody is taken along: who depends on it has left, or
/// stays, and then it stays too.
const LEAVE: Verb = Verb::Deregister { cascade: false };

/// Whom to tell the end of a part.
type Sender = oneshot::Sender<Result<Done, CommandError>>;

/// An operation for each of several services.
pub(super) type Parts = Vec<(ServiceName, Operation)>;

// === impl Turnover ===

impl Turnover {
    /// Whether somebody may be asked to leave, or can join.
    pub(super) fn has_next(&self) -> bool {
        (self.has_moved && !self.to_ask.is_empty()) || self.can_join()
    }

    fn can_join(&self) -> bool {
        self.leaving.is_empty() && !self.joining.is_empty()
    }

    /// Takes all out that has not begun.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (OperationId, Sender)> + use<> {
        let leavers = std::mem::take(&mut self.to_ask).into_iter();
        let joiners = std::mem::take(&mut self.joining).into_iter();
        let leavers = leavers.map(|leaver| (leaver.operation, leaver.sender));
        leavers.chain(joiners.map(|joiner| (joiner.operation, joiner.sender)))
    }

    pub(super) fn is_part(&self, operation: OperationId) -> bool {
        self.parts.contains_key(&operation)
    }

    /// An operation has ended; returns the reload that it was a part of, if it was one.
    pub(super) fn ended(&mut self, operation: OperationId) -> Option<OperationId> {
        let reload = self.parts.remove(&operation)?;
        self.has_moved |= self.leaving.remove(&operation).is_some();
        self.end_turn();
        Some(reload)
    }

    /// The next reload may come, once nobody is on the way.
    fn end_turn(&mut self) {
        if self.leaving.is_empty() && self.joining.is_empty() {
            // Who wants it next is woken.
            drop_contained(self.turn.take());
        }
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Begins what a reload asks for: who leaves is asked to, and who joins waits for that.
    pub(super) fn begin_turnover(
        &mut self,
        reload: OperationId,
        leaving: Vec<ServiceId>,
        joining: Vec<(Spec, Configured)>,
        (turn, by): (Option<OwnedSemaphorePermit>, &Request),
    ) -> (Parts, Parts) {
        // The precondition and the key of the request were the reload's, and are none of its parts.
        let by = Request { expects: None, key: None, ..by.clone() };
        self.turnover.turn = turn;
        let joining = joining.into_iter().map(|it| self.expect_to_join(reload, it, &by)).collect();
        let open = |id: ServiceId| {
            let name = self.cells[id.index()].name().clone();
            let part = self.open(Some(name.clone()), (LEAVE.as_str(), Vec::new()), &by);
            self.turnover.parts.insert(part, reload);
            self.turnover.leaving.insert(part, id);
            let (sender, receiver) = oneshot::channel();
            self.turnover.to_ask.push(Leaver { id, operation: part, by: by.clone(), sender });
            (name, Operation::new(part, receiver))
        };
        let left = leaving.into_iter().map(open).collect();
        self.turnover.end_turn();
        self.ask_to_leave();
        (left, joining)
    }

    /// Asks those to leave on whom nobody depends who has not left.
    ///
    /// Of those in between nobody is asked twice: who was asked is in nobody's list any more, and
    /// counts as leaving until its operation has ended. If it stays, all stay that it needs: their
    /// operations are refused, and say who is in the way.
    ///
    /// At most [`ASKS_AT_ONCE`] at a time; returns how many.
    fn ask_to_leave(&mut self) -> usize {
        let leaving: HashSet<ServiceId> = self.turnover.leaving.values().copied().collect();
        let graph = self.machine.graph();
        let is_free = |leaver: &mut Leaver| {
            graph.dependents(leaver.id).iter().all(|dependent| !leaving.contains(dependent))
        };
        let free = self.turnover.to_ask.extract_if(.., is_free).take(ASKS_AT_ONCE);
        let free: Vec<Leaver> = free.collect();
        let asked = free.len();
        self.turnover.has_moved = asked == ASKS_AT_ONCE;
        for Leaver { id, operation, by, sender } in free {
            self.give_to(sender, operation, id, LEAVE, by);
        }
        asked
    }

    /// A service has left: whoever was still to ask it has nothing to ask for any more.
    pub(super) fn has_left(&mut self, id: ServiceId) {
        let Some(at) = self.turnover.to_ask.iter().position(|leaver| leaver.id == id) else {
            return;
        };
        let Leaver { operation, sender, .. } = self.turnover.to_ask.remove(at);
        let there = Done { changed: false, ..done(self.machine.generation(id)) };
        self.end_unasked(operation, sender, Ok(there));
    }

    /// Cancels an operation that is a part of a reload and has not begun, or each such part of a
    /// reload; returns how many these were.
    pub(super) fn cancel_unbegun(&mut self, id: OperationId, by: &Request) -> usize {
        let Turnover { parts, to_ask, joining, .. } = &mut self.turnover;
        let is_meant = |part: OperationId| part == id || parts.get(&part) == Some(&id);
        let leavers = to_ask.extract_if(.., |leaver| is_meant(leaver.operation));
        let leavers: Vec<Leaver> = leavers.collect();
        let all = std::mem::take(joining).into_iter();
        let joiners: VecDeque<Joiner>;
        (joiners, *joining) = all.partition(|joiner| is_meant(joiner.operation));
        let count = leavers.len() + joiners.len();
        if count > 0 && self.reloads.contains_key(&id) {
            self.note_reload_cancelled(id);
            self.tell_cancelled(id, ("reload", None), by);
        }
        for Leaver { id, operation, sender, .. } in leavers {
            let name = self.cells[id.index()].name().clone();
            self.tell_cancelled(operation, (LEAVE.as_str(), Some(name)), by);
            self.end_unasked(operation, sender, Err(CommandError::Cancelled));
        }
        for Joiner { operation, spec, sender, .. } in joiners {
            self.tell_cancelled(operation, ("register", Some(spec.name)), by);
            self.end_unasked(operation, sender, Err(CommandError::Cancelled));
        }
        count
    }

    /// Tells who has cancelled what had not begun.
    fn tell_cancelled(
        &self,
        operation: OperationId,
        (word, service): (&'static str, Option<ServiceName>),
        by: &Request,
    ) {
        tracing::info!(
            target: "processpype", service = service.as_ref().map(ServiceName::as_str),
            actor = &*by.actor, reason = by.reason.as_deref(), operation = operation.0,
            "{word} cancelled"
        );
        self.append(Event {
            service,
            actor: Some(Arc::clone(&by.actor)),
            operation: Some(operation),
            message: by.reason.clone(),
            ..self.event(EventKind::Command, None, "cancelled")
        });
    }

    /// The application has closed: whoever was not asked to leave, or has not joined, will not.
    pub(super) fn end_turnover(&mut self) {
        for (operation, sender) in self.turnover.take_all() {
            self.end_unasked(operation, sender, Err(CommandError::Closing));
        }
    }

    fn expect_to_join(
        &mut self,
        reload: OperationId,
        (spec, configured): (Spec, Configured),
        by: &Request,
    ) -> (ServiceName, Operation) {
        let name = spec.name.clone();
        let flags = if starts(&spec) { vec!["start"] } else { Vec::new() };
        let operation = self.open(Some(name.clone()), ("register", flags), by);
        let (sender, receiver) = oneshot::channel();
        self.turnover.parts.insert(operation, reload);
        let by = by.clone();
        self.turnover.joining.push_back(Joiner { operation, spec, configured, by, sender });
        (name, Operation::new(operation, receiver))
    }

    /// Asks those to leave who can, or lets the next service join; returns how much that counts.
    ///
    /// Who joins counts as a batch of others: the loop looks at its time after each of them.
    pub(super) fn go_on_with_turnover(&mut self) -> usize {
        let asked = if self.turnover.has_moved { self.ask_to_leave() } else { 0 };
        if !self.turnover.can_join() {
            return asked;
        }
        let Some(joiner) = self.turnover.joining.pop_front() else { return asked };
        self.let_join(joiner);
        self.turnover.end_turn();
        asked + BATCH
    }

    fn let_join(&mut self, joiner: Joiner) {
        let Joiner { operation, spec, configured, by, sender } = joiner;
        let (name, start) = (spec.name.clone(), starts(&spec));
        match self.admit(&Registration::of(spec), configured) {
            Ok((at, generation)) => {
                self.tell_member(at, "registered", Some(operation), &by);
                if start {
                    let verb = Verb::Start { with_dependencies: false, force: false };
                    return self.give_to(sender, operation, at, verb, by);
                }
                self.end_unasked(operation, sender, Ok(done(generation)));
            }
            Err(error) => {
                tracing::error!(
                    target: "processpype", service = %name, actor = &*by.actor,
                    operation = operation.0, "it has not joined: {error}"
                );
                self.end_unasked(operation, sender, Err(unjoinable(&error)));
            }
        }
    }

    /// Ends a part of a reload in which nothing was given to the machine.
    ///
    /// It ends as others do: in the register first, so that whoever is woken by the end finds it
    /// there; then for the reload, which may end with it; then for whoever waits.
    fn end_unasked(
        &mut self,
        operation: OperationId,
        sender: oneshot::Sender<Result<Done, CommandError>>,
        result: Result<Done, CommandError>,
    ) {
        self.close_record(operation, result.clone());
        if let Some(reload) = self.turnover.ended(operation) {
            self.note_reloaded(reload, &result);
        }
        // Nobody may be waiting for the end any more.
        reply(sender, result);
    }
}

/// Whether a service starts when it joins: as at the start of the application.
fn starts(spec: &Spec) -> bool {
    spec.options.enabled && spec.options.autostart
}

fn done(generation: Generation) -> Done {
    Done { changed: true, generation, affected: Vec::new(), configured: None }
}

/// Says why a service of the files cannot join, in the words of commands.
pub(super) fn unjoinable(error: &RegisterError) -> CommandError {
    match error {
        RegisterError::Closing => CommandError::Closing,
        RegisterError::Busy => CommandError::Busy,
        error => CommandError::Unjoinable { why: error.to_string() },
    }
}
