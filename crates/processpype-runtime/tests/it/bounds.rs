//! Every queue and ring has a bound, and says so.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request as HttpRequest;
use futures_util::stream;
use processpype_core::{
    Backoff, ErrorKind, RestartLimit, RestartPolicy, RestartRate, ServiceState, Verb,
};
use processpype_runtime::{
    COMMANDS_PENDING, CommandError, Context, Launch, OPERATIONS_PENDING, Request, Result, Routes,
    Scrub, Service, Status, TIMEOUT_MAX,
};
use tokio::runtime::Handle;

use crate::harness::{blueprint, run, spec};

struct Plain;

impl Service for Plain {}

/// Never finishes its start.
struct Slow;

impl Service for Slow {
    async fn start(&self, _: &Context) -> Result {
        std::future::pending().await
    }
}

/// Answers with more than anybody takes.
struct Flood;

impl Service for Flood {
    fn routes(self: Arc<Self>) -> Routes {
        let flood = async || {
            let chunks = stream::repeat_with(|| Ok::<_, Infallible>("chunk "));
            Body::from_stream(chunks)
        };
        axum::Router::new().route("/", axum::routing::get(flood)).into()
    }
}

/// Fails as soon as it runs.
struct Crasher;

impl Service for Crasher {
    async fn run(&self, _: &Context) -> Result {
        Err("crashed".into())
    }
}

/// How much the loop takes before it lets others go on, where no time passes: its share, and what
/// one more turn may take.
const MOST_AT_A_TIME: usize = 512 + 4 * 32;

#[tokio::test(start_paused = true)]
async fn a_storm_of_restarts_leaves_the_thread_to_others_in_between() {
    const SECOND: Duration = Duration::from_secs(1);
    const CROWD: u32 = 3000;
    let crasher = |number| {
        let mut spec = spec(&format!("crasher{number}"), || Crasher, &[]);
        let restart = &mut Arc::make_mut(&mut spec.options).restart;
        restart.limit = RestartLimit::NONE;
        restart.backoff = Backoff::new(SECOND, SECOND, 1.0, 0.0).expect("good");
        spec
    };
    let mut launch = Launch::on(Handle::current());
    launch.restart_rate = RestartRate::new(f64::from(CROWD), CROWD).expect("good");
    let (manager, supervisor) = blueprint((0..CROWD).map(crasher).collect()).launch(launch);
    let _closed = tokio::spawn(supervisor.run());
    manager.settled().await;
    // All backoffs end in this moment, in which time stands still as long as somebody has work.
    tokio::time::sleep(SECOND - Duration::from_millis(1)).await;
    let restarts = || manager.statuses().iter().filter(|it| it.generation.0 == 2).count();
    assert_eq!(restarts(), 0);
    tokio::time::advance(Duration::from_millis(1)).await;
    let (mut seen, mut most) = (0, 0);
    while seen < CROWD as usize {
        tokio::task::yield_now().await;
        let now = restarts();
        (seen, most) = (now, most.max(now - seen));
    }
    assert!(most <= MOST_AT_A_TIME, "{most} restarts in one turn");
}

#[tokio::test(start_paused = true)]
async fn the_end_of_many_leaves_the_thread_to_others_in_between() {
    const CROWD: usize = 3000;
    let plain = |number| spec(&format!("plain{number}"), || Plain, &[]);
    let (manager, closed) = run((0..CROWD).map(plain).collect(), &Handle::current());
    manager.settled().await;
    manager.close();
    let (mut seen, mut most) = (0, 0);
    while seen < CROWD {
        tokio::task::yield_now().await;
        let running = |it: &Arc<Status>| it.state == ServiceState::Running;
        let now = CROWD - manager.statuses().iter().filter(|it| running(it)).count();
        (seen, most) = (now, most.max(now - seen));
    }
    assert!(most <= MOST_AT_A_TIME, "{most} asked to stop in one turn");
    assert!(closed.await.expect("the supervisor ends").stragglers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_no_clock_can_tell_is_a_year() {
    for endless in [Duration::MAX, Duration::from_secs(i64::MAX as u64)] {
        let mut one = spec("one", || Plain, &[]);
        let options = Arc::make_mut(&mut one.options);
        (options.start_timeout, options.stop_timeout) = (endless, endless);
        let mut slow = spec("slow", || Slow, &["one"]);
        Arc::make_mut(&mut slow.options).start_timeout = endless;
        let blueprint = blueprint(vec![one, slow]);
        let plan = blueprint.plan(8);
        assert_eq!(plan.start().worst, TIMEOUT_MAX * 2);
        let (manager, supervisor) = blueprint.launch(Launch::on(Handle::current()));
        let closed = tokio::spawn(supervisor.run());
        manager.reached("slow", ServiceState::Starting).await;
        tokio::time::sleep(TIMEOUT_MAX - Duration::from_secs(1)).await;
        assert_eq!(manager.state("slow"), Some(ServiceState::Starting));
        tokio::time::sleep(Duration::from_secs(2)).await;
        let status = manager.status("slow").expect("it is there");
        assert_eq!(status.last_error.as_ref().expect("it failed").kind, ErrorKind::StartTimeout);
        manager.stop("slow").await.expect("it stops");
        manager.stop("one").await.expect("it stops");
        manager.close();
        assert!(closed.await.expect("the supervisor ends").stragglers.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_is_an_error_also_to_a_slow_reader() {
    let (manager, _closed) = run(vec![spec("flood", || Flood, &[])], &Handle::current());
    manager.settled().await;
    let mounted = manager.mounted("flood").expect("it is there").expect("it is running");
    let answer = mounted.call(HttpRequest::new(Body::empty())).await.expect("it answers");
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Nobody reads, so the queue of frames is full when the service stops.
    manager.stop("flood").await.expect("it stops");
    let read = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
    assert!(read.is_err(), "half an answer passed for a whole one");
}

#[tokio::test(start_paused = true)]
async fn a_plan_has_what_starts_and_nothing_else() {
    let lazy = |name, depends_on: &[&str]| {
        let mut spec = spec(name, || Plain, depends_on);
        Arc::make_mut(&mut spec.options).autostart = false;
        spec
    };
    let specs =
        vec![lazy("a", &[]), lazy("b", &["a"]), lazy("c", &[]), spec("d", || Plain, &["c"])];
    let plan = blueprint(specs);
    let waves = plan.plan(8).start_waves().to_vec();
    let names: Vec<&str> = waves.iter().flatten().map(|&id| plan.name(id).as_str()).collect();
    assert_eq!(names, ["c", "d"]);
}

const START: Verb = Verb::Start { with_dependencies: false, force: false };

#[tokio::test(start_paused = true)]
async fn commands_on_the_way_are_bounded() {
    let plan = blueprint(vec![spec("plain", || Plain, &[])]);
    // Nobody takes the commands: the supervisor does not run.
    let (manager, supervisor) = plan.launch(Launch::on(Handle::current()));
    let ask = || {
        let manager = manager.clone();
        tokio::spawn(async move { manager.command("plain", START, Request::by("test")).await })
    };
    let waiting: Vec<_> = (0..COMMANDS_PENDING).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    let refused = ask().await.expect("no panic").map(|_| ());
    assert_eq!(refused, Err(CommandError::Busy));
    // Closing gets through all the same, and whoever waits is told.
    manager.close();
    let closed = supervisor.run().await;
    assert_eq!(closed.stragglers, []);
    for waiting in waiting {
        let answer = waiting.await.expect("no panic");
        match answer {
            Ok(operation) => drop(operation.outcome().await),
            Err(error) => assert_eq!(error, CommandError::Closing),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn operations_that_wait_are_bounded() {
    let (manager, _closed) = run(vec![spec("slow", || Slow, &[])], &Handle::current());
    let mut operations = Vec::new();
    for _ in 0..OPERATIONS_PENDING {
        let operation = manager.command("slow", START, Request::by("test")).await;
        operations.push(operation.expect("there is room"));
    }
    let refused = manager.command("slow", START, Request::by("test")).await.map(|_| ());
    assert_eq!(refused, Err(CommandError::Busy));
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_full_tells_what_was_lost() {
    let mut launch = Launch::on(Handle::current());
    launch.events_kept = 8;
    let (manager, supervisor) = blueprint(vec![spec("plain", || Plain, &[])]).launch(launch);
    let _closed = tokio::spawn(supervisor.run());
    manager.settled().await;
    let mut slow = manager.subscribe(0);
    for _ in 0..5 {
        manager.restart("plain").await.expect("it restarts");
    }
    let page = manager.events(0, usize::MAX);
    assert_eq!(page.events.len(), 8);
    assert_eq!((page.lost, page.events[0].seq), (page.last - 8, page.last - 7));
    let page = slow.next(3).await;
    assert_eq!((page.lost, page.events.len()), (page.last - 8, 3));
    let page = slow.next(3).await;
    assert_eq!((page.lost, page.events[0].seq), (0, page.last - 4));
    assert!(manager.events(u64::MAX, 10).events.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_closed_application_takes_no_commands() {
    let (manager, closed) = run(vec![spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    manager.close();
    closed.await.expect("no panic");
    assert_eq!(manager.start("plain").await, Err(CommandError::Closing));
    assert_eq!(manager.stop("plain").await, Err(CommandError::Closing));
    let unknown = manager.stop("nobody").await.map_err(|error| error.to_string());
    assert_eq!(unknown, Err("there is no service `nobody`".to_owned()));
}

/// Says far too much when it fails.
struct Verbose(Wordy);

#[derive(Clone, Copy, Debug)]
enum Wordy {
    Error,
    Child,
    Stuck,
}

impl Service for Verbose {
    async fn run(&self, cx: &Context) -> Result {
        let long = "ä".repeat(1 << 20);
        match self.0 {
            Wordy::Error => return Err(processpype_runtime::Error::public(long)),
            Wordy::Child => drop(cx.spawn(&long, async { Err::<(), _>("it fails") })),
            Wordy::Stuck => {
                (0..9).for_each(|_| drop(cx.spawn_blocking(&long, std::thread::park)));
            }
        }
        cx.stopping().await;
        Ok(())
    }
}

#[tokio::test]
async fn what_a_service_says_of_its_failure_is_bounded() {
    let threads = crate::harness::Threads::new();
    for scrub in [Scrub::default(), Scrub::new(str::to_owned)] {
        for wordy in [Wordy::Error, Wordy::Child, Wordy::Stuck] {
            let mut verbose = spec("verbose", move || Verbose(wordy), &[]);
            Arc::make_mut(&mut verbose.options).restart.policy = RestartPolicy::Never;
            let mut launch = Launch::on(threads.handle().clone());
            launch.scrub = scrub.clone();
            let (manager, supervisor) = blueprint(vec![verbose]).launch(launch);
            let closed = tokio::spawn(supervisor.run());
            manager.settled().await;
            if matches!(wordy, Wordy::Stuck) {
                manager.stop("verbose").await.expect_err("its children do not end");
            }
            assert!(manager.reached("verbose", ServiceState::Error).await);
            let status = manager.status("verbose").expect("it is there");
            let told = &status.error.as_ref().expect("it has failed").message;
            assert!((100..=1024).contains(&told.len()), "{wordy:?}: {} bytes", told.len());
            let events = manager.events(0, usize::MAX).events;
            let longest = events.iter().flat_map(|it| it.message.as_deref()).map(str::len).max();
            assert!(longest <= Some(1024), "{wordy:?}: {longest:?} bytes");
            manager.close();
            closed.await.expect("it ends");
        }
    }
}
