//! What user code hands over may panic as well: when its text is asked for, and when it is dropped.

use std::error::Error as StdError;
use std::fmt;
use std::panic::panic_any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use processpype_config::{Difference, Effective, Layer, Report};
use processpype_core::{ErrorKind, Exit, RestartPolicy, ServiceName, ServiceState};
use processpype_runtime::{
    CommandError, ConfigBook, ConfigureError, Configured, Configurer, Context, Error, Finding,
    Hidden, Launch, Loaded, Manager, Refused, Request, Result, Service,
};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::harness::{Threads, blueprint, run, spec};
use crate::log::Log;

const SOON: Duration = Duration::from_secs(5);

/// What a service does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    /// `start` returns an error that cannot be told.
    Start,
    /// `run` does.
    Run,
    /// A child does.
    Child,
    /// A child's error panics when it is made into the framework's.
    Conversion,
    /// `run` panics with a value that panics when it is dropped.
    Payload,
    /// `stop` returns an error that cannot be told.
    Stop,
}

/// An error that panics when it is printed, and when it is dropped.
#[derive(Debug)]
struct Sore;

impl fmt::Display for Sore {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic_any("printed")
    }
}

impl StdError for Sore {}

impl Drop for Sore {
    fn drop(&mut self) {
        panic_any("dropped")
    }
}

/// An error that cannot be converted.
struct Stubborn;

impl From<Stubborn> for Error {
    fn from(_: Stubborn) -> Self {
        panic_any("converted")
    }
}

struct Faulty(Wrong, Arc<AtomicU32>);

impl Service for Faulty {
    async fn start(&self, _: &Context) -> Result {
        if self.0 == Wrong::Start { Err(Sore.into()) } else { Ok(()) }
    }

    async fn run(&self, cx: &Context) -> Result {
        match self.0 {
            Wrong::Run => return Err(Error::public("it is sore").with_source(Sore)),
            Wrong::Payload => panic_any(Sore),
            Wrong::Child => drop(cx.spawn("sore", async { Err::<(), _>(Sore) })),
            Wrong::Conversion => drop(cx.spawn("stubborn", async { Err::<(), _>(Stubborn) })),
            Wrong::Start | Wrong::Stop => {}
        }
        cx.stopping().await;
        Ok(())
    }

    async fn stop(&self, _: &Context) -> Result {
        self.1.fetch_add(1, SeqCst);
        if self.0 == Wrong::Stop { Err(Sore.into()) } else { Ok(()) }
    }
}

fn last_exit(manager: &Manager, name: &str) -> Option<Exit> {
    Some(manager.status(name)?.history.last()?.exit)
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_told_or_dropped_is_told_all_the_same_and_stop_runs() {
    let cases = [
        (Wrong::Start, ErrorKind::StartFailed, "start failed; the log has the details"),
        (Wrong::Run, ErrorKind::Failed, "it is sore"),
        (Wrong::Child, ErrorKind::ChildFailed, "child `sore` failed; the log has the details"),
        (
            Wrong::Conversion,
            ErrorKind::ChildFailed,
            "child `stubborn` panicked; the log has the details",
        ),
        (Wrong::Payload, ErrorKind::Panic, "run panicked; the log has the details"),
        (Wrong::Stop, ErrorKind::StopFailed, "stop failed; the log has the details"),
    ];
    for (wrong, kind, text) in cases {
        let stopped = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&stopped);
        let mut faulty = spec("faulty", move || Faulty(wrong, Arc::clone(&count)), &[]);
        Arc::make_mut(&mut faulty.options).restart.policy = RestartPolicy::Never;
        let (manager, _closed) = run(vec![faulty], &Handle::current());
        manager.settled().await;
        if wrong == Wrong::Stop {
            manager.stop("faulty").await.expect("it stops all the same");
        } else {
            let ended = timeout(SOON, manager.reached("faulty", ServiceState::Error)).await;
            ended.unwrap_or_else(|_| panic!("{wrong:?}: it goes on"));
        }
        let error =
            manager.status("faulty").expect("it is there").last_error.clone().expect("told");
        assert_eq!((error.kind, &*error.message), (kind, text), "{wrong:?}");
        assert_eq!(stopped.load(SeqCst), 1, "{wrong:?}: `stop` runs exactly once");
    }
}

/// Panics when it is dropped, and lets its child go only then.
struct Tender(Arc<AtomicBool>);

impl Service for Tender {
    async fn run(&self, cx: &Context) -> Result {
        let go = Arc::clone(&self.0);
        drop(cx.spawn_blocking("waits", move || {
            while !go.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
        cx.stopping().await;
        Ok(())
    }
}

impl Drop for Tender {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
        panic_any("dropped")
    }
}

#[tokio::test]
async fn an_instance_that_panics_while_it_is_dropped_by_force_was_ended_by_force() {
    let threads = Threads::new();
    let tender = spec("tender", || Tender(Arc::default()), &[]);
    let (manager, _closed) = run(vec![tender], threads.handle());
    timeout(SOON, manager.settled()).await.expect("it settles");
    // Its child does not end, so it is aborted, which drops the instance.
    let stopped = timeout(SOON, manager.stop("tender")).await.expect("in time");
    assert_eq!(last_exit(&manager, "tender"), Some(Exit::Aborted), "{stopped:?}");
}

/// A bug in what checks configuration.
#[derive(Debug)]
struct Mistaken;

impl Configurer for Mistaken {
    fn check(
        &self,
        _: &ConfigBook,
        _: &ServiceName,
        _: &Layer,
    ) -> std::result::Result<Configured, Report> {
        panic!("a mistake of the framework")
    }

    fn load(&self, _: &ConfigBook) -> std::result::Result<Loaded, Refused> {
        panic!("a mistake of the framework")
    }

    fn effective(&self, _: &ConfigBook, _: &ServiceName) -> Vec<Effective> {
        Vec::new()
    }

    fn differences(&self, _: &ConfigBook, _: &ServiceName, _: &Configured) -> Vec<Difference> {
        Vec::new()
    }

    fn hide(&self, _: &[String]) -> std::result::Result<Hidden, Report> {
        Ok(Hidden::by(()))
    }

    fn adopt(&self, _: &ServiceName, _: &Configured) {}

    fn forget(&self, _: &ServiceName) {}
}

#[tokio::test]
async fn a_panic_while_configuration_is_checked_is_not_taken_for_closing() {
    let mut launch = Launch::on(Handle::current());
    launch.configurer = Some(Arc::new(Mistaken));
    let (manager, supervisor) = blueprint(Vec::new()).launch(launch);
    let closed = tokio::spawn(supervisor.run());
    let refused = timeout(SOON, manager.reload(Request::by("it"))).await.expect("it is answered");
    let is_told = matches!(refused, Err(ConfigureError::Command(CommandError::Panicked)));
    assert!(is_told, "{refused:?}");
    manager.close();
    closed.await.expect("it ends");
}

/// Panics with something that is nobody's business.
struct Leaky;

impl Service for Leaky {
    async fn diagnose(&self, _: &Context) -> Vec<Finding> {
        panic_any("cannot reach amqp://me:s3cret@broker".to_owned())
    }
}

#[tokio::test(start_paused = true)]
async fn the_message_of_a_panic_in_diagnose_is_for_the_log_alone() {
    let (log, _listening) = Log::listen();
    let (manager, _closed) = run(vec![spec("leaky", || Leaky, &[])], &Handle::current());
    manager.settled().await;
    let found = manager.diagnose(None).await.expect("it answers");
    let finding = &found[0].1[0];
    assert_eq!(finding.code, "diagnose-panicked");
    assert_eq!(finding.message, "`diagnose` panicked; the log has the details");
    assert_eq!(log.count("s3cret"), 1);
}
