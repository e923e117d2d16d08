//! The token that a process makes for the machine it runs on, so that its command line needs none.
//!
//! # Invariants
//!
//! 1. It is a secret like those of the configuration: known to the redaction of log and status
//!    before anything is logged.
//! 2. Without its file the application runs all the same, and says so.

use processpype_config::runtime_directory;
use processpype_control::{Bound, LocalToken, LocalTokenFile};

use crate::setup::Setup;

/// The name of the token, which no other may have.
pub(crate) const MINTED: &str = "local";

/// Makes the token and lets the control plane know it.
pub(crate) fn make(setup: &mut Setup) -> Option<LocalToken> {
    if !setup.has_server {
        return None;
    }
    // Without chance there is no token; whatever needs chance will say so.
    let made = LocalToken::make().ok()?;
    setup.access.tokens.push(made.token().clone());
    setup.secrets.push(made.text().expose().clone());
    Some(made)
}

/// Writes the files, one for each address, once those are known. They are there as long as the
/// values live.
pub(crate) fn write(
    made: Option<LocalToken>,
    bound: Option<&Bound>,
    title: &str,
) -> Vec<LocalTokenFile> {
    let (Some(made), Some(bound)) = (made, bound) else { return Vec::new() };
    let write = |address| match made.write(runtime_directory().as_deref(), title, address) {
        Ok(file) => {
            let path = file.path().display();
            tracing::info!(target: "processpype", "the token for this machine is in {path}");
            Some(file)
        }
        Err(error) => {
            tracing::warn!(
                target: "processpype",
                "there is no token for this machine, and commands that need one cannot find it: \
                 {error}"
            );
            None
        }
    };
    bound.control_addresses().into_iter().filter_map(write).collect()
}
