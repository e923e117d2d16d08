//! A line as one JSON object, for programs.
//!
//! # Invariants
//!
//! 1. Every line is one valid JSON object (RFC 8259) and one newline, whatever the text in it.
//! 2. The keys and their order never change: `time level target service generation message
//!    fields`. `service` and `generation` are there inside a service, `fields` if there are any;
//!    what a user names `level` is inside `fields` and collides with nothing.

use std::fmt::Write as _;

use crate::{
    config::Level,
    layout::{Head, is_plain},
};

/// Digits of the second's fraction: microseconds.
pub(crate) const DIGITS: u32 = 6;

/// The digits of an escaped control character.
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes a whole line from its parts; `message` and `fields` are rendered already.
pub(crate) fn line(out: &mut String, head: &Head<'_>, message: &str, fields: &str) {
    out.push_str("{\"time\":\"");
    out.push_str(head.time);
    out.push_str("\",\"level\":\"");
    out.push_str(Level::from(head.level).as_str());
    out.push_str("\",\"target\":\"");
    escape(out, head.target);
    out.push('"');
    if let Some(service) = head.service {
        out.push_str(",\"service\":\"");
        escape(out, service);
        out.push('"');
    }
    if let Some(generation) = head.generation {
        // Writing to a String does not fail.
        let _ = write!(out, ",\"generation\":{generation}");
    }
    out.push_str(",\"message\":\"");
    out.push_str(message);
    out.push('"');
    if !fields.is_empty() {
        out.push_str(",\"fields\":{");
        out.push_str(fields);
        out.push('}');
    }
    out.push_str("}\n");
}

/// Appends `"name":value` to the rendered fields; a `bare` value is JSON already.
pub(crate) fn field(out: &mut String, name: &str, value: &str, bare: bool) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push('"');
    escape(out, name);
    out.push_str("\":");
    if bare {
        out.push_str(value);
    } else {
        out.push('"');
        escape(out, value);
        out.push('"');
    }
}

/// Writes `text` as it stands between the quotes of a JSON string.
pub(crate) fn escape(out: &mut String, text: &str) {
    let stands = |byte: u8| (byte >= 0x20) & (byte != b'"') & (byte != b'\\');
    if is_plain(text, stands) {
        out.push_str(text);
        return;
    }
    let mut shown = 0;
    for (at, byte) in text.bytes().enumerate() {
        if stands(byte) {
            continue;
        }
        // The byte is ASCII, so that both slices end at a character.
        out.push_str(&text[shown..at]);
        push_escape(out, byte);
        shown = at + 1;
    }
    out.push_str(&text[shown..]);
}

/// Writes the escape of one byte that must not stand in a JSON string.
fn push_escape(out: &mut String, byte: u8) {
    out.push('\\');
    match byte {
        b'"' | b'\\' => out.push(char::from(byte)),
        b'\n' => out.push('n'),
        b'\r' => out.push('r'),
        b'\t' => out.push('t'),
        _ => {
            out.push_str("u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let mut out = String::from("\"");
            escape(&mut out, &text);
            out.push('"');
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
