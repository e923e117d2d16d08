//! The newest lines of one log.
//!
//! # Invariants
//!
//! 1. The newest line has the number `last`; the others the numbers before it, without gaps.
//! 2. `bytes` is what the lines take, and never more than the ring's bound.

use std::{collections::VecDeque, sync::Arc};

use super::{LogLine, Rendered, millis};
use crate::config::Level;

/// What a line takes beside its text: its place in a ring, and the counts of its allocation.
const LINE_OVERHEAD: usize = size_of::<Line>() + 2 * size_of::<usize>();

/// A line as it is kept; its text is shared.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) level: Level,
    /// Milliseconds since the epoch.
    pub(super) at: u64,
    message: u32,
    fields: u32,
    json: Arc<str>,
}

#[derive(Debug)]
pub(super) struct Ring {
    lines: VecDeque<Line>,
    last: u64,
    bytes: usize,
    most_lines: usize,
    most_bytes: usize,
}

// === impl Line ===

impl Line {
    pub(super) fn new(rendered: &Rendered<'_>) -> Self {
        let count = |bytes: usize| u32::try_from(bytes).unwrap_or(0);
        Self {
            level: Level::from(rendered.level),
            at: millis(rendered.at),
            message: count(rendered.message),
            fields: count(rendered.fields),
            json: rendered.json.strip_suffix('\n').unwrap_or(rendered.json).into(),
        }
    }

    fn bytes(&self) -> usize {
        self.json.len() + LINE_OVERHEAD
    }

    /// Puts the number before the rest of the object.
    pub(super) fn write_json(&self, out: &mut String, seq: u64) {
        use std::fmt::Write as _;
        // Writing to a String does not fail.
        let _ = write!(out, "{{\"seq\":{seq},");
        out.push_str(self.json.strip_prefix('{').unwrap_or(&self.json));
    }

    /// Whether the text, escaped as in a JSON string, is in the message or in the fields.
    pub(super) fn contains(&self, escaped: &str) -> bool {
        // `…"message":"MESSAGE","fields":{FIELDS}}`, or `…"message":"MESSAGE"}`.
        let (message, fields) = (self.message as usize, self.fields as usize);
        let tail = if fields == 0 { "\"}".len() } else { "}}".len() };
        let end = self.json.len() - tail;
        let after_message = if fields == 0 { 0 } else { fields + "\",\"fields\":{".len() };
        let begin = end - after_message - message;
        contains(&self.json[end - fields..end], escaped)
            || contains(&self.json[begin..begin + message], escaped)
    }
}

/// Whether `escaped` stands in `text`, both escaped as in a JSON string: not within an escape.
fn contains(text: &str, escaped: &str) -> bool {
    let (text, escaped) = (text.as_bytes(), escaped.as_bytes());
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with(escaped) {
            return true;
        }
        at += match (text[at], text.get(at + 1)) {
            (b'\\', Some(b'u')) => 6,
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    escaped.is_empty()
}

// === impl Ring ===

impl Ring {
    pub(super) fn new(most_lines: usize, most_bytes: usize) -> Self {
        Self { lines: VecDeque::new(), last: 0, bytes: 0, most_lines, most_bytes }
    }

    pub(super) fn push(&mut self, line: Line) {
        if self.lines.len() >= self.most_lines {
            self.drop_oldest();
        }
        self.last += 1;
        self.bytes += line.bytes();
        self.lines.push_back(line);
        while self.bytes > self.most_bytes {
            self.drop_oldest();
        }
    }

    /// Drops the oldest lines until the rest takes `bytes`, and gives their memory back.
    pub(super) fn shrink(&mut self, bytes: usize) {
        if self.bytes <= bytes {
            return;
        }
        while self.bytes > bytes {
            self.drop_oldest();
        }
        self.lines.shrink_to(self.lines.len() * 2);
    }

    fn drop_oldest(&mut self) {
        if let Some(line) = self.lines.pop_front() {
            self.bytes -= line.bytes();
        }
    }

    /// Returns the number of the newest line.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns how many lines are no longer kept.
    pub(super) fn dropped(&self) -> u64 {
        self.last - self.lines.len() as u64
    }

    /// Returns how many lines after `after` are no longer kept.
    pub(super) fn lost(&self, after: u64) -> u64 {
        self.dropped().saturating_sub(after)
    }

    /// Returns the time of the newest line that is kept.
    pub(super) fn newest(&self) -> u64 {
        self.lines.back().map_or(0, |line| line.at)
    }

    /// Returns the lines after `after`, oldest first.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = LogLine> {
        let first = self.dropped() + 1;
        let skip = after.saturating_add(1).saturating_sub(first);
        let lines = self.lines.iter().enumerate().skip(usize::try_from(skip).unwrap_or(usize::MAX));
        lines.map(move |(at, line)| LogLine { seq: first + at as u64, line: line.clone() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn line(json: &str, message: usize, fields: usize) -> Line {
        let (level, at) = (tracing::Level::INFO, UNIX_EPOCH);
        Line::new(&Rendered { service: None, level, at, json, message, fields })
    }

    #[track_caller]
    fn check(lines: usize, most: usize, after: u64, seqs: &[u64], lost: u64) {
        let mut ring = Ring::new(most, usize::MAX);
        (0..lines).for_each(|_| ring.push(line("{}\n", 0, 0)));
        assert_eq!(ring.after(after).map(|line| line.seq()).collect::<Vec<_>>(), seqs);
        assert_eq!((ring.lost(after), ring.last()), (lost, lines as u64));
    }

    #[test]
    fn numbers_have_no_gaps_and_losses_are_told() {
        check(0, 4, 0, &[], 0);
        check(3, 4, 0, &[1, 2, 3], 0);
        check(9, 4, 0, &[6, 7, 8, 9], 5);
        check(9, 4, 4, &[6, 7, 8, 9], 1);
        check(9, 4, 5, &[6, 7, 8, 9], 0);
        check(9, 4, 7, &[8, 9], 0);
        check(9, 4, 9, &[], 0);
        check(9, 4, u64::MAX, &[], 0);
    }

    #[test]
    fn bytes_are_bounded_and_a_line_that_is_too_long_counts_as_dropped() {
        let mut ring = Ring::new(100, 3 * (LINE_OVERHEAD + 10));
        (0..5).for_each(|_| ring.push(line("0123456789\n", 0, 0)));
        assert_eq!((ring.lines.len(), ring.dropped()), (3, 2));
        ring.push(line(&"x".repeat(1000), 0, 0));
        assert_eq!((ring.lines.len(), ring.bytes(), ring.dropped()), (0, 0, 6));
    }

    #[test]
    fn a_text_is_found_where_people_wrote_it() {
        let json = r#"{"target":"here","message":"a\nb é","fields":{"peer":"x\"y","n":12}}"#;
        let line = line(&format!("{json}\n"), r"a\nb é".len(), r#""peer":"x\"y","n":12"#.len());
        for (escaped, expected) in [
            (r"a\nb", true),
            ("b é", true),
            ("peer", true),
            (r#"x\"y"#, true),
            ("12", true),
            ("", true),
            // Part of the escape `\n`, not of the text.
            ("nb", false),
            ("here", false),
            ("fields", false),
            ("é,", false),
        ] {
            assert_eq!(line.contains(escaped), expected, "{escaped}");
        }
        let plain = super::tests::line("{\"message\":\"only\"}\n", 4, 0);
        assert!(plain.contains("only") && !plain.contains("message"));
    }
}
