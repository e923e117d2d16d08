//! Who needs which secret hidden: counted, so that each is hidden for as long as anybody does.
//!
//! # Invariants
//!
//! 1. What somebody holds is looked for before they have it in hand, and until they let go of it.
//! 2. What nobody holds any more does not count, and is looked for only until the search is made
//!    anew: with the next secret that comes, or when it is a part of [`STALE_PART`] of all.
//! 3. Whoever is refused holds nothing, and has changed nothing.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use processpype_core::{SortedMap, sort};

use super::{MAX_SECRETS, Needles, Unredactable, admit};

/// Of how many secrets one may be looked for in vain: making the search anew costs as much as all
/// of them, and those of a reload go one by one.
const STALE_PART: usize = 8;

/// The search, and who needs what of it.
#[derive(Default)]
pub(super) struct Hiding {
    pub(super) needles: ArcSwap<Needles>,
    book: Mutex<Book>,
}

/// What is hidden, and how often it was asked for.
#[derive(Default)]
pub(super) struct Book {
    hidden: SortedMap<Arc<str>, usize>,
    /// Those that cannot be hidden, by what tells them apart, and why.
    unhidden: SortedMap<u64, (Unredactable, usize)>,
    /// What is still looked for, although nobody needs it.
    stale: Vec<Arc<str>>,
    /// What is held until something else takes its place.
    base: Vec<Entry>,
}

/// One secret that somebody needs hidden.
enum Entry {
    Hidden(Arc<str>),
    Unhidden(u64),
}

/// Secrets that stay hidden for as long as this is there; see [`Redactor::hold`].
///
/// Dropping it lets go of them, which hides them no more unless somebody else needs it.
///
/// [`Redactor::hold`]: super::Redactor::hold
#[must_use = "what is not held is not hidden"]
pub struct Hidden {
    hiding: Arc<Hiding>,
    entries: Vec<Entry>,
    unhidden: Vec<Unredactable>,
}

// === impl Hiding ===

impl Hiding {
    pub(super) fn hold(self: &Arc<Self>, secrets: &[String]) -> Result<Hidden, Unredactable> {
        let mut book = self.book();
        book.has_room(secrets)?;
        let (entries, unhidden) = self.take(&mut book, secrets);
        drop(book);
        Ok(Hidden { hiding: Arc::clone(self), entries, unhidden })
    }

    /// Holds one more until something takes the place of all that is held so.
    pub(super) fn add(&self, secret: &str) -> Result<(), Unredactable> {
        let (admitted, digest) = (admit(secret), digest(secret));
        let (secrets, mut book) = ([secret.to_owned()], self.book());
        book.has_room(&secrets)?;
        // Added twice, it is still replaced once. Who else holds it may let go of it earlier.
        let is_added = book.base.iter().any(|entry| match entry {
            Entry::Hidden(text) => **text == *secret,
            Entry::Unhidden(of) => *of == digest,
        });
        if !is_added {
            let (entries, _) = self.take(&mut book, &secrets);
            book.base.extend(entries);
        }
        admitted
    }

    /// Lets these take the place of what is held so; returns how many of them cannot be hidden.
    pub(super) fn replace(&self, secrets: &[String]) -> usize {
        let mut book = self.book();
        // Those make room first; they are looked for until the search is made anew.
        let before = std::mem::take(&mut book.base);
        book.forget(&before);
        let (entries, _) = self.take(&mut book, secrets);
        let known =
            |secret: &&String| admit(secret).is_ok() && book.hidden.contains_key(&***secret);
        let refused = secrets.len() - secrets.iter().filter(known).count();
        book.base = entries;
        // It is asked for by who wants to see nothing but these hidden.
        self.renew(&mut book);
        refused
    }

    pub(super) fn len(&self) -> usize {
        self.book().hidden.len()
    }

    pub(super) fn unhidden(&self) -> Vec<(Unredactable, usize)> {
        let mut counts = SortedMap::new();
        for (why, _) in self.book().unhidden.values() {
            *counts.get_or_insert_with(*why, || 0) += 1;
        }
        counts.into_iter().collect()
    }

    /// Notes that somebody needs them, as far as there is room; says of those that cannot be
    /// hidden, and were not known yet, why.
    fn take(&self, book: &mut Book, secrets: &[String]) -> (Vec<Entry>, Vec<Unredactable>) {
        let (mut entries, mut unhidden, mut is_new) = (Vec::new(), Vec::new(), false);
        for secret in secrets {
            let is_full = book.hidden.len() >= MAX_SECRETS && !book.hidden.contains_key(&**secret);
            let admitted = admit(secret).and(match is_full {
                true => Err(Unredactable::TooMany),
                false => Ok(()),
            });
            match admitted {
                Ok(()) => {
                    let (text, is_sought) = book.count(secret);
                    is_new |= !is_sought;
                    entries.push(Entry::Hidden(text));
                }
                Err(why) => {
                    let digest = digest(secret);
                    let known = book.unhidden.len();
                    if known >= MAX_SECRETS && !book.unhidden.contains_key(&digest) {
                        continue;
                    }
                    book.unhidden.get_or_insert_with(digest, || (why, 0)).1 += 1;
                    unhidden.extend((book.unhidden.len() > known).then_some(why));
                    entries.push(Entry::Unhidden(digest));
                }
            }
        }
        if is_new {
            self.renew(book);
        }
        (entries, unhidden)
    }

    fn let_go(&self, entries: &[Entry]) {
        let mut book = self.book();
        book.forget(entries);
        if book.stale.len() * STALE_PART >= book.hidden.len() + book.stale.len() {
            self.renew(&mut book);
        }
    }

    /// Looks for what somebody needs, and for nothing else.
    fn renew(&self, book: &mut Book) {
        book.stale.clear();
        self.needles.store(Arc::new(Needles::new(book.hidden.keys().map(|text| &**text))));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Book ===

impl Book {
    /// Whether all that can be hidden could be.
    fn has_room(&self, secrets: &[String]) -> Result<(), Unredactable> {
        let new =
            secrets.iter().filter(|it| admit(it).is_ok() && !self.hidden.contains_key(&***it));
        let mut new: Vec<&String> = new.collect();
        sort(&mut new);
        new.dedup();
        match self.hidden.len() + new.len() > MAX_SECRETS && !new.is_empty() {
            true => Err(Unredactable::TooMany),
            false => Ok(()),
        }
    }

    /// Somebody needs it; returns it, and whether it is looked for already.
    fn count(&mut self, secret: &str) -> (Arc<str>, bool) {
        if let Some((text, count)) = self.hidden.get_entry_mut(secret) {
            *count += 1;
            return (Arc::clone(text), true);
        }
        let stale = self.stale.iter().position(|text| **text == *secret);
        let is_sought = stale.is_some();
        let text = stale.map_or_else(|| secret.into(), |at| self.stale.swap_remove(at));
        self.hidden.insert(Arc::clone(&text), 1);
        (text, is_sought)
    }

    /// Somebody needs them no more.
    fn forget(&mut self, entries: &[Entry]) {
        for entry in entries {
            match entry {
                Entry::Hidden(text) => {
                    let Some(count) = self.hidden.get_mut(&**text) else { continue };
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.hidden.remove(&**text);
                        self.stale.push(Arc::clone(text));
                    }
                }
                Entry::Unhidden(digest) => {
                    let Some((_, count)) = self.unhidden.get_mut(digest) else { continue };
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        self.unhidden.remove(digest);
                    }
                }
            }
        }
    }
}

/// What tells a secret apart from others that cannot be hidden either.
fn digest(secret: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.hash(&mut hasher);
    hasher.finish()
}

// === impl Hidden ===

impl Hidden {
    /// Why some of them cannot be hidden; those that were known before are not told again.
    pub fn unhidden(&self) -> &[Unredactable] {
        &self.unhidden
    }
}

impl Drop for Hidden {
    /// Whoever held it needs none of them hidden any more.
    fn drop(&mut self) {
        self.hiding.let_go(&self.entries);
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({} secrets)", self.entries.len())
    }
}
