//! Many failures at once: restarts come in turn, and nobody else waits for them.

use std::time::Duration;

use processpype::config::Format;
use processpype::testing::{self, Act, Probe, Script, TestApp};
use processpype::{
    Application, Backoff, RestartLimit, RestartOptions, RestartRate, ServiceState, Timestamp,
};
use tokio::time::Instant;

use crate::harness::{Plain, millis, secs, tales};

/// How many services fail together.
const CROWD: usize = 1000;

/// Fails a second after its first start, and never again.
fn fails_once() -> Probe {
    let run = Act::Fail(secs(1));
    Probe::new(vec![Script { run, ..Script::default() }, Script::default()])
}

/// Half a second before each restart, without jitter and without end.
fn exact() -> RestartOptions {
    let backoff = Backoff::new(millis(500), millis(500), 1.0, 0.0).expect("a good backoff");
    RestartOptions { backoff, limit: RestartLimit::NONE, ..RestartOptions::default() }
}

fn rate(per_second: f64, burst: u32) -> RestartRate {
    RestartRate::new(per_second, burst).expect("a good rate")
}

/// Adds services `s0`, `s1`, … of one probe.
fn crowd(mut app: Application, probe: &Probe, count: usize) -> Application {
    for number in 0..count {
        let name = format!("s{number}");
        app = app.service(probe.service()).named(&name).restart_options(exact());
    }
    app
}

/// Returns when a second or later generation began, each, in order.
fn restarted(app: &TestApp) -> Vec<Timestamp> {
    let events = app.manager().events(0, usize::MAX).events;
    let again = events.iter().filter(|event| {
        event.to == Some(ServiceState::Starting) && event.generation.is_some_and(|it| it.0 > 1)
    });
    again.map(|event| event.time).collect()
}

fn is_running(app: &TestApp, name: &str) -> bool {
    app.manager().state(name) == Some(ServiceState::Running)
}

fn is_held(app: &TestApp, name: &str) -> bool {
    let status = app.manager().status(name).expect("it is there");
    status.restart.is_some_and(|restart| restart.held)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_that_fail_together_are_back_in_seconds_in_turn() {
    let probe = fails_once();
    let app = crowd(Application::new().service(|| Plain).named("good"), &probe, CROWD);
    let app = testing::start(app).await.expect("it starts");
    // A second to fail, half a second of backoff, nine for the nine hundred beyond the burst.
    tokio::time::sleep(secs(1) + millis(500) + secs(9) + millis(50)).await;
    let all = app.manager().names();
    assert!(all.iter().all(|name| is_running(&app, name.as_str())), "all are back");
    assert_eq!(app.manager().status("good").expect("it is there").generation.0, 1);
    let times = restarted(&app);
    assert_eq!(times.len(), CROWD, "the journal still has every restart");
    for window in times.windows(200) {
        let took = window[199].0 - window[0].0;
        assert!(took >= 900, "200 restarts in {took} ms; the burst is 100, and 100 per second");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_held_shows_it_and_says_when_it_comes() {
    let app = crowd(Application::new().restart_rate(rate(0.5, 1)), &fails_once(), 2);
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(millis(1600)).await;
    let (held, other) = if is_held(&app, "s0") { ("s0", "s1") } else { ("s1", "s0") };
    assert!(is_running(&app, other) && !is_held(&app, other));
    let ready = app.get("/health/ready").await.text();
    assert!(ready.contains("held by the limit on restarts, next try at"), "{ready}");
    let told = format!(
        "{held}: restart restart-held (held by the application's limit of 0.5 restarts per \
         second, in 2.0 s)"
    );
    assert_eq!(tales(&app).iter().filter(|tale| tale.contains("restart-held")).count(), 1);
    assert!(tales(&app).contains(&told), "{:#?}", tales(&app));
    let status = app.manager().status(held).expect("it is there");
    let (due, failed) = (status.restart.and_then(|it| it.next_at), status.since);
    assert_eq!(due.map(|due| due.0 - failed.0), Some(2500));
    tokio::time::sleep(secs(2)).await;
    assert!(is_running(&app, held));
}

#[tokio::test(start_paused = true)]
async fn an_operator_does_not_wait_for_a_turn() {
    let app = crowd(Application::new().restart_rate(rate(0.01, 1)), &fails_once(), 3);
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(2)).await;
    let names = ["s0", "s1", "s2"].into_iter();
    let held: Vec<&str> = names.filter(|name| is_held(&app, name)).collect();
    assert_eq!(held.len(), 2);
    let began = Instant::now();
    app.manager().start(held[0]).await.expect("it starts");
    app.manager().restart(held[1]).await.expect("it restarts");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(held.iter().all(|name| is_running(&app, name)));
}

#[tokio::test(start_paused = true)]
async fn a_held_restart_that_is_cancelled_loses_its_turn_and_nothing_more() {
    let app = crowd(Application::new().restart_rate(rate(1.0, 1)), &fails_once(), 3);
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(millis(1600)).await;
    let next = |name: &str| app.manager().status(name).expect("it is there").restart?.next_at;
    let names = ["s0", "s1", "s2"].into_iter();
    let mut held: Vec<(Timestamp, &str)> =
        names.filter_map(|name| Some((next(name)?, name))).collect();
    held.sort();
    app.manager().stop(held[0].1).await.expect("it is stopped");
    tokio::time::sleep(secs(30)).await;
    assert_eq!(app.manager().state(held[0].1), Some(ServiceState::Stopped), "a stop stays");
    let last = restarted(&app).last().copied();
    assert_eq!(last, Some(held[1].0), "the other came when it was promised");
}

#[tokio::test(start_paused = true)]
async fn who_only_waits_for_a_provider_takes_no_turn() {
    // `api` fails with `db`, which stays down: the end of its backoff starts nothing.
    let db = Probe::new(vec![Script { run: Act::Fail(secs(1)), ..Script::default() }]);
    let app = Application::new()
        .service(db.service())
        .named("db")
        .restart(processpype::RestartPolicy::Never)
        .service(fails_once().service())
        .named("api")
        .restart_options(exact())
        .depends_on("db");
    let other = Probe::new(vec![
        Script { run: Act::Fail(secs(5)), ..Script::default() },
        Script::default(),
    ]);
    let app = app.service(other.service()).named("other").restart_options(exact());
    let app = testing::start(app.restart_rate(rate(0.01, 1))).await.expect("it starts");
    tokio::time::sleep(secs(3)).await;
    let api = app.manager().status("api").expect("it is there");
    assert_eq!((api.state, api.waiting_on.len()), (ServiceState::Stopped, 1));
    tokio::time::sleep(secs(3)).await;
    assert!(is_running(&app, "other"), "the one turn there was is its");
}

#[tokio::test(start_paused = true)]
async fn the_file_bounds_starts_and_restarts_of_all_services() {
    let start = Act::Succeed(secs(1));
    let probe = Probe::new(vec![
        Script { start, run: Act::Fail(secs(30)), ..Script::default() },
        Script::default(),
    ]);
    let yaml = "app: {max_concurrent_starts: 2, restart_rate: {per_second: 0.1, burst: 2}}";
    let app = crowd(Application::new().config_text("a.yaml", Format::Yaml, yaml), &probe, 5);
    let app = testing::begin(app).expect("the plan is good");
    let mut most = 0;
    for _ in 0..30 {
        let starting = |name| app.manager().state(name) == Some(ServiceState::Starting);
        let names = ["s0", "s1", "s2", "s3", "s4"];
        most = most.max(names.into_iter().filter(|name| starting(name)).count());
        tokio::time::sleep(millis(100)).await;
    }
    assert_eq!(most, 2);
    tokio::time::sleep(secs(70)).await;
    let times = restarted(&app);
    let since_first: Vec<u64> = times.iter().map(|time| time.0 - times[0].0).collect();
    // They failed a second apart, two by two; the bucket holds two and gets one in ten seconds.
    assert_eq!(since_first, [0, 0, 10_000, 20_000, 30_000]);
}
