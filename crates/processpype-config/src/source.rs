//! Texts that values come from, and places in them.
//!
//! # Invariants
//!
//! 1. A source line leaves this module only through [`Spot::snippet`], masked: shown are keys that
//!    the parser recognised in the maps around the mark and those that code has chosen, the
//!    punctuation between values, and the one value in question if the caller says that it may be
//!    shown. Everything else becomes `···`, also comments.
//! 2. `Debug` shows names, never text.
//! 3. The happy path pays nothing: what may be shown is worked out when a problem is made.
//!
//! # Masking
//!
//! A report that shows the source line is worth ten that do not, and a source line can hold a
//! password two words to the right of the mistake. So a line is never copied. It is rebuilt,
//! character by character, and each one must have a reason to be shown:
//!
//! | character | shown |
//! |---|---|
//! | part of a key that the parser recognised, in a map that the mark is in | yes |
//! | part of any other key | if code has chosen it: it is in the schema |
//! | part of the value in question | if the caller says so, and it is no URL |
//! | part of any other value | no |
//! | punctuation and space between keys and values | yes |
//! | from a `#` outside of values on | no, the line ends there |
//! | after the place where the parser gave up | no, but for the colon after the last key |
//!
//! Each run of hidden characters becomes one `···`, whatever its length. To know what is a key and
//! what is a value, the text is parsed again when the first problem in it is made ([`Marks`]): a
//! second parse of a wrong file costs nothing that matters, and a right one is never parsed twice.
//!
//! # Places
//!
//! An [`At`] is 16 bytes: the text it belongs to, and the range in bytes. Lines and columns are
//! worked out for those that ask, with the help of [`Lines`].

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::limits::MAX_LINE_CHARS;
use crate::lines::Lines;
use crate::loader::Format;
use crate::marks::{Mark, Marks};
use crate::masked::Masked;
use crate::origin::Origin;
use crate::report::{DUPLICATE_KEY, Problem, Snippet};
use crate::{json, show, toml_tree, yaml};

/// Bytes before and after a mark that are looked at.
const WINDOW: usize = 4 * MAX_LINE_CHARS;

/// Punctuation between values that may be shown.
const HARMLESS: &str = " \t:,[]{}-=";

/// One text: a file, a request body, or a word from elsewhere.
///
/// Shared by every place in it, so a document keeps its texts for as long as it lives.
pub(crate) struct Source {
    kind: Kind,
    marks: OnceLock<Marks>,
    lines: OnceLock<Lines>,
}

enum Kind {
    /// A file or a body, with lines.
    Text { path: Option<PathBuf>, format: Format, text: String },
    /// A variable, a flag, …: a place without lines.
    Word(Origin),
}

/// A place in a source.
///
/// Comparing or printing one shows an origin, never text.
#[derive(Clone)]
pub(crate) struct At {
    source: Arc<Source>,
    span: Span,
}

/// A part of a text, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// A place in a source, to look at.
#[derive(Clone, Copy)]
pub(crate) struct Spot<'a> {
    source: &'a Arc<Source>,
    span: Span,
}

/// What of a line may be shown beside punctuation and the keys around the mark.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The value, or the key, that is marked.
    pub(crate) value: bool,
    /// The keys of maps that this is in, in place of the mark: below a secret that is the key of
    /// the secret, at a map as a whole what is in it.
    pub(crate) near: Option<Spot<'a>>,
    /// Keys that code has chosen, which are no secrets.
    pub(crate) words: &'a dyn Fn(&str) -> bool,
}

// === impl Source ===

impl Source {
    /// A configuration file, or a text in memory under a name.
    pub(crate) fn file(path: PathBuf, format: Format, text: String) -> Arc<Self> {
        Self::new(Kind::Text { path: Some(path), format, text })
    }

    /// The body of a request, which is JSON.
    pub(crate) fn body(text: String) -> Arc<Self> {
        Self::new(Kind::Text { path: None, format: Format::Json, text })
    }

    /// A variable or flag: it has an origin, and no text that could be shown.
    pub(crate) fn word(origin: Origin) -> Arc<Self> {
        Self::new(Kind::Word(origin))
    }

    fn new(kind: Kind) -> Arc<Self> {
        Arc::new(Self { kind, marks: OnceLock::new(), lines: OnceLock::new() })
    }

    /// The whole text; empty for a word.
    pub(crate) fn text(&self) -> &str {
        match &self.kind {
            Kind::Text { text, .. } => text,
            Kind::Word(_) => "",
        }
    }

    pub(crate) const fn is_body(&self) -> bool {
        matches!(self.kind, Kind::Text { path: None, .. })
    }

    /// Line and column of a byte, both from 1; the column in characters.
    fn line_and_column(&self, at: u32) -> (u32, u32) {
        let (text, at) = (self.text(), at as usize);
        let returns = matches!(self.kind, Kind::Text { format: Format::Yaml, .. });
        self.lines.get_or_init(|| Lines::of(text, returns)).place(text, at)
    }

    /// Parsed on first use.
    fn marks(&self) -> &Marks {
        self.marks.get_or_init(|| match &self.kind {
            Kind::Text { format: Format::Toml, text, .. } => toml_tree::marks(text),
            Kind::Text { format: Format::Json, text, .. } => json::marks(text),
            Kind::Text { format: Format::Yaml, text, .. } => yaml::marks(text),
            Kind::Word(_) => Marks::default(),
        })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Text { path, .. } => f.debug_tuple("Source").field(path).finish(),
            Kind::Word(origin) => f.debug_tuple("Source").field(origin).finish(),
        }
    }
}

// === impl At ===

impl At {
    /// A place by its bytes.
    pub(crate) fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        Self { source: Arc::clone(source), span: Span::new(range) }
    }

    /// A place by its bytes, which may be anywhere: it begins with a whole character.
    pub(crate) fn of_bytes(source: &Arc<Source>, range: Range<usize>) -> Self {
        let start = floor_char(source.text(), range.start);
        Self::new(source, start..range.end.max(start))
    }

    /// The whole of a source without lines, or its beginning.
    pub(crate) fn whole(source: &Arc<Source>) -> Self {
        Self::new(source, 0..0)
    }

    /// This place, to look at.
    pub(crate) const fn spot(&self) -> Spot<'_> {
        Spot { source: &self.source, span: self.span }
    }

    /// Another place in the same source.
    pub(crate) const fn beside(&self, span: Span) -> Spot<'_> {
        Spot { source: &self.source, span }
    }

    /// Whether both are places of one text, or one word.
    pub(crate) fn shares_source(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.source, &other.source)
    }

    /// The part of its source.
    pub(crate) const fn span(&self) -> Span {
        self.span
    }

    /// The outside of this place, for reports and listings.
    pub(crate) fn origin(&self) -> Origin {
        self.spot().origin()
    }

    /// Starts a problem here. The value at this place is shown only if `show` is set.
    pub(crate) fn problem(&self, message: impl Into<String>, show: bool) -> Problem {
        self.spot().problem(message, show)
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin())
    }
}

impl fmt::Debug for Spot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin())
    }
}

// === impl Span ===

impl Span {
    pub(crate) fn new(range: Range<usize>) -> Self {
        Self { start: narrow(range.start), end: narrow(range.end) }
    }

    /// How many bytes it has.
    pub(crate) const fn len(self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }
}

// === impl Spot ===

impl<'a> Spot<'a> {
    /// The place itself, to keep.
    pub(crate) fn at(self) -> At {
        At { source: Arc::clone(self.source), span: self.span }
    }

    /// The outside of this place, for reports and listings.
    pub(crate) fn origin(self) -> Origin {
        match &self.source.kind {
            Kind::Text { path: Some(path), .. } => {
                let (line, column) = self.line_and_column();
                Origin::file(path.clone(), line, column)
            }
            Kind::Text { path: None, .. } => Origin::Body,
            Kind::Word(origin) => origin.clone(),
        }
    }

    /// What is right before this place.
    pub(crate) fn before(self) -> Self {
        let start = self.range().start;
        Self { span: Span::new(start.saturating_sub(1)..start), ..self }
    }

    /// Whether it came over an API; asked for every scalar, so it makes no [`Origin`].
    pub(crate) fn was_sent(self) -> bool {
        match &self.source.kind {
            Kind::Text { path, .. } => path.is_none(),
            Kind::Word(origin) => origin.was_sent(),
        }
    }

    /// Whether this place is in a text with lines.
    pub(crate) fn has_lines(self) -> bool {
        matches!(self.source.kind, Kind::Text { .. })
    }

    /// The notation of what stands here; a variable or flag has none.
    pub(crate) fn format(self) -> Option<Format> {
        match &self.source.kind {
            Kind::Text { format, .. } => Some(*format),
            Kind::Word(_) => None,
        }
    }

    /// Whether this place is in the body of a request.
    pub(crate) fn is_of_body(self) -> bool {
        self.source.is_body()
    }

    /// Whether `${…}` means something here: in files and in flags, not in variables or bodies.
    pub(crate) fn interpolates(self) -> bool {
        matches!(
            self.source.kind,
            Kind::Text { path: Some(_), .. } | Kind::Word(Origin::CommandLine { .. })
        )
    }

    /// The text of this place as it was written, for finding something inside it.
    pub(crate) fn written(self) -> &'a str {
        self.within(0)
    }

    /// Whether `text` stands right before this place.
    pub(crate) fn is_after(self, text: &str) -> bool {
        self.source.text().get(..self.range().start).is_some_and(|before| before.ends_with(text))
    }

    /// The text of this place, less `inset` bytes at both ends.
    pub(crate) fn within(self, inset: u8) -> &'a str {
        let (Range { start, end }, inset) = (self.range(), usize::from(inset));
        self.source.text().get(start + inset..end.saturating_sub(inset)).unwrap_or_default()
    }

    /// How many bytes at both ends of this place stand around `text`, if it stands here: none, or
    /// a quote.
    pub(crate) fn inset_of(self, text: &str) -> Option<u8> {
        let quotes = self.range().len().wrapping_sub(text.len());
        let inset = u8::try_from(quotes / 2).ok().filter(|_| matches!(quotes, 0 | 2))?;
        (self.within(inset) == text).then_some(inset)
    }

    /// The part of this place that starts `offset` bytes in.
    pub(crate) fn part(self, range: Range<usize>) -> At {
        let start = self.range().start;
        At::of_bytes(self.source, start + range.start..start + range.end)
    }

    /// Starts a problem here. The value at this place is shown only if `show` is set.
    pub(crate) fn problem(self, message: impl Into<String>, show: bool) -> Problem {
        self.problem_with(message, Shown { value: show, near: None, words: &|_| false })
    }

    /// Starts a problem here that knows more of what its line may show.
    pub(crate) fn problem_with(self, message: impl Into<String>, shown: Shown<'_>) -> Problem {
        let problem = Problem::new(message).with_snippet(self.snippet(shown));
        if matches!(self.source.kind, Kind::Word(Origin::Default)) {
            return problem;
        }
        let problem = problem.at(self.origin());
        if !self.source.is_body() {
            return problem;
        }
        let (line, column) = self.line_and_column();
        problem.positioned(line, column)
    }

    /// The problem of a key that stands here a second time in its map.
    pub(crate) fn duplicate(self, key: &str, first: Self) -> Problem {
        let (key, _) = show::stranger(key);
        self.problem(format!("{DUPLICATE_KEY} `{key}`"), false)
            .label("written a second time")
            .help("remove one of the two")
            .note(format!("first written at {}", first.origin()))
    }

    /// In bytes of the text.
    fn range(self) -> Range<usize> {
        self.span.start as usize..self.span.end as usize
    }

    fn line_and_column(self) -> (u32, u32) {
        self.source.line_and_column(self.span.start)
    }

    /// The masked line, cut to the neighbourhood of the mark; `None` where there is no text.
    fn snippet(self, shown: Shown<'_>) -> Option<Snippet> {
        let text = self.source.text();
        if text.is_empty() {
            return None;
        }
        let range = self.range();
        let start = line_start(text, range.start);
        let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let end = if text[start..end].ends_with('\r') { end - 1 } else { end };
        // A line can be a whole file; only the neighbourhood of the mark is looked at.
        let start = start.max(floor_char(text, range.start.saturating_sub(WINDOW)));
        let end = end.min(floor_char(text, range.start.saturating_add(WINDOW)));
        // A URL may name a user and a password; then the line is masked like any other.
        let value = shown.value && !self.written().contains("://");
        let near = match shown.near {
            None => Some(range.start),
            Some(near) => Arc::ptr_eq(near.source, self.source).then(|| near.range().start),
        };
        let (marks, shown) = (self.source.marks(), Shown { value, ..shown });
        let line = Line { text, start, end, marks, shown, near };
        Some(line.snippet(range.start..range.end.min(end).max(range.start)))
    }
}

/// One line of a text, to be masked.
struct Line<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    marks: &'a Marks,
    shown: Shown<'a>,
    /// Where the maps are known to be harmless that contain it.
    near: Option<usize>,
}

// === impl Line ===

impl Line<'_> {
    /// Rebuilds the line, one character after the other.
    fn snippet(&self, meant: Range<usize>) -> Snippet {
        let spans = self.marks.within(self.start..self.end);
        let mut masked = Masked::default();
        for (at, c) in self.text[self.start..self.end].char_indices() {
            let at = self.start + at;
            if meant.contains(&at) {
                masked.in_mark = true;
            }
            if c == '#' && self.is_comment(at, spans) {
                break;
            }
            let is_shown = self.shown.value && meant.contains(&at);
            let hidden = !is_shown && self.is_hidden(at, c, spans);
            if at == meant.start {
                masked.mark_start(hidden);
            }
            masked.push(if c == '\t' || c.is_control() { ' ' } else { c }, hidden);
            masked.in_mark = false;
        }
        masked.finish()
    }

    /// Whether a character has no reason to be shown.
    fn is_hidden(&self, at: usize, c: char, spans: &[Mark]) -> bool {
        match Mark::at(spans, at) {
            Some(mark) => !mark.is_shown(self.text, self.near, self.shown.words),
            // Not understood: only the colon right after the last key is shown.
            None if at >= self.marks.until => self
                .text
                .get(self.start.max(self.marks.until)..at + c.len_utf8())
                .is_none_or(|run| run.chars().any(|c| !c.is_whitespace() && c != ':')),
            // Between two keys, as TOML writes paths.
            None if c == '.' => {
                let is_key = |at: usize| Mark::at(spans, at).is_some_and(Mark::is_key);
                !(is_key(at.saturating_sub(1)) && is_key(at + 1))
            }
            None => !HARMLESS.contains(c),
        }
    }

    /// A `#` between values, in the part that the parser understood.
    fn is_comment(&self, at: usize, spans: &[Mark]) -> bool {
        at < self.marks.until && Mark::at(spans, at).is_none()
    }
}

/// Files are bounded far below this.
pub(crate) fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// The nearest character's border at or before a byte.
fn floor_char(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The first byte of the line that a byte is in.
fn line_start(text: &str, at: usize) -> usize {
    let at = floor_char(text, at);
    text[..at].rfind('\n').map_or(0, |feed| feed + 1)
}
