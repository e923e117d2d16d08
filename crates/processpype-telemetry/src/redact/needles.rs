//! The search for secrets in a text.
//!
//! # Invariants
//!
//! 1. A text without secrets costs one look at a table for each byte, however many secrets and ways
//!    of writing them there are, but where a byte is the first of some secret, or a `%`.
//! 2. Percent-encoding is undone while it is compared: how many characters an encoder encodes, and
//!    in which letter case, needs no form of its own.

use std::collections::BTreeSet;

use super::{MASK, MAX_SECRET_FORMS, MIN_SECRET_LINE_BYTES};

/// How many bytes of a text stand for one byte that is percent-encoded.
const ENCODED_BYTES: usize = 3;

/// The values to look for, ready for the search.
#[derive(Default)]
pub(crate) struct Needles {
    /// What is looked for byte by byte.
    exact: Shelf,
    /// What is looked for as it is or percent-encoded.
    encoded: Shelf,
    /// The bytes at which a look is worth it.
    begins: Begins,
}

/// Texts by their first byte, the longest of each byte first.
#[derive(Default)]
struct Shelf {
    texts: Vec<String>,
    /// For each byte that some text begins with: the byte, and where these texts end.
    ends: Vec<(u8, usize)>,
}

/// A set of bytes.
struct Begins([bool; 256]);

/// The texts that one secret is looked for as.
#[derive(Debug, Default, PartialEq)]
struct Forms {
    exact: Vec<String>,
    encoded: Vec<String>,
}

// === impl Needles ===

impl Needles {
    pub(super) fn new<'a, I: Iterator<Item = &'a str>>(secrets: I) -> Self {
        let (mut exact, mut encoded) = (BTreeSet::new(), BTreeSet::new());
        for secret in secrets {
            let forms = Forms::of(secret);
            exact.extend(forms.exact);
            encoded.extend(forms.encoded);
        }
        let (exact, encoded) = (Shelf::of(exact), Shelf::of(encoded));
        let begins = Begins::of(&exact, &encoded);
        Self { exact, encoded, begins }
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.encoded.texts.is_empty()
    }

    /// The most bytes that a secret takes in a text; 0 if there is none.
    pub(crate) fn longest(&self) -> usize {
        self.exact.longest().max(ENCODED_BYTES * self.encoded.longest())
    }

    /// Writes the first `limit` bytes of `text` with secrets masked; returns whether any was.
    ///
    /// A secret that begins before `limit` is found although it ends behind it. `limit` is the
    /// length of `text` or a character boundary in it.
    pub(crate) fn scrub(&self, text: &str, limit: usize, out: &mut String) -> bool {
        let limit = limit.min(text.len());
        let (mut shown, mut hidden_until, mut found) = (0, 0, false);
        for (at, byte) in text.as_bytes()[..limit].iter().enumerate() {
            if !self.begins.has(*byte) {
                continue;
            }
            let Some(length) = self.longest_at(&text.as_bytes()[at..]) else { continue };
            if at >= hidden_until {
                out.push_str(&text[shown..at]);
                out.push_str(MASK);
                found = true;
            }
            hidden_until = hidden_until.max(at + length);
            shown = hidden_until;
        }
        if shown < limit {
            out.push_str(&text[shown..limit]);
        }
        found
    }

    /// The length of the longest secret with which `bytes` begins, as it stands there.
    fn longest_at(&self, bytes: &[u8]) -> Option<usize> {
        let first = bytes.first()?;
        let exact = self.exact.beginning(*first).find(|text| bytes.starts_with(text.as_bytes()));
        let decoded = first_decoded(bytes).map_or(*first, |(byte, _)| byte);
        let space = (*first == b'+').then_some(b' ');
        let encoded = [Some(decoded), space].into_iter().flatten().filter_map(|first| {
            // Each byte of a secret is one unit of the text: the first is the longest.
            self.encoded.beginning(first).find_map(|text| encoded_length(bytes, text))
        });
        exact.map(String::len).into_iter().chain(encoded).max()
    }
}

/// The byte that `bytes` begin with, percent-encoding undone, and how many of them it takes.
fn first_decoded(bytes: &[u8]) -> Option<(u8, usize)> {
    match *bytes {
        [b'%', high, low, ..] => match (hex(high), hex(low)) {
            (Some(high), Some(low)) => Some((high << 4 | low, ENCODED_BYTES)),
            _ => Some((b'%', 1)),
        },
        [byte, ..] => Some((byte, 1)),
        [] => None,
    }
}

fn hex(digit: u8) -> Option<u8> {
    // A digit is less than 16.
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// How many of `bytes` are `plain`, as it is or percent-encoded; `None` if they begin otherwise.
fn encoded_length(bytes: &[u8], plain: &str) -> Option<usize> {
    let mut at = 0;
    for expected in plain.bytes() {
        let (byte, width) = first_decoded(&bytes[at..])?;
        let is_space = expected == b' ' && byte == b'+' && width == 1;
        if byte != expected && !is_space {
            return None;
        }
        at += width;
    }
    Some(at)
}

// === impl Forms ===

impl Forms {
    /// Every way in which `secret` may stand in a text.
    fn of(secret: &str) -> Self {
        let lines = secret.lines().map(str::trim);
        let lines = lines.filter(|line| line.len() >= MIN_SECRET_LINE_BYTES);
        let mut forms = Self::default();
        for plain in [secret, secret.trim()].into_iter().chain(lines) {
            let debug = format!("{plain:?}");
            for exact in [&debug[1..debug.len() - 1], &escaped_json(plain), plain] {
                // Where no `%` is, the comparison that decodes finds what the other would.
                if exact != plain || exact.contains('%') {
                    forms.exact.push(exact.to_owned());
                }
            }
            forms.encoded.push(plain.to_owned());
        }
        debug_assert!(forms.exact.len() <= MAX_SECRET_FORMS, "{} forms", forms.exact.len());
        forms
    }
}

/// `text` as it stands between the quotes of a JSON string.
fn escaped_json(text: &str) -> String {
    let mut out = String::new();
    crate::json::escape(&mut out, text);
    out
}

// === impl Shelf ===

impl Shelf {
    fn of(texts: BTreeSet<String>) -> Self {
        let first = |text: &String| text.bytes().next().unwrap_or_default();
        let mut texts: Vec<String> = texts.into_iter().collect();
        processpype_core::sort_by(&mut texts, |one, other| {
            first(one).cmp(&first(other)).then(other.len().cmp(&one.len()))
        });
        let mut ends: Vec<(u8, usize)> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            match ends.last_mut() {
                Some((byte, end)) if *byte == first(text) => *end = at + 1,
                _ => ends.push((first(text), at + 1)),
            }
        }
        Self { texts, ends }
    }

    /// Those that begin with `first`, the longest first.
    fn beginning(&self, first: u8) -> impl Iterator<Item = &String> {
        let found = self.ends.binary_search_by_key(&first, |(byte, _)| *byte);
        let range = found.map_or(0..0, |at| {
            let from = at.checked_sub(1).map_or(0, |before| self.ends[before].1);
            from..self.ends[at].1
        });
        self.texts[range].iter()
    }

    fn longest(&self) -> usize {
        self.texts.iter().map(String::len).max().unwrap_or_default()
    }
}

// === impl Begins ===

impl Begins {
    fn of(exact: &Shelf, encoded: &Shelf) -> Self {
        let mut set = Self::default();
        for (byte, _) in exact.ends.iter().chain(&encoded.ends) {
            set.0[usize::from(*byte)] = true;
        }
        set.0[usize::from(b'%')] = !encoded.ends.is_empty();
        set.0[usize::from(b'+')] |= encoded.beginning(b' ').next().is_some();
        set
    }

    fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte)]
    }
}

impl Default for Begins {
    fn default() -> Self {
        Self([false; 256])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needles(secret: &str) -> Needles {
        Needles::new(std::iter::once(secret))
    }

    #[track_caller]
    fn check(secret: &str, text: &str, expected: &str) {
        let mut out = String::new();
        needles(secret).scrub(text, text.len(), &mut out);
        assert_eq!(out, expected);
    }

    #[test]
    fn every_percent_encoding_is_found() {
        let secret = "p@ss w/é+~'(%41";
        for (_encoder, text) in [
            ("rfc 3986, curl", "p%40ss%20w%2F%C3%A9%2B~%27%28%2541"),
            ("lower case, curl before 8", "p%40ss%20w%2f%c3%a9%2b~%27%28%2541"),
            ("both cases", "p%40ss%20w%2f%C3%a9%2B~%27%28%2541"),
            ("form", "p%40ss+w%2F%C3%A9%2B%7E%27%28%2541"),
            ("encodeURIComponent", "p%40ss%20w%2F%C3%A9%2B~'(%2541"),
            ("encodeURI", "p@ss%20w/%C3%A9+~'(%2541"),
            ("everything", "%70%40%73%73%20%77%2F%C3%A9%2B%7E%27%28%25%34%31"),
            ("as it is", secret),
        ] {
            check(secret, &format!("?a={text}&b=%41"), "?a=***&b=%41");
            check(secret, text, "***");
        }
    }

    #[test]
    fn what_is_no_encoding_of_it_stays() {
        for text in ["a%2", "a%", "%61%2", "%6", "%", "%zz", "a%2Bbcd", "a-bcd", "%2561%20bcd"] {
            check("a bcd", text, text);
        }
        check("a+bcd", "a%20bcd", "a%20bcd");
        check(" a key ", "+a+key+ and a+key, a key", "*** and ***, ***");
        check("100%", "100% or 100%25", "*** or ***");
        check("a%41b", "a%41b a%2541b aAb", "*** *** aAb");
    }

    #[test]
    fn a_limit_may_lie_within_an_encoded_secret() {
        let needles = needles("ab cd");
        let text = "0123 %61b%20cd";
        for limit in 6..text.len() {
            let mut out = String::new();
            needles.scrub(text, limit, &mut out);
            assert_eq!(out, "0123 ***", "{limit}");
        }
        assert_eq!(needles.longest(), 15);
        let two = Needles::new(["ab cd", "much longer"].into_iter());
        assert_eq!(two.longest(), 33, "the longer one may be cut too");
    }

    #[test]
    fn the_forms_of_one_secret_are_bounded() {
        let lines = "\"%34567890123456\n".repeat(super::super::MAX_SECRET_BYTES / 17);
        let forms = Forms::of(&lines);
        assert!(forms.exact.len() > MAX_SECRET_FORMS - 9, "{}", forms.exact.len());
        assert!(forms.encoded.len() <= MAX_SECRET_FORMS / 3, "{}", forms.encoded.len());
        let alone = Forms { exact: Vec::new(), encoded: vec!["word".to_owned(); 2] };
        assert_eq!(Forms::of("word"), alone);
    }
}
