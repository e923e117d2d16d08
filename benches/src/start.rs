//! W1: start and stop of n trivial services, and what each of them costs in memory.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use processpype_core::ServiceState;
use processpype_runtime::{Config, Kind, Service};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::figure::{Failure, Figure, Meter, Outcome};
use crate::launch::{self, Where};
use crate::tally::Tally;
use crate::workload::{Ask, Case, FLOOR, OURS, OURS_MAIN};

#[cfg(feature = "peers")]
mod peers;

/// What one sample has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// From nothing to what can be started: names, specifications, sections.
    build: Duration,
    start: Duration,
    stop: Duration,
    /// Live bytes and allocations when everything is there, and when all run, less those before.
    built: Option<(usize, usize)>,
    heap: Option<(usize, usize)>,
}

/// Takes the time of the parts.
#[derive(Debug)]
pub(crate) struct Watch {
    meter: Option<Meter>,
    before: (usize, usize),
    last: Instant,
    seen: Seen,
}

/// The one field of each service's configuration.
#[derive(Debug, Deserialize, JsonSchema)]
struct Settings {
    /// How far.
    #[allow(dead_code, reason = "a service has a setting; this one does nothing with it")]
    step: u64,
}

struct Trivial;

impl Service for Trivial {}

pub(crate) fn cases() -> Vec<Case> {
    let mut subjects = vec![FLOOR, OURS, OURS_MAIN];
    if cfg!(feature = "peers") {
        subjects.extend(["task-supervisor", "tokio-graceful-shutdown", "ractor", "kameo"]);
    }
    ["1000", "10000", "100000"].map(|n| Case::new(n, &subjects)).to_vec()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let n = ask.count()?;
    let watch = Watch::new(ask.meter);
    let seen = match ask.subject.as_str() {
        FLOOR => on_threads(floor(n, watch)),
        OURS => on_threads(ours(n, watch, Where::Beside)),
        OURS_MAIN => on_threads(ours(n, watch, Where::OwnThread)),
        #[cfg(feature = "peers")]
        "task-supervisor" => on_threads(peers::task_supervisor(n, watch)),
        #[cfg(feature = "peers")]
        "tokio-graceful-shutdown" => on_threads(peers::graceful_shutdown(n, watch)),
        #[cfg(feature = "peers")]
        "ractor" => on_threads(peers::ractor(n, watch)),
        #[cfg(feature = "peers")]
        "kameo" => on_threads(peers::kameo(n, watch)),
        _ => return ask.unknown(),
    }?;
    Ok(seen.figures(n))
}

/// Runs the sample as a task of a runtime with a worker for each core.
fn on_threads(
    sample: impl Future<Output = Result<Seen, Failure>> + Send + 'static,
) -> Result<Seen, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let seen = runtime.block_on(runtime.spawn(sample))?;
    runtime.shutdown_background();
    seen
}

/// Tasks that wait for one cancellation signal, in a join set.
async fn floor(n: usize, mut watch: Watch) -> Result<Seen, Failure> {
    watch.built();
    let (token, up) = (CancellationToken::new(), Tally::of(n));
    let mut tasks = JoinSet::new();
    for _ in 0..n {
        let (token, up) = (token.clone(), up.clone());
        tasks.spawn(async move {
            up.add();
            token.cancelled().await;
        });
    }
    up.whole().await;
    watch.started();
    token.cancel();
    let mut ended = 0;
    while let Some(end) = tasks.join_next().await {
        end?;
        ended += 1;
    }
    watch.stopped(ended, n)
}

async fn ours(n: usize, mut watch: Watch, place: Where) -> Result<Seen, Failure> {
    let document = launch::document(n)?;
    let services = document.section(&["services"]);
    let kind = Arc::new(Kind::of(|_: Config<Settings>| Trivial));
    let spec = |index| {
        let name = format!("s{index}");
        launch::spec(&name, &kind, services.get(&name))
    };
    let specs: Result<Vec<_>, Failure> = (0..n).map(spec).collect();
    let blueprint = launch::blueprint(specs?)?;
    watch.built();
    let app = launch::run(blueprint, place)?;
    app.manager.settled().await;
    watch.started();
    app.verify_running(n)?;
    watch.again();
    let manager = app.close().await?;
    watch.stopped_by(|| launch::count(&manager, ServiceState::Stopped), n)
}

// === impl Watch ===

impl Watch {
    fn new(meter: Option<Meter>) -> Self {
        let before = meter.map_or((0, 0), Meter::read);
        Self { meter, before, last: Instant::now(), seen: Seen::default() }
    }

    /// Everything is there that can be started.
    pub(crate) fn built(&mut self) {
        self.seen.build = self.last.elapsed();
        self.seen.built = self.heap();
        self.again();
    }

    /// All run.
    pub(crate) fn started(&mut self) {
        self.seen.start = self.last.elapsed();
        self.seen.heap = self.heap();
        self.again();
    }

    fn heap(&self) -> Option<(usize, usize)> {
        let (live, made) = self.meter?.read();
        Some((live.saturating_sub(self.before.0), made - self.before.1))
    }

    /// What has been done since the last part is not part of the next one.
    pub(crate) fn again(&mut self) {
        self.last = Instant::now();
    }

    /// All have ended, if it was all of them.
    pub(crate) fn stopped(self, ended: usize, n: usize) -> Result<Seen, Failure> {
        self.stopped_by(|| ended, n)
    }

    /// All have ended, if a look afterwards finds that it was all of them.
    pub(crate) fn stopped_by(
        mut self,
        ended: impl FnOnce() -> usize,
        n: usize,
    ) -> Result<Seen, Failure> {
        self.seen.stop = self.last.elapsed();
        match ended() {
            all if all == n => Ok(self.seen),
            some => Err(format!("{some} of {n} have ended").into()),
        }
    }
}

// === impl Seen ===

impl Seen {
    fn figures(&self, n: usize) -> Vec<Figure> {
        let each = |total: usize| total as f64 / n as f64;
        if let (Some(built), Some(all)) = (self.built, self.heap) {
            return vec![
                Figure::new("live heap each", "B", each(all.0)),
                Figure::new("of it before the start", "B", each(built.0)),
                Figure::new("allocations of a start", "", each(all.1 - built.1)),
            ];
        }
        vec![
            Figure::ms("build", self.build),
            Figure::ms("start", self.start),
            Figure::ms("stop", self.stop),
        ]
    }
}
