//! What somebody may do, as a word that can be compared.
//!
//! # Invariants
//!
//! 1. A greater role may do everything that a smaller one may.

use std::fmt;
use std::str::FromStr;

/// What a caller of the control API may do; each role includes the ones before it.
///
/// ```
/// # use processpype_core as processpype;
/// use processpype::Role;
///
/// assert!(Role::Admin > Role::Operator && Role::Operator > Role::Viewer);
/// assert_eq!("operator".parse(), Ok(Role::Operator));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Looks, and changes nothing.
    Viewer,
    /// Also starts, stops and restarts what is there.
    Operator,
    /// Also changes what is there: configuration, registration, the process.
    Admin,
}

/// A text that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRole;

// === impl Role ===

impl Role {
    /// Every role, the smallest first.
    pub const ALL: &'static [Self] = &[Self::Viewer, Self::Operator, Self::Admin];

    /// Returns the word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidRole;

    fn from_str(text: &str) -> Result<Self, InvalidRole> {
        Self::ALL.iter().copied().find(|role| role.as_str() == text).ok_or(InvalidRole)
    }
}

// === impl InvalidRole ===

impl fmt::Display for InvalidRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a role is `viewer`, `operator` or `admin`")
    }
}

impl std::error::Error for InvalidRole {}
