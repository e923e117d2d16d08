//! A service's own routes: refused, served, drained, cut, contained.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::{get, post};
use futures_util::stream;
use processpype::testing::{self, Act, TestApp};
use processpype::{Application, Context, Error, Result, Routes, Service, ServiceState};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::harness::{Plain, millis, probe, secs, tales};

/// Its routes wait for what only its `run` gives.
#[derive(Default)]
struct Web {
    asked: Notify,
    answered: Notify,
    /// How long `run` takes to answer a request, also while draining.
    work: Duration,
}

impl Service for Web {
    async fn run(&self, cx: &Context) -> Result {
        while cx.until_stopped(self.asked.notified()).await.is_some() {
            tokio::time::sleep(self.work).await;
            self.answered.notify_one();
        }
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let work = async move || {
            self.asked.notify_one();
            self.answered.notified().await;
            "done"
        };
        let events = async || {
            let events = stream::unfold((), async |()| {
                tokio::time::sleep(secs(1)).await;
                let event = axum::response::sse::Event::default().data("tick");
                Some((Ok::<_, Infallible>(event), ()))
            });
            axum::response::Sse::new(events)
        };
        let endless = async || {
            let chunks = stream::unfold((), async |()| {
                tokio::time::sleep(secs(1)).await;
                Some((Ok::<_, Infallible>("chunk "), ()))
            });
            axum::body::Body::from_stream(chunks)
        };
        let silent =
            async || axum::body::Body::from_stream(stream::pending::<Result<String, Infallible>>());
        let panics = async || -> &'static str { panic!("secret detail") };
        axum::Router::new()
            .route("/work", get(work))
            .route("/events", get(events))
            .route("/endless", get(endless))
            .route("/silent", get(silent))
            .route("/hang", get(async || std::future::pending::<()>().await))
            .route("/panics", get(panics))
            .into()
    }
}

async fn web(work: Duration) -> Arc<TestApp> {
    let make = move || Web { work, ..Web::default() };
    let app = Application::new().service(make).named("web");
    Arc::new(testing::start(app).await.expect("it starts"))
}

/// Sends a request and goes on.
fn send(app: &Arc<TestApp>, path: &'static str) -> tokio::task::JoinHandle<(u16, String)> {
    let app = Arc::clone(app);
    tokio::spawn(async move {
        let response = app.get(path).await;
        (response.status(), response.text())
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_finishes_while_run_still_serves_it() {
    let app = web(secs(3)).await;
    let request = send(&app, "/services/web/work");
    tokio::time::sleep(secs(1)).await;
    let began = Instant::now();
    let (stopped, late) = tokio::join!(app.manager().stop("web"), async {
        tokio::task::yield_now().await;
        tokio::time::sleep(millis(1)).await;
        app.get("/services/web/work").await
    });
    stopped.expect("it stops");
    assert_eq!(began.elapsed(), secs(2), "what was left of the request, not the whole share");
    assert_eq!(request.await.expect("it is answered"), (200, "done".to_owned()));
    assert_eq!(late.status(), 503);
    assert!(late.header("retry-after").is_some());
}

/// Answers after two seconds with how long its phase still lasts then.
struct Clocked(Context);

impl Service for Clocked {
    fn routes(self: Arc<Self>) -> Routes {
        let left = async move || {
            tokio::time::sleep(secs(2)).await;
            let left = self.0.deadline().map(|deadline| deadline - Instant::now());
            format!("{left:?}")
        };
        axum::Router::new().route("/left", get(left)).into()
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_request_in_flight_is_the_end_of_draining() {
    let app = testing::start(Application::new().service(Clocked)).await.expect("it starts");
    let app = Arc::new(app);
    assert_eq!(app.get("/services/clocked/left").await.text(), "None", "nobody asked it to stop");
    let request = send(&app, "/services/clocked/left");
    tokio::time::sleep(secs(1)).await;
    app.manager().stop("clocked").await.expect("it stops");
    // One of the four seconds that draining may take has passed.
    assert_eq!(request.await.expect("it is answered"), (200, "Some(3s)".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn closing_fails_readiness_then_waits_then_lets_requests_finish_then_stops() {
    let make = || Web { work: secs(3), ..Web::default() };
    let app = Application::new().service(make).named("web").set("server.drain_delay=5s");
    let app = Arc::new(testing::start(app).await.expect("it starts"));
    app.manager().close();
    let began = Instant::now();
    tokio::time::sleep(millis(4_000)).await;
    assert_eq!(app.get("/health/ready").await.status(), 503);
    assert_eq!(app.get("/health/live").await.status(), 200);
    assert_eq!(app.manager().state("web"), Some(ServiceState::Running));
    // One that comes during the delay, from whom has not looked away yet.
    let request = send(&app, "/services/web/work");
    tokio::time::sleep(millis(1_500)).await;
    assert_eq!(app.manager().state("web"), Some(ServiceState::Stopping));
    assert_eq!(app.get("/services/web/work").await.status(), 503, "nothing new is taken");
    assert_eq!(request.await.expect("it is answered"), (200, "done".to_owned()));
    assert_eq!(began.elapsed(), secs(7), "the request ended, not its share of the time");
    app.manager().reached("web", ServiceState::Stopped).await;
    assert_eq!(began.elapsed(), secs(7));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_cut_when_its_share_is_over() {
    let app = web(secs(0)).await;
    let request = send(&app, "/services/web/hang");
    tokio::time::sleep(secs(1)).await;
    let began = Instant::now();
    let done = app.manager().stop("web").await.expect("a handler does not orphan its service");
    assert!(done.changed);
    // Draining may take 40 % of ten seconds.
    assert_eq!(began.elapsed(), secs(4));
    assert_eq!(request.await.expect("it is answered").0, 503);
    assert_eq!(app.manager().state("web"), Some(ServiceState::Stopped));
    let status = app.manager().status("web").expect("it is there");
    assert_eq!(status.history[0].exit.as_str(), "stopped");
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_ends_when_draining_begins() {
    let app = web(secs(0)).await;
    let request = send(&app, "/services/web/events");
    tokio::time::sleep(millis(2500)).await;
    let began = Instant::now();
    app.manager().stop("web").await.expect("it stops");
    assert_eq!(began.elapsed(), secs(0));
    assert_eq!(request.await.expect("it ends"), (200, "data: tick\n\n".repeat(2)));
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_client_has_gone_holds_nobody_up() {
    let app = web(secs(0)).await;
    let request = send(&app, "/services/web/silent");
    tokio::time::sleep(secs(1)).await;
    request.abort();
    tokio::time::sleep(secs(1)).await;
    let began = Instant::now();
    app.manager().stop("web").await.expect("it stops");
    assert_eq!(began.elapsed(), secs(0));
}

#[tokio::test(start_paused = true)]
async fn another_endless_body_is_cut_with_an_error() {
    let app = web(secs(0)).await;
    let request = send(&app, "/services/web/endless");
    tokio::time::sleep(millis(2500)).await;
    let began = Instant::now();
    app.manager().stop("web").await.expect("it stops");
    assert_eq!(began.elapsed(), secs(4));
    let (status, body) = request.await.expect("it ends");
    assert_eq!(status, 200);
    assert!(body.starts_with("the body ended with an error"), "{body}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_handler_is_that_requests_failure_and_an_event() {
    let app = web(secs(0)).await;
    let response = app.get("/services/web/panics").await;
    assert_eq!(response.status(), 500);
    assert!(!response.text().contains("secret detail"), "{}", response.text());
    tokio::time::sleep(millis(1)).await;
    assert_eq!(
        tales(&app),
        ["web: handler-panic panic (a handler panicked; the log has the details)"]
    );
    assert_eq!(app.manager().state("web"), Some(ServiceState::Running));
}

#[tokio::test(start_paused = true)]
async fn who_is_away_says_why_and_when_to_ask_again() {
    let slow = probe(Act::Succeed(secs(20)), Act::Serve, Act::Serve);
    let app = Application::new().service(slow.service()).named("slow");
    let app = app.service(|| Plain).named("waits").depends_on("slow");
    let app = app.service(|| Plain).named("off").set("services.off.enabled=false");
    let app = testing::begin(app).expect("the plan is good");
    tokio::time::sleep(secs(1)).await;
    for (service, why, after) in [
        ("slow", "service `slow` is starting", "1"),
        ("waits", "service `waits` is stopped: it waits for `slow`", "10"),
        ("off", "service `off` is stopped: it is disabled", "10"),
    ] {
        let answer = app.get(&format!("/services/{service}/any")).await;
        let told = (answer.status(), answer.header("retry-after"));
        assert_eq!(told, (503, Some(after)), "{service}");
        assert_eq!(answer.json()["detail"], why);
    }
}

struct Routed(fn() -> axum::Router);

impl Service for Routed {
    fn routes(self: Arc<Self>) -> Routes {
        (self.0)().into()
    }
}

/// What a service with these routes is at the end of its start.
async fn start_with(routes: fn() -> axum::Router) -> (TestApp, ServiceState) {
    let app = Application::new().service(move || Routed(routes)).named("web");
    let app = testing::start(app).await.expect("the plan is good");
    let state = app.manager().state("web").expect("it is there");
    (app, state)
}

#[tokio::test(start_paused = true)]
async fn routes_in_the_frameworks_place_are_a_start_failure() {
    type Make = fn() -> axum::Router;
    let refused: [(Make, &str); 3] = [
        (|| axum::Router::new().route("/start", post(async || "mine")), "POST /start"),
        (
            || axum::Router::new().route("/configure_and_start", post(async || "mine")),
            "POST /configure_and_start",
        ),
        (|| axum::Router::new().route("/-/mine", get(async || "mine")), "/-/mine"),
    ];
    for (routes, told) in refused {
        let (app, state) = start_with(routes).await;
        assert_eq!(state, ServiceState::Error);
        let error = crate::harness::last_error(&app, "web");
        let told = format!(
            "start-failed: routes of the service stand where the framework's own do: {told};"
        );
        assert!(error.starts_with(&told), "{error}");
    }
    let (app, state) =
        start_with(|| axum::Router::new().route("/start", get(async || "mine"))).await;
    assert_eq!(state, ServiceState::Running, "only POST is the framework's");
    assert_eq!(app.get("/services/web/start").await.text(), "mine");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_routes_is_a_start_failure() {
    let (app, state) = start_with(|| panic!("no routes")).await;
    assert_eq!(state, ServiceState::Error);
    let error = crate::harness::last_error(&app, "web");
    assert_eq!(error, "panic: routes() panicked; the log has the details");
}

#[tokio::test(start_paused = true)]
async fn a_router_with_only_a_fallback_is_served() {
    let (app, _) = start_with(|| axum::Router::new().fallback(async || "everything")).await;
    assert_eq!(app.get("/services/web/any/path").await.text(), "everything");
}

/// Its stream blocks its thread, as careless code does.
struct Blocking;

impl Service for Blocking {
    fn routes(self: Arc<Self>) -> Routes {
        let body = async || {
            let chunks = stream::unfold((), async |()| {
                tokio::time::sleep(millis(1)).await;
                std::thread::sleep(secs(2));
                Some((Ok::<_, Infallible>("chunk "), ()))
            });
            axum::body::Body::from_stream(chunks)
        };
        axum::Router::new().route("/block", get(body)).into()
    }
}

#[test]
fn a_body_that_blocks_its_thread_does_not_block_the_one_who_reads_it() {
    let services = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let app = Application::new().service(|| Blocking).named("web");
    let app = services.block_on(async { testing::start(app).await.expect("it starts") });
    let control = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let late = control.expect("a runtime").block_on(async {
        let began = Instant::now();
        let read = tokio::time::timeout(millis(500), app.get("/services/web/block"));
        read.await.expect_err("it takes two seconds");
        began.elapsed()
    });
    assert!(late < millis(1500), "the reader's thread was blocked for {late:?}");
    services.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_ends_with_is_told_to_a_test_and_to_no_client() {
    type Answer = Result<&'static str>;
    let (app, _) = start_with(|| {
        axum::Router::new()
            .route("/row", get(async || -> Answer { Err("rows.db is locked".into()) }))
            .route(
                "/later",
                get(async || -> Answer {
                    tokio::time::sleep(secs(1)).await;
                    Err(Error::public("no rows now").with_source("rows.db is gone"))
                }),
            )
    })
    .await;
    assert_eq!(
        app.get("/services/web/row").await.text(),
        "the request failed; the log has the details"
    );
    assert_eq!(app.failures(), ["web#1: a handler: rows.db is locked"]);
    assert_eq!(app.get("/services/web/later").await.text(), "no rows now");
    assert_eq!(app.failures()[1..], ["web#1: a handler: no rows now: rows.db is gone"]);
    let waited = app.wait("web", ServiceState::Stopped).await.expect_err("nobody stops it");
    assert!(!waited.to_string().contains("rows"), "{waited}");
}
