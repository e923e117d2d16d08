//! One generation's shared side: what its context, its children, its requests and the supervisor
//! share.
//!
//! # Invariants
//!
//! 1. The phase only grows.
//! 2. A generation is gone only when its tracker is empty: children joined, handlers and bodies
//!    ended.
//! 3. A life never holds the instance.
//!
//! # The shape of an end
//!
//! ```text
//! serving ──asked──▶ draining ──▶ stopping ──▶ closing ──▶ closed, gone
//!                    40 %         40 %         the rest
//!    requests:       finish       cut
//!    children:       go on        told, then aborted   only blocking ones, of `stop`
//!    Dep::get:       refused from here on
//! ```
//!
//! A phase has one deadline, which [`Context::deadline`](crate::Context::deadline) shows. A
//! generation that ends by itself skips draining.
//!
//! # Locks
//!
//! One short lock guards what is rarely touched, and is never held over an await or over user code.
//! What is asked often (the phase) is an atomic beside it. Who waits is woken after every change
//! and looks again (`bell.rs`).
//!
//! A generation's own task looks at each step whether it was told something: a stop, the failure
//! of a child, an offer, a question. Nearly all are told nothing before their end, so a word beside
//! the lock says whether anything ever was. It is set under the lock, before what is told, and
//! never taken back: who reads that nothing was told comes before it, and is rung for.

mod calls;
mod phases;
mod reading;
mod tracked;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use processpype_core::{Generation, SortedMap};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub(crate) use self::calls::{Call, Interruption};
pub(crate) use self::tracked::{Guard, Left, NotTracked};
use crate::bell::{Bell, Ring, TaskBell};
use crate::cell::Cell;
use crate::configuration::Secrets;
use crate::diagnosis::Question;
use crate::failure::Failure;
use crate::message::{Message, Office};
use crate::metrics::Families;
use crate::reconfigure::Offer;
use crate::remains::{Asked, Blocked, Remains};
use crate::vitals::{Vitals, Watched};

/// How many children one generation may have at a time.
pub const CHILDREN_MAX: usize = 65_536;

/// How far a generation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    /// Constructor, `start` and `run`.
    Serving,
    /// Asked to stop: requests in flight finish, streams end.
    Draining,
    /// `run` and the children are told to end.
    Stopping,
    /// `stop` runs: what is still tracked is cut; `stop` may use threads that may block.
    Closing,
    /// `stop` has returned: nothing new is taken in.
    Closed,
}

/// What everybody who works for one generation shares.
///
/// Held by the context and its clones, by guards, and by the supervisor; never by the instance's
/// users.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) cell: Arc<Cell>,
    pub(crate) generation: Generation,
    pub(crate) vitals: Vitals,
    phase: AtomicU8,
    /// What was asked, the phase, a child's failure; once it drains, the last child or request too.
    pub(crate) changed: TaskBell,
    control: Mutex<Control>,
    /// Something was told that the generation's own task looks for (`calls.rs`).
    is_told: AtomicBool,
    /// A change of health was reported and not yet taken.
    nudged: AtomicBool,
    /// The service has said something about itself.
    has_spoken: AtomicBool,
}

/// The rarely used part, under one short lock.
#[derive(Debug, Default)]
struct Control {
    /// Made when the end begins: a service that runs has none.
    end: Option<Box<End>>,
    /// Made for the first who needs it: a service that only runs has none.
    more: Option<Box<More>>,
}

/// The times of the end: when it was asked for, and when what of it has to be over.
///
/// Kept for the messages about who did not end in time.
#[derive(Debug, Default)]
struct End {
    /// When the stop that was asked for must be over.
    stop_by: Option<Instant>,
    /// When the stop was asked for.
    asked_at: Option<Instant>,
    /// When the generation was aborted.
    aborted_at: Option<Instant>,
    /// The end of the current phase.
    deadline: Option<Instant>,
}

/// What not every generation has.
///
/// A service that only runs says nothing, has no children and no requests.
#[derive(Debug, Default)]
struct More {
    health: Health,
    child_failure: Option<Failure>,
    /// What hides the secrets that it has read itself.
    read: Vec<Secrets>,
    /// A new configuration that the generation has not seen.
    offer: Option<Offer>,
    /// Who asks what is wrong with it.
    questions: Vec<Question>,
    tracked: SortedMap<u64, Tracked>,
    next_child: u64,
    requests: usize,
}

/// What a service says about itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// `None` = never said.
    pub(crate) ready: Option<bool>,
    pub(crate) degraded: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Tracked {
    name: Arc<str>,
    /// A blocking child has none: it cannot be aborted.
    abort: Option<AbortHandle>,
}

// === impl Life ===

impl Life {
    pub(crate) fn new(
        cell: Arc<Cell>,
        generation: Generation,
        office: Arc<Office>,
        watched: Watched,
    ) -> Self {
        Self {
            cell,
            generation,
            vitals: Vitals::new(office, watched),
            phase: AtomicU8::new(Phase::Serving as u8),
            changed: TaskBell::default(),
            control: Mutex::default(),
            is_told: AtomicBool::new(false),
            nudged: AtomicBool::new(false),
            has_spoken: AtomicBool::new(false),
        }
    }

    /// The runtime of the services.
    pub(crate) fn services(&self) -> &Handle {
        &self.office().services
    }

    /// The names of the application's metrics.
    pub(crate) fn families(&self) -> &Arc<Families> {
        &self.office().families
    }

    /// Tells a test, if this is one, of a request that failed; the log knows already.
    pub(crate) fn tell_story(&self, failure: impl FnOnce() -> Failure) {
        if let Some(stories) = &self.office().stories {
            stories.add(self.cell.name(), self.generation, &failure());
        }
    }

    fn office(&self) -> &Office {
        self.vitals.office()
    }

    /// Asks the generation to stop by `by`, now. Supervisor only, which rings for it as well.
    pub(crate) fn ask_to_stop(&self, by: Instant, now: Instant) {
        let mut control = self.tell();
        let end = control.end();
        end.stop_by.get_or_insert(by);
        end.asked_at.get_or_insert(now);
    }

    pub(crate) fn stop_by(&self) -> Option<Instant> {
        self.told()?.stop_by()
    }

    /// When the generation must be gone because the application closes.
    pub(crate) fn closing_by(&self) -> Option<Instant> {
        self.office().closing_by()
    }

    /// As much of the time until `by` as closing leaves.
    pub(crate) fn within_closing(&self, by: Instant) -> Instant {
        self.closing_by().map_or(by, |closing| closing.min(by))
    }

    /// The current phase ends sooner than it was said.
    pub(crate) fn shorten(&self, until: Instant) {
        let mut control = self.control();
        let deadline = &mut control.end().deadline;
        *deadline = Some(deadline.map_or(until, |old| old.min(until)));
    }

    pub(crate) fn asked_to_stop(&self) -> impl Future<Output = Instant> + '_ {
        self.until(Self::stop_by)
    }

    /// Whether the phase has been reached, or passed.
    pub(crate) fn is_in(&self, phase: Phase) -> bool {
        self.phase.load(Ordering::Acquire) >= phase as u8
    }

    /// Resolves when the service is to end its work: every one that runs waits for this.
    pub(crate) fn stopping(&self) -> impl Future<Output = ()> + '_ {
        self.until(|life| life.is_in(Phase::Stopping).then_some(()))
    }

    /// Resolves when the phase has been reached, or passed.
    pub(crate) fn reached(&self, phase: Phase) -> impl Future<Output = ()> + '_ {
        self.until(move |life| life.is_in(phase).then_some(()))
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.control().end.as_ref().and_then(|end| end.deadline)
    }

    pub(crate) fn health(&self) -> Health {
        self.nudged.store(false, Ordering::Release);
        self.control().more.as_ref().map_or_else(Health::default, |more| more.health.clone())
    }

    /// Changes what the service says about itself and tells the supervisor, at most once until it
    /// looks.
    pub(crate) fn set_health(&self, change: impl FnOnce(&mut Health)) {
        change(&mut self.control().more().health);
        self.has_spoken.store(true, Ordering::Release);
        if !self.nudged.swap(true, Ordering::AcqRel) {
            self.office().reports.send(Message::Health(self.cell_id(), self.generation));
        }
    }

    /// Whether the service has ever said anything about itself.
    pub(crate) fn has_spoken(&self) -> bool {
        self.has_spoken.load(Ordering::Acquire)
    }

    pub(crate) fn said_ready(&self) -> bool {
        let ready = || self.control().more.as_ref()?.health.ready;
        !self.has_spoken() || ready().unwrap_or(true)
    }

    pub(crate) fn report(&self, message: Message) {
        self.office().reports.send(message);
    }

    pub(crate) fn cell_id(&self) -> processpype_core::ServiceId {
        self.cell.id()
    }

    /// A child failed: the generation fails with it. The first failure counts.
    pub(crate) fn fail_child(&self, failure: Failure) {
        self.tell().more().child_failure.get_or_insert(failure);
        self.changed.ring();
    }

    /// Returns the failure of a child that nobody has told yet.
    pub(crate) fn take_child_failure(&self) -> Option<Failure> {
        self.told()?.take_child_failure()
    }

    /// Counts a child as part of the generation, unless `last` or a later phase is reached.
    pub(crate) fn track(
        self: &Arc<Self>,
        name: Arc<str>,
        last: Phase,
    ) -> Result<Guard, NotTracked> {
        let mut control = self.control();
        if self.is_in(last) {
            return Err(NotTracked::Stopping);
        }
        let more = control.more();
        if more.tracked.len() >= CHILDREN_MAX {
            return Err(NotTracked::TooMany);
        }
        let id = more.next_child;
        more.next_child += 1;
        more.tracked.insert(id, Tracked { name, abort: None });
        self.cell.tally.tasks.fetch_add(1, Ordering::Relaxed);
        Ok(Guard { life: Arc::clone(self), child: Some(id) })
    }

    /// Remembers how the child of `guard` can be aborted; a child that has ended already is left
    /// alone.
    pub(crate) fn arm(&self, child: u64, abort: AbortHandle) {
        let mut control = self.control();
        if self.is_in(Phase::Closing) {
            // Whoever aborts the children may have come before this.
            abort.abort();
        } else if let Some(tracked) = control.more().tracked.get_mut(&child) {
            tracked.abort = Some(abort);
        }
    }

    /// Counts a request as part of the generation.
    pub(crate) fn track_request(self: &Arc<Self>) -> Result<Guard, NotTracked> {
        let mut control = self.control();
        if self.is_in(Phase::Draining) {
            return Err(NotTracked::Stopping);
        }
        control.more().requests += 1;
        self.cell.tally.requests.fetch_add(1, Ordering::Relaxed);
        Ok(Guard { life: Arc::clone(self), child: None })
    }

    /// Resolves when no handler runs and no streamed body is on its way.
    pub(crate) fn requests_ended(&self) -> impl Future<Output = ()> + '_ {
        self.until(|life| (!life.left().requests).then_some(()))
    }

    /// Waits until nothing of the generation is left but its own task.
    pub(crate) fn untracked(&self) -> impl Future<Output = ()> + '_ {
        self.until(|life| life.left().is_nothing().then_some(()))
    }

    /// Resolves when no child runs; new ones may come while `run` lives.
    pub(crate) fn children_ended(&self) -> impl Future<Output = ()> + '_ {
        self.until(|life| (!life.left().children).then_some(()))
    }

    /// What is part of the generation beside its own task.
    pub(crate) fn left(&self) -> Left {
        self.control().left()
    }

    /// Returns the names of the children that still run.
    pub(crate) fn children(&self) -> Vec<(Arc<str>, Option<Blocked>)> {
        let (polls, now) = (self.vitals.child_polls(), Instant::now());
        let blocked = |child: &u64| Blocked::judge(Some(*polls.get(child)?), None, now);
        let tracked =
            |(child, tracked): (&u64, &Tracked)| (Arc::clone(&tracked.name), blocked(child));
        let control = self.control();
        let Some(more) = &control.more else { return Vec::new() };
        more.tracked.iter().map(tracked).collect()
    }

    /// Returns what has not ended of the generation.
    pub(crate) fn remains(&self) -> Remains {
        let (stage, since) = self.vitals.stage();
        let children = self.children();
        let control = self.control();
        let asked = control.end.as_ref().map_or_else(Asked::default, |end| Asked {
            stop: end.asked_at,
            abort: end.aborted_at,
            deadline: end.deadline,
        });
        let requests = control.requests();
        drop(control);
        let due = asked.due(stage, since);
        let poll = self.vitals.own_poll();
        let blocked = poll.and_then(|began| Blocked::judge(began, due, Instant::now()));
        Remains { hook: stage.hook(), blocked, children, requests }
    }

    /// Notes that the generation is ended by force, and aborts its children. Supervisor only.
    pub(crate) fn abort(&self) {
        self.control().end().aborted_at.get_or_insert_with(Instant::now);
        self.abort_children();
    }

    /// Aborts every child that can be aborted.
    pub(crate) fn abort_children(&self) {
        let control = self.control();
        let Some(more) = &control.more else { return };
        let handles = more.tracked.values().filter_map(|tracked| tracked.abort.clone());
        let handles: Vec<AbortHandle> = handles.collect();
        drop(control);
        handles.iter().for_each(AbortHandle::abort);
    }

    /// The rarely used part, for who changes what the generation's own task looks for.
    fn tell(&self) -> MutexGuard<'_, Control> {
        let control = self.control();
        self.is_told.store(true, Ordering::Release);
        control
    }

    /// The rarely used part, for who looks for what was told; none if nothing ever was.
    ///
    /// Most are told nothing before their end, and each step of a life looks. Who looks while
    /// something is told for the first time may not see it yet, and is rung for.
    fn told(&self) -> Option<MutexGuard<'_, Control>> {
        self.is_told.load(Ordering::Acquire).then(|| self.control())
    }

    fn control(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring for Life {
    fn list(&self) -> &Bell {
        self.changed.list()
    }

    fn wakes(&self, waker: &Waker) -> bool {
        self.changed.wakes(waker)
    }
}

// === impl Control ===

impl Control {
    /// The times of the end, which begins with the first of them.
    fn end(&mut self) -> &mut End {
        self.end.get_or_insert_default()
    }

    fn stop_by(&self) -> Option<Instant> {
        self.end.as_ref()?.stop_by
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn take_child_failure(&mut self) -> Option<Failure> {
        self.more.as_mut()?.child_failure.take()
    }

    fn requests(&self) -> usize {
        self.more.as_ref().map_or(0, |more| more.requests)
    }

    fn left(&self) -> Left {
        self.more.as_ref().map_or_else(Left::default, |more| Left {
            requests: more.requests > 0,
            children: !more.tracked.is_empty(),
        })
    }
}
