//! Services that do not beat: found at exact times, told or restarted, and never by mistake.
//!
//! What blocks a thread is found on real threads: see the tests of `processpype-runtime`.

use std::time::Duration;

use processpype::config::Format;
use processpype::testing::{self, Act, TestApp};
use processpype::{
    Application, Context, Error, ErrorKind, GenerationExit, OnHang, RestartPolicy, Result, Service,
    ServiceState,
};
use tokio::time::Instant;

use crate::harness::{assert_history, last_error, millis, probe, secs, tales};

/// Beats as often as it is told to, for so long; then it hangs, without blocking.
struct Beats {
    every: Duration,
    times: u32,
    /// How long `start` takes, without a beat.
    start: Duration,
}

impl Beats {
    fn then_hangs(times: u32) -> impl Fn() -> Self + Clone + Send + Sync + 'static {
        move || Self { every: secs(10), times, start: Duration::ZERO }
    }
}

impl Service for Beats {
    async fn start(&self, _: &Context) -> Result {
        tokio::time::sleep(self.start).await;
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        for _ in 0..self.times {
            if !cx.sleep(self.every).await {
                return Ok(());
            }
            cx.beat();
        }
        std::future::pending().await
    }
}

async fn started(app: Application) -> TestApp {
    testing::start(app).await.expect("the plan is good")
}

fn app(then: OnHang) -> Application {
    let app = Application::new().service(Beats::then_hangs(2)).named("poller");
    app.heartbeat(secs(30), then).stop_timeout(secs(1))
}

fn degraded(app: &TestApp) -> Option<String> {
    app.manager().status("poller").expect("it is there").degraded.clone()
}

/// When each event of a cause happened, in milliseconds since the first event of all.
fn times(app: &TestApp, cause: &str) -> Vec<u64> {
    let events = app.manager().events(0, usize::MAX).events;
    let base = events.first().expect("something happened").time.0;
    events.iter().filter(|it| it.cause == cause).map(|it| it.time.0 - base).collect()
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_told_once_when_its_time_is_over() {
    let app = started(app(OnHang::Report)).await;
    tokio::time::sleep(secs(49)).await;
    assert_eq!((degraded(&app), tales(&app)), (None, Vec::new()));
    tokio::time::sleep(secs(600)).await;
    // The last beat was at 20 s.
    assert_eq!(times(&app, "heartbeat-lost"), [50_000]);
    let text = "no beat for 30 s (allowed: 30s)";
    assert_eq!(degraded(&app).as_deref(), Some(text));
    assert_eq!(tales(&app), [format!("poller: health heartbeat-lost ({text})")]);
    assert_eq!(app.manager().state("poller"), Some(ServiceState::Running), "it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_calls_nobody_hung_at_once() {
    let app = started(app(OnHang::Restart)).await;
    tokio::time::sleep(secs(29)).await;
    // As after a SIGSTOP: everything that was to come before is late.
    tokio::time::advance(secs(60)).await;
    tokio::time::sleep(secs(29)).await;
    assert_eq!(tales(&app), Vec::<String>::new(), "it has had 29 s since");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(times(&app, "heartbeat-lost").len(), 2, "to stopping, and to error");
}

#[tokio::test(start_paused = true)]
async fn who_was_hung_before_the_process_stood_still_recovers_with_its_beat() {
    let task = async |cx: Context| {
        cx.sleep(secs(700)).await;
        cx.beat();
        cx.stopping().await;
        Ok(())
    };
    let app = Application::new().task("poller", task).heartbeat(secs(600), OnHang::Report);
    let app = started(app).await;
    tokio::time::sleep(secs(650)).await;
    tokio::time::advance(secs(40)).await;
    tokio::time::sleep(secs(15)).await;
    assert_eq!(times(&app, "heartbeat-lost"), [600_000]);
    let recovered = times(&app, "recovered");
    assert!(matches!(recovered[..], [700_000..=701_000]), "{recovered:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_beats_again_has_recovered() {
    let task = async |cx: Context| {
        while cx.sleep(secs(45)).await {
            cx.beat();
        }
        Ok(())
    };
    let app = Application::new().task("poller", task).heartbeat(secs(30), OnHang::Report);
    let app = started(app).await;
    tokio::time::sleep(secs(100)).await;
    assert_eq!(times(&app, "heartbeat-lost"), [30_000, 75_000]);
    assert_eq!(times(&app, "recovered"), [45_000, 90_000]);
    assert_eq!(degraded(&app), None);
}

#[tokio::test(start_paused = true)]
async fn a_beat_of_a_child_and_of_a_kept_clone_counts() {
    let task = async |cx: Context| {
        let own = cx.clone();
        cx.spawn("worker", async move {
            while own.sleep(secs(29)).await {
                own.beat();
            }
        });
        cx.stopping().await;
        Ok(())
    };
    let app = Application::new().task("poller", task).heartbeat(secs(30), OnHang::Restart);
    let app = started(app).await;
    tokio::time::sleep(secs(3600)).await;
    assert_eq!(tales(&app), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_hung_service_fails_is_torn_down_and_comes_back() {
    let app = started(app(OnHang::Restart)).await;
    tokio::time::sleep(secs(53)).await;
    assert_history(
        &app,
        &[
            "poller: stopped → starting (boot)",
            "poller: starting → running (progress)",
            "poller: running → stopping (heartbeat-lost)",
            "poller: stopping → error (heartbeat-lost)",
            "poller: error → starting (restart)",
            "poller: starting → running (progress)",
        ],
    );
    assert_eq!(last_error(&app, "poller"), "heartbeat-lost: no beat for 30 s (allowed: 30s)");
    let status = app.manager().status("poller").expect("it is there");
    let exits: Vec<_> = status.history.iter().map(|past| past.exit).collect();
    assert_eq!(exits, [GenerationExit::Failed(ErrorKind::HeartbeatLost)]);
    assert!(tales(&app)[0].contains("restart-scheduled (attempt 1 of 5"), "{:?}", tales(&app));
}

#[tokio::test(start_paused = true)]
async fn what_fails_while_a_hung_service_is_torn_down_is_not_why_it_failed() {
    let task = async |cx: Context| {
        cx.stopping().await;
        Result::Err(Error::public("it was interrupted"))
    };
    let app = Application::new().task("poller", task).restart(RestartPolicy::Never);
    let app = started(app.heartbeat(secs(30), OnHang::Restart)).await;
    app.wait("poller", ServiceState::Error).await.expect("it does not beat");
    assert_eq!(last_error(&app, "poller"), "heartbeat-lost: no beat for 30 s (allowed: 30s)");
}

#[tokio::test(start_paused = true)]
async fn a_start_of_any_length_is_no_silence() {
    let slow = || Beats { every: secs(10), times: 1, start: secs(25) };
    let app = Application::new().service(slow).named("poller").heartbeat(secs(20), OnHang::Report);
    let app = started(app).await; // its start takes 25 s
    tokio::time::sleep(secs(29)).await;
    assert_eq!(tales(&app), Vec::<String>::new());
    tokio::time::sleep(secs(2)).await;
    assert_eq!(times(&app, "heartbeat-lost"), [55_000], "20 s after the beat at 35 s");
}

#[tokio::test(start_paused = true)]
async fn a_beat_in_start_does_not_count_against_running() {
    struct Early;
    impl Service for Early {
        async fn start(&self, cx: &Context) -> Result {
            cx.beat();
            tokio::time::sleep(secs(15)).await;
            Ok(())
        }
    }
    let app = Application::new().service(|| Early).named("poller");
    let app = started(app.heartbeat(secs(20), OnHang::Report)).await;
    tokio::time::sleep(secs(60)).await;
    assert_eq!(times(&app, "heartbeat-lost"), [35_000]);
    let text = "poller: health heartbeat-lost (no beat for 20 s (allowed: 20s))";
    assert_eq!(tales(&app), [text], "its start is not counted");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_to_beat_while_it_stops() {
    let app = Application::new().service(Beats::then_hangs(0)).named("poller");
    let app = started(app.heartbeat(secs(5), OnHang::Restart).stop_timeout(secs(60))).await;
    tokio::time::sleep(secs(4)).await;
    app.manager().stop("poller").await.expect("it is dropped in the end");
    let causes: Vec<_> = app.transitions();
    assert!(causes.iter().all(|line| !line.contains("heartbeat")), "{causes:?}");
    assert_eq!(tales(&app), ["poller: command stop", "poller: command done"]);
    tokio::time::sleep(secs(60)).await;
    assert_eq!(app.manager().state("poller"), Some(ServiceState::Stopped));
}

#[tokio::test(start_paused = true)]
async fn an_old_generation_beats_for_nobody_and_its_timer_is_not_asked() {
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None::<Context>));
    let keeps = std::sync::Arc::clone(&kept);
    let task = move |cx: Context| {
        keeps.lock().expect("no panic").get_or_insert_with(|| cx.clone());
        async move {
            cx.stopping().await;
            Ok(())
        }
    };
    let app = Application::new().task("poller", task).heartbeat(secs(30), OnHang::Report);
    let app = started(app).await;
    tokio::time::sleep(secs(20)).await;
    app.manager().restart("poller").await.expect("it restarts");
    let old = kept.lock().expect("no panic").clone().expect("the first generation ran");
    let began = Instant::now();
    while began.elapsed() < secs(40) {
        tokio::time::sleep(secs(1)).await;
        old.beat();
    }
    assert_eq!(times(&app, "heartbeat-lost"), [50_000], "of the second, that began at 20 s");
}

#[tokio::test(start_paused = true)]
async fn its_own_words_and_a_silence_stand_beside_each_other() {
    let task = async |cx: Context| {
        cx.degraded("the cache is cold");
        cx.sleep(secs(40)).await;
        cx.recovered();
        cx.stopping().await;
        Ok(())
    };
    let app = Application::new().task("poller", task).heartbeat(secs(30), OnHang::Report);
    let app = started(app).await;
    tokio::time::sleep(secs(35)).await;
    let both = "the cache is cold; no beat for 30 s (allowed: 30s)";
    assert_eq!(degraded(&app).as_deref(), Some(both));
    tokio::time::sleep(secs(10)).await;
    assert_eq!(degraded(&app).as_deref(), Some("no beat for 30 s (allowed: 30s)"));
    assert_eq!(
        tales(&app),
        [
            "poller: health degraded (the cache is cold)",
            "poller: health heartbeat-lost (no beat for 30 s (allowed: 30s))",
            "poller: health recovered",
        ]
    );
    app.manager().restart("poller").await.expect("it restarts");
    tokio::time::sleep(millis(1)).await;
    assert_eq!(degraded(&app).as_deref(), Some("the cache is cold"), "a new one begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_significant_service_that_hangs_for_good_closes_the_application() {
    let app = app(OnHang::Restart).restart(RestartPolicy::Never).significant();
    let closed = started(app).await.closed().await;
    assert_eq!(closed.significant.map(|name| name.to_string()).as_deref(), Some("poller"));
}

/// A service that is ended by force is named with what had not ended.
async fn check_forced(app: Application, named: &str) {
    let app = started(app.stop_timeout(secs(1))).await;
    app.manager().stop("poller").await.expect("it is ended by force");
    let events = app.manager().events(0, usize::MAX).events;
    let end = events.iter().find(|event| event.to == Some(ServiceState::Stopped));
    let end = end.expect("it ends");
    assert_eq!((end.cause, end.message.as_deref()), ("aborted", Some(named)));
}

#[tokio::test(start_paused = true)]
async fn who_is_ended_by_force_is_named_with_what_had_not_ended() {
    let of = |run, stop| {
        Application::new().service(probe(Act::Serve, run, stop).service()).named("poller")
    };
    check_forced(of(Act::Hang, Act::Serve), "`run` has not ended in time").await;
    check_forced(of(Act::Serve, Act::Hang), "`stop` has not ended in time").await;
    let both = "`run` has not ended in time; `stop` has not ended in time";
    check_forced(of(Act::Hang, Act::Hang), both).await;
    let task = async |cx: Context| {
        cx.spawn("copier", std::future::pending::<()>());
        cx.stopping().await;
        Ok(())
    };
    let child = "child `copier` has not ended in time";
    check_forced(Application::new().task("poller", task), child).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_heartbeat_need_not_beat() {
    let app = Application::new().service(Beats::then_hangs(0)).named("poller");
    let app = started(app.stop_timeout(secs(1))).await;
    tokio::time::sleep(secs(24 * 3600)).await;
    assert_eq!(tales(&app), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn the_file_sets_defaults_overrides_code_and_switches_off() {
    const FILE: &str = "
defaults: {processpype: {heartbeat: {within: 30s, then: restart}}}
services:
  inherits: {kind: beats}
  reports: {kind: beats, processpype: {heartbeat: {then: report}}}
  patient: {kind: beats, processpype: {heartbeat: {within: 10m}}}
  without: {kind: beats, processpype: {heartbeat: {within: 0s}}}
";
    let app = Application::new().kind("beats", Beats::then_hangs(0));
    let app = app.service(Beats::then_hangs(0)).named("code").heartbeat(secs(5), OnHang::Report);
    let app = app.set("services.code.processpype.heartbeat.within=40s");
    let app = started(app.config_text("app.yaml", Format::Yaml, FILE)).await;
    tokio::time::sleep(secs(41)).await;
    let found: Vec<String> = app
        .manager()
        .events(0, usize::MAX)
        .events
        .iter()
        .filter(|event| event.cause == "heartbeat-lost")
        .filter(|event| event.to != Some(ServiceState::Error))
        .filter_map(|event| Some(format!("{} {}", event.service.as_ref()?, event.kind)))
        .collect();
    assert_eq!(found, ["inherits state", "reports health", "code state"]);
}

/// A configuration that is refused, with these words.
#[track_caller]
fn refused(file: &str, words: &[&str]) {
    let app = Application::new().kind("beats", Beats::then_hangs(0)).environment([]);
    let error = app.config_text("app.yaml", Format::Yaml, file).check().expect_err("it is wrong");
    let error = error.to_string();
    for word in words {
        assert!(error.contains(word), "no `{word}` in: {error}");
    }
    assert_eq!(error.matches("error: ").count(), 1, "told once: {error}");
}

#[test]
fn the_section_is_closed_and_its_errors_have_a_place() {
    let services =
        |keys: &str| format!("services:\n  a:\n    kind: beats\n    processpype: {keys}\n");
    refused(&services("{heartbeet: {within: 1s}}"), &["app.yaml:4:19", "`heartbeat`"]);
    refused(&services("{heartbeat: {withn: 1s}}"), &["app.yaml:4:31", "`within`"]);
    refused(&services("{heartbeat: {within: 1ms}}"), &["app.yaml:4:39", "between 10ms and 24h"]);
    refused(&services("{watchdog: {poll: 25h}}"), &["app.yaml:4:36", "between 10ms and 24h"]);
    refused(
        &services("{watchdog: {then: restart}}"),
        &["app.yaml:4:36", "without `poll` it has no effect", "add `poll`"],
    );
    refused(
        &services("{watchdog: {poll: 1s, then: kill}}"),
        &["app.yaml:4:46", "valid: report, restart"],
    );
    refused(
        "defaults: {processpype: {heartbeat: {within: 1ms}}}\n\
         services: {a: {kind: beats}, b: {kind: beats, processpype: {heartbeat: {then: report}}}}",
        &["app.yaml:1:46", "between 10ms and 24h"],
    );
}

#[test]
fn code_is_told_what_is_wrong_with_a_limit() {
    let app = Application::new().service(Beats::then_hangs(0)).named("poller");
    let error = app.heartbeat(Duration::ZERO, OnHang::Report).check().expect_err("it is wrong");
    assert!(error.to_string().contains("`.heartbeat(…)`: a limit of 0ns"), "{error}");
}
