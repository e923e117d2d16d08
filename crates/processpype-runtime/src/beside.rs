//! A hook of a service that is called while its `run` goes on.
//!
//! # Invariants
//!
//! 1. It runs in the generation's own task, beside `run`, contained, and within a time.
//! 2. A stop and the end of `run` come before what the hook returns; then nobody is told of that.

use std::time::Duration;

use tokio::time::timeout;

use crate::life::Life;
use crate::panic::{Contained, Panicked};
use crate::vitals::Stage;

/// What is called, and how.
pub(crate) struct Hook<H> {
    /// What the generation does meanwhile.
    pub(crate) stage: Stage,
    /// How long it may take.
    pub(crate) within: Duration,
    pub(crate) future: H,
}

/// How a hook ended.
pub(crate) enum Outcome<T> {
    Returned(T),
    Panicked(Panicked),
    TooLong,
}

/// Calls a hook, and tells how it ended, unless it was cut short. Returns how `run` ended, if it
/// did.
///
/// # Cancel safety
///
/// Dropping it drops the hook; nobody is told then.
pub(crate) async fn beside_run<H: Future + Unpin, F: Future + Unpin>(
    life: &Life,
    running: &mut F,
    hook: Hook<H>,
    tell: impl FnOnce(Outcome<H::Output>),
) -> Option<F::Output> {
    life.vitals.enter(hook.stage);
    let mut future = Contained::new(hook.future);
    let (ended, outcome) = tokio::select! {
        biased;
        () = life.disturbed() => (None, None),
        ended = running => (Some(ended), None),
        outcome = timeout(hook.within, &mut future) => (None, Some(outcome)),
    };
    if let Some(outcome) = outcome {
        tell(match outcome {
            Ok(Ok(value)) => Outcome::Returned(value),
            Ok(Err(panicked)) => Outcome::Panicked(panicked),
            Err(_) => Outcome::TooLong,
        });
    }
    // A panic of what is dropped is logged, and changes nothing any more.
    drop(future);
    if ended.is_none() {
        life.vitals.enter(Stage::Run);
    }
    ended
}
