//! Services that block their thread, while the supervisor runs elsewhere.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use processpype_core::{ErrorKind, ServiceState, Verb};
use processpype_runtime::{
    Closed, CommandError, Context, Dep, Manager, RegisterError, Registration, Request as By,
    RequestError, Result, Routes, Service, Severity, Spec, Unavailable,
};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::harness::{Threads, run, spec};

const SOON: Duration = Duration::from_secs(5);

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Blocks its thread in `run` until it is let go.
struct Blocker(Arc<AtomicBool>);

impl Service for Blocker {
    async fn run(&self, _: &Context) -> Result {
        while !self.0.load(SeqCst) {
            std::thread::sleep(millis(1));
        }
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        axum::Router::new().route("/x", axum::routing::get(async || "here")).into()
    }
}

/// Makes a service that blocks, and what lets it go.
fn blocker() -> (Spec, Arc<AtomicBool>) {
    let go = Arc::new(AtomicBool::new(false));
    let free = Arc::clone(&go);
    (spec("blocker", move || Blocker(Arc::clone(&go)), &[]), free)
}

/// Runs services on threads of their own, and waits until they have settled.
async fn settled(specs: Vec<Spec>, threads: &Threads) -> (Manager, JoinHandle<Closed>) {
    let (manager, closed) = run(specs, threads.handle());
    timeout(SOON, manager.settled()).await.expect("it settles");
    (manager, closed)
}

/// Tells on which thread it is dropped.
struct Kept(std::sync::mpsc::Sender<ThreadId>);

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.0.send(std::thread::current().id());
    }
}

struct Idle;

impl Service for Idle {}

#[tokio::test]
async fn what_constructors_keep_is_dropped_where_services_run_when_all_is_closed() {
    let threads = Threads::new();
    let (dropped, there) = std::sync::mpsc::channel();
    let kept = Arc::new(Kept(dropped));
    let make = move || {
        let _ = &kept;
        Idle
    };
    let (manager, closed) = settled(vec![spec("idle", make, &[])], &threads).await;
    manager.close();
    drop(manager);
    timeout(SOON, closed).await.expect("it closes").expect("no panic");
    let there = there.recv_timeout(SOON).expect("it is dropped");
    assert_ne!(there, std::thread::current().id(), "the loop's own");
}

struct User(Dep<Blocker>);

impl Service for User {
    async fn run(&self, cx: &Context) -> Result {
        while cx.sleep(millis(1)).await {
            cx.set_metadata("there", self.0.get().is_ok().to_string());
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_cannot_be_ended_is_cut_off_orphaned_and_named() {
    let threads = Threads::new();
    let (blocker, free) = blocker();
    let specs = vec![blocker, spec("user", User, &[])];
    let (manager, closed) = settled(specs, &threads).await;
    let mounted = manager.mounted("blocker").expect("it is there").expect("it is running");
    let there = async |wanted: &str| {
        let wait = async {
            let mut version = 0;
            loop {
                let status = manager.status("user").expect("it is there");
                if status.metadata.get("there").is_some_and(|there| there == wanted) {
                    return;
                }
                version = manager.changed(version).await;
            }
        };
        timeout(SOON, wait).await.expect("the handle follows");
    };
    there("true").await;
    let (stopped, ()) = tokio::join!(manager.stop("blocker"), there("false"));
    let Err(CommandError::Failed { kind: ErrorKind::Orphaned, message }) = stopped else {
        panic!("{stopped:?}");
    };
    assert_names(&message, "`run` has blocked its thread for at least ");
    assert!(matches!(manager.mounted("blocker"), Some(Err(Unavailable { .. }))));
    let late = mounted.call(Request::new(Body::empty())).await;
    assert!(matches!(late, Ok(_) | Err(RequestError::Stopping)), "a guest of before: {late:?}");
    assert_eq!(manager.start("blocker").await, Err(CommandError::Orphaned));
    let began = Instant::now();
    manager.close();
    let closed = timeout(SOON, closed).await.expect("it closes").expect("no panic");
    assert!(began.elapsed() < millis(500), "an orphan delays nobody: {:?}", began.elapsed());
    assert_eq!(closed.stragglers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["blocker"]);
    free.store(true, SeqCst);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_constructor_that_blocks_one_of_the_threads_keeps_nobody_else_from_running() {
    let go = Arc::new(AtomicBool::new(false));
    let free = Arc::clone(&go);
    let stuck = move || {
        while !go.load(SeqCst) {
            std::thread::sleep(millis(1));
        }
        Idle
    };
    // So many that the loop lets them go first; it is on the same threads.
    let names: Vec<String> = (0..100).map(|number| format!("idle-{number}")).collect();
    let idle = names.iter().map(|name| spec(name, || Idle, &[]));
    let specs = idle.chain([spec("idle-50-stuck", stuck, &[])]).collect();
    let (manager, closed) = run(specs, &Handle::current());
    let run = async {
        for name in &names {
            assert!(manager.reached(name, ServiceState::Running).await);
        }
    };
    let all = timeout(SOON, run).await;
    free.store(true, SeqCst);
    all.expect("the others run");
    manager.close();
    timeout(SOON, closed).await.expect("it closes").expect("no panic");
}

#[tokio::test]
async fn a_stop_cuts_off_what_blocks_its_thread_before_it_is_ended_by_force() {
    let threads = Threads::new();
    let (mut blocker, free) = blocker();
    // Longer than the test: nothing is ended by force.
    Arc::make_mut(&mut blocker.options).stop_timeout = Duration::from_secs(600);
    let (manager, _closed) = settled(vec![blocker], &threads).await;
    assert!(matches!(manager.mounted("blocker"), Some(Ok(_))));
    let stop = Verb::Stop { cascade: false };
    manager.command("blocker", stop, By::by("test")).await.expect("it is taken");
    assert_eq!(manager.state("blocker"), Some(ServiceState::Stopping));
    assert!(matches!(manager.mounted("blocker"), Some(Err(Unavailable { .. }))));
    free.store(true, SeqCst);
    timeout(SOON, manager.reached("blocker", ServiceState::Stopped)).await.expect("it ends");
}

/// Asserts that the text of an orphan tells what it was doing.
#[track_caller]
fn assert_names(message: &str, doing: &str) {
    let begin = format!("the generation could not be ended: {doing}");
    assert!(message.starts_with(&begin), "{message}");
    assert!(message.ends_with("; it may still run until the process ends"), "{message}");
}

#[tokio::test]
async fn what_blocks_its_thread_is_an_orphan_300_ms_after_its_stop_timeout() {
    let threads = Threads::new();
    let (blocker, free) = blocker();
    let (manager, _closed) = settled(vec![blocker], &threads).await;
    // Only the supervisor has a clock that matters now, and it is this one.
    tokio::time::pause();
    let began = Instant::now();
    manager.stop("blocker").await.expect_err("it cannot be ended");
    // `stop_timeout`, then 100 ms to end by itself, then 200 ms after the abort; each wait is
    // rounded up to the next millisecond of the clock.
    let took = began.elapsed();
    assert!((millis(500)..millis(504)).contains(&took), "{took:?}");
    free.store(true, SeqCst);
}

#[tokio::test]
async fn an_abort_cuts_off_what_it_cannot_end() {
    let threads = Threads::new();
    let (blocker, free) = blocker();
    let (manager, closed) = settled(vec![blocker], &threads).await;
    manager.abort();
    let closed = timeout(SOON, closed).await.expect("it closes").expect("no panic");
    assert_eq!(closed.stragglers.iter().map(ToString::to_string).collect::<Vec<_>>(), ["blocker"]);
    assert!(matches!(manager.mounted("blocker"), Some(Err(Unavailable { .. }))));
    free.store(true, SeqCst);
}

/// Says that it is dropped.
struct Told(std::sync::mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn an_abort_ends_the_children_of_what_it_cannot_end() {
    let threads = Threads::new();
    let go = Arc::new(AtomicBool::new(false));
    let free = Arc::clone(&go);
    let (told, ended) = std::sync::mpsc::channel();
    let make = move |cx: Context| {
        let (told, go) = (Told(told.clone()), Arc::clone(&go));
        async move {
            let (begins, begun) = oneshot::channel();
            cx.spawn("child", async move {
                let _told = told;
                let _ = begins.send(());
                std::future::pending::<()>().await;
            });
            // What is woken by who then blocks would stand still with it.
            let _ = begun.await;
            Blocker(go)
        }
    };
    let (manager, _closed) = settled(vec![spec("blocker", make, &[])], &threads).await;
    manager.stop("blocker").await.expect_err("it is orphaned");
    let is_told = ended.recv_timeout(SOON);
    free.store(true, SeqCst);
    assert_eq!(is_told, Ok(()), "its thread is still blocked");
}

#[tokio::test]
async fn an_orphan_that_ends_late_no_longer_blocks_its_successor() {
    let threads = Threads::new();
    let (blocker, free) = blocker();
    let (manager, _closed) = settled(vec![blocker], &threads).await;
    manager.stop("blocker").await.expect_err("it is orphaned");
    assert_eq!(manager.state("blocker"), Some(ServiceState::Error));
    free.store(true, SeqCst);
    timeout(SOON, manager.reached("blocker", ServiceState::Stopped)).await.expect("it ends");
    manager.start("blocker").await.expect("its successor may start");
}

#[tokio::test]
async fn a_constructor_that_blocks_holds_up_nobody_else() {
    let threads = Threads::new();
    let go = Arc::new(AtomicBool::new(false));
    let free = Arc::clone(&go);
    let blocks = move || {
        while !go.load(SeqCst) {
            std::thread::sleep(millis(1));
        }
        Plain
    };
    let specs = vec![spec("blocks", blocks, &[]), spec("plain", || Plain, &[])];
    let (manager, _closed) = run(specs, threads.handle());
    timeout(SOON, manager.reached("plain", ServiceState::Running)).await.expect("it runs");
    assert_eq!(manager.state("blocks"), Some(ServiceState::Starting));
    free.store(true, SeqCst);
    timeout(SOON, manager.reached("blocks", ServiceState::Running)).await.expect("it runs late");
}

struct Plain;

impl Service for Plain {}

/// Notes on which thread it is dropped.
struct Marked(Arc<Mutex<Option<ThreadId>>>);

impl Drop for Marked {
    fn drop(&mut self) {
        *self.0.lock().expect("no panic") = Some(std::thread::current().id());
    }
}

/// Its routes hold a value of its own.
struct Holder(Arc<Mutex<Option<ThreadId>>>);

impl Service for Holder {
    fn routes(self: Arc<Self>) -> Routes {
        let marked = Arc::new(Marked(Arc::clone(&self.0)));
        let handler = async move || {
            let _ = (&self, &marked);
            tokio::time::sleep(millis(50)).await;
        };
        axum::Router::new().route("/", axum::routing::get(handler)).into()
    }
}

#[tokio::test]
async fn who_still_holds_mounted_routes_holds_nothing_of_the_service() {
    let threads = Threads::new();
    let dropped = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&dropped);
    let specs = vec![spec("armed", move || Holder(Arc::clone(&dropped)), &[])];
    let (manager, _closed) = settled(specs, &threads).await;
    let mounted = manager.mounted("armed").expect("it is there").expect("it is running");
    let request = Arc::clone(&mounted).call(Request::new(Body::empty()));
    let (answer, stopped) = tokio::join!(request, async {
        tokio::time::sleep(millis(10)).await;
        manager.stop("armed").await
    });
    assert!(answer.is_ok() && stopped.is_ok(), "{answer:?} {stopped:?}");
    let thread = seen.lock().expect("no panic").expect("it is dropped with its generation");
    assert_ne!(thread, std::thread::current().id(), "user code runs on the services' threads");
    drop(mounted);
    let events = manager.events(0, usize::MAX).events;
    assert!(events.iter().all(|event| event.kind.as_str() != "instance-leaked"), "{events:?}");
}

/// What a constructor has captured. It tells where it is dropped, waits there, and panics.
struct Captured {
    told: Option<oneshot::Sender<ThreadId>>,
    go: Arc<AtomicBool>,
}

impl Drop for Captured {
    fn drop(&mut self) {
        let told = self.told.take().expect("it is dropped once");
        let _ = told.send(std::thread::current().id());
        let begun = Instant::now();
        while !self.go.load(SeqCst) && begun.elapsed() < SOON {
            std::thread::sleep(millis(1));
        }
        std::panic::panic_any("dropped");
    }
}

#[tokio::test]
async fn what_a_constructor_has_captured_is_dropped_where_services_run() {
    let threads = Threads::new();
    let (manager, closed) = settled(vec![spec("plain", || Plain, &[])], &threads).await;
    let go = Arc::new(AtomicBool::new(false));
    let capturing = |name: &str| {
        let (told, dropped) = oneshot::channel();
        let captured = Arc::new(Captured { told: Some(told), go: Arc::clone(&go) });
        let constructor = move || {
            let _ = &captured;
            Plain
        };
        (Registration::of(spec(name, constructor, &[])), dropped)
    };
    let elsewhere = async |dropped: oneshot::Receiver<ThreadId>| {
        let thread = timeout(SOON, dropped).await.expect("in time").expect("it is dropped");
        assert_ne!(thread, std::thread::current().id(), "user code runs on the services' threads");
        manager.stop("plain").await.expect("the loop goes on");
    };

    let (refused, dropped) = capturing("plain");
    let refused = manager.register(refused, By::by("test")).await.expect_err("there is one");
    assert!(matches!(refused, RegisterError::Taken { .. }), "{refused}");
    elsewhere(dropped).await;

    let (foreseen, dropped) = capturing("other");
    manager.preview_registration(foreseen).await.expect("it could join");
    elsewhere(dropped).await;

    go.store(true, SeqCst);
    let (joins, dropped) = capturing("other");
    manager.register(joins, By::by("test")).await.expect("it joins");
    manager.deregister("other").await.expect("it leaves");
    elsewhere(dropped).await;

    let (late, dropped) = capturing("late");
    manager.register(late, By::by("test")).await.expect("it joins");
    manager.close();
    drop(manager);
    closed.await.expect("no panic of what is dropped at the end ends the supervisor");
    dropped.await.expect("it is dropped");
}

#[tokio::test]
async fn a_service_that_hangs_is_not_taken_for_well_by_whoever_asks_late() {
    let threads = Threads::new();
    let (blocker, free) = blocker();
    let (manager, _closed) = run(vec![blocker], threads.handle());
    timeout(SOON, manager.reached("blocker", ServiceState::Running)).await.expect("it runs");
    tokio::time::pause();
    let asks = async || {
        let found = manager.diagnose(Some("blocker")).await.expect("it answers");
        let codes: Vec<_> = found.iter().flat_map(|(_, all)| all).map(|it| it.code).collect();
        assert_eq!(codes, ["no-answer"]);
        found[0].1[0].severity
    };
    for _ in 0..40 {
        assert_eq!(asks().await, Severity::Problem);
    }
    let together = futures_util::future::join_all((0..20).map(|_| asks())).await;
    let kept = together.iter().filter(|severity| **severity == Severity::Problem).count();
    assert_eq!(kept, 16, "the others are told that they are too many");
    free.store(true, SeqCst);
}
