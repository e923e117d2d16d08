//! Where a user's programs keep things: what lives as long as a session, and what they are told.
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

/// Returns the directory with the configuration of a user's programs: `$XDG_CONFIG_HOME` if it is
/// set to an absolute path, otherwise `.config` in the [home](home_directory).
///
/// ```
/// if let Some(directory) = processpype_config::configuration_directory() {
///     assert!(directory.is_absolute());
/// }
/// ```
#[must_use]
pub fn configuration_directory() -> Option<PathBuf> {
    let directory = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let directory = directory.filter(|directory| directory.is_absolute());
    directory.or_else(|| home_directory().map(|home| home.join(".config")))
}

/// Returns `$HOME`, if it is set to an absolute path.
///
/// ```
/// if let Some(home) = processpype_config::home_directory() {
///     assert!(home.is_absolute());
/// }
/// ```
#[must_use]
pub fn home_directory() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    home.is_absolute().then_some(home)
}
