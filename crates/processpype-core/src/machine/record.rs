//! What is known about one service.

use super::Machine;
use super::recovery::Recovery;
use super::traits::Packed;
use super::words::Traits;
use crate::event::Cause;
use crate::exit::{ErrorKind, Exit};
use crate::graph::EdgePolicy;
use crate::state::{Desired, Generation, ServiceState};

/// All that is known about one service, but for the operations that wait for it.
///
/// There is one for each service, whether it ever runs or not, so it is kept small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Record {
    /// There is a service; false for a vacant place.
    pub(super) present: bool,
    /// The number before that of its first generation.
    pub(super) first: Generation,
    pub(super) packed: Packed,
    pub(super) state: ServiceState,
    pub(super) generation: Generation,
    pub(super) desired: Desired,
    /// An operator's stop; it stays until an operator's start.
    pub(super) held: bool,
    /// A new generation should begin as soon as it may; why.
    pub(super) wanted: Option<Cause>,
    pub(super) queued: bool,
    /// A restart was asked for and is not answered.
    pub(super) recovery: Option<Recovery>,
    /// Given up after too many restarts.
    pub(super) exhausted: bool,
    pub(super) past: Past,
    pub(super) life: Life,
    pub(super) ready: bool,
    /// The last generation completed and nothing has run since.
    pub(super) completed: bool,
    /// The stop of this generation was asked for (not: it failed).
    pub(super) asked: bool,
    /// The failure that began the teardown of this generation.
    pub(super) failure: Option<Exit>,
    /// To be asked to stop once its dependents are gone.
    pub(super) leaving: Option<Leaving>,
    /// This generation was ended by force, or could not be ended.
    pub(super) forced: bool,
    /// What it was without, if that decides how it goes on.
    pub(super) lack: Option<Lack>,
    /// Whether dependents may count on it, as last told to them.
    pub(super) available: Available,
    /// Whether it is queued or starting, as last told to dependents.
    pub(super) coming: bool,
    /// Whether members of its group wait for it, as last told to them.
    pub(super) blocking: Blocking,
    /// Providers and members of its group that a start waits for.
    pub(super) unmet: u32,
    /// Dependents whose generation lives.
    pub(super) live_dependents: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Life {
    /// Nothing of the last generation is left.
    Gone,
    Live,
    /// It could not be ended; it may still run.
    Orphan,
}

/// How far any generation of it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Past {
    /// None was started, or the first one still is.
    New,
    /// One was started, and failed or was stopped before it ran.
    Tried,
    /// One has been running.
    HasRun,
}

/// Whether dependents may count on a service, and whether they could before.
///
/// Numbers of generations do not tell that: one whose first starts failed comes for the first time
/// all the same, and one that only was not ready for a while is back in its first generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Available {
    /// They never could.
    Never,
    /// They could, and it was lost.
    Lost,
    Now,
}

/// What a service was without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lack {
    /// While it lived, a provider that it cannot start without was missing at some time.
    Provider,
    /// While it waits, a provider came back, or its backoff ended, and somebody else was still in
    /// the way: it takes its turn when nobody is any more. What stops it need not forget that: who
    /// is started after a stop is waited for.
    Turn,
}

/// Which members of its group do not start because of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Blocking {
    Nobody,
    /// Those that are restarted with it: it failed, and is not back.
    Mates,
    /// Those before it in the group as well: it has still to end.
    All,
}

/// A stop that waits for its turn in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leaving {
    pub(super) cause: Cause,
    pub(super) next: Next,
}

/// What follows a stop in a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Next {
    /// The plan brings it back: a restart.
    Again,
    /// Nothing. But if a command keeps the service, it restarts with these all the same.
    Nothing(Option<Together>),
}

/// With whom a service restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Together {
    Provider,
    Group,
    /// A command restarts it after those that need it.
    Dependents,
}

const _: () = assert!(size_of::<Record>() <= 48, "there are as many as services");

// === impl Record ===

impl Record {
    pub(super) fn new(traits: Traits, unmet: u32) -> Self {
        let starts = traits.enabled && traits.autostart;
        Self {
            present: true,
            first: Generation::default(),
            packed: Packed::of(traits),
            state: ServiceState::Stopped,
            generation: Generation::default(),
            desired: if starts { Desired::Running } else { Desired::Stopped },
            held: false,
            wanted: None,
            queued: false,
            recovery: None,
            exhausted: false,
            past: Past::New,
            life: Life::Gone,
            ready: false,
            completed: false,
            asked: false,
            failure: None,
            leaving: None,
            forced: false,
            lack: None,
            available: Available::Never,
            coming: false,
            blocking: Blocking::Nobody,
            unmet,
            live_dependents: 0,
        }
    }

    /// A place that a service has left; whoever joins in it counts on from `generation`.
    pub(super) fn vacant(generation: Generation) -> Self {
        let traits = Traits { enabled: false, ..Traits::default() };
        Self { present: false, first: generation, generation, ..Self::new(traits, 0) }
    }

    /// What is fixed about it, or was said last.
    pub(super) fn traits(&self) -> Traits {
        self.packed.traits()
    }

    /// Whether no generation of it has begun yet.
    pub(super) fn is_new(&self) -> bool {
        self.generation == self.first
    }

    pub(super) fn has_run(&self) -> bool {
        self.past == Past::HasRun
    }

    /// Whether it has come through its first start, well or not.
    pub(super) fn was_started(&self) -> bool {
        self.past != Past::New
    }

    /// Whether the application has not settled before it came through a start: before its first
    /// one, and a significant service before one that went well.
    pub(super) fn is_untried(&self) -> bool {
        match self.past {
            Past::New => true,
            Past::Tried => self.traits().significant,
            Past::HasRun => false,
        }
    }

    /// Whether the application has not settled because of it, though it stands in no queue: it is
    /// on its way, or is significant and comes by itself.
    pub(super) fn keeps_open(&self) -> bool {
        let comes = || self.recovery.is_some() && self.traits().significant;
        self.is_untried() && (self.state.is_transient() || comes())
    }

    /// Whether nothing is in the way of a start that is wanted.
    pub(super) fn may_start(&self) -> bool {
        self.wanted.is_some() && self.life == Life::Gone && self.unmet == 0 && !self.owes_turn()
    }

    /// Whether it takes its turn once nobody is in the way of its start, and no operator waits.
    pub(super) fn owes_turn(&self) -> bool {
        let waits = self.life == Life::Gone && self.lack == Some(Lack::Turn);
        waits && self.wanted.is_some_and(|cause| !Machine::is_urgent(cause))
    }

    /// Whether dependents may count on it, as last told to them.
    pub(super) fn is_available(&self) -> bool {
        self.available == Available::Now
    }

    /// Whether it runs, or is about to.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, ServiceState::Starting | ServiceState::Running)
    }

    /// Whether a cascade has to stop it: it lives, or would come by itself. An orphan that should
    /// run does, if its policy says so, once it has ended after all.
    pub(super) fn lives_or_comes(&self) -> bool {
        let after = Exit::Failed(ErrorKind::Orphaned);
        let returns =
            self.desired == Desired::Running && self.traits().restart.restarts_after(after);
        self.life == Life::Live
            || self.wanted.is_some()
            || self.recovery.is_some()
            || (self.life == Life::Orphan && returns)
    }

    /// Says that it should stop once its dependents are gone.
    pub(super) fn set_leaving(&mut self, cause: Cause) {
        // A stop is more than a restart.
        if self.leaving.is_none_or(Leaving::comes_again) {
            let next = Next::Nothing(self.leaving.map(Leaving::together));
            self.leaving = Some(Leaving { cause, next });
        }
    }

    /// Whether a dependent with an edge of this policy has to wait for it, as last told.
    pub(super) fn blocks(&self, policy: EdgePolicy) -> bool {
        if policy.gates() { !self.is_available() } else { self.coming }
    }
}

// === impl Available ===

impl Available {
    /// What follows when it is available now, or not.
    pub(super) fn then(self, available: bool) -> Self {
        match (self, available) {
            (Self::Never | Self::Lost | Self::Now, true) => Self::Now,
            (Self::Never, false) => Self::Never,
            (Self::Lost | Self::Now, false) => Self::Lost,
        }
    }
}

// === impl Leaving ===

impl Leaving {
    /// It is to restart, in its turn.
    pub(super) fn restart(cause: Cause) -> Self {
        Self { cause, next: Next::Again }
    }

    pub(super) fn comes_again(self) -> bool {
        self.next == Next::Again
    }

    /// Whether it is to stop for good, and would restart if it stayed.
    pub(super) fn is_overdue(self) -> bool {
        matches!(self.next, Next::Nothing(Some(_)))
    }

    /// Notes that it would restart if it stayed; false if that was so already.
    pub(super) fn note(&mut self, with: Together) -> bool {
        let is_new = self.next == Next::Nothing(None);
        if is_new {
            self.next = Next::Nothing(Some(with));
        }
        is_new
    }

    /// Returns what is left of it when a command keeps the service: a restart that is due all the
    /// same.
    pub(super) fn kept(self) -> Option<Self> {
        match self.next {
            Next::Again => Some(self),
            Next::Nothing(with) => with.map(|with| Self::restart(with.cause())),
        }
    }

    /// With whom it restarts.
    fn together(self) -> Together {
        match self.cause {
            Cause::ProviderRestarted => Together::Provider,
            Cause::GroupRestarted => Together::Group,
            _ => Together::Dependents,
        }
    }
}

// === impl Together ===

impl Together {
    pub(super) fn cause(self) -> Cause {
        match self {
            Self::Provider => Cause::ProviderRestarted,
            Self::Group => Cause::GroupRestarted,
            Self::Dependents => Cause::Operator,
        }
    }
}
