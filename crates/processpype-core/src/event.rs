//! What can be told about a service, as values.
//!
//! An event is a [`Change`] (or another [`EventKind`]) together with what only the edge knows: its
//! sequence number, the time, and texts. The runtime adds those when it puts the event in its
//! journal.

use std::fmt;

use crate::exit::Exit;
use crate::graph::ServiceId;
use crate::machine::Timer;
use crate::state::{Generation, ServiceState};

/// One transition of one service.
///
/// The changes of one service chain: each begins in the state in which the last one ended. The
/// generation goes up with the change into `starting`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// The service that changed.
    pub service: ServiceId,
    /// The generation that the change belongs to.
    pub generation: Generation,
    /// The state before.
    pub from: ServiceState,
    /// The state after.
    pub to: ServiceState,
    /// What made it happen.
    pub cause: Cause,
}

/// What made a transition happen.
///
/// The nearest cause, not the first one: a service that waited for its provider since boot starts
/// because of [`Cause::DependencyReady`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The application started.
    Boot,
    /// A command named this service.
    Operator,
    /// A command on another service pulled this one in.
    PulledIn,
    /// A command stops a provider of this service, and this service first.
    Cascade,
    /// Every provider became ready.
    DependencyReady,
    /// A provider is unavailable: the service waits for it instead of being in error.
    Dependency,
    /// The restart policy: the backoff after a failure is over.
    Restart,
    /// A provider is restarted, and the service with it: because it asked for that, or a command
    /// did.
    ProviderRestarted,
    /// Another member of its group failed, and the service is restarted with it.
    GroupRestarted,
    /// The service's own code got this far: it started.
    Progress,
    /// The generation ended like this.
    Exit(Exit),
    /// A deadline passed.
    Deadline(Timer),
    /// The application closes.
    Closing,
}

/// The kinds of events of an application; `kind` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A transition of a service.
    State,
    /// A service became ready or unready, degraded, or reported an error.
    Health,
    /// A failed service will be started again, or not any more.
    Restart,
    /// A command was accepted, refused, superseded, or ended.
    Command,
    /// A handler of a service panicked; the service goes on.
    HandlerPanic,
    /// An instance outlives its generation because somebody kept a strong handle.
    InstanceLeaked,
    /// Somebody changed how much is logged, for a while.
    LevelChanged,
    /// The log is as it is configured again.
    LevelReverted,
    /// Another configuration holds for a service.
    Configured,
    /// The old configuration of a service holds again: it failed with the new one.
    RolledBack,
    /// The files were loaded again, and hold.
    Reloaded,
    /// The files were loaded again, and are wrong: nothing has changed.
    ReloadRefused,
    /// The application itself: started, settled, closing, closed.
    Application,
}

// === impl Cause ===

impl Cause {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Operator => "operator",
            Self::PulledIn => "pulled-in",
            Self::Cascade => "cascade",
            Self::DependencyReady => "dependency-ready",
            Self::Dependency => "dependency",
            Self::Restart => "restart",
            Self::ProviderRestarted => "provider-restarted",
            Self::GroupRestarted => "group-restarted",
            Self::Progress => "progress",
            Self::Exit(exit) => exit.as_str(),
            Self::Deadline(timer) => timer.as_str(),
            Self::Closing => "closing",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl EventKind ===

impl EventKind {
    /// Every kind, in the order of their declaration.
    pub const ALL: &'static [Self] = &[
        Self::State,
        Self::Health,
        Self::Restart,
        Self::Command,
        Self::HandlerPanic,
        Self::InstanceLeaked,
        Self::LevelChanged,
        Self::LevelReverted,
        Self::Configured,
        Self::RolledBack,
        Self::Reloaded,
        Self::ReloadRefused,
        Self::Application,
    ];

    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Health => "health",
            Self::Restart => "restart",
            Self::Command => "command",
            Self::HandlerPanic => "handler-panic",
            Self::InstanceLeaked => "instance-leaked",
            Self::LevelChanged => "level-changed",
            Self::LevelReverted => "level-reverted",
            Self::Configured => "configured",
            Self::RolledBack => "rolled-back",
            Self::Reloaded => "reloaded",
            Self::ReloadRefused => "reload-refused",
            Self::Application => "application",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_listed_once() {
        // A kind that is not thought of here does not compile.
        let place = |kind| match kind {
            EventKind::State => 0,
            EventKind::Health => 1,
            EventKind::Restart => 2,
            EventKind::Command => 3,
            EventKind::HandlerPanic => 4,
            EventKind::InstanceLeaked => 5,
            EventKind::LevelChanged => 6,
            EventKind::LevelReverted => 7,
            EventKind::Configured => 8,
            EventKind::RolledBack => 9,
            EventKind::Reloaded => 10,
            EventKind::ReloadRefused => 11,
            EventKind::Application => 12,
        };
        assert!(EventKind::ALL.iter().copied().map(place).eq(0..EventKind::ALL.len()));
    }
}
