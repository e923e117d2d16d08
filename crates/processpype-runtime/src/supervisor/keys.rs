//! Requests that are repeated under their key.
//!
//! # Invariants
//!
//! 1. The same key of the same actor is the same operation, as long as that is known and not older
//!    than [`IDEMPOTENCY_WINDOW`]; so there are never more keys than known operations.
//! 2. What is refused before it is an operation leaves its key free.
//! 3. What is done at once is answered again as it was the first time, whatever holds by then.
//!
//! # What a repetition gets
//!
//! - Of a command that goes on: its operation, and with that its end, as the first one does.
//! - Of a command that has ended: that end, from the register.
//! - Of what is done at once, such as a pause: the answer itself, which is kept beside the key. It
//!   says what the request has changed, not what holds now; who wants to know that looks.
//! - Of a reload: its operation, what it has told, and each of its parts as a command of its own.
//!   It is looked up before the files are read, so that they may say anything by then.
//! - Of anything else under that key: a refusal, which names the operation that has the key.

use std::sync::Arc;
use std::time::Duration;

use processpype_config::Difference;
use processpype_core::{Generation, LogLevel, OperationId, ServiceId, ServiceName, Verb};
use tokio::sync::oneshot;

use super::{Reloading, Supervisor};
use crate::bell::reply;
use crate::clock::Timestamp;
use crate::configuration::Fixed;
use crate::levels::Leveled;
use crate::newcomer::{RegisterError, Registered};
use crate::operation::{CommandError, Operation, Paused, Shutdown, WAITERS_MAX};
use crate::register::{Lookup, OperationStatus};
use crate::request::Request;

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
    /// What was answered, if that was at once.
    told: Option<Told>,
}

/// What is asked under a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A command on a service, with its flags.
    Command(ServiceId, Verb),
    /// A change of configuration; its digest stands for what it says.
    Change(ServiceId, u64),
    /// The name of the service; the request's digest stands for the rest.
    Registration(ServiceName),
    /// For how long.
    Pause(Duration),
    /// The end of a pause.
    Resume,
    /// Of which service, or of the application; without a level a change is taken back.
    Level(Option<ServiceName>, Option<(LogLevel, Duration)>),
    /// The files, whatever they say.
    Reload,
    /// The end of the application.
    Shutdown,
}

/// What was answered to what is done at once.
#[derive(Clone, Debug)]
pub(super) enum Told {
    /// To a pause or a resumption.
    Paused(Paused),
    /// To a change of a level, or its taking back.
    Leveled(Leveled),
    /// To a shutdown.
    Shutdown(Shutdown),
    /// To a reload, which goes on in its parts.
    Reloaded(OperationId, Arc<ReloadTold>),
}

/// What was answered to a reload.
#[derive(Debug)]
pub(super) struct ReloadTold {
    /// The services that leave, that it concerns, and that join, each with an operation of its own.
    pub(super) parts: [Vec<(ServiceName, OperationId)>; 3],
    /// Every value that is another one, and what of it holds only after a restart of the process.
    pub(super) what: Arc<(Vec<Difference>, Vec<Fixed>)>,
}

// === impl Told ===

impl Told {
    fn operation(&self) -> OperationId {
        match self {
            Self::Paused(paused) => paused.operation,
            Self::Leveled(leveled) => leveled.operation,
            Self::Shutdown(shutdown) => shutdown.operation,
            Self::Reloaded(operation, _) => *operation,
        }
    }
}

// === impl Supervisor ===

impl Supervisor {
    /// Keeps a request that has become an operation, if it has a key.
    pub(super) fn keep_key(&mut self, operation: OperationId, what: What, by: &Request) {
        self.keep(operation, what, by, None);
    }

    /// Keeps a request that was done at once, if it has a key, with what was answered.
    pub(super) fn keep_told(&mut self, what: What, by: &Request, told: Told) {
        self.keep(told.operation(), what, by, Some(told));
    }

    fn keep(&mut self, operation: OperationId, what: What, by: &Request, told: Option<Told>) {
        if let Some(key) = &by.key {
            let keyed = Keyed { operation, at: self.clock.now(), what, by: by.clone(), told };
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
        match self.known(what, by)? {
            Ok(keyed) => {
                let operation = keyed.operation;
                self.watch(operation)
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns what was answered to a request that was given before under its key, and done at
    /// once.
    ///
    /// # Errors
    ///
    /// Returns [`CommandError::KeyReused`] if the key is another request's.
    pub(super) fn told(&self, what: &What, by: &Request) -> Result<Option<Told>, CommandError> {
        let keyed = self.known(what, by).transpose()?;
        Ok(keyed.and_then(|keyed| keyed.told.clone()))
    }

    /// Returns what has become of a reload that was asked for before under its key: as much of it
    /// as is known.
    pub(super) fn told_of_reload(
        &mut self,
        by: &Request,
    ) -> Result<Option<Reloading>, CommandError> {
        let Some(Told::Reloaded(operation, told)) = self.told(&What::Reload, by)? else {
            return Ok(None);
        };
        let mut parts = [Vec::new(), Vec::new(), Vec::new()];
        for (watched, told) in parts.iter_mut().zip(&told.parts) {
            for (name, part) in told {
                if let Some(part) = self.watch(*part) {
                    watched.push((name.clone(), part?));
                }
            }
        }
        let [leaving, services, joining] = parts;
        let (differences, fixed) = (*told.what).clone();
        Ok(Some(Reloading { operation, services, leaving, joining, differences, fixed }))
    }

    /// Returns the request that has this key, if it is not too old.
    fn known(&self, what: &What, by: &Request) -> Option<Result<&Keyed, CommandError>> {
        let key = by.key.as_ref()?;
        let keyed = self.keys.get(&(Arc::clone(&by.actor), Arc::clone(key)))?;
        let age = self.clock.now().0.saturating_sub(keyed.at.0);
        if u128::from(age) > IDEMPOTENCY_WINDOW.as_millis() {
            return None;
        }
        if (&keyed.what, &keyed.by) != (what, by) {
            return Some(Err(CommandError::KeyReused { operation: keyed.operation }));
        }
        Some(Ok(keyed))
    }

    /// Lets one more wait for an operation; `None` if that is not known any more.
    fn watch(&mut self, operation: OperationId) -> Option<Result<Operation, CommandError>> {
        let (sender, receiver) = oneshot::channel();
        match (self.operations.get_mut(&operation), self.shared.register.get(operation)) {
            (Some(waiting), _) if waiting.senders.len() < WAITERS_MAX => {
                waiting.senders.push(sender);
            }
            (Some(_), _) => return Some(Err(CommandError::Busy)),
            (None, Lookup::Found(status)) => {
                reply(sender, status.result.clone()?);
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
