//! Who still lives: what a process can say about its services with its last words.
//!
//! # Invariants
//!
//! 1. Snapshots alone are read: the answer comes while the supervisor, the log and the services
//!    hang, from any thread, and nothing is waited for.
//! 2. An orphan lives: it may still do what nobody asked for.
//!
//! # Who asks
//!
//! The thread that holds the deadline under `.main()` names them before it ends the process, and
//! SIGUSR1 lists them for an operator who gets no answer over HTTP.

use std::sync::Arc;

use processpype_core::{ErrorKind, ServiceName, ServiceState};

use super::Manager;
use crate::cell::Cell;
use crate::facts::Facts;

impl Manager {
    /// Returns the services whose generation still lives, for the last words of a process.
    ///
    /// In the order of names. It reads snapshots only, so it answers while everything else hangs.
    #[must_use]
    pub fn unfinished(&self) -> Vec<ServiceName> {
        let lives = |cell: &&Arc<Cell>| {
            let is_orphan = |facts: &Facts| {
                let error = facts.rare().and_then(|rare| rare.error.as_ref());
                error.is_some_and(|error| error.kind == ErrorKind::Orphaned)
            };
            let state = cell.state();
            state.is_transient() || state == ServiceState::Running || cell.look(is_orphan)
        };
        let name = |cell: &Arc<Cell>| cell.name().clone();
        self.shared.directory.look(|cells| cells.all().iter().filter(lives).map(name).collect())
    }
}
