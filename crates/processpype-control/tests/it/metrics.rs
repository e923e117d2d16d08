//! `GET /metrics`: every scrape is read with a strict reader.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use processpype_api::{Metric, MetricFamily, MetricKind, MetricSample, parse_exposition};
use processpype_core::ServiceState;
use tower::ServiceExt as _;

use crate::fixture::{App, ODD};

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
    let failed = [("service", "broken"), ("exit", "failed")];
    check(&scrape, "processpype_service_ends_total", &[(&failed, 1.0)]);
    check(&scrape, "processpype_services", &[(&[], 8.0)]);
    check(&scrape, "processpype_application_state", &[(&[("state", "running")], 1.0)]);
    let starts = "processpype_service_start_duration_seconds";
    let count = |service| value(&scrape, starts, &format!("{starts}_count"), &of(service));
    assert_eq!((count("counter"), count("idle")), (Some(1.0), None));
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

#[tokio::test(start_paused = true)]
async fn an_unknown_parameter_is_refused() {
    let app = App::start().await;
    app.get("/metrics?name=up").await.problem(422, "invalid-query");
}
