//! Texts of others on a terminal: reasons, errors and metadata are whatever somebody wrote.
//!
//! # Invariants
//!
//! 1. What an answer is shown by has been cleaned here: no control character of it reaches the
//!    terminal, and no text of it can be taken for another line. `--json` shows answers as they
//!    came.

/// What turns the direction of writing.
const TURNS: [std::ops::RangeInclusive<char>; 3] =
    ['\u{200e}'..='\u{200f}', '\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];

/// Escapes what a terminal obeys, and what turns the direction of writing.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        if obeys(c) { clean.extend(c.escape_unicode()) } else { clean.push(c) }
    }
    clean
}

/// Escapes the same in a text of several lines, which stay.
pub(crate) fn clean_lines(text: &str) -> String {
    text.split('\n').map(clean).collect::<Vec<_>>().join("\n")
}

/// The same for a text that is most likely clean already.
pub(crate) fn cleaned(text: String) -> String {
    if text.contains(obeys) { clean(&text) } else { text }
}

fn obeys(c: char) -> bool {
    c.is_control() || TURNS.iter().any(|range| range.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(clean("\u{1b}[2J x\ny"), "\\u{1b}[2J x\\u{a}y");
        assert_eq!(clean_lines("a\u{1b}[2J\r\nb\n"), "a\\u{1b}[2J\\u{d}\nb\n");
        for text in ["a\u{202e}b", "\u{7f}", "ä 1"] {
            assert_eq!(cleaned(text.to_owned()), clean(text));
        }
    }
}
