//! Every metric of the framework, as a table.
//!
//! The control plane writes exactly these, `docs/metrics.md` lists exactly these, and the alerting
//! rules in `docs/alerts/` name no others.
//!
//! # Invariants
//!
//! 1. A name stands in the table once; names and labels are never changed, only added.
//! 2. The values of a label come from a closed set, or are names of services and routes: what a
//!    client sends never makes a series.

use crate::exposition::MetricKind;

/// One metric of the framework.
///
/// ```
/// use processpype_api::{Metric, MetricKind};
///
/// let names: Vec<&str> = Metric::ALL.iter().map(|metric| metric.name).collect();
/// assert!(names.contains(&"processpype_service_state"));
/// assert_eq!(Metric::SERVICE_RESTARTS.kind, MetricKind::Counter);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind of metric it is.
    pub kind: MetricKind,
    /// The labels that its series can have, `le` aside.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

const fn counter(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Gauge, labels, help }
}

const fn histogram(name: &'static str, labels: Labels, help: &'static str) -> Metric {
    Metric { name, kind: MetricKind::Histogram, labels, help }
}

type Labels = &'static [&'static str];

const SERVICE: Labels = &["service"];

// === the application ===

impl Metric {
    /// What was built.
    pub const BUILD_INFO: Self = gauge(
        "processpype_build_info",
        &["title", "version", "framework", "profile"],
        "Always 1; what the application and the framework are.",
    );

    /// The state of the application.
    pub const APPLICATION_STATE: Self = gauge(
        "processpype_application_state",
        &["state"],
        "1 for the state that the application is in, 0 for the others.",
    );

    /// How many services there are.
    pub const SERVICES: Self =
        gauge("processpype_services", &[], "How many services the application has.");

    /// The depth of a queue.
    pub const QUEUE_DEPTH: Self =
        gauge("processpype_queue_depth", &["queue"], "How much waits in a queue of the framework.");

    /// The capacity of a queue.
    pub const QUEUE_CAPACITY: Self = gauge(
        "processpype_queue_capacity",
        &["queue"],
        "How much a queue of the framework can hold; then it refuses.",
    );

    /// The events there have been.
    pub const EVENTS: Self =
        counter("processpype_events_total", &["kind"], "Events of the application, by kind.");

    /// Open streams.
    pub const STREAMS: Self =
        gauge("processpype_streams_open", &[], "Streams of events and of log lines that are open.");

    /// The most streams.
    pub const STREAMS_MAX: Self = gauge(
        "processpype_streams_max",
        &[],
        "How many streams may be open; then more are refused.",
    );

    /// Connections there have been.
    pub const CONNECTIONS: Self = counter(
        "processpype_connections_total",
        &[],
        "Connections of the control plane that were given a place, over all listeners.",
    );

    /// Open connections.
    pub const CONNECTIONS_OPEN: Self = gauge(
        "processpype_connections_open",
        &[],
        "Connections of the control plane that are open, over all listeners.",
    );

    /// How the previous process ended.
    pub const PREVIOUS_RUN_UNCLEAN: Self = gauge(
        "processpype_previous_run_unclean",
        &[],
        "1 if the previous process ended uncleanly, by the journal's file, if one is kept.",
    );

    /// Events that readers came too late for.
    pub const EVENTS_LAGGED: Self = counter(
        "processpype_event_stream_lagged_total",
        &[],
        "Events that a stream could not send because its reader was too slow or came too late.",
    );

    /// Log lines that were lost.
    pub const LOG_LOST: Self = counter(
        "processpype_log_lines_lost_total",
        &[],
        "Log lines that were lost: the queue was full, or the output failed.",
    );

    /// What was delivered to a collector.
    pub const EXPORTED: Self = counter(
        "processpype_exported_total",
        &["signal"],
        "Spans (`traces`) and log lines (`logs`) that a collector has taken, if one is configured.",
    );

    /// What a collector did not get.
    pub const EXPORT_LOST: Self = counter(
        "processpype_export_lost_total",
        &["signal"],
        "Spans and log lines that a collector did not take, or for which there was no room.",
    );

    /// Until when a certificate holds.
    pub const CERTIFICATE_EXPIRY: Self = gauge(
        "processpype_tls_certificate_expiry_timestamp_seconds",
        &["listener"],
        "When the certificate in use by a listener expires, in seconds since 1970.",
    );

    /// Whether newer files of a certificate are refused.
    pub const CERTIFICATE_REFUSED: Self = gauge(
        "processpype_tls_certificate_refused",
        &["listener"],
        "1 while the files of a listener's certificate are refused and an older one is in use.",
    );

    /// Events that are missing in the file.
    pub const JOURNAL_LOST: Self = counter(
        "processpype_journal_lost_total",
        &[],
        "Events that are missing in the journal's file, if one is kept.",
    );
}

// === one service ===

impl Metric {
    /// The state of a service.
    pub const SERVICE_STATE: Self = gauge(
        "processpype_service_state",
        &["service", "state"],
        "1 for the state that the service is in, 0 for the others.",
    );

    /// Readiness.
    pub const SERVICE_READY: Self = gauge(
        "processpype_service_ready",
        SERVICE,
        "Whether the service runs and says that it can do its work.",
    );

    /// Whether it should run.
    pub const SERVICE_DESIRED: Self = gauge(
        "processpype_service_desired_running",
        SERVICE,
        "Whether the service should run; 0 for one that is disabled, stopped or completed.",
    );

    /// Whether it is given up.
    pub const SERVICE_EXHAUSTED: Self = gauge(
        "processpype_service_exhausted",
        SERVICE,
        "Whether the service failed too often and stays down until somebody acts.",
    );

    /// The generation.
    pub const SERVICE_GENERATION: Self = gauge(
        "processpype_service_generation",
        SERVICE,
        "Which life of the service this is; 0 if it was never started.",
    );

    /// Restarts.
    pub const SERVICE_RESTARTS: Self = counter(
        "processpype_service_restarts_total",
        SERVICE,
        "Starts that supervision made by itself: after a failure, or together with others.",
    );

    /// Ends.
    pub const SERVICE_ENDS: Self = counter(
        "processpype_service_ends_total",
        &["service", "exit"],
        "Generations that ended, by how: stopped, completed, aborted, failed.",
    );

    /// How long starts took.
    pub const SERVICE_START_DURATION: Self = histogram(
        "processpype_service_start_duration_seconds",
        SERVICE,
        "From starting to running, for starts that succeeded.",
    );

    /// How long stops took.
    pub const SERVICE_STOP_DURATION: Self = histogram(
        "processpype_service_stop_duration_seconds",
        SERVICE,
        "From stopping until nothing was left of the generation.",
    );

    /// Live tasks.
    pub const SERVICE_TASKS: Self = gauge(
        "processpype_service_tasks",
        SERVICE,
        "Tracked children of the service that live, blocking ones included.",
    );

    /// Requests.
    pub const SERVICE_REQUESTS: Self = gauge(
        "processpype_service_requests_in_flight",
        SERVICE,
        "Requests in the service's own handlers, and bodies that are still sent.",
    );

    /// Polls.
    pub const SERVICE_POLLS: Self = counter(
        "processpype_service_polls_total",
        SERVICE,
        "Polls of the service's futures, if `poll_times` is on.",
    );

    /// Time in polls.
    pub const SERVICE_POLL_TIME: Self = counter(
        "processpype_service_poll_seconds_total",
        SERVICE,
        "Time within polls of the service's futures, if `poll_times` is on.",
    );

    /// The longest poll.
    pub const SERVICE_POLL_MAX: Self = gauge(
        "processpype_service_poll_max_seconds",
        SERVICE,
        "The longest poll of the service's futures so far, if `poll_times` is on.",
    );
}

// === HTTP ===

impl Metric {
    /// Requests answered.
    pub const HTTP_REQUESTS: Self = counter(
        "processpype_http_requests_total",
        &["route", "service", "method", "status"],
        "Requests that were answered, by route; `none` is what no route is for.",
    );

    /// How long answers took.
    pub const HTTP_DURATION: Self = histogram(
        "processpype_http_request_duration_seconds",
        &["route", "service"],
        "From the head of a request to the head of its answer.",
    );
}

// === the process ===

impl Metric {
    /// When the process started.
    pub const PROCESS_START: Self = gauge(
        "process_start_time_seconds",
        &[],
        "Start time of the process since unix epoch in seconds.",
    );

    /// Processor time.
    pub const PROCESS_CPU: Self = counter(
        "process_cpu_seconds_total",
        &[],
        "Total user and system CPU time spent in seconds.",
    );

    /// Resident memory.
    pub const PROCESS_RESIDENT: Self =
        gauge("process_resident_memory_bytes", &[], "Resident memory size in bytes.");

    /// Virtual memory.
    pub const PROCESS_VIRTUAL: Self =
        gauge("process_virtual_memory_bytes", &[], "Virtual memory size in bytes.");

    /// Threads.
    pub const PROCESS_THREADS: Self =
        gauge("process_threads", &[], "Number of threads of the process.");

    /// Open file descriptors.
    pub const PROCESS_OPEN_FDS: Self =
        gauge("process_open_fds", &[], "Number of open file descriptors.");

    /// The most file descriptors.
    pub const PROCESS_MAX_FDS: Self =
        gauge("process_max_fds", &[], "Maximum number of open file descriptors.");
}

impl Metric {
    /// Every metric, in the order of an answer.
    pub const ALL: &'static [Self] = &[
        Self::BUILD_INFO,
        Self::APPLICATION_STATE,
        Self::SERVICES,
        Self::QUEUE_DEPTH,
        Self::QUEUE_CAPACITY,
        Self::EVENTS,
        Self::STREAMS,
        Self::STREAMS_MAX,
        Self::CONNECTIONS,
        Self::CONNECTIONS_OPEN,
        Self::EVENTS_LAGGED,
        Self::PREVIOUS_RUN_UNCLEAN,
        Self::JOURNAL_LOST,
        Self::LOG_LOST,
        Self::EXPORTED,
        Self::EXPORT_LOST,
        Self::CERTIFICATE_EXPIRY,
        Self::CERTIFICATE_REFUSED,
        Self::SERVICE_STATE,
        Self::SERVICE_READY,
        Self::SERVICE_DESIRED,
        Self::SERVICE_EXHAUSTED,
        Self::SERVICE_GENERATION,
        Self::SERVICE_RESTARTS,
        Self::SERVICE_ENDS,
        Self::SERVICE_START_DURATION,
        Self::SERVICE_STOP_DURATION,
        Self::SERVICE_TASKS,
        Self::SERVICE_REQUESTS,
        Self::SERVICE_POLLS,
        Self::SERVICE_POLL_TIME,
        Self::SERVICE_POLL_MAX,
        Self::HTTP_REQUESTS,
        Self::HTTP_DURATION,
        Self::PROCESS_START,
        Self::PROCESS_CPU,
        Self::PROCESS_RESIDENT,
        Self::PROCESS_VIRTUAL,
        Self::PROCESS_THREADS,
        Self::PROCESS_OPEN_FDS,
        Self::PROCESS_MAX_FDS,
    ];
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let names: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for Metric { name, kind, labels, help } in Metric::ALL {
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            assert!(name.starts_with("processpype_") || name.starts_with("process_"), "{name}");
            let snake = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            assert!(snake(name) && labels.iter().all(|label| snake(label)), "{name}");
            assert!(help.ends_with('.') && !labels.contains(&"le"), "{name}");
        }
    }

    /// As the runtime asks of the metrics of services: OpenMetrics takes `_total` off a counter's
    /// name, and parts of a metric have endings.
    #[test]
    fn no_name_in_an_exposition_is_of_two_metrics() {
        let mut told = BTreeSet::new();
        for Metric { name, kind, .. } in Metric::ALL {
            let (family, endings): (_, &[&str]) = match kind {
                MetricKind::Counter => (name.trim_end_matches("_total"), &["_total", "_created"]),
                MetricKind::Histogram => (*name, &["_bucket", "_sum", "_count", "_created"]),
                MetricKind::Gauge | MetricKind::Untyped => (*name, &[]),
            };
            assert!(told.insert(family.to_owned()), "{name}");
            assert!(endings.iter().all(|end| told.insert(format!("{family}{end}"))), "{name}");
        }
    }
}
