//! The lines of the file of events.
//!
//! # Invariants
//!
//! 1. A line fits into a record: of an event that does not, the texts are cut, and say so. So no
//!    event keeps those after it from the file.

use processpype_api::Event;
use processpype_journal::RECORD_MAX;
use serde::Serialize;

/// How many bytes are left of a text that makes an event longer than a record; as JSON, each may
/// take six.
const TEXT_LEFT: usize = 16 * 1024;

/// One line of the file.
#[derive(Serialize)]
struct Line<T> {
    run: u64,
    #[serde(flatten)]
    what: T,
}

/// Told in the place of events that are missing.
#[derive(Serialize)]
struct Lagged {
    kind: &'static str,
    cause: &'static str,
    lost: u64,
}

/// Renders an event of a run.
pub(super) fn event(run: u64, event: Event) -> String {
    let line = render(run, &event);
    if line.len() <= RECORD_MAX {
        return line;
    }
    let (actor, message) = (event.actor.map(cut), event.message.map(cut));
    render(run, &Event { actor, message, ..event })
}

/// Renders what stands in the place of so many events.
pub(super) fn lagged(run: u64, lost: u64) -> String {
    render(run, Lagged { kind: "journal", cause: "lagged", lost })
}

/// What is on the wire always can be rendered.
fn render<T: Serialize>(run: u64, what: T) -> String {
    serde_json::to_string(&Line { run, what }).unwrap_or_default()
}

fn cut(mut text: String) -> String {
    let all = text.len();
    if all > TEXT_LEFT {
        text.truncate(text.floor_char_boundary(TEXT_LEFT));
        text += &format!("… (cut here: it has {all} bytes)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An event with this actor and message.
    fn example(actor: &str, message: &str) -> Event {
        let json = serde_json::json!({
            "seq": 7, "time": "2026-11-26T10:00:00.000Z", "kind": "command", "cause": "given",
            "actor": actor, "message": message
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn of_an_event_that_is_too_long_the_texts_are_cut_and_say_so() {
        // Each character takes six bytes in JSON, and the cut meets one of three.
        let (control, wide) = ("\u{1}".repeat(RECORD_MAX), "€".repeat(RECORD_MAX));
        let line = event(3, example(&control, &wide));
        assert!(line.len() <= RECORD_MAX, "{}", line.len());
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&json["run"], &json["seq"], &json["cause"]),
            (&3.into(), &7.into(), &"given".into())
        );
        for (text, all) in [(&json["actor"], control), (&json["message"], wide)] {
            let text = text.as_str().unwrap();
            let (left, told) = text.split_once('…').unwrap();
            assert!(all.starts_with(left) && left.len() > TEXT_LEFT - 3, "{}", left.len());
            assert_eq!(told, format!(" (cut here: it has {} bytes)", all.len()));
        }
    }

    #[test]
    fn of_every_other_event_all_is_kept() {
        let message = "x".repeat(RECORD_MAX / 2);
        let json: serde_json::Value =
            serde_json::from_str(&event(3, example("ops", &message))).unwrap();
        assert_eq!(
            (json["actor"].as_str(), json["message"].as_str()),
            (Some("ops"), Some(&*message))
        );
    }
}
