//! What happens to several services at a time: groups, subtrees, and turns after an outage.

use std::time::Duration;

use processpype::testing::{self, Act, Probe, Script, TestApp};
use processpype::{
    Application, EdgePolicy, RestartLimit, RestartOptions, RestartPolicy, ServiceState, Strategy,
};

use crate::harness::{Plain, last_error, secs, tales, texts, well_behaved};

const MEMBERS: [&str; 3] = ["a", "b", "c"];

/// Three services that need nothing of each other; the middle one fails once, after five seconds.
fn group_of(strategy: Strategy, middle: Script) -> Application {
    let middle = Probe::new(vec![middle, good()]);
    let app = Application::new().service(|| Plain).named("a");
    let app = app.service(middle.service()).named("b").service(|| Plain).named("c");
    app.group("abc", strategy, &MEMBERS)
}

const fn good() -> Script {
    Script { start: Act::Serve, run: Act::Serve, stop: Act::Serve }
}

fn breaks() -> Script {
    Script { run: Act::Fail(secs(5)), ..good() }
}

fn generations(app: &TestApp) -> [u64; 3] {
    MEMBERS.map(|name| app.manager().status(name).expect("it is there").generation.0)
}

async fn after(app: Application, time: Duration) -> TestApp {
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(time).await;
    app
}

#[tokio::test(start_paused = true)]
async fn a_failure_restarts_the_group_as_its_strategy_says() {
    let cases = [
        (Strategy::OneForOne, [1, 2, 1]),
        (Strategy::OneForAll, [2, 2, 2]),
        (Strategy::RestForOne, [1, 2, 2]),
    ];
    for (strategy, expected) in cases {
        let app = after(group_of(strategy, breaks()), secs(10)).await;
        assert_eq!(generations(&app), expected, "{strategy}");
        assert_eq!(app.manager().status("c").expect("it is there").group.as_deref(), Some("abc"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_others_wait_for_the_backoff_of_the_one_that_failed() {
    let app = after(group_of(Strategy::OneForAll, breaks()), Duration::from_millis(5_100)).await;
    let status = app.manager().status("a").expect("it is there");
    assert_eq!((status.state, texts(&status.waiting_on)), (ServiceState::Stopped, vec!["b"]));
    let told = app.transitions();
    assert!(told.contains(&"a: running → stopping (group-restarted)".to_owned()), "{told:#?}");
    let events = app.manager().events(0, usize::MAX).events;
    let why = events.iter().find(|event| event.cause == "group-restarted");
    let why = why.and_then(|event| event.message.as_deref());
    assert_eq!(why, Some("restarts with its group `abc`, because `b` failed"));
    let counted =
        "b: restart restart-scheduled (attempt 1 of 5, restart 1 of 5 of group `abc`, in ";
    assert!(tales(&app).iter().any(|tale| tale.starts_with(counted)), "{:#?}", tales(&app));
}

#[tokio::test(start_paused = true)]
async fn a_stop_and_a_restart_by_an_operator_leave_the_group_alone() {
    let app = after(group_of(Strategy::OneForAll, good()), secs(1)).await;
    app.manager().restart("b").await.expect("it restarts");
    app.manager().stop("b").await.expect("it stops");
    assert_eq!(generations(&app), [1, 2, 1]);
    assert_eq!(app.manager().state("a"), Some(ServiceState::Running));
}

/// Its own limit ended it; the group was not restarted for it.
#[tokio::test(start_paused = true)]
async fn a_member_without_a_restart_of_its_own_takes_none_from_the_group() {
    let once = |time| Probe::new(vec![Script { run: Act::Fail(secs(time)), ..good() }, good()]);
    let never = RestartOptions {
        limit: RestartLimit::new(0, secs(60)).expect("a good limit"),
        ..RestartOptions::default()
    };
    let app = Application::new().service(once(1).service()).named("a").restart_options(never);
    let app = app.service(once(2).service()).named("b");
    let app = app.group("pair", Strategy::OneForOne, &["a", "b"]);
    let app = app.group_limit(RestartLimit::new(1, secs(60)).expect("a good limit"));
    let app = after(app, secs(10)).await;
    let states = ["a", "b"].map(|name| app.manager().state(name).expect("it is there"));
    assert_eq!(states, [ServiceState::Error, ServiceState::Running]);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_repeats_its_work_takes_none_from_the_group() {
    let works = Probe::new(vec![Script { run: Act::Succeed(secs(20)), ..good() }]);
    let always = RestartOptions { policy: RestartPolicy::Always, ..RestartOptions::default() };
    let app = Application::new().service(works.service()).named("a").oneshot();
    let app = app.restart_options(always).service(|| Plain).named("b");
    let app = app.group("pair", Strategy::OneForAll, &["a", "b"]);
    let app = app.group_limit(RestartLimit::new(1, secs(3600)).expect("a good limit"));
    let app = after(app, secs(100)).await;
    let generations =
        ["a", "b"].map(|name| app.manager().status(name).expect("it is there").generation.0);
    assert!(generations[0] >= 4 && generations[1] == 1, "{generations:?}");
}

#[tokio::test(start_paused = true)]
async fn the_members_share_a_limit() {
    let flaky = || Probe::new(vec![Script { run: Act::Fail(secs(1)), ..good() }]);
    let app = Application::new().service(flaky().service()).named("a");
    let app = app.service(flaky().service()).named("b");
    let app = app.group("pair", Strategy::OneForOne, &["a", "b"]);
    let app = app.group_limit(RestartLimit::new(3, secs(60)).expect("a good limit"));
    let app = after(app, secs(60)).await;
    // Three restarts of both together: one of them had two, and both are given up.
    let ends = ["a", "b"].map(|name| app.manager().status(name).expect("it is there"));
    assert_eq!(ends.iter().map(|end| end.generation.0).sum::<u64>(), 2 + 3);
    assert!(ends.iter().all(|end| end.restart.as_ref().is_some_and(|restart| restart.exhausted)));
    let told = tales(&app);
    let text = "gave up after 3 restarts within 60 s of group `pair`; a start tries again";
    assert!(told.iter().any(|line| line.contains(text)), "{told:#?}");
    // A start forgives the group.
    app.manager().start("a").await.expect("it starts");
    tokio::time::sleep(secs(2)).await;
    assert_eq!(
        app.manager().status("a").expect("it is there").generation.0,
        ends[0].generation.0 + 2
    );
}

/// A chain: `mid` needs `low`, `top` needs `mid`.
fn chain(low: &Probe) -> Application {
    let app = Application::new().service(low.service()).named("low");
    let app = app.service(|| Plain).named("mid").depends_on("low");
    app.service(|| Plain).named("top").depends_on("mid")
}

#[tokio::test(start_paused = true)]
async fn a_restart_with_dependents_stops_from_the_top_and_starts_from_the_bottom() {
    let app = testing::start(chain(&well_behaved())).await.expect("it starts");
    let before = app.transitions().len();
    let answer = app.post("/services/low/restart?with_dependents=true").await;
    assert_eq!(answer.json()["affected"], serde_json::json!(["mid", "top"]));
    app.wait("top", ServiceState::Running).await.expect("it comes back");
    let names = |to: &str| -> Vec<String> {
        let told = app.transitions().split_off(before);
        let to = format!("→ {to} ");
        let lines = told.into_iter().filter(|line| line.contains(&to));
        lines.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names("stopping"), ["top", "mid", "low"]);
    assert_eq!(names("running"), ["low", "mid", "top"]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_tells_who_follows_by_its_own_edge() {
    let app = Application::new().service(|| Plain).named("low");
    let app = app.service(|| Plain).named("mid").depends_on("low");
    let app = app.edge("low", EdgePolicy::Restart);
    let app = testing::start(app.service(|| Plain).named("top").depends_on("mid"))
        .await
        .expect("it starts");
    let told = app.post("/services/mid/restart?dry_run=true").await;
    assert_eq!(told.json()["affected"], serde_json::json!([]), "`top` holds");
    let answer = app.post("/services/low/restart").await;
    assert_eq!(answer.json()["affected"], serde_json::json!(["mid"]));
}

/// Three need `low`: `bad` does badly in the generation that `script` is for, `top` needs it too.
fn fleet(scripts: Vec<Script>) -> Application {
    let app = Application::new().service(|| Plain).named("low");
    let app = app.service(|| Plain).named("good").depends_on("low");
    let app = app.service(Probe::new(scripts).service()).named("bad").depends_on("low");
    let app = app.restart(RestartPolicy::Never);
    app.service(|| Plain).named("top").depends_on("bad")
}

fn fleet_states(app: &TestApp) -> [ServiceState; 4] {
    ["low", "good", "bad", "top"].map(|name| app.manager().state(name).expect("it is there"))
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_keeps_no_other_from_its_restart_and_each_says_how_it_went() {
    let fails = Script { start: Act::Fail(secs(1)), ..good() };
    let app = testing::start(fleet(vec![good(), fails])).await.expect("it starts");
    let answer = app.post("/services/low/restart?with_dependents=true").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json()["affected"], serde_json::json!(["bad", "good", "top"]));
    app.wait("bad", ServiceState::Error).await.expect("it fails");
    use ServiceState::{Error, Running, Stopped};
    assert_eq!(fleet_states(&app), [Running, Running, Error, Stopped]);
    assert!(last_error(&app, "bad").starts_with("start-failed: "));
    let top = app.manager().status("top").expect("it is there");
    assert_eq!(texts(&top.waiting_on), ["bad"], "it says for whom it waits");
    app.manager().start("bad").await.expect_err("it fails again");
    assert_eq!(fleet_states(&app), [Running, Running, Error, Stopped], "and nobody with it");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_keeps_nobody_from_a_turn_that_is_still_to_come() {
    let fails = Script { start: Act::Fail(secs(1)), ..good() };
    let slow = Probe::new(vec![good(), Script { start: Act::Succeed(secs(2)), ..good() }]);
    let app = fleet(vec![good(), fails]).service(slow.service()).named("slow").depends_on("low");
    let app = app.service(|| Plain).named("late").depends_on("slow");
    let app = testing::start(app).await.expect("it starts");
    let answer = app.post("/services/low/restart?with_dependents=true").await;
    assert_eq!(answer.status(), 200);
    app.wait("bad", ServiceState::Error).await.expect("it fails");
    assert_eq!(app.manager().state("late"), Some(ServiceState::Stopped), "it waits for `slow`");
    app.wait("late", ServiceState::Running).await.expect("it has its turn all the same");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_keeps_no_other_from_its_stop() {
    let panics = Script { stop: Act::Panic(secs(1)), ..good() };
    let app = testing::start(fleet(vec![panics])).await.expect("it starts");
    let before = app.transitions().len();
    let answer = app.post("/services/low/stop?cascade=true").await;
    assert_eq!((answer.status(), &answer.json()["status"]), (200, &"stopped".into()));
    assert_eq!(fleet_states(&app), [ServiceState::Stopped; 4]);
    assert!(last_error(&app, "bad").starts_with("stop-failed: "));
    for name in ["low", "good", "top"] {
        let status = app.manager().status(name).expect("it is there");
        assert_eq!(status.last_error, None, "{name} did nothing wrong");
    }
    let told = app.transitions().split_off(before);
    assert_eq!(told.last().map(String::as_str), Some("low: stopping → stopped (stopped)"));
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_a_provider_that_is_back_takes_its_turn() {
    const DEPENDENTS: usize = 200;
    let back = Script { start: Act::Succeed(secs(1)), ..good() };
    let low = Probe::new(vec![breaks(), back]);
    let mut app = Application::new().service(low.service()).named("low");
    for i in 0..DEPENDENTS {
        app = app.service(|| Plain).named(&format!("d{i}")).depends_on("low");
        app = app.edge("low", EdgePolicy::Restart);
    }
    let app = after(app, secs(10)).await;
    let events = app.manager().events(0, usize::MAX).events;
    let is_start = |event: &&std::sync::Arc<processpype::Event>| {
        event.to == Some(ServiceState::Starting)
            && event.service.as_ref().is_some_and(|name| name.as_str().starts_with('d'))
    };
    let times: Vec<u64> = events.iter().filter(is_start).map(|event| event.time.0).collect();
    assert_eq!(times.len(), 2 * DEPENDENTS, "all are back");
    let (first, times) = times.split_at(DEPENDENTS);
    assert!(first.iter().all(|time| *time == first[0]), "who comes for the first time is not back");
    let busiest = times.iter().map(|time| times.iter().filter(|other| *other == time).count());
    assert!(busiest.max() < Some(DEPENDENTS), "not all in one moment: {times:?}");
}
