//! The located tree that every notation is read into, and how layers merge.
//!
//! # Invariants
//!
//! 1. Scalars keep their raw text; the schema of the target decides what they are.
//! 2. Merging is deep for maps; lists and scalars, `null` included, replace. What was replaced
//!    leaves its origin in `overrides`.
//! 3. Cloning a node is cheap: text, lists and maps are shared.
//!
//! # Why raw text
//!
//! YAML gives `1.10` a type before anybody knows what is wanted, and a version becomes the number
//! 1.1; so do `no` (Norway) and `012`. Here a reader keeps the text and how it was written
//! ([`Style`]); the target's schema decides much later, in `types`. A problem can then say exactly
//! what stood in the file, and a value for a `String` is what was written.
//!
//! # Merging with provenance
//!
//! [`Node::over`] lays a higher layer over a lower one:
//!
//! - map over map: key by key, deep. The order is the lower one's, then what is new, so that
//!   listings do not jump about when a variable is set.
//! - anything else: the higher one replaces. It takes over the place of what it replaced, and the
//!   places which that had replaced, as `overrides`: nearest first. So a report can say `overrides
//!   app.prod.yaml:3:9, which overrides app.yaml:7:9` without keeping any layer.
//! - a map that merges keeps the lower one's place: that is where a person looks for the section.
//!
//! An alias shares its target's node and adds where it was used, so that one mistake in an anchor
//! that ten aliases use is told where it is written, with the use as a note.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::INDEX_FROM_KEYS;
use crate::nearest::plain;
use crate::origin::Origin;
use crate::source::At;

/// A value with its place.
///
/// Cheap to clone: what can be large is behind an `Arc`, and what is rare is in `extra`.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) at: At,
    pub(crate) extra: Option<Arc<Extra>>,
}

/// What only some nodes have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extra {
    /// Where an alias or a merge key used this node.
    pub(crate) used_at: Option<At>,
    /// What this value replaced, nearest layer first.
    pub(crate) overrides: Vec<Origin>,
}

/// The three shapes.
///
/// Lists and maps are shared, and replaced as a whole when layers merge.
#[derive(Clone)]
pub(crate) enum Kind {
    Scalar(Arc<str>, Style),
    Seq(Arc<[Node]>),
    Map(Arc<Map>),
}

/// How a scalar was written, which says how far it may be converted.
///
/// | style | written | a number? |
/// |---|---|---|
/// | plain | `80` | if one is wanted |
/// | quoted | `"80"` | never |
/// | loose | `PORT=80`, `${PORT}` | if one is wanted, else text |
/// | typed | `80` in a JSON body | always |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// Without quotes: a number if the target wants one, otherwise text.
    Plain,
    /// In quotes: text.
    Quoted,
    /// A number, a truth value or `null`, and nothing else: bare words of JSON in a body.
    Typed,
    /// From a variable or a flag, where everything is text: whatever the target wants.
    Loose,
}

/// Keys and values in the order of the file.
///
/// Keys differ. A map with many keys gets an index, so that looking up n keys never costs n².
#[derive(Debug, Default)]
pub(crate) struct Map {
    entries: Box<[Entry]>,
    #[expect(
        clippy::box_collection,
        reason = "most maps are small and have none: 8 bytes, not 48"
    )]
    index: Option<Box<HashMap<Arc<str>, usize>>>,
    has_loose: bool,
}

/// One key and its value.
///
/// The place of the key is kept beside that of the value: problems about keys, maps and lists need
/// it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) key_at: At,
    /// The key comes from a variable's name, where `-` and case are lost.
    pub(crate) loose: bool,
    pub(crate) node: Node,
}

// === impl Node ===

impl Node {
    pub(crate) const fn new(kind: Kind, at: At) -> Self {
        Self { kind, at, extra: None }
    }

    pub(crate) fn scalar(text: impl Into<Arc<str>>, style: Style, at: At) -> Self {
        Self::new(Kind::Scalar(text.into(), style), at)
    }

    pub(crate) fn map(map: Map, at: At) -> Self {
        Self::new(Kind::Map(Arc::new(map)), at)
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.kind {
            Kind::Map(map) => Some(map),
            Kind::Scalar(..) | Kind::Seq(_) => None,
        }
    }

    /// Whether nothing was written, or `null`.
    ///
    /// A quoted `"null"` is text.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar(text, Style::Plain | Style::Typed) if is_null(text))
    }

    /// Whether nothing stands after the colon.
    ///
    /// `port:` and `port: null` both are null, but the first is more likely an accident, and told
    /// so.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.is_null() && self.at.has_lines() && self.at.written().is_empty()
    }

    /// The places of what this value replaced, nearest first.
    pub(crate) fn overrides(&self) -> &[Origin] {
        self.extra.as_ref().map_or(&[], |extra| &extra.overrides)
    }

    /// Where an alias or merge key brought this node in, if one did.
    pub(crate) fn used_at(&self) -> Option<&At> {
        self.extra.as_ref()?.used_at.as_ref()
    }

    /// The same node, used at another place.
    ///
    /// The shared target stays as it is; only this use knows where it was.
    pub(crate) fn used(mut self, at: At) -> Self {
        let mut extra = self.extra.as_deref().cloned().unwrap_or_default();
        extra.used_at = Some(at);
        self.extra = Some(Arc::new(extra));
        self
    }

    /// `self` over `base`: maps merge, everything else replaces.
    ///
    /// Neither side is changed; what both have in common is shared by the result.
    pub(crate) fn over(&self, base: &Self) -> Self {
        match (&base.kind, &self.kind) {
            (Kind::Map(low), Kind::Map(high)) => {
                let node = Self::map(high.over(low), base.at.clone());
                Self { extra: base.extra.clone(), ..node }
            }
            (Kind::Scalar(..) | Kind::Seq(_) | Kind::Map(_), _) => self.replacing(base),
        }
    }

    /// A map with the keys that `keep` accepts; `None` if this is none.
    pub(crate) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Option<Self> {
        let map = self.as_map()?.filtered(keep);
        Some(Self { extra: self.extra.clone(), ..Self::map(map, self.at.clone()) })
    }

    /// Whether `other` has the same values under the same keys; places do not count.
    pub(crate) fn says_what(&self, other: &Self) -> bool {
        let quoted = |style: Style| style == Style::Quoted;
        match (&self.kind, &other.kind) {
            (Kind::Scalar(a, one), Kind::Scalar(b, two)) => a == b && quoted(*one) == quoted(*two),
            (Kind::Seq(a), Kind::Seq(b)) => {
                a.len() == b.len() && a.iter().zip(&**b).all(|(a, b)| a.says_what(b))
            }
            (Kind::Map(a), Kind::Map(b)) => {
                let same =
                    |one: &Entry| b.get(&one.key).is_some_and(|it| one.node.says_what(&it.node));
                a.entries.len() == b.entries.len() && a.entries.iter().all(same)
            }
            (Kind::Scalar(..) | Kind::Seq(_) | Kind::Map(_), _) => false,
        }
    }

    /// `self`, remembering what it replaced.
    fn replacing(&self, base: &Self) -> Self {
        let mut extra = self.extra.as_deref().cloned().unwrap_or_default();
        extra.overrides.push(base.at.origin());
        extra.overrides.extend_from_slice(base.overrides());
        Self { kind: self.kind.clone(), at: self.at.clone(), extra: Some(Arc::new(extra)) }
    }
}

// === impl Kind ===

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scalar(..) => f.write_str("Scalar(···)"),
            Self::Seq(items) => write!(f, "Seq({})", items.len()),
            Self::Map(map) => f.debug_list().entries(map.entries.iter().map(|e| &e.key)).finish(),
        }
    }
}

// === impl Map ===

impl Map {
    /// Builds a map; the keys must differ.
    pub(crate) fn new(entries: Vec<Entry>) -> Self {
        // A tree is read once and kept for long.
        let entries = entries.into_boxed_slice();
        let has_loose = entries.iter().any(|entry| entry.loose);
        let index = (entries.len() > INDEX_FROM_KEYS).then(|| {
            let places = entries.iter().enumerate();
            Box::new(places.map(|(at, entry)| (Arc::clone(&entry.key), at)).collect())
        });
        Self { entries, index, has_loose }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Finds a key as it is written, or as a variable's name can write it.
    ///
    /// The exact spelling wins over a loose one.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.find(key, |_| true).map(|at| &self.entries[at])
    }

    /// The number of the entry that [`get`](Self::get) finds, among those that `keep` accepts.
    pub(crate) fn find(&self, key: &str, keep: impl Fn(&str) -> bool) -> Option<usize> {
        let kept = |at: &usize| keep(&self.entries[*at].key);
        self.position(key).filter(kept).or_else(|| self.loose_position(key, keep))
    }

    /// Finds the key that a variable's name means: `-` and case do not count.
    pub(crate) fn get_like(&self, word: &str) -> Option<&Entry> {
        let exact = self.position(word).map(|at| &self.entries[at]);
        exact.or_else(|| {
            let word = plain(word);
            self.entries.iter().find(|entry| plain(&entry.key) == word)
        })
    }

    /// The key exactly as it is written.
    fn position(&self, key: &str) -> Option<usize> {
        match &self.index {
            Some(index) => index.get(key).copied(),
            None => self.entries.iter().position(|entry| &*entry.key == key),
        }
    }

    /// The entry that a variable made for a key that no file has; maps without such entries pay
    /// nothing.
    fn loose_position(&self, key: &str, keep: impl Fn(&str) -> bool) -> Option<usize> {
        if !self.has_loose {
            return None;
        }
        let key = plain(key);
        let is_meant = |e: &Entry| e.loose && plain(&e.key) == key && keep(&e.key);
        self.entries.iter().position(is_meant)
    }

    /// `self` over `low`: the order of `low`, then what is new.
    fn over(&self, low: &Self) -> Self {
        let mut entries = low.entries.to_vec();
        for high in &self.entries {
            match low.position(&high.key) {
                Some(at) => entries[at] = high.over(&low.entries[at]),
                None => entries.push(high.clone()),
            }
        }
        Self::new(entries)
    }

    /// The entries that `keep` accepts.
    fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self::new(self.entries.iter().filter(|entry| keep(&entry.key)).cloned().collect())
    }
}

// === impl Entry ===

impl Entry {
    fn over(&self, low: &Self) -> Self {
        let both_maps = self.node.as_map().is_some() && low.node.as_map().is_some();
        let key_at = if both_maps { low.key_at.clone() } else { self.key_at.clone() };
        Self {
            key: Arc::clone(&low.key),
            key_at,
            loose: low.loose && self.loose,
            node: self.node.over(&low.node),
        }
    }
}

/// Whether plain text means "nothing".
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}
