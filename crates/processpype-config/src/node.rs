//! The located tree that every notation is read into, and how layers merge.
//!
//! # Invariants
//!
//! 1. Scalars keep their raw text; the schema of the target decides what they are.
//! 2. Merging is deep for maps; lists and scalars, `null` included, replace. What was replaced
//!    leaves its origin in `overrides`.
//! 3. Cloning a node is cheap: text, lists and maps are shared.
//! 4. A text that stands in its source as it is read is kept there alone.
//! 5. The key and the value of an entry are of one source.
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

use std::sync::Arc;

use processpype_core::each;

use crate::map::{Entry, Map, Value as Entries};
use crate::origin::Origin;
use crate::source::{At, Spot};

/// A value with its place.
///
/// Cheap to clone: what can be large is behind an `Arc`, and so is what is rare.
#[derive(Clone)]
pub(crate) struct Node {
    value: Value,
    pub(crate) at: At,
}

/// What a node holds.
///
/// Lists and maps are shared, and replaced as a whole when layers merge.
#[derive(Clone)]
enum Value {
    /// The text at the node's place, less `inset` bytes (a quote) at both ends.
    Written {
        style: Style,
        inset: u8,
    },
    /// A text that stands nowhere like this: put together, or with escapes.
    Own(Arc<str>, Style),
    Seq(Arc<[Node]>),
    Map(Entries),
    /// A value that was used elsewhere, or replaced another one.
    Rare(Arc<Rare>),
}

/// A value with what only some have.
#[derive(Clone)]
struct Rare {
    /// Is no `Rare` itself.
    value: Value,
    extra: Extra,
}

/// What only some nodes have.
#[derive(Clone, Debug, Default)]
struct Extra {
    /// Where an alias or a merge key used this node.
    used_at: Option<At>,
    /// What this value replaced, nearest layer first.
    overrides: Vec<Origin>,
}

/// The three shapes of a value, to look at.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    Scalar(&'a str, Style),
    Seq(&'a [Node]),
    Map(Map<'a>),
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

// === impl Node ===

impl Node {
    pub(crate) fn scalar(text: &str, style: Style, at: At) -> Self {
        let value = match at.spot().inset_of(text) {
            Some(inset) => Value::Written { style, inset },
            None => Value::Own(text.into(), style),
        };
        Self { value, at }
    }

    pub(crate) const fn seq(items: Arc<[Self]>, at: At) -> Self {
        Self { value: Value::Seq(items), at }
    }

    /// A map; the keys must differ.
    pub(crate) fn map(entries: impl Into<Entries>, at: At) -> Self {
        Self { value: Value::Map(entries.into()), at }
    }

    /// What it is, whatever it replaced.
    pub(crate) fn kind(&self) -> Kind<'_> {
        match self.value() {
            Value::Written { style, inset } => Kind::Scalar(self.at.spot().within(*inset), *style),
            Value::Own(text, style) => Kind::Scalar(text, *style),
            Value::Seq(items) => Kind::Seq(items),
            Value::Map(map) => Kind::Map(map.as_map()),
            Value::Rare(_) => unreachable!("`value` looks into it"),
        }
    }

    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.value(), Value::Written { .. } | Value::Own(..))
    }

    pub(crate) fn as_map(&self) -> Option<Map<'_>> {
        match self.value() {
            Value::Map(map) => Some(map.as_map()),
            _ => None,
        }
    }

    /// Whether `${name}`, with or without a default, stands somewhere in it.
    pub(crate) fn refers_to(&self, name: &str) -> bool {
        match self.kind() {
            Kind::Scalar(text, _) => text.split("${").skip(1).any(|reference| {
                let rest = reference.strip_prefix(name);
                rest.is_some_and(|rest| rest.starts_with(['}', ':']))
            }),
            Kind::Seq(items) => items.iter().any(|item| item.refers_to(name)),
            Kind::Map(map) => map.entries().iter().any(|entry| entry.node.refers_to(name)),
        }
    }

    /// Whether nothing was written, or `null`.
    ///
    /// A quoted `"null"` is text.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.kind(), Kind::Scalar(text, Style::Plain | Style::Typed) if is_null(text))
    }

    /// Whether nothing stands after the colon.
    ///
    /// `port:` and `port: null` both are null, but the first is more likely an accident, and told
    /// so.
    pub(crate) fn is_unwritten(&self) -> bool {
        let spot = self.at.spot();
        self.is_null() && spot.has_lines() && spot.written().is_empty()
    }

    /// Whether it is `null` in the place of a value of a lower layer.
    ///
    /// Maps merge, so without it no layer could be rid of a key that what it chose does not take.
    /// From a variable or a flag, where an empty value may be an accident, only the word counts.
    pub(crate) fn takes_away(&self) -> bool {
        let is_word = matches!(self.kind(), Kind::Scalar("null", Style::Loose));
        (is_word || self.is_null()) && !self.overrides().is_empty()
    }

    /// The places of what this value replaced, nearest first.
    pub(crate) fn overrides(&self) -> &[Origin] {
        self.extra().map_or(&[], |extra| &extra.overrides)
    }

    /// Where an alias or merge key brought this node in, if one did.
    pub(crate) fn used_at(&self) -> Option<Spot<'_>> {
        self.extra()?.used_at.as_ref().map(At::spot)
    }

    /// The same node, used at another place.
    ///
    /// The shared target stays as it is; only this use knows where it was.
    pub(crate) fn used(&self, at: At) -> Self {
        let extra = self.extra().cloned().unwrap_or_default();
        self.with(Extra { used_at: Some(at), ..extra })
    }

    /// `self` over `base`: maps merge, everything else replaces.
    ///
    /// Neither side is changed; what both have in common is shared by the result.
    pub(crate) fn over(&self, base: &Self) -> Self {
        match (base.kind(), self.kind()) {
            (Kind::Map(low), Kind::Map(high)) => {
                Self::map(high.over(low), base.at.clone()).with_that_of(base)
            }
            (Kind::Scalar(..) | Kind::Seq(_) | Kind::Map(_), _) => self.replacing(base),
        }
    }

    /// A map with the entries that `keep` accepts; `None` if this is none.
    pub(crate) fn filtered(&self, keep: impl Fn(&str) -> bool) -> Option<Self> {
        let entries = self.as_map()?.entries().iter().filter(|entry| keep(entry.key()));
        let map: Vec<Entry> = entries.cloned().collect();
        Some(Self::map(map, self.at.clone()).with_that_of(self))
    }

    /// Whether `other` has the same values under the same keys; places do not count.
    pub(crate) fn says_what(&self, other: &Self) -> bool {
        let quoted = |style: Style| style == Style::Quoted;
        match (self.kind(), other.kind()) {
            (Kind::Scalar(a, one), Kind::Scalar(b, two)) => a == b && quoted(one) == quoted(two),
            (Kind::Seq(a), Kind::Seq(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.says_what(b))
            }
            (Kind::Map(a), Kind::Map(b)) => {
                let same =
                    |one: &Entry| b.get(one.key()).is_some_and(|it| one.node.says_what(&it.node));
                a.entries().len() == b.entries().len() && a.entries().iter().all(same)
            }
            (Kind::Scalar(..) | Kind::Seq(_) | Kind::Map(_), _) => false,
        }
    }

    /// The same, each item or value of it changed; a scalar as it is.
    pub(crate) fn with_items(&self, change: impl Fn(&Self) -> Self) -> Self {
        let node = match self.kind() {
            Kind::Scalar(..) => return self.clone(),
            Kind::Seq(items) => Self::seq(each(items, change).into(), self.at.clone()),
            Kind::Map(map) => {
                let entries = map.entries().iter().map(|entry| entry.with(change(&entry.node)));
                Self::map(entries.collect::<Vec<Entry>>(), self.at.clone())
            }
        };
        node.with_that_of(self)
    }

    /// `self`, remembering what it replaced.
    fn replacing(&self, base: &Self) -> Self {
        let mut extra = self.extra().cloned().unwrap_or_default();
        extra.overrides.push(base.at.origin());
        extra.overrides.extend_from_slice(base.overrides());
        self.with(extra)
    }

    fn value(&self) -> &Value {
        match &self.value {
            Value::Rare(rare) => &rare.value,
            value => value,
        }
    }

    fn extra(&self) -> Option<&Extra> {
        match &self.value {
            Value::Rare(rare) => Some(&rare.extra),
            _ => None,
        }
    }

    fn with(&self, extra: Extra) -> Self {
        let rare = Rare { value: self.value().clone(), extra };
        Self { value: Value::Rare(Arc::new(rare)), at: self.at.clone() }
    }

    /// `self`, with what only some nodes have if `other` has it.
    pub(crate) fn with_that_of(self, other: &Self) -> Self {
        match other.extra() {
            Some(extra) => self.with(extra.clone()),
            None => self,
        }
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("kind", &self.kind()).field("at", &self.at).finish()
    }
}

// === impl Kind ===

impl std::fmt::Debug for Kind<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Scalar(..) => f.write_str("Scalar(···)"),
            Self::Seq(items) => write!(f, "Seq({})", items.len()),
            Self::Map(map) => f.debug_list().entries(map.entries().iter().map(Entry::key)).finish(),
        }
    }
}

/// Whether plain text means "nothing".
pub(crate) fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use super::Node;
    use crate::map::Entry;
    use crate::{Document, Section};

    /// An application with many services keeps many of each.
    #[test]
    fn what_there_are_many_of_is_small() {
        assert_eq!((size_of::<Node>(), size_of::<Entry>()), (40, 56));
        assert_eq!((size_of::<Section>(), size_of::<Document>()), (16, 16));
    }
}
