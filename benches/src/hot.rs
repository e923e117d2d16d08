//! Hot paths by themselves, for micro-benchmarks and for counting instructions.
//!
//! Each makes what it needs first, and then repeats one thing as often as it is told, on this
//! thread. It gives a number that depends on all of it, so that nothing is optimised away. The work
//! of one repetition is the same each time: twice the repetitions are twice the instructions.

use std::io;
use std::sync::Arc;

use processpype_config::Section;
use processpype_core::{Graph, Machine, Report, ServiceId, Timer, Traits};
use processpype_runtime::{Blueprint, Kind, Service};
use processpype_telemetry::{Format, Level, LoggingConfig, Telemetry};

use crate::figure::Failure;
use crate::launch::{self, Where};

/// A hot path: its name, and what sets it up.
pub type Path = (&'static str, fn() -> Result<Repeat, Failure>);

/// Takes a hot path so many times.
pub type Repeat = Box<dyn FnMut(usize) -> Result<u64, Failure>>;

/// Every hot path.
pub const PATHS: [Path; 5] = [
    ("transition", transition),
    ("snapshot", snapshot),
    ("restart", restart),
    ("config", config),
    ("log", log),
];

struct Plain;

impl Service for Plain {}

/// The pure machine: one service goes through start, failure and the wait for its restart.
fn transition() -> Result<Repeat, Failure> {
    let id = ServiceId(0);
    let mut machine = Machine::new(Graph::new(1, [])?, vec![Traits::default()], 1);
    let mut actions = Vec::new();
    machine.boot(&mut actions);
    Ok(Box::new(move |times| {
        let (first, mut told) = (machine.generation(id).0, 0);
        for _ in 0..times {
            let generation = machine.generation(id);
            let failed = processpype_core::Exit::Failed(processpype_core::ErrorKind::Failed);
            for report in [
                Report::Started { ready: true },
                Report::Ending(failed),
                Report::Gone(failed),
                Report::Elapsed(Timer::Restart),
            ] {
                machine.report(id, generation, report, &mut actions);
                told += actions.drain(..).count() as u64;
            }
        }
        match machine.generation(id).0 == first + times as u64 {
            true => Ok(told),
            false => Err("not every generation has failed".into()),
        }
    }))
}

/// What is known of one of a thousand services, by its name.
fn snapshot() -> Result<Repeat, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = runtime.block_on(async {
        let app = launch::run(plain(1000)?, Where::Beside)?;
        app.manager.settled().await;
        app.verify_running(1000)?;
        Ok::<_, Failure>(app)
    })?;
    let name = std::hint::black_box("s500".to_owned());
    Ok(Box::new(move |times| {
        // The services live while this is there, although nobody drives them.
        let _ = &runtime;
        let generation = || app.manager.status(&name).map_or(0, |status| status.generation.0);
        Ok((0..times).map(|_| generation()).sum())
    }))
}

/// A command, from the manager to the effect: two events of the command, four transitions, their
/// statuses and events, and one generation of a service.
fn restart() -> Result<Repeat, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = runtime.block_on(async {
        let app = launch::run(plain(1)?, Where::Beside)?;
        app.manager.settled().await;
        Ok::<_, Failure>(app)
    })?;
    Ok(Box::new(move |times| {
        runtime.block_on(async {
            for _ in 0..times {
                app.manager.restart("s0").await?;
            }
            Ok(app.manager.last_event())
        })
    }))
}

/// A file with ten services for each repetition, read into its tree.
fn config() -> Result<Repeat, Failure> {
    let text = crate::config::text(10);
    let load = move |_| Ok(crate::config::load(text.clone())? as u64);
    Ok(Box::new(move |times| (0..times).map(&load).sum()))
}

/// One event to JSON, in the span of a service; the writer's thread is not counted.
fn log() -> Result<Repeat, Failure> {
    let config =
        LoggingConfig { format: Format::Json, level: Level::Info, ..LoggingConfig::default() };
    let (subscriber, handle) = Telemetry::builder(config).writer(io::sink()).build()?;
    let subscriber = tracing::Dispatch::new(subscriber);
    Ok(Box::new(move |times| {
        // Its writer lives as long as this.
        let _ = &handle;
        tracing::dispatcher::with_default(&subscriber, || {
            let span = tracing::info_span!(
                target: "processpype", "service", service = %"counter", generation = 1_u64
            );
            span.in_scope(|| {
                (0..times).for_each(|count| tracing::info!(count, path = "/value", "answered"));
            });
        });
        Ok(times as u64)
    }))
}

fn plain(n: usize) -> Result<Blueprint, Failure> {
    let kind = Arc::new(Kind::of(|| Plain));
    let spec = |index| {
        let name = format!("s{index}");
        launch::spec(&name, &kind, Section::empty(&name))
    };
    let specs: Result<Vec<_>, Failure> = (0..n).map(spec).collect();
    launch::blueprint(specs?)
}
