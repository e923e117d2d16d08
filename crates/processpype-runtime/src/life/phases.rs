//! How a generation goes from one phase of its life to the next.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::{Control, Left, Life, Phase};

// === impl Life ===

impl Life {
    /// Enters a phase. Called by the generation's own task, which looks again by itself.
    ///
    /// What is left of the generation is seen under the same lock: nobody whom the phase keeps out
    /// comes in after that.
    pub(crate) fn enter(&self, phase: Phase, deadline: Instant) -> Left {
        let control = self.control();
        let left = control.left();
        self.enter_in(control, phase, deadline);
        left
    }

    /// The same if nothing is left that would have to end before; returns whether it was entered.
    ///
    /// So a phase in which there is nothing to wait for is passed over: nobody would see it.
    pub(crate) fn enter_if(
        &self,
        phase: Phase,
        deadline: Instant,
        is_free: impl FnOnce(&Left) -> bool,
    ) -> bool {
        let control = self.control();
        let is_free = is_free(&control.left());
        if is_free {
            self.enter_in(control, phase, deadline);
        }
        is_free
    }

    fn enter_in(&self, mut control: MutexGuard<'_, Control>, phase: Phase, deadline: Instant) {
        control.end().deadline = Some(deadline);
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        drop(control);
        self.changed.ring_others();
    }
}
