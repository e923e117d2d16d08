//! Whoever waits is woken by what it waits for, and by nothing else that happens to come.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, OnceLock};
use std::task::{self, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use processpype_core::{Backoff, RestartLimit, RestartRate, ServiceState};
use processpype_runtime::{Context, Error, Launch, Manager, Result, Service};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::harness::{blueprint, run, spec};

/// Longer than anything takes: who is not woken waits for this.
const PATIENCE: Duration = Duration::from_secs(600);

struct Plain;

impl Service for Plain {}

#[tokio::test(start_paused = true)]
async fn a_loop_that_rests_is_woken_by_the_wish_to_close() {
    let (manager, closed) = run(vec![spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    // It has nothing to do, and no timer.
    tokio::time::sleep(PATIENCE / 2).await;
    manager.close();
    let closed = timeout(PATIENCE, closed).await.expect("it is woken").expect("no panic");
    assert_eq!(closed.stragglers, []);
    drop(manager);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken_by_the_next_event() {
    let (manager, _closed) = run(vec![spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    tokio::time::sleep(PATIENCE / 2).await;
    let seen = manager.last_event();
    let mut events = manager.subscribe(seen);
    let next = tokio::spawn(async move { events.next(1).await.events[0].seq });
    tokio::time::sleep(PATIENCE / 2).await;
    manager.restart("plain").await.expect("it restarts");
    assert_eq!(timeout(PATIENCE, next).await.expect("it is woken").expect("no panic"), seen + 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_change_when_none_comes_any_more_is_told_so() {
    let (manager, closed) = run(vec![spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    let looks = manager.clone();
    // As a view does: it looks at every change until there is none.
    let view = tokio::spawn(async move {
        let mut seen = 0;
        loop {
            let now = looks.changed(seen).await;
            if now == seen {
                return (seen, looks.application_state());
            }
            seen = now;
        }
    });
    manager.close();
    closed.await.expect("the supervisor ends");
    let (last, state) = timeout(PATIENCE, view).await.expect("it is woken").expect("no panic");
    assert_eq!((last, state), (manager.version(), ServiceState::Stopped));
    assert_eq!(timeout(PATIENCE, manager.changed(last)).await, Ok(last), "and who asks later");
}

/// Notes which event was the newest when it was woken first.
struct Early(Manager, OnceLock<u64>);

impl Wake for Early {
    fn wake(self: Arc<Self>) {
        let _ = self.1.set(self.0.last_event());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_woken_before_a_large_step_has_overwritten_what_it_waits_for() {
    const KEPT: usize = 16;
    let specs = (0..100).map(|at| spec(&format!("plain{at}"), || Plain, &[])).collect();
    let mut launch = Launch::on(Handle::current());
    launch.events_kept = KEPT;
    let (manager, supervisor) = blueprint(specs).launch(launch);
    let mut events = manager.subscribe(0);
    let early = Arc::new(Early(manager.clone(), OnceLock::new()));
    let waker = Waker::from(Arc::clone(&early));
    let mut next = events.next(1).boxed();
    assert!(next.poll_unpin(&mut task::Context::from_waker(&waker)).is_pending());
    // All of them start in one step.
    let _closed = tokio::spawn(supervisor.run());
    manager.settled().await;
    let seen = early.1.get().expect("it is woken");
    assert!(*seen <= KEPT as u64 / 2, "it is woken at event {seen}");
}

/// Whoever is woken by an executor like this is not.
struct Sore;

impl Wake for Sore {
    fn wake(self: Arc<Self>) {
        panic!("no executor is there any more");
    }
}

#[tokio::test(start_paused = true)]
async fn an_executor_that_panics_ends_neither_the_loop_nor_the_wait_of_others() {
    let (manager, closed) = run(vec![spec("plain", || Plain, &[])], &Handle::current());
    manager.settled().await;
    let (version, last) = (manager.version(), manager.last_event());
    let mut events = manager.subscribe(last);
    // Waits for all there is to wait for; the last one waits for an answer of the loop as well.
    let waits = || -> Vec<BoxFuture<'_, ()>> {
        vec![
            manager.changed(version).map(drop).boxed(),
            manager.reached("plain", ServiceState::Stopped).map(drop).boxed(),
            manager.stop("plain").map(drop).boxed(),
        ]
    };
    let sore = Waker::from(Arc::new(Sore));
    let mut theirs = waits();
    theirs.push(events.next(1).map(drop).boxed());
    // More than are woken at a time, before those that come after them.
    theirs.extend((0..40).map(|_| manager.changed(version).map(drop).boxed()));
    for wait in &mut theirs {
        assert!(wait.poll_unpin(&mut task::Context::from_waker(&sore)).is_pending());
    }
    timeout(PATIENCE, futures_util::future::join_all(waits())).await.expect("others are woken");
    drop(theirs);
    manager.close();
    assert_eq!(closed.await.expect("the loop goes on").stragglers, []);
}

#[tokio::test(start_paused = true)]
async fn who_loses_all_it_waits_for_at_once_is_told_once() {
    let versions = async |needed: &[&str]| {
        let providers = ["a", "b", "c"].map(|name| spec(name, || Plain, &[]));
        let specs = providers.into_iter().chain([spec("user", || Plain, needed)]);
        let (manager, closed) = run(specs.collect(), &Handle::current());
        manager.settled().await;
        assert_eq!(manager.state("user"), Some(ServiceState::Running));
        let version = manager.version();
        manager.close();
        closed.await.expect("the supervisor ends");
        version
    };
    assert_eq!(versions(&["a", "b", "c"]).await, versions(&["b"]).await);
}

/// Fails this often, and then stays.
struct Failing(Arc<(AtomicUsize, Notify)>);

impl Service for Failing {
    async fn run(&self, cx: &Context) -> Result {
        let (left, done) = &*self.0;
        if left.load(SeqCst) == 0 {
            done.notify_one();
            cx.stopping().await;
            return Ok(());
        }
        left.fetch_sub(1, SeqCst);
        Err(Error::public("again"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_again_and_again_wakes_no_thread_that_has_nothing_to_do() {
    const FAILURES: usize = 1000;
    let (own, metrics) = (Arc::default(), Handle::current().metrics());
    // Of the thread that has less to do.
    let parks = || (0..2).map(|worker| metrics.worker_park_count(worker)).min();
    let shared: Arc<(AtomicUsize, Notify)> = Arc::clone(&own);
    shared.0.store(FAILURES, SeqCst);
    let mut failing = spec("failing", move || Failing(Arc::clone(&own)), &[]);
    let restart = &mut Arc::make_mut(&mut failing.options).restart;
    restart.limit = RestartLimit::NONE;
    let none = Duration::from_nanos(1);
    restart.backoff = Backoff::new(none, none, 1.0, 0.0).expect("good");
    let mut launch = Launch::on(Handle::current());
    launch.restart_rate = RestartRate::new(10_000.0, 100_000).expect("good");
    let (manager, supervisor) = blueprint(vec![failing]).launch(launch);
    let closed = tokio::spawn(supervisor.run());
    timeout(PATIENCE, shared.1.notified()).await.expect("it stays at last");
    assert!(parks() < Some(FAILURES as u64 / 10), "it went to sleep {:?} times", parks());
    manager.close();
    closed.await.expect("no panic");
}
