//! Whether, when and how often a failed service is started again.
//!
//! The [`Machine`](crate::Machine) decides whether ([`RestartPolicy`]) and asks with
//! [`Action::Retry`](crate::Action::Retry); the runtime answers by the [`RestartHistory`] of the
//! service: after [`Backoff::delay`], or that the [`RestartLimit`] is exhausted. Time and chance
//! come in as arguments.
//!
//! # Invariants
//!
//! 1. Every value is valid: a delay is never zero and never above its maximum, so no service can
//!    restart in a hot loop.
//! 2. Within any period of `within`, no more than `max_restarts` restarts begin that a history of
//!    one service allowed, unless an operator forgave it between them: each counts from its
//!    verdict, and once that is known from its beginning ([`RestartHistory::began`]), for in
//!    between it may have been held for hours.
//! 3. A history holds at most [`MAX_RESTARTS`] times, however often a service fails.
//!
//! # Where the defaults come from
//!
//! | default | here | OTP | suture | systemd | Kubernetes |
//! |---|---|---|---|---|---|
//! | policy | on-failure | permanent | always | no | always |
//! | first delay | 500 ms | none | none | 100 ms | 10 s |
//! | longest delay | 30 s | – | 15 s | – | 5 min |
//! | restarts | 5 in 60 s | 1 in 5 s | 5, decay 30 s | 5 in 10 s | without end |
//! | forgotten after | 60 s | 5 s | 30 s | 10 s | 10 min |
//!
//! A whole application restarts in OTP when a supervisor gives up; here one service stays in error
//! until somebody looks, so it is given more time: with these delays the five restarts take some
//! 15 s, a dependency's short outage passes, and the sixth failure is told within a minute.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::exit::Exit;

/// The largest `max_restarts` of a [`RestartLimit`]: the most times that a history holds.
pub const MAX_RESTARTS: u32 = 1000;

/// The longest delay or period that a setting may ask for: a year.
pub const MAX_TIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// After which ends a service is started again, if nobody stopped it.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_core::{ErrorKind, Exit as GenerationExit, RestartPolicy};
/// # }
/// use processpype::{ErrorKind, GenerationExit, RestartPolicy};
///
/// let panicked = GenerationExit::Failed(ErrorKind::Panic);
/// assert!(RestartPolicy::OnFailure.restarts_after(panicked));
/// assert!(!RestartPolicy::OnFailure.restarts_after(GenerationExit::Completed));
/// assert!(RestartPolicy::Always.restarts_after(GenerationExit::Completed));
/// assert!(!RestartPolicy::Never.restarts_after(panicked));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RestartPolicy {
    /// After a failure, and after a `oneshot` completed. (OTP: permanent.)
    Always,
    /// After a failure. (OTP: transient; systemd's advice for long-running services.)
    #[default]
    OnFailure,
    /// Never by itself: a failure is final until somebody acts. (OTP: temporary.)
    Never,
}

/// How long to wait before a restart: longer with every failure, and not the same for all.
///
/// The delay before restart `attempt` (the first is 1) is, with a `chance` from 0 to 1:
///
/// ```text
/// base  = min(max, initial × factor^(attempt − 1))
/// delay = base × (1 − jitter × chance)
/// ```
///
/// Jitter takes away and never adds, so `max` is the longest wait there is. `jitter: 1` is "full
/// jitter" and `jitter: 0.5` is "equal jitter" of Marc Brooker's "Exponential Backoff And Jitter"
/// (AWS Architecture Blog, 2015), whose simulations show why many clients must not retry in step.
/// systemd doubles likewise with `RestartSteps` and `RestartMaxDelaySec`, Kubernetes from 10 s to
/// 5 min.
///
/// ```
/// # use processpype_core as processpype;
/// use std::time::Duration;
/// use processpype::Backoff;
///
/// let backoff = Backoff::default();
/// assert_eq!(backoff.delay(1, 0.0), Duration::from_millis(500));
/// assert_eq!(backoff.delay(1, 1.0), Duration::from_millis(400));
/// assert_eq!(backoff.delay(3, 0.0), Duration::from_secs(2));
/// assert_eq!(backoff.delay(100, 0.0), Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    initial: Duration,
    max: Duration,
    factor: f64,
    jitter: f64,
}

/// How many restarts within what time are too many.
///
/// OTP's intensity and period: `max_restarts` within `within` are allowed, one more is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RestartLimit {
    /// None: without a limit.
    max_restarts: Option<u32>,
    within: Duration,
}

/// All that is set about the restarts of one service.
///
/// ```
/// # use processpype_core as processpype;
/// use std::time::Duration;
/// use processpype::{Backoff, RestartLimit, RestartOptions, RestartPolicy};
///
/// let options = RestartOptions {
///     policy: RestartPolicy::Always,
///     limit: RestartLimit::new(3, Duration::from_secs(60))?,
///     ..RestartOptions::default()
/// };
/// assert_eq!(options.backoff, Backoff::default());
/// # Ok::<(), processpype_core::InvalidRestart>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RestartOptions {
    /// After which ends it is started again.
    pub policy: RestartPolicy,
    /// How long it waits before.
    pub backoff: Backoff,
    /// How often it may be.
    pub limit: RestartLimit,
    /// How long it has to run well for its next failure to count as the first one.
    pub reset_after: Duration,
}

/// A setting that is refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRestart {
    /// `initial` is zero: a failing service would restart without a pause.
    InitialIsZero,
    /// `max` is shorter than `initial`.
    MaxBelowInitial,
    /// `factor` is below 1, or not a number.
    Factor,
    /// `jitter` is not from 0 to 1.
    Jitter,
    /// `max_restarts` is above [`MAX_RESTARTS`].
    TooManyRestarts,
    /// `within` is zero: nothing would ever be too often.
    WithinIsZero,
    /// A time is longer than a year.
    TooLong,
}

/// When a service was restarted, as far as that still matters.
///
/// The owner keeps one for each service and asks it on every [`Action::Retry`](crate::Action).
///
/// ```
/// use processpype_core::{RestartHistory, RestartOptions, Verdict};
///
/// let options = RestartOptions::default();
/// let mut history = RestartHistory::default();
/// for attempt in 1..=5 {
///     assert_eq!(history.record(1_000, None, &options), Verdict::Again { attempt });
/// }
/// assert_eq!(history.record(1_000, None, &options), Verdict::Exhausted);
/// history.forgive();
/// assert_eq!(history.record(1_000, None, &options), Verdict::Again { attempt: 1 });
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RestartHistory {
    /// Oldest first, in milliseconds.
    times: VecDeque<u64>,
    attempt: u32,
}

/// What a [`RestartHistory`] says about one more restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Restart, after the delay of this attempt.
    Again {
        /// How many restarts there were in a row, this one included: the first is 1.
        attempt: u32,
    },
    /// There were too many: give up until somebody acts.
    Exhausted,
}

// === impl RestartPolicy ===

impl RestartPolicy {
    /// Every policy.
    pub const ALL: &'static [Self] = &[Self::Always, Self::OnFailure, Self::Never];

    /// Returns whether a generation that ended like this, unasked, is followed by another one.
    #[must_use]
    pub fn restarts_after(self, exit: Exit) -> bool {
        match self {
            Self::Always => true,
            Self::OnFailure => exit.error().is_some(),
            Self::Never => false,
        }
    }

    /// Returns the word as it stands in the file and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::OnFailure => "on-failure",
            Self::Never => "never",
        }
    }
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Backoff ===

impl Backoff {
    /// The first delay: long enough for a port to be free again, short enough not to be noticed.
    pub const INITIAL: Duration = Duration::from_millis(500);
    /// The longest delay: an operator who has fixed the cause does not wait long for the effect.
    pub const MAX: Duration = Duration::from_secs(30);
    /// The growth: doubling, as nearly everywhere.
    pub const FACTOR: f64 = 2.0;
    /// The part left to chance: enough to spread services that failed together.
    pub const JITTER: f64 = 0.2;

    /// Makes a backoff.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if `initial` is zero, `max` is below it or above a year, `factor` is
    /// below 1 or infinite, or `jitter` is not from 0 to 1.
    pub fn new(
        initial: Duration,
        max: Duration,
        factor: f64,
        jitter: f64,
    ) -> Result<Self, InvalidRestart> {
        if initial.is_zero() {
            Err(InvalidRestart::InitialIsZero)
        } else if max < initial {
            Err(InvalidRestart::MaxBelowInitial)
        } else if max > MAX_TIME {
            Err(InvalidRestart::TooLong)
        } else if !(factor.is_finite() && factor >= 1.0) {
            Err(InvalidRestart::Factor)
        } else if !(0.0..=1.0).contains(&jitter) {
            Err(InvalidRestart::Jitter)
        } else {
            Ok(Self { initial, max, factor, jitter })
        }
    }

    /// Returns how long to wait before restart `attempt` (from 1; 0 counts as 1).
    ///
    /// `chance` is a random number from 0 to 1; what lies outside counts as the nearer end. The
    /// delay is at least a millisecond or `initial`, whichever is less, also with full jitter.
    #[must_use]
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        // More steps than this pass any maximum, or the factor is so near 1 that it is no matter.
        let steps = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.factor.powi(steps);
        let base = grown.min(self.max.as_secs_f64());
        // Not a number counts as 0.
        let chance = if chance.is_nan() { 0.0 } else { chance.clamp(0.0, 1.0) };
        let delay = Duration::from_secs_f64(base * (1.0 - self.jitter * chance));
        let least = self.initial.min(Duration::from_millis(1));
        delay.clamp(least, self.max)
    }

    /// Returns the delay before the first restart, before jitter.
    #[must_use]
    pub fn initial(&self) -> Duration {
        self.initial
    }

    /// Returns the longest delay.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Returns how many times longer each delay is than the one before.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Returns how much of a delay is left to chance, from 0 to 1.
    #[must_use]
    pub fn jitter(&self) -> f64 {
        self.jitter
    }
}

impl Default for Backoff {
    /// 500 ms, doubling up to 30 s, a fifth of it left to chance.
    fn default() -> Self {
        Self { initial: Self::INITIAL, max: Self::MAX, factor: Self::FACTOR, jitter: Self::JITTER }
    }
}

// === impl RestartLimit ===

impl RestartLimit {
    /// How many restarts are allowed within [`RestartLimit::WITHIN`].
    pub const MAX_RESTARTS: u32 = 5;
    /// The period in which restarts are counted: the delays of five of them fit in it four times.
    pub const WITHIN: Duration = Duration::from_secs(60);
    /// No limit: a service that fails is restarted without end, at the pace of its backoff.
    pub const NONE: Self = Self { max_restarts: None, within: Self::WITHIN };

    /// Makes a limit; 0 restarts means that the first failure is final.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if `max_restarts` is above [`MAX_RESTARTS`], or `within` is zero or
    /// above a year.
    pub fn new(max_restarts: u32, within: Duration) -> Result<Self, InvalidRestart> {
        if max_restarts > MAX_RESTARTS {
            Err(InvalidRestart::TooManyRestarts)
        } else if within.is_zero() {
            Err(InvalidRestart::WithinIsZero)
        } else if within > MAX_TIME {
            Err(InvalidRestart::TooLong)
        } else {
            Ok(Self { max_restarts: Some(max_restarts), within })
        }
    }

    /// Returns how many restarts are allowed, if there is a limit.
    #[must_use]
    pub fn max_restarts(&self) -> Option<u32> {
        self.max_restarts
    }

    /// Returns the period in which they are counted.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }
}

impl Default for RestartLimit {
    /// 5 restarts within 60 s.
    fn default() -> Self {
        Self { max_restarts: Some(Self::MAX_RESTARTS), within: Self::WITHIN }
    }
}

// === impl RestartOptions ===

impl RestartOptions {
    /// How long a service has to run well for its failures to be forgotten: longer than the
    /// longest delay, or a service that fails slowly would always be at its first attempt.
    pub const RESET_AFTER: Duration = Duration::from_secs(60);
}

impl Default for RestartOptions {
    /// On failure, with the default backoff and limit, forgotten after 60 s.
    fn default() -> Self {
        Self {
            policy: RestartPolicy::default(),
            backoff: Backoff::default(),
            limit: RestartLimit::default(),
            reset_after: Self::RESET_AFTER,
        }
    }
}

// === impl RestartHistory ===

impl RestartHistory {
    /// Asks for one more restart, at `now`, in milliseconds of any clock that does not go back.
    ///
    /// `healthy_since` is when the generation that has just ended came to run well, if it did: once
    /// that is `reset_after` ago, this is the first attempt again. The limit counts on regardless.
    /// (OTP: `supervisor:add_restart/3`; the restart that is refused counts as well.)
    pub fn record(
        &mut self,
        now: u64,
        healthy_since: Option<u64>,
        options: &RestartOptions,
    ) -> Verdict {
        self.reset_if_healthy(now, healthy_since, options);
        let Some(max_restarts) = options.limit.max_restarts else {
            self.times.clear();
            return self.again();
        };
        let recent =
            |&then: &u64| u128::from(now.saturating_sub(then)) <= options.limit.within.as_millis();
        self.times.retain(recent);
        if self.times.len() >= max_restarts as usize {
            return Verdict::Exhausted;
        }
        self.times.push_back(now);
        self.again()
    }

    /// Notes that a restart begins `now` that was allowed at `allowed`: from now on it counts from
    /// here.
    ///
    /// To be told of each restart that [`RestartHistory::record`] allowed, unless an operator
    /// forgave the history in between. A history that several services share may have forgotten
    /// the verdict meanwhile; the restart counts all the same.
    ///
    /// ```
    /// use processpype_core::{RestartHistory, RestartLimit, RestartOptions, Verdict};
    ///
    /// let limit = RestartLimit::new(1, std::time::Duration::from_secs(60)).expect("valid");
    /// let options = RestartOptions { limit, ..RestartOptions::default() };
    /// let mut history = RestartHistory::default();
    /// assert_eq!(history.record(0, None, &options), Verdict::Again { attempt: 1 });
    /// // Restarts were paused for an hour.
    /// history.began(0, 3_600_000, &options);
    /// assert_eq!(history.record(3_601_000, None, &options), Verdict::Exhausted);
    /// ```
    pub fn began(&mut self, allowed: u64, now: u64, options: &RestartOptions) {
        let Some(max_restarts) = options.limit.max_restarts else { return };
        let is_full = self.times.len() >= max_restarts as usize;
        match self.times.iter().position(|&then| then == allowed) {
            Some(place) => drop(self.times.remove(place)),
            // More than the limit say no more than the limit does.
            None if is_full => drop(self.times.pop_front()),
            None => {}
        }
        self.times.push_back(now);
    }

    /// Notes a pause ([`Action::Pause`](crate::Action::Pause)) and returns its attempt: nothing is
    /// taken from the budget, but a service that fails again and again for want of a provider that
    /// is ready comes back ever more slowly.
    pub fn pause(&mut self, now: u64, healthy_since: Option<u64>, options: &RestartOptions) -> u32 {
        self.reset_if_healthy(now, healthy_since, options);
        self.attempt = self.attempt.saturating_add(1);
        self.attempt
    }

    /// Forgets everything: an operator has acted.
    pub fn forgive(&mut self) {
        self.times.clear();
        self.attempt = 0;
    }

    /// Returns how many restarts there were in a row.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns how many restarts the limit counts.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.times.len()
    }

    fn reset_if_healthy(&mut self, now: u64, since: Option<u64>, options: &RestartOptions) {
        let healthy = since.map(|since| now.saturating_sub(since));
        if healthy.is_some_and(|healthy| u128::from(healthy) >= options.reset_after.as_millis()) {
            self.attempt = 0;
        }
    }

    fn again(&mut self) -> Verdict {
        self.attempt = self.attempt.saturating_add(1);
        Verdict::Again { attempt: self.attempt }
    }
}

// === impl InvalidRestart ===

impl fmt::Display for InvalidRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InitialIsZero => "`initial` is zero; a failing service needs a pause",
            Self::MaxBelowInitial => "`max` is shorter than `initial`",
            Self::Factor => "`factor` must be 1 or more",
            Self::Jitter => "`jitter` must be from 0 to 1",
            Self::TooManyRestarts => "`max_restarts` must be at most 1000",
            Self::WithinIsZero => "`within` is zero; restarts are counted over some time",
            Self::TooLong => "the time is longer than a year",
        })
    }
}

impl std::error::Error for InvalidRestart {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::ErrorKind;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check_backoff(initial: u64, max: u64, factor: f64, jitter: f64, wrong: InvalidRestart) {
        let made = Backoff::new(SECOND * initial as u32, SECOND * max as u32, factor, jitter);
        assert_eq!(made, Err(wrong));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        check_backoff(0, 1, 2.0, 0.0, InvalidRestart::InitialIsZero);
        check_backoff(2, 1, 2.0, 0.0, InvalidRestart::MaxBelowInitial);
        check_backoff(1, 400 * 86_400, 2.0, 0.0, InvalidRestart::TooLong);
        for factor in [0.9, -1.0, f64::NAN, f64::INFINITY] {
            check_backoff(1, 2, factor, 0.0, InvalidRestart::Factor);
        }
        for jitter in [-0.1, 1.1, f64::NAN] {
            check_backoff(1, 2, 1.0, jitter, InvalidRestart::Jitter);
        }
        assert_eq!(RestartLimit::new(1001, SECOND), Err(InvalidRestart::TooManyRestarts));
        assert_eq!(RestartLimit::new(1, Duration::ZERO), Err(InvalidRestart::WithinIsZero));
    }

    #[test]
    fn the_defaults_are_valid() {
        let Backoff { initial, max, factor, jitter } = Backoff::default();
        assert_eq!(Backoff::new(initial, max, factor, jitter), Ok(Backoff::default()));
        let RestartLimit { max_restarts, within } = RestartLimit::default();
        let made = max_restarts.map(|max_restarts| RestartLimit::new(max_restarts, within));
        assert_eq!(made, Some(Ok(RestartLimit::default())));
    }

    #[test]
    fn policies_by_exit() {
        let failed = Exit::Failed(ErrorKind::Failed);
        let exits = [failed, Exit::Completed, Exit::Aborted];
        let restarts = |policy: &RestartPolicy| exits.map(|e| policy.restarts_after(e));
        let restarts: Vec<_> = RestartPolicy::ALL.iter().map(restarts).collect();
        assert_eq!(restarts, [[true; 3], [true, false, false], [false; 3]]);
    }

    #[test]
    fn a_pause_slows_down_and_costs_nothing() {
        let limit = RestartLimit::new(1, SECOND).expect("within the rules");
        let options = RestartOptions { limit, ..RestartOptions::default() };
        let mut history = RestartHistory::default();
        let attempts = [1, 2, 3].map(|now| history.pause(now, None, &options));
        assert_eq!((attempts, history.counted()), ([1, 2, 3], 0));
        assert_eq!(history.record(4, None, &options), Verdict::Again { attempt: 4 });
    }

    #[test]
    fn who_was_held_for_longer_than_the_period_has_no_restart_more_than_others() {
        let options = RestartOptions::default();
        let mut history = RestartHistory::default();
        assert_eq!(history.record(0, None, &options), Verdict::Again { attempt: 1 });
        let resumed = 1_000_000;
        history.began(0, resumed, &options);
        let again = (1..=5).map(|n| {
            let (at, verdict) = (resumed + n, history.record(resumed + n, None, &options));
            history.began(at, at, &options);
            verdict != Verdict::Exhausted
        });
        assert_eq!(again.collect::<Vec<_>>(), [true, true, true, true, false]);
        assert_eq!(history.counted(), 5);
    }

    #[test]
    fn a_long_healthy_run_makes_the_next_failure_the_first() {
        let options = RestartOptions::default();
        let mut history = RestartHistory::default();
        assert_eq!(history.record(0, None, &options), Verdict::Again { attempt: 1 });
        assert_eq!(history.record(70_000, Some(11_000), &options), Verdict::Again { attempt: 2 });
        assert_eq!(history.record(131_000, Some(71_000), &options), Verdict::Again { attempt: 1 });
    }
}
