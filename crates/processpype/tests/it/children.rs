//! Children of a generation: counted, joined, and heard when they fail.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use processpype::testing::{self, TestApp};
use processpype::{Application, Context, Result, Service, ServiceState};
use tokio::time::Instant;

use crate::harness::{assert_history, last_error, millis, secs, tales};

/// Panics, as a function that could have returned.
fn fail(text: &str) {
    panic!("{text}");
}

async fn start<M: 'static, F: processpype::TaskFunction<M>>(task: F) -> TestApp {
    testing::start(Application::new().task("parent", task)).await.expect("the plan is good")
}

#[tokio::test(start_paused = true)]
async fn a_generation_is_gone_only_when_its_children_are() {
    let ended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ended);
    let app = start(move |cx: Context| {
        let ended = Arc::clone(&ended);
        async move {
            let child = cx.clone();
            cx.spawn("child", async move {
                child.stopping().await;
                tokio::time::sleep(secs(2)).await;
                ended.store(true, SeqCst);
            });
            cx.stopping().await;
            Ok(())
        }
    })
    .await;
    let began = Instant::now();
    app.manager().stop("parent").await.expect("it stops");
    assert!(seen.load(SeqCst), "the child had its time");
    assert_eq!(began.elapsed(), secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_child_that_does_not_end_is_aborted_when_its_share_is_over() {
    let app = start(async |cx: Context| {
        cx.spawn("deaf", std::future::pending::<()>());
        cx.stopping().await;
        Ok(())
    })
    .await;
    let began = Instant::now();
    app.manager().stop("parent").await.expect("it stops");
    assert_eq!(began.elapsed(), secs(4), "40 % of ten seconds");
    let status = app.manager().status("parent").expect("it is there");
    assert_eq!(status.history[0].exit.as_str(), "aborted");
}

#[tokio::test(start_paused = true)]
async fn the_children_of_a_run_that_fails_have_forty_percent_too() {
    let app = start(async |cx: Context| {
        cx.spawn("deaf", std::future::pending::<()>());
        Err(processpype::Error::public("no more disk"))
    })
    .await;
    let began = Instant::now();
    app.wait("parent", ServiceState::Error).await.expect("it fails");
    assert_eq!(began.elapsed(), secs(4), "40 % of ten seconds");
    assert_eq!(last_error(&app, "parent"), "failed: no more disk");
}

/// Notes when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Has a child that only ends when it is aborted, and looks in `stop` whether it has.
struct Parent {
    dropped: Arc<AtomicBool>,
    seen: Arc<AtomicBool>,
}

impl Service for Parent {
    async fn run(&self, cx: &Context) -> Result {
        let held = Dropped(Arc::clone(&self.dropped));
        cx.spawn("deaf", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        cx.stopping().await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        self.seen.store(self.dropped.load(SeqCst), SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_aborted_child_held_is_dropped_before_stop_runs() {
    let (dropped, seen) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
    let saw = Arc::clone(&seen);
    let make = move || Parent { dropped: Arc::clone(&dropped), seen: Arc::clone(&seen) };
    let app = testing::start(Application::new().service(make)).await.expect("it starts");
    app.manager().stop("parent").await.expect("it stops");
    assert!(saw.load(SeqCst), "`stop` came before the end of the child");
}

#[tokio::test(start_paused = true)]
async fn a_child_of_a_constructor_that_fails_ends_at_once() {
    let dropped = Arc::<AtomicBool>::default();
    let seen = Arc::clone(&dropped);
    let make = move |cx: Context| -> Result<Hanging> {
        let held = Dropped(Arc::clone(&dropped));
        cx.spawn("left", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        Err(processpype::Error::public("no disk"))
    };
    let app = testing::begin(Application::new().service(make)).expect("the plan is good");
    let began = Instant::now();
    app.wait("hanging", ServiceState::Error).await.expect("it fails");
    assert_eq!(began.elapsed(), secs(0));
    assert!(seen.load(SeqCst), "it is gone only when its child is");
    assert_eq!(last_error(&app, "hanging"), "start-failed: no disk");
}

#[tokio::test]
async fn a_constructor_that_failed_is_gone_only_when_its_blocking_child_is() {
    let release = Arc::<AtomicBool>::default();
    let free = Free(Arc::clone(&release));
    let make = move |cx: Context| -> Result<Hanging> {
        let release = Arc::clone(&release);
        drop(cx.spawn_blocking("stuck", move || {
            // Half a minute at most, for a test that has failed.
            for _ in (0..6_000).take_while(|_| !release.load(SeqCst)) {
                std::thread::sleep(millis(5));
            }
        }));
        Err(processpype::Error::public("no disk"))
    };
    let app = testing::begin(Application::new().service(make)).expect("the plan is good");
    let told = tokio::time::timeout(secs(5), app.wait("hanging", ServiceState::Stopping)).await;
    told.expect("it is not gone before").expect("its end is told");
    assert_eq!(app.manager().state("hanging"), Some(ServiceState::Stopping));
    drop(free);
    app.wait("hanging", ServiceState::Error).await.expect("it fails");
    assert_eq!(last_error(&app, "hanging"), "start-failed: no disk");
}

#[tokio::test(start_paused = true)]
async fn who_has_more_children_than_it_may_fails_and_all_of_them_end() {
    let app = start(async |cx: Context| {
        for _ in 0..=65_536 {
            cx.spawn("one more", std::future::pending::<()>());
        }
        cx.stopping().await;
        Ok(())
    })
    .await;
    app.wait("parent", ServiceState::Error).await.expect("it fails");
    assert_eq!(last_error(&app, "parent"), "child-failed: the service has too many children");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_child_ends_the_generation() {
    let app = start(async |cx: Context| {
        cx.spawn("child", async { "no more disk".parse::<u8>().map(drop) });
        cx.stopping().await;
        Ok(())
    })
    .await;
    app.wait("parent", ServiceState::Error).await.expect("it fails");
    assert_eq!(
        last_error(&app, "parent"),
        "child-failed: child `child` failed; the log has the details"
    );
    assert_history(
        &app,
        &[
            "parent: stopped → starting (boot)",
            "parent: starting → running (progress)",
            "parent: running → stopping (child-failed)",
            "parent: stopping → error (child-failed)",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_child_ends_the_generation_as_child_failed() {
    let app = start(async |cx: Context| {
        cx.spawn("child", async { fail("secret detail") });
        cx.stopping().await;
        Ok(())
    })
    .await;
    app.wait("parent", ServiceState::Error).await.expect("it fails");
    let error = last_error(&app, "parent");
    assert_eq!(error, "child-failed: child `child` panicked; the log has the details");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_during_the_stop_is_told() {
    let app = start(async |cx: Context| {
        let child = cx.clone();
        cx.spawn("child", async move {
            child.stopping().await;
            fail("on the way out");
        });
        cx.stopping().await;
        Ok(())
    })
    .await;
    app.manager().stop("parent").await.expect("it stops all the same");
    assert_eq!(app.manager().state("parent"), Some(ServiceState::Stopped));
    let error = last_error(&app, "parent");
    assert_eq!(error, "child-failed: child `child` panicked; the log has the details");
}

/// Tries to spawn from `stop`, and from a context that outlives its generation.
struct Late(Arc<AtomicUsize>);

impl Service for Late {
    async fn stop(&self, cx: &Context) -> Result {
        let count = Arc::clone(&self.0);
        let is_taken = cx.spawn("late", async move {
            count.fetch_add(1, SeqCst);
        });
        self.0.fetch_add(if is_taken { 10 } else { 0 }, SeqCst);
        let context = cx.clone();
        let flushed = cx.spawn_blocking("flush", move || context.is_stopping()).await?;
        self.0.fetch_add(if flushed { 100 } else { 1000 }, SeqCst);
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn once_stop_runs_only_blocking_children_are_taken() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let app = Application::new().service(move || Late(Arc::clone(&count)));
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("late").await.expect("it stops");
    tokio::time::sleep(secs(1)).await;
    assert_eq!(seen.load(SeqCst), 100, "`stop` may block; it may not begin anything new");
    let status = app.manager().status("late").expect("it is there");
    assert!(status.last_error.is_none(), "{:?}", status.last_error);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_fails_ends_a_start_that_hangs() {
    let make = |cx: Context| {
        cx.spawn("child", async {
            tokio::time::sleep(secs(1)).await;
            fail("too early");
        });
        Hanging
    };
    let app = testing::begin(Application::new().service(make)).expect("the plan is good");
    let began = Instant::now();
    app.wait("hanging", ServiceState::Error).await.expect("it fails");
    assert_eq!(began.elapsed(), secs(1));
    assert!(last_error(&app, "hanging").starts_with("child-failed: child `child` panicked"));
}

struct Hanging;

impl Service for Hanging {
    async fn start(&self, _: &Context) -> Result {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_blocking_child_gives_its_value_or_its_panic() {
    let (sender, received) = tokio::sync::oneshot::channel();
    let sender = Arc::new(std::sync::Mutex::new(Some(sender)));
    let app = start(move |cx: Context| {
        let sender = sender.lock().expect("no panic").take();
        async move {
            let value = cx.spawn_blocking("sum", || 40 + 2).await?;
            let panicked = cx.spawn_blocking("bad", || panic!("blocked")).await;
            let text = panicked.expect_err("it panicked").to_string();
            sender.expect("one generation").send((value, text)).expect("the test listens");
            cx.stopping().await;
            Ok(())
        }
    })
    .await;
    let (value, text) = received.await.expect("it is sent");
    assert_eq!((value, text.as_str()), (42, "panicked: blocked"));
    assert_eq!(app.manager().state("parent"), Some(ServiceState::Running));
}

#[tokio::test]
async fn a_panic_of_a_blocking_child_that_nobody_awaits_ends_the_generation() {
    let app = start(async |cx: Context| {
        drop(cx.spawn_blocking("bad", || panic!("unheard")));
        cx.stopping().await;
        Ok(())
    })
    .await;
    app.wait("parent", ServiceState::Error).await.expect("it fails");
    // Held for a while, and dropped after the panic.
    let app = start(async |cx: Context| {
        let child = cx.spawn_blocking("bad", || panic!("unheard"));
        cx.sleep(millis(50)).await;
        drop(child);
        cx.stopping().await;
        Ok(())
    })
    .await;
    let failed = tokio::time::timeout(secs(5), app.wait("parent", ServiceState::Error)).await;
    failed.expect("the panic is heard").expect("it fails");
    let error = last_error(&app, "parent");
    assert_eq!(error, "child-failed: child `bad` panicked; the log has the details");
}

/// Lets a blocking child go, also when the test fails: the runtime waits for it.
struct Free(Arc<AtomicBool>);

impl Drop for Free {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Has a blocking child that does not end, and something to release.
struct Stuck {
    released: Arc<AtomicBool>,
    release: Arc<AtomicBool>,
}

impl Service for Stuck {
    async fn run(&self, cx: &Context) -> Result {
        let release = Arc::clone(&self.release);
        drop(cx.spawn_blocking("stuck", move || {
            // Half a minute at most, for a test that has failed.
            for _ in (0..6_000).take_while(|_| !release.load(SeqCst)) {
                std::thread::sleep(millis(5));
            }
        }));
        cx.stopping().await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        tokio::time::sleep(millis(20)).await;
        self.released.store(true, SeqCst);
        Ok(())
    }
}

#[tokio::test]
async fn stop_has_its_time_although_a_blocking_child_does_not_end() {
    let (released, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (seen, free) = (Arc::clone(&released), Free(Arc::clone(&release)));
    let make = move || Stuck { released: Arc::clone(&released), release: Arc::clone(&release) };
    let app = Application::new().service(make).stop_timeout(millis(600));
    let app = testing::start(app).await.expect("it starts");
    let stopped = app.manager().stop("stuck").await;
    assert!(seen.load(SeqCst), "`stop` ran to its end");
    let error = stopped.expect_err("the child cannot be cut");
    assert!(error.to_string().contains("could not be ended"), "{error}");
    assert_eq!(app.manager().state("stuck"), Some(ServiceState::Error));
    drop(free);
    app.wait("stuck", ServiceState::Stopped).await.expect("the orphan ends late");
    app.manager().start("stuck").await.expect("its successor may start");
}

#[tokio::test]
async fn a_forced_start_goes_past_an_orphan_and_is_told() {
    let (released, release) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let free = Free(Arc::clone(&release));
    let make = move || Stuck { released: Arc::clone(&released), release: Arc::clone(&release) };
    let app = Application::new().service(make).stop_timeout(millis(300));
    let app = testing::start(app).await.expect("it starts");
    app.manager().stop("stuck").await.expect_err("the child cannot be cut");
    let refused = app.post("/services/stuck/start").await;
    assert_eq!(
        (refused.status(), &refused.json()["code"]),
        (409.try_into().unwrap(), &"orphaned".into())
    );
    assert!(refused.text().contains("force=true"), "{}", refused.text());

    let forced = app.post("/services/stuck/start?force=true").await;
    assert_eq!(forced.json()["generation"], 2, "{}", forced.text());
    assert!(tales(&app).iter().any(|line| line.contains("start (forced)")), "{:#?}", tales(&app));
    drop(free);
    app.manager().stop("stuck").await.expect("nothing blocks the second one");
    assert_eq!(app.manager().status("stuck").expect("it is there").generation.0, 2);
}
