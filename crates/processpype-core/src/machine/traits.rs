//! What is known of a service before it runs, changed while the application does.

use super::{Action, Machine, Traits};
use crate::graph::ServiceId;
use crate::restart::RestartPolicy;

/// [`Traits`] in one byte: every record has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Packed(u8);

const ENABLED: u8 = 1;
const AUTOSTART: u8 = 1 << 1;
const ONESHOT: u8 = 1 << 2;
const SIGNIFICANT: u8 = 1 << 3;
const ALWAYS: u8 = 1 << 4;
const NEVER: u8 = 1 << 5;

// === impl Packed ===

impl Packed {
    pub(super) fn of(traits: Traits) -> Self {
        let Traits { enabled, autostart, oneshot, significant, restart } = traits;
        let always = restart == RestartPolicy::Always;
        let never = restart == RestartPolicy::Never;
        let bits = [
            (ENABLED, enabled),
            (AUTOSTART, autostart),
            (ONESHOT, oneshot),
            (SIGNIFICANT, significant),
            (ALWAYS, always),
            (NEVER, never),
        ];
        Self(bits.into_iter().filter(|(_, is_set)| *is_set).fold(0, |all, (bit, _)| all | bit))
    }

    pub(super) fn traits(self) -> Traits {
        let has = |bit: u8| self.0 & bit != 0;
        let restart = match (has(ALWAYS), has(NEVER)) {
            (true, _) => RestartPolicy::Always,
            (false, true) => RestartPolicy::Never,
            (false, false) => RestartPolicy::OnFailure,
        };
        Traits {
            enabled: has(ENABLED),
            autostart: has(AUTOSTART),
            oneshot: has(ONESHOT),
            significant: has(SIGNIFICANT),
            restart,
        }
    }
}

// === impl Machine ===

impl Machine {
    /// Changes what is known of a service: from now on it is judged by these.
    ///
    /// Nothing follows from it by itself: whoever disables a service stops it too, and whoever
    /// enables it may start it. `oneshot` is part of the plan and must stay as it is. But it may be
    /// what the application settles by, which the next input tells: [`Machine::settle`] is one.
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
        let record = self.record_mut(id);
        let kept_open = record.keeps_open();
        record.packed = Packed::of(traits);
        let keeps_open = record.keeps_open();
        self.kept_open_by += usize::from(keeps_open);
        self.kept_open_by -= usize::from(kept_open);
    }

    /// Tells that the application has settled, if it has by what is known of its services now.
    ///
    /// To be called once [`Machine::set_traits`] was, and all that goes with it is done: whom
    /// everybody waits for may not count any more, and no other input may come for long.
    ///
    /// ```
    /// use processpype_core::{
    ///     Action, ErrorKind, Exit, Generation, Graph, Machine, Report, ServiceId, Traits,
    /// };
    ///
    /// let (id, significant) = (ServiceId(0), Traits { significant: true, ..Traits::default() });
    /// let mut machine = Machine::new(Graph::new(1, [])?, vec![significant], 8);
    /// let mut actions = Vec::new();
    /// machine.boot(&mut actions);
    /// let failed = Exit::Failed(ErrorKind::StartFailed);
    /// machine.report(id, Generation(1), Report::Gone(failed), &mut actions);
    /// assert!(!machine.is_settled(), "it is tried again, and everybody waits for it");
    ///
    /// actions.clear();
    /// machine.set_traits(id, Traits::default());
    /// machine.settle(&mut actions);
    /// assert_eq!(actions, [Action::Settled]);
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    pub fn settle(&mut self, actions: &mut Vec<Action>) {
        self.finish_step(actions);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traits_come_out_as_they_went_in() {
        let policies = [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never];
        for (bits, restart) in (0..16).flat_map(|bits| policies.map(|policy| (bits, policy))) {
            let traits = Traits {
                enabled: bits & 1 != 0,
                autostart: bits & 2 != 0,
                oneshot: bits & 4 != 0,
                significant: bits & 8 != 0,
                restart,
            };
            assert_eq!(Packed::of(traits).traits(), traits);
        }
    }
}
