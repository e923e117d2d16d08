//! How values and paths are written in reports.
//!
//! # Invariant
//!
//! Only [`value`] turns a value of the configuration into text for people; it shortens it and hides
//! the user information of URLs. Whether it may be called is the caller's decision.
//!
//! # A second line of defence
//!
//! A type can forget to say that it holds a secret: `password: String` compiles. So values are
//! judged by the name of their key as well ([`names_a_secret`]), on every key of the path, and the
//! user information of a URL is taken out wherever a value is printed. Both are guesses, and only
//! ever hide more.

use std::borrow::Cow;

use processpype_core::SECRET_WORDS;

use crate::limits::MAX_SHOWN_CHARS;
use crate::masked::MASK;
use crate::node::{Kind, Node, Style};
use crate::types::Types;

/// A value in quotes, shortened, on one line.
///
/// Control characters are escaped, so that a value cannot draw on the reader's terminal.
pub(crate) fn value(text: &str) -> String {
    let text = without_userinfo(text);
    let mut out = String::from("\"");
    for (at, c) in text.chars().enumerate() {
        if at == MAX_SHOWN_CHARS {
            out.push('…');
            break;
        }
        match c {
            '"' => out.push('"'),
            c => out.extend(c.escape_debug()),
        }
    }
    out.push('"');
    out
}

/// A value as it was meant: numbers without quotes, unless they were written with quotes.
pub(crate) fn value_of(node: &Node, text: &str) -> String {
    let is_quoted = matches!(node.kind(), Kind::Scalar(_, Style::Quoted));
    let numbers = Types::WHOLE.or(Types::NUMBER);
    let is_number = numbers.decide(&Cow::Borrowed(text), Style::Plain).is_some();
    if is_number && !is_quoted && text.len() <= MAX_SHOWN_CHARS {
        return text.to_owned();
    }
    value(text)
}

/// `postgres://user:password@host` → `postgres://···@host`.
///
/// Up to the last `@` before the path: a password may contain one. One that holds what begins a
/// path is seen too, by the colon before it that no port follows.
pub(crate) fn without_userinfo(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let authority = after.find(['/', '?', '#']).unwrap_or(end).min(end);
        rest = after;
        let in_path = || after[..end].rfind('@').filter(|_| has_password(&after[..authority]));
        if let Some(sign) = after[..authority].rfind('@').or_else(in_path) {
            out.push_str("···");
            rest = &after[sign..];
        }
    }
    out.push_str(rest);
    out
}

/// Whether what stands before the path of a URL ends in the beginning of a password.
fn has_password(authority: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    authority.rsplit_once(':').is_some_and(|(_, last)| !is_port(last) && !last.ends_with(']'))
}

/// Whether a key's name says that its value is a secret.
///
/// The word must begin or end the key, so that `token` and `api_token` count and `max_tokens` does
/// not.
pub(crate) fn names_a_secret(key: &str) -> bool {
    let key = key.as_bytes();
    let (Some(first), Some(last)) = (key.first(), key.last()) else { return false };
    // Most keys have neither the first letter of such a word nor the last one.
    let may_begin = matches!(first.to_ascii_lowercase(), b'a' | b'c' | b'd' | b'p' | b's' | b't');
    let may_end =
        matches!(last.to_ascii_lowercase(), b'd' | b'e' | b'l' | b'n' | b's' | b't' | b'y');
    (may_begin || may_end) && SECRET_WORDS.iter().any(|word| has_word(key, word.as_bytes()))
}

/// Whether `word` begins or ends `key`; asked for every scalar, so it must not allocate.
///
/// Case does not count, nor does `-` for `_`; a word in the middle of a key does not count either.
fn has_word(key: &[u8], word: &[u8]) -> bool {
    let (Some(rest), Some(ends)) = (key.len().checked_sub(word.len()), word.last()) else {
        return false;
    };
    // Most keys differ from each word in the first and in the last letter.
    let begins = is_same(key[0], word[0]) && is_all_same(&key[..word.len()], word);
    let is_border = |at: usize| is_same(key[at], b'_');
    if begins && (rest == 0 || is_border(word.len()) || is_hump(key, word.len())) {
        return true;
    }
    let ends = is_same(key[key.len() - 1], *ends) && is_all_same(&key[rest..], word);
    ends && (rest == 0 || is_border(rest - 1) || is_hump(key, rest))
}

/// Whether a word begins there as in `accessToken`.
fn is_hump(key: &[u8], at: usize) -> bool {
    key[at].is_ascii_uppercase() && key[at - 1].is_ascii_lowercase()
}

fn is_all_same(part: &[u8], word: &[u8]) -> bool {
    part.iter().zip(word).all(|(a, b)| is_same(*a, *b))
}

fn is_same(written: u8, word: u8) -> bool {
    written.eq_ignore_ascii_case(&word) || (written == b'-' && word == b'_')
}

/// An unknown key as it may be shown, and what to do if it is none.
///
/// `{password:hunter2}`, without a space, is a key and no value in YAML: what stands behind the
/// colon was meant as the value, and may be a secret. Control characters are escaped, and what is
/// long is cut.
pub(crate) fn stranger(key: &str) -> (Cow<'_, str>, Option<&'static str>) {
    match key.split_once(':') {
        Some((word, value)) if !value.is_empty() => {
            (Cow::Owned(format!("{}:···", word_of(word))), Some("put a space after the colon"))
        }
        _ => (word_of(key), None),
    }
}

/// What to do about a key that is written like a path: each part is a key of its own.
pub(crate) fn nested(key: &str, known: &[&str]) -> Option<String> {
    let (outer, inner) = key.split_once('.')?;
    known.contains(&outer).then(|| format!("write `{inner}` below `{outer}:`, as a key of its own"))
}

/// One line, not too long, that cannot draw on the reader's terminal.
fn word_of(key: &str) -> Cow<'_, str> {
    let is_short = key.len() <= MAX_SHOWN_CHARS || key.chars().nth(MAX_SHOWN_CHARS).is_none();
    if is_short && !key.chars().any(char::is_control) {
        return Cow::Borrowed(key);
    }
    let mut word: String = key.chars().take(MAX_SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if !is_short {
        word.push('…');
    }
    Cow::Owned(word)
}

/// Joins a path and a key; keys that would be ambiguous are quoted.
///
/// `[0]` is an item of a list and takes no dot.
pub(crate) fn join(path: &str, key: &str) -> String {
    let simple = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    let simple = simple || key == MASK;
    let is_item = key.starts_with('[') && key.ends_with(']');
    let key = if simple || is_item { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() || is_item { format!("{path}{key}") } else { format!("{path}.{key}") }
}

#[cfg(test)]
mod tests {
    use super::{join, names_a_secret, value};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(value(text), expected);
    }

    #[test]
    fn values_are_short_and_without_userinfo() {
        check("fast", "\"fast\"");
        check("a\nb", "\"a\\nb\"");
        check("http://u:p@h/x", "\"http://···@h/x\"");
        check("a http://u:p@x@h b://c@d", "\"a http://···@h b://···@d\"");
        check("pg://app:x/Y9@db/app", "\"pg://···@db/app\"");
        check("http://h:80/a@b http://[::1]/a@b", "\"http://h:80/a@b http://[::1]/a@b\"");
        check(&"x".repeat(90), &format!("\"{}…\"", "x".repeat(80)));
    }

    #[test]
    fn names_of_secrets() {
        assert!(names_a_secret("db_password") && names_a_secret("API-Key"));
        assert!(!names_a_secret("max_tokens") && !names_a_secret("port"));
        assert!(names_a_secret("accessToken") && names_a_secret("passwordFile"));
        assert!(!names_a_secret("maxTokens") && !names_a_secret("tokenize"));
        for &word in super::SECRET_WORDS {
            for key in [word.to_owned(), format!("x_{word}"), format!("{word}-1")] {
                assert!(names_a_secret(&key) && names_a_secret(&key.to_uppercase()), "{key}");
            }
            assert!(!names_a_secret(&format!("x{word}")) && !names_a_secret(&format!("{word}x")));
        }
    }

    #[test]
    fn paths_quote_what_is_ambiguous() {
        assert_eq!(join("a", "b-c"), "a.b-c");
        assert_eq!(join("a", "b.c"), "a.\"b.c\"");
        assert_eq!(join("a", "[0]"), "a[0]");
    }
}
