//! W3: the start of a layered graph, against its critical path.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use processpype_config::Section;
use processpype_runtime::{Context, Kind, Service};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::figure::{Failure, Figure, Outcome};
use crate::launch::{self, Where};
use crate::tally::Tally;
use crate::workload::{Ask, Case, FLOOR, OURS, OURS_MAIN};

const LAYERS: usize = 10;
const WIDTH: usize = 100;

/// How many services of the layer below a service needs.
const PROVIDERS: usize = 3;

/// Which services have started.
type Started = Arc<Vec<AtomicBool>>;

pub(crate) fn cases() -> Vec<Case> {
    ["0", "1", "20"].map(|work| Case::new(work, &[FLOOR, OURS, OURS_MAIN])).to_vec()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let work = Duration::from_millis(ask.case.parse()?);
    let time = match ask.subject.as_str() {
        FLOOR => on_threads(floor(work)),
        OURS => on_threads(ours(work, Where::Beside)),
        OURS_MAIN => on_threads(ours(work, Where::OwnThread)),
        _ => return ask.unknown(),
    }?;
    let ideal = work * LAYERS as u32;
    let mut figures = vec![Figure::ms("start", time)];
    if !ideal.is_zero() {
        let over = time.as_secs_f64() / ideal.as_secs_f64();
        figures.push(Figure::new("of the critical path", "×", over));
    }
    Ok(figures)
}

fn on_threads(
    sample: impl Future<Output = Result<Duration, Failure>> + Send + 'static,
) -> Result<Duration, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let time = runtime.block_on(runtime.spawn(sample))?;
    runtime.shutdown_background();
    time
}

/// The services that `service` needs.
fn providers(service: usize) -> impl Iterator<Item = usize> {
    let below = (service / WIDTH).checked_sub(1).map(|layer| layer * WIDTH);
    let nth = move |step| below.map(|below| below + (service % WIDTH + step * 7) % WIDTH);
    (0..PROVIDERS).filter_map(nth)
}

/// The work of one start; fails if a provider has not started before.
async fn begin(service: usize, work: Duration, started: &Started) -> Result<(), Failure> {
    if !providers(service).all(|provider| started[provider].load(Ordering::Acquire)) {
        return Err("a service has started before its providers".into());
    }
    if !work.is_zero() {
        tokio::time::sleep(work).await;
    }
    started[service].store(true, Ordering::Release);
    Ok(())
}

fn all_down() -> Started {
    Arc::new((0..LAYERS * WIDTH).map(|_| AtomicBool::new(false)).collect())
}

/// One layer of tasks after the other. They stay, as services do, until they are cancelled.
async fn floor(work: Duration) -> Result<Duration, Failure> {
    let (started, begin_at) = (all_down(), Instant::now());
    let (token, mut tasks) = (CancellationToken::new(), JoinSet::new());
    for layer in 0..LAYERS {
        let up = Tally::of(WIDTH);
        for service in layer * WIDTH..(layer + 1) * WIDTH {
            let (started, token, up) = (Arc::clone(&started), token.clone(), up.clone());
            tasks.spawn(async move {
                let begun = begin(service, work, &started).await;
                up.add();
                token.cancelled().await;
                begun
            });
        }
        up.whole().await;
    }
    let time = begin_at.elapsed();
    token.cancel();
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(time)
}

struct Node {
    service: usize,
    work: Duration,
    started: Started,
}

impl Service for Node {
    async fn start(&self, _: &Context) -> processpype_runtime::Result {
        begin(self.service, self.work, &self.started).await?;
        Ok(())
    }
}

async fn ours(work: Duration, place: Where) -> Result<Duration, Failure> {
    let started = all_down();
    let spec = |service: usize| {
        let shared = Arc::clone(&started);
        let node = move || Node { service, work, started: Arc::clone(&shared) };
        let name = format!("s{service}");
        let spec = launch::spec(&name, &Arc::new(Kind::of(node)), Section::empty(&name))?;
        Ok(launch::after(spec, providers(service).map(|provider| format!("s{provider}"))))
    };
    let specs: Result<Vec<_>, Failure> = (0..LAYERS * WIDTH).map(spec).collect();
    let blueprint = launch::blueprint(specs?)?;
    let begin_at = Instant::now();
    let app = launch::run(blueprint, place)?;
    app.manager.settled().await;
    let time = begin_at.elapsed();
    app.verify_running(LAYERS * WIDTH)?;
    app.close().await?;
    Ok(time)
}
