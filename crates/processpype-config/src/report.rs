//! Problems, and reports of several of them.
//!
//! # Invariants
//!
//! 1. A [`Problem`] holds only text that may be shown: source lines are masked and values are left
//!    out *before* they come here. So its `Debug`, its JSON and its `Display` are equally safe.
//! 2. A [`Report`] is never empty, and keeps at most [`MAX_PROBLEMS`]; the others are counted.
//!
//! # A problem in three shapes
//!
//! | shape | for | how |
//! |---|---|---|
//! | text | whoever wrote the file | `Display`, or [`Report::render`] with colours |
//! | JSON | editors, tools, clients of an API | `Serialize` |
//! | values | code that reacts | the getters of [`Problem`] |
//!
//! All three say the same. None can say a secret, since the secret is not in here: what a problem
//! may hold is decided where it is made (`check`, `source`), not where it is printed.
//!
//! # Order
//!
//! As one reads: by file, line and column; then variables and flags, which have no lines; last what
//! stands nowhere. The sort happens once, when the collecting ends.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::limits::{MAX_LISTED, MAX_PROBLEMS};
use crate::nearest::nearest;
use crate::origin::Origin;
use crate::render;

/// One mistake in a configuration, with its place and what would be right.
///
/// Made by loading and reading, or by [`Section::problem`](crate::Section::problem) for a check of
/// the caller's own; the builder methods add what helps. Nothing in it is secret.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Loader};
///
/// let document = Loader::new().text("app.yaml", Format::Yaml, "server: {port: many}").load()?;
/// let report = document.section(&["server", "port"]).read::<u16>().unwrap_err();
/// let problem = &report.problems()[0];
/// assert_eq!(problem.path(), "server.port");
/// assert_eq!(problem.position(), Some((1, 16)));
/// assert_eq!(problem.origin().unwrap().to_string(), "app.yaml:1:16");
/// assert_eq!(problem.value(), Some("\"many\""));
/// # Ok::<(), processpype_config::Report>(())
/// ```
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
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Problem, Report};
///
/// let port = Report::from(Problem::new("port in use").help("choose another"));
/// let both = port.merge(Problem::new("no service").into());
/// assert_eq!(both.count(), 2);
/// assert_eq!(both.problems()[0].message(), "port in use");
/// assert!(both.to_string().starts_with("error: port in use\n"));
/// ```
///
/// `Display` is the full text for people; `Serialize` is the list for programs.
///
/// As an error it has no source: it is the whole story. Convert a single [`Problem`] into one with
/// `into()`. `Debug` is the full text too, so that `unwrap` in a test tells it to people.
#[derive(Clone)]
pub struct Report {
    problems: Vec<Problem>,
    more: usize,
}

/// How the text of a key that stands twice begins.
pub(crate) const DUPLICATE_KEY: &str = "duplicate key";

// === impl Problem ===

impl Problem {
    /// A problem that stands nowhere; see [`Section::problem`](crate::Section::problem) for one
    /// with a place.
    ///
    /// The message is one line, lower case, without a full stop; remedies belong into
    /// [`help`](Self::help).
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Problem;
    ///
    /// let problem = Problem::new("the port is taken").help("choose another one").note("by pid 7");
    /// assert_eq!(
    ///     problem.to_string(),
    ///     "error: the port is taken\n   = note: by pid 7\n   = help: choose another one\n",
    /// );
    /// ```
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
    ///
    /// Keys, variants, or one sentence. Long lists are cut when they are printed, not here.
    #[must_use]
    pub fn valid<S: Into<String>>(mut self, valid: impl IntoIterator<Item = S>) -> Self {
        self.valid = valid.into_iter().map(Into::into).collect();
        self
    }

    /// Adds what to do.
    ///
    /// The best help is the line to write. A second call replaces the first.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds a remark.
    ///
    /// Notes add up.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Adds the known word nearest to `word`, if one is near.
    ///
    /// It becomes "did you mean …?". What is near is the decision of [`nearest`](crate::nearest()).
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::Problem;
    ///
    /// let problem = Problem::new("unknown level").hint_nearest("wran", ["debug", "info", "warn"]);
    /// assert_eq!(problem.nearest_choice(), Some("warn"));
    /// ```
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
    ///
    /// A place without its source line; [`Section::problem`](crate::Section::problem) has both.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        if let Origin::File { line, column, .. } = &origin {
            (self.line, self.column) = (Some(*line), Some(*column));
        }
        self.origin = Some(origin);
        self
    }

    /// What is wrong, in one line.
    ///
    /// It need not name the path; the printed form adds it where it does not.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The path of the value, such as `services.counter.step`; empty for the whole file.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path as a JSON Pointer (RFC 6901) from the section at `section` on, such as `/tags/0`;
    /// empty for the section itself.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let text = "services: {mail: {hosts: [a, 1.5]}}";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let hosts = document.section(&["services", "mail", "hosts"]);
    /// let report = hosts.read::<Vec<u8>>().unwrap_err();
    /// assert_eq!(report.problems()[1].pointer("services.mail"), "/hosts/1");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    #[must_use]
    pub fn pointer(&self, section: &str) -> String {
        let below = self.path.strip_prefix(section).unwrap_or(&self.path);
        crate::path::keys_of(below).iter().fold(String::new(), |pointer, key| {
            format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
        })
    }

    /// Where it was written; `None` if it was written nowhere.
    ///
    /// A key that is missing has the place of the map that misses it.
    pub const fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Line and column from 1, in a file or in a request body.
    ///
    /// Columns count characters, as editors do.
    pub fn position(&self) -> Option<(u32, u32)> {
        self.line.zip(self.column)
    }

    /// The value, where it may be shown.
    ///
    /// As it is printed: text in quotes, numbers without, long ones cut. `None` means that there is
    /// none, or that it may be a secret; the two are not told apart.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What would be valid: keys, variants, or one sentence.
    ///
    /// All of them; the printed form lists at most [`MAX_LISTED`].
    pub fn valid_choices(&self) -> &[String] {
        &self.valid
    }

    /// The known word nearest to the one that was written.
    pub fn nearest_choice(&self) -> Option<&str> {
        self.nearest.as_deref()
    }

    /// The places of lower layers that this value overrides, nearest first.
    ///
    /// For the question "but I did set it": a higher layer had set it again, wrongly.
    pub fn overrides(&self) -> &[Origin] {
        &self.overrides
    }

    /// Remarks.
    ///
    /// Such as the variables that a value was made of, or the alias that it was used through.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Why it is so, as it is printed: [`notes`](Self::notes), [`overrides`](Self::overrides), and
    /// what would stand beside the mark where no line is shown.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let loader = Loader::new().text("a.yaml", Format::Yaml, "port: 1");
    /// let document = loader.text("b.yaml", Format::Yaml, "port: many").load()?;
    /// let report = document.section(&["port"]).read::<u16>().unwrap_err();
    /// assert_eq!(report.problems()[0].reasons(), ["overrides a.yaml:1:7"]);
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn reasons(&self) -> Vec<String> {
        render::reasons(self)
    }

    /// The line where it was written and the mark below it, as they are printed; empty where no
    /// line can be shown.
    ///
    /// As everything here, without what may be a secret.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let document = Loader::new().text("app.yaml", Format::Yaml, "port: many").load()?;
    /// let report = document.section(&["port"]).read::<u16>().unwrap_err();
    /// let expected = ["  |", "1 | port: many", "  |       ^^^^ expected a whole number"];
    /// let shown = report.problems()[0].excerpt();
    /// assert_eq!(shown[..2], expected[..2]);
    /// assert!(shown[2].starts_with(expected[2]));
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn excerpt(&self) -> Vec<String> {
        render::excerpt(self)
    }

    /// What to do.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The path of the value that it is about.
    pub(crate) fn in_path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// What stands beside the mark below the source line.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The value, for programs; the caller has decided that it may be shown.
    pub(crate) fn shown_value(mut self, value: Option<String>) -> Self {
        self.value = value;
        self
    }

    /// The places that the value overrides.
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

    /// Line and column, for a place whose origin has none: a request body.
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

    /// Says less: no line of the text is shown, and no key that stands twice.
    pub(crate) fn hide(&mut self) {
        self.snippet = None;
        if self.message.starts_with(DUPLICATE_KEY) {
            self.message = format!("{DUPLICATE_KEY} below a secret");
        }
    }

    /// Whether it is the same mistake at the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.message == other.message && self.path == other.path && self.origin == other.origin
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
    ///
    /// At least one, at most [`MAX_PROBLEMS`].
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// How many problems there are, those included that were only counted.
    ///
    /// More than `problems().len()` if some were only counted.
    pub const fn count(&self) -> usize {
        self.problems.len() + self.more
    }

    /// Joins two reports into one.
    ///
    /// The problems of `other` come after those of `self`, unsorted: a caller that reads section by
    /// section has an order of its own.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.more += other.more;
        for problem in other.problems {
            self.push(problem);
        }
        self
    }

    /// The full text, with terminal colours if `color` is set.
    ///
    /// At most [`MAX_PRINTED`](crate::limits::MAX_PRINTED) problems in full, then how many more
    /// there are. The colours are plain ANSI codes; whether the reader is a terminal is for the
    /// caller to know.
    pub fn render(&self, color: bool) -> String {
        render::report(self, color)
    }

    /// Problems that were found, in their order, and how many were only counted. There is at least
    /// one.
    pub(crate) fn of(problems: Vec<Problem>, more: usize) -> Self {
        Self { problems, more }
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

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\n{self}")
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
