//! What a service finds wrong with itself, when somebody asks.
//!
//! # Invariants
//!
//! 1. The hook runs [beside `run`](crate::beside) and within [`DIAGNOSE_TIME`]. Nothing follows
//!    from what it does: not from its panic either, of which everybody reads that there was one,
//!    and only the log what it said.
//! 2. Several who ask at once get the answer of one call.
//! 3. Texts are bounded, and secrets are taken out of them before anybody sees them.

use std::time::Duration;

use tokio::sync::oneshot;

use crate::bell::reply;
use crate::beside::{Hook, Outcome, beside_run};
use crate::context::{Context, TEXT_MAX};
use crate::failure::Failure;
use crate::scrub::Scrub;
use crate::service::ErasedService;
use crate::supervisor::log_failure;
use crate::text::shortened;
use crate::vitals::Stage;

/// The answer of a service that was asked what is wrong with it, on its way.
pub(crate) type Asked = oneshot::Receiver<Vec<Finding>>;

/// How long a service may take to say what is wrong with it.
///
/// An operator waits for it, at three in the morning; what takes longer is a finding itself.
pub const DIAGNOSE_TIME: Duration = Duration::from_secs(5);

/// How many findings of one service are told.
pub const FINDINGS_MAX: usize = 32;

/// How many may wait for the answer of one generation at the same time.
pub(crate) const ASKERS_MAX: usize = 16;

/// Something that a service found wrong with itself; see
/// [`Service::diagnose`](crate::Service::diagnose).
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::{Finding, Severity};
///
/// let finding = Finding::warning("disk-space", "3 % of /data is free", "delete old exports");
/// assert_eq!(finding.severity, Severity::Warning);
/// assert!(finding.severity < Severity::Problem);
/// assert_eq!(finding.to_string(), "disk-space: 3 % of /data is free (delete old exports)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "it is told only if `diagnose` returns it"]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What sort it is, such as `disk-space`; scripts compare it.
    pub code: &'static str,
    /// What was found; public, at most [`TEXT_MAX`] bytes.
    pub message: String,
    /// What to do about it; public, at most [`TEXT_MAX`] bytes.
    pub remedy: String,
}

/// How bad something is; what is worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// Something works, and will not always.
    Warning,
    /// Something does not work.
    Problem,
}

/// Who wants to know what is wrong.
#[derive(Debug)]
pub(crate) struct Question(pub(crate) oneshot::Sender<Vec<Finding>>);

// === impl Finding ===

impl Finding {
    /// Something does not work.
    pub fn problem(
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Problem, code, message: message.into(), remedy: remedy.into() }
    }

    /// Something works, and will not always.
    pub fn warning(
        code: &'static str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::problem(code, message, remedy) }
    }

    /// The finding that there is none in time.
    pub(crate) fn no_answer() -> Self {
        let time = DIAGNOSE_TIME.as_secs();
        Self::problem(
            "no-answer",
            format!("it has not said within {time} s what is wrong with it"),
            "its threads may be blocked, or compute without an await: a watchdog names what does \
             (`processpype: {watchdog: {poll: 500ms}}` in its section); its log may say more",
        )
    }

    /// The finding that its thread has not come back, which is why there is no answer.
    pub(crate) fn busy(time: Duration) -> Self {
        Self::problem(
            "no-answer",
            format!("its thread has not come back for {} s: it blocks or spins", time.as_secs()),
            "what blocks or computes belongs into `cx.spawn_blocking`; a watchdog names it \
             (`processpype: {watchdog: {poll: 500ms}}` in its section)",
        )
    }

    /// The finding that so many wait for an answer that no more can.
    pub(crate) fn crowded() -> Self {
        Self::warning(
            "no-answer",
            format!("{ASKERS_MAX} others wait for what it says is wrong with it"),
            "ask again in a moment; if that does not help, its threads may be blocked",
        )
    }

    /// The finding that the hook panicked; what it panicked with is told to the log alone.
    fn panicked(failure: &Failure) -> Self {
        Self::problem("diagnose-panicked", &*failure.public, "this is a bug in the service")
    }

    /// As everybody may see it.
    pub(crate) fn public(self, scrub: &Scrub) -> Self {
        let text = |text: &str| shortened(scrub.text(text), TEXT_MAX);
        Self { message: text(&self.message), remedy: text(&self.remedy), ..self }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.code, self.message, self.remedy)
    }
}

// === impl Question ===

impl Question {
    /// Whether somebody waits for the answer.
    pub(crate) fn is_open(&self) -> bool {
        !self.0.is_closed()
    }

    pub(crate) fn answer(self, findings: Vec<Finding>) {
        reply(self.0, findings);
    }
}

// === impl Severity ===

impl Severity {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
        }
    }
}

/// Asks a service while it runs. Returns how `run` ended, if it did.
///
/// # Cancel safety
///
/// Dropping it drops the hook; who asked gets no answer then.
pub(crate) async fn ask<F: Future + Unpin>(
    cx: &Context,
    service: &dyn ErasedService,
    questions: Vec<Question>,
    running: &mut F,
) -> Option<F::Output> {
    let life = &cx.life;
    let within = DIAGNOSE_TIME;
    let hook = Hook { stage: Stage::Diagnose, within, future: service.diagnose(cx) };
    beside_run(life, running, hook, |outcome| {
        let findings = match outcome {
            Outcome::Returned(findings) => findings.into_iter().take(FINDINGS_MAX).collect(),
            Outcome::Panicked(panic) => {
                let failure = Failure::from_panic("`diagnose`", &panic);
                log_failure(&life.cell, life.generation, &failure, "a question failed");
                vec![Finding::panicked(&failure)]
            }
            Outcome::TooLong => vec![Finding::no_answer()],
        };
        questions.into_iter().for_each(|question| question.answer(findings.clone()));
    })
    .await
}
