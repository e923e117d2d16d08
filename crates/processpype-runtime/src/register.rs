//! The register of operations: what was asked, by whom, and how it ended.
//!
//! # Invariants
//!
//! 1. Only the supervisor writes; readers copy pointers.
//! 2. An operation that has not ended is always here. Of those that have, the last
//!    [`OPERATIONS_KEPT`] are: the one that ended first is forgotten first.
//! 3. A record is whole: it is replaced at its end, not changed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use processpype_core::{OperationId, ServiceName, SortedMap, Verb};

use crate::clock::Timestamp;
use crate::operation::{CommandError, Done};

/// How many operations that have ended are remembered.
///
/// Some 0.5 MiB; at a command each minute that is most of a day.
pub const OPERATIONS_KEPT: usize = 1024;

/// What is known about one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationStatus {
    /// Its id: from 1, without gaps, in the order of acceptance.
    pub id: OperationId,
    /// What was asked, such as `start`.
    pub verb: &'static str,
    /// What was asked beside the verb, such as `cascade`.
    pub flags: Vec<&'static str>,
    /// The service it is about; `None` if it is about the application.
    pub service: Option<ServiceName>,
    /// Who asked.
    pub actor: Arc<str>,
    /// Why, if they said so.
    pub reason: Option<Arc<str>>,
    /// The key under which it was asked, if there was one.
    pub key: Option<Arc<str>>,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How it ended; `None` while it goes on.
    pub result: Option<Result<Done, CommandError>>,
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperationState {
    /// It goes on.
    Waiting,
    /// The effect is there.
    Done,
    /// The generation that it was about failed.
    Failed,
    /// A later command, or closing, took its place.
    Superseded,
    /// Somebody cancelled it.
    Cancelled,
    /// It could not be done when it was asked, and changed nothing.
    Refused,
}

/// What became of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Lookup {
    /// It is known.
    Found(Arc<OperationStatus>),
    /// It ended, and [`OPERATIONS_KEPT`] others have ended since.
    Forgotten,
    /// There was no such operation in this run of the application.
    Unknown,
}

/// The operations of one application.
#[derive(Debug)]
pub(crate) struct Register {
    book: Mutex<Book>,
    kept: usize,
}

#[derive(Debug, Default)]
struct Book {
    records: SortedMap<OperationId, Arc<OperationStatus>>,
    /// Those that have ended, in the order in which they did.
    ended: VecDeque<OperationId>,
    last: u64,
}

// === impl OperationStatus ===

impl OperationStatus {
    /// Returns where it is.
    #[must_use]
    pub fn state(&self) -> OperationState {
        match &self.result {
            None => OperationState::Waiting,
            Some(Ok(_)) => OperationState::Done,
            Some(Err(error)) => error.state(),
        }
    }
}

// === impl OperationState ===

impl OperationState {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::Waiting,
        Self::Done,
        Self::Failed,
        Self::Superseded,
        Self::Cancelled,
        Self::Refused,
    ];

    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
        }
    }
}

// === impl Register ===

impl Register {
    pub(crate) fn new(kept: usize) -> Self {
        Self { book: Mutex::default(), kept }
    }

    /// Keeps an operation that has been accepted.
    pub(crate) fn open(&self, status: OperationStatus) {
        let mut book = self.book();
        book.last = book.last.max(status.id.0);
        book.records.insert(status.id, Arc::new(status));
    }

    /// Keeps how an operation ended; returns the one that is forgotten for it.
    pub(crate) fn close(
        &self,
        id: OperationId,
        at: Timestamp,
        result: Result<Done, CommandError>,
    ) -> Option<Arc<OperationStatus>> {
        let mut book = self.book();
        let record = book.records.get_mut(&id)?;
        let mut status = OperationStatus::clone(record);
        (status.ended, status.result) = (Some(at), Some(result));
        *record = Arc::new(status);
        book.ended.push_back(id);
        let is_full = book.ended.len() > self.kept;
        let oldest = is_full.then(|| book.ended.pop_front()).flatten()?;
        book.records.remove(&oldest)
    }

    pub(crate) fn get(&self, id: OperationId) -> Lookup {
        let book = self.book();
        match book.records.get(&id) {
            Some(status) => Lookup::Found(Arc::clone(status)),
            None if (1..=book.last).contains(&id.0) => Lookup::Forgotten,
            None => Lookup::Unknown,
        }
    }

    /// Returns every record after an id, in the order of ids.
    pub(crate) fn after(&self, id: OperationId) -> Vec<Arc<OperationStatus>> {
        let from = OperationId(id.0.saturating_add(1));
        let book = self.book();
        let asked = book.records.iter().filter(|(id, _)| **id >= from);
        asked.map(|(_, status)| Arc::clone(status)).collect()
    }

    /// Returns the id of the newest operation; 0 if there was none.
    pub(crate) fn last(&self) -> OperationId {
        OperationId(self.book().last)
    }

    /// Returns how many operations have not ended.
    pub(crate) fn waiting(&self) -> usize {
        let book = self.book();
        book.records.len() - book.ended.len()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what a verb asks for beside its word: the names of its parameters.
pub(crate) fn flags(verb: Verb) -> Vec<&'static str> {
    let all = match verb {
        Verb::Start { with_dependencies, force } => {
            vec![("with_dependencies", with_dependencies), ("force", force)]
        }
        Verb::Stop { cascade } => vec![("cascade", cascade)],
        Verb::Deregister { cascade } => vec![("cascade", cascade)],
        Verb::Restart { with_dependents } => vec![("with_dependents", with_dependents)],
    };
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use processpype_core::Generation;

    use super::*;

    /// Opens operations 1 to `opened`, ends some, and looks at each id from 0 on: `w`aiting,
    /// `d`one, `f`orgotten or unknown (`-`).
    #[track_caller]
    fn check(opened: u64, ended: &[u64], expected: &str) {
        let register = Register::new(2);
        for id in 1..=opened {
            register.open(OperationStatus {
                id: OperationId(id),
                verb: "start",
                flags: Vec::new(),
                service: None,
                actor: "test".into(),
                reason: None,
                key: None,
                accepted: Timestamp(id),
                ended: None,
                result: None,
            });
        }
        let (generation, affected) = (Generation(1), Vec::new());
        let done = Done { changed: true, generation, affected, configured: None };
        for id in ended {
            register.close(OperationId(*id), Timestamp(99), Ok(done.clone()));
        }
        let look = |id| match register.get(OperationId(id)) {
            Lookup::Found(status) => status.state().as_str().chars().next().unwrap_or_default(),
            Lookup::Forgotten => 'f',
            Lookup::Unknown => '-',
        };
        assert_eq!((0..=opened + 1).map(look).collect::<String>(), expected);
        assert_eq!(register.last(), OperationId(opened));
        assert_eq!(register.waiting(), expected.matches('w').count());
    }

    #[test]
    fn the_first_to_end_is_forgotten_first() {
        check(0, &[], "--");
        check(2, &[], "-ww-");
        check(4, &[4, 2], "-wdwd-");
        check(4, &[4, 2, 1], "-ddwf-");
    }
}
