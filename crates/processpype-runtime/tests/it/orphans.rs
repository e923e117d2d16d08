//! Generations that come late, beside the successor that was started past them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request as HttpRequest;
use processpype_core::{ErrorKind, ServiceState, Verb};
use processpype_runtime::{Context, ErrorInfo, Request, Result, Routes, Service, Status};
use tokio::time::timeout;

use crate::harness::{Threads, run, spec};

const SOON: Duration = Duration::from_secs(5);

const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Blocks its thread in its first `start`, or in its first `routes`, until it is let go.
struct Late {
    blocks: &'static str,
    is_first: bool,
    go: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
}

impl Late {
    fn pass(&self, hook: &str) {
        while self.is_first && self.blocks == hook && !self.go.load(SeqCst) {
            std::thread::sleep(millis(1));
        }
    }
}

impl Service for Late {
    async fn start(&self, _: &Context) -> Result {
        self.pass("start");
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        self.pass("routes");
        axum::Router::new().route("/", axum::routing::get(async || "here")).into()
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.ended.store(self.is_first, SeqCst);
    }
}

/// Starts a successor past a generation that is late, which then comes.
async fn check_late(blocks: &'static str) {
    let threads = Threads::new();
    let (go, ended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (free, has_ended) = (Arc::clone(&go), Arc::clone(&ended));
    let make = move |cx: Context| Late {
        blocks,
        is_first: cx.generation().0 == 1,
        go: Arc::clone(&go),
        ended: Arc::clone(&ended),
    };
    let mut late = spec("late", make, &[]);
    // It is the successor's, too, which is to make it on a busy machine.
    Arc::make_mut(&mut late.options).start_timeout = millis(1000);
    let (manager, _closed) = run(vec![late], threads.handle());
    let status = async |wanted: &dyn Fn(&Status) -> bool| {
        let mut version = 0;
        while !wanted(&manager.status("late").expect("it is there")) {
            version = timeout(SOON, manager.changed(version)).await.expect("it changes");
        }
    };
    let is_orphan = |error: &Arc<ErrorInfo>| error.kind == ErrorKind::Orphaned;
    status(&|status| status.error.as_ref().is_some_and(is_orphan)).await;
    let force = Verb::Start { with_dependencies: false, force: true };
    let forced = manager.command("late", force, Request::by("test")).await.expect("it is forced");
    timeout(SOON, forced.outcome()).await.expect("in time").expect("its successor runs");
    free.store(true, SeqCst);
    while !has_ended.load(SeqCst) {
        tokio::time::sleep(millis(1)).await;
    }
    let mounted = manager.mounted("late").expect("it is there");
    let answer = mounted.expect("it runs").call(HttpRequest::new(Body::empty())).await;
    assert!(answer.is_ok(), "{answer:?}");
    let status = manager.status("late").expect("it is there");
    assert_eq!((status.state, status.generation.0), (ServiceState::Running, 2));
}

#[tokio::test]
async fn a_start_that_ends_late_takes_nobodys_place() {
    check_late("start").await;
}

#[tokio::test]
async fn routes_that_come_late_take_nobodys_place() {
    check_late("routes").await;
}
