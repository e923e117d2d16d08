//! Taking a start or restart back that has not come to its end.
//!
//! # Invariants
//!
//! 1. A cancel stops nothing that lives, and starts nothing.
//! 2. Only the last of the operations that wait together takes something back: what the first of
//!    them had made wanted, if nothing of the generation has begun.
//! 3. A stop cannot be cancelled: it always wins.

use super::{Action, Machine, OperationId, Outcome, Verb};
use crate::graph::ServiceId;
use crate::state::{Desired, ServiceState};

impl Machine {
    /// Cancels a start or restart that waits: it ends as superseded. Returns whether there was one.
    ///
    /// A service that is `starting` goes on to start, and so does what was pulled in. One that only
    /// waits (for a provider, its turn, or the end of its last generation) does not start any more
    /// if nobody had wanted it before; if it should have been running all along, it goes on
    /// waiting.
    ///
    /// ```
    /// use processpype_core::{
    ///     Edge, Graph, Machine, OperationId, ServiceId, ServiceState, Traits, Verb,
    /// };
    ///
    /// let (db, api, first) = (ServiceId(0), ServiceId(1), OperationId(1));
    /// let graph = Graph::new(2, [Edge { dependent: api, provider: db }])?;
    /// let traits = Traits { autostart: false, ..Traits::default() };
    /// let mut machine = Machine::new(graph, vec![traits; 2], 8);
    /// let mut actions = Vec::new();
    /// machine.boot(&mut actions);
    /// let start = Verb::Start { with_dependencies: false, force: false };
    /// machine.command(first, api, start, &mut actions);
    /// assert_eq!(machine.waiting_on(api).collect::<Vec<_>>(), [db]);
    ///
    /// assert!(machine.cancel(first, api, &mut actions));
    /// assert_eq!(machine.waiting_on(api).count(), 0, "nobody wants it any more");
    /// assert_eq!(machine.state(db), ServiceState::Starting, "what was pulled in goes on");
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `id` is not a service of the graph.
    pub fn cancel(
        &mut self,
        operation: OperationId,
        id: ServiceId,
        actions: &mut Vec<Action>,
    ) -> bool {
        let Some(operations) = self.operations.get_mut(&id) else { return false };
        let wants = matches!(operations.verb, Verb::Start { .. } | Verb::Restart { .. });
        let place = operations.waiting.iter().position(|&waiting| waiting == operation);
        let Some(place) = place.filter(|_| wants) else { return false };
        operations.waiting.remove(place);
        let undo = operations.undo;
        actions.push(Action::Finish(operation, Outcome::Superseded));
        if operations.waiting.is_empty() {
            self.operations.remove(&id);
            if let Some(held) = undo {
                self.take_back(id, held, actions);
            }
        }
        self.finish_step(actions);
        true
    }

    /// Goes back to a service that nobody wants, unless its new generation has begun.
    fn take_back(&mut self, id: ServiceId, held: bool, actions: &mut Vec<Action>) {
        let record = self.record(id);
        let has_begun = matches!(record.state, ServiceState::Starting | ServiceState::Running);
        let comes = record.wanted.is_some() || record.recovery.is_some();
        if has_begun || !comes || record.desired == Desired::Stopped {
            return;
        }
        self.hold(id, actions);
        let record = self.record_mut(id);
        record.held = held;
        // What still ends is not missed, however it ends.
        record.asked |= record.state == ServiceState::Stopping;
    }
}
