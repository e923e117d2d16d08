//! Where a section is: its keys from the root on.
//!
//! # Invariants
//!
//! 1. A path is never changed; a longer one shares all of the shorter.

use std::sync::Arc;

/// A path as a list from the inside out, shared between sections.
#[derive(Clone, Default)]
pub(crate) struct Path(Option<Arc<(Path, String)>>);

// === impl Path ===

impl Path {
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
