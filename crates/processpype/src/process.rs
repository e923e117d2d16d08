//! An application that owns its process: runtimes, signals, the closing deadline, the exit code.
//!
//! # Invariants
//!
//! 1. Supervisor, signals and control plane have a thread of their own: a service that blocks its
//!    worker stops neither clock nor API.
//! 2. Once closing begins, the main thread, on which nothing else runs, holds the deadline. It ends
//!    the process by returning, whatever blocks elsewhere.
//! 3. The first cause decides the exit code.
//! 4. A panic of the main thread, or of the supervisor's, is told, and ends the process with
//!    [`Exit::Bug`]; whatever the end, the log is written before it.
//!
//! # Threads
//!
//! | thread | runs | ends |
//! |---|---|---|
//! | main | waits for notices; holds the deadline | returns the exit code |
//! | `processpype-supervisor` | supervisor, signals, control plane | with the process |
//! | `processpype-service` × n | everything that services do | in the background |
//! | `processpype-dump` | waits for SIGUSR1, and tells all that is known | with the process |
//! | `processpype-journal` | writes the file of events, if there is one | after the last event |
//!
//! The main thread decides about the end and waits for nobody: when the deadline has passed it
//! names the stragglers and returns, whatever the other threads are doing. Nothing calls
//! `process::exit`, so destructors of `main` run.
//!
//! # Order of setting up
//!
//! Log, panic hook, runtimes, address, then the supervisor. A port that is taken is found before
//! any service has started.

mod panics;
mod reload;
mod room;
pub(crate) mod thread;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use processpype_control::{Bound, LocalToken, Server};
use processpype_core::{CloseCause, each};
use processpype_runtime::{Closed, ConfigBook, Manager, contain};
use processpype_telemetry::{
    Handle as LogHandle, Hidden, Level, LoggingConfig, Telemetry, Timezone,
};
use tokio::runtime::{Builder, Handle as RuntimeHandle, Runtime};
use tokio::time::Instant;

use self::room::{check_files, no_log, no_threads};
use crate::exit::Exit;
use crate::export::{self, Exporting};
use crate::mint;
use crate::pulse::Pulse;
use crate::recorder::{Recorded, Recorder};
use crate::running::{SERVER_GRACE, control_settings, follow, launch, show_log, tell_recorder};
use crate::schema::service_doc;
use crate::setup::Setup;
use crate::signals::{Hangups, Signals};

/// How long the last handle and the code of the services may take to be dropped.
const LAST_DROP_TIME: Duration = Duration::from_millis(250);

/// The fewest threads that services get, so that one that blocks leaves room for the others.
const SERVICE_WORKERS_MIN: usize = 4;

/// Up to how many services there is a thread for each: a few that block then take away only their
/// own. Idle threads cost almost nothing; more would not help an application whose services block
/// by the dozen.
const SERVICE_WORKERS_EACH_MAX: usize = 16;

/// How long after the deadline the main thread still waits for the supervisor's own last words.
const DEADLINE_SLACK: Duration = Duration::from_millis(100);

/// How long services have after a second signal.
const ABORT_TIME: Duration = Duration::from_millis(500);

/// How long the log may take to write what it still has.
const FLUSH_TIME: Duration = Duration::from_millis(500);

/// How long after the closing deadline the process has ended, at the latest.
pub(crate) const EXIT_SLACK: Duration = DEADLINE_SLACK.saturating_add(FLUSH_TIME);

/// What the supervisor's thread tells the main thread.
#[derive(Debug)]
enum Notice {
    /// Closing began; by then it must be over.
    Closing(std::time::Duration),
    /// A second signal came.
    SecondSignal,
    /// Nothing of any service lives, or what does is named; clients of the control plane may still
    /// be there.
    Closed(Exit),
    /// It is over.
    Finished,
    /// The supervisor's thread panicked: nobody looks after the services any more.
    Panicked,
}

/// The runtime of the services.
///
/// Dropping it ends it in the background: what blocks a thread must not hold up the end of the
/// process.
struct Services {
    handle: RuntimeHandle,
    runtime: Option<Runtime>,
}

/// What hides secrets while no service does, since values of the user's are dropped last.
struct Kept {
    /// Those of the start, until the supervisor has them.
    start: Option<Hidden>,
    /// What held at the end.
    book: Option<Arc<ConfigBook>>,
}

// === impl Kept ===

impl Kept {
    /// Leaves it to the supervisor while it works, and takes what held at its end.
    fn through(&mut self, manager: &Manager, work: impl FnOnce() -> Exit) -> Exit {
        self.start = None;
        let exit = work();
        self.book = Some(manager.config_book());
        exit
    }
}

/// Runs a checked application until it closes.
pub(crate) fn run(mut setup: Setup) -> ExitCode {
    if let Err(text) = check_files() {
        return fail(Exit::Configuration, &text).into();
    }
    let minted = mint::make(&mut setup);
    let (log, exporting) = match install_log(&setup) {
        Ok(installed) => installed,
        Err(error) => return fail_for(no_log(&error)).into(),
    };
    panics::install_hook(&log);
    let mut kept = Kept { start: log.redactor().hold(&setup.all_secrets()).ok(), book: None };
    let exit = match contain(|| host(setup, minted, (&log, &exporting), &mut kept)) {
        Ok(exit) => exit,
        Err(panicked) => panics::tell_last(&panicked, &log),
    };
    exporting.end(FLUSH_TIME, |time| drop(log.flush(time)));
    // What is hidden now is hidden until the process ends, which is next.
    std::mem::forget(kept);
    exit.into()
}

/// Hosts the application from its first thread to its end.
fn host(
    mut setup: Setup,
    minted: Option<LocalToken>,
    (log, exporting): (&LogHandle, &Exporting),
    kept: &mut Kept,
) -> Exit {
    let dump = crate::dump::listen();
    warn_if_panics_abort();
    crate::cli::log_warnings(&setup);
    let runtimes = build_runtimes(setup.blueprint.specs().len());
    let (services, pulse, supervisor) = match runtimes {
        Ok(runtimes) => runtimes,
        Err(error) => return fail_for(no_threads("threads", &error)),
    };
    let mut settings = control_settings(&setup);
    let title = settings.title.clone();
    let recorder = Recorder::open(&setup.settings.observability.events);
    let mut launch = launch(&mut setup, &mut settings, services.handle.clone(), Some(log));
    launch.checks = supervisor.handle().clone();
    tell_recorder(&mut launch, &mut settings, recorder.as_ref());
    show_log(log, &mut launch, &mut settings);
    exporting.show(&mut settings);
    let closing_timeout = launch.closing_timeout;
    // The clock is tokio's: it must be made where time runs.
    let entered = supervisor.enter();
    let (manager, future) = setup.blueprint.launch(launch);
    drop(entered);
    let bound = if setup.has_server {
        let server = match Server::new(manager.clone(), settings, service_doc) {
            Ok(server) => server,
            Err(error) => return fail(Exit::Configuration, &error.to_string()),
        };
        match supervisor.block_on(server.bind()) {
            Ok(bound) => Some(bound),
            Err(error) if error.is_address_in_use() => {
                return fail(Exit::AddressInUse, &error.to_string());
            }
            Err(error) => return fail(Exit::Configuration, &error.to_string()),
        }
    } else {
        None
    };
    // It is removed when this function returns, however that comes.
    let _token_files = mint::write(minted, bound.as_ref(), &title);
    let (notices, received) = sync_channel(8);
    let (told, last_words) = (notices.clone(), log.clone());
    let handle = manager.clone();
    let recorded = follow(recorder, &handle);
    let host = Host {
        manager,
        bound,
        recorded,
        notices,
        closing_timeout,
        pulse,
        services: services.handle.clone(),
    };
    // In a box: the closure of a thread is moved from stack to stack before it is called.
    let life = host.run(future).boxed();
    let spawned = thread::start("processpype-supervisor", move || {
        drive(&supervisor, life, &told, |text| panics::tell_supervisor(text, &last_words));
    });
    if let Err(error) = spawned {
        return fail_for(no_threads("the supervisor's thread", &error));
    }
    tell_no_dump(dump.and_then(|dump| dump.answer(handle.clone())));
    let exit = kept.through(&handle, || wait(&received, &handle));
    let_go((handle, setup.catalogue));
    exit
}

/// Drops what may be the last of what user code has left: where that blocks, it holds up the end of
/// the process for [`LAST_DROP_TIME`] only.
fn let_go<T: Send + 'static>(last: T) {
    // It takes too long, or panics: the process ends all the same.
    let _ = thread::within(LAST_DROP_TIME, "processpype-last", move || drop(last));
}

/// Drives what runs on the supervisor's thread to its end, and tells of its panic.
///
/// The panic is not contained: tasks beside it on this thread have catchers of their own.
fn drive(
    supervisor: &Runtime,
    life: BoxFuture<'_, ()>,
    notices: &SyncSender<Notice>,
    tell: impl FnOnce(&str),
) {
    let driven = catch_unwind(AssertUnwindSafe(|| supervisor.block_on(life)));
    if let Err(payload) = driven {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        tell(text.unwrap_or("a value that is no text"));
        let _ = notices.try_send(Notice::Panicked);
    }
}

/// Without SIGUSR1 an application runs all the same.
fn tell_no_dump(answers: std::io::Result<()>) {
    if let Err(error) = answers {
        tracing::error!(target: "processpype", "cannot listen for SIGUSR1: {error}");
    }
}

/// Waits for the end, and holds the deadline once closing has begun.
fn wait(notices: &Receiver<Notice>, manager: &Manager) -> Exit {
    let mut second_signal = false;
    let mut deadline: Option<std::time::Instant> = None;
    let mut closed: Option<Exit> = None;
    loop {
        let notice = match deadline {
            None => notices.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => notices.recv_timeout(until(deadline)),
        };
        match notice {
            Ok(Notice::Closing(time)) => deadline = deadline.or(Some(after(time + DEADLINE_SLACK))),
            Ok(Notice::SecondSignal) => {
                second_signal = true;
                // However often it comes, the end is not put off.
                let at_once = after(ABORT_TIME);
                deadline = Some(deadline.map_or(at_once, |deadline| deadline.min(at_once)));
            }
            Ok(Notice::Closed(exit)) => closed = Some(exit),
            Ok(Notice::Finished) if second_signal => return ended_at_once(closed),
            Ok(Notice::Finished) => return closed.unwrap_or(Exit::Bug),
            Err(RecvTimeoutError::Timeout) => {
                // Once it has closed, the supervisor has named them, and the cause is known.
                let exit = closed.unwrap_or_else(|| {
                    name_stragglers(&manager.unfinished());
                    Exit::Stragglers
                });
                return if second_signal { ended_at_once(closed) } else { exit };
            }
            Ok(Notice::Panicked) | Err(RecvTimeoutError::Disconnected) => return Exit::Bug,
        }
    }
}

/// The exit of an application that a second signal ended at once: it tells of that, unless it
/// closed because a service had failed. The first cause wins.
fn ended_at_once(closed: Option<Exit>) -> Exit {
    let failed = |exit: &Exit| matches!(exit, Exit::FailedAtStart | Exit::FailedLater);
    closed.filter(failed).unwrap_or(Exit::SecondSignal)
}

/// What runs on the supervisor's thread.
struct Host {
    manager: Manager,
    bound: Option<Bound>,
    recorded: Option<Recorded>,
    notices: SyncSender<Notice>,
    closing_timeout: Duration,
    pulse: Pulse,
    services: RuntimeHandle,
}

// === impl Services ===

impl Drop for Services {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

// === impl Host ===

impl Host {
    async fn run(self, supervisor: processpype_runtime::Supervisor) {
        // Listening begins before anything runs: no signal falls through.
        let listened = Signals::listen();
        let signals = watch_signals(listened, self.manager.clone(), self.notices.clone());
        let server = self.bound.map(Bound::serve);
        let closing =
            watch_closing(self.manager.clone(), self.notices.clone(), self.closing_timeout);
        let all = async {
            let closed = supervisor.run().await;
            // Before the clients are let go: that may take as long as the deadline leaves.
            if !closed.stragglers.is_empty() {
                name_stragglers(&closed.stragglers);
            }
            let _ = self.notices.send(Notice::Closed(exit_of(&closed)));
            if let Some(server) = server {
                server.stop(SERVER_GRACE).await;
            }
            if let Some(recorded) = self.recorded {
                recorded.ended().await;
            }
        };
        tokio::select! {
            () = all => {
                let _ = self.notices.send(Notice::Finished);
            }
            () = signals => {}
            () = closing => {}
            () = self.pulse.keep_alive(self.services, || self.manager.pulse()) => {}
        }
    }
}

/// Turns signals into closing, aborting and reloading. Never returns.
async fn watch_signals(
    listened: std::io::Result<(Signals, Hangups)>,
    manager: Manager,
    notices: SyncSender<Notice>,
) {
    let (mut signals, hangups) = match listened {
        Ok(listened) => listened,
        Err(error) => {
            tracing::error!(target: "processpype", "cannot listen for signals: {error}");
            return std::future::pending().await;
        }
    };
    let closes = watch_closing_signals(&mut signals, &manager, &notices);
    tokio::join!(closes, reload::on_hangup(hangups, manager.clone()));
}

/// Closes with the first signal, and aborts with the second. Never returns.
async fn watch_closing_signals(
    signals: &mut Signals,
    manager: &Manager,
    notices: &SyncSender<Notice>,
) {
    let name = signals.next().await;
    tracing::info!(
        target: "processpype", "{name}: closing; a second signal ends everything at once"
    );
    let first = Instant::now();
    manager.close();
    loop {
        let name = signals.next().await;
        // A process group's signal may arrive twice: once from the terminal, once from a parent.
        if first.elapsed() >= Signals::SECOND_AFTER {
            tracing::warn!(target: "processpype", "second {name}: ending everything at once");
            let _ = notices.try_send(Notice::SecondSignal);
            manager.abort();
        }
    }
}

/// Tells the main thread when closing begins, whoever began it. Never returns.
async fn watch_closing(manager: Manager, notices: SyncSender<Notice>, timeout: Duration) {
    let mut version = manager.version();
    while !manager.is_closing() {
        version = manager.changed(version).await;
    }
    let _ = notices.try_send(Notice::Closing(timeout));
    std::future::pending::<()>().await;
}

fn exit_of(closed: &Closed) -> Exit {
    match closed.cause {
        CloseCause::SignificantAtStart(_) => Exit::FailedAtStart,
        CloseCause::Significant(_) => Exit::FailedLater,
        _ if closed.stragglers.is_empty() => Exit::Clean,
        _ => Exit::Stragglers,
    }
}

fn name_stragglers(names: &[processpype_core::ServiceName]) {
    let names: Vec<&str> = each(names, processpype_core::ServiceName::as_str);
    tracing::error!(
        target: "processpype", count = names.len(),
        "services that did not stop in time: {}", names.join(", ")
    );
}

fn install_log(
    setup: &Setup,
) -> Result<(LogHandle, Exporting), processpype_telemetry::TelemetryError> {
    let app = &setup.settings.app;
    let mut config: LoggingConfig = setup.settings.observability.logging.clone();
    let level = setup.document.section(&["observability", "logging", "level"]);
    if app.debug && !level.exists() {
        config.level = Level::Debug;
    }
    let builder = Telemetry::builder(config).timezone(Timezone::named(&app.timezone)?);
    let (log, exporting) = export::install(&setup.settings, &setup.all_secrets(), builder)?;
    // Of those that cannot be hidden the supervisor's setup tells.
    log.redactor().replace(setup.all_secrets());
    for spec in setup.blueprint.specs() {
        if let Some(level) = spec.options.log_level {
            log.levels().set_service(spec.name.as_str(), level.into());
        }
    }
    Ok((log, exporting))
}

fn warn_if_panics_abort() {
    if cfg!(panic = "abort") {
        tracing::warn!(
            target: "processpype",
            "built with `panic = \"abort\"`: a panic in one service ends the whole process"
        );
    }
}

fn build_runtimes(service_count: usize) -> std::io::Result<(Services, Pulse, Runtime)> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = Builder::new_multi_thread();
    let pulse = Pulse::of(&mut builder, service_workers(cores, service_count));
    let services = builder.thread_name("processpype-service").enable_all().build()?;
    let supervisor = Builder::new_current_thread().enable_all().build()?;
    let handle = services.handle().clone();
    Ok((Services { handle, runtime: Some(services) }, pulse, supervisor))
}

fn service_workers(cores: usize, service_count: usize) -> usize {
    cores.max(service_count.clamp(SERVICE_WORKERS_MIN, SERVICE_WORKERS_EACH_MAX))
}

fn fail_for((exit, message): (Exit, String)) -> Exit {
    fail(exit, &message)
}

fn fail(exit: Exit, message: &str) -> Exit {
    crate::cli::say_error(message);
    exit
}

#[allow(
    clippy::disallowed_methods,
    reason = "the deadline thread has no runtime, and no paused time"
)]
fn after(time: Duration) -> std::time::Instant {
    std::time::Instant::now() + time
}

#[allow(
    clippy::disallowed_methods,
    reason = "the deadline thread has no runtime, and no paused time"
)]
fn until(deadline: std::time::Instant) -> Duration {
    deadline.saturating_duration_since(std::time::Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_is_the_cause_unless_a_service_was() {
        for (closed, expected) in [
            (None, Exit::SecondSignal),
            (Some(Exit::Clean), Exit::SecondSignal),
            (Some(Exit::Stragglers), Exit::SecondSignal),
            (Some(Exit::FailedAtStart), Exit::FailedAtStart),
            (Some(Exit::FailedLater), Exit::FailedLater),
        ] {
            assert_eq!(ended_at_once(closed), expected, "{closed:?}");
        }
    }

    /// A handle to an application that does nothing, whose loop is not run.
    fn idle() -> (Runtime, Manager) {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let entered = runtime.enter();
        let launch = processpype_runtime::Launch::on(runtime.handle().clone());
        let blueprint = processpype_runtime::Assembly::default().check().unwrap();
        let (manager, _) = blueprint.launch(launch);
        drop(entered);
        (runtime, manager)
    }

    /// Its drop is told, and waits until somebody lets it go.
    struct Last(SyncSender<()>, Receiver<()>);

    impl Drop for Last {
        fn drop(&mut self) {
            let _ = self.0.send(());
            let _ = self.1.recv_timeout(Duration::from_secs(60));
        }
    }

    #[test]
    fn what_blocks_in_its_drop_does_not_hold_up_the_end() {
        let (told, dropped) = sync_channel(1);
        let (release, waits) = sync_channel(1);
        let begun = Instant::now();
        let_go(Last(told.clone(), waits));
        assert!(begun.elapsed() < Duration::from_secs(30), "it waited for the drop");
        dropped.recv().expect("it is dropped all the same");
        drop(release);
        let (_, ready) = sync_channel(0);
        let_go(Last(told, ready));
        dropped.try_recv().expect("who does not block is gone before the process");
    }

    #[test]
    fn a_second_signal_does_not_wait_for_the_deadline_and_a_third_puts_nothing_off() {
        // Longer than anybody waits for this test.
        let hour = Duration::from_secs(3600);
        for notices in [
            vec![Notice::Closing(hour), Notice::SecondSignal],
            vec![Notice::SecondSignal, Notice::Closing(hour)],
            vec![Notice::Closing(Duration::ZERO), Notice::SecondSignal, Notice::SecondSignal],
        ] {
            let (_runtime, manager) = idle();
            let (sender, received) = sync_channel(8);
            notices.into_iter().for_each(|notice| sender.send(notice).unwrap());
            let (told, exit) = sync_channel(1);
            std::thread::spawn(move || told.send(wait(&received, &manager)));
            let exit = exit.recv_timeout(Duration::from_secs(60)).expect("it ends");
            assert_eq!(exit, Exit::SecondSignal);
            drop(sender);
        }
    }

    /// A service whose failure makes the supervisor panic: what scrubs its text has a bug.
    #[test]
    fn a_panic_of_the_supervisor_is_told_and_ends_the_process_as_a_bug() {
        struct Fails;
        impl processpype_runtime::Service for Fails {
            async fn start(&self, _: &processpype_runtime::Context) -> processpype_runtime::Result {
                Err(std::io::Error::other("no more").into())
            }
        }
        let (services, pulse, runtime) = build_runtimes(1).unwrap();
        let mut launch = processpype_runtime::Launch::on(services.handle.clone());
        launch.scrub = processpype_runtime::Scrub::new(|_| panic!("a bug"));
        let setup = crate::Application::new().service(|| Fails).named("fails").without_server();
        let setup = setup.setup().unwrap();
        let entered = runtime.enter();
        let (manager, supervisor) = setup.blueprint.launch(launch);
        drop(entered);
        let (notices, received) = sync_channel(8);
        let told = notices.clone();
        let host = Host {
            manager: manager.clone(),
            bound: None,
            recorded: None,
            notices,
            closing_timeout: Duration::from_secs(3600),
            pulse,
            services: services.handle.clone(),
        };
        let (words, heard) = sync_channel(1);
        std::thread::spawn(move || {
            let life = host.run(supervisor).boxed();
            drive(&runtime, life, &told, |text| words.send(text.to_owned()).unwrap());
        });
        let (ended, exit) = sync_channel(1);
        let handle = manager.clone();
        std::thread::spawn(move || ended.send(wait(&received, &handle)));
        let minute = Duration::from_secs(60);
        assert_eq!(heard.recv_timeout(minute).as_deref(), Ok("a bug"));
        assert_eq!(exit.recv_timeout(minute), Ok(Exit::Bug));
        assert_eq!(Exit::Bug.code(), 70);
        assert!(manager.is_closing(), "nobody is to wait for it");
    }

    #[test]
    fn services_get_threads_by_cores_and_count() {
        for (cores, services, expected) in
            [(1, 0, 4), (1, 1, 4), (2, 9, 9), (2, 200, 16), (32, 1, 32), (32, 200, 32)]
        {
            assert_eq!(service_workers(cores, services), expected, "{cores} {services}");
        }
    }
}
