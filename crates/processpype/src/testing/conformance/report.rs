//! What the suite found.
//!
//! # Invariants
//!
//! 1. Every finding says what was seen, why it matters, and what to do.
//! 2. A check that could not be made is listed as skipped, never as passed.

use std::fmt;

/// One rule that a service should keep.
///
/// ```
/// use processpype::testing::Check;
///
/// assert_eq!(Check::RunEnds.as_str(), "run-ends");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Check {
    /// It starts, and becomes ready or completes, within its `start_timeout`.
    Starts,
    /// Its routes answer as soon as it is ready: readiness is honest.
    RoutesAnswer,
    /// It goes on until it is asked to stop.
    StaysUp,
    /// `run` ends by itself when it is asked to.
    RunEnds,
    /// Its children end when they are asked to.
    ChildrenEnd,
    /// `stop` ends within the rest of `stop_timeout`.
    StopsInTime,
    /// `stop` returns no error and does not panic.
    StopsCleanly,
    /// It can be stopped at every await of its constructor and of `start`, and starts again.
    CancelledStart,
    /// It bears that a provider goes away, at every moment, and that it comes back.
    ProviderLoss,
    /// It can be restarted a hundred times.
    Restarts,
    /// No task outlives its generation.
    TasksEnd,
    /// No instance outlives its generation.
    InstancesEnd,
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The rule.
    pub check: Check,
    /// What was seen.
    pub what: String,
}

/// What [`Conformance::check`](super::Conformance::check) found.
///
/// Its text is for people: every finding with what, why, and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "assert that it is clean"]
pub struct ConformanceReport {
    service: String,
    findings: Vec<Violation>,
    skipped: Vec<Check>,
}

// === impl Check ===

impl Check {
    /// Every rule.
    pub const ALL: &'static [Self] = &[
        Self::Starts,
        Self::RoutesAnswer,
        Self::StaysUp,
        Self::RunEnds,
        Self::ChildrenEnd,
        Self::StopsInTime,
        Self::StopsCleanly,
        Self::CancelledStart,
        Self::ProviderLoss,
        Self::Restarts,
        Self::TasksEnd,
        Self::InstancesEnd,
    ];

    /// Returns its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::RoutesAnswer => "routes-answer",
            Self::StaysUp => "stays-up",
            Self::RunEnds => "run-ends",
            Self::ChildrenEnd => "children-end",
            Self::StopsInTime => "stops-in-time",
            Self::StopsCleanly => "stops-cleanly",
            Self::CancelledStart => "cancelled-start",
            Self::ProviderLoss => "provider-loss",
            Self::Restarts => "restarts",
            Self::TasksEnd => "tasks-end",
            Self::InstancesEnd => "instances-end",
        }
    }

    /// Returns why the rule is one.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Starts => "who needs it waits until it is ready",
            Self::RoutesAnswer => "a ready service is sent requests and starts its dependents",
            Self::StaysUp => "an end that nobody asked for is a failure, and leads to a restart",
            Self::RunEnds => "what does not end is dropped at some await, and its work is lost",
            Self::ChildrenEnd => "what does not end is dropped at some await, and its work is lost",
            Self::StopsInTime => "what `stop` has not done by then is not done",
            Self::StopsCleanly => "what `stop` was to release may not be released",
            Self::CancelledStart => "an operator, or the end of the process, does not wait for it",
            Self::ProviderLoss => "a provider fails and restarts while its dependents go on",
            Self::Restarts => "the supervisor restarts what fails, for as long as it runs",
            Self::TasksEnd => "a task that nobody tracks goes on beside the next generation",
            Self::InstancesEnd => "what the instance holds is not released for the next one",
        }
    }

    /// Returns what to do when it is broken.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Starts => {
                "give it what it needs in the test's configuration, with fakes for its providers; \
                 say `cx.ready(true)` once it can work, or allow more `start_timeout`"
            }
            Self::RoutesAnswer => {
                "do in `start` what the routes need, or say `cx.ready(false)` until it is done"
            }
            Self::StaysUp => {
                "loop until `cx.stopping()`, `cx.sleep` or `cx.until_stopped` say so, or \
                 register it as `.oneshot()` if its end is its success"
            }
            Self::RunEnds => {
                "wait through `cx.sleep` or `cx.until_stopped`, and look at `cx.deadline()` before \
                 a long piece of work"
            }
            Self::ChildrenEnd => {
                "let each child wait through its own clone of the context: `cx.until_stopped`"
            }
            Self::StopsInTime => "do less in `stop`, or allow more `stop_timeout`",
            Self::StopsCleanly => {
                "let `stop` take what is there: it is also called after a failed start"
            }
            Self::CancelledStart => {
                "expect the future to be dropped at each await: release by `Drop` or in `stop`, \
                 which has to bear a half-made start"
            }
            Self::ProviderLoss => {
                "call `Dep::get` each time and pass `Unavailable` on with `?`, or do without; \
                 never unwrap it, and keep no `Arc` of the provider"
            }
            Self::Restarts => {
                "release in `stop`, or own in `run`, whatever the next generation needs for itself"
            }
            Self::TasksEnd => "spawn with `cx.spawn`, not with `tokio::spawn`",
            Self::InstancesEnd => {
                "do not keep an `Arc` of the instance: a task of its own gets parts of it, or ends \
                 when `cx.stopping()` does"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl ConformanceReport ===

impl ConformanceReport {
    pub(super) fn new(service: &str) -> Self {
        Self { service: service.to_owned(), ..Self::default() }
    }

    /// Returns whether no rule was broken.
    ///
    /// A check that was skipped breaks none; see [`skipped`](Self::skipped).
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Returns every broken rule, in the order of the checks.
    #[must_use]
    pub fn findings(&self) -> &[Violation] {
        &self.findings
    }

    /// Returns the rules that could not be checked.
    ///
    /// Without a provider, or without a route that was named, there is nothing to check; and who
    /// does not start is not looked at further.
    #[must_use]
    pub fn skipped(&self) -> &[Check] {
        &self.skipped
    }

    /// Returns whether a rule was broken.
    #[must_use]
    pub fn has(&self, check: Check) -> bool {
        self.findings.iter().any(|finding| finding.check == check)
    }

    /// Notes a broken rule; the first time counts.
    pub(super) fn add(&mut self, check: Check, what: impl Into<String>) {
        if !self.has(check) {
            self.findings.push(Violation { check, what: what.into() });
            processpype_core::sort_by(&mut self.findings, |one, other| one.check.cmp(&other.check));
        }
    }

    pub(super) fn skip(&mut self, check: Check) {
        self.skipped.push(check);
    }
}

impl fmt::Display for ConformanceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, findings, skipped } = self;
        let made = Check::ALL.len() - skipped.len();
        write!(f, "`{service}` broke {} of {made} rules", findings.len())?;
        for Violation { check, what } in findings {
            write!(f, "\n\n{check}: {what}")?;
            write!(f, "\n  why: {}", check.why())?;
            write!(f, "\n  what to do: {}", check.remedy())?;
        }
        if !skipped.is_empty() {
            let names: Vec<&str> = skipped.iter().map(|check| check.as_str()).collect();
            write!(f, "\n\nnot checked: {}", names.join(", "))?;
        }
        Ok(())
    }
}
