//! What the supervisor keeps of one service beside the machine.
//!
//! # Invariants
//!
//! 1. There are as many as services: what few of them have, or have for a while, is in boxes.
//! 2. What anybody else may see is not here but in the service's cell; this is the loop's alone,
//!    and needs no lock.
//! 3. A box that was made stays: who was named by a command once will be again.

use std::sync::Arc;

use processpype_core::OperationId;
use tokio::task::AbortHandle;

use super::{recovery, watch};
use crate::argument::Wiring;
use crate::clock::Timestamp;
use crate::configuration::Configured;
use crate::failure::Failure;
use crate::life::Life;
use crate::operation::Mark;

/// What the supervisor knows of one service beside the machine.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) configured: Arc<Configured>,
    pub(super) wiring: Arc<Wiring>,
    pub(super) life: Option<Arc<Life>>,
    pub(super) task: Option<AbortHandle>,
    /// The failure of the current or last generation, until its end is published.
    pub(super) failure: Option<Failure>,
    pub(super) started: Timestamp,
    pub(super) restarts: recovery::Restarts,
    /// Made for the first of it.
    pub(super) few: Option<Box<Few>>,
}

/// What the supervisor knows of few services, as yet.
#[derive(Debug, Default)]
pub(super) struct Few {
    /// What the generation was doing when it was ended by force or given up.
    pub(super) remains: Option<Box<str>>,
    /// The last operation that this service was part of.
    pub(super) mark: Option<Mark>,
    /// The change of its configuration that is under way.
    pub(super) changing: Option<OperationId>,
    /// If it is watched, or has said something that is shown with what is watched.
    pub(super) watch: Option<Box<watch::Watch>>,
}

// === impl Service ===

impl Service {
    /// Of a specification nothing is kept but what a running service still needs.
    pub(super) fn new(configured: Arc<Configured>, wiring: Arc<Wiring>, now: Timestamp) -> Self {
        Self {
            configured,
            wiring,
            life: None,
            task: None,
            failure: None,
            started: now,
            restarts: recovery::Restarts::default(),
            few: None,
        }
    }
    /// Room for what few services have.
    pub(super) fn few(&mut self) -> &mut Few {
        self.few.get_or_insert_default()
    }

    pub(super) fn mark(&self) -> Option<&Mark> {
        self.few.as_ref()?.mark.as_ref()
    }

    /// Sets the mark, or takes it away.
    pub(super) fn set_mark(&mut self, mark: Option<Mark>) {
        match mark {
            Some(mark) => self.few().mark = Some(mark),
            None => drop(self.take_mark()),
        }
    }

    pub(super) fn take_mark(&mut self) -> Option<Mark> {
        self.few.as_mut()?.mark.take()
    }

    pub(super) fn changing(&self) -> Option<OperationId> {
        self.few.as_ref()?.changing
    }

    pub(super) fn watch(&self) -> Option<&watch::Watch> {
        self.few.as_ref()?.watch.as_deref()
    }

    pub(super) fn watch_mut(&mut self) -> Option<&mut watch::Watch> {
        self.few.as_mut()?.watch.as_deref_mut()
    }

    pub(super) fn remains(&self) -> Option<&str> {
        self.few.as_ref()?.remains.as_deref()
    }

    pub(super) fn forget_remains(&mut self) {
        if let Some(few) = &mut self.few {
            few.remains = None;
        }
    }
}
