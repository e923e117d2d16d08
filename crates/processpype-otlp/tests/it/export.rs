//! What arrives, whose it is, what is hidden, and what is counted.

use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span as Sent;
use processpype_otlp::opentelemetry::KeyValue;
use processpype_otlp::opentelemetry::trace::{Span as _, SpanContext, Status, Tracer as _};
use processpype_otlp::{Exporter, HEADERS_MAX, Settings};
use processpype_telemetry::{
    AnswerHead, Level, LoggingConfig, MAX_VALUE_BYTES, RequestHead, Telemetry,
};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::collector::{Answer, Collector, Delivery, attribute, shown};

/// How long an end may take that has something to deliver.
const END: Duration = Duration::from_secs(20);

/// Runs `body` with a log and an exporter, and ends both.
fn export(settings: &Settings, body: impl FnOnce(&Exporter)) -> Exporter {
    let mut exporter = Exporter::new(settings).unwrap();
    let log = Telemetry::builder(LoggingConfig::default());
    let log = log.redactor(settings.redactor.clone()).writer(std::io::sink());
    let (lines, _log) = exporter.tapped(log).build_layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(lines).with(exporter.layer());
    tracing::subscriber::with_default(subscriber, || body(&exporter));
    exporter.shutdown(END);
    exporter
}

fn settings(collector: &Collector) -> Settings {
    Settings::new(collector.endpoint(), "shop")
}

fn spans(all: &[Delivery]) -> Vec<Sent> {
    all.iter().flat_map(Delivery::spans).collect()
}

#[track_caller]
fn named<'a>(spans: &'a [Sent], name: &str) -> &'a Sent {
    let found = spans.iter().find(|span| span.name == name);
    found.unwrap_or_else(|| panic!("no `{name}` in {spans:?}"))
}

/// Enters the span that the runtime makes around a service.
fn in_service<T>(name: &str, generation: u64, body: impl FnOnce() -> T) -> T {
    let span = tracing::info_span!(
        target: "processpype", "service", service = %name, generation = generation
    );
    span.in_scope(body)
}

#[test]
fn spans_and_lines_arrive_and_say_whose_they_are() {
    let collector = Collector::start(Answer::status(200));
    let mut settings = settings(&collector);
    settings.resource.insert("service.version".to_owned(), "1.2.3".to_owned());
    settings.headers.insert("authorization".to_owned(), "key".to_owned());
    let exporter = export(&settings, |_| {
        in_service("store", 3, || {
            tracing::info_span!("outer", id = 7).in_scope(|| {
                tracing::info_span!("inner").in_scope(|| tracing::info!(count = 2, "sold"));
            });
            // It is never entered: it begins and ends at once.
            drop(tracing::info_span!("alone"));
        });
        tracing::info_span!("outside").in_scope(|| ());
    });
    let all = collector.all();
    assert!(all.iter().all(|it| it.head.contains("authorization: key")), "it proves who it is");
    let traces = all.iter().find(|it| it.path == "/v1/traces").unwrap();
    assert_eq!(attribute(&traces.resource(), "service.name").unwrap(), "shop");
    assert_eq!(attribute(&traces.resource(), "service.version").unwrap(), "1.2.3");
    let spans = spans(&all);
    assert_eq!(spans.len(), 4, "the span of the service is none of them: {spans:?}");
    for name in ["outer", "inner", "alone"] {
        let attributes = &named(&spans, name).attributes;
        assert_eq!(attribute(attributes, "processpype.service").unwrap(), "store", "{name}");
        assert_eq!(attribute(attributes, "processpype.generation").unwrap(), "3", "{name}");
    }
    assert_eq!(attribute(&named(&spans, "outside").attributes, "processpype.service"), None);
    let (outer, inner) = (named(&spans, "outer"), named(&spans, "inner"));
    assert_eq!(attribute(&outer.attributes, "id").unwrap(), "7");
    assert!(outer.parent_span_id.is_empty(), "a service is no trace");
    assert_eq!(inner.parent_span_id, outer.span_id);
    let records: Vec<_> = all.iter().flat_map(Delivery::records).collect();
    let sold = records.iter().find(|it| shown(it.body.as_ref().unwrap()) == "sold").unwrap();
    assert_eq!((&sold.trace_id, &sold.span_id), (&inner.trace_id, &inner.span_id));
    assert_eq!(attribute(&sold.attributes, "processpype.service").unwrap(), "store");
    assert_eq!(attribute(&sold.attributes, "count").unwrap(), "2");
    assert_eq!((sold.severity_text.as_str(), sold.severity_number), ("INFO", 9));
    let logs = all.iter().find(|it| it.path == "/v1/logs").unwrap();
    assert_eq!(logs.targets(), [module_path!()]);
    let counted: Vec<_> = exporter
        .exported()
        .iter()
        .map(|it| (it.signal(), it.pending(), it.delivered(), it.lost()))
        .collect();
    assert_eq!(counted, [("traces", 0, 4, 0), ("logs", 0, 1, 0)]);
}

#[test]
fn what_the_log_hides_does_not_leave() {
    let collector = Collector::start(Answer::status(200));
    let mut settings = settings(&collector);
    settings.redactor.add("hunter2").unwrap();
    settings.redactor.add("84729163").unwrap();
    settings.resource.insert("team".to_owned(), "hunter2".to_owned());
    settings.resource.insert("api_token".to_owned(), "swordfish".to_owned());
    let long = format!("/{}hunter2", "x".repeat(MAX_VALUE_BYTES - 4));
    let _ = export(&settings, |_| {
        let span = tracing::info_span!(
            "login",
            password = "swordfish",
            url = "http://x/?key=hunter2",
            pin = 84_729_163_u64,
            long
        );
        span.in_scope(|| tracing::warn!(token = "swordfish", "refused hunter2"));
    });
    let all = collector.all();
    for secret in ["hunter2", "swordfish", "hunt", "84729163"] {
        assert!(!all.iter().any(|it| it.has(secret)), "{secret} has left");
    }
    let traces = all.iter().find(|it| it.path == "/v1/traces").unwrap();
    assert_eq!(attribute(&traces.resource(), "api_token").unwrap(), "***");
    let attributes = &named(&spans(&all), "login").attributes.clone();
    assert_eq!(attribute(attributes, "password").unwrap(), "***");
    assert_eq!(attribute(attributes, "url").unwrap(), "http://x/?key=***");
    assert_eq!(attribute(attributes, "pin").unwrap(), "***");
    assert!(attribute(attributes, "long").unwrap().len() <= MAX_VALUE_BYTES);
}

#[test]
fn what_a_tracer_is_given_is_hidden_in_every_part_of_a_span() {
    let collector = Collector::start(Answer::status(200));
    let settings = settings(&collector);
    settings.redactor.add("hunter2").unwrap();
    let attributes = || vec![KeyValue::new("url", "/hunter2"), KeyValue::new("token", "swordfish")];
    let _ = export(&settings, |exporter| {
        let mut span = exporter.tracer().start("login hunter2");
        span.add_event("asked hunter2", attributes());
        span.add_link(SpanContext::empty_context(), attributes());
        span.set_status(Status::error("refused hunter2"));
    });
    let all = collector.all();
    for secret in ["hunter2", "swordfish"] {
        assert!(!all.iter().any(|it| it.has(secret)), "{secret} has left");
    }
    let spans = spans(&all);
    let span = named(&spans, "login ***");
    let (event, link) = (&span.events[0], &span.links[0]);
    assert_eq!(event.name, "asked ***");
    for attributes in [&event.attributes, &link.attributes] {
        let of = |key| attribute(attributes, key).unwrap();
        assert_eq!((of("url"), of("token")), ("/***".to_owned(), "***".to_owned()));
    }
    assert_eq!(span.status.as_ref().unwrap().message, "refused ***");
}

#[test]
fn spans_are_sent_from_their_level_on() {
    let check = |level: Level, expected: &[&str]| {
        let collector = Collector::start(Answer::status(200));
        let mut settings = settings(&collector);
        (settings.level, settings.logs) = (level, false);
        let _ = export(&settings, |_| {
            drop(tracing::error_span!("error"));
            drop(tracing::warn_span!("warn"));
            drop(tracing::info_span!("info"));
            drop(tracing::debug_span!("debug"));
            drop(tracing::trace_span!("trace"));
        });
        let spans = spans(&collector.all());
        let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, expected, "{level}");
    };
    check(Level::Off, &[]);
    check(Level::Error, &["error"]);
    check(Level::Warn, &["error", "warn"]);
    check(Level::Info, &["error", "warn", "info"]);
    check(Level::Debug, &["error", "warn", "info", "debug"]);
    check(Level::Trace, &["error", "warn", "info", "debug", "trace"]);
}

#[test]
fn settings_that_cannot_be_used_make_no_exporter() {
    let check = |change: &dyn Fn(&mut Settings), expected: &str| {
        let mut settings = Settings::new("http://127.0.0.1:4318", "shop");
        change(&mut settings);
        let error = Exporter::new(&settings).expect_err("it cannot be used").to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    };
    let header = |name: String, value: &str| {
        let value = value.to_owned();
        move |settings: &mut Settings| {
            settings.headers.insert(name.clone(), value.clone());
        }
    };
    check(&|settings| settings.endpoint = "collector:4318".to_owned(), "does not begin with");
    check(&header("a b".to_owned(), "hunter2"), "no name of a header");
    check(&header("key".to_owned(), "hunter2\n"), "characters that no header may have");
    let many = |count: usize| {
        move |settings: &mut Settings| {
            (0..count).for_each(|n| header(format!("h{n}"), "x")(settings));
        }
    };
    check(&many(HEADERS_MAX + 1), "more than 32 headers");
    let mut most = Settings::new("http://127.0.0.1:4318", "shop");
    many(HEADERS_MAX)(&mut most);
    assert!(Exporter::new(&most).is_ok());
}

#[test]
fn a_request_goes_on_with_the_trace_it_comes_with() {
    let collector = Collector::start(Answer::status(200));
    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let _ = export(&settings(&collector), |exporter| {
        let requests = exporter.request_spans();
        let header = |name: &str| (name == "traceparent").then_some(PARENT);
        let span = requests.begin(&RequestHead::new("GET", "/services/store/latest", &header));
        span.in_scope(|| {
            in_service("store", 1, || tracing::info_span!("query").in_scope(|| ()));
        });
        let route = Some("/services/{name}/{*path}");
        requests.end(&span, &AnswerHead::new("GET", 503, route, Some("store")));
        let none = requests.begin(&RequestHead::new("GET", "/health/live", &|_| None));
        assert!(none.is_disabled(), "a probe is no trace");
        let odd = requests.begin(&RequestHead::new("BREW", "/x", &|_| None));
        requests.end(&odd, &AnswerHead::new("BREW", 404, None, None));
    });
    let spans = spans(&collector.all());
    let request = named(&spans, "GET /services/{name}/{*path}");
    assert_eq!(request.trace_id, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(request.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!(request.kind, 2, "a server's");
    let of = |key| attribute(&request.attributes, key).unwrap();
    assert_eq!(of("http.request.method"), "GET");
    assert_eq!(of("http.response.status_code"), "503");
    assert_eq!(of("error.type"), "503");
    assert_eq!(of("url.path"), "/services/store/latest");
    assert_eq!(of("processpype.service"), "store");
    assert_eq!(request.status.as_ref().unwrap().code, 2, "an error");
    let query = named(&spans, "query");
    assert_eq!(query.parent_span_id, request.span_id, "what a service does is part of it");
    assert_eq!(attribute(&query.attributes, "processpype.service").unwrap(), "store");
    let odd = named(&spans, "_OTHER");
    assert_ne!(odd.trace_id, request.trace_id);
}

#[test]
fn a_sample_is_taken_of_what_begins_here_alone() {
    let collector = Collector::start(Answer::status(200));
    let mut settings = settings(&collector);
    settings.sample_ratio = 0.0;
    let exporter = export(&settings, |exporter| {
        tracing::info_span!("own").in_scope(|| ());
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let header = |name: &str| (name == "traceparent").then_some(parent);
        let requests = exporter.request_spans();
        let span = requests.begin(&RequestHead::new("GET", "/", &header));
        requests.end(&span, &AnswerHead::new("GET", 200, Some("/"), None));
    });
    let spans = spans(&collector.all());
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(spans[0].name, "GET /");
    assert_eq!(exporter.exported()[0].delivered(), 1);
}

#[track_caller]
fn lost(answer: Answer, expected: [u64; 2]) {
    let collector = Collector::start(Answer::status(200));
    collector.answer(answer);
    let mut settings = settings(&collector);
    settings.logs = false;
    let exporter = export(&settings, |_| {
        for _ in 0..600 {
            tracing::info_span!("span").in_scope(|| ());
        }
    });
    let [traces] = exporter.exported() else { panic!("traces alone") };
    assert_eq!([traces.delivered(), traces.lost()], expected);
    assert_eq!(traces.pending(), 0);
}

#[test]
fn what_a_collector_refuses_is_counted() {
    // It is no use to try these again.
    lost(Answer::status(400), [0, 600]);
    // A proxy in between that is none.
    lost(Answer::page(), [0, 600]);
    // More than there are: all, as often as it is delivered.
    lost(Answer::partial(1000), [0, 600]);
    lost(Answer::status(200), [600, 0]);
}

#[test]
fn a_part_that_is_refused_is_counted_as_such() {
    let collector = Collector::start(Answer::partial(2));
    let exporter = export(&settings(&collector), |_| {
        (0..5).for_each(|_| tracing::info_span!("span").in_scope(|| ()));
    });
    let traces = &exporter.exported()[0];
    assert_eq!((traces.delivered(), traces.lost()), (3, 2));
}

#[test]
fn the_end_waits_for_its_time_and_what_is_left_is_lost() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = Settings::new(format!("http://{}", silent.local_addr().unwrap()), "shop");
    settings.timeout = Duration::from_secs(600);
    let mut exporter = Exporter::new(&settings).unwrap();
    let log = Telemetry::builder(LoggingConfig::default()).writer(std::io::sink());
    let (lines, _log) = exporter.tapped(log).build_layer().unwrap();
    let subscriber = tracing_subscriber::registry().with(lines).with(exporter.layer());
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..5000 {
            tracing::info_span!("span").in_scope(|| ());
        }
        (0..3).for_each(|_| tracing::info!("line"));
    });
    // If it waited for the delivery, this test would take ten minutes.
    exporter.shutdown(Duration::from_millis(100));
    let [traces, logs] = exporter.exported() else { panic!("both") };
    assert_eq!((traces.delivered(), traces.lost(), traces.pending()), (0, 5000, 0));
    assert_eq!((logs.delivered(), logs.lost(), logs.pending()), (0, 3, 0));
}

#[test]
fn a_span_without_tracing_is_of_whom_its_thread_is_with() {
    let collector = Collector::start(Answer::status(200));
    let _ = export(&settings(&collector), |exporter| {
        let tracer = exporter.tracer();
        in_service("store", 1, || drop(tracer.start("within")));
        drop(tracer.start("after"));
        // It is there all the time, and the thread is in it for a moment.
        let service = tracing::info_span!(
            target: "processpype", "service", service = "store", generation = 1
        );
        drop(tracer.start("beside"));
        service.in_scope(|| ());
        drop(tracer.start("behind"));
    });
    let spans = spans(&collector.all());
    let of = |name| attribute(&named(&spans, name).attributes, "processpype.service");
    assert_eq!(of("within").as_deref(), Some("store"));
    assert_eq!(of("after"), None, "the thread has left the service");
    assert_eq!(of("beside"), None, "the thread was never in it");
    assert_eq!(of("behind"), None, "the thread has left it, and it goes on");
}

#[test]
fn a_span_that_looks_like_that_of_a_service_is_sent() {
    let collector = Collector::start(Answer::status(200));
    let _ = export(&settings(&collector), |_| {
        tracing::info_span!("service", service = "mine").in_scope(|| {
            drop(tracing::info_span!(target: "processpype", "other", service = "mine"));
        });
    });
    let spans = spans(&collector.all());
    assert_eq!(spans.len(), 2, "{spans:?}");
    for name in ["service", "other"] {
        let attributes = &named(&spans, name).attributes;
        assert_eq!(attribute(attributes, "service").as_deref(), Some("mine"));
        assert_eq!(attribute(attributes, "processpype.service"), None, "{name}");
    }
}
