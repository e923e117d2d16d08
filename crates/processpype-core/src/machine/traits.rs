//! What is known of a service before it runs, changed while the application does.

use super::{Machine, Traits};
use crate::graph::ServiceId;

// === impl Machine ===

impl Machine {
    /// Changes what is known of a service: from now on it is judged by these.
    ///
    /// Nothing follows from it by itself: whoever disables a service stops it too, and whoever
    /// enables it may start it. `oneshot` is part of the plan and must stay as it is.
    ///
    /// ```
    /// use processpype_core::{
    ///     Action, Graph, Machine, OperationId, Outcome, Refusal, ServiceId, Traits, Verb,
    /// };
    ///
    /// let id = ServiceId(0);
    /// let mut machine = Machine::new(Graph::new(1, [])?, vec![Traits::default()], 8);
    /// machine.set_traits(id, Traits { enabled: false, ..Traits::default() });
    /// let mut actions = Vec::new();
    /// let start = Verb::Start { with_dependencies: false, force: false };
    /// machine.command(OperationId(1), id, start, &mut actions);
    /// let refused = Outcome::Refused(Refusal::Disabled);
    /// assert!(actions.contains(&Action::Finish(OperationId(1), refused)));
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `id` is not a service of the graph.
    pub fn set_traits(&mut self, id: ServiceId, traits: Traits) {
        self.record_mut(id).traits = traits;
    }
}
