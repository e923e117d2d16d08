//! W2: from a crash to running again.
//!
//! A service runs, notes how long it was away, and crashes again, as often as a sample wants. It
//! counts as running when its own code runs again.

use std::future::{Future, pending};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use processpype_config::Section;
use processpype_core::{Backoff, RestartLimit, RestartPolicy};
use processpype_runtime::{Context, Kind, Service};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::figure::{Failure, Figure, Outcome, quantile};
use crate::launch::{self, Where};
use crate::workload::{Ask, Case, FLOOR, OURS, OURS_MAIN};

#[cfg(feature = "peers")]
mod peers;

/// How often a sample crashes without a delay, and with one.
const CRASHES: usize = 20_000;
const CRASHES_QUICK: usize = 2000;
const CRASHES_DELAYED: usize = 100;

/// The delay of the cases that have one.
const DELAY: Duration = Duration::from_millis(20);

/// How a service crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Error,
    Panic,
}

/// What all generations of the one service share.
#[derive(Clone, Debug)]
pub(crate) struct Crashes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    how: How,
    whole: usize,
    base: Instant,
    /// Nanoseconds since `base`; 0 = it has not crashed yet.
    crashed_at: AtomicU64,
    back: AtomicUsize,
    away: Mutex<Vec<f64>>,
    done: Notify,
}

pub(crate) fn cases() -> Vec<Case> {
    let mut subjects = vec![FLOOR, OURS, OURS_MAIN];
    if cfg!(feature = "peers") {
        subjects.extend(["task-supervisor", "ractor", "kameo"]);
    }
    let at_once = ["error", "panic"].map(|how| Case::new(how, &subjects));
    let later = ["error-20ms", "panic-20ms"].map(|how| Case::new(how, &[FLOOR, OURS, OURS_MAIN]));
    at_once.into_iter().chain(later).collect()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    // Printing is not what is measured; nobody has a backtrace taken.
    std::panic::set_hook(Box::new(|_| {}));
    let how = if ask.case.starts_with("panic") { How::Panic } else { How::Error };
    let is_delayed = ask.case.ends_with("20ms");
    let delay = if is_delayed { DELAY } else { Duration::ZERO };
    let crashes = Crashes::new(
        how,
        if is_delayed { CRASHES_DELAYED } else { ask.either(CRASHES, CRASHES_QUICK) },
    );
    match ask.subject.as_str() {
        FLOOR => on_threads(floor(crashes.clone(), delay)),
        OURS => on_threads(ours(crashes.clone(), delay, Where::Beside)),
        OURS_MAIN => on_threads(ours(crashes.clone(), delay, Where::OwnThread)),
        #[cfg(feature = "peers")]
        "task-supervisor" => on_threads(peers::task_supervisor(crashes.clone())),
        #[cfg(feature = "peers")]
        "ractor" => on_threads(peers::ractor(crashes.clone())),
        #[cfg(feature = "peers")]
        "kameo" => on_threads(peers::kameo(crashes.clone())),
        _ => return ask.unknown(),
    }?;
    crashes.figures()
}

fn on_threads(
    sample: impl Future<Output = Result<(), Failure>> + Send + 'static,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(runtime.spawn(sample))?;
    runtime.shutdown_background();
    done
}

/// A task that is spawned again whenever it has ended.
async fn floor(crashes: Crashes, delay: Duration) -> Result<(), Failure> {
    let own = crashes.clone();
    let watcher = tokio::spawn(async move {
        let mut tasks = JoinSet::new();
        loop {
            let crashes = own.clone();
            tasks.spawn(async move { crashes.live(pending()).await });
            let _ = tasks.join_next().await;
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
        }
    });
    crashes.done().await;
    watcher.abort();
    Ok(())
}

struct Crasher(Crashes);

impl Service for Crasher {
    async fn run(&self, cx: &Context) -> processpype_runtime::Result {
        Ok(self.0.live(cx.stopping()).await?)
    }
}

async fn ours(crashes: Crashes, delay: Duration, place: Where) -> Result<(), Failure> {
    let own = crashes.clone();
    let kind = Arc::new(Kind::of(move || Crasher(own.clone())));
    let mut spec = launch::spec("crasher", &kind, Section::empty("crasher"))?;
    let restart = &mut Arc::make_mut(&mut spec.options).restart;
    restart.policy = RestartPolicy::OnFailure;
    restart.limit = RestartLimit::NONE;
    // The shortest there is stands for none.
    let delay = delay.max(Duration::from_nanos(1));
    restart.backoff = Backoff::new(delay, delay, 1.0, 0.0)?;
    let app = launch::run(launch::blueprint(vec![spec])?, place)?;
    crashes.done().await;
    let generations = app.manager.status("crasher").map_or(0, |status| status.generation.0);
    app.close().await?;
    match generations as usize == crashes.0.whole + 1 {
        true => Ok(()),
        false => Err(format!("there were {generations} generations").into()),
    }
}

// === impl Crashes ===

impl Crashes {
    fn new(how: How, whole: usize) -> Self {
        Self(Arc::new(Inner {
            how,
            whole,
            base: Instant::now(),
            crashed_at: AtomicU64::new(0),
            back: AtomicUsize::new(0),
            away: Mutex::new(Vec::with_capacity(whole)),
            done: Notify::new(),
        }))
    }

    /// The life of one generation, the same for all who are measured: the last one stays until
    /// `end`, each other one crashes.
    pub(crate) async fn live(&self, end: impl Future<Output = ()>) -> Result<(), Failure> {
        if self.is_back() {
            end.await;
            return Ok(());
        }
        self.crash()
    }

    /// Notes that the service runs; returns whether it is to stay.
    pub(crate) fn is_back(&self) -> bool {
        let inner = &*self.0;
        let now = inner.base.elapsed().as_nanos() as u64;
        let crashed_at = inner.crashed_at.load(Ordering::Acquire);
        if crashed_at == 0 {
            return false;
        }
        inner.away.lock().unwrap_or_else(PoisonError::into_inner).push((now - crashed_at) as f64);
        let is_last = inner.back.fetch_add(1, Ordering::AcqRel) + 1 == inner.whole;
        if is_last {
            inner.done.notify_one();
        }
        is_last
    }

    /// Crashes: by an error, or by a panic.
    #[allow(clippy::panic, reason = "this is the panic that is measured")]
    pub(crate) fn crash(&self) -> Result<(), Failure> {
        let now = self.0.base.elapsed().as_nanos() as u64;
        self.0.crashed_at.store(now, Ordering::Release);
        match self.0.how {
            How::Error => Err("crashed".into()),
            How::Panic => panic!("crashed"),
        }
    }

    pub(crate) async fn done(&self) {
        while self.0.back.load(Ordering::Acquire) < self.0.whole {
            self.0.done.notified().await;
        }
    }

    fn figures(&self) -> Outcome {
        let mut away = self.0.away.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if away.len() != self.0.whole {
            return Err(format!("it came back {} times", away.len()).into());
        }
        let total: f64 = away.iter().sum();
        let nanos = |value: f64| Duration::from_nanos(value as u64);
        Ok(vec![
            Figure::us("median", nanos(quantile(&mut away, 0.5))),
            Figure::us("p99", nanos(quantile(&mut away, 0.99))),
            Figure::new("rate", "1/s", self.0.whole as f64 / (total / 1e9)),
        ])
    }
}
