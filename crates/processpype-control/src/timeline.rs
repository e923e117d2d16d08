//! How the start really was, read from the journal.
//!
//! # Invariants
//!
//! 1. [`timeline`] is a pure function of events and layout. It says nothing that the events do not
//!    say: a service whose first start the journal no longer has is without times.
//! 2. A generation that ran was ready from then on unless the journal says otherwise.

use std::collections::{BTreeSet, HashMap};

use axum::http::HeaderMap;
use axum::response::Response;
use processpype_api::{Event, ServiceState, Timeline, TimelineService, Timestamp};
use processpype_core::ServiceState::Running;
use processpype_core::{EdgePolicy, EventKind, SortedMap, each, sort_by};
use processpype_runtime::{EVENTS_KEPT, Layout};

use crate::convert;
use crate::reply::Rendered;
use crate::server::Control;

/// Answers `GET /timeline`.
pub(crate) fn respond(control: &Control, headers: &HeaderMap) -> Response {
    // A status is published before its event: of the journal, the newest number is the version.
    let version = || control.manager.last_event();
    control.timeline.get(version, || Rendered::json(&now(control))).respond(headers)
}

fn now(control: &Control) -> Timeline {
    let page = control.manager.events(0, EVENTS_KEPT);
    let events: Vec<Event> = each(&page.events, |event| convert::event(event));
    let unready = |name: &str| {
        let status = control.manager.status(name);
        status.filter(|it| it.state == Running && !it.ready).map(|it| it.generation.0)
    };
    timeline(&Places::of(&control.manager.layout()), &events, page.lost, unready)
}

/// Who is there, and who must be ready before.
struct Places {
    names: Vec<String>,
    oneshot: BTreeSet<String>,
    providers: SortedMap<String, Vec<String>>,
}

/// What the journal has of the first start of one service.
#[derive(Clone, Debug, Default)]
struct Marks {
    attempts: u32,
    waited_until: Option<Timestamp>,
    started: Option<(u64, Timestamp)>,
    ready: Option<Timestamp>,
    /// Whether the first word about readiness came, and was the generation's own.
    said: bool,
    failed: bool,
}

/// Reads the start of the application. `unready` names the generation of a service that runs now
/// and is not ready.
fn timeline(
    places: &Places,
    events: &[Event],
    lost: u64,
    unready: impl Fn(&str) -> Option<u64>,
) -> Timeline {
    let of_application = |cause: &str| {
        let is_it = |event: &&Event| event.service.is_none() && event.cause == cause;
        let found = events.iter().find(is_it).filter(|_| lost == 0 || cause != "starting");
        found.map(|event| event.time)
    };
    let (started_at, settled_at) = (of_application("starting"), of_application("settled"));
    let mut marks: HashMap<&str, Marks> = HashMap::new();
    for event in events {
        if let Some(name) = event.service.as_deref() {
            let oneshot = places.oneshot.contains(name);
            marks.entry(name).or_default().take(event, oneshot);
        }
    }
    for (name, marks) in &mut marks {
        marks.finish(unready(name));
    }
    let row = |name: &String| marks.get(name.as_str()).cloned().unwrap_or_default();
    let mut services: Vec<TimelineService> =
        each(&places.names, |name| row(name).into_row(name, started_at));
    // Those that never began come last.
    let begun = |row: &TimelineService| (row.waited_until.is_none(), row.waited_until);
    sort_by(&mut services, |one, other| begun(one).cmp(&begun(other)));
    let note = (lost > 0).then(|| {
        format!(
            "the journal no longer has its first {lost} events: what they told of the start is \
             missing"
        )
    });
    Timeline {
        complete: lost == 0 && settled_at.is_some(),
        note: note.or_else(|| settled_at.is_none().then(|| "the start is not over".to_owned())),
        started_at,
        settled_at,
        took_ms: span(started_at, settled_at),
        critical_path: critical(places, &services),
        services,
    }
}

/// Follows what was ready last to what it had waited for.
fn critical(places: &Places, services: &[TimelineService]) -> Vec<String> {
    let times: HashMap<&str, Timestamp> =
        services.iter().filter_map(|row| Some((row.service.as_str(), row.ready?))).collect();
    let ready = |name: &str| times.get(name).copied();
    let last = services.iter().filter(|row| row.ready.is_some()).max_by_key(|row| row.ready);
    let mut path: Vec<String> = last.map(|row| row.service.clone()).into_iter().collect();
    while let Some(current) = path.last() {
        let providers = places.providers.get(current).map_or(&[][..], Vec::as_slice).iter();
        let slowest = providers.filter(|name| ready(name).is_some()).max_by_key(|name| ready(name));
        match slowest {
            Some(next) if !path.contains(next) => path.push(next.clone()),
            _ => break,
        }
    }
    path.reverse();
    path
}

fn span(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<u64> {
    Some(to?.0.saturating_sub(from?.0))
}

// === impl Places ===

impl Places {
    fn of(layout: &Layout) -> Self {
        // Edges come in the order of who needs somebody.
        let mut providers: SortedMap<String, Vec<String>> = SortedMap::new();
        for edge in layout.edges.iter().filter(|edge| edge.policy != EdgePolicy::Optional) {
            let provider = layout.name(edge.provider).to_string();
            let dependent = layout.name(edge.dependent).to_string();
            providers.get_or_insert_with(dependent, Vec::new).push(provider);
        }
        let oneshots = layout.services.iter().filter(|it| it.options().oneshot);
        Self {
            names: each(&layout.services, |it| it.name.to_string()),
            oneshot: oneshots.map(|it| it.name.to_string()).collect(),
            providers,
        }
    }
}

// === impl Marks ===

impl Marks {
    /// Takes what one event says, until the service was ready once.
    fn take(&mut self, event: &Event, oneshot: bool) {
        if self.ready.is_some() {
            return;
        }
        let is_first = event.generation == Some(1);
        match event.to {
            Some(ServiceState::Starting) if is_first || self.attempts > 0 => {
                self.attempts += 1;
                self.waited_until = self.waited_until.or(Some(event.time));
                (self.started, self.said, self.failed) = (None, false, false);
            }
            Some(ServiceState::Running) if self.attempts > 0 => {
                self.started = event.generation.map(|generation| (generation, event.time));
            }
            Some(ServiceState::Stopped) if oneshot && event.cause == "completed" => {
                self.ready = self.started.map(|_| event.time);
            }
            Some(ServiceState::Error) => self.failed = self.attempts > 0,
            Some(ServiceState::Stopping) if !oneshot => self.settle(),
            Some(_) => {}
            None => self.listen(event, oneshot),
        }
    }

    /// Takes what a running generation says about its readiness.
    fn listen(&mut self, event: &Event, oneshot: bool) {
        let is_health = event.kind == EventKind::Health.as_str() && !oneshot;
        if !is_health || self.started.map(|it| it.0) != event.generation {
            return;
        }
        match event.cause.as_str() {
            // It was not ready before.
            "ready" => (self.ready, self.said) = (Some(event.time), true),
            // It was ready before.
            "unready" => self.settle(),
            _ => {}
        }
    }

    /// What ran and said nothing was ready when it ran.
    fn settle(&mut self) {
        if self.ready.is_none() && !self.said {
            self.ready = self.started.map(|it| it.1);
        }
    }

    /// The journal ends. `unready` is the generation that is not ready now.
    fn finish(&mut self, unready: Option<u64>) {
        let runs_unready = self.started.is_some_and(|it| Some(it.0) == unready);
        if !runs_unready && !self.failed {
            self.settle();
        }
    }

    fn into_row(self, name: &str, started_at: Option<Timestamp>) -> TimelineService {
        let outcome = match &self {
            Self { ready: Some(_), .. } => "ready",
            Self { failed: true, .. } => "failed",
            Self { started: Some(_), .. } => "unready",
            Self { attempts: 1.., .. } => "starting",
            Self { .. } => "not-started",
        };
        TimelineService {
            service: name.to_owned(),
            outcome: outcome.to_owned(),
            waited_until: self.waited_until,
            started: self.started.map(|it| it.1),
            ready: self.ready,
            waited_ms: span(started_at, self.waited_until),
            took_ms: span(self.waited_until, self.ready),
            attempts: self.attempts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes events of lines `time service#generation what`, where `what` is a state, or a cause
    /// that begins with `!`.
    fn events(text: &str) -> Vec<Event> {
        let event = |(line, seq): (&str, u64)| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (service, generation) = words[1].split_once('#').unwrap_or((words[1], "0"));
            let to = match words[2] {
                "starting" => Some(ServiceState::Starting),
                "running" => Some(ServiceState::Running),
                "stopping" => Some(ServiceState::Stopping),
                "error" => Some(ServiceState::Error),
                "completed" => Some(ServiceState::Stopped),
                _ => None,
            };
            let is_application = service == "application";
            Event {
                seq,
                time: Timestamp(words[0].parse().expect("a time")),
                kind: if to.is_some() { "state" } else { "health" }.to_owned(),
                service: (!is_application).then(|| service.to_owned()),
                generation: generation.parse().ok(),
                from: None,
                to: to.filter(|_| !is_application),
                cause: words[2].trim_start_matches('!').to_owned(),
                actor: None,
                operation: None,
                message: None,
            }
        };
        text.lines().map(str::trim).filter(|line| !line.is_empty()).zip(1..).map(event).collect()
    }

    fn places() -> Places {
        let providers = [("api", "db"), ("web", "api"), ("web", "job")];
        let mut map: SortedMap<String, Vec<String>> = SortedMap::new();
        for (dependent, provider) in providers {
            let providers = map.get_or_insert_with(dependent.to_owned(), Vec::new);
            providers.push(provider.to_owned());
        }
        let names = ["api", "db", "job", "web"].map(str::to_owned).to_vec();
        Places { names, oneshot: BTreeSet::from(["job".to_owned()]), providers: map }
    }

    /// Checks rows as `service outcome waited took attempts`, and the critical path.
    #[track_caller]
    fn check(text: &str, lost: u64, unready: &[(&str, u64)], rows: &[&str], path: &[&str]) {
        let unready =
            |name: &str| unready.iter().find(|(it, _)| *it == name).map(|(_, number)| *number);
        let timeline = timeline(&places(), &events(text), lost, unready);
        let number = |it: Option<u64>| it.map_or_else(|| "-".to_owned(), |it| it.to_string());
        let row = |it: &TimelineService| {
            let (waited, took) = (number(it.waited_ms), number(it.took_ms));
            format!("{} {} {waited} {took} {}", it.service, it.outcome, it.attempts)
        };
        let found: Vec<String> = timeline.services.iter().map(row).collect();
        assert_eq!(found, rows);
        assert_eq!(timeline.critical_path, path);
        assert_eq!(timeline.complete, timeline.note.is_none());
    }

    #[test]
    fn a_start_in_order() {
        let text = "
            100 application starting
            100 db#1 starting
            100 job#1 starting
            110 job#1 running
            400 db#1 running
            400 api#1 starting
            500 api#1 running
            600 job#1 stopping
            610 job#1 completed
            610 web#1 starting
            630 web#1 running
            630 application settled
            900 db#1 stopping
            900 db#2 starting
            990 db#2 running";
        let rows =
            ["db ready 0 300 1", "job ready 0 510 1", "api ready 300 100 1", "web ready 510 20 1"];
        check(text, 0, &[], &rows, &["job", "web"]);
    }

    #[test]
    fn a_service_that_failed_first_counts_its_attempts() {
        let text = "
            100 application starting
            100 db#1 starting
            200 db#1 stopping
            210 db#1 error
            210 application settled
            700 db#2 starting
            800 db#2 running
            800 api#1 starting
            810 api#1 running";
        let rows = [
            "db ready 0 700 2",
            "api ready 700 10 1",
            "job not-started - - 0",
            "web not-started - - 0",
        ];
        check(text, 0, &[], &rows, &["db", "api"]);
    }

    #[test]
    fn readiness_is_what_the_service_says() {
        let text = "
            100 application starting
            100 db#1 starting
            150 db#1 running
            400 db#1 !ready
            400 api#1 starting
            420 api#1 running
            420 application settled";
        let rows = [
            "db ready 0 300 1",
            "api unready 300 - 1",
            "job not-started - - 0",
            "web not-started - - 0",
        ];
        check(text, 0, &[("api", 1)], &rows, &["db"]);
        let text = "
            100 application starting
            100 db#1 starting
            150 db#1 running
            400 db#1 !unready
            420 application settled";
        let rest = ["api not-started - - 0", "job not-started - - 0", "web not-started - - 0"];
        let rows: Vec<&str> = std::iter::once("db ready 0 50 1").chain(rest).collect();
        check(text, 0, &[("db", 1)], &rows, &["db"]);
    }

    #[test]
    fn a_failure_and_a_start_under_way() {
        let text = "
            100 application starting
            100 db#1 starting
            200 db#1 error
            200 job#1 starting";
        let rows = [
            "db failed 0 - 1",
            "job starting 100 - 1",
            "api not-started - - 0",
            "web not-started - - 0",
        ];
        check(text, 0, &[], &rows, &[]);
    }

    #[test]
    fn what_the_journal_lost_is_not_made_up() {
        let text = "
            400 db#7 starting
            450 db#7 running
            460 api#1 starting
            470 api#1 running";
        let rows = [
            "api ready - 10 1",
            "db not-started - - 0",
            "job not-started - - 0",
            "web not-started - - 0",
        ];
        check(text, 12, &[], &rows, &["api"]);
    }
}
