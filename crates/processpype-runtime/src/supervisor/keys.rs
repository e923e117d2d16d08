//! Requests that are repeated under their key.
//!
//! # Invariants
//!
//! 1. The same key of the same actor is the same operation, as long as that is known and not older
//!    than [`IDEMPOTENCY_WINDOW`]; so there are never more keys than known operations.
//! 2. What is refused before it is an operation leaves its key free.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{Generation, OperationId, ServiceId, ServiceName, Verb};
use tokio::sync::oneshot;

use super::Supervisor;
use crate::clock::Timestamp;
use crate::newcomer::{RegisterError, Registered};
use crate::operation::{CommandError, Operation, Request, WAITERS_MAX};
use crate::register::{Lookup, OperationStatus};

/// For how long a request is known by its key.
///
/// A day, as payment services have it: longer than any client tries again.
pub const IDEMPOTENCY_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);

/// Who used a key, and the key.
pub(super) type Key = (Arc<str>, Arc<str>);

/// A request that was given under a key.
#[derive(Debug)]
pub(super) struct Keyed {
    operation: OperationId,
    at: Timestamp,
    what: What,
    by: Request,
}

/// What is asked under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Command(ServiceId, Verb),
    /// A change of configuration; its digest stands for what it says.
    Change(ServiceId, u64),
    /// The name of the service; the request's digest stands for the rest.
    Registration(ServiceName),
}

// === impl Supervisor ===

impl Supervisor {
    /// Keeps a request that has become an operation, if it has a key.
    pub(super) fn keep_key(&mut self, operation: OperationId, what: What, by: &Request) {
        if let Some(key) = &by.key {
            let keyed = Keyed { operation, at: self.clock.now(), what, by: by.clone() };
            self.keys.insert((Arc::clone(&by.actor), Arc::clone(key)), keyed);
        }
    }

    /// Forgets the key of an operation that is forgotten.
    pub(super) fn forget_key(&mut self, forgotten: &OperationStatus) {
        if let OperationStatus { actor, key: Some(key), id, .. } = forgotten {
            let key = (Arc::clone(actor), Arc::clone(key));
            if self.keys.get(&key).is_some_and(|keyed| keyed.operation == *id) {
                self.keys.remove(&key);
            }
        }
    }

    /// Returns the operation of a request that was given before under its key.
    pub(super) fn repeated(
        &mut self,
        what: &What,
        by: &Request,
    ) -> Option<Result<Operation, CommandError>> {
        let key = by.key.as_ref()?;
        let keyed = self.keys.get(&(Arc::clone(&by.actor), Arc::clone(key)))?;
        let age = self.clock.now().0.saturating_sub(keyed.at.0);
        if u128::from(age) > IDEMPOTENCY_WINDOW.as_millis() {
            return None;
        }
        let operation = keyed.operation;
        if (&keyed.what, &keyed.by) != (what, by) {
            return Some(Err(CommandError::KeyReused { operation }));
        }
        let (sender, receiver) = oneshot::channel();
        match (self.operations.get_mut(&operation), self.shared.register.get(operation)) {
            (Some(waiting), _) if waiting.senders.len() < WAITERS_MAX => {
                waiting.senders.push(sender);
            }
            (Some(_), _) => return Some(Err(CommandError::Busy)),
            (None, Lookup::Found(status)) => {
                let _ = sender.send(status.result.clone()?);
            }
            (None, Lookup::Forgotten | Lookup::Unknown) => return None,
        }
        Some(Ok(Operation::new(operation, receiver)))
    }

    /// Returns the registration that was asked for before under its key, whatever became of the
    /// service since.
    pub(super) fn repeated_registration(
        &mut self,
        name: &ServiceName,
        by: &Request,
    ) -> Option<Result<Registered, RegisterError>> {
        let start = match self.repeated(&What::Registration(name.clone()), by)? {
            Ok(start) => start,
            Err(CommandError::KeyReused { operation }) => {
                return Some(Err(RegisterError::KeyReused { operation }));
            }
            Err(_) => return Some(Err(RegisterError::Busy)),
        };
        let operation = start.id();
        let Lookup::Found(status) = self.shared.register.get(operation) else { return None };
        let generation = match &status.result {
            Some(Ok(done)) => done.generation,
            _ => Generation(0),
        };
        let start = (!status.flags.is_empty()).then_some(start);
        Some(Ok(Registered { name: name.clone(), generation, operation, start }))
    }
}
