//! Where a section is: a key below another place, or something that no file has.
//!
//! # Invariants
//!
//! 1. A place that a file has holds no copy of anything: it is the number of an entry in the map
//!    of the place around it. Its path is the one by which it is asked for.
//! 2. Going one level down costs one allocation, however deep the section is.
//! 3. The path is turned into text only for a report.
//!
//! # Why links
//!
//! A service keeps its section for as long as it lives, and an application has many services. What
//! a section needs to know (its value, the place of its key, its path, what its document has in
//! common) is in the tree already, so a place is the way to it: three words.

use std::sync::{Arc, OnceLock};

use super::shared::Shared;
use crate::map::{Entry, Map};
use crate::node::{Kind, Node};
use crate::show;
use crate::source::{At, Spot};

/// One level of the way from the root of a document to a section.
pub(super) struct Place {
    /// `None` for the outermost one.
    outer: Option<Arc<Self>>,
    here: Here,
}

/// What is at a place.
enum Here {
    /// An entry of the map at the outer place.
    Entry {
        index: u32,
        /// Whether a key of the path names a secret.
        secret: bool,
    },
    /// Something else than the outer place has.
    Own(Box<Own>),
}

/// A place that the outer one knows nothing of.
struct Own {
    /// `None` for the root of a document.
    key: Option<Box<str>>,
    secret: bool,
    /// Of the outermost place: what all below it have in common, made when it is first needed.
    shared: OnceLock<Arc<Shared>>,
    /// `None` if it was written nowhere.
    written: Option<Box<Written>>,
}

/// A value that is in no map, and where its key was.
struct Written {
    node: Node,
    key_at: Option<At>,
}

// === impl Place ===

impl Place {
    /// The root of a document.
    pub(super) fn root(node: Node, shared: Arc<Shared>) -> Self {
        let written = Some(Box::new(Written { node, key_at: None }));
        let own = Own { key: None, secret: false, shared: OnceLock::from(shared), written };
        Self { outer: None, here: Here::Own(Box::new(own)) }
    }

    /// The place of an entry of the map at `outer`, which `key` means.
    pub(super) fn entry(outer: &Arc<Self>, index: usize, key: &str) -> Self {
        let entry = outer.map().and_then(|map| map.entries().get(index));
        if let Some(entry) = entry.filter(|entry| entry.key() != key) {
            return Self::loose(outer, entry, key);
        }
        let secret = outer.names_a_secret() || show::names_a_secret(key);
        // A file has far fewer values, see `limits::MAX_NODES`.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self { outer: Some(Arc::clone(outer)), here: Here::Entry { index, secret } }
    }

    /// The place of an entry whose key is written in another way than it is asked for, as a
    /// variable's name writes it: its path is the one that was asked for.
    fn loose(outer: &Arc<Self>, entry: &Entry, key: &str) -> Self {
        let secret = outer.names_a_secret() || show::names_a_secret(key);
        let key_at = Some(entry.key_at().at());
        let written = Some(Box::new(Written { node: entry.node.clone(), key_at }));
        let own = Own { key: Some(key.into()), secret, shared: OnceLock::new(), written };
        Self { outer: Some(Arc::clone(outer)), here: Here::Own(Box::new(own)) }
    }

    /// The place of a key that was written nowhere.
    pub(super) fn absent(outer: Option<Arc<Self>>, key: &str) -> Self {
        let outer_secret = outer.as_deref().is_some_and(Self::names_a_secret);
        let secret = outer_secret || show::names_a_secret(key);
        let (key, shared) = (Some(key.into()), OnceLock::new());
        let own = Own { key, secret, shared, written: None };
        Self { outer, here: Here::Own(Box::new(own)) }
    }

    /// The place of an item of the list at `outer`, which is counted from 0.
    pub(super) fn item(outer: &Arc<Self>, index: usize) -> Option<Self> {
        let Kind::Seq(items) = outer.node()?.kind() else { return None };
        let node = items.get(index)?.clone();
        let secret = outer.names_a_secret();
        // An item has no key: it is told where it begins.
        let key_at = Some(node.at.clone());
        let written = Some(Box::new(Written { node, key_at }));
        let key = Some(format!("[{index}]").into());
        let own = Own { key, secret, shared: OnceLock::new(), written };
        Some(Self { outer: Some(Arc::clone(outer)), here: Here::Own(Box::new(own)) })
    }

    /// The same place, with another value.
    pub(super) fn with(&self, node: Node) -> Self {
        let key_at = match &self.here {
            Here::Entry { .. } => self.of_entry().map(|entry| entry.key_at().at()),
            Here::Own(own) => own.written.as_ref().and_then(|it| it.key_at.clone()),
        };
        let shared = match self.outer {
            Some(_) => OnceLock::new(),
            None => OnceLock::from(Arc::clone(self.shared())),
        };
        let written = Some(Box::new(Written { node, key_at }));
        let (key, secret) = (self.key().map(Into::into), self.names_a_secret());
        let own = Own { key, secret, shared, written };
        Self { outer: self.outer.clone(), here: Here::Own(Box::new(own)) }
    }

    /// A place of its own with a value, outside of any document.
    pub(super) fn alone(node: Node) -> Self {
        let written = Some(Box::new(Written { node, key_at: None }));
        let own = Own { key: None, secret: false, shared: OnceLock::new(), written };
        Self { outer: None, here: Here::Own(Box::new(own)) }
    }

    /// What was written here, if anything was.
    pub(super) fn node(&self) -> Option<&Node> {
        match &self.here {
            Here::Entry { .. } => self.of_entry().map(|entry| &entry.node),
            Here::Own(own) => own.written.as_ref().map(|written| &written.node),
        }
    }

    /// The key of this place, or of the nearest one around it that was written.
    pub(super) fn key_at(&self) -> Option<Spot<'_>> {
        let own = match &self.here {
            Here::Entry { .. } => self.of_entry().map(Entry::key_at),
            Here::Own(own) => own.written.as_ref().and_then(|it| it.key_at.as_ref()).map(At::spot),
        };
        own.or_else(|| self.outer.as_ref()?.key_at())
    }

    /// Both of these.
    pub(super) fn written(&self) -> (Option<&Node>, Option<Spot<'_>>) {
        match self.of_entry() {
            Some(entry) => (Some(&entry.node), Some(entry.key_at())),
            None => (self.node(), self.key_at()),
        }
    }

    /// Whether a key of the path names a secret.
    pub(super) fn names_a_secret(&self) -> bool {
        match &self.here {
            Here::Entry { secret, .. } => *secret,
            Here::Own(own) => own.secret,
        }
    }

    /// The path as it is printed; empty for a root.
    pub(super) fn path(&self) -> String {
        let outer = self.outer.as_ref().map_or_else(String::new, |outer| outer.path());
        match self.key() {
            Some(key) => show::join(&outer, key),
            None => outer,
        }
    }

    /// What all sections of the document have in common.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        let mut here = self;
        while let Some(outer) = &here.outer {
            here = outer;
        }
        match &here.here {
            Here::Own(own) => own.shared.get_or_init(Arc::default),
            Here::Entry { .. } => unreachable!("an entry is in the map of an outer place"),
        }
    }

    fn key(&self) -> Option<&str> {
        match &self.here {
            Here::Entry { .. } => self.of_entry().map(Entry::key),
            Here::Own(own) => own.key.as_deref(),
        }
    }

    fn of_entry(&self) -> Option<&Entry> {
        let (Here::Entry { index, .. }, Some(outer)) = (&self.here, &self.outer) else {
            return None;
        };
        outer.map()?.entries().get(usize::try_from(*index).ok()?)
    }

    fn map(&self) -> Option<Map<'_>> {
        self.node().and_then(Node::as_map)
    }
}
