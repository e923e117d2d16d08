//! Services that could not be made because of a problem that was told.
//!
//! # Invariants
//!
//! 1. What is missing is withheld only where one of them could have been it: the mistake that was
//!    told may be its whole cause. Everything else is told at once.

use std::sync::Arc;

use processpype_runtime::{Kind, Missing};

/// One of them, as far as it is known.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    /// `None` = it would have been named by its type, which gives no name.
    name: Option<String>,
    /// `None` = any of those that the file can name.
    kind: Option<Arc<Kind>>,
}

/// All of them, and the kinds that they could be of.
pub(crate) struct LostServices<'a> {
    pub(crate) lost: &'a [Lost],
    pub(crate) kinds: &'a [(String, Arc<Kind>)],
}

// === impl Lost ===

impl Lost {
    /// A service of the code without a name that could be one.
    pub(crate) fn of_code(name: Option<String>, kind: Arc<Kind>) -> Self {
        Self { name, kind: Some(kind) }
    }

    /// A section of the file that makes no service.
    pub(crate) fn of_file(key: &str, kind: Option<Arc<Kind>>) -> Self {
        Self { name: Some(key.to_owned()), kind }
    }
}

// === impl LostServices ===

impl LostServices<'_> {
    /// Whether one of them may be what is missing.
    pub(crate) fn explain(&self, missing: &Missing) -> bool {
        self.lost.iter().any(|it| match missing {
            Missing::Name(name) => it.name.as_ref().is_none_or(|it| it == name),
            Missing::Type(type_id) => match &it.kind {
                Some(kind) => kind.is_one(*type_id),
                None => self.kinds.iter().any(|(_, kind)| kind.is_one(*type_id)),
            },
            // What else may be looked for one day is told.
            _ => false,
        })
    }
}
