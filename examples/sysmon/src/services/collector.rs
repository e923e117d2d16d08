//! `collector`: samples the machine at an interval and gives the samples to `store`.
//!
//! # Invariants
//!
//! 1. While `store` is away sampling goes on; what cannot be kept is counted and told once.
//! 2. A late sample does not make the next ones hurry: missed ticks are skipped.
//! 3. What it tells in metrics has a bounded number of series: cores are not among them.

use std::time::Duration;

use processpype::metrics::{Buckets, Counter, Gauge, Histogram, Metrics};
use processpype::{Config, Context, Dep, Error, Result, Service};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, timeout};

use crate::settings::CollectorConfig;
use crate::{Metric, Sample, Sampler, SamplerOptions, Store, Time};

/// The longest that reading the machine may take; a file system that does not answer is the
/// usual reason.
const SAMPLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The service.
#[derive(Debug)]
pub struct Collector {
    config: Config<CollectorConfig>,
    store: Dep<Store>,
    meters: Meters,
}

/// What it tells in metrics.
#[derive(Debug)]
struct Meters {
    kept: Counter,
    lost: Counter,
    time: Histogram,
    readings: Vec<(Metric, Gauge)>,
}

/// What is wrong, told when it changes.
#[derive(Debug, Default)]
struct Trouble {
    /// Samples that could not be kept since the last one that was.
    lost: u64,
    disk_missing: bool,
    told: Option<String>,
}

// === impl Collector ===

impl Collector {
    /// Takes the configuration and the store, and registers its metrics; sampling begins in `run`.
    ///
    /// # Errors
    ///
    /// Fails if another service has metrics of these names and other kinds.
    #[expect(clippy::needless_pass_by_value, reason = "constructors take arguments by value")]
    pub fn new(config: Config<CollectorConfig>, store: Dep<Store>, cx: Context) -> Result<Self> {
        Ok(Self { config, store, meters: Meters::of(&cx.metrics())? })
    }

    fn options(&self) -> SamplerOptions {
        SamplerOptions { per_core: self.config.per_core, disk: self.config.disk.clone() }
    }

    fn ticks(&self) -> Interval {
        let mut ticks = interval(self.config.interval.get());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks
    }

    async fn keep(&self, sample: Sample, trouble: &mut Trouble) {
        let kept = match self.store.get() {
            Ok(store) => store.append(sample).await,
            Err(unavailable) => Err(unavailable.into()),
        };
        match kept {
            Ok(committed) => {
                self.meters.kept.inc();
                trouble.kept(committed);
            }
            Err(error) => {
                self.meters.lost.inc();
                trouble.lost(&error);
            }
        }
    }
}

impl Service for Collector {
    async fn run(&self, cx: &Context) -> Result {
        let options = self.options();
        let mut sampler = cx.spawn_blocking("prepare", || Sampler::new(options)).await??;
        let (mut ticks, mut trouble) = (self.ticks(), Trouble::default());
        let mut previous = ticks.tick().await;
        while cx.until_stopped(ticks.tick()).await.is_some() {
            let now = Instant::now();
            let (returned, sample) = take(cx, sampler, now - previous).await?;
            (sampler, previous) = (returned, now);
            self.meters.note(&sample, now.elapsed());
            trouble.disk_missing = sample.get(Metric::Disk).is_none();
            self.keep(sample, &mut trouble).await;
            trouble.tell(cx, &self.config);
        }
        Ok(())
    }
}

/// Takes a sample on a blocking thread.
async fn take(cx: &Context, mut sampler: Sampler, elapsed: Duration) -> Result<(Sampler, Sample)> {
    let reading = cx.spawn_blocking("sample", move || {
        let sample = sampler.sample(Time::now(), elapsed);
        (sampler, sample)
    });
    match timeout(SAMPLE_TIMEOUT, reading).await {
        Ok(taken) => taken,
        Err(_) => Err(Error::public(format!(
            "reading the machine took longer than {SAMPLE_TIMEOUT:?}; \
             look for a file system that does not answer"
        ))),
    }
}

// === impl Meters ===

impl Meters {
    fn of(metrics: &Metrics) -> Result<Self> {
        let samples = |outcome| {
            let help = "Samples of the machine, by what became of them.";
            metrics.with("outcome", outcome)?.counter("sysmon_samples_total", help)
        };
        let reading = |metric: Metric| {
            let name = format!("sysmon_{}_{}", metric.name(), metric.unit());
            let gauge = metrics.gauge(&name, "The newest reading; no number if there is none.")?;
            Ok((metric, gauge))
        };
        let help = "Time to read the machine.";
        Ok(Self {
            kept: samples("kept")?,
            lost: samples("lost")?,
            time: metrics.histogram("sysmon_sample_seconds", help, Buckets::TIMES)?,
            readings: Metric::FIXED.into_iter().map(reading).collect::<Result<_>>()?,
        })
    }

    fn note(&self, sample: &Sample, took: Duration) {
        self.time.observe_time(took);
        for (metric, gauge) in &self.readings {
            // What is not measured at the moment is no number, and not what it was before.
            gauge.set(sample.get(*metric).unwrap_or(f64::NAN));
        }
    }
}

// === impl Trouble ===

impl Trouble {
    fn kept(&mut self, committed: u64) {
        tracing::debug!(committed, "sample committed");
        if self.lost > 0 {
            tracing::info!(lost = self.lost, "samples are kept again");
            self.lost = 0;
        }
    }

    fn lost(&mut self, error: &Error) {
        if self.lost == 0 {
            tracing::warn!(error = error.chain(), "samples are not kept");
        }
        self.lost += 1;
    }

    fn tell(&mut self, cx: &Context, config: &CollectorConfig) {
        let trouble = self.text(config);
        if trouble == self.told {
            return;
        }
        match &trouble {
            Some(text) => cx.degraded(text),
            None => cx.recovered(),
        }
        self.told = trouble;
    }

    fn text(&self, config: &CollectorConfig) -> Option<String> {
        if self.lost > 0 {
            return Some("samples are not kept: `store` does not take them".to_owned());
        }
        let disk = config.disk.display();
        self.disk_missing
            .then(|| format!("no file system holds {disk}; set `disk` to another path"))
    }
}
