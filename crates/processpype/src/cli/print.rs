//! Where the command line prints. Nothing else in this crate writes to standard output.
//!
//! What cannot be written is kept where it is said: [`written`](processpype_cli::written) tells.

use std::io::Write as _;

use processpype_core::each;

pub(super) use processpype_cli::say;
use processpype_telemetry::one_line;
use serde_json::json;

use crate::setup::SetupError;

/// Prints for people or, with `--json`, for programs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    pub(super) json: bool,
}

/// Prints an error to standard error.
pub(crate) fn say_error(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{}", with_prefix(text));
}

/// Escapes what a terminal obeys in each of several lines.
pub(super) fn clean_lines(text: &str) -> String {
    text.split('\n').map(one_line).collect::<Vec<_>>().join("\n")
}

fn with_prefix(text: &str) -> String {
    if text.starts_with("error") { text.to_owned() } else { format!("error: {text}") }
}

// === impl Printer ===

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn setup_error(self, error: &SetupError) {
        if !self.json {
            say_error(&clean_lines(&error.to_string()));
            return;
        }
        let plan = error.plan().map_or(&[][..], |plan| plan.problems());
        let plan: Vec<_> = each(plan, |problem| {
            json!({
                "code": problem.code.as_str(), "message": problem.message, "help": problem.help,
            })
        });
        let config = error.report().map_or(&[][..], |report| report.problems());
        say(&format!("{:#}", json!({ "ok": false, "config": config, "plan": plan })));
    }
}
