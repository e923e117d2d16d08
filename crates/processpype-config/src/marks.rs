//! Where the keys and values of a text are, and which of its keys a report may show.
//!
//! # Invariants
//!
//! 1. A key is shown beside a mistake if it stands in a map that the mistake is in, or outermost,
//!    or if it is a word that code has chosen. Every other key may be one below a secret: which
//!    fields are secrets only their own schema says, and a line can hold sections of others.
//! 2. A key below a key that is named like a secret is shown only if code has chosen it.
//! 3. What stands behind a colon within a key was meant as a value, and is none of the key.
//!
//! # Example
//!
//! The mistake is the `x`; `pool.size` is in the schema, and `pin` is a map that is a secret:
//!
//! ```text
//! {user: u, pool: {size: 1}, pin: {hunter2: {}}, port: x}
//! {user: ···, pool: {size: ···}, pin: {···: {}}, port: x}
//! ```
//!
//! `user`, `pool`, `pin` and `port` stand in the map that the mistake is in; `size` is a word of
//! code; `hunter2` is neither. Were the mistake below `pin`, the key that counts as its place would
//! be `pin` itself: no key below a secret is shown because it is near.
//!
//! # How it fits
//!
//! The parsers go through a text a second time, once a problem in it is made, and note what they
//! see: [`Marking`] for those that see one thing after the other. TOML gives a tree, in which a
//! table without brackets has parts all over the file; of such a one, what stands on a line behind
//! one of its keys is that key's. `source` masks a line by all this.

use std::ops::Range;

use crate::show::names_a_secret;

/// Where the keys and values of a text are.
///
/// Empty for texts that no parser understands: then nothing is shown.
#[derive(Default)]
pub(crate) struct Marks {
    /// In the order of their starts.
    pub(crate) spans: Vec<Mark>,
    /// Bytes up to which the parser understood the text.
    pub(crate) until: usize,
}

/// A key or a scalar.
pub(crate) struct Mark {
    pub(crate) range: Range<usize>,
    /// Of a key: from where to where its map goes; empty below a key that is named like a secret.
    map: Option<Range<usize>>,
}

/// Notes keys and values one after the other.
///
/// For parsers that tell where each thing begins and ends, in the order of the text.
#[derive(Default)]
pub(crate) struct Marking {
    spans: Vec<Mark>,
    open: Vec<Open>,
}

/// A map or list that has not ended.
struct Open {
    start: usize,
    /// Where its keys are among the marks; `None` for a list.
    keys: Option<Vec<usize>>,
    /// What comes next is a key.
    takes_key: bool,
    /// It is below a key that is named like a secret.
    is_private: bool,
    /// Its last key is named like a secret.
    has_secret: bool,
}

// === impl Marks ===

impl Marks {
    /// The marks that touch a part of the text.
    pub(crate) fn within(&self, part: Range<usize>) -> &[Mark] {
        let first = self.spans.partition_point(|mark| mark.range.end <= part.start);
        let last = self.spans.partition_point(|mark| mark.range.start < part.end);
        self.spans.get(first..last).unwrap_or_default()
    }
}

// === impl Mark ===

impl Mark {
    /// The mark that contains a byte.
    pub(crate) fn at(marks: &[Self], at: usize) -> Option<&Self> {
        let first = marks.partition_point(|mark| mark.range.end <= at);
        marks.get(first).filter(|mark| mark.range.contains(&at))
    }

    /// A scalar, or what only looks like a key.
    ///
    /// It is never shown, but for the one that a report is about, where its caller says so.
    pub(crate) const fn value(range: Range<usize>) -> Self {
        Self { range, map: None }
    }

    /// A key of the map that goes over `map`, and what stands behind a colon in it.
    pub(crate) fn key(text: &str, range: Range<usize>, map: Range<usize>) -> [Option<Self>; 2] {
        let written = text.get(range.clone()).unwrap_or_default();
        let colon = written.find(':').filter(|at| at + 1 < written.trim_end_matches(QUOTES).len());
        let end = colon.map_or(range.end, |at| range.start + at + 1);
        let rest = colon.map(|_| Self::value(end..range.end));
        [Some(Self { range: range.start..end, map: Some(map) }), rest]
    }

    /// Whether it is a key, shown or not.
    pub(crate) const fn is_key(&self) -> bool {
        self.map.is_some()
    }

    /// Whether a report about what stands at `meant` may show it: `is_word` tells what code chose.
    pub(crate) fn is_shown(
        &self,
        text: &str,
        meant: Option<usize>,
        is_word: &dyn Fn(&str) -> bool,
    ) -> bool {
        let Some(map) = &self.map else { return false };
        let written = text.get(self.range.clone()).unwrap_or_default();
        meant.is_some_and(|at| map.contains(&at)) || is_word(written.trim_matches(QUOTES))
    }
}

/// What may stand around a key.
const QUOTES: [char; 2] = ['"', '\''];

// === impl Marking ===

impl Marking {
    /// Whether a word that comes now would be a key.
    pub(crate) fn takes_key(&self) -> bool {
        self.open.last().is_some_and(|open| open.takes_key)
    }

    /// A key; `name` is what it says, without quotes.
    pub(crate) fn key(&mut self, text: &str, range: Range<usize>, name: &str) {
        let Some(open) = self.open.last_mut() else { return };
        open.takes_key = false;
        open.has_secret = names_a_secret(name.split(':').next().unwrap_or_default());
        // How far the map goes is known at its end.
        let goes_to = if open.is_private { open.start } else { usize::MAX };
        open.keys.get_or_insert_default().push(self.spans.len());
        self.spans.extend(Mark::key(text, range, open.start..goes_to).into_iter().flatten());
    }

    /// A scalar that is no key.
    pub(crate) fn value(&mut self, range: Range<usize>) {
        self.spans.push(Mark::value(range));
        self.step();
    }

    /// A map or list begins.
    pub(crate) fn begin(&mut self, start: usize, is_map: bool) {
        let is_private = self.open.last().is_some_and(|open| open.is_private || open.has_secret);
        self.step();
        let keys = is_map.then(Vec::new);
        self.open.push(Open { start, keys, takes_key: is_map, is_private, has_secret: false });
    }

    /// The last map or list that began ends.
    pub(crate) fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        if open.is_private {
            return;
        }
        // Outermost are the names of sections, for whatever is wrong with the text.
        let end = if self.open.is_empty() { usize::MAX } else { end };
        for key in open.keys.unwrap_or_default() {
            self.spans[key].map = Some(open.start..end);
        }
    }

    /// What has no end yet goes on to the end of the text.
    pub(crate) fn finish(self, until: usize) -> Marks {
        Marks { spans: self.spans, until }
    }

    /// A whole node has begun: in a map, keys and values take turns.
    fn step(&mut self) {
        let Some(open) = self.open.last_mut() else { return };
        if open.keys.is_some() {
            open.has_secret &= !open.takes_key;
            open.takes_key = !open.takes_key;
        }
    }
}
