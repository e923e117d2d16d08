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

/// How many reads one sample times.
const READS: u32 = 20_000_000;

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
        FLOOR => atomic(),
        "watch" => watched(),
        other => ours(other)?,
    };
    Ok(vec![Figure::new("read", "ns", each)])
}

/// Times reads, in nanoseconds, while `change` is called again and again by another thread.
fn time(change: impl Fn(u64) + Send, mut read: impl FnMut()) -> f64 {
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
        let begin = Instant::now();
        (0..READS).for_each(|_| read());
        let time = begin.elapsed();
        done.store(true, Ordering::Relaxed);
        time.as_secs_f64() * 1e9 / f64::from(READS)
    })
}

fn atomic() -> f64 {
    let state = AtomicU64::new(0);
    let read = || {
        black_box(state.load(Ordering::Acquire));
    };
    time(|count| state.store(count, Ordering::Release), read)
}

fn watched() -> f64 {
    let (sender, receiver) = watch::channel(0_u64);
    let read = || {
        black_box(*receiver.borrow());
    };
    time(
        move |count| {
            sender.send_replace(count);
        },
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
    let version = app.manager.version();
    let flip = move |count: u64| cx.ready(count.is_multiple_of(2));
    let each = read(what, &app.manager, &dep, flip)?;
    match app.manager.version() - version {
        changes if changes > 10 => Ok(each),
        _ => Err("the state has not changed while it was read".into()),
    }
}

fn read(
    what: &str,
    manager: &Manager,
    dep: &Dep<Flipping, Sole>,
    flip: impl Fn(u64) + Send,
) -> Result<f64, Failure> {
    // Which service it is, is not known to the compiler.
    let name = black_box("flipping".to_owned());
    Ok(match what {
        "dep-state" => time(flip, || {
            black_box(dep.state());
        }),
        "dep-get" => time(flip, || {
            black_box(dep.get().is_ok());
        }),
        "state-by-name" => time(flip, || {
            black_box(manager.state(&name));
        }),
        "status-by-name" => time(flip, || drop(black_box(manager.status(&name)))),
        _ => return Err("no such read".into()),
    })
}
