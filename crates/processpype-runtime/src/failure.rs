//! A failure of user code, with what may be shown of it and what is for the log.
//!
//! # Invariants
//!
//! 1. `public` holds nothing but text that the service made public, or that this crate wrote.
//! 2. `story` is for the log alone, and holds the whole chain.

use std::ops::Deref;
use std::sync::Arc;

use processpype_core::ErrorKind;

use crate::context::TEXT_UNSEEN_MAX;
use crate::error::Error;
use crate::panic::{Panicked, contain, drop_contained};
use crate::text::within;

/// Room for most stories, so that they are written without growing.
const STORY_ROOM: usize = 64;

/// What went wrong, in two texts.
///
/// The supervisor publishes one and logs the other; from here on they are never mixed. A pointer,
/// because every generation and every message of one has room for a failure, and few have one;
/// shared, because the messages of one end tell the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(Arc<Told>);

/// What is told of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: ErrorKind,
    /// For everybody.
    pub(crate) public: Arc<str>,
    /// For the log.
    pub(crate) story: String,
}

// === impl Failure ===

impl Failure {
    /// A failure that this crate noticed: its text is ours, and public.
    pub(crate) fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        let story: String = text.into();
        Self::told(kind, Arc::from(story.as_str()), story)
    }

    fn told(kind: ErrorKind, public: impl Into<Arc<str>>, story: String) -> Self {
        Self(Arc::new(Told { kind, public: public.into(), story }))
    }

    /// An error that a hook returned. Whatever the hook, an unavailable dependency is kind
    /// `dependency`.
    ///
    /// How an error prints itself, and what it does when it is dropped, is code of the service: if
    /// that panics, the error is told without its own words.
    pub(crate) fn from_error(kind: ErrorKind, what: &str, error: Error) -> Self {
        let failure = match contain(|| Self::tell(kind, what, &error)) {
            Ok(failure) => failure,
            Err(panicked) => {
                let public = Self::public_text(what, &error, &mut String::new());
                let story =
                    format!("{what}: its error {panicked}, while it was asked for its text");
                Self::told(kind, public, story)
            }
        };
        drop_contained(error);
        failure
    }

    /// Asks the error for its whole text, and for who is to blame.
    fn tell(kind: ErrorKind, what: &str, error: &Error) -> Self {
        let mut story = String::with_capacity(STORY_ROOM);
        let (kind, public) = match error.unavailable() {
            Some(unavailable) => (ErrorKind::Dependency, format!("{what}: {unavailable}").into()),
            None => (kind, Self::public_text(what, error, &mut story)),
        };
        story.push_str(what);
        story.push_str(": ");
        Self::told(kind, public, error.chain_after(story))
    }

    /// What everybody may read: what the service made public, or that there is more in the log.
    fn public_text(what: &str, error: &Error, room: &mut String) -> Arc<str> {
        match error.public_message() {
            Some(public) => within(public, TEXT_UNSEEN_MAX).into(),
            None => Self::that_it(" failed", what, room),
        }
    }

    /// That something happened to a hook, and nothing more.
    ///
    /// Put together in `room`, which is empty before and after: every crash of a storm says it.
    fn that_it(happened: &str, what: &str, room: &mut String) -> Arc<str> {
        room.extend([what, happened, "; the log has the details"]);
        let text = Arc::from(room.as_str());
        room.clear();
        text
    }

    /// The message of a panic may hold anything, so it is told to the log only.
    pub(crate) fn from_panic(what: &str, panicked: &Panicked) -> Self {
        let mut story = String::with_capacity(STORY_ROOM);
        let public = Self::that_it(" panicked", what, &mut story);
        story.push_str(what);
        story.push(' ');
        panicked.write_to(&mut story);
        if let Some(backtrace) = panicked.site.as_ref().and_then(|site| site.backtrace.as_ref()) {
            story.push('\n');
            story.push_str(backtrace);
        }
        Self::told(ErrorKind::Panic, public, story)
    }

    /// The same failure, of a child task.
    pub(crate) fn of_child(self) -> Self {
        match self.kind {
            ErrorKind::Failed | ErrorKind::Panic => self.of_kind(ErrorKind::ChildFailed),
            _ => self,
        }
    }

    /// The same failure, of `stop`.
    pub(crate) fn of_stop(self) -> Self {
        self.of_kind(ErrorKind::StopFailed)
    }

    fn of_kind(mut self, kind: ErrorKind) -> Self {
        Arc::make_mut(&mut self.0).kind = kind;
        self
    }

    /// The same failure, with another text for everybody.
    ///
    /// The story stays as it is: the log takes secrets out of its lines itself.
    pub(crate) fn shown_as(mut self, public: String) -> Self {
        if *self.public != *public {
            Arc::make_mut(&mut self.0).public = public.into();
        }
        self
    }
}

impl Deref for Failure {
    type Target = Told;

    fn deref(&self) -> &Told {
        &self.0
    }
}
