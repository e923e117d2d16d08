//! Closing an application, whoever asks for it and whatever its services do meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use processpype::config::Secret;
use processpype::testing::{self, Act, Hook, Probe, TestApp};
use processpype::{
    Application, CloseCause, CommandError, Config, Context, Error, Generation, RestartPolicy,
    Result, Service, ServiceName, ServiceState, StartError,
};

use crate::harness::{Plain, assert_history, millis, probe, secs, texts, well_behaved};

#[test]
fn an_application_whose_runtime_is_dropped_has_what_was_cut_as_stragglers() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let own = runtime().expect("a runtime");
    let app = Application::new().service(|| Plain).named("plain").without_server();
    let running = own.block_on(app.start()).expect("it starts");
    drop(own);
    let closed = runtime().expect("a runtime").block_on(running.stop());
    assert_eq!((closed.cause, texts(&closed.stragglers)), (CloseCause::Requested, vec!["plain"]));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_closes_without_waiting_and_without_spinning() {
    let db = probe(Act::Serve, Act::Serve, Act::Succeed(secs(2)));
    let app = Application::new().service(db.service()).named("db").without_server();
    drop(app.start().await.expect("it starts"));
    // Paused time moves on only while nothing spins.
    tokio::time::sleep(secs(5)).await;
    let hooks = [Hook::New, Hook::Start, Hook::Run, Hook::Stop];
    assert_eq!(db.calls(), hooks.map(|hook| (Generation(1), hook)));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_handle_closes_although_somebody_still_has_the_manager() {
    let app = Application::new().service(|| Plain).without_server();
    let running = app.start().await.expect("it starts");
    let manager = running.manager().clone();
    drop(running);
    tokio::time::sleep(secs(1)).await;
    assert_eq!(manager.state("plain"), Some(ServiceState::Stopped));
    assert_eq!(manager.application_state(), ServiceState::Stopped);
}

#[tokio::test(start_paused = true)]
async fn who_drops_the_start_closes_what_had_started() {
    let (db, slow) = (well_behaved(), probe(Act::Succeed(secs(20)), Act::Serve, Act::Serve));
    let app = Application::new().service(db.service()).named("db").without_server();
    let app = app.service(slow.service()).named("slow");
    tokio::time::timeout(secs(5), app.start()).await.expect_err("it is not over yet");
    tokio::time::sleep(secs(1)).await;
    for started in [db, slow] {
        assert_eq!(started.calls().last(), Some(&(Generation(1), Hook::Stop)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_ended_by_force_before_closing_is_no_straggler() {
    let hung = probe(Act::Serve, Act::Hang, Act::Serve);
    let app = Application::new().service(hung.service()).named("hung");
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("hung").await.expect("it is stopped by force");
    let closed = app.stop().await;
    assert_eq!((closed.cause, closed.stragglers), (CloseCause::Requested, vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_is_ended_by_force_while_closing_is_a_straggler() {
    let hung = probe(Act::Serve, Act::Hang, Act::Serve);
    let app = Application::new().service(hung.service()).named("hung");
    let app = app.service(|| Plain).named("good");
    let app = testing::start(app).await.expect("it starts");
    let manager = app.manager().clone();
    let closed = app.stop().await;
    assert_eq!(texts(&closed.stragglers), ["hung"]);
    let events = manager.events(0, usize::MAX).events;
    let told = events.iter().filter(|event| event.cause == "straggler");
    let told: Vec<_> = told.map(|event| (event.service.clone(), event.message.clone())).collect();
    let text = "was ended by force while the application closed";
    assert_eq!(told, [(closed.stragglers.first().cloned(), Some(text.into()))]);
    assert_eq!(events.last().map(|event| event.cause), Some("closed"), "and then the end");
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_slow_stops_ends_within_the_closing_timeout() {
    let slow = || probe(Act::Serve, Act::Serve, Act::Succeed(secs(4)));
    let (a, b, c, d) = (slow(), slow(), slow(), slow());
    let app = Application::new()
        .set("server.closing_timeout_seconds=10")
        .service(a.service())
        .named("a")
        .service(b.service())
        .named("b")
        .depends_on("a")
        .service(c.service())
        .named("c")
        .depends_on("b")
        .service(d.service())
        .named("d")
        .depends_on("c");
    let app = testing::start(app).await.expect("it starts");
    let began = tokio::time::Instant::now();
    let manager = app.manager().clone();
    let closed = app.stop().await;
    assert!(began.elapsed() <= secs(10), "{:?}", began.elapsed());
    // d and c stop in time; b is cut by the deadline, and a has no time of its own left.
    assert_eq!(texts(&closed.stragglers), ["a", "b"]);
    assert!(manager.unfinished().is_empty());
    assert_eq!(manager.application_state(), ServiceState::Stopped);
}

/// What `hung` is has a minute to stop, and the application ten seconds to close.
async fn with_a_minute(hung: &Probe) -> TestApp {
    let app = Application::new()
        .set("server.closing_timeout_seconds=10")
        .service(hung.service())
        .named("hung")
        .stop_timeout(secs(60));
    testing::start(app).await.expect("it starts")
}

#[tokio::test(start_paused = true)]
async fn the_closing_timeout_bounds_the_phases_of_a_longer_stop() {
    let hung = probe(Act::Serve, Act::Hang, Act::Succeed(secs(1)));
    let app = with_a_minute(&hung).await;
    let began = tokio::time::Instant::now();
    app.stop().await;
    assert_eq!(hung.calls().last(), Some(&(Generation(1), Hook::Stop)));
    // `run` had 40 % of what closing leaves, and `stop` was not cut.
    assert!(began.elapsed() < secs(6), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn closing_leaves_less_time_to_who_is_stopping_already() {
    let hung = probe(Act::Serve, Act::Hang, Act::Succeed(secs(1)));
    let app = with_a_minute(&hung).await;
    let manager = app.manager().clone();
    let stop = tokio::spawn(async move { manager.stop("hung").await });
    app.wait("hung", ServiceState::Stopping).await.expect("it stops");
    let began = tokio::time::Instant::now();
    app.stop().await;
    assert_eq!(hung.calls().last(), Some(&(Generation(1), Hook::Stop)));
    // `run` had 40 % of what closing leaves, not of its own minute.
    assert!(began.elapsed() < secs(6), "{:?}", began.elapsed());
    stop.await.expect("it does not panic").expect("`stop` was not cut");
}

/// Fails five seconds after its start, and leaves a child behind; tells what `stop` is given.
struct FailsLate(Arc<Mutex<Option<Duration>>>);

impl Service for FailsLate {
    async fn run(&self, cx: &Context) -> processpype::Result {
        cx.spawn("deaf", std::future::pending::<()>());
        tokio::time::sleep(secs(5)).await;
        Err(processpype::Error::public("no more disk"))
    }

    async fn stop(&self, cx: &Context) -> processpype::Result {
        let by = cx.deadline().expect("it has an end");
        *self.0.lock().unwrap() = Some(by - tokio::time::Instant::now());
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn who_fails_while_closing_has_the_time_that_closing_leaves() {
    let given = Arc::default();
    let told = Arc::clone(&given);
    let app = Application::new()
        .set("server.closing_timeout_seconds=10")
        .set("server.drain_delay=8s")
        .service(move || FailsLate(Arc::clone(&told)))
        .named("late")
        .restart(RestartPolicy::Never)
        .stop_timeout(secs(60));
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(4)).await;
    app.stop().await;
    // It fails a second later, with 8.7 s to go; the child has 40 % of them.
    let given = given.lock().unwrap().expect("`stop` was called");
    assert!((secs(4)..secs(6)).contains(&given), "{given:?}");
}

#[tokio::test(start_paused = true)]
async fn what_hangs_is_ended_300_ms_before_the_closing_timeout_and_named() {
    let hung = probe(Act::Serve, Act::Hang, Act::Hang);
    let app = with_a_minute(&hung).await;
    let began = tokio::time::Instant::now();
    assert_eq!(texts(&app.stop().await.stragglers), ["hung"]);
    assert_eq!(began.elapsed(), millis(9_700));
}

#[tokio::test(start_paused = true)]
async fn settling_while_closing_does_not_make_it_running() {
    let slow = probe(Act::Succeed(secs(2)), Act::Serve, Act::Serve);
    let app = Application::new().service(slow.service()).named("slow");
    let app = testing::begin(app.set("server.drain_delay=5s")).expect("the plan is good");
    tokio::time::sleep(secs(1)).await;
    app.manager().close();
    tokio::time::sleep(secs(3)).await;
    assert_eq!(app.manager().state("slow"), Some(ServiceState::Running));
    assert_eq!(app.manager().application_state(), ServiceState::Stopping);
}

#[tokio::test(start_paused = true)]
async fn a_second_close_changes_nothing_and_abort_ends_at_once() {
    let slow = probe(Act::Serve, Act::Serve, Act::Succeed(secs(4)));
    let app = Application::new().service(slow.service()).named("slow");
    let mut app = testing::start(app).await.expect("it starts");
    app.manager().close();
    app.manager().close();
    tokio::time::sleep(secs(1)).await;
    app.manager().abort();
    let began = tokio::time::Instant::now();
    let closed = app.closed().await;
    assert_eq!(began.elapsed(), secs(0));
    assert_eq!(texts(&closed.stragglers), ["slow"]);
}

#[tokio::test(start_paused = true)]
async fn readiness_fails_before_services_stop() {
    let app = Application::new().service(|| Plain).named("web").set("server.drain_delay=3s");
    let app = testing::start(app).await.expect("it starts");
    assert_eq!(app.get("/health/ready").await.status(), 200);
    app.manager().close();
    tokio::time::sleep(millis(2900)).await;
    assert_eq!(app.get("/health/ready").await.status(), 503);
    assert_eq!(app.manager().state("web"), Some(ServiceState::Running));
    assert_eq!(app.manager().start("web").await, Err(CommandError::Closing));
    let mut app = app;
    app.closed().await;
    assert_history(
        &app,
        &[
            "web: stopped → starting (boot)",
            "web: starting → running (progress)",
            "web: running → stopping (closing)",
            "web: stopping → stopped (stopped)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn what_fails_in_the_drain_delay_neither_shortens_it_nor_is_the_cause() {
    let broken = probe(Act::Serve, Act::Fail(secs(3)), Act::Serve);
    let app = Application::new().set("server.drain_delay=5s").service(|| Plain).named("web");
    let app = app.service(broken.service()).named("broken").significant();
    let app = app.restart(RestartPolicy::Never);
    let mut app = testing::start(app).await.expect("it starts");
    app.manager().close();
    let began = tokio::time::Instant::now();
    tokio::time::sleep(secs(4)).await;
    let states = ["web", "broken"].map(|name| app.manager().state(name));
    assert_eq!(states, [Some(ServiceState::Running), Some(ServiceState::Error)]);
    let closed = app.closed().await;
    assert_eq!((closed.cause, closed.significant), (CloseCause::Requested, None));
    assert_eq!(began.elapsed(), secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_never_started_and_a_failed_service_do_not_delay_the_end() {
    let broken = probe(Act::Fail(secs(0)), Act::Serve, Act::Serve);
    let app = Application::new()
        .service(|| Plain)
        .named("idle")
        .autostart(false)
        .service(broken.service())
        .named("broken")
        .service(|| Plain)
        .named("waits")
        .depends_on("broken");
    let app = testing::start(app).await.expect("it starts");
    let began = tokio::time::Instant::now();
    assert_eq!(app.stop().await.stragglers, []);
    assert_eq!(began.elapsed(), secs(0));
}

#[tokio::test(start_paused = true)]
async fn a_significant_failure_at_start_rolls_back_in_reverse() {
    let broken = probe(Act::Fail(secs(1)), Act::Serve, Act::Serve);
    let app = Application::new()
        .service(|| Plain)
        .named("a")
        .service(|| Plain)
        .named("b")
        .depends_on("a")
        .service(broken.service())
        .named("broken")
        .significant();
    let mut app = testing::begin(app).expect("the plan is good");
    let closed = app.closed().await;
    assert_eq!(closed.significant.as_ref().map(ServiceName::as_str), Some("broken"));
    assert!(matches!(closed.cause, CloseCause::SignificantAtStart(_)), "{closed:?}");
    let stops = app.transitions();
    let stops: Vec<&str> =
        stops.iter().map(String::as_str).filter(|line| line.contains("closing")).collect();
    assert_eq!(stops, ["b: running → stopping (closing)", "a: running → stopping (closing)"]);
}

#[tokio::test(start_paused = true)]
async fn a_rollback_has_the_whole_closing_timeout_however_long_the_start_took() {
    // The start takes longer than closing may; rolling back takes nearly all that closing may.
    let slow = || probe(Act::Serve, Act::Serve, Act::Succeed(secs(4)));
    let broken = probe(Act::Hang, Act::Serve, Act::Serve);
    let app = Application::new()
        .set("server.closing_timeout_seconds=10")
        .set("server.drain_delay=8s")
        .service(slow().service())
        .named("a")
        .service(slow().service())
        .named("b")
        .depends_on("a")
        .service(broken.service())
        .named("broken")
        .depends_on("b")
        .start_timeout(secs(60))
        .restart(RestartPolicy::Never)
        .significant();
    let began = tokio::time::Instant::now();
    let closed = testing::begin(app).expect("the plan is good").closed().await;
    assert!(matches!(closed.cause, CloseCause::SignificantAtStart(_)), "{closed:?}");
    assert_eq!(closed.stragglers, [], "both had their four seconds");
    assert_eq!(began.elapsed(), secs(60 + 4 + 4));
}

#[tokio::test(start_paused = true)]
async fn start_is_an_error_only_when_a_significant_service_failed() {
    let broken = || probe(Act::Fail(secs(1)), Act::Serve, Act::Serve);
    let app = Application::new().service(broken().service()).named("broken").without_server();
    let running = app.start().await.expect("the process stays up");
    assert_eq!(running.manager().state("broken"), Some(ServiceState::Error));
    running.stop().await;
    let app = Application::new().service(broken().service()).named("broken").without_server();
    let error = app.significant().start().await.expect_err("it is significant");
    let told = "the significant service `broken` failed: start: failed as scripted";
    assert_eq!(error.to_string(), told);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_failed_says_why_with_all_causes_and_without_secrets() {
    #[track_caller]
    fn check(error: StartError, expected: &str) {
        let StartError::Significant(closed) = &error else { panic!("{error}") };
        assert_eq!(closed.failure.as_deref(), Some(expected));
        let told = format!("the significant service `db` failed: {expected}");
        assert_eq!((error.to_string(), format!("{error:?}")), (told.clone(), told));
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct DbConfig {
        password: Secret<String>,
    }

    let start = async |app: Application| {
        let app = app.named("db").significant().restart(RestartPolicy::Never);
        app.without_server().environment([]).start().await.expect_err("it is significant")
    };
    let open = |config: Config<DbConfig>| -> Result<Plain> {
        let cause = format!("login with {} refused", config.password.expose());
        Err(Error::public("no database").with_source(cause))
    };
    let app = Application::new().service(open).set("services.db.password=hunter2000");
    check(start(app).await, "constructor: no database: login with *** refused");
    let slow = probe(Act::Hang, Act::Serve, Act::Serve);
    let app = Application::new().service(slow.service());
    let timeout = "constructor and `start` took longer than `start_timeout` (30s)";
    check(start(app).await, timeout);
}

#[tokio::test]
async fn an_address_that_is_taken_fails_the_start_before_any_service_is_made() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("it is bound").port();
    let db = well_behaved();
    let app = Application::new().service(db.service()).named("db");
    let error = app.set(&format!("server.port={port}")).start().await.expect_err("it is taken");
    assert!(matches!(&error, StartError::Bind(bind) if bind.is_address_in_use()), "{error}");
    assert_eq!(db.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn a_scope_stops_what_it_started_and_two_applications_do_not_mix() {
    let (one, other) = (well_behaved(), well_behaved());
    let app = |probe: &testing::Probe| {
        Application::new().service(probe.service()).named("db").without_server()
    };
    let outer = app(&one).start().await.expect("it starts");
    let inner = app(&other).scope(async |inner| {
        inner.manager().restart("db").await.expect("it restarts");
        inner.manager().status("db").expect("it is there").generation
    });
    let (generation, closed) = inner.await.expect("it starts");
    assert_eq!((generation, closed.cause), (Generation(2), CloseCause::Requested));
    assert_eq!(outer.manager().status("db").expect("it is there").generation, Generation(1));
    outer.stop().await;
    assert_eq!((one.calls().len(), other.calls().len()), (4, 8));
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_scope_closes_the_application() {
    let db = well_behaved();
    let app = Application::new().service(db.service()).named("db").without_server();
    let scope = tokio::spawn(app.scope(async |_| panic!("in the body")));
    assert!(scope.await.expect_err("the panic goes on").is_panic());
    tokio::time::sleep(secs(1)).await;
    assert_eq!(db.calls().last(), Some(&(Generation(1), Hook::Stop)));
}
