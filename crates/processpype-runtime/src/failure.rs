//! A failure of user code, with what may be shown of it and what is for the log.
//!
//! # Invariants
//!
//! 1. `public` holds nothing but text that the service made public, or that this crate wrote.
//! 2. `story` is for the log alone, and holds the whole chain.

use std::ops::{Deref, DerefMut};

use processpype_core::ErrorKind;

use crate::error::Error;
use crate::panic::Panicked;

/// What went wrong, in two texts.
///
/// The supervisor publishes one and logs the other; from here on they are never mixed. A pointer,
/// because every generation and every message of one has room for a failure, and few have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(Box<Told>);

/// What is told of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: ErrorKind,
    /// For everybody.
    pub(crate) public: String,
    /// For the log.
    pub(crate) story: String,
}

// === impl Failure ===

impl Failure {
    /// A failure that this crate noticed: its text is ours, and public.
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let public: String = text.into();
        Self::told(kind, public.clone(), public)
    }

    fn told(kind: ErrorKind, public: String, story: String) -> Self {
        Self(Box::new(Told { kind, public, story }))
    }

    /// An error that a hook returned. Whatever the hook, an unavailable dependency is kind
    /// `dependency`.
    pub(crate) fn from_error(kind: ErrorKind, what: &str, error: &Error) -> Self {
        let story = format!("{what}: {}", error.chain());
        if let Some(unavailable) = error.unavailable() {
            let public = format!("{what}: {unavailable}");
            return Self::told(ErrorKind::Dependency, public, story);
        }
        let public = match error.public_message() {
            Some(text) => text.to_owned(),
            None => format!("{what}; the log has the details"),
        };
        Self::told(kind, public, story)
    }

    /// The message of a panic may hold anything, so it is told to the log only.
    pub(crate) fn from_panic(what: &str, panicked: &Panicked) -> Self {
        let mut story = format!("{what} {panicked}");
        if let Some(backtrace) = panicked.site.as_ref().and_then(|site| site.backtrace.as_ref()) {
            story.push('\n');
            story.push_str(backtrace);
        }
        let public = format!("{what} panicked; the log has the details");
        Self::told(ErrorKind::Panic, public, story)
    }

    /// The same failure, of a child task.
    pub(crate) fn of_child(mut self) -> Self {
        if matches!(self.kind, ErrorKind::Failed | ErrorKind::Panic) {
            self.kind = ErrorKind::ChildFailed;
        }
        self
    }

    /// The same failure, of `stop`.
    pub(crate) fn of_stop(mut self) -> Self {
        self.kind = ErrorKind::StopFailed;
        self
    }
}

impl Deref for Failure {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Told {
        &mut self.0
    }
}
