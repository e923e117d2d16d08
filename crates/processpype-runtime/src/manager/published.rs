//! The published side of an application: how the loop changes it, and wakes who reads it.
//!
//! # Invariants
//!
//! 1. What readers see is swapped whole, or is an atomic: nobody waits for the loop to look.
//! 2. A change is there before its version grows, and the version before anybody is woken.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

use arc_swap::{ArcSwap, ArcSwapOption};
use processpype_core::ServiceState;
use tokio::sync::Semaphore;

use super::aside::Aside;
use super::{Asked, Shared};
use crate::bell::{Bell, Ring as _, TaskBell};
use crate::configuration::ConfigBook;
use crate::directory::{AtHand, Directory};
use crate::host::Host;
use crate::journal::Journal;
use crate::message::Office;
use crate::register::{OPERATIONS_KEPT, Register};
use crate::supervisor::Launch;

// === impl Shared ===

impl Shared {
    pub(crate) fn new(
        directory: Arc<Directory>,
        journal: Arc<Journal>,
        book: ConfigBook,
        launch: &Launch,
        office: &Office,
    ) -> Self {
        Self {
            directory: AtHand::new(directory),
            creator: launch.creator.clone(),
            journal,
            register: Register::new(OPERATIONS_KEPT),
            recording: ArcSwapOption::empty(),
            levels: ArcSwap::default(),
            pause: ArcSwapOption::empty(),
            config: ArcSwap::from_pointee(book),
            configurer: launch.configurer.clone(),
            aside: Aside::new(launch.checks.clone()),
            clock: launch.clock,
            configuring: Semaphore::new(1),
            turnover: Arc::new(Semaphore::new(1)),
            scrub: launch.scrub.clone(),
            host: Host::new(launch.services.clone()),
            pulses: office.pulses.clone(),
            reports: office.reports.clone(),
            version: AtomicU64::new(1),
            state: AtomicU8::new(ServiceState::Starting as u8),
            settled: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            changed: Bell::default(),
            asked: AtomicU8::new(0),
            asked_now: TaskBell::default(),
        }
    }

    /// Asks something of the whole application; the stronger wish counts.
    ///
    /// Asking twice is asking once, and what is not looked at yet is kept.
    pub(super) fn ask(&self, asked: Asked) {
        self.asked.fetch_max(asked as u8, Ordering::AcqRel);
        self.asked_now.ring();
    }

    /// Makes the task that is polled the one that is woken when something is asked. The loop's own,
    /// before it waits.
    pub(crate) fn asks(&self, task: &Waker) {
        self.asked_now.belongs_to(task);
    }

    /// Resolves when something was asked of the whole application.
    pub(crate) fn asked(&self) -> impl Future<Output = ()> + '_ {
        self.asked_now.until(|_| (self.asked.load(Ordering::Acquire) != 0).then_some(()))
    }

    /// Takes what was asked since the last look.
    pub(crate) fn take_asked(&self) -> Option<Asked> {
        if self.asked.load(Ordering::Relaxed) == 0 {
            return None;
        }
        match self.asked.swap(0, Ordering::AcqRel) {
            0 => None,
            1 => Some(Asked::Close),
            _ => Some(Asked::Abort),
        }
    }

    /// Returns who is there.
    pub(crate) fn directory(&self) -> Arc<Directory> {
        self.directory.get()
    }

    /// Shows who is there from now on. Supervisor only.
    ///
    /// The directory is swapped whole: a reader sees the old one or the new one, and never waits.
    pub(crate) fn show(&self, directory: Directory) {
        self.directory.show(directory);
        self.touch();
    }

    /// Something that readers can see has changed; waking those who wait for it follows.
    /// Supervisor only: nobody else writes the version.
    pub(crate) fn bump(&self) {
        let version = self.version.load(Ordering::Relaxed) + 1;
        self.version.store(version, Ordering::Release);
    }

    /// Tells readers that something changed. Supervisor only, as all that follows.
    pub(crate) fn touch(&self) {
        self.bump();
        self.changed.ring();
    }

    pub(crate) fn set_state(&self, state: ServiceState) {
        self.state.store(state as u8, Ordering::Release);
        self.touch();
    }

    /// The supervisor is no more: nothing happens any more, and nobody waits for it any longer.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.changed.ring();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn set_settled(&self) {
        self.settled.store(true, Ordering::Release);
        self.touch();
    }
}
