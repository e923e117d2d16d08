//! What follows from a new configuration: decided by what held, what is to hold, and the state.
//!
//! # Invariants
//!
//! 1. It reads no clock, no file and no state but its arguments: the preview of a change and the
//!    change itself come to the same.
//! 2. A service that works by nothing that differs is left alone.

use processpype_core::ServiceState;

use super::{ConfigEffect, Configured};

/// What a new configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: this is what it has led to.
    Nothing(ConfigEffect),
    /// The generation that runs may take it over.
    Offer,
    Restart,
    Start,
    Stop,
}

/// Decides what follows when `new` takes the place of `now`; `starts` if the service should run
/// afterwards, `comes` if it is meant to run, and may wait for that.
pub(crate) fn next(
    now: &Configured,
    new: &Configured,
    state: ServiceState,
    starts: bool,
    comes: bool,
) -> Next {
    use ServiceState::{Error, Running, Starting, Stopped, Stopping};
    let lives_by_it = new.is_lived_by(now) && new.is_watched_like(now);
    let is_same = new.is_same(now) && new.layer().says_what(&now.layer());
    match (new.options.enabled, now.options.enabled) {
        (false, true) if state == Stopped && !comes => return Next::Nothing(ConfigEffect::Kept),
        (false, true) => return Next::Stop,
        // The start is refused, which says why.
        (false, false) if starts => return Next::Start,
        (true, false) if starts || new.options.autostart => return Next::Start,
        (true | false, _) => {}
    }
    match state {
        Stopped | Stopping | Error if starts => Next::Start,
        Starting if starts && lives_by_it => Next::Start,
        _ if is_same => Next::Nothing(ConfigEffect::Unchanged),
        Stopped | Stopping | Error => Next::Nothing(ConfigEffect::Kept),
        Starting | Running if lives_by_it => Next::Nothing(ConfigEffect::Applied),
        Running if !new.is_lived_by(now) => Next::Offer,
        Starting | Running => Next::Restart,
    }
}

/// Whether a service stops only to start again.
///
/// A new configuration that comes meanwhile is tried by that start, and goes back if it fails.
pub(crate) fn goes_on_after_stop(state: ServiceState, should_run: bool) -> bool {
    state == ServiceState::Stopping && should_run
}
