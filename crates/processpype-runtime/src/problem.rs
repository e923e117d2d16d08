//! What can be wrong with an application before anything runs.
//!
//! # Invariants
//!
//! 1. A problem names who is involved and, where there is one, the place in the file.
//! 2. Where there is a remedy it is the line to write, not a description of it.

use std::any::TypeId;
use std::fmt;

/// One reason why an application cannot be started, with what to do about it.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::{PlanCode, PlanProblem};
///
/// let problem = PlanProblem::new(PlanCode::UnknownService, "there is no service `bd`");
/// let problem = problem.help("did you mean `db`?");
/// assert_eq!(
///     problem.to_string(),
///     "error: there is no service `bd`\n   = help: did you mean `db`?",
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanProblem {
    /// A stable word.
    pub code: PlanCode,
    /// What is wrong, with the names and places involved.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// What was looked for and is not there, if that is all that is wrong.
    #[doc(hidden)]
    pub missing: Option<Missing>,
}

/// What was looked for among the services.
///
/// Who knows of services that could not be read can tell by it what only follows from that.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// One of this name.
    Name(String),
    /// One that can be used as this type.
    Type(TypeId),
}

/// The kinds of [`PlanProblem`].
///
/// A test or a tool matches on these; the texts are for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanCode {
    /// Services depend on each other in a cycle.
    Cycle,
    /// Nothing provides what a service needs.
    MissingProvider,
    /// Several provide it and none was chosen.
    AmbiguousProvider,
    /// A named provider or dependency does not exist.
    UnknownService,
    /// A chosen provider is not of the needed type.
    WrongProvider,
    /// A needed provider is disabled.
    DisabledProvider,
    /// Two services share a name.
    DuplicateName,
    /// A shared value was not provided.
    MissingShared,
    /// A constructor asks for two configuration types.
    SeveralConfigs,
    /// A choice of a provider fits no need.
    UnusedChoice,
    /// A group is wrong: its name, its members, or how many.
    Group,
    /// The application was put together wrongly in code.
    Declaration,
}

/// Every problem of a plan; never empty.
///
/// All of them at once: none is hidden behind another one, but for those that would only be echoes.
/// `Debug` shows the text for people, as `Display` does.
#[derive(Clone, PartialEq, Eq)]
pub struct PlanError {
    problems: Vec<PlanProblem>,
}

// === impl PlanCode ===

impl PlanCode {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cycle => "cycle",
            Self::MissingProvider => "missing-provider",
            Self::AmbiguousProvider => "ambiguous-provider",
            Self::UnknownService => "unknown-service",
            Self::WrongProvider => "wrong-provider",
            Self::DisabledProvider => "disabled-provider",
            Self::DuplicateName => "duplicate-name",
            Self::MissingShared => "missing-shared",
            Self::SeveralConfigs => "several-configs",
            Self::UnusedChoice => "unused-choice",
            Self::Group => "group",
            Self::Declaration => "declaration",
        }
    }
}

// === impl PlanProblem ===

impl PlanProblem {
    /// Makes a problem.
    #[must_use]
    pub fn new(code: PlanCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, missing: None }
    }

    /// Adds what was looked for in vain.
    pub(crate) fn of_missing(self, missing: Missing) -> Self {
        Self { missing: Some(missing), ..self }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "\n   = help: {help}"),
            None => Ok(()),
        }
    }
}

// === impl PlanError ===

impl PlanError {
    /// Makes an error of all problems, or nothing if there are none.
    ///
    /// That is how it is never empty.
    #[must_use]
    pub fn from_problems(problems: Vec<PlanProblem>) -> Option<Self> {
        (!problems.is_empty()).then_some(Self { problems })
    }

    /// Returns the problems.
    ///
    /// In the order in which they were found: names, then each service in the order of names, then
    /// the cycle.
    #[must_use]
    pub fn problems(&self) -> &[PlanProblem] {
        &self.problems
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let gap = if i == 0 { "" } else { "\n\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
    }
}

impl std::error::Error for PlanError {}
