//! The maps of the located tree.
//!
//! # Invariants
//!
//! 1. Keys differ, and stand in the order of the file.
//! 2. A small map is one allocation. A map with many keys has an index beside, so that looking up n
//!    keys never costs n².
//! 3. An exact spelling wins over a loose one.
//!
//! # Keys
//!
//! A key mostly stands at its place as it is, perhaps in quotes, and then the place is all that is
//! kept of it. A key that a variable's name has made takes the spelling that a file has; its place
//! is the variable, so its text is kept beside ([`OwnKey`]). So is one with escapes.
//!
//! # The index
//!
//! A file with all services of an application has one large map, and a place in a table of hashes
//! with a copy of each key beside it would weigh more than the entry. So the table has numbers of
//! entries alone, and a key that is looked up is compared with the entry that its hash leads to,
//! then with the next ones, until it is found or a slot is free. The hash is the standard
//! library's, whose seed nobody knows: some maps come in a request.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::limits::INDEX_FROM_KEYS;
use crate::nearest::plain;
use crate::node::Node;
use crate::source::{Span, Spot};

/// A map as a node holds it.
#[derive(Clone)]
pub(crate) enum Value {
    Small(Arc<[Entry]>),
    Large(Arc<Large>),
}

/// A map with many keys.
pub(crate) struct Large {
    entries: Box<[Entry]>,
    index: Index,
    has_loose: bool,
}

/// A map to look at.
#[derive(Clone, Copy, Default)]
pub(crate) struct Map<'a> {
    entries: &'a [Entry],
    large: Option<&'a Large>,
}

/// One key and its value.
///
/// The place of the key is kept beside that of the value: problems about keys, maps and lists need
/// it.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) node: Node,
    /// In the source of the value.
    key_at: Span,
    /// `None`: the key stands at its place, perhaps in quotes.
    own: Option<Arc<OwnKey>>,
}

/// A key that does not stand at its place as it is.
struct OwnKey {
    text: Box<str>,
    /// It comes from a variable's name, where `-` and case are lost.
    loose: bool,
}

/// Where each key of many is: a table of places with open addressing.
///
/// A place is four bytes, and the table is at most three quarters full.
pub(crate) struct Index {
    slots: Box<[u32]>,
    hasher: RandomState,
}

/// A slot without a place.
const FREE: u32 = u32::MAX;

// === impl Value ===

impl Value {
    /// A small map or a large one, whose index may be there already.
    pub(crate) fn new(entries: impl ExactSizeIterator<Item = Entry>, index: Option<Index>) -> Self {
        if entries.len() <= INDEX_FROM_KEYS {
            return Self::Small(entries.collect());
        }
        let entries: Box<[Entry]> = entries.collect();
        let index = index.unwrap_or_else(|| Index::of(&entries));
        let has_loose = entries.iter().any(Entry::is_loose);
        Self::Large(Arc::new(Large { entries, index, has_loose }))
    }

    pub(crate) fn as_map(&self) -> Map<'_> {
        match self {
            Self::Small(entries) => Map { entries, large: None },
            Self::Large(large) => Map { entries: &large.entries, large: Some(large) },
        }
    }
}

impl From<Vec<Entry>> for Value {
    fn from(entries: Vec<Entry>) -> Self {
        Self::new(entries.into_iter(), None)
    }
}

// === impl Map ===

impl<'a> Map<'a> {
    pub(crate) const fn entries(self) -> &'a [Entry] {
        self.entries
    }

    /// Finds a key as it is written, or as a variable's name can write it.
    pub(crate) fn get(self, key: &str) -> Option<&'a Entry> {
        self.find(key, |_| true).map(|at| &self.entries[at])
    }

    /// The number of the entry that [`get`](Self::get) finds, among those that `keep` accepts.
    pub(crate) fn find(self, key: &str, keep: impl Fn(&str) -> bool) -> Option<usize> {
        let found = self.position(key).filter(|_| keep(key));
        found.or_else(|| self.loose_position(key, keep))
    }

    /// Finds the key that a variable's name means: `-` and case do not count.
    pub(crate) fn get_like(self, word: &str) -> Option<&'a Entry> {
        let exact = self.position(word).map(|at| &self.entries[at]);
        exact.or_else(|| {
            let word = plain(word);
            self.entries.iter().find(|entry| plain(entry.key()) == word)
        })
    }

    /// The key exactly as it is written.
    fn position(self, key: &str) -> Option<usize> {
        match self.large {
            Some(large) => large.index.find(key, self.entries),
            None => self.entries.iter().position(|entry| entry.has_key(key)),
        }
    }

    /// The entry that a variable made for a key that no file has; maps without such entries pay
    /// nothing.
    fn loose_position(self, key: &str, keep: impl Fn(&str) -> bool) -> Option<usize> {
        let has_loose = match self.large {
            Some(large) => large.has_loose,
            None => self.entries.iter().any(Entry::is_loose),
        };
        if !has_loose {
            return None;
        }
        let key = plain(key);
        let is_meant = |e: &Entry| e.is_loose() && plain(e.key()) == key && keep(e.key());
        self.entries.iter().position(is_meant)
    }

    /// `self` over `low`: the order of `low`, then what is new.
    pub(crate) fn over(self, low: Self) -> Vec<Entry> {
        let mut entries = low.entries.to_vec();
        for high in self.entries {
            // A key that a variable laid is the one that is meant, unless that one is here too.
            let is_meant = |key: &str| key == high.key() || self.position(key).is_none();
            match low.find(high.key(), is_meant) {
                Some(at) => entries[at] = high.over(&low.entries[at]),
                None => entries.push(high.clone()),
            }
        }
        entries
    }
}

// === impl Entry ===

impl Entry {
    /// `key_at` is in the source of `node`.
    pub(crate) fn new(key: &str, key_at: Span, loose: bool, node: Node) -> Self {
        let mut entry = Self { node, key_at, own: None };
        if loose || entry.written_key() != key {
            entry.own = Some(Arc::new(OwnKey { text: key.into(), loose }));
        }
        entry
    }

    pub(crate) fn key(&self) -> &str {
        match &self.own {
            Some(own) => &own.text,
            None => self.written_key(),
        }
    }

    /// Whether this is its key; most keys differ in their length.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        match &self.own {
            Some(own) => *own.text == *key,
            None => {
                let quotes = self.key_at.len().wrapping_sub(key.len());
                matches!(quotes, 0 | 2) && self.written_key() == key
            }
        }
    }

    /// Where the key was written.
    pub(crate) const fn key_at(&self) -> Spot<'_> {
        self.node.at.beside(self.key_at)
    }

    /// Whether the key comes from a variable's name, where `-` and case are lost.
    pub(crate) fn is_loose(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.loose)
    }

    /// The same key with another value of the same source.
    pub(crate) fn with(&self, node: Node) -> Self {
        Self { node, key_at: self.key_at, own: self.own.clone() }
    }

    /// The text at the place of the key, without quotes around it.
    fn written_key(&self) -> &str {
        let text = self.key_at().written();
        match text.as_bytes() {
            [b'"' | b'\'', .., _] => text.get(1..text.len() - 1).unwrap_or(text),
            _ => text,
        }
    }

    fn over(&self, low: &Self) -> Self {
        let both_maps = self.node.as_map().is_some() && low.node.as_map().is_some();
        let node = self.node.over(&low.node);
        // The place of the key is in the source of the value that stays.
        let key_at = if both_maps { low.key_at } else { self.key_at };
        // What a variable's name cannot say, the other one says.
        let key = if low.is_loose() { self.key() } else { low.key() };
        Self::new(key, key_at, low.is_loose() && self.is_loose(), node)
    }
}

// === impl Index ===

impl Index {
    /// The index of all of `entries`.
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut index = Self { slots: Box::default(), hasher: RandomState::new() };
        index.grow(entries.len(), entries);
        index
    }

    /// The number of the entry with `key`.
    pub(crate) fn find(&self, key: &str, entries: &[Entry]) -> Option<usize> {
        let mut slot = self.first_slot(key);
        loop {
            match self.slots[slot] {
                FREE => return None,
                at if entries[at as usize].has_key(key) => return Some(at as usize),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    /// Takes the last of `entries`, whose key is not there yet.
    pub(crate) fn push(&mut self, entries: &[Entry]) {
        if entries.len() * 4 > self.slots.len() * 3 {
            self.grow(entries.len() * 2, entries);
        } else {
            self.put(entries.len() - 1, entries);
        }
    }

    /// Makes room for `length` entries, and takes all that are there.
    fn grow(&mut self, length: usize, entries: &[Entry]) {
        let slots = (length * 4).div_ceil(3).next_power_of_two();
        self.slots = vec![FREE; slots].into();
        (0..entries.len()).for_each(|at| self.put(at, entries));
    }

    fn put(&mut self, at: usize, entries: &[Entry]) {
        let mut slot = self.first_slot(entries[at].key());
        while self.slots[slot] != FREE {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        // There are far fewer values than that, see `limits::MAX_NODES`.
        self.slots[slot] = u32::try_from(at).unwrap_or(FREE);
    }

    fn first_slot(&self, key: &str) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash do")]
        let hash = self.hasher.hash_one(key) as usize;
        hash & (self.slots.len() - 1)
    }
}
