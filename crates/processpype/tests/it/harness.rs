//! What the tests have in common.

use std::path::Path;
use std::time::Duration;

use processpype::testing::{Act, Probe, Script, TestApp};
use processpype::{Event, Service, ServiceName};

/// A service that does nothing and runs until it is asked to stop.
pub(crate) struct Plain;

impl Service for Plain {}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A probe that does the same in every generation.
pub(crate) fn probe(start: Act, run: Act, stop: Act) -> Probe {
    Probe::new(vec![Script { start, run, stop }])
}

pub(crate) fn well_behaved() -> Probe {
    probe(Act::Serve, Act::Serve, Act::Serve)
}

/// Asserts the whole history of transitions.
#[track_caller]
pub(crate) fn assert_history(app: &TestApp, expected: &[&str]) {
    assert_eq!(app.transitions(), expected);
}

/// Returns the events that are no transitions, as `service: kind cause (message)`.
pub(crate) fn tales(app: &TestApp) -> Vec<String> {
    let events = app.manager().events(0, usize::MAX).events;
    let line = |event: &Event| {
        let service = event.service.as_ref()?;
        let message = event.message.as_ref().map_or(String::new(), |text| format!(" ({text})"));
        let other = event.from.is_none();
        other.then(|| format!("{service}: {} {}{message}", event.kind, event.cause))
    };
    events.iter().filter_map(|event| line(event)).collect()
}

/// Returns the last error of a service as `kind: message`.
#[track_caller]
pub(crate) fn last_error(app: &TestApp, service: &str) -> String {
    let status = app.manager().status(service).expect("the service is there");
    let error = status.last_error.as_ref().expect("it had an error");
    format!("{}: {}", error.kind, error.message)
}

/// Returns names as texts.
pub(crate) fn texts(names: &[ServiceName]) -> Vec<&str> {
    names.iter().map(ServiceName::as_str).collect()
}

/// Asserts that `text` is what the golden file says; `UPDATE_GOLDEN=1` writes it anew.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let folder = path.parent().expect("it has a folder");
        std::fs::create_dir_all(folder).expect("it can be made");
        std::fs::write(&path, text).expect("it can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, golden, "{name} differs; UPDATE_GOLDEN=1 writes it anew");
}
