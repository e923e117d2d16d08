//! Halves of a section, as views of one map.
//!
//! # Invariants
//!
//! 1. Splitting copies nothing of the tree: a half is the whole and the keys that decide.
//! 2. The keys of a split that a document has seen are kept once, so that as many sections as an
//!    application has services share them.
//!
//! # Where a half becomes a map
//!
//! Reading and looking up go through [`Keys`], which passes over what does not belong. What gives a
//! new tree (laying a section over another one) or needs one (listing, comparing) makes the half's
//! own map first; that happens when somebody changes a configuration or looks at it.

use std::borrow::Cow;
use std::sync::Arc;

use processpype_core::each;

use super::Section;
use crate::map::{Entry, Map};

/// Which keys of a section belong to it.
#[derive(Debug)]
pub(crate) struct Part {
    keys: Box<[Box<str>]>,
    side: Side,
}

/// Where the keys of a [`Part`] stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// They are what belongs to the section.
    Named,
    /// They are what does not, and stand beside it.
    Rest,
    /// The map is the section's own, and they stand beside it.
    Beside,
}

/// Both halves of one split.
#[derive(Clone, Debug)]
pub(super) struct Halves {
    pub(super) named: Arc<Part>,
    pub(super) rest: Arc<Part>,
}

/// The map of a section, with the keys that belong to it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Keys<'a> {
    map: Map<'a>,
    part: Option<&'a Part>,
}

// === impl Section ===

impl Section {
    /// Splits into a section with only `keys` and a section with the rest, both at the same path.
    ///
    /// This is how framework keys and a service's own fields share one section: each half is read
    /// into its own type, and each refuses what it does not know. A misspelt one of `keys` lands in
    /// the rest, whose report then names the nearest of both.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let text = "counter: {enabled: false, step: 2}";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let (framework, own) = document.section(&["counter"]).split(&["enabled", "kind"]);
    /// assert!(!framework.get("enabled").read::<bool>()?);
    /// assert_eq!(own.keys()[0].0, "step");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    #[must_use]
    pub fn split(&self, keys: &[&str]) -> (Self, Self) {
        if self.part.is_some() {
            return self.split_again(keys);
        }
        let Halves { named, rest } = match &self.place {
            Some(place) => place.shared().halves(keys),
            None => Halves::of(keys),
        };
        let half = |part| Self { place: self.place.clone(), part: Some(part) };
        (half(named), half(rest))
    }

    /// Splits what is a half itself: the new ones have maps of their own.
    fn split_again(&self, keys: &[&str]) -> (Self, Self) {
        let half = |is_named: bool| {
            let node = self.own_node().map(|node| {
                let keep = |key: &str| keys.contains(&key) == is_named;
                node.filtered(keep).unwrap_or_else(|| Cow::into_owned(node))
            });
            self.with(node)
        };
        let beside = Some(Arc::new(Part::beside(keys)));
        (half(true), Self { part: beside, ..half(false) })
    }
}

// === impl Part ===

impl Part {
    /// Keys that stand beside those of a map.
    pub(super) fn beside(keys: &[impl AsRef<str>]) -> Self {
        Self::new(keys, Side::Beside)
    }

    fn new(keys: &[impl AsRef<str>], side: Side) -> Self {
        Self { keys: each(keys, |key| key.as_ref().into()).into(), side }
    }

    /// Whether a key belongs to the section.
    pub(super) fn has(&self, key: &str) -> bool {
        match self.side {
            Side::Named => self.names(key),
            Side::Rest => !self.names(key),
            Side::Beside => true,
        }
    }

    /// Whether it hides any key at all.
    pub(super) fn filters(&self) -> bool {
        self.side != Side::Beside
    }

    /// Keys that stand beside these in the same section: unknown here, but perhaps meant.
    pub(crate) fn neighbours(&self) -> &[Box<str>] {
        match self.side {
            Side::Named => &[],
            Side::Rest | Side::Beside => &self.keys,
        }
    }

    /// Whether only these keys are meant, and another part of the section has the rest.
    pub(crate) fn is_named(&self) -> bool {
        matches!(self.side, Side::Named)
    }

    pub(crate) fn names(&self, key: &str) -> bool {
        self.keys.iter().any(|named| **named == *key)
    }
}

// === impl Halves ===

impl Halves {
    pub(super) fn of(keys: &[&str]) -> Self {
        let half = |side| Arc::new(Part::new(keys, side));
        Self { named: half(Side::Named), rest: half(Side::Rest) }
    }

    /// Whether these are the halves that `keys` make.
    pub(super) fn are_of(&self, keys: &[&str]) -> bool {
        let own = &self.named.keys;
        own.len() == keys.len() && own.iter().zip(keys).all(|(own, key)| **own == **key)
    }
}

// === impl Keys ===

impl<'a> Keys<'a> {
    pub(crate) fn new(map: Map<'a>, part: Option<&'a Part>) -> Self {
        Self { map, part: part.filter(|part| part.filters()) }
    }

    /// The entries in the order of the file.
    pub(crate) fn entries(self) -> impl Iterator<Item = &'a Entry> {
        let belongs = move |entry: &&Entry| self.part.is_none_or(|part| part.has(entry.key()));
        self.map.entries().iter().filter(belongs)
    }

    /// How many entries there are at most.
    pub(crate) fn at_most(self) -> usize {
        self.map.entries().len()
    }

    /// Finds a key as it is written, or as a variable's name can write it.
    pub(crate) fn get(self, key: &str) -> Option<&'a Entry> {
        self.position(key).map(|at| &self.map.entries()[at])
    }

    /// The number of the entry that [`get`](Self::get) finds.
    pub(super) fn position(self, key: &str) -> Option<usize> {
        self.map.find(key, |key| self.has(key))
    }

    fn has(self, key: &str) -> bool {
        self.part.is_none_or(|part| part.has(key))
    }
}
