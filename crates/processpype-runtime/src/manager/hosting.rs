//! Where what the manager shows is running.

use crate::host::Host;
use crate::manager::Manager;

impl Manager {
    /// Returns where the services run. For the control plane.
    #[doc(hidden)]
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.shared.host
    }
}
