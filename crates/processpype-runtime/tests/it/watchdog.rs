//! Who blocks a thread is found and named, on real threads.
//!
//! Tokio's clock does not move within a poll while it is paused, so these block for real. No test
//! counts on how long something takes: each waits for what must be told, and then lets go.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use processpype_core::{ErrorKind, EventKind, ServiceState};
use processpype_runtime::{
    CommandError, Constructor, Context, Event, HangLimit, Manager, OnHang, Result, Routes, Service,
    Spec,
};
use tokio::time::timeout;

use crate::harness::{Threads, run, spec};

const SOON: Duration = Duration::from_secs(10);

/// Long enough that a poll on a busy machine does not take so long by mistake.
const LIMIT: Duration = Duration::from_millis(250);

/// Where a service blocks its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Constructor,
    Start,
    Run,
    Stop,
    Drop,
    Child,
    BlockingChild,
    Handler,
}

/// Blocks its thread at one place, until it is let go.
#[derive(Clone)]
struct Blocks {
    place: Place,
    go: Arc<AtomicBool>,
}

// === impl Blocks ===

impl Blocks {
    fn new(place: Place) -> Self {
        Self { place, go: Arc::default() }
    }

    fn service(&self) -> impl Fn() -> Self + Clone + Send + Sync + 'static + use<> {
        let this = self.clone();
        move || {
            this.pass(Place::Constructor);
            this.clone()
        }
    }

    fn pass(&self, place: Place) {
        while place == self.place && !self.go.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn let_go(&self) {
        self.go.store(true, SeqCst);
    }
}

impl Service for Blocks {
    async fn start(&self, _: &Context) -> Result {
        self.pass(Place::Start);
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        let (child, blocking) = (self.clone(), self.clone());
        cx.spawn("copier", async move { child.pass(Place::Child) });
        drop(cx.spawn_blocking("hasher", move || blocking.pass(Place::BlockingChild)));
        self.pass(Place::Run);
        cx.stopping().await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        self.pass(Place::Stop);
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        let handler = async move || self.pass(Place::Handler);
        axum::Router::new().route("/", axum::routing::get(handler)).into()
    }
}

/// Blocks in its `Drop`; the copies of its constructor do not.
struct Drops(Blocks);

impl Service for Drops {}

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.pass(Place::Drop);
    }
}

fn watched<M: 'static, C: Constructor<M>>(constructor: C, then: OnHang) -> Spec {
    let mut spec = spec("blocks", constructor, &[]);
    Arc::make_mut(&mut spec.options).watchdog =
        Some(HangLimit::new(LIMIT, then).expect("a good limit"));
    spec
}

/// Returns the first event of this cause.
async fn told(manager: &Manager, kind: EventKind, cause: &str) -> Arc<Event> {
    let wait = async {
        let mut version = 0;
        loop {
            let events = manager.events(0, usize::MAX).events;
            let found = events.iter().find(|it| it.kind == kind && it.cause == cause);
            match found {
                Some(event) => return Arc::clone(event),
                None => version = manager.changed(version).await,
            }
        }
    };
    timeout(SOON, wait).await.unwrap_or_else(|_| panic!("`{cause}` is told"))
}

fn message(event: &Event) -> &str {
    event.message.as_deref().expect("it has a text")
}

/// A poll that blocks is told once, with its name, and so is its end.
async fn check(place: Place, name: &str) {
    let threads = Threads::new();
    let blocks = Blocks::new(place);
    let (manager, _closed) = run(vec![watched(blocks.service(), OnHang::Report)], threads.handle());
    let request = async {
        if place == Place::Handler {
            timeout(SOON, manager.settled()).await.expect("it settles");
            let mounted = manager.mounted("blocks").expect("it is there").expect("it runs");
            mounted.call(Request::new(Body::empty())).await.expect("it answers in the end");
        }
    };
    let look = async {
        let blocked = told(&manager, EventKind::Health, "blocked").await;
        let begin = format!("{name} has blocked its thread for ");
        assert!(message(&blocked).starts_with(&begin), "{blocked:?}");
        assert!(message(&blocked).ends_with(" s (allowed: 250ms)"), "{blocked:?}");
        let status = manager.status("blocks").expect("it is there");
        assert_eq!(status.degraded, Some(format!("{name} blocks a thread")));
        blocks.let_go();
        let recovered = told(&manager, EventKind::Health, "recovered").await;
        let begin = format!("{name} gave its thread back, within ");
        assert!(message(&recovered).starts_with(&begin), "{recovered:?}");
    };
    tokio::join!(request, look);
    let status = manager.status("blocks").expect("it is there");
    assert_eq!(status.degraded, None);
    let events = manager.events(0, usize::MAX).events;
    assert_eq!(events.iter().filter(|event| event.cause == "blocked").count(), 1);
}

#[tokio::test]
async fn the_constructor_is_named() {
    check(Place::Constructor, "the constructor").await;
}

#[tokio::test]
async fn start_is_named() {
    check(Place::Start, "`start`").await;
}

#[tokio::test]
async fn run_is_named() {
    check(Place::Run, "`run`").await;
}

#[tokio::test]
async fn a_child_is_named() {
    check(Place::Child, "child `copier`").await;
}

#[tokio::test]
async fn a_handler_is_named() {
    check(Place::Handler, "a handler").await;
}

#[tokio::test]
async fn blocking_children_may_block_and_so_may_who_is_not_watched() {
    for (place, is_watched) in [(Place::BlockingChild, true), (Place::Run, false)] {
        let threads = Threads::new();
        let blocks = Blocks::new(place);
        let mut spec = watched(blocks.service(), OnHang::Restart);
        let options = Arc::make_mut(&mut spec.options);
        options.watchdog = options.watchdog.filter(|_| is_watched);
        let (manager, _closed) = run(vec![spec], threads.handle());
        timeout(SOON, manager.settled()).await.expect("it settles");
        tokio::time::sleep(LIMIT * 3).await;
        assert_eq!(manager.state("blocks"), Some(ServiceState::Running));
        let events = manager.events(0, usize::MAX).events;
        assert!(events.iter().all(|event| event.kind != EventKind::Health), "{events:?}");
        blocks.let_go();
    }
}

#[tokio::test]
async fn a_service_that_is_to_be_restarted_fails_as_blocked_and_comes_back() {
    let threads = Threads::new();
    let blocks = Blocks::new(Place::Run);
    let (manager, _closed) =
        run(vec![watched(blocks.service(), OnHang::Restart)], threads.handle());
    let failed = told(&manager, EventKind::State, "blocked").await;
    assert_eq!(
        (failed.to, failed.generation.map(|it| it.0)),
        (Some(ServiceState::Stopping), Some(1))
    );
    assert!(message(&failed).starts_with("`run` has blocked its thread for "), "{failed:?}");
    blocks.let_go();
    let again = async {
        while manager.status("blocks").expect("it is there").generation.0 < 2 {
            manager.changed(manager.version()).await;
        }
    };
    timeout(SOON, again).await.expect("its policy brings it back");
    let status = manager.status("blocks").expect("it is there");
    let error = status.last_error.as_ref().expect("it failed");
    assert_eq!(error.kind, ErrorKind::Blocked);
}

/// What cannot be ended is named with what it does.
async fn check_orphan(spec: Spec, blocks: &Blocks, doing: &str) {
    let threads = Threads::new();
    let (manager, _closed) = run(vec![spec], threads.handle());
    timeout(SOON, manager.settled()).await.expect("it settles");
    let stopped = timeout(SOON, manager.stop("blocks")).await.expect("it is given up");
    blocks.let_go();
    let Err(CommandError::Failed { kind: ErrorKind::Orphaned, message }) = stopped else {
        panic!("{stopped:?}");
    };
    let begin = format!("the generation could not be ended: {doing}");
    assert!(message.starts_with(&begin), "{message}");
    let status = manager.status("blocks").expect("it is there");
    assert_eq!(status.error.as_ref().map(|error| &error.message), Some(&message));
    let events = manager.events(0, usize::MAX).events;
    let given_up = events.iter().find(|event| event.to == Some(ServiceState::Error));
    assert_eq!(given_up.and_then(|event| event.message.as_deref()), Some(&*message));
}

#[tokio::test]
async fn an_orphan_is_named_with_the_hook_that_blocks() {
    for (place, doing) in [
        (Place::Run, "`run` has blocked its thread for at least "),
        (Place::Stop, "`stop` has blocked its thread for at least "),
        (Place::Child, "child `copier` has not ended; "),
        (Place::BlockingChild, "child `hasher` has not ended; "),
    ] {
        let blocks = Blocks::new(place);
        check_orphan(spec("blocks", blocks.service(), &[]), &blocks, doing).await;
    }
    let blocks = Blocks::new(Place::Drop);
    let drops = blocks.clone();
    let spec = spec("blocks", move || Drops(drops.clone()), &[]);
    check_orphan(spec, &blocks, "`drop` has blocked its thread for at least ").await;
}

#[tokio::test]
async fn an_orphan_that_was_watched_is_named_with_the_exact_time() {
    for (place, doing) in [
        (Place::Run, "`run` has blocked its thread for "),
        (Place::Child, "child `copier` (has blocked its thread for "),
    ] {
        let blocks = Blocks::new(place);
        check_orphan(watched(blocks.service(), OnHang::Report), &blocks, doing).await;
    }
}
