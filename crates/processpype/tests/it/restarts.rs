//! What follows a failure: restarts at exact times, giving up, and who has the last word.

use std::time::Duration;

use processpype::testing::{self, Act, Probe, Script, TestApp};
use processpype::{
    Application, Backoff, CloseCause, Config, Dep, Desired, EdgePolicy, Error, ErrorKind,
    GenerationExit, Request, RestartInfo, RestartLimit, RestartOptions, RestartPolicy, Service,
    ServiceState, Strategy,
};
use tokio::time::Instant;

use crate::harness::{Plain, last_error, millis, probe, secs, tales, texts, well_behaved};

const START_FAILS: Script = Script { start: Act::Fail(Duration::ZERO), ..good() };

const fn good() -> Script {
    Script { start: Act::Serve, run: Act::Serve, stop: Act::Serve }
}

/// Fails in `run` after a time.
fn fails_after(time: Duration) -> Script {
    Script { run: Act::Fail(time), ..good() }
}

/// No jitter, so that times are exact.
fn exact() -> RestartOptions {
    let backoff = Backoff::new(millis(500), secs(30), 2.0, 0.0).expect("a good backoff");
    RestartOptions { backoff, ..RestartOptions::default() }
}

fn without_limit() -> RestartOptions {
    RestartOptions { limit: RestartLimit::NONE, ..exact() }
}

fn app_of(probe: &Probe, options: RestartOptions) -> Application {
    Application::new().service(probe.service()).named("db").restart_options(options)
}

fn restart_of(app: &TestApp, name: &str) -> Option<RestartInfo> {
    app.manager().status(name).expect("it is there").restart
}

fn generation_of(app: &TestApp, name: &str) -> u64 {
    app.manager().status(name).expect("it is there").generation.0
}

/// Returns the times between the starts of a service that fails at once, in milliseconds.
fn gaps(app: &TestApp, name: &str) -> Vec<u64> {
    let events = app.manager().events(0, usize::MAX).events;
    let is_start = |event: &&std::sync::Arc<processpype::Event>| {
        event.to == Some(ServiceState::Starting)
            && event.service.as_ref().is_some_and(|service| service.as_str() == name)
    };
    let times: Vec<u64> = events.iter().filter(is_start).map(|event| event.time.0).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn delays_double_up_to_the_longest() {
    let db = Probe::new(vec![START_FAILS]);
    let app = testing::start(app_of(&db, without_limit())).await.expect("it starts");
    tokio::time::sleep(secs(125)).await;
    let expected = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
    assert_eq!(gaps(&app, "db"), expected);
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_each_delay_by_a_chance_of_its_own() {
    let db = Probe::new(vec![START_FAILS]);
    let steady = Backoff::new(secs(10), secs(10), 1.0, 0.5).expect("a good backoff");
    let options = RestartOptions { backoff: steady, ..without_limit() };
    let app = testing::start(app_of(&db, options)).await.expect("it starts");
    tokio::time::sleep(secs(60)).await;
    let gaps = gaps(&app, "db");
    assert!(gaps.len() >= 5, "{gaps:?}");
    assert!(gaps.iter().all(|gap| (5_000..=10_000).contains(gap)), "{gaps:?}");
    let distinct: std::collections::BTreeSet<u64> = gaps.iter().copied().collect();
    assert!(distinct.len() >= 4, "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn five_restarts_in_a_minute_are_the_last_and_the_whole_story_is_told() {
    let db = Probe::new(vec![START_FAILS]);
    let app = testing::start(app_of(&db, exact())).await.expect("it starts");
    let first = restart_of(&app, "db").expect("it is in backoff");
    assert_eq!((first.attempt, first.exhausted), (1, false));
    let failed_at = app.manager().status("db").expect("it is there").since;
    assert_eq!(first.next_at.map(|at| at.0 - failed_at.0), Some(500));
    tokio::time::sleep(secs(300)).await;

    assert_eq!(gaps(&app, "db"), [500, 1000, 2000, 4000, 8000]);
    let status = app.manager().status("db").expect("it is there");
    assert_eq!((status.state, status.desired), (ServiceState::Error, Desired::Running));
    let restart = status.restart.expect("it is exhausted");
    assert_eq!((restart.attempt, restart.next_at, restart.exhausted), (5, None, true));
    assert_eq!(status.error.as_ref().map(|error| error.kind), Some(ErrorKind::StartFailed));
    let exits: Vec<_> = status.history.iter().map(|past| past.exit).collect();
    assert_eq!(exits, [GenerationExit::Failed(ErrorKind::StartFailed); 6]);
    assert_eq!(
        tales(&app),
        [
            "db: restart restart-scheduled (attempt 1 of 5, in 0.5 s)",
            "db: restart restart-scheduled (attempt 2 of 5, in 1.0 s)",
            "db: restart restart-scheduled (attempt 3 of 5, in 2.0 s)",
            "db: restart restart-scheduled (attempt 4 of 5, in 4.0 s)",
            "db: restart restart-scheduled (attempt 5 of 5, in 8.0 s)",
            "db: restart exhausted (gave up after 5 restarts within 60 s; a start tries again)",
        ]
    );
}

/// Fails in `start` after four seconds, then each time after three: with half a second of backoff,
/// it never rests at the same time as one that always takes three.
#[tokio::test(start_paused = true)]
async fn services_that_fail_slowly_and_out_of_step_settle_once_each_was_started() {
    let slow = |seconds| Script { start: Act::Fail(secs(seconds)), ..good() };
    let backoff = Backoff::new(millis(500), millis(500), 1.0, 0.0).expect("a good backoff");
    let options = RestartOptions { backoff, ..without_limit() };
    let (one, other) = (Probe::new(vec![slow(3)]), Probe::new(vec![slow(4), slow(3)]));
    let app = app_of(&one, options).service(other.service()).named("other");
    let app = testing::begin(app.restart_options(options)).expect("it begins");
    tokio::time::sleep(millis(3_900)).await;
    assert_eq!(app.get("/health/startup").await.status(), 503, "one is in its first start");
    let settled = tokio::time::timeout(secs(60), app.manager().settled()).await;
    assert_eq!(settled, Ok(()), "no moment comes at which both rest");
    assert_eq!(app.manager().state("db"), Some(ServiceState::Starting), "again");
    assert_eq!(app.get("/health/startup").await.status(), 200);
}

/// Fails after a second.
struct Failing;

impl Service for Failing {
    async fn run(&self, _: &processpype::Context) -> processpype::Result {
        tokio::time::sleep(secs(1)).await;
        Err(Error::public("as always"))
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_a_service_in_backoff_is_told_when_it_comes() {
    let backoff = Backoff::new(secs(8), secs(8), 1.0, 0.0).expect("a good backoff");
    let app = Application::new().service(|| Failing);
    let app = app.restart_options(RestartOptions { backoff, ..exact() });
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(millis(1500)).await;
    let next_at = restart_of(&app, "failing").and_then(|restart| restart.next_at);
    assert!(next_at.is_some(), "it is in backoff");
    let error = Error::from(app.manager().get::<Failing>("failing").map(drop).expect_err("away"));
    assert_eq!(error.unavailable().map(|unavailable| unavailable.retry_at), Some(next_at));
    let answer = app.get("/services/failing/any").await;
    assert_eq!((answer.status(), answer.header("retry-after")), (503, Some("8")), "of 7.5 s");
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_there_are_no_more_restarts_in_a_minute_than_there_may_be() {
    let five = RestartLimit::default();
    let of_group = |app: Application| app.group("all", Strategy::OneForOne, &["db"]);
    let cases = [
        app_of(&Probe::new(vec![START_FAILS]), exact()),
        of_group(app_of(&Probe::new(vec![START_FAILS]), without_limit())).group_limit(five),
    ];
    for app in cases {
        let app = testing::start(app).await.expect("it starts");
        let paused = app.manager().pause_restarts(secs(600), Request::by("test")).await;
        paused.expect("they pause");
        tokio::time::sleep(secs(900)).await;
        assert_eq!(gaps(&app, "db"), [600_000, 1000, 2000, 4000, 8000]);
        assert!(restart_of(&app, "db").is_some_and(|restart| restart.exhausted));
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_minute_makes_the_next_failure_the_first() {
    let mut scripts = vec![START_FAILS; 3];
    scripts.extend([fails_after(secs(60)), START_FAILS, good()]);
    let db = Probe::new(scripts);
    let app = testing::start(app_of(&db, exact())).await.expect("it starts");
    tokio::time::sleep(secs(120)).await;
    assert_eq!(gaps(&app, "db"), [500, 1000, 2000, 60_500, 1000]);
    assert_eq!(app.manager().state("db"), Some(ServiceState::Running));
    assert_eq!(restart_of(&app, "db"), None);
}

#[tokio::test(start_paused = true)]
async fn an_unready_minute_is_no_healthy_one() {
    let options = exact();
    let app = Application::new()
        .task("db", async |cx: processpype::Context| {
            cx.ready(false);
            cx.sleep(secs(61)).await;
            Err::<(), _>(Error::public("never ready"))
        })
        .restart_options(options);
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(130)).await;
    assert_eq!(gaps(&app, "db"), [61_500, 62_000]);
}

#[tokio::test(start_paused = true)]
async fn an_operators_stop_during_backoff_is_the_last_word() {
    let db = Probe::new(vec![START_FAILS]);
    let app = testing::start(app_of(&db, exact())).await.expect("it starts");
    assert!(restart_of(&app, "db").is_some());
    app.manager().stop("db").await.expect("it stops");
    let status = app.manager().status("db").expect("it is there");
    assert_eq!((status.state, status.desired), (ServiceState::Stopped, Desired::Stopped));
    assert_eq!((status.restart, status.last_error.is_some()), (None, true));
    tokio::time::sleep(secs(300)).await;
    assert_eq!(generation_of(&app, "db"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_forgives_backoff_and_exhaustion() {
    let mut scripts = vec![START_FAILS; 6];
    scripts.extend([fails_after(secs(1)), START_FAILS, good()]);
    let db = Probe::new(scripts);
    let app = testing::start(app_of(&db, exact())).await.expect("it starts");
    tokio::time::sleep(secs(100)).await;
    assert!(restart_of(&app, "db").expect("exhausted").exhausted);
    app.manager().start("db").await.expect("it runs");
    assert_eq!(restart_of(&app, "db"), None);
    tokio::time::sleep(secs(5)).await;
    assert_eq!(gaps(&app, "db")[6..], [1500, 1000], "the first and the second attempt again");
    assert_eq!(generation_of(&app, "db"), 9);
    assert_eq!(app.manager().state("db"), Some(ServiceState::Running));
}

#[tokio::test(start_paused = true)]
async fn a_dependent_waits_out_the_backoff_and_resumes_in_order_for_free() {
    let db = Probe::new(vec![START_FAILS, START_FAILS, good()]);
    let app = app_of(&db, exact()).service(|| Plain).named("api").depends_on("db");
    let app = testing::start(app).await.expect("it starts");
    let api = app.manager().status("api").expect("it is there");
    assert_eq!((api.state, api.restart), (ServiceState::Stopped, None));
    assert_eq!(api.waiting_on[0].as_str(), "db");
    app.wait("api", ServiceState::Running).await.expect("it resumes");
    assert_eq!(generation_of(&app, "api"), 1);
    let api: Vec<String> =
        app.transitions().into_iter().filter(|line| line.starts_with("api")).collect();
    assert_eq!(api[0], "api: stopped → starting (dependency-ready)");
    assert!(tales(&app).iter().all(|line| !line.starts_with("api: health restart")));
}

struct Store;
impl Service for Store {}

/// Fails with `Unavailable` as soon as its provider is.
struct User(Dep<Store>);
impl Service for User {
    async fn run(&self, cx: &processpype::Context) -> processpype::Result {
        while cx.sleep(millis(100)).await {
            self.0.get()?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn an_exit_for_want_of_a_provider_costs_nothing_and_waits() {
    let app = Application::new()
        .service(|| Store)
        .service(|store: Dep<Store>| User(store))
        .restart_options(exact());
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("store").await.expect("it stops");
    app.wait("user", ServiceState::Error).await.expect("it misses its store");
    let user = app.manager().status("user").expect("it is there");
    assert_eq!(user.error.as_ref().map(|error| error.kind), Some(ErrorKind::Dependency));
    assert_eq!(user.restart.map(|restart| (restart.attempt, restart.exhausted)), Some((1, false)));
    tokio::time::sleep(secs(600)).await;
    let user = app.manager().status("user").expect("it is there");
    assert_eq!((user.state, user.restart, user.generation.0), (ServiceState::Stopped, None, 1));
    assert_eq!(user.waiting_on[0].as_str(), "store");
    app.manager().start("store").await.expect("it runs");
    app.wait("user", ServiceState::Running).await.expect("it resumes");
    let free =
        "user: restart restart-scheduled (a provider was unavailable: not counted, in 0.5 s)";
    assert_eq!(tales(&app).iter().filter(|line| line.contains("restart-scheduled")).count(), 1);
    assert!(tales(&app).contains(&free.to_owned()), "{:?}", tales(&app));
}

#[tokio::test(start_paused = true)]
async fn who_misses_its_provider_pauses_no_less_than_the_first_delay_whatever_the_jitter() {
    // All of a delay may be taken away by chance.
    let backoff = Backoff::new(secs(10), secs(30), 2.0, 1.0).expect("a good backoff");
    let app = Application::new().service(|| Store).service(|store: Dep<Store>| User(store));
    let app = app.restart_options(RestartOptions { backoff, ..exact() });
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("store").await.expect("it stops");
    app.wait("user", ServiceState::Error).await.expect("it misses its store");
    let user = app.manager().status("user").expect("it is there");
    let next_at = user.restart.and_then(|restart| restart.next_at).expect("it pauses");
    assert_eq!(next_at.0 - user.since.0, 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_significant_service_closes_the_application_only_when_it_is_exhausted() {
    let db = Probe::new(vec![START_FAILS]);
    let began = Instant::now();
    let mut app = testing::start(app_of(&db, exact()).significant()).await.expect("it is checked");
    let closed = app.closed().await;
    assert!(matches!(closed.cause, CloseCause::SignificantAtStart(_)), "{closed:?}");
    assert_eq!(closed.significant.expect("a service").as_str(), "db");
    assert_eq!(began.elapsed(), millis(15_500));

    let db = Probe::new(vec![fails_after(secs(1))]);
    let mut app = testing::start(app_of(&db, exact()).significant()).await.expect("it starts");
    let began = Instant::now();
    let closed = app.closed().await;
    assert_eq!(began.elapsed(), millis(6_000 + 15_500));
    assert!(matches!(closed.cause, CloseCause::Significant(_)), "{closed:?}");
    assert!(closed.stragglers.is_empty());
    // The reason is told before what follows from it.
    let events = app.manager().events(0, usize::MAX).events;
    let told = events.iter().map(|event| event.cause);
    let told: Vec<_> = told.filter(|cause| ["exhausted", "closing"].contains(cause)).collect();
    assert_eq!(told, ["exhausted", "closing"]);
}

#[tokio::test(start_paused = true)]
async fn each_failure_is_told_in_its_own_words() {
    let app = Application::new().task("it", async |cx: processpype::Context| {
        cx.sleep(secs(1)).await;
        processpype::Result::Err(Error::public(format!("number {}", cx.generation())))
    });
    let app = testing::start(app.restart_options(without_limit())).await.expect("it starts");
    for number in 1..=3 {
        app.wait("it", ServiceState::Error).await.expect("it fails");
        assert_eq!(last_error(&app, "it"), format!("failed: number {number}"));
        app.wait("it", ServiceState::Running).await.expect("it comes back");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_in_backoff_or_waits_is_no_straggler_and_delays_nothing() {
    let db = Probe::new(vec![Script { run: Act::Fail(Duration::ZERO), ..good() }]);
    let app = app_of(&db, exact()).service(|| Plain).named("api").depends_on("db");
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(2)).await;
    assert!(restart_of(&app, "db").expect("in backoff").next_at.is_some());
    let manager = app.manager().clone();
    let (began, generation) = (Instant::now(), generation_of(&app, "db"));
    let closed = app.stop().await;
    assert_eq!((began.elapsed(), closed.stragglers), (Duration::ZERO, vec![]));
    tokio::time::sleep(secs(60)).await;
    let db = manager.status("db").expect("it is there");
    assert_eq!((db.generation.0, db.restart), (generation, None));
}

/// A provider that fails once after a second, and a dependent of a policy.
async fn with_edge(policy: EdgePolicy) -> TestApp {
    let db = Probe::new(vec![fails_after(secs(1)), good()]);
    let api = well_behaved();
    let app = app_of(&db, exact()).service(api.service()).named("api").depends_on("db");
    let app = testing::start(app.edge("db", policy)).await.expect("it starts");
    tokio::time::sleep(secs(5)).await;
    assert_eq!(generation_of(&app, "db"), 2);
    app
}

#[tokio::test(start_paused = true)]
async fn a_dependent_holds_or_restarts_as_its_edge_says() {
    for (policy, generation) in
        [(EdgePolicy::Hold, 1), (EdgePolicy::Restart, 2), (EdgePolicy::Optional, 1)]
    {
        let app = with_edge(policy).await;
        assert_eq!(generation_of(&app, "api"), generation, "{policy}");
        assert_eq!(app.manager().state("api"), Some(ServiceState::Running), "{policy}");
        let restarted = "api: running → stopping (provider-restarted)".to_owned();
        assert_eq!(app.transitions().contains(&restarted), generation == 2, "{policy}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_says_more_of_an_edge_than_code() {
    let app = Application::new().service(|| Plain).named("db");
    let app = app.service(|| Plain).named("api").depends_on("db").edge("db", EdgePolicy::Hold);
    let app = testing::start(app.set("services.api.edges.db=restart")).await.expect("it starts");
    app.manager().restart("db").await.expect("it restarts");
    app.wait("api", ServiceState::Running).await.expect("it follows");
    assert_eq!(generation_of(&app, "api"), 2);
}

#[tokio::test(start_paused = true)]
async fn an_optional_provider_that_is_down_holds_nobody_up() {
    let db = Probe::new(vec![START_FAILS]);
    let app = app_of(&db, exact()).restart(RestartPolicy::Never);
    let app = app.service(|| Plain).named("api").depends_on("db");
    let app = testing::start(app.edge("db", EdgePolicy::Optional)).await.expect("it starts");
    assert_eq!(app.manager().state("db"), Some(ServiceState::Error));
    assert_eq!(app.manager().state("api"), Some(ServiceState::Running));
}

#[tokio::test(start_paused = true)]
async fn a_oneshot_is_tried_again_until_it_completes() {
    let completes = Script { run: Act::Succeed(millis(10)), ..good() };
    let job = Probe::new(vec![fails_after(millis(10)), completes]);
    let app = app_of(&job, exact()).oneshot().service(|| Plain).named("api").depends_on("db");
    let app = testing::start(app).await.expect("it starts");
    app.wait("api", ServiceState::Running).await.expect("it starts after the job");
    tokio::time::sleep(secs(60)).await;
    let job = app.manager().status("db").expect("it is there");
    assert_eq!((job.completed, job.generation.0, job.restart), (true, 2, None));
}

/// A migration that is under way is no migration yet.
#[tokio::test(start_paused = true)]
async fn dependents_of_a_oneshot_start_when_it_has_completed_not_when_it_runs() {
    let job = probe(Act::Serve, Act::Succeed(secs(10)), Act::Serve);
    let app = app_of(&job, exact()).oneshot().service(|| Plain).named("api").depends_on("db");
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(5)).await;
    let api = app.manager().status("api").expect("it is there");
    assert_eq!((api.state, texts(&api.waiting_on)), (ServiceState::Stopped, vec!["db"]));
    tokio::time::sleep(secs(6)).await;
    assert_eq!(app.manager().state("api"), Some(ServiceState::Running));
}

#[tokio::test(start_paused = true)]
async fn always_is_also_after_a_oneshot_completed_and_never_is_never() {
    let job = probe(Act::Serve, Act::Succeed(secs(1)), Act::Serve);
    let options = RestartOptions { policy: RestartPolicy::Always, ..exact() };
    let app = testing::start(app_of(&job, options).oneshot()).await.expect("it starts");
    tokio::time::sleep(secs(4)).await;
    assert_eq!(gaps(&app, "db"), [1500, 2000]);

    let db = Probe::new(vec![START_FAILS]);
    let app = testing::start(app_of(&db, exact()).restart(RestartPolicy::Never)).await;
    let app = app.expect("it starts");
    tokio::time::sleep(secs(300)).await;
    assert_eq!((generation_of(&app, "db"), restart_of(&app, "db")), (1, None));
    assert!(tales(&app).is_empty());
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

struct Broken;
impl Service for Broken {
    async fn start(&self, _: &processpype::Context) -> processpype::Result {
        Err(Error::public("broken"))
    }
}

#[tokio::test(start_paused = true)]
async fn the_file_says_it_key_by_key_over_the_defaults() {
    let yaml = "
defaults: {restart: {max_restarts: 2, backoff: {initial: 1s, jitter: 0}}}
services:
  a: {kind: broken}
  b: {kind: broken, restart: {backoff: {factor: 3}}}
  c: {kind: broken, restart: {policy: never}}
";
    let app = Application::new().kind("broken", |_: Config<Nothing>| Broken).config_text(
        "app.yaml",
        processpype::config::Format::Yaml,
        yaml,
    );
    let app = testing::start(app).await.expect("it starts");
    tokio::time::sleep(secs(100)).await;
    assert_eq!(gaps(&app, "a"), [1000, 2000]);
    assert_eq!(gaps(&app, "b"), [1000, 3000]);
    assert!(gaps(&app, "c").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_page_of_one_kind_is_full_although_other_events_lie_between() {
    let db = Probe::new(vec![START_FAILS]);
    let app = testing::start(app_of(&db, exact())).await.expect("it starts");
    tokio::time::sleep(secs(300)).await;
    let (mut after, mut pages) = (0, Vec::new());
    for _ in 0..4 {
        let path = format!("/events?kind=restart&limit=2&after={after}");
        let page = app.get(&path).await.json();
        let causes = page["events"].as_array().expect("a page has events").iter();
        let causes: Vec<String> = causes.map(|event| event["cause"].to_string()).collect();
        pages.push(causes.len());
        after = page["next"].as_u64().expect("a page says where to go on");
    }
    assert_eq!(pages, [2, 2, 2, 0], "five restarts to come and one given up");
    assert_eq!(after, app.manager().last_event());
}
