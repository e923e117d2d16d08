//! A line for people, with colours or without.
//!
//! # Invariants
//!
//! 1. A record begins at the start of a line with its time. What follows a line break in a message
//!    is indented ([`CONTINUATION`]), so that no message can forge a record.
//! 2. No control character, and no character that turns the direction of writing, leaves this
//!    module but the line breaks and colours that it sets itself.
//! 3. Without colours the same line has the same text.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use crate::{
    config::Level,
    layout::{Head, is_plain},
};

/// Digits of the second's fraction: milliseconds.
pub(crate) const DIGITS: u32 = 3;
/// What joins the lines of a message: the second and later begin with spaces, as no record does.
const CONTINUATION: &str = "\n    | ";

const FAINT: Style = Style::new().dimmed();
const SERVICE: Style = AnsiColor::Cyan.on_default().bold();

/// Whether a line has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Palette {
    /// None.
    Plain,
    /// The sixteen that every terminal has.
    Ansi,
}

/// Writes a whole record from its parts; `message` and `fields` are rendered already.
pub(crate) fn line(
    out: &mut String,
    palette: Palette,
    head: &Head<'_>,
    message: &str,
    fields: &str,
) {
    let level = Level::from(head.level);
    palette.paint(out, FAINT, |out| out.push_str(head.time));
    out.push(' ');
    palette.paint(out, style_of(level), |out| out.push_str(shout(level)));
    out.push(' ');
    if let Some(service) = head.service {
        palette.paint(out, SERVICE, |out| label(out, service, head.generation));
        out.push(' ');
    }
    palette.paint(out, FAINT, |out| {
        out.push_str(head.target);
        out.push(':');
    });
    for part in [message, fields] {
        if !part.is_empty() {
            out.push(' ');
            out.push_str(part);
        }
    }
    out.push('\n');
}

/// Appends `name=value` to the rendered fields; a text that is not one word is quoted.
pub(crate) fn field(out: &mut String, palette: Palette, name: &str, value: &str, quote: bool) {
    if !out.is_empty() {
        out.push(' ');
    }
    palette.paint(out, FAINT, |out| {
        out.push_str(name);
        out.push('=');
    });
    if quote && !is_word(value) {
        out.push('"');
        escape(out, value, true, "\\n");
        out.push('"');
    } else {
        escape(out, value, false, "\\n");
    }
}

/// Writes a message: its line breaks continue the record.
pub(crate) fn message(out: &mut String, text: &str) {
    escape(out, text.trim_end_matches('\n'), false, CONTINUATION);
}

/// Returns `text` as one line that a terminal shows and does not obey; for sinks other than the
/// log.
///
/// Line breaks, control characters, and what turns the direction of writing are escaped; everything
/// else stands as it is.
///
/// ```
/// use processpype_telemetry::one_line;
///
/// assert_eq!(one_line("as it is: \"ü\""), "as it is: \"ü\"");
/// assert_eq!(one_line("red \u{1b}[31m\r\n"), r"red \u{1b}[31m\r\n");
/// ```
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text, false, "\\n");
    out
}

/// Whether `text` reads as one word behind `name=`.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| !c.is_whitespace() && !matches!(c, '"' | '=' | '\\'))
}

/// Writes `text` with what a terminal might obey escaped, and, between quotes, those too.
fn escape(out: &mut String, text: &str, is_quoted: bool, newline: &str) {
    let also = |c| is_quoted && matches!(c, '"' | '\\');
    let stands = |byte: u8| (b' '..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\');
    if is_plain(text, stands) {
        out.push_str(text);
        return;
    }
    let mut shown = 0;
    for (at, c) in text.char_indices() {
        if !(is_unsafe(c) || also(c)) {
            continue;
        }
        out.push_str(&text[shown..at]);
        shown = at + c.len_utf8();
        match c {
            '\n' => out.push_str(newline),
            '"' | '\\' => out.extend(['\\', c]),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            _ => out.extend(c.escape_unicode()),
        }
    }
    out.push_str(&text[shown..]);
}

/// Whether a terminal could obey `c` instead of showing it.
fn is_unsafe(c: char) -> bool {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}');
    let isolates = |c| matches!(c, '\u{2066}'..='\u{2069}');
    let breaks = |c| matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || turns(c) || isolates(c) || breaks(c)
}

/// The colour of a level.
fn style_of(level: Level) -> Style {
    match level {
        Level::Error => AnsiColor::Red.on_default().bold(),
        Level::Warn => AnsiColor::Yellow.on_default(),
        Level::Info => AnsiColor::Green.on_default(),
        Level::Debug => AnsiColor::Blue.on_default(),
        Level::Trace | Level::Off => FAINT,
    }
}

// === impl Palette ===

impl Palette {
    /// Writes what `text` writes in `style`, if there are colours.
    fn paint(self, out: &mut String, style: Style, text: impl FnOnce(&mut String)) {
        match self {
            Self::Plain => text(out),
            Self::Ansi => {
                // Writing to a String does not fail.
                let _ = write!(out, "{style}");
                text(out);
                let _ = write!(out, "{style:#}");
            }
        }
    }
}

/// A level in capitals, five columns wide.
fn shout(level: Level) -> &'static str {
    match level {
        Level::Off => "  OFF",
        Level::Error => "ERROR",
        Level::Warn => " WARN",
        Level::Info => " INFO",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    }
}

/// Writes a service and its generation, `counter#3`.
fn label(out: &mut String, service: &str, generation: Option<u64>) {
    escape(out, service, false, "\\n");
    if let Some(generation) = generation {
        // Writing to a String does not fail.
        let _ = write!(out, "#{generation}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, quoted: &str, raw: &str) {
        for (quote, expected) in [(true, quoted), (false, raw)] {
            let mut out = String::new();
            field(&mut out, Palette::Plain, "f", value, quote);
            assert_eq!(out, format!("f={expected}"));
        }
    }

    #[test]
    fn values_are_quoted_when_they_must_be() {
        check("word", "word", "word");
        check("two words", "\"two words\"", "two words");
        check("", "\"\"", "");
        check("a=b", "\"a=b\"", "a=b");
        check("say \"hi\"", "\"say \\\"hi\\\"\"", "say \"hi\"");
    }

    #[test]
    fn nothing_a_terminal_obeys_gets_through() {
        check("a\u{1b}[31mb", "a\\u{1b}[31mb", "a\\u{1b}[31mb");
        check("a\nb", "\"a\\nb\"", "a\\nb");
        check("a\r\tb", "\"a\\r\\tb\"", "a\\r\\tb");
        check("\u{202e}x\u{9b}", "\\u{202e}x\\u{9b}", "\\u{202e}x\\u{9b}");
    }

    #[test]
    fn a_message_of_several_lines_stays_one_record() {
        let mut out = String::new();
        message(&mut out, "first\n2026-01-01 forged\r\n");
        assert_eq!(out, format!("first{CONTINUATION}2026-01-01 forged\\r"));
    }
}
