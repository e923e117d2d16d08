//! Log lines for people, as the application's own log shows them.
//!
//! # Invariants
//!
//! 1. No control character of what was logged reaches the terminal; the second line of a message
//!    cannot be taken for a record.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use processpype_api::{LogLevel, LogRecord};
use serde_json::Value;

use crate::clean::clean;
use crate::print::{BOLD, DIM};

/// What joins the lines of a message.
const CONTINUATION: &str = "\n    | ";

/// Shows one line of the log.
pub(crate) fn log_line(record: &LogRecord) -> String {
    let LogRecord { seq: _, time, level, target, service, generation, message, fields } = record;
    let style = style_of(*level);
    let word = level.as_str().to_ascii_uppercase();
    let mut line = format!("{DIM}{}{DIM:#} {style}{word:>5}{style:#} ", clean(time));
    if let Some(service) = service {
        let generation = generation.map_or(String::new(), |number| format!("#{number}"));
        let _ = write!(line, "{BOLD}{}{generation}{BOLD:#} ", clean(service));
    }
    let _ = write!(line, "{DIM}{}:{DIM:#} {}", clean(target), lines(message));
    for (name, value) in fields {
        let _ = write!(line, " {}={}", clean(name), field(value));
    }
    line
}

fn field(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let text = clean(text);
            if text.is_empty() || text.contains([' ', '=', '"']) {
                format!("{text:?}")
            } else {
                text
            }
        }
        other => other.to_string(),
    }
}

fn lines(message: &str) -> String {
    message.lines().map(clean).collect::<Vec<_>>().join(CONTINUATION)
}

fn style_of(level: LogLevel) -> Style {
    match level {
        LogLevel::Error => AnsiColor::Red.on_default().bold(),
        LogLevel::Warn => AnsiColor::Yellow.on_default(),
        LogLevel::Info => AnsiColor::Green.on_default(),
        LogLevel::Off | LogLevel::Debug | LogLevel::Trace => DIM,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let record: LogRecord = serde_json::from_str(json).expect("a record");
        assert_eq!(anstream::adapter::strip_str(&log_line(&record)).to_string(), expected);
    }

    #[test]
    fn lines_look_like_the_log() {
        check(
            r#"{"seq":1,"time":"T","level":"warn","target":"app","service":"db","generation":2,
                "message":"a\nb","fields":{"n":3,"peer":"x y","ok":true,"word":"w","none":""}}"#,
            "T  WARN db#2 app: a\n    | b n=3 none=\"\" ok=true peer=\"x y\" word=w",
        );
        check(
            r#"{"seq":1,"time":"T","level":"error","target":"app","message":"\u001b[2J\u202eX"}"#,
            "T ERROR app: \\u{1b}[2J\\u{202e}X",
        );
    }
}
