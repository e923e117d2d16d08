//! The published side of one service: written by the supervisor, read by everybody without waiting.
//!
//! # Invariants
//!
//! 1. Only the supervisor writes `details` and `word`.
//! 2. Only a generation's own task opens and shuts `slot`, and only while it lives: what it holds
//!    is user code's, which may block or panic when it is dropped. None takes it from a successor,
//!    however late it comes: who was cut off opens nothing, and shuts only its own.
//! 3. The supervisor cuts a generation off by its number, whatever becomes of its task.
//! 4. A reader holds the lock of `details` for the copy of one pointer, or, as the first one after
//!    a change, for the making of one status; the writer for the change of a few words. It is never
//!    held for code of a service, or for anything that waits.
//!
//! # Two speeds
//!
//! State, readiness and generation are packed into one word, for whoever asks often: one load,
//! never torn. Everything else is a status behind a shared pointer. Both are written under its
//! lock; who needs them to agree takes the status.
//!
//! # Two generations at a time
//!
//! There are never two, but after a forced start past an orphan. The orphan's task may still hold a
//! thread anywhere in its code, and go on from there at any time:
//!
//! - in `start` or `routes`, it would open the slot: it is cut off, so [`Cell::open`] refuses;
//! - in `run`, it is in the slot already: `get` sees that it is cut off, and the successor takes
//!   its place;
//! - at its end it shuts the slot: [`Cell::shut`] finds somebody else there, and leaves it.
//!
//! Both change the slot only from what they have seen in it, so what comes between is seen, too.
//!
//! # Made for who reads
//!
//! A status is made for the first who reads it after a change, and shared by all who read until
//! the next one. So a change costs no copy, whoever holds the last status, and a service at which
//! nobody looks has none.

use std::any::Any;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use arc_swap::{ArcSwapOption, Guard};
use once_cell::race::OnceBox;
use processpype_core::{Generation, ServiceId, ServiceName, ServiceState};

use crate::bell::{Bell, Ring};
use crate::clock::Clock;
use crate::error::Unavailable;
use crate::facts::Facts;
use crate::metrics::{Families, Store};
use crate::panic::drop_contained;
use crate::routes::{Mounted, RouteAccess};
use crate::status::Status;
use crate::tally::Tally;

pub(crate) type AnyService = Arc<dyn Any + Send + Sync>;

/// What is known of one service outside the supervisor.
#[derive(Debug)]
pub(crate) struct Cell {
    id: ServiceId,
    name: ServiceName,
    /// Generation, readiness and state in one word, for the fast paths.
    word: AtomicU64,
    belonging: Arc<Belonging>,
    details: Mutex<Details>,
    slot: ArcSwapOption<Published>,
    /// The newest generation that was cut off.
    cut: AtomicU64,
    /// The service has left the application.
    retired: AtomicBool,
    changed: Bell,
    /// What is counted over all generations.
    pub(crate) tally: Tally,
    /// Made for the first who registers something.
    metrics: OnceBox<Arc<Store>>,
}

/// Where a service belongs: the same for many of them.
///
/// Neither changes while the service is part of the application: its kind makes all its
/// generations, and a group is joined with the application or on registering.
#[derive(Debug)]
pub(crate) struct Belonging {
    /// The name of its kind.
    pub(crate) kind: Arc<str>,
    pub(crate) group: Option<Arc<str>>,
}

/// What changes of one service, and how it is shown.
#[derive(Debug)]
struct Details {
    facts: Facts,
    /// Made for the first who reads.
    shown: Option<Arc<Status>>,
}

/// An instance that other services may use.
///
/// The generation is kept with it, so that who is late gives up his own and nobody else's.
pub(crate) struct Published {
    pub(crate) generation: Generation,
    pub(crate) instance: AnyService,
    routes: Routed,
}

/// What is mounted with an instance.
#[derive(Clone)]
pub(crate) enum Routed {
    /// No routes; who may ask for them all the same.
    Nothing(RouteAccess),
    Mounted(Arc<Mounted>),
}

const STATE_BITS: u32 = 3;
const READY_BIT: u64 = 1 << STATE_BITS;
const GENERATION_SHIFT: u32 = STATE_BITS + 1;

// === impl Cell ===

impl Cell {
    pub(crate) fn new(
        id: ServiceId,
        name: ServiceName,
        belonging: Arc<Belonging>,
        facts: Facts,
    ) -> Self {
        Self {
            id,
            name,
            belonging,
            word: AtomicU64::new(pack(&facts)),
            details: Mutex::new(Details { facts, shown: None }),
            slot: ArcSwapOption::empty(),
            cut: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            changed: Bell::default(),
            tally: Tally::default(),
            metrics: OnceBox::new(),
        }
    }

    /// A cell outside every application, for tests.
    pub(crate) fn detached(name: ServiceName) -> Arc<Self> {
        let facts = Facts::initial(Clock::system().now());
        let belonging = Arc::new(Belonging { kind: "test".into(), group: None });
        Arc::new(Self::new(ServiceId(0), name, belonging, facts))
    }

    pub(crate) fn id(&self) -> ServiceId {
        self.id
    }

    pub(crate) fn name(&self) -> &ServiceName {
        &self.name
    }

    /// Where the service registers metrics of its own.
    ///
    /// Made when it is first asked for: most services have none.
    pub(crate) fn metrics(&self, families: &Arc<Families>) -> &Arc<Store> {
        self.metrics.get_or_init(|| Box::new(Arc::new(Store::new(Arc::clone(families)))))
    }

    /// The metrics that the service has registered, if it has ever asked for a place for them.
    ///
    /// For readers, who make none.
    pub(crate) fn registered(&self) -> Option<&Store> {
        self.metrics.get().map(|store| &**store)
    }

    pub(crate) fn state(&self) -> ServiceState {
        state_of(self.word.load(Ordering::Acquire))
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.word.load(Ordering::Acquire) & READY_BIT != 0
    }

    pub(crate) fn generation(&self) -> Generation {
        Generation(self.word.load(Ordering::Acquire) >> GENERATION_SHIFT)
    }

    /// The name of its kind.
    pub(crate) fn kind(&self) -> &Arc<str> {
        &self.belonging.kind
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        let mut details = self.details();
        match &details.shown {
            Some(shown) => Arc::clone(shown),
            None => self.show(&mut details),
        }
    }

    /// Makes a status for all who read until the next change.
    #[cold]
    fn show(&self, details: &mut Details) -> Arc<Status> {
        let Belonging { kind, group } = &*self.belonging;
        let status = details.facts.status(self.name.clone(), Arc::clone(kind), group.clone());
        let status = Arc::new(status);
        details.shown = Some(Arc::clone(&status));
        status
    }

    /// Looks at what is known, without making a status of it.
    ///
    /// For the supervisor itself and for whoever wants one word of many services: a status made for
    /// them would be kept for nobody.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Facts) -> T) -> T {
        look(&self.details().facts)
    }

    /// Changes what is known. Supervisor only.
    pub(crate) fn update(&self, change: impl FnOnce(&mut Facts)) {
        self.update_if(|facts| {
            change(facts);
            true
        });
    }

    /// Changes what is known, if it does; returns whether it did. Supervisor only.
    ///
    /// One look and one change under the same lock. Who waits is woken, and the status that readers
    /// share is given up, only if something is other than it was.
    pub(crate) fn update_if(&self, change: impl FnOnce(&mut Facts) -> bool) -> bool {
        let mut details = self.details();
        if !change(&mut details.facts) {
            return false;
        }
        self.word.store(pack(&details.facts), Ordering::Release);
        let old = details.shown.take();
        drop(details);
        drop(old);
        self.changed.ring();
        true
    }

    fn details(&self) -> MutexGuard<'_, Details> {
        self.details.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the instance usable for others; returns whether it is. The generation's task only.
    ///
    /// Who was cut off, or has a successor there already, comes too late, and gives up what it has.
    pub(crate) fn open(
        &self,
        generation: Generation,
        instance: AnyService,
        routes: Routed,
    ) -> bool {
        let published = Some(Arc::new(Published { generation, instance, routes }));
        if !self.is_cut(generation) {
            // Mostly nobody is there.
            let before = self.slot.compare_and_swap(&None::<Arc<_>>, Option::clone(&published));
            if before.is_none() {
                self.changed.ring();
                return true;
            }
            drop_contained(before);
        }
        let mut is_open = false;
        let before = self.slot.rcu(|there| {
            let is_newer = |there: &Arc<Published>| there.generation > generation;
            is_open = !self.is_cut(generation) && !there.as_ref().is_some_and(is_newer);
            Option::clone(if is_open { &published } else { there })
        });
        let (kept, late) = if is_open { (published, before) } else { (before, published) };
        drop_contained(kept);
        late.into_iter().for_each(Published::give_up);
        self.changed.ring();
        is_open
    }

    /// Cuts a generation off: from now on `get` fails and requests are refused. Supervisor only.
    pub(crate) fn cut(&self, generation: Generation) {
        self.cut.fetch_max(generation.0, Ordering::AcqRel);
        self.changed.ring();
    }

    /// Wakes whoever waits, to look again. Supervisor only.
    pub(crate) fn wake(&self) {
        self.changed.ring();
    }

    /// Wakes whoever waits for a service that has left: nothing comes any more. Supervisor only.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.changed.ring();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Cuts a generation off and gives up what it published. The generation's task only.
    pub(crate) fn shut(&self, generation: Generation) {
        if !self.is_cut(generation) {
            self.cut(generation);
        }
        let there = self.slot.load();
        if there.as_ref().is_none_or(|there| there.generation != generation) {
            return;
        }
        let before = self.slot.compare_and_swap(&there, None);
        // A successor that has taken its place meanwhile stays, and has given up what was there.
        let is_own = before.as_ref().map(Arc::as_ptr) == there.as_ref().map(Arc::as_ptr);
        drop_contained(there);
        match Guard::into_inner(before) {
            Some(own) if is_own => own.give_up(),
            other => drop_contained(other),
        }
    }

    pub(crate) fn instance(&self) -> Option<Guard<Option<Arc<Published>>>> {
        let guard = self.slot.load();
        let is_there = guard.as_ref().is_some_and(|published| !self.is_cut(published.generation));
        is_there.then_some(guard)
    }

    pub(crate) fn mounted(&self) -> Option<Arc<Mounted>> {
        match &self.instance()?.as_ref()?.routes {
            Routed::Nothing(access) => Some(Arc::new(Mounted::nothing(*access))),
            Routed::Mounted(mounted) => Some(Arc::clone(mounted)),
        }
    }

    fn is_cut(&self, generation: Generation) -> bool {
        generation.0 <= self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn unavailable(&self) -> Unavailable {
        let known = |facts: &Facts| {
            let retry_at = facts.rare().and_then(|rare| rare.restart?.next_at);
            (retry_at, facts.completed)
        };
        let (retry_at, completed) = self.look(known);
        Unavailable::new(self.name.clone(), self.state(), retry_at).completed(completed)
    }

    /// Waits until `f` gives a value; asks again after every change.
    ///
    /// Used by everything that waits for a service: ready, a state, a generation.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub(crate) fn wait_for<T>(
        &self,
        mut f: impl FnMut(&Self) -> Option<T>,
    ) -> impl Future<Output = T> {
        self.until(move |cell| f(cell))
    }
}

impl Ring for Cell {
    fn list(&self) -> &Bell {
        &self.changed
    }

    fn wakes(&self, waker: &Waker) -> bool {
        self.changed.wakes(waker)
    }
}

// === impl Published ===

impl Published {
    /// Lets go of the instance, and of its router, whoever else holds what is mounted.
    fn give_up(self: Arc<Self>) {
        let routes = self.routes.clone();
        drop_contained(self);
        if let Routed::Mounted(mounted) = routes {
            mounted.close();
        }
    }
}

/// Three bits of state, one of readiness, the rest for the generation.
fn pack(facts: &Facts) -> u64 {
    let ready = u64::from(facts.ready) << STATE_BITS;
    facts.generation.0 << GENERATION_SHIFT | ready | facts.state as u64
}

/// The state in a packed word.
///
/// Told apart by comparisons: a table would be one more read of memory for each who asks.
fn state_of(word: u64) -> ServiceState {
    const STOPPED: u64 = ServiceState::Stopped as u64;
    const STARTING: u64 = ServiceState::Starting as u64;
    const RUNNING: u64 = ServiceState::Running as u64;
    const STOPPING: u64 = ServiceState::Stopping as u64;
    match word & (READY_BIT - 1) {
        STOPPED => ServiceState::Stopped,
        STARTING => ServiceState::Starting,
        RUNNING => ServiceState::Running,
        STOPPING => ServiceState::Stopping,
        _ => ServiceState::Error,
    }
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(cell: &Cell, generation: u64) -> bool {
        cell.open(Generation(generation), Arc::new(()), Routed::Nothing(RouteAccess::Unsaid))
    }

    fn there(cell: &Cell) -> Option<Generation> {
        Some(cell.instance()?.as_ref()?.generation)
    }

    #[test]
    fn who_comes_late_takes_nobodys_place() {
        let cell = Cell::detached(ServiceName::new("plain").expect("a name"));
        assert!(open(&cell, 2), "nobody is there");
        assert!(!open(&cell, 1), "a successor is");
        cell.shut(Generation(1));
        assert_eq!(there(&cell), Some(Generation(2)), "who is late shuts nobody else's slot");
        assert!(open(&cell, 3), "who is later takes the place of an orphan");
        cell.cut(Generation(4));
        assert!(!open(&cell, 4), "it was cut off before it was there");
        cell.shut(Generation(3));
        assert!(cell.slot.load().is_none(), "it is its own");
    }

    #[test]
    fn every_state_comes_out_of_the_word_as_it_went_in() {
        let mut facts = Facts::initial(Clock::system().now());
        facts.generation = Generation(u64::MAX >> GENERATION_SHIFT);
        for &state in ServiceState::ALL {
            for ready in [false, true] {
                (facts.state, facts.ready) = (state, ready);
                assert_eq!(state_of(pack(&facts)), state);
            }
        }
    }

    #[test]
    fn a_status_is_shared_until_something_changes() {
        let cell = Cell::detached(ServiceName::new("plain").expect("a name"));
        let first = cell.status();
        assert!(!cell.update_if(|_| false));
        assert!(Arc::ptr_eq(&first, &cell.status()));
        assert!(cell.update_if(|facts| {
            facts.ready = true;
            true
        }));
        let second = cell.status();
        assert!(!first.ready && second.ready && cell.is_ready());
    }
}
