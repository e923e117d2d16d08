//! The words that go into the machine and come out of it.
//!
//! In: [`Traits`] once, then [`Report`]s and commands ([`Verb`]). Out: [`Action`]s, among them the
//! [`Outcome`] of each command. None carries text or time: those belong to the edge.

use crate::event::Change;
use crate::exit::{ErrorKind, Exit};
use crate::graph::ServiceId;
use crate::restart::RestartPolicy;
use crate::state::Generation;

/// What is fixed about one service before anything runs.
///
/// ```
/// use processpype_core::{RestartPolicy, Traits};
///
/// let traits = Traits { oneshot: true, ..Traits::default() };
/// assert!(traits.enabled && traits.autostart && !traits.significant);
/// assert_eq!(traits.restart, RestartPolicy::OnFailure);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Traits {
    /// Whether the service may run at all.
    pub enabled: bool,
    /// Whether it starts with the application.
    pub autostart: bool,
    /// Whether its success ends it: completed, and from then on ready for its dependents.
    pub oneshot: bool,
    /// Whether the application closes when it is given up.
    pub significant: bool,
    /// After which ends it is started again.
    pub restart: RestartPolicy,
}

/// Names one command from acceptance to its end; chosen by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OperationId(pub u64);

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Run the service, and the providers that were never started.
    Start {
        /// Also start providers that an operator stopped, or that failed.
        with_dependencies: bool,
        /// Also start past an orphan of the last generation, which may still run: the one way to
        /// two generations at a time.
        force: bool,
    },
    /// Stop the service and keep it stopped.
    Stop {
        /// Stop the services that need it first.
        cascade: bool,
    },
    /// Stop the service, if it runs, and start a new generation.
    Restart {
        /// Also restart the services that live and need it, directly or not: they stop before it,
        /// in order, and start after it.
        with_dependents: bool,
    },
    /// Stop the service, if it runs, and take it out of the application.
    Deregister {
        /// Also take out those that depend on it, directly or not and by edges of every policy:
        /// they stop before it. All of them leave, or none.
        cascade: bool,
    },
}

/// A wait that the runtime must bound; how long is the runtime's to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// Constructor and `start`: `start_timeout`.
    Start,
    /// Teardown: `stop_timeout`.
    Stop,
    /// From abort to orphaned.
    Abort,
    /// From a failure to the next generation: the backoff. [`Action::Retry`], [`Action::Pause`]
    /// and [`Action::Spread`] ask for it; it is never armed by [`Action::Arm`].
    Restart,
}

/// What the runtime tells about generations and time.
///
/// A generation that is asked to stop reports only [`Report::Gone`]; one that fails may report
/// [`Report::Ending`] first, so that its dependents know while it is torn down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// Constructor and `start` succeeded; `ready` is what the service said meanwhile.
    Started {
        /// Whether it counts as ready from the first moment.
        ready: bool,
    },
    /// The service changed its readiness.
    Ready(bool),
    /// The generation failed or completed by itself and tears itself down.
    Ending(Exit),
    /// The runtime takes the generation for hung (it does not beat, or blocks a thread): it has
    /// failed with this kind, and is to be asked to stop.
    Hung(ErrorKind),
    /// Nothing of the generation is left.
    Gone(Exit),
    /// A [`Timer`] that was armed for the generation has elapsed; [`Timer::Restart`] when the time
    /// has come that [`Action::Retry`], [`Action::Pause`] or [`Action::Spread`] asked for.
    Elapsed(Timer),
    /// The answer to [`Action::Retry`] when there were too many restarts: give the service up.
    Exhausted,
}

/// What the runtime has to do, in this order.
///
/// Only [`Action::Spawn`], [`Action::Stop`], [`Action::Abort`], and what sets a timer
/// ([`Action::Arm`], [`Action::Retry`], [`Action::Pause`], [`Action::Spread`]), touch the world;
/// the others tell what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Run this generation: constructor, `start`, `run`. Its providers are ready.
    Spawn(ServiceId, Generation),
    /// Ask this generation to stop.
    Stop(ServiceId, Generation),
    /// End this generation by force. It had its time, or the closing deadline has passed.
    Abort(ServiceId, Generation),
    /// Report [`Report::Elapsed`] after the timer's time, if the generation still lives then.
    Arm(ServiceId, Generation, Timer),
    /// This generation is gone and should be followed by another: one restart is to be taken from
    /// the budget. Report for it [`Report::Elapsed`] of [`Timer::Restart`] after the backoff, or
    /// [`Report::Exhausted`] if the budget has none left; in a later input, never within this one.
    Retry(ServiceId, Generation),
    /// This generation failed because a provider was unavailable: no restart is taken from the
    /// budget. Report for it [`Report::Elapsed`] of [`Timer::Restart`] after at least the backoff's
    /// initial delay; then the service waits until its providers are ready.
    Pause(ServiceId, Generation),
    /// The service may start, and had waited: for a provider that was gone and is back, or since
    /// the end of its backoff, which came while somebody was in the way. Report
    /// [`Report::Elapsed`] of [`Timer::Restart`] when it is its turn, so that not all who waited
    /// start at once. Nothing is taken from the budget.
    Spread(ServiceId, Generation),
    /// An operator started or restarted the service: forget its restarts.
    Forgive(ServiceId),
    /// A transition happened: publish state and event.
    Changed(Change),
    /// Something beside the state changed (readiness, desired, what is waited for): publish it.
    Touched(ServiceId),
    /// The service is no part of the application any more: its id is vacant.
    Removed(ServiceId),
    /// An operation ended.
    Finish(OperationId, Outcome),
    /// Every service that should start has started, failed, or waits: told once.
    Settled,
    /// The application began to close.
    Closing(CloseCause),
    /// Nothing lives any more but orphans: told once.
    Closed,
}

/// How an operation ended.
///
/// For a stop, done means that nothing of the generation is left; for a start that the service
/// runs (it need not be ready) or has completed; for a restart that this is a new generation; for a
/// deregistration that the service was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The effect is there.
    Done {
        /// Whether this operation made it.
        changed: bool,
    },
    /// The generation it was about failed. A stop fails only with [`ErrorKind::Orphaned`].
    Failed(ErrorKind),
    /// A later command, or closing, took its place.
    Superseded,
    /// It cannot be done now.
    Refused(Refusal),
}

/// Why a command is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The service is `enabled: false`.
    Disabled,
    /// The application is closing.
    Closing,
    /// An orphan of the last generation may still run.
    Orphaned,
    /// A provider was stopped by an operator.
    ProviderStopped(ServiceId),
    /// Others depend on the service: see [`Graph::dependents`](crate::Graph::dependents). In a
    /// cascade: one of them is an orphan.
    Needed,
    /// There is no such service any more.
    Unknown,
}

/// Why an application closes; the first cause counts.
///
/// The name of a significant service stands beside it: `Closed::significant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseCause {
    /// It was asked to: a signal, the owner, the end of a scope.
    Requested,
    /// A significant service was given up before the application had settled.
    SignificantAtStart(ServiceId),
    /// A significant service was given up later.
    Significant(ServiceId),
}

// === impl Traits ===

impl Default for Traits {
    /// Enabled, started with the application, restarted on failure; neither `oneshot` nor
    /// significant.
    fn default() -> Self {
        Self {
            enabled: true,
            autostart: true,
            oneshot: false,
            significant: false,
            restart: RestartPolicy::default(),
        }
    }
}

// === impl Verb ===

impl Verb {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Stop { .. } => "stop",
            Self::Restart { .. } => "restart",
            Self::Deregister { .. } => "deregister",
        }
    }

    /// Whether it stops others first.
    pub(super) fn cascades(self) -> bool {
        matches!(self, Self::Stop { cascade: true } | Self::Deregister { cascade: true })
    }

    pub(super) fn is_same_as(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }
}

// === impl Action ===

impl Action {
    /// Returns whether somebody may have waited for it, and looks at everything then: an operation,
    /// the start or the application has come to an end, or a service has left.
    #[must_use]
    pub fn is_an_end(&self) -> bool {
        match self {
            Self::Finish(..) | Self::Settled | Self::Closed | Self::Removed(_) => true,
            Self::Spawn(..)
            | Self::Stop(..)
            | Self::Abort(..)
            | Self::Arm(..)
            | Self::Retry(..)
            | Self::Pause(..)
            | Self::Spread(..)
            | Self::Forgive(_)
            | Self::Changed(_)
            | Self::Touched(_)
            | Self::Closing(_) => false,
        }
    }
}

// === impl Timer ===

impl Timer {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start-timeout",
            Self::Stop => "stop-timeout",
            Self::Abort => "orphaned",
            Self::Restart => "restart",
        }
    }
}
