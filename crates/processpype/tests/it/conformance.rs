//! The suite for users' services, on good services and on one bad service for each rule.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use processpype::testing::{Check, Conformance, ConformanceReport};
use processpype::{Application, Context, Dep, Error, Ref, Result, Routes, Service};

use crate::harness::{Plain, millis, secs};

/// The suite on the service `it`, with its route `/value`.
async fn report(application: impl Fn() -> Application) -> ConformanceReport {
    Conformance::new("it", application).route("/value").check().await
}

/// Asserts which rules are broken, and no others.
#[track_caller]
fn assert_broken(report: &ConformanceReport, broken: &[Check]) {
    let found: Vec<Check> = report.findings().iter().map(|finding| finding.check).collect();
    assert_eq!(found, broken, "{report}");
}

fn value() -> Routes {
    axum::Router::new().route("/value", axum::routing::get(async || "1")).into()
}

// === Good services ===

struct Store;
impl Service for Store {}

/// Does everything that a service can do, and all of it well.
struct Good {
    store: Dep<Store>,
}

impl Good {
    async fn new(store: Dep<Store>) -> Result<Self> {
        tokio::time::sleep(millis(5)).await;
        store.get()?;
        Ok(Self { store })
    }
}

impl Service for Good {
    async fn start(&self, cx: &Context) -> Result {
        cx.ready(false);
        let context = cx.clone();
        cx.spawn("warm-up", async move {
            if context.sleep(secs(3)).await {
                context.ready(true);
            }
        });
        tokio::time::sleep(millis(5)).await;
        self.store.get()?;
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        while cx.sleep(secs(1)).await {
            self.store.get()?;
        }
        tokio::time::sleep(secs(1)).await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        tokio::time::sleep(secs(1)).await;
        Ok(())
    }

    fn routes(self: Arc<Self>) -> Routes {
        value()
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_service_breaks_no_rule() {
    let application = || Application::new().service(|| Store).service(Good::new).named("it");
    let report = report(application).await;
    assert_broken(&report, &[]);
    assert_eq!(report.skipped(), []);
    assert_eq!(report.to_string(), "`it` broke 0 of 12 rules");
}

#[tokio::test(start_paused = true)]
async fn a_plain_service_a_task_and_a_oneshot_break_no_rule() {
    let plain = Conformance::new("it", || Application::new().service(|| Plain).named("it"));
    let plain = plain.check().await;
    assert_broken(&plain, &[]);
    assert_eq!(plain.skipped(), [Check::RoutesAnswer, Check::ProviderLoss]);

    let task = || {
        Application::new().task("it", async |cx: Context| {
            cx.stopping().await;
            Ok(())
        })
    };
    assert_broken(&Conformance::new("it", task).check().await, &[]);

    let job = || {
        let work = async |cx: Context| {
            cx.sleep(secs(20)).await;
            Ok(())
        };
        Application::new().task("it", work).oneshot()
    };
    let job = Conformance::new("it", job).check().await;
    assert_broken(&job, &[]);
    assert!(job.skipped().contains(&Check::StaysUp));
}

/// Waits three times and notes where it was cut.
struct Steps(Arc<Mutex<BTreeSet<u32>>>);

struct Step(u32, Arc<Mutex<BTreeSet<u32>>>);

impl Drop for Step {
    fn drop(&mut self) {
        if self.0 < 3 {
            self.1.lock().unwrap().insert(self.0);
        }
    }
}

impl Service for Steps {
    async fn start(&self, _: &Context) -> Result {
        let mut step = Step(0, Arc::clone(&self.0));
        while step.0 < 3 {
            tokio::time::sleep(millis(10)).await;
            step.0 += 1;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_is_cut_at_each_of_its_awaits() {
    let cut = Arc::new(Mutex::new(BTreeSet::new()));
    let application = || {
        let cut = Arc::clone(&cut);
        Application::new().service(move || Steps(Arc::clone(&cut))).named("it")
    };
    assert_broken(&Conformance::new("it", application).check().await, &[]);
    assert_eq!(*cut.lock().unwrap(), BTreeSet::from([0, 1, 2]));
}

// === Bad services, one for each rule ===

/// What a bad service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Vice {
    NeverReady,
    ReadyTooSoon,
    EndsUnasked,
    IgnoresStop,
    ChildIgnoresStop,
    StopsForEver,
    StopFails,
    StopPanicsHalfMade,
    LocksHalfMade,
    NeverUnlocks,
    NeedsItsStore,
    NeedsItsStoreAtStart,
    KeepsItsStore,
    SpawnsFreely,
    KeepsItself,
}

/// What outlives the generations of one application.
#[derive(Default)]
struct World {
    locked: AtomicBool,
    kept: Mutex<Vec<Arc<Bad>>>,
    starts: AtomicU64,
}

struct Bad {
    vice: Vice,
    world: Arc<World>,
    store: Dep<Store>,
    _kept: Option<Arc<Store>>,
    started: AtomicBool,
}

impl Bad {
    fn new(vice: Vice, world: Arc<World>, store: Dep<Store>) -> Self {
        let keeps = vice == Vice::KeepsItsStore;
        let kept = keeps.then(|| store.get().ok().map(Ref::into_arc)).flatten();
        Self { vice, world, store, _kept: kept, started: AtomicBool::new(false) }
    }
}

impl Service for Bad {
    async fn start(&self, cx: &Context) -> Result {
        self.world.starts.fetch_add(1, Relaxed);
        let locks = matches!(self.vice, Vice::LocksHalfMade | Vice::NeverUnlocks);
        if locks && self.world.locked.swap(true, Relaxed) {
            return Err(Error::public("the file is locked"));
        }
        match self.vice {
            Vice::NeverReady => cx.ready(false),
            Vice::ChildIgnoresStop => drop(cx.spawn("deaf", pending::<()>())),
            Vice::SpawnsFreely => drop(tokio::spawn(pending::<()>())),
            Vice::StopPanicsHalfMade | Vice::LocksHalfMade => {
                tokio::time::sleep(millis(10)).await;
            }
            Vice::NeedsItsStoreAtStart => {
                tokio::time::sleep(millis(10)).await;
                self.store.get().map_err(|_| Error::public("no store"))?;
            }
            _ => {}
        }
        self.started.store(true, Relaxed);
        Ok(())
    }

    async fn run(&self, cx: &Context) -> Result {
        match self.vice {
            Vice::EndsUnasked => drop(cx.sleep(secs(100)).await),
            Vice::IgnoresStop => pending().await,
            Vice::NeedsItsStore => {
                while cx.sleep(secs(1)).await {
                    self.store.get().map_err(|_| Error::public("no store"))?;
                }
            }
            _ => cx.stopping().await,
        }
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        let half_made = !self.started.load(Relaxed);
        match self.vice {
            Vice::StopsForEver => pending().await,
            Vice::StopFails => Err(Error::public("no answer")),
            Vice::StopPanicsHalfMade if half_made => {
                std::panic::resume_unwind(Box::new("it was started"))
            }
            Vice::LocksHalfMade if !half_made => {
                self.world.locked.store(false, Relaxed);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn routes(self: Arc<Self>) -> Routes {
        if self.vice == Vice::KeepsItself {
            self.world.kept.lock().unwrap().push(Arc::clone(&self));
        }
        if self.vice == Vice::ReadyTooSoon {
            let not_yet = async || axum::http::StatusCode::SERVICE_UNAVAILABLE;
            return axum::Router::new().route("/value", axum::routing::get(not_yet)).into();
        }
        value()
    }
}

async fn check_bad(vice: Vice, broken: Check) {
    let application = || {
        let world = Arc::new(World::default());
        let make = move |store: Dep<Store>| Bad::new(vice, Arc::clone(&world), store);
        Application::new().service(|| Store).service(make).named("it")
    };
    let report = report(application).await;
    let found: Vec<Check> = report.findings().iter().map(|finding| finding.check).collect();
    assert_eq!(found, [broken], "{vice:?}: {report}");
    let text = report.to_string();
    for word in [broken.as_str(), broken.why(), broken.remedy()] {
        assert!(text.contains(word), "{vice:?}: `{word}` is not in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_rule_is_broken_by_a_bad_service_and_no_other_is() {
    let vices = [
        (Vice::NeverReady, Check::Starts),
        (Vice::ReadyTooSoon, Check::RoutesAnswer),
        (Vice::EndsUnasked, Check::StaysUp),
        (Vice::IgnoresStop, Check::RunEnds),
        (Vice::ChildIgnoresStop, Check::ChildrenEnd),
        (Vice::StopsForEver, Check::StopsInTime),
        (Vice::StopFails, Check::StopsCleanly),
        (Vice::StopPanicsHalfMade, Check::CancelledStart),
        (Vice::LocksHalfMade, Check::CancelledStart),
        (Vice::NeedsItsStore, Check::ProviderLoss),
        (Vice::NeedsItsStoreAtStart, Check::ProviderLoss),
        (Vice::KeepsItsStore, Check::ProviderLoss),
        (Vice::NeverUnlocks, Check::Restarts),
        (Vice::SpawnsFreely, Check::TasksEnd),
        (Vice::KeepsItself, Check::InstancesEnd),
    ];
    for (vice, broken) in vices {
        check_bad(vice, broken).await;
    }
    let covered: BTreeSet<Check> = vices.into_iter().map(|(_, check)| check).collect();
    assert_eq!(covered, Check::ALL.iter().copied().collect(), "every rule has its bad service");
}

#[tokio::test(start_paused = true)]
async fn several_broken_rules_are_all_told() {
    let application = || {
        let run = async |_: Context| pending::<Result>().await;
        let app = Application::new().task("it", run);
        // Whatever else is in the application is not judged.
        app.task("other", async |_: Context| Err::<(), _>(Error::public("broken")))
    };
    assert_broken(&Conformance::new("it", application).check().await, &[Check::RunEnds]);

    let world = Arc::new(World::default());
    let application = move || {
        let world = Arc::clone(&world);
        let make = move |cx: Context| {
            tokio::spawn(pending::<()>());
            cx.spawn("deaf", pending::<()>());
            world.starts.fetch_add(1, Relaxed);
            Plain
        };
        Application::new().service(make).named("it").stop_timeout(millis(100))
    };
    let report = report(application).await;
    assert_broken(&report, &[Check::RoutesAnswer, Check::ChildrenEnd, Check::TasksEnd]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_started_is_told_why() {
    let nobody = report(|| Application::new().service(|| Plain).named("other")).await;
    assert_broken(&nobody, &[Check::Starts]);
    assert_eq!(nobody.skipped().len(), Check::ALL.len() - 1);
    let invalid = report(|| Application::new().service(Good::new).named("it")).await;
    assert_broken(&invalid, &[Check::Starts]);
    assert!(invalid.to_string().contains("Store"), "{invalid}");
}
