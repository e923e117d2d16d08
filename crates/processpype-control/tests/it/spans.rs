//! The span of a request: for whom it is made, what runs in it, and what it is told at the end.

use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use axum::Router;
use axum::http::Method;
use axum::routing::get;
use processpype_control::ControlSettings;
use processpype_runtime::{Kind, Routes, Service};
use processpype_telemetry::{AnswerHead, Export, Exported, RequestHead, RequestSpans};
use tracing::span::Id;
use tracing::{Span, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::fixture::{App, settings, spec};

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Told {
    begun: Mutex<Vec<String>>,
    ended: Mutex<Vec<String>>,
}

impl RequestSpans for Told {
    fn begin(&self, request: &RequestHead<'_>) -> Span {
        let RequestHead { method, path, header, .. } = request;
        let parent = header("traceparent").unwrap_or("none");
        self.begun.lock().expect("nobody panicked").push(format!("{method} {path} {parent}"));
        tracing::info_span!(parent: None, "request")
    }

    fn end(&self, span: &Span, answer: &AnswerHead<'_>) {
        assert!(!span.is_disabled());
        let AnswerHead { method, status, route, service, .. } = answer;
        let told = format!("{method} {status} {} {}", route.unwrap_or("-"), service.unwrap_or("-"));
        self.ended.lock().expect("nobody panicked").push(told);
    }
}

impl Told {
    fn ended(&self) -> Vec<String> {
        std::mem::take(&mut self.ended.lock().expect("nobody panicked"))
    }
}

/// Sees which spans are entered, and on which thread.
#[derive(Clone, Default)]
struct Entered(Arc<Mutex<Vec<(ThreadId, &'static str)>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Entered {
    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        let name = cx.span(id).map_or("", |span| span.name());
        self.0.lock().expect("nobody panicked").push((std::thread::current().id(), name));
    }
}

/// Answers at once, or after another task had its turn.
struct Speaks;

impl Service for Speaks {
    fn routes(self: Arc<Self>) -> Routes {
        let later = async || {
            tokio::task::yield_now().await;
            "later"
        };
        Router::new().route("/now", get(async || "now")).route("/later", get(later)).into()
    }
}

fn told() -> (Arc<Told>, ControlSettings) {
    let told = Arc::new(Told::default());
    let mut settings = settings();
    settings.export.request_spans = Some(Arc::clone(&told) as Arc<dyn RequestSpans>);
    (told, settings)
}

#[tokio::test(start_paused = true)]
async fn each_request_has_one_and_it_is_told_how_it_went() {
    let (told, settings) = told();
    let _subscriber = tracing::subscriber::set_default(Registry::default());
    let app = App::start_with(settings).await;
    let parent = [("traceparent", "00-1-2-01")];
    app.ask(Method::GET, "/services/counter/value?secret=x", &parent, "").await;
    assert_eq!(
        *told.begun.lock().expect("nobody panicked"),
        ["GET /services/counter/value 00-1-2-01"]
    );
    for path in ["/services/counter/boom", "/services/nobody/value", "/services/counter", "/wat"] {
        app.get(path).await;
    }
    app.post("/services/counter/stop").await;
    app.get("/services/counter/value").await;
    let expected = [
        "GET 200 /services/{name}/{*path} counter",
        "GET 500 /services/{name}/{*path} counter",
        "GET 404 /services/{name}/{*path} -",
        "GET 200 /services/{name} -",
        "GET 404 - -",
        "POST 200 /services/{name}/stop -",
        "GET 503 /services/{name}/{*path} counter",
    ];
    assert_eq!(told.ended(), expected);
}

// Other threads take part, which no paused clock waits for.
#[tokio::test]
async fn a_handler_runs_in_it_wherever_its_service_runs() {
    // Services on a runtime of their own: the handler is carried there.
    let services = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for here in [true, false] {
        let (told, settings) = told();
        let entered = Entered::default();
        let subscriber = Registry::default().with(entered.clone());
        let _subscriber = tracing::subscriber::set_default(subscriber);
        let handle = match here {
            true => tokio::runtime::Handle::current(),
            false => services.handle().clone(),
        };
        let app = App::launch_on(handle, vec![spec("speaks", Kind::of(|| Speaks))], settings);
        app.manager.settled().await;
        entered.0.lock().expect("nobody panicked").clear();
        assert_eq!(app.get("/services/speaks/later").await.text, "later");
        assert_eq!(told.ended(), ["GET 200 /services/{name}/{*path} speaks"]);
        let entered = entered.0.lock().expect("nobody panicked");
        let own = std::thread::current().id();
        let polls = |name, is_own| {
            let there = |it: &&(ThreadId, &str)| it.1 == name && (it.0 == own) == is_own;
            entered.iter().filter(there).count()
        };
        match here {
            // In the service's span too, within the request's.
            true => assert!(polls("service", true) >= 2, "{entered:?}"),
            false => assert!(polls("request", false) >= 2, "{entered:?}"),
        }
        assert_eq!(entered.first(), Some(&(own, "request")), "{entered:?}");
    }
    services.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn what_was_exported_is_counted_in_the_metrics() {
    let mut settings = settings();
    let traces = Arc::new(Exported::new("traces", 2));
    assert!(traces.admit() && traces.admit() && !traces.admit());
    traces.deliver(1);
    settings.export = Export { request_spans: None, exported: vec![traces] };
    let app = App::start_with(settings).await;
    let text = app.get("/metrics").await.text;
    for line in [
        "processpype_exported_total{signal=\"traces\"} 1",
        "processpype_export_lost_total{signal=\"traces\"} 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
}
