//! SIGUSR1: all that is known, to standard error, when nothing else answers any more.
//!
//! # Invariants
//!
//! 1. It needs nobody: it has a thread and a clock of its own, reads snapshots, and writes past the
//!    log. So it answers when HTTP, the log or the supervisor hang; that the supervisor does is
//!    said.
//! 2. The text is bounded: [`SERVICES`], [`OPERATIONS`] and [`EVENTS`] lines, and a few more.
//! 3. It shows what the API shows, and nothing beyond.
//! 4. No text of a service or a client obeys the terminal, or can be taken for a line of this.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

#[cfg(unix)]
use futures_util::FutureExt as _;
use processpype_api::Timestamp as Time;
use processpype_core::{OperationId, ServiceName, sort_by};
use processpype_runtime::{Event, Manager, OperationState, OperationStatus, Status, Timestamp};
use processpype_telemetry::one_line;

/// How many services are shown, those that are not well before the others.
const SERVICES: usize = 1000;

/// How many operations that go on are shown, the oldest first.
const OPERATIONS: usize = 100;

/// How many of the last events are shown.
const EVENTS: usize = 20;

/// How long the supervisor has to show that it takes orders.
const PATIENCE: Duration = Duration::from_millis(500);

/// SIGUSR1 is listened for: it is kept until it is answered.
#[cfg(unix)]
pub(crate) struct Listening {
    runtime: tokio::runtime::Runtime,
    asked: tokio::signal::unix::Signal,
}

/// Listens for SIGUSR1. Before anything of the process can be seen from outside: a signal that
/// nobody listens for would end it. The same holds for SIGXFSZ, before anything is written.
#[cfg(unix)]
pub(crate) fn listen() -> std::io::Result<Listening> {
    use tokio::signal::unix::{SignalKind, signal};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let entered = runtime.enter();
    let asked = signal(SignalKind::user_defined1())?;
    crate::signals::outlive_file_limit()?;
    drop(entered);
    Ok(Listening { runtime, asked })
}

#[cfg(unix)]
impl Listening {
    /// Answers for as long as the process lives, on a thread of its own.
    pub(crate) fn answer(self, manager: Manager) -> std::io::Result<()> {
        let Self { runtime, mut asked } = self;
        crate::process::thread::start("processpype-dump", move || {
            let answering = async {
                while asked.recv().await.is_some() {
                    let answers = tokio::time::timeout(PATIENCE, manager.answers()).await;
                    let text = text(&manager, answers == Ok(true));
                    // There is nobody left to tell that this failed.
                    let _ = std::io::stderr().lock().write_all(text.as_bytes());
                }
            };
            runtime.block_on(answering.boxed());
        })
    }
}

/// There is no such signal here.
#[cfg(not(unix))]
pub(crate) struct Listening;

#[cfg(not(unix))]
pub(crate) fn listen() -> std::io::Result<Listening> {
    Ok(Listening)
}

#[cfg(not(unix))]
impl Listening {
    pub(crate) fn answer(self, _: Manager) -> std::io::Result<()> {
        Ok(())
    }
}

/// Renders all that is known.
fn text(manager: &Manager, answers: bool) -> String {
    let mut text = String::new();
    let supervisor = if answers { "answers" } else { "DOES NOT ANSWER" };
    let (now, state) = (time(manager.now()), manager.application_state());
    let _ = writeln!(text, "=== state at {now}: application {state}, supervisor {supervisor}");
    services(&mut text, manager.statuses().iter().map(std::convert::AsRef::as_ref).collect());
    let all = manager.operations(OperationId(0));
    let waiting: Vec<_> = all.iter().filter(|it| it.state() == OperationState::Waiting).collect();
    let _ = writeln!(text, "operations that go on: {}", waiting.len());
    for status in waiting.iter().take(OPERATIONS) {
        operation(&mut text, status);
    }
    let last = manager.last_event();
    let page = manager.events(last.saturating_sub(EVENTS as u64), EVENTS);
    let _ = writeln!(text, "last events of {last}:");
    for it in &page.events {
        event(&mut text, it);
    }
    text.push_str("=== end of state\n");
    text
}

fn services(text: &mut String, mut statuses: Vec<&Status>) {
    let _ = writeln!(text, "services: {}", statuses.len());
    let is_well = |it: &Status| it.ready || it.completed;
    sort_by(&mut statuses, |one, other| is_well(one).cmp(&is_well(other)));
    for status in statuses.iter().take(SERVICES) {
        let ready = if status.ready { "ready" } else { "not ready" };
        let _ = write!(
            text,
            "  {}#{} {} since {}, {ready}, desired {}",
            status.name,
            status.generation,
            status.state,
            time(status.since),
            status.desired.as_str()
        );
        if !status.waiting_on.is_empty() {
            let names: Vec<_> = status.waiting_on.iter().map(ServiceName::as_str).collect();
            let _ = write!(text, ", waits for {}", names.join(" "));
        }
        match status.restart {
            Some(restart) if restart.exhausted => text.push_str(", exhausted"),
            Some(restart) => {
                let at = restart.next_at.map_or_else(String::new, |at| time(at).to_string());
                let held = if restart.held { " (held)" } else { "" };
                let _ = write!(text, ", restart {}{held} at {at}", restart.attempt);
            }
            None => {}
        }
        if let Some(error) = &status.error {
            let _ = write!(text, ", {}: {}", error.kind, one_line(&error.message));
        }
        if let Some(degraded) = &status.degraded {
            let _ = write!(text, ", degraded: {}", one_line(degraded));
        }
        text.push('\n');
    }
    rest(text, statuses.len(), SERVICES);
}

fn operation(text: &mut String, status: &OperationStatus) {
    let service = status.service.as_ref().map_or("the application", ServiceName::as_str);
    let (id, verb, actor) = (status.id.0, status.verb, one_line(&status.actor));
    let at = time(status.accepted);
    let _ = writeln!(text, "  {id} {verb} {service} by {actor} at {at}");
}

fn event(text: &mut String, event: &Event) {
    let (seq, at, kind, cause) = (event.seq, time(event.time), event.kind, event.cause);
    let service = event.service.as_ref().map_or("", ServiceName::as_str);
    let _ = write!(text, "  {seq} {at} {kind} {service} {cause}");
    if let (Some(from), Some(to)) = (event.from, event.to) {
        let _ = write!(text, " {from} -> {to}");
    }
    if let Some(message) = &event.message {
        let _ = write!(text, ": {}", one_line(message));
    }
    text.push('\n');
}

fn rest(text: &mut String, all: usize, shown: usize) {
    if all > shown {
        let _ = writeln!(text, "  and {} more", all - shown);
    }
}

fn time(at: Timestamp) -> Time {
    Time(at.0)
}
