//! Texts of others on a terminal: reasons, errors and metadata are whatever somebody wrote.
//!
//! # Invariants
//!
//! 1. What an answer is shown by has been read here: no control character of it reaches the
//!    terminal, and no text of it can be taken for another line. `--json` shows answers as they
//!    came.

use serde::de::DeserializeOwned;
use serde_json::Value;

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

/// Reads JSON, with every text in it clean.
pub(crate) fn read<T: DeserializeOwned>(json: &str) -> serde_json::Result<T> {
    let mut value: Value = serde_json::from_str(json)?;
    clean_all(&mut value);
    serde_json::from_value(value)
}

fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(obeys) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(clean_all),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains(obeys)) {
                *map = std::mem::take(map).into_iter().map(|(key, it)| (clean(&key), it)).collect();
            }
            map.values_mut().for_each(clean_all);
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn obeys(c: char) -> bool {
    c.is_control() || TURNS.iter().any(|range| range.contains(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_clean_whatever_holds_it() {
        let json = r#"{"a\u001b":["\u001b[2J", {"b":"x\ny"}], "c":"\u202e", "d":"ä 1", "e":7}"#;
        let value: Value = read(json).expect("it is JSON");
        let expected =
            r#"{"a\\u{1b}":["\\u{1b}[2J",{"b":"x\\u{a}y"}],"c":"\\u{202e}","d":"ä 1","e":7}"#;
        assert_eq!(value.to_string(), expected);
    }
}
