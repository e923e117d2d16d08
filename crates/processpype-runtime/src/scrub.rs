//! What is taken out of the texts that services make public.
//!
//! # Invariants
//!
//! 1. Every text of a service that a status or an event shows has gone through here: public errors,
//!    what it says about its health, its metadata.
//! 2. None of them is longer than [`TEXT_MAX`] after that.
//! 3. Texts of clients do not: who may give a reason could otherwise try out what is a secret. In
//!    the log they are the field `reason`, which its redaction leaves as it is.

use std::fmt;
use std::sync::Arc;

use crate::context::TEXT_MAX;
use crate::failure::Failure;
use crate::life::Health;
use crate::text::shortened;

/// Takes out of a text what nobody may see, such as known secrets.
///
/// This crate knows no secrets; who resolves them says what to do.
///
/// ```
/// use processpype_runtime::Scrub;
///
/// let scrub = Scrub::new(|text| text.replace("hunter2", "***"));
/// assert_eq!(scrub.text("no entry with hunter2"), "no entry with ***");
/// assert_eq!(Scrub::default().text("as it is"), "as it is");
/// ```
#[derive(Clone, Default)]
pub struct Scrub(Option<Arc<Take>>);

type Take = dyn Fn(&str) -> String + Send + Sync;

// === impl Scrub ===

impl Scrub {
    /// Makes one of a function, which must be quick: the supervisor calls it.
    pub fn new(scrub: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(scrub)))
    }

    /// Returns `text` as everybody may see it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.0.as_ref().map_or_else(|| text.to_owned(), |scrub| scrub(text))
    }

    pub(crate) fn failure(&self, failure: Failure) -> Failure {
        if self.0.is_none() && failure.public.len() <= TEXT_MAX {
            return failure;
        }
        let public = shortened(self.text(&failure.public), TEXT_MAX);
        failure.shown_as(public)
    }

    pub(crate) fn health(&self, mut health: Health) -> Health {
        let text = |text: &str| shortened(self.text(text), TEXT_MAX);
        health.degraded = health.degraded.map(|it| text(&it));
        health.error = health.error.map(|it| text(&it));
        for (key, value) in std::mem::take(&mut health.metadata) {
            health.metadata.insert(text(&key), text(&value));
        }
        health
    }
}

impl fmt::Debug for Scrub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Scrub(…)" } else { "Scrub" })
    }
}
