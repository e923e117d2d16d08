//! Lines and columns of a text, for those who ask.
//!
//! # Invariants
//!
//! 1. Lines and columns start at 1; columns count characters, not bytes.
//! 2. A place is found by looking at no more than [`STEP`] bytes, however long a line is: a body is
//!    often one line, and a listing asks for every value of it.
//!
//! # Why not kept beside every value
//!
//! Most places are never told to anybody. Two numbers for each key and each value are a sixth of
//! what a tree weighs; one mark for every few lines of the text is a few hundredths of the text,
//! and is made only when the first place is told.

use crate::source::narrow;

/// Bytes between two marks.
const STEP: usize = 128;

/// Marks in a text.
pub(crate) struct Lines {
    /// Line and column, from 0, of each byte whose number is a multiple of [`STEP`].
    marks: Box<[(u32, u32)]>,
    /// Whether a carriage return alone ends a line, as YAML has it.
    returns: bool,
}

/// A place while it is counted.
#[derive(Clone, Copy, Default)]
struct Count {
    line: usize,
    column: usize,
}

// === impl Lines ===

impl Lines {
    pub(crate) fn of(text: &str, returns: bool) -> Self {
        let (bytes, mut count) = (text.as_bytes(), Count::default());
        let marks = (0..=bytes.len() / STEP).map(|mark| {
            let here = (narrow(count.line), narrow(count.column));
            let start = mark * STEP;
            count.pass(bytes, start, (start + STEP).min(bytes.len()), returns);
            here
        });
        Self { marks: marks.collect(), returns }
    }

    /// Line and column of a byte, both from 1.
    pub(crate) fn place(&self, text: &str, at: usize) -> (u32, u32) {
        let at = at.min(text.len());
        let mark = at / STEP;
        let (line, column) = self.marks[mark];
        let mut count = Count { line: line as usize, column: column as usize };
        count.pass(text.as_bytes(), mark * STEP, at, self.returns);
        (narrow(count.line + 1), narrow(count.column + 1))
    }
}

// === impl Count ===

impl Count {
    /// Goes over the bytes from `start` to `end`.
    fn pass(&mut self, bytes: &[u8], start: usize, end: usize, returns: bool) {
        for at in start..end {
            match bytes[at] {
                b'\n' => self.feed(),
                b'\r' if returns && bytes.get(at + 1) != Some(&b'\n') => self.feed(),
                // Bytes within a character begin with the bits `10`.
                byte => self.column += usize::from(byte & 0xC0 != 0x80),
            }
        }
    }

    const fn feed(&mut self) {
        self.line += 1;
        self.column = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, STEP};

    /// Compares every place with one that is counted from the beginning.
    #[track_caller]
    fn check(text: &str, returns: bool) {
        let lines = Lines::of(text, returns);
        let (mut line, mut column) = (1, 1);
        for (at, c) in text.char_indices() {
            assert_eq!(lines.place(text, at), (line, column), "{text:?} at {at}");
            let ends = c == '\n' || (returns && c == '\r' && !text[at..].starts_with("\r\n"));
            (line, column) = if ends { (line + 1, 1) } else { (line, column + 1) };
        }
        assert_eq!(lines.place(text, text.len()), (line, column));
        assert_eq!(lines.place(text, text.len() + 9), (line, column), "behind the end");
    }

    #[test]
    fn every_place_has_its_line_and_column() {
        for text in ["", "a", "\n", "a: ä\nb: 𝄞x\r\nc\rd\n", "\r", "\r\n\r\r\n"] {
            for times in [1, STEP / 3, STEP, 3 * STEP] {
                check(&text.repeat(times), true);
                check(&text.repeat(times), false);
            }
        }
    }
}
