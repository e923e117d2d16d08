//! Where a user's programs keep what lives as long as their session.
//!
//! # Invariant
//!
//! It is here because this crate is the one that reads the environment.

use std::path::PathBuf;

/// Returns `$XDG_RUNTIME_DIR`, if it is set to an absolute path.
///
/// The specification of the XDG base directories asks for a directory that only its user can enter,
/// and that is gone when the user's last session ends; a relative path counts as none.
///
/// ```
/// if let Some(directory) = processpype_config::runtime_directory() {
///     assert!(directory.is_absolute());
/// }
/// ```
#[must_use]
pub fn runtime_directory() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)?;
    directory.is_absolute().then_some(directory)
}
