//! A source line while it is rebuilt for a report, one character after the other.
//!
//! # Invariants
//!
//! 1. What is hidden leaves nothing behind but one [`MASK`] for each run of it: neither how much it
//!    is nor where in it the mark stands.
//! 2. A line that is too long is cut around the mark.
//!
//! # How it fits
//!
//! `source` decides for each character whether it has a reason to be shown, and gives it to a
//! [`Masked`]; what comes out is the line with the place of the mark in it, which is printed below.

use crate::limits::MAX_LINE_CHARS;
use crate::report::Snippet;

/// What stands in for everything that is not shown.
pub(crate) const MASK: &str = "···";

/// A line while it is masked.
#[derive(Default)]
pub(crate) struct Masked {
    out: Vec<char>,
    hiding: bool,
    before: Option<usize>,
    marked: usize,
    pub(crate) in_mark: bool,
}

// === impl Masked ===

impl Masked {
    /// The mark begins here; inside of a mask it stands below the mask's beginning.
    pub(crate) fn mark_start(&mut self, hidden: bool) {
        let inside_mask = if self.hiding && hidden { MASK.chars().count() } else { 0 };
        self.before = Some(self.out.len() - inside_mask);
    }

    /// Takes one character, or lets the mask stand for it.
    pub(crate) fn push(&mut self, c: char, hidden: bool) {
        let before = self.out.len();
        if !hidden {
            self.out.push(c);
        } else if !self.hiding {
            self.out.extend(MASK.chars());
        }
        self.hiding = hidden;
        if self.in_mark {
            self.marked += self.out.len() - before;
        }
    }

    /// Cuts what is too long around the mark.
    pub(crate) fn finish(mut self) -> Snippet {
        while self.out.last().is_some_and(|c| c.is_whitespace()) {
            self.out.pop();
        }
        let mut before = self.before.unwrap_or(self.out.len());
        let mut marked = self.marked.clamp(1, MAX_LINE_CHARS);
        if self.out.len() > MAX_LINE_CHARS {
            let from = before.saturating_sub(MAX_LINE_CHARS / 2);
            let to = (from + MAX_LINE_CHARS).min(self.out.len());
            self.out = self.out.drain(from..to).collect();
            before -= from;
            marked = marked.min((to - from).saturating_sub(before)).max(1);
        }
        Snippet { text: self.out.into_iter().collect(), before, marked }
    }
}
