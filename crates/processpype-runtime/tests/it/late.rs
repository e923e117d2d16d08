//! Times count from when something happens, however long nothing has happened before.

use std::time::Duration;

use processpype_core::{EventKind, ServiceState};
use processpype_runtime::{Context, Launch, Result, Service};
use tokio::runtime::Handle;

use crate::harness::{blueprint, run, spec};

/// Longer than any limit of the applications here.
const LONG: Duration = Duration::from_secs(600);

/// Takes a moment to start and to stop.
struct Steady;

impl Service for Steady {
    async fn start(&self, _: &Context) -> Result {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn who_lets_go_after_a_long_silence_closes_in_order() {
    let (manager, supervisor) = run(vec![spec("steady", || Steady, &[])], &Handle::current());
    manager.settled().await;
    let mut events = manager.subscribe(manager.last_event());
    tokio::time::sleep(LONG).await;
    drop(manager);
    let closed = supervisor.await.expect("the supervisor does not panic");
    assert!(closed.stragglers.is_empty(), "{:?}", closed.stragglers);
    let causes: Vec<&str> = (events.next(100).await.events.iter())
        .filter(|event| event.kind == EventKind::State)
        .map(|event| event.cause)
        .collect();
    assert_eq!(causes, ["closing", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn who_runs_long_after_the_launch_has_all_of_its_start_timeout() {
    let plan = blueprint(vec![spec("steady", || Steady, &[])]);
    let (manager, supervisor) = plan.launch(Launch::on(Handle::current()));
    tokio::time::sleep(LONG).await;
    let supervisor = tokio::spawn(supervisor.run());
    manager.settled().await;
    assert_eq!(manager.state("steady"), Some(ServiceState::Running));
    let counts = manager.counts("steady").expect("it is there");
    assert!(counts.starts.sum < LONG / 2, "{:?}", counts.starts);
    manager.close();
    supervisor.await.expect("the supervisor does not panic");
}

/// Says when it is dropped.
struct Held(tokio::sync::mpsc::Sender<&'static str>);

impl Service for Held {
    async fn run(&self, cx: &Context) -> Result {
        let told = self.0.clone();
        cx.spawn("child", async move {
            let _last = Told(told, "child");
            std::future::pending::<()>().await;
        });
        std::future::pending().await
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.try_send("instance");
    }
}

struct Told(tokio::sync::mpsc::Sender<&'static str>, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.try_send(self.1);
    }
}

#[tokio::test(start_paused = true)]
async fn who_drops_the_supervisor_ends_what_it_had_started() {
    let (told, mut dropped) = tokio::sync::mpsc::channel(2);
    let held = spec("held", move || Held(told.clone()), &[]);
    let (manager, supervisor) = run(vec![held], &Handle::current());
    manager.settled().await;
    tokio::task::yield_now().await;
    supervisor.abort();
    let mut ended = Vec::new();
    for _ in 0..2 {
        let next = tokio::time::timeout(LONG, dropped.recv()).await;
        ended.extend(next.expect("it is ended"));
    }
    ended.sort_unstable();
    assert_eq!(ended, ["child", "instance"]);
}

#[tokio::test(start_paused = true)]
async fn who_tells_is_heard_until_the_supervisor_ends_however_that_comes() {
    let (manager, supervisor) = run(vec![spec("steady", || Steady, &[])], &Handle::current());
    manager.settled().await;
    let (reporter, mut events) = (manager.reporter(), manager.subscribe(manager.last_event()));
    drop(manager);
    assert_eq!(events.next(1).await.events[0].cause, "closing");
    assert!(reporter.is_heard(), "there is no handle any more, and a service that stops");
    supervisor.await.expect("the supervisor does not panic");
    assert!(!reporter.is_heard());

    let (manager, supervisor) = run(vec![spec("steady", || Steady, &[])], &Handle::current());
    let reporter = manager.reporter();
    supervisor.abort();
    assert!(supervisor.await.is_err_and(|error| error.is_cancelled()));
    assert!(!reporter.is_heard(), "a handle is left, and nothing happens any more");
}
