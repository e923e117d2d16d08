//! Reads what applications answer.
//!
//! # Invariants
//!
//! 1. What is read to be shown is clean, keys included; only [`read_as_it_is`] reads the rest, and
//!    [`read_lines`] leaves line feeds.

use processpype_api::Answered;
use serde_json::{Map, Result, Value};

use crate::clean::{clean_lines, cleaned};

/// Reads JSON to be shown, with every text in it clean.
pub(crate) fn read<T: Answered>(json: &str) -> Result<T> {
    T::read(all_clean(serde_json::from_str(json)?, cleaned))
}

/// Reads JSON to be shown, with every text in it clean but for its lines, for who sees to those.
pub(crate) fn read_lines<T: Answered>(json: &str) -> Result<T> {
    T::read(all_clean(serde_json::from_str(json)?, |text| clean_lines(&text)))
}

/// Reads JSON as it is, for who takes care of its texts.
pub(crate) fn read_as_it_is<T: Answered>(json: &str) -> Result<T> {
    T::read(serde_json::from_str(json)?)
}

/// The same value with each text made clean by `clean`.
fn all_clean(json: Value, clean: fn(String) -> String) -> Value {
    match json {
        Value::String(it) => Value::String(clean(it)),
        Value::Array(it) => Value::Array(it.into_iter().map(|it| all_clean(it, clean)).collect()),
        Value::Object(it) => {
            let mut all = Map::new();
            for (key, value) in it {
                all.insert(clean(key), all_clean(value, clean));
            }
            Value::Object(all)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use processpype_api::{ErrorReport, Lagged, ServiceDetail, ServiceState};

    use super::*;

    #[test]
    fn every_text_is_clean_whatever_holds_it() {
        let json = r#"{"a\u001b":["\u001b[2J", {"b":"x\ny"}], "c":"\u202e", "d":"ä 1", "e":7}"#;
        let value: Value = read(json).expect("it is JSON");
        let expected =
            r#"{"a\\u{1b}":["\\u{1b}[2J",{"b":"x\\u{a}y"}],"c":"\\u{202e}","d":"ä 1","e":7}"#;
        assert_eq!(value.to_string(), expected);
        let value: Value = read_as_it_is(json).expect("it is JSON");
        assert_eq!(value["a\u{1b}"][0], "\u{1b}[2J");
    }

    #[test]
    fn every_shape_of_an_answer_is_read() {
        let service = r#"{"name": "db", "kind": "db", "state": "error", "metadata": {"a": "b"},
            "error": {"kind": "panic", "message": "no\u001b", "at": "2026-11-26T10:00:00.000Z"},
            "is_configured": true, "enabled": true, "ready": false, "completed": false,
            "generation": 1, "since": "2026-11-26T10:00:00.000Z", "desired": "running",
            "waiting_on": ["x"], "restart": null, "degraded": null, "last_error": null,
            "acted": null, "history": [], "tasks": 3, "newer": {"than": ["this"]}}"#;
        let detail: ServiceDetail = read(service).expect("a service");
        assert_eq!((detail.status.state, detail.tasks), (ServiceState::Error, 3));
        let plain = service.replace("\\u001b", "\\\\u{1b}");
        assert_eq!(detail, serde_json::from_str(&plain).expect("the same"));
        let error: ErrorReport = detail.status.error.expect("an error");
        assert_eq!(error.message, "no\\u{1b}");
    }

    #[track_caller]
    fn refused<T: Answered + std::fmt::Debug>(json: &str, expected: &str) {
        assert_eq!(read::<T>(json).expect_err("it is refused").to_string(), expected);
    }

    #[test]
    fn what_an_answer_cannot_be_is_refused() {
        refused::<Lagged>("[1]", "invalid type: sequence, expected struct Lagged");
        refused::<Vec<u64>>("{}", "invalid type: map, expected a sequence");
        refused::<String>("null", "invalid type: null, expected a string");
        refused::<ServiceState>("7", "invalid type: number, expected enum ServiceState");
        refused::<u16>("\"7\"", "invalid type: string \"7\", expected u16");
        refused::<u16>("[", "EOF while parsing a list at line 1 column 1");
    }
}
