//! The secrets of a configuration, and what keeps them hidden.
//!
//! # Invariants
//!
//! 1. Whoever has a configuration in hand that was taken over has what hides its secrets: what
//!    holds, what is gone back to, what is offered, and each generation until it is gone. With the
//!    last of them they are hidden no more.
//! 2. Its `Debug` shows no secret, and no number that was made of one: who may guess could try it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use processpype_config::Report;

use super::Configurer;

/// What keeps secrets hidden for as long as it, or a clone of it, is there.
///
/// Made by a [`Configurer`] of whatever lets go of them when it is dropped.
///
/// ```
/// use processpype_runtime::Hidden;
/// use std::sync::Arc;
///
/// let (guard, seen) = (Arc::new(()), |guard: &Arc<()>| Arc::strong_count(guard) > 1);
/// let hidden = Hidden::by(Arc::clone(&guard));
/// let another = hidden.clone();
/// drop(hidden);
/// assert!(seen(&guard));
/// drop(another);
/// assert!(!seen(&guard));
/// ```
#[derive(Clone)]
pub struct Hidden(#[expect(dead_code, reason = "it is there to be dropped")] Arc<dyn Guard>);

/// Whatever lets go of secrets when it is dropped.
trait Guard: Send + Sync {}

impl<T: Send + Sync> Guard for T {}

/// The secret values in a configuration: as they were found, or hidden.
///
/// Two are equal if they were made of the same values.
#[derive(Clone, Default)]
pub struct Secrets {
    /// It differs if one of the values does, within one process; 0 if there is none.
    fingerprint: u64,
    kept: Kept,
    /// The fingerprint of those that a generation has found in their place when it read the same
    /// section; 0 before that.
    read: Option<Arc<AtomicU64>>,
}

/// How they are kept.
#[derive(Clone, Default)]
enum Kept {
    #[default]
    Nothing,
    Found(Arc<[String]>),
    Hidden(#[expect(dead_code, reason = "it is there to be dropped")] Hidden),
}

// === impl Hidden ===

impl Hidden {
    /// Hides by `guard`: its drop is the end of that.
    pub fn by<T: Send + Sync + 'static>(guard: T) -> Self {
        Self(Arc::new(guard))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

// === impl Secrets ===

impl Secrets {
    /// Those that were found, and that nobody hides yet.
    #[must_use]
    pub fn found(values: Vec<String>) -> Self {
        if values.is_empty() {
            return Self::default();
        }
        let (fingerprint, kept) = (fingerprint(&values), Kept::Found(values.into()));
        Self { fingerprint, kept, read: Some(Arc::default()) }
    }

    /// Notes what a generation has found in their place: a secret may have been rotated since.
    pub(crate) fn note_read(&self, found: &Self) {
        if let Some(read) = &self.read {
            read.store(found.fingerprint, Ordering::Relaxed);
        }
    }

    /// Whether a generation that began with `other` lives by these: by those that it has read.
    pub(crate) fn are_lived_by(&self, other: &Self) -> bool {
        let read = other.read.as_ref().map_or(0, |read| read.load(Ordering::Relaxed));
        self.fingerprint == if read == 0 { other.fingerprint } else { read }
    }

    /// Those that nobody hides yet.
    #[must_use]
    pub fn unhidden(&self) -> &[String] {
        match &self.kept {
            Kept::Found(values) => values,
            Kept::Nothing | Kept::Hidden(_) => &[],
        }
    }

    /// Keeps them by what hides them from now on, in place of their values.
    pub fn hide(&mut self, hidden: Hidden) {
        if !matches!(self.kept, Kept::Nothing) {
            self.kept = Kept::Hidden(hidden);
        }
    }

    /// Hides those that nobody hides yet.
    pub(crate) fn hide_by(&mut self, configurer: Option<&dyn Configurer>) -> Result<(), Report> {
        if let (Some(configurer), false) = (configurer, self.unhidden().is_empty()) {
            let hidden = configurer.hide(self.unhidden())?;
            self.hide(hidden);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.fingerprint == 0
    }
}

impl PartialEq for Secrets {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.kept {
            Kept::Nothing => "no secrets",
            Kept::Found(_) => "secrets",
            Kept::Hidden(_) => "hidden secrets",
        })
    }
}

/// A number that differs if one of the values does; the same only within one process.
fn fingerprint(secrets: &[String]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    secrets.hash(&mut hasher);
    // 0 is for those who have none.
    hasher.finish().max(1)
}
