//! `GET /metrics`: every scrape is read with a strict reader.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::FutureExt as _;
use processpype_api::{Metric, MetricFamily, MetricKind, MetricSample, parse_exposition};
use processpype_control::{Ask, Listener};
use processpype_core::ServiceState;
use processpype_runtime::{EVENTS_KEPT, Recording};
use processpype_telemetry::{Exported, LoggingConfig, Telemetry};
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::fixture::{App, ODD, settings};
use crate::sockets::{PATIENCE, connect, exchange};
use crate::sse::{ids, open, until};

async fn scrape(app: &App) -> BTreeMap<String, MetricFamily> {
    let answer = app.get("/metrics").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let families = parse_exposition(&answer.text).unwrap_or_else(|error| {
        let line = answer.text.lines().nth(error.line - 1).unwrap_or_default();
        panic!("{error}: {line}")
    });
    families.into_iter().map(|family| (family.name.clone(), family)).collect()
}

/// The value of the one series with these labels; others may be on it beside.
#[track_caller]
fn value(
    scrape: &BTreeMap<String, MetricFamily>,
    metric: &str,
    sample: &str,
    labels: &[(&str, &str)],
) -> Option<f64> {
    let fits = |it: &&MetricSample| {
        it.name == sample && labels.iter().all(|(name, value)| it.label(name) == Some(value))
    };
    let found: Vec<_> = scrape.get(metric)?.samples.iter().filter(fits).collect();
    assert!(found.len() <= 1, "{labels:?} is not one series: {found:?}");
    found.first().map(|sample| sample.value)
}

#[track_caller]
fn check(
    scrape: &BTreeMap<String, MetricFamily>,
    metric: &str,
    expected: &[(&[(&str, &str)], f64)],
) {
    for (labels, expected) in expected {
        let found = value(scrape, metric, metric, labels);
        assert_eq!(found, Some(*expected), "{metric} {labels:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_metrics_are_those_of_the_table() {
    let app = App::start().await;
    let scrape = scrape(&app).await;
    let listed: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name).collect();
    let told: BTreeSet<&str> = scrape.keys().map(String::as_str).collect();
    assert_eq!(told, listed);
    for metric in Metric::ALL {
        let family = &scrape[metric.name];
        assert_eq!((family.kind, family.help.as_str()), (metric.kind, metric.help));
        for (label, _) in family.samples.iter().flat_map(|sample| &sample.labels) {
            let is_own = metric.kind == MetricKind::Histogram && label == "le";
            assert!(is_own || metric.labels.contains(&label.as_str()), "{} {label}", metric.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn states_are_told_for_every_service() {
    let app = App::start().await;
    app.post("/services/broken/start").await;
    let scrape = scrape(&app).await;
    for (service, state) in
        [("counter", "running"), ("idle", "stopped"), ("off", "stopped"), ("broken", "error")]
    {
        for &other in ServiceState::ALL {
            let expected = f64::from(u8::from(other.as_str() == state));
            let labels = [("service", service), ("state", other.as_str())];
            check(&scrape, "processpype_service_state", &[(&labels, expected)]);
        }
    }
    let of = |service| [("service", service)];
    check(&scrape, "processpype_service_ready", &[(&of("counter"), 1.0), (&of("idle"), 0.0)]);
    let desired = [(&of("counter")[..], 1.0), (&of("idle"), 0.0), (&of("broken"), 1.0)];
    check(&scrape, "processpype_service_desired_running", &desired);
    check(&scrape, "processpype_service_generation", &[(&of("counter"), 1.0), (&of("off"), 0.0)]);
    check(&scrape, "processpype_service_desired_running", &[(&of("off"), 0.0)]);
    let failed = [("service", "broken"), ("exit", "failed")];
    check(&scrape, "processpype_service_ends_total", &[(&failed, 1.0)]);
    check(&scrape, "processpype_services", &[(&[], 8.0)]);
    check(&scrape, "processpype_application_state", &[(&[("state", "running")], 1.0)]);
    let starts = "processpype_service_start_duration_seconds";
    let count = |service| value(&scrape, starts, &format!("{starts}_count"), &of(service));
    assert_eq!((count("counter"), count("idle")), (Some(1.0), None));
}

/// Who has done its work should not run, and is no reason for an alarm.
#[tokio::test(start_paused = true)]
async fn who_has_completed_should_not_run() {
    let app = App::completing().await;
    let scrape = scrape(&app).await;
    check(&scrape, "processpype_service_desired_running", &[(&[("service", "done")], 0.0)]);
}

/// What an operator restarts is no restart after a failure.
#[tokio::test(start_paused = true)]
async fn restarts_by_an_operator_are_counted_by_their_ends_alone() {
    let app = App::start().await;
    for _ in 0..2 {
        app.post("/services/counter/restart").await.ok(200);
    }
    let scrape = scrape(&app).await;
    let counter = [("service", "counter")];
    check(&scrape, "processpype_service_generation", &[(&counter, 3.0)]);
    check(&scrape, "processpype_service_restarts_total", &[(&counter, 0.0)]);
    for (times, expected) in [("start", 3.0), ("stop", 2.0)] {
        let times = format!("processpype_service_{times}_duration_seconds");
        let count = value(&scrape, &times, &format!("{times}_count"), &counter);
        assert_eq!(count, Some(expected), "{times}");
    }
}

#[tokio::test(start_paused = true)]
async fn restarts_and_exhaustion_are_told() {
    let app = App::retrying(2).await;
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    let scrape = scrape(&app).await;
    let broken = [("service", "broken")];
    check(&scrape, "processpype_service_restarts_total", &[(&broken, 2.0)]);
    check(&scrape, "processpype_service_exhausted", &[(&broken, 1.0)]);
    check(&scrape, "processpype_service_generation", &[(&broken, 3.0)]);
    let events = app.manager.last_event();
    let told: f64 = scrape["processpype_events_total"].samples.iter().map(|it| it.value).sum();
    assert_eq!(told, events as f64);
}

#[tokio::test(start_paused = true)]
async fn metrics_of_services_stand_beside_with_any_label() {
    let app = App::metered().await;
    let told = scrape(&app).await;
    assert_eq!(told["jobs_total"].help, "Jobs \\ done.\nAll.");
    assert_eq!(told["job_seconds"].help, "\"Times\".");
    for service in ["one", "two"] {
        let odd = [("service", service), ("queue", ODD)];
        let none = [("service", service), ("queue", "")];
        check(&told, "jobs_total", &[(&odd, 3.0), (&none, 1.0)]);
        check(&told, "depth", &[(&[("service", service)], f64::NEG_INFINITY)]);
        let count = value(&told, "job_seconds", "job_seconds_count", &[("service", service)]);
        assert_eq!(count, Some(3.0));
        check(&told, "processpype_service_tasks", &[(&[("service", service)], 1.0)]);
    }
    check(&told, "processpype_build_info", &[(&[("title", ODD)], 1.0)]);
    app.manager.restart("one").await.expect("it restarts");
    app.manager.stop("two").await.expect("it stops");
    let told = scrape(&app).await;
    let of = |service| [("service", service), ("queue", ODD)];
    check(&told, "jobs_total", &[(&of("one"), 6.0), (&of("two"), 3.0)]);
    assert_eq!(told["depth"].samples.len(), 1, "a gauge of who is gone tells nothing");
    check(&told, "processpype_service_tasks", &[(&[("service", "two")], 0.0)]);
}

#[tokio::test(start_paused = true)]
async fn open_metrics_is_for_who_asks() {
    let app = App::metered().await;
    let accept = [("accept", "application/openmetrics-text; version=1.0.0, */*;q=0.1")];
    let answer = app.ask(Method::GET, "/metrics", &accept, "").await;
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), media);
    assert!(
        answer.text.contains("# TYPE jobs counter\njobs_total{service=\"one\",queue=\"\"} 1\n")
    );
    assert!(answer.text.ends_with("\n# EOF\n"));
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_by_route_and_never_by_path() {
    let app = App::start().await;
    for path in ["/services/counter/value", "/services/counter/echo/a", "/services/counter/none"] {
        app.get(path).await;
    }
    for invented in 0..50 {
        app.get(&format!("/nothing/{invented}")).await;
        app.get(&format!("/services/nobody{invented}")).await;
        app.get(&format!("/services/nobody{invented}/value")).await;
        let method = Method::from_bytes(format!("BREW{}", "X".repeat(invented)).as_bytes());
        app.ask(method.expect("a method"), "/", &[], "").await;
    }
    app.post("/services/counter/restart").await;
    let scrape = scrape(&app).await;
    let of = |route: &'static str, method: &'static str, status: &'static str| {
        [("route", route), ("method", method), ("status", status)]
    };
    let own = "/services/{name}/{*path}";
    let counter = [("service", "counter")];
    let counter = |status| [&counter[..], &of(own, "GET", status)].concat();
    check(
        &scrape,
        "processpype_http_requests_total",
        &[
            (&counter("200"), 2.0),
            (&counter("404"), 1.0),
            (&of("none", "GET", "404"), 50.0),
            (&of("/services/{name}", "GET", "404"), 50.0),
            (&of("/", "other", "405"), 50.0),
            (&of("/services/{name}/restart", "POST", "200"), 1.0),
        ],
    );
    let series = scrape["processpype_http_requests_total"].samples.len();
    assert_eq!(series, 7, "{:#?}", scrape["processpype_http_requests_total"].samples);
    let times = "processpype_http_request_duration_seconds";
    let count = value(&scrape, times, &format!("{times}_count"), &[("service", "counter")]);
    assert_eq!(count, Some(3.0));
}

#[tokio::test(start_paused = true)]
async fn open_streams_and_what_they_lose_are_told() {
    let app = App::start().await;
    let request = Request::get("/events/stream").header("host", "localhost");
    let request = request.body(Body::empty()).expect("a request");
    let stream = app.router.clone().oneshot(request).await.expect("never fails");
    let told = scrape(&app).await;
    check(&told, "processpype_streams_open", &[(&[], 1.0)]);
    check(&told, "processpype_queue_depth", &[(&[("queue", "operations")], 0.0)]);
    check(&told, "processpype_streams_max", &[(&[], 64.0)]);
    drop(stream);
    check(&scrape(&app).await, "processpype_streams_open", &[(&[], 0.0)]);
}

/// A reader that comes too late is told how many it has lost, and so is whoever looks at metrics.
#[tokio::test(start_paused = true)]
async fn what_a_stream_has_lost_is_told_to_its_reader_and_counted() {
    let app = App::start().await;
    while app.manager.last_event() < EVENTS_KEPT as u64 + 8 {
        app.manager.stop("idle").await.expect("it is stopped");
    }
    check(&scrape(&app).await, "processpype_event_stream_lagged_total", &[(&[], 0.0)]);
    let lost = app.manager.last_event() - EVENTS_KEPT as u64 - 1;
    let text = until(&mut open(&app, "/events/stream?after=1", None).await, "id: ").await;
    let lagged = format!("event: lagged\ndata: {{\"lost\":{lost}}}\n\n");
    assert!(text.contains(&lagged), "{lost}: {}", &text[..200]);
    assert_eq!(ids(&text)[0], lost + 2);
    let told = scrape(&app).await;
    check(&told, "processpype_event_stream_lagged_total", &[(&[], lost as f64)]);
}

#[tokio::test(start_paused = true)]
async fn requests_that_a_service_answers_are_told() {
    let app = App::start().await;
    let requests = "processpype_service_requests_in_flight";
    let hanging = app.get("/services/counter/hang");
    let look = async {
        tokio::task::yield_now().await;
        check(&scrape(&app).await, requests, &[(&[("service", "counter")], 1.0)]);
    };
    tokio::select! {
        answer = hanging => panic!("it hangs: {answer:?}"),
        () = look => {}
    }
    check(&scrape(&app).await, requests, &[(&[("service", "counter")], 0.0)]);
}

#[tokio::test(start_paused = true)]
async fn one_scrape_goes_on_at_a_time() {
    let app = App::start().await;
    let mut first = pin!(app.get("/metrics"));
    // It has taken its turn, and gives up the thread between two parts.
    assert!(first.as_mut().now_or_never().is_none());
    let second = app.get("/metrics").await;
    second.problem(503, "busy");
    assert_eq!(second.header("retry-after"), "5");
    assert_eq!(first.await.status, StatusCode::OK);
    assert_eq!(app.get("/metrics").await.status, StatusCode::OK);
}

/// An output that takes nothing as long as the other side is there.
struct Blocked {
    begun: std::sync::mpsc::Sender<()>,
    free: std::sync::mpsc::Receiver<()>,
}

impl std::io::Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.begun.send(());
        let _ = self.free.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_told_with_what_fits_into_it_and_what_it_lost() {
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (free, blocked) = std::sync::mpsc::channel();
    let log = Telemetry::builder(LoggingConfig::default());
    let log = log.writer(Blocked { begun, free: blocked });
    let (subscriber, log) = log.build().expect("a thread for the writer");
    let mut settings = settings();
    settings.backlog = Some(log.backlog());
    let app = App::start_with(settings).await;
    let expected = [(&LOG[..], 4096.0), (&[("queue", "commands")], 1024.0)];
    check(&scrape(&app).await, "processpype_queue_capacity", &expected);
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!("a line for the writer, which takes no other from then on");
        has_begun.recv_timeout(PATIENCE).expect("the writer writes");
        (0..log.backlog().capacity() + 9).for_each(|n| tracing::info!(n, "a line"));
    });
    let told = scrape(&app).await;
    let depth = value(&told, "processpype_queue_depth", "processpype_queue_depth", &LOG);
    assert_eq!(depth, Some(log.backlog().waiting_lines() as f64));
    let lost = log.backlog().lost_lines();
    assert!(lost >= 9, "{lost}");
    check(&told, "processpype_log_lines_lost_total", &[(&[], lost as f64)]);
    drop(free);
}

const LOG: [(&str, &str); 1] = [("queue", "log")];

#[tokio::test(start_paused = true)]
async fn what_a_collector_took_and_what_not_is_told() {
    let mut settings = settings();
    let exported = Arc::new(Exported::new("traces", 9));
    (0..9).for_each(|_| assert!(exported.admit()));
    exported.deliver(5);
    exported.lose(3);
    settings.export.exported = vec![exported];
    settings.previous_run_unclean = Some(true);
    let app = App::start_with(settings).await;
    let told = scrape(&app).await;
    let traces = [("signal", "traces")];
    check(&told, "processpype_exported_total", &[(&traces, 5.0)]);
    check(&told, "processpype_export_lost_total", &[(&traces, 3.0)]);
    check(&told, "processpype_previous_run_unclean", &[(&[], 1.0)]);
    let mut recording = Recording::to("events.jsonl");
    recording.lost = 4;
    app.manager.reporter().tell("journal-failed", "the disk is full", recording);
    app.manager.stop("idle").await.expect("what was told before it is known");
    check(&scrape(&app).await, "processpype_journal_lost_total", &[(&[], 4.0)]);
}

#[tokio::test]
async fn connections_are_counted_as_they_come_and_go() {
    let mut settings = settings();
    let address = "127.0.0.1:0".parse().expect("an address");
    settings.listeners = vec![Listener { ask: Ask::Nobody, ..Listener::at(address) }];
    let (_manager, bound) = App::start_with(settings).await.bind().await;
    let running = bound.serve();
    let ask = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    drop(exchange(&running, ask).await);
    let open = connect(&running).await;
    let told = async || {
        let answer = exchange(&running, ask).await;
        let (_, text) = answer.split_once("\r\n\r\n").expect("a head");
        let number = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}: {answer}")).trim().parse::<u64>()
        };
        let number = |name| number(name).expect("a number");
        (number("processpype_connections_total "), number("processpype_connections_open "))
    };
    let waiting = async {
        // The one that is open, and the one that asks.
        for asked in 0.. {
            let (taken, now) = told().await;
            assert_eq!(taken, 3 + asked, "{now}");
            if now == 2 {
                break;
            }
        }
    };
    timeout(PATIENCE, waiting).await.expect("who has gone is not counted as open");
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_parameter_is_refused() {
    let app = App::start().await;
    app.get("/metrics?name=up").await.problem(422, "invalid-query");
}
