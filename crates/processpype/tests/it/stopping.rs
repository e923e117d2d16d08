//! How one service stops: phases, deadlines, force, and who wins.

use std::sync::{Arc, Mutex};

use processpype::testing::{self, Act, Hook, Probe};
use processpype::{
    Application, CommandError, Context, RestartPolicy, Result, Service, ServiceState,
};
use tokio::time::Instant;

use crate::harness::{Plain, assert_history, last_error, probe, secs, texts, well_behaved};

const TIMED_OUT: &str =
    "start-timeout: constructor and `start` took longer than `start_timeout` (3s)";

/// Notes when each phase began and by when it has to end.
struct Phases(Arc<Mutex<Vec<Note>>>);

/// Which hook, when, and its deadline.
type Note = (&'static str, Instant, Option<Instant>);

impl Phases {
    fn note(&self, what: &'static str, cx: &Context) {
        let note = (what, Instant::now(), cx.deadline());
        self.0.lock().expect("no panic").push(note);
    }
}

impl Service for Phases {
    async fn run(&self, cx: &Context) -> Result {
        assert!(cx.deadline().is_none() && !cx.is_stopping());
        cx.stopping().await;
        self.note("run", cx);
        std::future::pending().await
    }

    async fn stop(&self, cx: &Context) -> Result {
        self.note("stop", cx);
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn run_has_forty_percent_and_stop_the_rest() {
    let notes = Arc::default();
    let seen = Arc::clone(&notes);
    let app = Application::new().service(move || Phases(Arc::clone(&notes)));
    let app = testing::start(app).await.expect("it starts");
    let began = Instant::now();
    app.manager().stop("phases").await.expect("it is stopped by force");
    let at = |seconds| began + secs(seconds);
    let expected = vec![("run", at(0), Some(at(4))), ("stop", at(4), Some(at(10)))];
    assert_eq!(*seen.lock().expect("no panic"), expected);
    assert_eq!(began.elapsed(), secs(10));
    assert_history(
        &app,
        &[
            "phases: stopped → starting (boot)",
            "phases: starting → running (progress)",
            "phases: running → stopping (operator)",
            "phases: stopping → stopped (aborted)",
        ],
    );
}

/// Everything that it does once it is asked to stop fails.
struct Sore;

impl Service for Sore {
    async fn run(&self, cx: &Context) -> Result {
        cx.stopping().await;
        Err(processpype::Error::public("in run"))
    }

    async fn stop(&self, _: &Context) -> Result {
        Err(processpype::Error::public("in stop"))
    }
}

#[tokio::test(start_paused = true)]
async fn of_what_fails_while_stopping_the_first_is_told_and_it_is_stopped_all_the_same() {
    let app = testing::start(Application::new().service(|| Sore)).await.expect("it starts");
    assert!(app.manager().stop("sore").await.expect("it stops").changed);
    assert_eq!(last_error(&app, "sore"), "failed: in run");
    let status = app.manager().status("sore").expect("it is there");
    assert_eq!((status.state, status.error.as_ref()), (ServiceState::Stopped, None));
    assert_eq!(status.history[0].exit.as_str(), "stopped");
}

async fn start_timeout(it: &Probe, stop: std::time::Duration) {
    let app = Application::new().service(it.service()).named("it").start_timeout(secs(3));
    let app = testing::begin(app).expect("the plan is good");
    let began = Instant::now();
    app.wait("it", ServiceState::Error).await.expect("it fails");
    assert_eq!(began.elapsed(), secs(3) + stop);
    let error = last_error(&app, "it");
    assert_eq!(error, TIMED_OUT);
    assert_history(
        &app,
        &[
            "it: stopped → starting (boot)",
            "it: starting → stopping (start-timeout)",
            "it: stopping → error (start-timeout)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_start_that_hangs_is_cut_and_stop_still_runs() {
    let it = probe(Act::Hang, Act::Serve, Act::Succeed(secs(1)));
    start_timeout(&it, secs(1)).await;
    assert_eq!(
        it.calls().iter().map(|(_, hook)| *hook).collect::<Vec<_>>(),
        [Hook::New, Hook::Start, Hook::Stop]
    );
}

#[tokio::test(start_paused = true)]
async fn a_constructor_that_hangs_is_cut() {
    let make = async || -> Plain { std::future::pending().await };
    let app = Application::new().service(make).named("it").start_timeout(secs(3));
    let app = testing::start(app).await.expect("the plan is good");
    let error = last_error(&app, "it");
    assert_eq!(error, TIMED_OUT);
    app.manager().start("it").await.expect_err("it hangs again");
}

#[tokio::test(start_paused = true)]
async fn a_stop_wins_over_a_constructor_and_a_start_under_way() {
    let make = async || -> Plain { std::future::pending().await };
    let hook = probe(Act::Hang, Act::Serve, Act::Serve);
    let app = Application::new().service(make).named("new").service(hook.service()).named("hook");
    let app = testing::begin(app).expect("the plan is good");
    tokio::time::sleep(secs(1)).await;
    let began = Instant::now();
    assert!(app.manager().stop("new").await.expect("it stops").changed);
    assert!(app.manager().stop("hook").await.expect("it stops").changed);
    assert_eq!(began.elapsed(), secs(0));
    assert_eq!(app.manager().state("new"), Some(ServiceState::Stopped));
    assert_eq!(hook.calls().last().map(|(_, hook)| *hook), Some(Hook::Stop));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_comes_before_the_constructor_spares_the_whole_life() {
    let it = well_behaved();
    let app = Application::new().service(it.service()).named("it").autostart(false);
    let app = testing::start(app).await.expect("the plan is good");
    // Both are taken in one turn of the supervisor: the generation has not been polled yet.
    let (started, stopped) = tokio::join!(app.manager().start("it"), app.manager().stop("it"));
    assert_eq!(started, Err(CommandError::Superseded));
    assert!(stopped.expect("it stops").changed);
    assert_eq!(it.calls(), []);
    assert_history(
        &app,
        &[
            "it: stopped → starting (operator)",
            "it: starting → stopping (operator)",
            "it: stopping → stopped (stopped)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn stops_join_and_a_stop_of_what_is_stopped_changes_nothing() {
    let it = probe(Act::Serve, Act::Serve, Act::Succeed(secs(2)));
    let app = Application::new().service(it.service()).named("it");
    let app = testing::start(app).await.expect("it starts");
    let manager = app.manager();
    let (one, other) = tokio::join!(manager.stop("it"), async {
        tokio::time::sleep(secs(1)).await;
        manager.stop("it").await
    });
    assert!(one.expect("it stops").changed && other.expect("it stops").changed);
    assert!(!manager.stop("it").await.expect("it is stopped").changed);
    assert_eq!(it.calls().len(), 4, "`stop` was called once");
}

#[tokio::test(start_paused = true)]
async fn the_later_command_wins_and_the_earlier_is_told() {
    let it = probe(Act::Succeed(secs(5)), Act::Serve, Act::Succeed(secs(1)));
    let app = Application::new().service(it.service()).named("it").autostart(false);
    let app = testing::start(app).await.expect("the plan is good");
    let manager = app.manager();
    let (started, restarted, stopped) = tokio::join!(
        manager.start("it"),
        async {
            tokio::time::sleep(secs(1)).await;
            manager.restart("it").await
        },
        async {
            tokio::time::sleep(secs(4)).await;
            manager.stop("it").await
        },
    );
    assert_eq!(started, Err(CommandError::Superseded));
    assert_eq!(restarted, Err(CommandError::Superseded));
    assert!(stopped.expect("it stops").changed);
    assert_eq!(CommandError::Superseded.to_string(), "a later command took the place of this one");
    assert_history(
        &app,
        &[
            "it: stopped → starting (operator)",
            "it: starting → stopping (operator)",
            "it: stopping → stopped (stopped)",
            "it: stopped → starting (operator)",
            "it: starting → stopping (operator)",
            "it: stopping → stopped (stopped)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_superseded_client_gets_409() {
    let it = probe(Act::Succeed(secs(5)), Act::Serve, Act::Serve);
    let app = Application::new().service(it.service()).named("it").autostart(false);
    let app = testing::start(app).await.expect("the plan is good");
    let (start, stop) = tokio::join!(app.post("/services/it/start"), async {
        tokio::time::sleep(secs(1)).await;
        app.post("/services/it/stop").await
    });
    assert_eq!((start.status(), stop.status()), (409, 200));
    assert_eq!(start.json()["code"], "superseded");
}

#[tokio::test(start_paused = true)]
async fn a_stop_lists_who_is_affected_and_a_cascade_stops_them_first() {
    let app = Application::new()
        .service(|| Plain)
        .named("db")
        .service(|| Plain)
        .named("web")
        .depends_on("db")
        .service(|| Plain)
        .named("ui")
        .depends_on("web");
    let app = testing::start(app).await.expect("it starts");
    let done = app.manager().stop("db").await.expect("it stops");
    assert_eq!(texts(&done.affected), ["web"]);
    assert_eq!(app.manager().state("web"), Some(ServiceState::Running));
    app.manager().start("db").await.expect("it starts");
    let from = app.transitions().len();
    assert_eq!(app.post("/services/db/stop?cascade=true").await.status(), 200);
    assert_eq!(
        app.transitions()[from..],
        [
            "ui: running → stopping (cascade)",
            "ui: stopping → stopped (stopped)",
            "web: running → stopping (cascade)",
            "web: stopping → stopped (stopped)",
            "db: running → stopping (operator)",
            "db: stopping → stopped (stopped)",
        ]
    );
    let refused = app.manager().start("ui").await.expect_err("an operator stopped its providers");
    assert!(matches!(refused, CommandError::ProviderStopped { .. }), "{refused}");
    let acted = |name| {
        let status = app.manager().status(name).expect("it is there");
        let acted = status.acted.clone().expect("somebody has acted");
        (acted.verb, acted.reason.as_deref().map(str::to_owned))
    };
    assert_eq!(acted("ui"), ("stop", Some("cascade of `db`".to_owned())));
    let why = serde_json::json!({"reason": "new disks"});
    app.post_json("/services/ui/start?with_dependencies=true", &why).await;
    assert_eq!(acted("ui"), ("start", Some("new disks".to_owned())));
    assert_eq!(acted("db"), ("start", Some("pulled in by `ui`; new disks".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_stop_cannot_be_cancelled() {
    let it = probe(Act::Serve, Act::Serve, Act::Succeed(secs(5)));
    let app = Application::new().service(it.service()).named("it");
    let app = testing::start(app).await.expect("it starts");
    let accepted = app.post("/services/it/stop?wait=0s").await;
    assert_eq!(accepted.status(), 202);
    let operation = accepted.json()["operation"].clone();
    let cancel = axum::http::Request::delete(format!("/operations/{operation}"));
    let cancel = cancel.header("host", "localhost").body(axum::body::Body::empty());
    let refused = app.request(cancel.expect("a request")).await;
    assert_eq!((refused.status(), &refused.json()["code"]), (409, &"not-cancellable".into()));
    tokio::time::sleep(secs(6)).await;
    assert_eq!(app.manager().state("it"), Some(ServiceState::Stopped));
    let ended = app.get(&format!("/operations/{operation}")).await.json();
    assert_eq!(ended["state"], "done", "{ended}");
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_end_is_a_failure_and_a_oneshot_completes() {
    let ends = || probe(Act::Serve, Act::Succeed(secs(1)), Act::Serve);
    let app = Application::new()
        .service(ends().service())
        .named("migrate")
        .oneshot()
        .service(|| Plain)
        .named("web")
        .depends_on("migrate")
        .service(ends().service())
        .named("worker");
    let app = testing::start(app).await.expect("the plan is good");
    assert_eq!(app.manager().state("migrate"), Some(ServiceState::Running));
    assert_eq!(app.manager().state("web"), Some(ServiceState::Stopped), "it is not done yet");
    let unready = app.get("/health/ready").await.json().to_string();
    assert!(unready.contains("waits for `migrate`: it has not completed yet"), "{unready}");
    app.wait("worker", ServiceState::Error).await.expect("it fails");
    let error = last_error(&app, "worker");
    assert!(error.starts_with("unexpected-end: run ended although nobody asked"), "{error}");
    app.wait("web", ServiceState::Running).await.expect("its provider has completed");
    let migrated = app.manager().status("migrate").expect("it is there");
    assert_eq!((migrated.state, migrated.completed), (ServiceState::Stopped, true));
    assert_eq!(app.get("/health/ready").await.status(), 503, "worker is down");
}

#[tokio::test(start_paused = true)]
async fn ten_generations_are_remembered() {
    let it = well_behaved();
    let app = Application::new().service(it.service()).named("it");
    let app = testing::start(app).await.expect("it starts");
    for _ in 0..12 {
        tokio::time::sleep(secs(1)).await;
        app.manager().restart("it").await.expect("it restarts");
    }
    let status = app.manager().status("it").expect("it is there");
    let lived = |past: &processpype::Past| past.ended.0 - past.started.0;
    assert_eq!(status.history.iter().map(lived).collect::<Vec<_>>(), [1000; 10]);
    let generations: Vec<u64> = status.history.iter().map(|past| past.generation.0).collect();
    assert_eq!(generations, (3..=12).collect::<Vec<_>>());
    assert_eq!(status.generation.0, 13);
}

/// What the wait for a task that somebody has aborted ends with.
async fn cancelled(_: Context) -> Result {
    let task = tokio::spawn(std::future::pending::<()>());
    task.abort();
    task.await?;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn an_error_that_looks_like_a_cancellation_is_a_failure() {
    let app = Application::new().task("it", cancelled).named("it");
    let app = testing::start(app.restart(RestartPolicy::Never)).await.expect("it starts");
    app.wait("it", ServiceState::Error).await.expect("nobody asked it to stop");
    let error = last_error(&app, "it");
    assert!(error.starts_with("failed: "), "{error}");
}
