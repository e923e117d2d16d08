//! Problems, and reports of several of them.
//!
//! # Invariants
//!
//! 1. A [`Problem`] holds only text that may be shown: source lines are masked and values are left
//!    out *before* they come here. So its `Debug`, its JSON and its `Display` are equally safe.
//! 2. A [`Report`] is never empty, and keeps at most [`MAX_PROBLEMS`]; the others are counted.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::limits::{MAX_LISTED, MAX_PROBLEMS};
use crate::nearest::nearest;
use crate::origin::Origin;
use crate::render;

/// One mistake in a configuration, with its place and what would be right.
///
/// Made by loading and reading, or by [`Section::problem`](crate::Section::problem) for a check of
/// the caller's own; the builder methods add what helps. Nothing in it is secret, so it may be
/// printed, logged and sent as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    message: String,
    path: String,
    origin: Option<Origin>,
    line: Option<u32>,
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    valid: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overrides: Vec<Origin>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip)]
    label: String,
    #[serde(skip)]
    snippet: Option<Snippet>,
}

/// A source line that may be shown, and the part of it that is meant.
#[derive(Clone, Debug)]
pub(crate) struct Snippet {
    /// The line, with everything masked that is not known to be harmless.
    pub(crate) text: String,
    /// Characters before the mark.
    pub(crate) before: usize,
    /// Characters of the mark, at least one.
    pub(crate) marked: usize,
}

/// Every problem that was found, never none.
///
/// Problems of one load or read are in the order of their places: files first, then variables and
/// flags, then what stands nowhere. Reports of several sections are joined by [`Report::merge`].
///
/// # Example
///
/// ```
/// use processpype_config::{Problem, Report};
///
/// let port = Report::from(Problem::new("port in use").help("choose another"));
/// let both = port.merge(Problem::new("no service").into());
/// assert_eq!(both.count(), 2);
/// assert_eq!(both.problems()[0].message(), "port in use");
/// assert!(both.to_string().starts_with("error: port in use\n"));
/// ```
///
/// `Display` is the full text for people; `Serialize` is the list for programs.
#[derive(Clone, Debug)]
pub struct Report {
    problems: Vec<Problem>,
    more: usize,
}

/// Collects problems while something goes on after the first.
#[derive(Default)]
pub(crate) struct Problems {
    kept: Vec<Problem>,
    more: usize,
}

// === impl Problem ===

impl Problem {
    /// A problem that stands nowhere; see [`Section::problem`](crate::Section::problem) for one
    /// with a place.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            path: String::new(),
            origin: None,
            line: None,
            column: None,
            value: None,
            valid: Vec::new(),
            nearest: None,
            overrides: Vec::new(),
            notes: Vec::new(),
            help: None,
            label: String::new(),
            snippet: None,
        }
    }

    /// Adds what would be valid here.
    #[must_use]
    pub fn valid<S: Into<String>>(mut self, valid: impl IntoIterator<Item = S>) -> Self {
        self.valid = valid.into_iter().map(Into::into).collect();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a remark.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds the known word nearest to `word`, if one is near.
    #[must_use]
    pub fn hint_nearest<S: AsRef<str>>(
        mut self,
        word: &str,
        known: impl IntoIterator<Item = S>,
    ) -> Self {
        let known: Vec<S> = known.into_iter().collect();
        self.nearest = nearest(word, known.iter().map(S::as_ref)).map(str::to_owned);
        self
    }

    /// Adds the place.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        if let Origin::File { line, column, .. } = &origin {
            (self.line, self.column) = (Some(*line), Some(*column));
        }
        self.origin = Some(origin);
        self
    }

    /// What is wrong, in one line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The path of the value, such as `services.counter.step`; empty for the whole file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where it was written; `None` if it was written nowhere.
    pub const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Line and column from 1, in a file or in a request body.
    pub fn position(&self) -> Option<(u32, u32)> {
        self.line.zip(self.column)
    }

    /// The value, where it may be shown.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What would be valid: keys, variants, or one sentence.
    pub fn valid_choices(&self) -> &[String] {
        &self.valid
    }

    /// The known word nearest to the one that was written.
    pub fn nearest_choice(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// The places of lower layers that this value overrides, nearest first.
    pub fn overrides(&self) -> &[Origin] {
        &self.overrides
    }

    /// Remarks.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What to do.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    pub(crate) fn in_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn shown_value(mut self, value: Option<String>) -> Self {
        self.value = value;
        self
    }

    pub(crate) fn overriding(mut self, overrides: Vec<Origin>) -> Self {
        self.overrides = overrides;
        self
    }

    /// Notes the variables that a value was made of.
    pub(crate) fn notes_from(mut self, variables: &[String]) -> Self {
        let notes = variables.iter().map(|name| format!("from environment variable {name}"));
        self.notes.extend(notes);
        self
    }

    pub(crate) fn positioned(mut self, line: u32, column: u32) -> Self {
        (self.line, self.column) = (Some(line), Some(column));
        self
    }

    pub(crate) fn with_snippet(mut self, snippet: Option<Snippet>) -> Self {
        self.snippet = snippet;
        self
    }

    pub(crate) fn label_text(&self) -> &str {
        &self.label
    }

    pub(crate) const fn snippet(&self) -> Option<&Snippet> {
        self.snippet.as_ref()
    }

    /// The choices that are printed, and how many are not.
    pub(crate) fn listed(&self) -> (&[String], usize) {
        let shown = self.valid.len().min(MAX_LISTED);
        (&self.valid[..shown], self.valid.len() - shown)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&render::problem(self, false))
    }
}

// === impl Report ===

impl Report {
    /// The problems, in the order of their places.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many problems there are, those included that were only counted.
    pub const fn count(&self) -> usize {
        self.problems.len() + self.more
    }

    /// Joins two reports into one.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.more += other.more;
        for problem in other.problems {
            self.push(problem);
        }
        self
    }

    /// The full text, with terminal colours if `color` is set.
    pub fn render(&self, color: bool) -> String {
        render::report(self, color)
    }

    fn push(&mut self, problem: Problem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more += 1;
        }
    }
}

impl From<Problem> for Report {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], more: 0 }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut report = serializer.serialize_struct("Report", 2)?;
        report.serialize_field("problems", &self.problems)?;
        report.serialize_field("count", &self.count())?;
        report.end()
    }
}

// === impl Problems ===

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.kept.len() < MAX_PROBLEMS {
            self.kept.push(problem);
        } else {
            self.more += 1;
        }
    }

    /// `Ok` if nothing was found, otherwise everything that was.
    pub(crate) fn finish(self) -> Result<(), Report> {
        if self.kept.is_empty() {
            return Ok(());
        }
        let mut problems = self.kept;
        problems.sort_by_cached_key(|p| (file_of(p), p.line, p.column));
        Err(Report { problems, more: self.more })
    }
}

/// Problems of one file stand together; those of other layers come after them.
fn file_of(problem: &Problem) -> (u8, String) {
    match problem.origin() {
        Some(Origin::File { path, .. }) => (0, path.display().to_string()),
        Some(origin) => (1, origin.to_string()),
        None => (2, String::new()),
    }
}
