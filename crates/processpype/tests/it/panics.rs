//! Panics of user code, wherever they are: contained, recorded, and `stop` called exactly once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use processpype::testing::{self, Act, Hook, TestApp};
use processpype::{Application, Context, Result, Routes, Service, ServiceState};

use crate::harness::{Plain, assert_history, last_error, probe, secs};

#[track_caller]
fn hooks(probe: &testing::Probe) -> Vec<Hook> {
    probe.calls().iter().map(|(_, hook)| *hook).collect()
}

async fn failed(app: Application) -> TestApp {
    let app = testing::start(app.named("it")).await.expect("the plan is good");
    app.wait("it", ServiceState::Error).await.expect("it fails");
    app
}

#[tokio::test(start_paused = true)]
async fn in_a_constructor() {
    let app = failed(Application::new().service(|| -> Plain { panic!("secret detail") })).await;
    assert_eq!(last_error(&app, "it"), "panic: constructor panicked; the log has the details");
    assert_history(&app, &["it: stopped → starting (boot)", "it: starting → error (panic)"]);
}

#[tokio::test(start_paused = true)]
async fn in_start() {
    let it = probe(Act::Panic(secs(1)), Act::Serve, Act::Serve);
    let app = failed(Application::new().service(it.service())).await;
    assert_eq!(last_error(&app, "it"), "panic: start panicked; the log has the details");
    assert_eq!(hooks(&it), [Hook::New, Hook::Start, Hook::Stop]);
}

#[tokio::test(start_paused = true)]
async fn in_run() {
    let it = probe(Act::Serve, Act::Panic(secs(1)), Act::Serve);
    let app = failed(Application::new().service(it.service())).await;
    assert_eq!(last_error(&app, "it"), "panic: run panicked; the log has the details");
    assert_eq!(hooks(&it), [Hook::New, Hook::Start, Hook::Run, Hook::Stop]);
    assert_history(
        &app,
        &[
            "it: stopped → starting (boot)",
            "it: starting → running (progress)",
            "it: running → stopping (panic)",
            "it: stopping → error (panic)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn in_run_and_then_in_stop_the_first_counts() {
    let it = probe(Act::Serve, Act::Panic(secs(1)), Act::Panic(secs(1)));
    let app = failed(Application::new().service(it.service())).await;
    assert_eq!(last_error(&app, "it"), "panic: run panicked; the log has the details");
    assert_eq!(hooks(&it), [Hook::New, Hook::Start, Hook::Run, Hook::Stop]);
}

#[tokio::test(start_paused = true)]
async fn in_stop() {
    let it = probe(Act::Serve, Act::Serve, Act::Panic(secs(1)));
    let app = Application::new().service(it.service()).named("it");
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("it").await.expect("it is stopped all the same");
    assert_eq!(app.manager().state("it"), Some(ServiceState::Stopped));
    assert_eq!(last_error(&app, "it"), "stop-failed: stop panicked; the log has the details");
    assert_eq!(hooks(&it), [Hook::New, Hook::Start, Hook::Run, Hook::Stop]);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in drop");
    }
}

struct Dropped(Bomb);

impl Service for Dropped {
    async fn start(&self, _: &Context) -> Result {
        let Bomb = self.0;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_drop_of_the_instance() {
    let app = Application::new().service(|| Dropped(Bomb)).named("it");
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("it").await.expect("it is stopped all the same");
    assert_eq!(app.manager().state("it"), Some(ServiceState::Stopped));
    assert_eq!(last_error(&app, "it"), "panic: drop panicked; the log has the details");
    app.manager().start("it").await.expect("it starts again");
}

/// Its `run` holds a bomb, and is dropped because it does not end in time.
struct Holder(testing::Probe);

impl Service for Holder {
    async fn run(&self, _: &Context) -> Result {
        let _bomb = Bomb;
        std::future::pending().await
    }

    async fn stop(&self, cx: &Context) -> Result {
        // Notes that it was called.
        (self.0.service())(cx.clone());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_drop_of_a_run_that_is_cut() {
    let notes = crate::harness::well_behaved();
    let seen = notes.clone();
    let app = Application::new().service(move || Holder(notes.clone())).named("it");
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("it").await.expect("it is stopped");
    assert_eq!(hooks(&seen), [Hook::New], "`stop` was called once");
    assert_eq!(last_error(&app, "it"), "panic: run panicked; the log has the details");
    let status = app.manager().status("it").expect("it is there");
    assert_eq!(status.history[0].exit.as_str(), "aborted");
}

/// Panics in its first poll and, once more, when it is dropped.
struct Twice;

impl Future for Twice {
    type Output = Result;

    fn poll(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Result> {
        panic!("in poll");
    }
}

impl Drop for Twice {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("in drop");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_poll_and_in_drop_of_the_same_future() {
    let app = failed(Application::new().task("it", |_: Context| Twice)).await;
    assert_eq!(last_error(&app, "it"), "panic: run panicked; the log has the details");
}

/// What its routes hold panics when it is dropped.
struct Routed(testing::Probe);

impl Service for Routed {
    async fn stop(&self, cx: &Context) -> Result {
        (self.0.service())(cx.clone());
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let bomb = Arc::new(Bomb);
        let handler = async move || {
            let _ = &bomb;
        };
        axum::Router::new().route("/", axum::routing::get(handler)).into()
    }
}

#[tokio::test(start_paused = true)]
async fn in_the_drop_of_what_routes_hold() {
    let notes = crate::harness::well_behaved();
    let seen = notes.clone();
    let app = Application::new().service(move || Routed(notes.clone())).named("it");
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("it").await.expect("it is stopped");
    assert_eq!(hooks(&seen), [Hook::New], "`stop` was called once");
    let status = app.manager().status("it").expect("it is there");
    assert_eq!(status.history[0].exit.as_str(), "stopped");
}
