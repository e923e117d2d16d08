//! The published side of one service: written by the supervisor, read by everybody without waiting.
//!
//! # Invariants
//!
//! 1. Only the supervisor writes `details` and `word`.
//! 2. Only a generation's own task opens and shuts `slot` and `mounted`, and only while it lives:
//!    what they hold is user code's, which may block or panic when it is dropped.
//! 3. The supervisor cuts a generation off by its number, whatever becomes of its task.
//! 4. A reader never blocks a writer.
//!
//! # Two speeds
//!
//! State, readiness and generation are packed into one word, for whoever asks often: one load,
//! never torn. Everything else is a status behind a pointer that is swapped whole. Both are written
//! together, the word first; who needs them to agree takes the status.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use processpype_core::{Generation, ServiceId, ServiceName, ServiceState};
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::error::Unavailable;
use crate::metrics::{Families, Store};
use crate::panic::drop_contained;
use crate::routes::Mounted;
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
    details: ArcSwap<Status>,
    slot: ArcSwapOption<Published>,
    mounted: ArcSwapOption<Mounted>,
    /// The newest generation that was cut off.
    cut: AtomicU64,
    /// The service has left the application.
    retired: AtomicBool,
    changed: Notify,
    /// What is counted over all generations.
    pub(crate) tally: Tally,
    metrics: Arc<Store>,
}

/// An instance that other services may use.
///
/// The generation is kept with it, so that who is late gives up his own and nobody else's.
pub(crate) struct Published {
    pub(crate) generation: Generation,
    pub(crate) instance: AnyService,
}

const STATE_BITS: u32 = 3;
const READY_BIT: u64 = 1 << STATE_BITS;
const GENERATION_SHIFT: u32 = STATE_BITS + 1;

// === impl Cell ===

impl Cell {
    pub(crate) fn new(id: ServiceId, status: Status, families: Arc<Families>) -> Self {
        Self {
            id,
            name: status.name.clone(),
            word: AtomicU64::new(pack(&status)),
            details: ArcSwap::from_pointee(status),
            slot: ArcSwapOption::empty(),
            mounted: ArcSwapOption::empty(),
            cut: AtomicU64::new(0),
            retired: AtomicBool::new(false),
            changed: Notify::new(),
            tally: Tally::default(),
            metrics: Arc::new(Store::new(families)),
        }
    }

    /// A cell outside every application, for tests.
    pub(crate) fn detached(name: ServiceName) -> Arc<Self> {
        let now = Clock::system().now();
        let status = Status::initial(name, "test".into(), now);
        Arc::new(Self::new(ServiceId(0), status, Arc::default()))
    }

    pub(crate) fn id(&self) -> ServiceId {
        self.id
    }

    pub(crate) fn name(&self) -> &ServiceName {
        &self.name
    }

    /// The metrics of the service's own.
    pub(crate) fn metrics(&self) -> &Arc<Store> {
        &self.metrics
    }

    pub(crate) fn state(&self) -> ServiceState {
        let index = self.word.load(Ordering::Acquire) & (READY_BIT - 1);
        ServiceState::ALL[index as usize]
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.word.load(Ordering::Acquire) & READY_BIT != 0
    }

    pub(crate) fn generation(&self) -> Generation {
        Generation(self.word.load(Ordering::Acquire) >> GENERATION_SHIFT)
    }

    pub(crate) fn status(&self) -> Arc<Status> {
        self.details.load_full()
    }

    /// Replaces the whole status. Supervisor only.
    pub(crate) fn publish(&self, status: Status) {
        self.word.store(pack(&status), Ordering::Release);
        self.details.store(Arc::new(status));
        self.changed.notify_waiters();
    }

    /// Makes the instance usable for others. The generation's task only.
    pub(crate) fn open(&self, generation: Generation, instance: AnyService, routes: Mounted) {
        self.slot.store(Some(Arc::new(Published { generation, instance })));
        self.mounted.store(Some(Arc::new(routes)));
        self.changed.notify_waiters();
    }

    /// Cuts a generation off: from now on `get` fails and requests are refused. Supervisor only.
    pub(crate) fn cut(&self, generation: Generation) {
        self.cut.fetch_max(generation.0, Ordering::AcqRel);
        self.changed.notify_waiters();
    }

    /// Wakes whoever waits for a service that has left: nothing comes any more. Supervisor only.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.changed.notify_waiters();
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Cuts a generation off and gives up what it published. The generation's task only.
    pub(crate) fn shut(&self, generation: Generation) {
        self.cut(generation);
        let is_own = |published: &Arc<Published>| published.generation == generation;
        if self.slot.load().as_ref().is_some_and(is_own) {
            drop_contained(self.slot.swap(None));
        }
        let is_own = |mounted: &Arc<Mounted>| mounted.generation() == generation;
        if self.mounted.load().as_ref().is_some_and(is_own)
            && let Some(mounted) = self.mounted.swap(None)
        {
            mounted.close();
        }
    }

    pub(crate) fn instance(&self) -> Option<arc_swap::Guard<Option<Arc<Published>>>> {
        let guard = self.slot.load();
        let is_there = guard.as_ref().is_some_and(|published| !self.is_cut(published.generation));
        is_there.then_some(guard)
    }

    pub(crate) fn mounted(&self) -> Option<Arc<Mounted>> {
        self.mounted.load_full().filter(|mounted| !self.is_cut(mounted.generation()))
    }

    fn is_cut(&self, generation: Generation) -> bool {
        generation.0 <= self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn unavailable(&self) -> Unavailable {
        let restart = self.details.load().restart;
        let retry_at = restart.and_then(|restart| restart.next_at);
        Unavailable { service: self.name.clone(), state: self.state(), retry_at }
    }

    /// Waits until `f` gives a value; asks again after every change.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    ///
    /// Used by everything that waits for a service: ready, a state, a generation.
    pub(crate) fn wait_for<T>(
        &self,
        mut f: impl FnMut(&Self) -> Option<T>,
    ) -> impl Future<Output = T> {
        crate::life::wait_for(&self.changed, move || f(self))
    }
}

/// Three bits of state, one of readiness, the rest for the generation.
fn pack(status: &Status) -> u64 {
    let ready = u64::from(status.ready) << STATE_BITS;
    status.generation.0 << GENERATION_SHIFT | ready | status.state as u64
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published").field("generation", &self.generation).finish_non_exhaustive()
    }
}
