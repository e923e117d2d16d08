//! W7: one event of three fields to JSON, inside the span of a service, on the caller's thread.
//!
//! Events come in bursts that fit into the queue, and the queue is empty before each burst: no line
//! is lost, and the caller never meets a full queue.

use std::io;
use std::time::{Duration, Instant};

use processpype_telemetry::{Format, Level, LoggingConfig, Telemetry};

use crate::figure::{Failure, Figure, Outcome};
use crate::workload::{Ask, Case, FLOOR};

/// Events in one burst: well within the queue.
const BURST: u32 = 500;
const BURSTS: u32 = 100;

/// How long the writer may take for a burst.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn cases() -> Vec<Case> {
    let subjects: &[_] =
        if cfg!(feature = "peers") { &[FLOOR, "processpype"] } else { &["processpype"] };
    ["event", "disabled"].map(|case| Case::new(case, subjects)).to_vec()
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let is_disabled = ask.case == "disabled";
    let each = match ask.subject.as_str() {
        #[cfg(feature = "peers")]
        FLOOR => fmt_layer(is_disabled)?,
        "processpype" => ours(is_disabled)?,
        _ => return ask.unknown(),
    };
    Ok(vec![Figure::new("on the caller's thread", "ns", each)])
}

/// tracing-subscriber's own layer; it has no writer's thread, so the sink costs nothing.
#[cfg(feature = "peers")]
fn fmt_layer(is_disabled: bool) -> Result<f64, Failure> {
    let written = Written::default();
    let own = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::INFO)
        .with_writer(move || own.clone())
        .finish();
    let timed = || time(is_disabled, || Ok(()));
    let each = tracing::subscriber::with_default(subscriber, timed)?;
    written.verify(is_disabled)?;
    Ok(each)
}

fn ours(is_disabled: bool) -> Result<f64, Failure> {
    let config =
        LoggingConfig { format: Format::Json, level: Level::Info, ..LoggingConfig::default() };
    let written = Written::default();
    let (subscriber, handle) = Telemetry::builder(config).writer(written.clone()).build()?;
    let flush = || Ok(handle.flush(PATIENCE)?);
    let each = tracing::subscriber::with_default(subscriber, || time(is_disabled, flush))?;
    if handle.lost_lines() > 0 {
        return Err("lines were lost".into());
    }
    written.verify(is_disabled)?;
    Ok(each)
}

/// The time of one event on this thread, in nanoseconds. `between` is called after each burst,
/// untimed.
pub(crate) fn time(
    is_disabled: bool,
    between: impl Fn() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let span = tracing::info_span!(
        target: "processpype", "service", service = %"counter", generation = 1_u64
    );
    let mut total = Duration::ZERO;
    for burst in 0..BURSTS {
        let begin = Instant::now();
        span.in_scope(|| burst_of(burst, is_disabled));
        total += begin.elapsed();
        between()?;
    }
    Ok(total.as_secs_f64() * 1e9 / f64::from(BURST * BURSTS))
}

fn burst_of(burst: u32, is_disabled: bool) {
    for count in 0..BURST {
        if is_disabled {
            tracing::debug!(count, burst, path = "/value", "answered");
        } else {
            tracing::info!(count, burst, path = "/value", "answered");
        }
    }
}

/// Counts the lines that arrive.
#[derive(Clone, Debug, Default)]
struct Written(std::sync::Arc<std::sync::atomic::AtomicUsize>);

impl Written {
    fn verify(&self, is_disabled: bool) -> Result<(), Failure> {
        let lines = self.0.load(std::sync::atomic::Ordering::Acquire);
        let expected = if is_disabled { 0 } else { (BURST * BURSTS) as usize };
        match lines == expected {
            true => Ok(()),
            false => Err(format!("{lines} lines have arrived").into()),
        }
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        self.0.fetch_add(lines, std::sync::atomic::Ordering::AcqRel);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
