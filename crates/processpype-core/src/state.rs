//! The life of one service, as a value.
//!
//! # Invariants
//!
//! 1. Only [`ServiceState::step`] makes a new state; no other code assigns one.
//! 2. [`Stopped`](ServiceState::Stopped) and [`Error`](ServiceState::Error) begin a new generation
//!    by [`Input::Start`] alone.
//! 3. A state with a living generation is left only by that generation's end, or as an orphan.

use std::fmt;

/// Where a service is in its life.
///
/// ```text
///            Start              Started             Stop
/// stopped ─────────▶ starting ─────────▶ running ─────────▶ stopping
///    ▲                  │ Stop ───────────────────────────────▲ │
///    │◀─────────────────┴─────────── Ended ─────────────────────┤
///    │ Dismiss                       Failed / Orphaned          ▼
///    └───────────────────────────────────────────────────── error
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceState {
    /// No generation lives: never started, stopped, completed, or waiting for a provider.
    Stopped,
    /// The constructor or `start` of the current generation runs.
    Starting,
    /// `start` succeeded and `run` runs.
    Running,
    /// The current generation is being torn down, because it was asked to stop or because it
    /// failed.
    Stopping,
    /// The last generation failed, or could not be ended.
    Error,
}

/// What can happen to a [`ServiceState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A new generation begins.
    Start,
    /// Constructor and `start` succeeded.
    Started,
    /// Teardown begins: the service was asked to stop, or its `run` ended.
    Stop,
    /// The generation is gone, as asked or by completing.
    Ended,
    /// The generation is gone because it failed.
    Failed,
    /// The generation could not be ended and is given up.
    Orphaned,
    /// An operator's stop takes the error as known.
    Dismiss,
}

/// What a service should be doing.
///
/// Set by the file at boot and by operators afterwards; not kept over a restart of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Desired {
    /// It should not run.
    Stopped,
    /// It should run.
    Running,
}

/// Counts the lives of one service: 0 = never started, +1 on entering `starting`.
///
/// ```
/// # use processpype_core as processpype;
/// use processpype::Generation;
///
/// assert_eq!(Generation::default().next(), Generation(1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// An input that cannot happen in a state; the caller keeps its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidTransition {
    /// The state that was kept.
    pub state: ServiceState,
    /// What was refused.
    pub input: Input,
}

// === impl ServiceState ===

impl ServiceState {
    /// Every state, in the order of a life.
    pub const ALL: &'static [Self] =
        &[Self::Stopped, Self::Starting, Self::Running, Self::Stopping, Self::Error];

    /// Returns the state after `input`.
    ///
    /// ```
    /// use processpype_core::{Input, ServiceState};
    ///
    /// // What fails while it starts, or while it is torn down, is in error; a stop dismisses that.
    /// assert_eq!(ServiceState::Starting.step(Input::Failed), Ok(ServiceState::Error));
    /// assert_eq!(ServiceState::Stopping.step(Input::Failed), Ok(ServiceState::Error));
    /// assert_eq!(ServiceState::Error.step(Input::Dismiss), Ok(ServiceState::Stopped));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`InvalidTransition`] if `input` cannot happen in `self`; the caller keeps its
    /// state.
    #[doc(hidden)]
    pub fn step(self, input: Input) -> Result<Self, InvalidTransition> {
        use ServiceState::{Error, Running, Starting, Stopped, Stopping};
        match (self, input) {
            (Stopped | Error, Input::Start) => Ok(Starting),
            (Starting, Input::Started) => Ok(Running),
            (Starting | Running, Input::Stop) => Ok(Stopping),
            (Starting | Stopping, Input::Ended) | (Error, Input::Dismiss) => Ok(Stopped),
            (Starting | Stopping, Input::Failed) | (Stopping, Input::Orphaned) => Ok(Error),
            // States are listed, not `_`, so a new state does not compile until it is thought
            // about.
            (state @ (Stopped | Starting | Running | Stopping | Error), input) => {
                Err(InvalidTransition { state, input })
            }
        }
    }

    /// Returns the state as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Error => "error",
        }
    }

    /// Returns whether a generation is on its way up or down.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Starting | Self::Stopping)
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Input ===

impl Input {
    /// Every input.
    pub const ALL: &'static [Self] = &[
        Self::Start,
        Self::Started,
        Self::Stop,
        Self::Ended,
        Self::Failed,
        Self::Orphaned,
        Self::Dismiss,
    ];
}

// === impl Desired ===

impl Desired {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
        }
    }
}

// === impl Generation ===

impl Generation {
    /// Returns the generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl InvalidTransition ===

impl fmt::Display for InvalidTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{:?}` cannot happen to a service that is {}", self.input, self.state)
    }
}

impl std::error::Error for InvalidTransition {}

#[cfg(test)]
mod tests {
    use super::ServiceState::{self, *};
    use super::*;

    /// The one place that knows how `step` is called.
    #[track_caller]
    fn check(inputs: &[Input], expected: Result<ServiceState, InvalidTransition>) {
        assert_eq!(inputs.iter().try_fold(Stopped, |state, &input| state.step(input)), expected);
    }

    #[test]
    fn a_life() {
        check(&[Input::Start, Input::Started, Input::Stop, Input::Ended], Ok(Stopped));
        check(&[Input::Start, Input::Failed, Input::Start], Ok(Starting));
        check(&[Input::Start, Input::Stop, Input::Orphaned, Input::Dismiss], Ok(Stopped));
    }

    #[test]
    fn a_running_service_does_not_start_again() {
        let refused = InvalidTransition { state: Running, input: Input::Start };
        check(&[Input::Start, Input::Started, Input::Start], Err(refused));
    }

    /// Every pair (state, input), by hand: `.` = refused, else the first letter(s) of the next
    /// state.
    #[test]
    fn all_pairs() {
        // columns: Start Started Stop Ended Failed Orphaned Dismiss
        let table = [
            (Stopped, [Some(Starting), None, None, None, None, None, None]),
            (
                Starting,
                [None, Some(Running), Some(Stopping), Some(Stopped), Some(Error), None, None],
            ),
            (Running, [None, None, Some(Stopping), None, None, None, None]),
            (Stopping, [None, None, None, Some(Stopped), Some(Error), Some(Error), None]),
            (Error, [Some(Starting), None, None, None, None, None, Some(Stopped)]),
        ];
        for (state, row) in table {
            for (&input, expected) in Input::ALL.iter().zip(row) {
                assert_eq!(state.step(input).ok(), expected, "{state} {input:?}");
            }
        }
        assert_eq!(table.map(|(state, _)| state), ServiceState::ALL);
    }
}
