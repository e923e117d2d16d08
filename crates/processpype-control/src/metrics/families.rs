//! The framework's own metrics: what each shows, from one look at everything.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use processpype_api::{Exposition, HistogramReading, Metric};
use processpype_core::{Desired, EventKind, ServiceState, each};
use processpype_runtime::{Counts, PollTimes, QueueDepth, Status, Times};
use processpype_telemetry::{Backlog, Exported};

use super::SLICE;
use super::process::Process;
use crate::server::Control;
use crate::traffic::RouteReading;

/// One service at the moment of the scrape.
#[derive(Debug)]
pub(super) struct Seen {
    status: Arc<Status>,
    counts: Counts,
}

/// All that the framework's metrics are written from.
#[derive(Debug)]
pub(super) struct Scrape<'a> {
    control: &'a Control,
    state: ServiceState,
    services: Vec<Seen>,
    queues: [QueueDepth; 3],
    events: Vec<(EventKind, u64)>,
    routes: Vec<RouteReading>,
    process: Process,
}

// === impl Scrape ===

impl<'a> Scrape<'a> {
    pub(super) fn take(control: &'a Control) -> Self {
        let manager = &control.manager;
        let seen = |status: Arc<Status>| {
            let counts = manager.counts(status.name.as_str()).unwrap_or_default();
            Seen { status, counts }
        };
        Self {
            control,
            state: manager.application_state(),
            services: manager.statuses().into_iter().map(seen).collect(),
            queues: manager.queues(),
            events: manager.event_counts(),
            routes: control.traffic.read(|name| manager.state(name).is_some()),
            process: Process::now(&control.process),
        }
    }

    /// Returns the services in slices for a metric that each has, and one slice for another one.
    pub(super) fn slices(&self, metric: &Metric) -> Vec<&[Seen]> {
        let is_of_services = metric.name.starts_with("processpype_service_");
        if is_of_services { self.services.chunks(SLICE).collect() } else { vec![&[]] }
    }

    /// Writes the samples of a metric, for the services of this slice.
    pub(super) fn write(&self, metric: &Metric, slice: &[Seen], text: &mut Exposition) {
        match *metric {
            Metric::BUILD_INFO => self.build_info(text),
            Metric::APPLICATION_STATE => {
                for state in ServiceState::ALL.iter().filter(|it| **it != ServiceState::Error) {
                    let value = flag(self.state == *state);
                    text.sample(&[("state", state.as_str())], value);
                }
            }
            Metric::SERVICES => text.sample(&[], self.services.len() as f64),
            Metric::QUEUE_DEPTH => {
                self.queues(text, |queue| queue.depth);
                self.log_queue(text, Backlog::waiting_lines);
            }
            Metric::QUEUE_CAPACITY => {
                self.queues(text, |queue| queue.capacity);
                self.log_queue(text, Backlog::capacity);
            }
            Metric::LOG_LOST => {
                let backlog = self.control.settings.backlog.iter();
                backlog.for_each(|it| text.sample(&[], it.lost_lines() as f64));
            }
            Metric::EXPORTED => self.exported(text, Exported::delivered),
            Metric::EXPORT_LOST => self.exported(text, Exported::lost),
            Metric::EVENTS => {
                let kinds = self.events.iter();
                kinds.for_each(|(kind, n)| text.sample(&[("kind", kind.as_str())], *n as f64));
            }
            Metric::STREAMS => {
                let most = self.control.settings.limits.streams;
                let free = self.control.streams.available_permits();
                text.sample(&[], most.saturating_sub(free) as f64);
            }
            Metric::STREAMS_MAX => {
                text.sample(&[], self.control.settings.limits.streams as f64);
            }
            Metric::CONNECTIONS => text.sample(&[], self.control.connections.taken() as f64),
            Metric::CONNECTIONS_OPEN => text.sample(&[], self.control.connections.open() as f64),
            Metric::PREVIOUS_RUN_UNCLEAN => {
                let unclean = self.control.settings.previous_run_unclean;
                unclean.iter().for_each(|it| text.sample(&[], flag(*it)));
            }
            Metric::EVENTS_LAGGED => {
                text.sample(&[], self.control.lagged.load(Relaxed) as f64);
            }
            Metric::JOURNAL_LOST => {
                let recording = self.control.manager.recording();
                recording.iter().for_each(|it| text.sample(&[], it.lost as f64));
            }
            Metric::CERTIFICATE_EXPIRY => {
                for (listener, acceptor) in self.control.speaking() {
                    let seconds = acceptor.expires().0 as f64 / 1000.0;
                    text.sample(&[("listener", listener)], seconds);
                }
            }
            Metric::CERTIFICATE_REFUSED => {
                for (listener, acceptor) in self.control.speaking() {
                    text.sample(&[("listener", listener)], flag(acceptor.refused().is_some()));
                }
            }
            Metric::HTTP_REQUESTS => self.requests(text),
            Metric::HTTP_DURATION => {
                for route in &self.routes {
                    text.histogram(&labels(route), &route.times);
                }
            }
            _ if metric.name.starts_with("process_") => self.process.write(metric, text),
            _ => slice.iter().for_each(|seen| seen.write(metric, text)),
        }
    }

    fn build_info(&self, text: &mut Exposition) {
        let settings = &self.control.settings;
        let labels = [
            ("title", settings.title.as_str()),
            ("version", settings.version.as_str()),
            ("framework", env!("CARGO_PKG_VERSION")),
            ("profile", if cfg!(debug_assertions) { "debug" } else { "release" }),
        ];
        text.sample(&labels, 1.0);
    }

    fn queues(&self, text: &mut Exposition, of: impl Fn(&QueueDepth) -> usize) {
        for queue in &self.queues {
            text.sample(&[("queue", queue.queue)], of(queue) as f64);
        }
    }

    /// The log's own queue, where the process has one.
    fn log_queue(&self, text: &mut Exposition, of: impl Fn(&Backlog) -> usize) {
        if let Some(backlog) = &self.control.settings.backlog {
            text.sample(&[("queue", "log")], of(backlog) as f64);
        }
    }

    /// Each signal that goes to a collector.
    fn exported(&self, text: &mut Exposition, of: impl Fn(&Exported) -> u64) {
        for exported in &self.control.settings.export.exported {
            text.sample(&[("signal", exported.signal())], of(exported) as f64);
        }
    }

    fn requests(&self, text: &mut Exposition) {
        for route in &self.routes {
            for (method, status, count) in &route.answers {
                let mut labels = labels(route);
                labels.extend([("method", *method), ("status", status.as_str())]);
                text.sample(&labels, *count as f64);
            }
        }
    }
}

fn labels(route: &RouteReading) -> Vec<(&str, &str)> {
    let service = route.service.as_deref().map(|service| ("service", service));
    [("route", route.route)].into_iter().chain(service).collect()
}

fn flag(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

// === impl Seen ===

impl Seen {
    fn write(&self, metric: &Metric, text: &mut Exposition) {
        let Self { status, counts } = self;
        let service = ("service", status.name.as_str());
        let mut one = |value: f64| text.sample(&[service], value);
        match *metric {
            Metric::SERVICE_READY => one(flag(status.ready)),
            Metric::SERVICE_DESIRED => one(flag(should_run(status))),
            Metric::SERVICE_EXHAUSTED => {
                one(flag(status.restart.is_some_and(|restart| restart.exhausted)));
            }
            Metric::SERVICE_GENERATION => one(status.generation.0 as f64),
            Metric::SERVICE_RESTARTS => one(counts.restarts as f64),
            Metric::SERVICE_TASKS => one(counts.tasks as f64),
            Metric::SERVICE_REQUESTS => one(counts.requests as f64),
            Metric::SERVICE_STATE => {
                for &state in ServiceState::ALL {
                    let labels = [service, ("state", state.as_str())];
                    text.sample(&labels, flag(status.state == state));
                }
            }
            Metric::SERVICE_ENDS => {
                let ends = counts.ends;
                for (exit, count) in [
                    ("stopped", ends.stopped),
                    ("completed", ends.completed),
                    ("aborted", ends.aborted),
                    ("failed", ends.failed),
                ] {
                    text.sample(&[service, ("exit", exit)], count as f64);
                }
            }
            Metric::SERVICE_START_DURATION => times(text, service, &counts.starts),
            Metric::SERVICE_STOP_DURATION => times(text, service, &counts.stops),
            _ => self.polls(metric, text),
        }
    }

    /// What is there for those alone whose polls are timed.
    fn polls(&self, metric: &Metric, text: &mut Exposition) {
        if let Some(value) = of_polls(metric, self.counts.polls) {
            text.sample(&[("service", self.status.name.as_str())], value);
        }
    }
}

/// Nothing is told of polls that nobody times.
fn of_polls(metric: &Metric, polls: PollTimes) -> Option<f64> {
    if polls.count == 0 {
        return None;
    }
    match *metric {
        Metric::SERVICE_POLLS => Some(polls.count as f64),
        Metric::SERVICE_POLL_TIME => Some(polls.sum.as_secs_f64()),
        Metric::SERVICE_POLL_MAX => Some(polls.max.as_secs_f64()),
        _ => None,
    }
}

fn should_run(status: &Status) -> bool {
    status.enabled && status.desired == Desired::Running && !status.completed
}

/// A histogram that nothing was observed in is left out.
fn times(text: &mut Exposition, service: (&str, &str), times: &Times) {
    if times.count > 0 {
        let bucket = |(bound, count): &(std::time::Duration, u64)| (bound.as_secs_f64(), *count);
        let buckets = each(&times.buckets, bucket);
        let sum = times.sum.as_secs_f64();
        text.histogram(&[service], &HistogramReading { buckets, count: times.count, sum });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn polls_are_told_by_number_sum_and_longest() {
        let mut polls = PollTimes::default();
        assert_eq!(of_polls(&Metric::SERVICE_POLLS, polls), None);
        (polls.count, polls.sum) = (3, Duration::from_secs(6));
        polls.max = Duration::from_secs(4);
        for (metric, expected) in [
            (Metric::SERVICE_POLLS, Some(3.0)),
            (Metric::SERVICE_POLL_TIME, Some(6.0)),
            (Metric::SERVICE_POLL_MAX, Some(4.0)),
            (Metric::SERVICES, None),
        ] {
            assert_eq!(of_polls(&metric, polls), expected, "{}", metric.name);
        }
    }
}
