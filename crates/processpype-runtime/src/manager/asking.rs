//! The way of an order into the supervisor's queue, and of its answer back.
//!
//! # Invariants
//!
//! 1. Nobody waits for a place: a full queue is told at once.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::Manager;
use crate::cell::Cell;
use crate::newcomer::RegisterError;
use crate::operation::{CancelError, CommandError};
use crate::order::Order;

/// Why the supervisor has not taken an order.
#[derive(Clone, Copy, Debug)]
pub(super) enum NotTaken {
    /// Too many are on the way.
    Busy,
    /// It has ended, or ended before it answered.
    Closed,
}

// === impl Manager ===

impl Manager {
    /// Returns the service of that name, for an order about it.
    pub(super) fn known(&self, name: &str) -> Result<Arc<Cell>, CommandError> {
        self.cell(name).ok_or_else(|| CommandError::Unknown { name: name.to_owned() })
    }

    /// Puts an order into the queue.
    pub(super) fn give<E: From<NotTaken>>(&self, order: Order) -> Result<(), E> {
        let sent = self.commands.try_send(order);
        sent.map_err(|error| match error {
            TrySendError::Full(_) => NotTaken::Busy.into(),
            TrySendError::Closed(_) => NotTaken::Closed.into(),
        })
    }

    /// Puts an order into the queue, and waits for what is answered to it.
    pub(super) async fn ask<T, E: From<NotTaken>>(
        &self,
        order: Order,
        answer: oneshot::Receiver<Result<T, E>>,
    ) -> Result<T, E> {
        self.give(order)?;
        answer.await.unwrap_or(Err(NotTaken::Closed.into()))
    }
}

// === impl NotTaken ===

impl From<NotTaken> for CommandError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Busy => Self::Busy,
            NotTaken::Closed => Self::Closing,
        }
    }
}

impl From<NotTaken> for CancelError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Busy => Self::Busy,
            NotTaken::Closed => Self::Closed,
        }
    }
}

impl From<NotTaken> for RegisterError {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Busy => Self::Busy,
            NotTaken::Closed => Self::Closing,
        }
    }
}
