//! What failures are told with in the log, for a test that has none.
//!
//! # Invariants
//!
//! 1. At most [`STORIES_KEPT`] are kept, the newest.
//! 2. They hold what only the log may hold: nobody but a test is given them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use processpype_core::{ErrorKind, Generation, ServiceName};

use crate::failure::Failure;

/// As many stories are kept.
pub const STORIES_KEPT: usize = 1024;

/// The stories of an application, as its supervisor tells them. Cheap to clone.
///
/// ```
/// use processpype_runtime::Stories;
///
/// assert!(Stories::default().all().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stories(Arc<Mutex<VecDeque<Story>>>);

/// What one generation failed with, or one request to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Story {
    /// Whose failure it is.
    pub service: ServiceName,
    /// Which one of its generations.
    pub generation: Generation,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What the log is told: which hook, and the error with all its causes.
    pub text: String,
}

// === impl Stories ===

impl Stories {
    /// Returns what has been told so far, the oldest first.
    #[must_use]
    pub fn all(&self) -> Vec<Story> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn add(&self, service: &ServiceName, generation: Generation, failure: &Failure) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == STORIES_KEPT {
            all.pop_front();
        }
        let (service, kind, text) = (service.clone(), failure.kind, failure.story.clone());
        all.push_back(Story { service, generation, kind, text });
    }
}

// === impl Story ===

impl Story {
    /// Returns whether it is of one request, which ends no generation.
    #[must_use]
    pub fn is_of_request(&self) -> bool {
        ["a handler", "a body"].iter().any(|who| self.text.starts_with(who))
    }
}
