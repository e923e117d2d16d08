//! What comes due: which timer is the next, and what its end means.
//!
//! # Invariants
//!
//! 1. Nobody wakes for a timer that can change nothing any more; which those are is said in one
//!    place, [`Supervisor::next_wake`].
//! 2. A timer of a service that has left does nothing, whoever has its place by then.
//! 3. At most [`BATCH`] are taken before messages and commands have their turn.
//!
//! The queue itself, which knows lengths of time and no services, is in `timers.rs`.

use processpype_core::{CloseCause, Generation, Machine, ServiceId, ServiceState, Timer};
use tokio::time::Instant;

use super::{ABORT_GRACE, BATCH, STOP_SLACK, Supervisor};
use crate::timers::Due;

// === impl Supervisor ===

impl Supervisor {
    /// When the next timer is due that can still matter.
    ///
    /// The machine would ignore the others: a start's limit once it is over, a stop's once the
    /// generation is gone, and whatever belongs to an older generation. Nobody wakes for those.
    pub(super) fn next_wake(&mut self) -> Option<Instant> {
        let (machine, services) = (&self.machine, &self.services);
        let is_in = |id, generation, state| {
            machine.generation(id) == generation && machine.state(id) == state
        };
        self.timers.next(|due| match due {
            Due::Generation(id, generation, Timer::Start) => {
                !is_in(id, generation, ServiceState::Starting)
            }
            Due::Generation(id, generation, Timer::Stop | Timer::Abort) => {
                !is_in(id, generation, ServiceState::Stopping)
            }
            Due::Generation(id, generation, Timer::Restart) => machine.generation(id) != generation,
            Due::Beat(id, generation) => !is_in(id, generation, ServiceState::Running),
            Due::Polls(id, generation) => {
                machine.generation(id) != generation || !machine.is_alive(id)
            }
            Due::Offer(id, operation) => {
                services.get(id.index()).is_none_or(|it| it.changing() != Some(operation))
            }
            Due::Resume | Due::Level | Due::Drained | Due::Closing => false,
        })
    }

    /// Takes a batch of timers that are due; returns how many there were.
    pub(super) fn take_due_timers(&mut self) -> usize {
        self.clock.read();
        let now = self.clock.instant();
        for taken in 0..BATCH {
            match self.timers.pop_due(now) {
                // Of one that has left.
                Some(due) if !self.concerns_somebody(due) => {}
                Some(Due::Generation(id, generation, timer)) => self.elapsed(id, generation, timer),
                Some(Due::Beat(id, generation)) => self.look_at_beats(id, generation),
                Some(Due::Polls(id, generation)) => self.look_at_polls(id, generation),
                Some(Due::Drained) => self.step(|machine, actions| {
                    machine.close(CloseCause::Requested, actions);
                }),
                Some(Due::Resume) => self.pause_is_over(),
                Some(Due::Level) => self.levels_are_over(),
                Some(Due::Offer(id, operation)) => self.offer_is_over(id, operation),
                Some(Due::Closing) => self.step(Machine::abort_all),
                None => return taken,
            }
        }
        BATCH
    }

    pub(super) fn arm(&mut self, id: ServiceId, generation: Generation, timer: Timer) {
        let options = &self.services[id.index()].configured.options;
        let after = match timer {
            Timer::Start => options.start_timeout,
            Timer::Stop => options.stop_timeout + STOP_SLACK,
            Timer::Abort => ABORT_GRACE,
            Timer::Restart => options.restart.backoff.initial(),
        };
        self.timers.arm(self.clock.instant(), after, Due::Generation(id, generation, timer));
    }

    /// Whether a timer is about a generation of a service that is there.
    fn concerns_somebody(&self, due: Due) -> bool {
        match due {
            Due::Generation(id, generation, _)
            | Due::Beat(id, generation)
            | Due::Polls(id, generation) => self.machine.knows(id, generation),
            Due::Offer(id, operation) => self.is_changing(id, operation),
            Due::Drained | Due::Resume | Due::Level | Due::Closing => true,
        }
    }
}
