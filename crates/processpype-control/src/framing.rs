//! Whether a head gives its body a length, seen as its bytes come.
//!
//! A head with a length and a transfer coding is how one request is smuggled inside another: two
//! programs on the way may take different words for the end of the body. It ought to be refused
//! (RFC 9112, 6.3), but hyper takes the length out and goes by the coding alone, so that nobody
//! above it can tell.
//!
//! # Invariants
//!
//! 1. Only that there is a length is noted. What a head means is read once, by hyper.
//! 2. What comes after the head is only counted: it is a body, or a head that does not wait for the
//!    answer before it. After a length and a coding hyper closes the connection in any case.

/// The name of the header, as it begins its line.
const LENGTH: &[u8] = b"content-length:";

/// Looks for a length among the lines of a head.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    /// The step of the exchange whose head it is.
    step: u32,
    at: At,
}

/// What bytes of a head have shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// One of the lines says how long the body is.
    pub(crate) has_length: bool,
    /// How many bytes stand behind the head.
    pub(crate) behind: usize,
}

/// Where in the head the next byte is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// Before the first line; empty ones may precede it.
    #[default]
    Before,
    /// In a line that is not the one.
    Elsewhere,
    /// In a line that has begun with so many bytes of [`LENGTH`], perhaps none.
    Line(usize),
    /// After the carriage return of a line that is empty so far.
    Return,
    /// Behind it.
    Over,
}

// === impl Framing ===

impl Framing {
    /// Looks at the next bytes of the head that is read in `step`.
    pub(crate) fn look(&mut self, step: u32, mut bytes: &[u8]) -> Seen {
        if self.step != step {
            *self = Self { step, at: At::Before };
        }
        let mut seen = Seen::default();
        while let [first, rest @ ..] = bytes {
            (self.at, bytes) = match (self.at, first) {
                (At::Over, _) => {
                    seen.behind = bytes.len();
                    return seen;
                }
                (At::Before, b'\r' | b'\n') => (At::Before, rest),
                (At::Line(0) | At::Return, b'\n') => (At::Over, rest),
                (At::Line(0), b'\r') => (At::Return, rest),
                (At::Line(matched), _) => match continues(matched, bytes) {
                    Some((LENGTH_BYTES, rest)) => {
                        seen.has_length = true;
                        (At::Elsewhere, rest)
                    }
                    Some((matched, rest)) => (At::Line(matched), rest),
                    None => (At::Elsewhere, bytes),
                },
                (At::Before | At::Elsewhere | At::Return, _) => {
                    match memchr::memchr(b'\n', bytes) {
                        Some(end) => (At::Line(0), &bytes[end + 1..]),
                        None => (At::Elsewhere, &bytes[bytes.len()..]),
                    }
                }
            };
        }
        seen
    }
}

const LENGTH_BYTES: usize = LENGTH.len();

/// Returns how much of [`LENGTH`] the line has, of which it had `matched` before, and what is left
/// of the bytes.
fn continues(matched: usize, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let expected = &LENGTH[matched..];
    let (came, rest) = bytes.split_at(expected.len().min(bytes.len()));
    let is_it = came.eq_ignore_ascii_case(&expected[..came.len()]);
    is_it.then_some((matched + came.len(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at a head as a whole, byte by byte, and in every two parts.
    #[track_caller]
    fn check(head: &str, expected: bool) {
        let bytes = head.as_bytes();
        let whole = Framing::default().look(1, bytes);
        assert_eq!(whole.has_length, expected, "{head:?}");
        let mut framing = Framing::default();
        let single: Vec<Seen> = bytes.iter().map(|byte| framing.look(1, &[*byte])).collect();
        let found = single.iter().any(|seen| seen.has_length);
        assert_eq!(found, expected, "{head:?} byte by byte");
        let behind: usize = single.iter().map(|seen| seen.behind).sum();
        assert_eq!(behind, whole.behind, "{head:?} byte by byte");
        for at in 0..bytes.len() {
            let (one, other) = bytes.split_at(at);
            let mut framing = Framing::default();
            let (one, other) = (framing.look(1, one), framing.look(1, other));
            assert_eq!(one.has_length || other.has_length, expected, "{head:?} at {at}");
            assert_eq!(one.behind + other.behind, whole.behind, "{head:?} at {at}");
        }
    }

    #[test]
    fn lengths_are_found_in_heads_and_nowhere_else() {
        check("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", true);
        check("POST / HTTP/1.1\nCONTENT-LENGTH:1\n\n", true);
        check("\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n", true);
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", false);
        check("content-length: 1", false);
        check("GET /\r HTTP/1.1\r\nX: content-length: 1\r\nX-Content-Length: 1\r\n\r\n", false);
        check("GET / HTTP/1.1\r\nContent-Lengths: 1\r\nContent-Length\r\n\r\n", false);
        check("POST / HTTP/1.1\r\nHost: a\r\n\r\nContent-Length: 1\r\n", false);
        check("POST / HTTP/1.1\nHost: a\n\nx\nContent-Length: 1\n\n", false);
    }

    #[test]
    fn what_stands_behind_a_head_is_counted() {
        let behind = |text: &str| Framing::default().look(1, text.as_bytes()).behind;
        assert_eq!(behind("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
        assert_eq!(behind("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab\n\nc"), 5);
        assert_eq!(behind("POST / HTTP/1.1\nContent-Length: 9\nHost: a\n\nabc"), 3);
    }

    #[test]
    fn each_head_begins_anew() {
        let mut framing = Framing::default();
        assert!(!framing.look(1, b"GET / HTTP/1.1\r\n\r\n").has_length);
        assert!(!framing.look(1, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n").has_length);
        assert!(framing.look(4, b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\n").has_length);
    }
}
