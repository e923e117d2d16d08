//! Configuration is read by code of the user, wherever it is checked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use processpype_runtime::{
    CHECK_TIME, CHECKS_AT_ONCE, Config, Launch, Manager, RegisterError, Registered, Registration,
    Request, Service,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};
use tokio::runtime::{Builder, Handle};
use tokio::time::{Instant, timeout};

use crate::harness::{Threads, blueprint, run, spec};

const SOON: Duration = Duration::from_secs(5);

struct Plain;

impl Service for Plain {}

/// Is read with an error that tells by which thread.
#[derive(JsonSchema)]
struct Telling {}

impl<'de> Deserialize<'de> for Telling {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(format!("it is {:?}", std::thread::current().id())))
    }
}

#[derive(JsonSchema)]
struct Panicking {}

impl<'de> Deserialize<'de> for Panicking {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        std::panic::panic_any("it is not read")
    }
}

/// Is not read before it is let go.
#[derive(JsonSchema)]
struct Hanging {}

/// A type that is read has nothing else to look at.
static GO: AtomicBool = AtomicBool::new(false);

/// Blocks its thread until it may go on; a minute at most, for a test that has failed.
fn hang() {
    for _ in (0..60_000).take_while(|_| !GO.load(SeqCst)) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

impl<'de> Deserialize<'de> for Hanging {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        hang();
        Ok(Self {})
    }
}

#[derive(Deserialize, JsonSchema)]
struct Quick {}

async fn register<C>(manager: &Manager, name: &str) -> Result<Registered, RegisterError>
where
    C: for<'de> Deserialize<'de> + JsonSchema + Send + Sync + 'static,
{
    let spec = spec(name, |_: Config<C>| Plain, &[]);
    manager.register(Registration::of(spec), Request::by("test")).await
}

#[tokio::test]
async fn a_type_is_never_read_on_the_thread_of_who_registers() {
    let (manager, _closed) = run(Vec::new(), &Handle::current());
    let Err(RegisterError::Config(report)) = register::<Telling>(&manager, "telling").await else {
        panic!("it cannot be read");
    };
    let own = format!("it is {:?}", std::thread::current().id());
    let told = report.to_string();
    assert!(told.contains("it is ThreadId") && !told.contains(&own), "{told}");
    let panicked = register::<Panicking>(&manager, "panicking").await;
    assert!(matches!(panicked, Err(RegisterError::Panicked)), "{panicked:?}");
    register::<Quick>(&manager, "quick").await.expect("nothing has become of it");
}

#[tokio::test]
async fn checks_that_hang_are_bounded_and_take_no_thread_of_services() {
    let threads = Threads::new();
    // Services have one thread that may block, and one of them has it.
    let few = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build();
    let few = few.expect("threads can be started");
    let held = Arc::new(AtomicBool::new(false));
    let holds = Arc::clone(&held);
    few.spawn_blocking(move || {
        holds.store(true, SeqCst);
        hang();
    });
    let mut launch = Launch::on(few.handle().clone());
    launch.checks = threads.handle().clone();
    let (manager, supervisor) = blueprint(Vec::new()).launch(launch);
    tokio::spawn(supervisor.run());
    let quick = timeout(SOON, register::<Quick>(&manager, "quick")).await;
    quick.expect("in time").expect("it joins");
    for number in 0..CHECKS_AT_ONCE {
        let hangs = register::<Hanging>(&manager, "hanging");
        let given_up = timeout(Duration::from_millis(5), hangs).await;
        assert!(given_up.is_err(), "{number} does not hang");
    }
    assert_eq!(manager.checks_running(), CHECKS_AT_ONCE);
    let more = timeout(Duration::from_millis(50), register::<Quick>(&manager, "more")).await;
    assert!(more.is_err(), "who has given up has given no place back");
    // Who does not give up is told why, in time.
    tokio::time::pause();
    let begun = Instant::now();
    let refused = register::<Quick>(&manager, "more").await;
    assert!(matches!(refused, Err(RegisterError::CheckHangs)), "{refused:?}");
    assert!(begun.elapsed() < CHECK_TIME + SOON, "{:?}", begun.elapsed());
    tokio::time::resume();
    GO.store(true, SeqCst);
    let more = timeout(SOON, register::<Quick>(&manager, "more")).await;
    more.expect("there are places again").expect("it joins");
    few.shutdown_background();
}
