//! Where a section is, as the keys that lead to it.
//!
//! # Invariants
//!
//! 1. Going one level down costs one allocation, however deep the section is: a path is a list from
//!    the inside out, and its outer part is shared.
//! 2. It is turned into text only for a report.

use std::sync::Arc;

/// A path as a list from the inside out, shared between sections.
#[derive(Clone, Default)]
pub(crate) struct Path(Option<Arc<(Path, String)>>);

// === impl Path ===

impl Path {
    /// The path of what is at `key` below this one.
    pub(crate) fn below(&self, key: &str) -> Self {
        Self(Some(Arc::new((self.clone(), key.to_owned()))))
    }

    /// The keys from the outside in.
    pub(crate) fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut here = self;
        while let Some(link) = &here.0 {
            keys.push(link.1.clone());
            here = &link.0;
        }
        keys.reverse();
        keys
    }
}
