//! The choice between the formats, made once when telemetry is built.
//!
//! # Invariants
//!
//! 1. A value reaches a format as clean text; formats escape, they do not hide.
//! 2. Whatever the format, a record ends with a newline, and no continuation line begins as a
//!    record does (see [`records`]).

use tracing::Level;

use crate::{
    json,
    text::{self, Palette},
};

/// How a line is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// For people.
    Text(Palette),
    /// For programs.
    Json,
}

/// What every line says before its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    /// RFC 3339, with as many digits as the layout shows.
    pub(crate) time: &'a str,
    /// How severe it is.
    pub(crate) level: Level,
    /// The module that logged.
    pub(crate) target: &'a str,
    /// The service inside which it was logged.
    pub(crate) service: Option<&'a str>,
    /// Which life of that service.
    pub(crate) generation: Option<u64>,
}

/// What a field's text was before it was text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A number or a truth value: a JSON literal as it stands.
    Bare,
    /// A string.
    Text,
    /// What `Debug` or `Display` wrote.
    Written,
}

/// Whether every byte of `text` is `plain`. Nearly all texts are, so that nobody looks at each
/// byte by itself.
pub(crate) fn is_plain(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    // Without a way out of a chunk, the compiler looks at all of its bytes at once.
    let all = |chunk: &[u8]| chunk.iter().fold(true, |all, byte| all & plain(*byte));
    let (chunks, rest) = text.as_bytes().as_chunks::<16>();
    chunks.iter().all(|chunk| all(chunk)) && all(rest)
}

/// How many records `bytes` begins, whatever their format.
pub(crate) fn records(bytes: &[u8]) -> u64 {
    let later = bytes.windows(2).filter(|pair| pair[0] == b'\n' && pair[1] != b' ').count();
    let first = usize::from(bytes.first().is_some_and(|first| *first != b' '));
    (first + later) as u64
}

// === impl Kind ===

impl Kind {
    /// Whether `value`, if it is not one word, reads better in quotes: what `Debug` wrote has
    /// quotes or brackets of its own.
    fn wants_quotes(self, value: &str) -> bool {
        match self {
            Self::Bare => false,
            Self::Text => true,
            Self::Written => !value.contains(['"', '(', '[', '{']),
        }
    }
}

// === impl Layout ===

impl Layout {
    /// Digits of the second's fraction that a line shows.
    pub(crate) fn digits(self) -> u32 {
        match self {
            Self::Text(_) => text::DIGITS,
            Self::Json => json::DIGITS,
        }
    }

    /// Renders a message, to be given to [`line`](Self::line).
    pub(crate) fn message(self, out: &mut String, message: &str) {
        match self {
            Self::Text(_) => text::message(out, message),
            Self::Json => json::escape(out, message),
        }
    }

    /// Appends a rendered field to those that will be given to [`line`](Self::line).
    pub(crate) fn field(self, out: &mut String, name: &str, value: &str, kind: Kind) {
        match self {
            Self::Text(palette) => text::field(out, palette, name, value, kind.wants_quotes(value)),
            Self::Json => json::field(out, name, value, kind == Kind::Bare),
        }
    }

    /// Writes a whole record, with its newline.
    pub(crate) fn line(self, out: &mut String, head: &Head<'_>, message: &str, fields: &str) {
        match self {
            Self::Text(palette) => text::line(out, palette, head, message, fields),
            Self::Json => json::line(out, head, message, fields),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_byte_anywhere_makes_a_text_not_plain() {
        for length in 0..50 {
            let plain = "x".repeat(length);
            assert!(is_plain(&plain, |byte| byte == b'x'), "{length}");
            for at in 0..length {
                let mut other = plain.clone();
                other.replace_range(at..=at, "y");
                assert!(!is_plain(&other, |byte| byte == b'x'), "{at} of {length}");
            }
        }
    }

    #[test]
    fn records_are_counted_by_their_beginnings() {
        for (bytes, expected) in
            [("", 0), ("2026 a\n", 1), ("2026 a\n    | more\n2026 b\n", 2), ("    | rest\n{}\n", 1)]
        {
            assert_eq!(records(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
