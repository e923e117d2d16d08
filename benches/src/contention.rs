//! W6: reads of a state that another thread changes all the time.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use processpype_config::Section;
use processpype_runtime::{Context, Dep, Kind, Manager, Service, Sole};
use tokio::sync::watch;

use crate::figure::{Failure, Figure, Outcome};
use crate::launch::{self, Where};
use crate::workload::{Ask, Case, FLOOR};

/// How many reads one round times; a sample is as many rounds as the changes below need.
const READS: u32 = 20_000_000;

/// How many changes there are at least while a sample reads.
///
/// The fastest reads are done before a writer that shares its core has had a turn.
const CHANGES_MIN: u64 = 100;

/// How many rounds a sample takes at most.
const ROUNDS_MAX: u32 = 1000;

/// How many services there are beside the one that is read.
const SERVICES: usize = 1000;

/// How long the writer rests between two changes: far more often than services change.
const PAUSE: Duration = Duration::from_micros(20);

pub(crate) fn cases() -> Vec<Case> {
    let subjects = [FLOOR, "watch", "dep-state", "dep-get", "state-by-name", "status-by-name"];
    vec![Case::new("read", &subjects)]
}

pub(crate) fn sample(ask: &Ask) -> Outcome {
    let each = match ask.subject.as_str() {
        FLOOR => atomic()?,
        "watch" => watched()?,
        other => ours(other)?,
    };
    Ok(vec![Figure::new("read", "ns", each)])
}

/// Times reads, in nanoseconds, while `change` is called again and again by another thread.
///
/// `seen` is how many changes readers can have seen.
fn time(
    change: impl Fn(u64) + Send,
    seen: impl Fn() -> u64,
    mut read: impl FnMut(),
) -> Result<f64, Failure> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let done = &done;
        scope.spawn(move || {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                change(count);
                std::thread::sleep(PAUSE);
            }
        });
        let (begin, before) = (Instant::now(), seen());
        let enough = (1..=ROUNDS_MAX).find(|_| {
            (0..READS).for_each(|_| read());
            seen() - before >= CHANGES_MIN
        });
        let time = begin.elapsed();
        done.store(true, Ordering::Relaxed);
        let rounds = enough.ok_or("the state has not changed while it was read")?;
        Ok(time.as_secs_f64() * 1e9 / f64::from(READS) / f64::from(rounds))
    })
}

fn atomic() -> Result<f64, Failure> {
    let state = AtomicU64::new(0);
    let read = || {
        black_box(state.load(Ordering::Acquire));
    };
    let seen = || state.load(Ordering::Acquire);
    time(|count| state.store(count, Ordering::Release), seen, read)
}

fn watched() -> Result<f64, Failure> {
    let (sender, receiver) = watch::channel(0_u64);
    let seen = || *receiver.borrow();
    let read = || {
        black_box(*receiver.borrow());
    };
    time(
        move |count| {
            sender.send_replace(count);
        },
        seen,
        read,
    )
}

/// A service that the writer makes ready and unready.
struct Flipping;

impl Service for Flipping {}

/// Hands its handle and the other's context out.
struct Reader;

impl Service for Reader {}

fn ours(what: &str) -> Result<f64, Failure> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build()?;
    let (contexts, context) = std::sync::mpsc::sync_channel(1);
    let (handles, handle) = std::sync::mpsc::sync_channel(1);
    let app = runtime.block_on(async {
        let flipping = Arc::new(Kind::of(move |cx: Context| {
            let _ = contexts.send(cx);
            Flipping
        }));
        let reader = Arc::new(Kind::of(move |dep: Dep<Flipping, Sole>| {
            let _ = handles.send(dep);
            Reader
        }));
        let plain = Arc::new(Kind::of(|| Reader));
        let mut specs = vec![
            launch::spec("flipping", &flipping, Section::empty("flipping"))?,
            launch::spec("reader", &reader, Section::empty("reader"))?,
        ];
        for index in 0..SERVICES {
            let name = format!("s{index}");
            specs.push(launch::spec(&name, &plain, Section::empty(&name))?);
        }
        let app = launch::run(launch::blueprint(specs)?, Where::Beside)?;
        app.manager.settled().await;
        app.verify_running(SERVICES + 2)?;
        Ok::<_, Failure>(app)
    })?;
    let (cx, dep) = (context.recv()?, handle.recv()?);
    let flip = move |count: u64| cx.ready(count.is_multiple_of(2));
    read(what, &app.manager, &dep, flip)
}

fn read(
    what: &str,
    manager: &Manager,
    dep: &Dep<Flipping, Sole>,
    flip: impl Fn(u64) + Send,
) -> Result<f64, Failure> {
    // Which service it is, is not known to the compiler.
    let name = black_box("flipping".to_owned());
    let seen = || manager.version();
    match what {
        "dep-state" => time(flip, seen, || {
            black_box(dep.state());
        }),
        "dep-get" => time(flip, seen, || {
            black_box(dep.get().is_ok());
        }),
        "state-by-name" => time(flip, seen, || {
            black_box(manager.state(&name));
        }),
        "status-by-name" => time(flip, seen, || drop(black_box(manager.status(&name)))),
        _ => Err("no such read".into()),
    }
}
