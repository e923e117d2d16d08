//! Answers for people.
//!
//! # Invariants
//!
//! 1. A view is a pure function of an answer and the paper it is written on.
//! 2. What is cut to fit is the end of the last column, and it ends in `…`.

mod level;
mod log;
mod metrics;
mod operation;
mod plan;
mod see;
pub(crate) mod status;
pub(crate) mod table;
mod why;

pub(crate) use self::level::{level, levels};
pub(crate) use self::log::log_line;
pub(crate) use self::metrics::metrics;
pub(crate) use self::operation::{foreseen, operation, operations, paused};
pub use self::plan::plan_text;
pub(crate) use self::see::{graph, info, timeline};
pub(crate) use self::status::{application, service, services};
pub(crate) use self::why::why;
use processpype_api::{Event, Timestamp};

use crate::print::{BOLD, DIM, style_of};

/// What a view is written on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Paper {
    /// How many columns there are; none = as many as are needed.
    pub(crate) width: Option<usize>,
    /// What time it is at the application.
    pub(crate) now: Option<Timestamp>,
}

/// Shows one event on one line.
pub(crate) fn event(event: &Event) -> String {
    let Event { seq, time, kind, service, generation, from, to, cause, .. } = event;
    let Event { actor, operation, message, .. } = event;
    let place = match (service, generation) {
        (Some(service), Some(generation)) => format!("{service}#{generation}"),
        (Some(service), None) => service.clone(),
        (None, _) => "application".to_owned(),
    };
    let what = match (from, to) {
        (Some(from), Some(to)) => {
            let style = style_of(*to);
            format!("{} → {style}{}{style:#} ({cause})", from.as_str(), to.as_str())
        }
        _ if kind == "application" => cause.clone(),
        _ if kind == "reload-refused" || kind == "reloaded" => kind.clone(),
        _ if service.is_none() => cause.clone(),
        _ => format!("{kind}: {cause}"),
    };
    let actor = actor.as_ref().map_or(String::new(), |actor| format!(", by {actor}"));
    let operation = operation.map_or(String::new(), |id| format!(" (operation {id})"));
    let message = message.as_ref().map_or(String::new(), |text| format!(": {text}"));
    format!("{DIM}{seq:>5} {time}{DIM:#} {BOLD}{place}{BOLD:#} {what}{actor}{operation}{message}")
}

/// Returns a span of time in its two largest units.
pub(crate) fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..10 if ms % 1000 >= 100 => format!("{seconds}.{}s", ms % 1000 / 100),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m{}s", seconds % 60),
        3600..86_400 => format!("{hours}h{}m", minutes % 60),
        _ => format!("{days}d{}h", hours % 24),
    }
}

// === impl Paper ===

impl Paper {
    /// Returns how long ago something was.
    pub(crate) fn ago(self, time: Timestamp) -> Option<String> {
        // The application's time comes in whole seconds.
        self.now.map(|now| span(now.0.saturating_sub(time.0) / 1000 * 1000))
    }

    /// Returns in how long something is.
    pub(crate) fn until(self, time: Timestamp) -> Option<String> {
        self.now.map(|now| span(time.0.saturating_sub(now.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        for (ms, expected) in [
            (0, "0s"),
            (5_000, "5s"),
            (9_950, "9.9s"),
            (59_999, "59s"),
            (125_000, "2m5s"),
            (7_260_000, "2h1m"),
            (180_000_000, "2d2h"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }
}
