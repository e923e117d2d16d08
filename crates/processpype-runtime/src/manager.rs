//! The handle: what everybody outside the supervisor can see and ask.
//!
//! # Invariants
//!
//! 1. Reading never waits for the supervisor; asking waits only for a place in its bounded queue.
//! 2. A command that was accepted goes on, whatever becomes of the one who asked.
//!
//! # How it fits
//!
//! Reads come from the published side: one cell for each service, the journal, a version number.
//! Commands go into one bounded queue; `close` and `abort` do not, so that a flood of commands
//! cannot keep an application from closing. The supervisor holds the other ends of all of these.

mod aside;
mod asking;
mod configuring;
mod diagnosing;
mod getting;
mod hosting;
mod levels;
mod measures;
mod membership;
mod operations;
mod published;
mod stragglers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use processpype_core::{ServiceName, ServiceState, Verb, each};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::bell::{Bell, Ring as _, TaskBell};
use crate::cell::Cell;
use crate::clock::{Clock, Timestamp};
use crate::configuration::{ConfigBook, Configurer};
use crate::directory::AtHand;
use crate::error::Unavailable;
use crate::host::Host;
use crate::journal::{EventPage, Journal, Subscription};
use crate::layout::Layout;
use crate::levels::LevelChanges;
use crate::message::Reports;
use crate::newcomer::Creator;
use crate::operation::{CommandError, Done, Operation, PauseInfo};
use crate::order::{Command, Order};
use crate::pulses::Pulses;
use crate::recording::{Recording, Reporter};
use crate::register::Register;
use crate::request::Request;
use crate::routes::Mounted;
use crate::scrub::Scrub;
use crate::status::Status;

use self::aside::Aside;
pub(crate) use self::aside::CHECK_HANGS;
pub use self::aside::{CHECK_TIME, CHECKS_AT_ONCE};
pub use self::getting::GetError;
pub use self::measures::QueueDepth;

/// How many commands may be on their way to the supervisor.
///
/// One more is refused with [`CommandError::Busy`] rather than made to
/// wait.
pub const COMMANDS_PENDING: usize = 1024;

/// A cheap handle to a running application. HTTP uses this handle and nothing else.
///
/// # The last handle
///
/// An application whose every handle is dropped closes: nobody could ask for its end any more. Keep
/// one for as long as it should run.
///
/// # Which call
///
/// - [`start`](Self::start), [`stop`](Self::stop), [`restart`](Self::restart) wait for the effect,
///   as `code`, without a reason.
/// - [`command`](Self::command) has every option, names an actor and a reason for the journal, and
///   gives an [`Operation`] to wait for or to leave.
/// - [`close`](Self::close) ends the application; stopping every service does not.
/// - [`status`](Self::status) is what is now, [`events`](Self::events) and
///   [`subscribe`](Self::subscribe) what happened, [`changed`](Self::changed) a hint to look again.
#[derive(Clone, Debug)]
pub struct Manager {
    shared: Arc<Shared>,
    commands: mpsc::Sender<Order>,
}

/// What supervisor and handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    directory: AtHand,
    /// Makes services of kinds, if somebody can.
    creator: Option<Arc<dyn Creator>>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) register: Register,
    /// How the durable journal is doing, if there is one.
    pub(crate) recording: ArcSwapOption<Recording>,
    /// The levels of the log that are changed for a while.
    pub(crate) levels: ArcSwap<LevelChanges>,
    /// Set while automatic restarts are paused.
    pub(crate) pause: ArcSwapOption<PauseInfo>,
    /// The configuration that holds.
    pub(crate) config: ArcSwap<ConfigBook>,
    pub(crate) configurer: Option<Arc<dyn Configurer>>,
    /// Where configuration is checked.
    aside: Aside,
    clock: Clock,
    /// The place of the one whose configuration is being checked.
    configuring: Semaphore,
    /// The place of the one reload in which services leave and join.
    turnover: Arc<Semaphore>,
    /// Takes secrets out of what services say.
    scrub: Scrub,
    host: Host,
    pulses: Pulses,
    /// For its length alone.
    reports: Reports,
    version: AtomicU64,
    state: AtomicU8,
    settled: AtomicBool,
    /// The supervisor is no more, however it ended.
    ended: AtomicBool,
    pub(crate) changed: Bell,
    /// What was asked of the whole application, as an [`Asked`]; 0 = nothing new.
    asked: AtomicU8,
    asked_now: TaskBell,
}

/// What can be asked of an application as a whole. It does not go through the queue of commands,
/// which may be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Close = 1,
    Abort = 2,
}

// === impl Manager ===

impl Manager {
    pub(crate) fn new(shared: Arc<Shared>, commands: mpsc::Sender<Order>) -> Self {
        Self { shared, commands }
    }

    /// Returns the names of all services, in order.
    ///
    /// They change when a service joins or leaves: [`register`](Self::register),
    /// [`deregister`](Self::deregister).
    #[must_use]
    pub fn names(&self) -> Vec<ServiceName> {
        let name = |cell: &Arc<Cell>| cell.name().clone();
        self.shared.directory.look(|cells| each(cells.all(), name))
    }

    /// Returns what is known about one service.
    ///
    /// A consistent snapshot of one service; `None` if there is no such service. It does not
    /// change: ask again for news.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<Arc<Status>> {
        self.look(name, Cell::status)
    }

    /// Returns what changes only when a service joins or leaves: services, edges, groups.
    ///
    /// A snapshot of now, shared and whole.
    #[must_use]
    pub fn layout(&self) -> Arc<Layout> {
        Arc::clone(self.shared.directory.get().layout())
    }

    /// Returns the state of one service, faster than [`status`](Self::status).
    ///
    /// `None` if there is no such service.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<ServiceState> {
        self.look(name, Cell::state)
    }

    /// Returns what is known about every service, in the order of names.
    ///
    /// Each is consistent in itself; a transition can fall between two of them.
    #[must_use]
    pub fn statuses(&self) -> Vec<Arc<Status>> {
        let status = |cell: &Arc<Cell>| cell.status();
        self.shared.directory.look(|cells| each(cells.all(), status))
    }

    /// Returns a number that grows with every change of any status, to keep rendered answers by.
    ///
    /// It starts at 1. An answer rendered at version `v` is good for as long as this returns `v`.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Returns the state of the application as a whole; never `error`.
    ///
    /// `starting` until everything has settled once, `running`, `stopping` from the request to
    /// close, then `stopped`. A failed service is its own affair: look at the statuses.
    #[must_use]
    pub fn application_state(&self) -> ServiceState {
        let index = self.shared.state.load(Ordering::Acquire);
        ServiceState::ALL[usize::from(index)]
    }

    /// Returns whether everything that should start had started, failed, or waited once.
    ///
    /// It latches: once true, it stays true. This is the startup probe.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.shared.settled.load(Ordering::Acquire)
    }

    /// Returns whether the application is closing or closed.
    ///
    /// From then on only stops are accepted.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        matches!(self.application_state(), ServiceState::Stopping | ServiceState::Stopped)
    }

    /// Starts a service and waits until it runs. What it needs and was never started is started
    /// too.
    ///
    /// A service that runs already is left alone: [`Done::changed`] is false. One that waits for a
    /// provider keeps this waiting; put it in a timeout, or use [`command`](Self::command). A
    /// provider that an operator stopped is not started behind their back
    /// ([`CommandError::ProviderStopped`]).
    ///
    /// # Errors
    ///
    /// Says why it does not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the start.
    pub async fn start(&self, name: &str) -> Result<Done, CommandError> {
        let verb = Verb::Start { with_dependencies: false, force: false };
        self.command(name, verb, Request::by("code")).await?.outcome().await
    }

    /// Stops a service and waits until it is gone. Services that need it go on.
    ///
    /// It wins over everything: over a start under way, over policy, over an error, whose state it
    /// clears while `last_error` stays. The services that still need it are in [`Done::affected`];
    /// to stop those first, give the command `Verb::stop().cascade()`.
    ///
    /// # Errors
    ///
    /// Says why it is not stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the stop.
    pub async fn stop(&self, name: &str) -> Result<Done, CommandError> {
        let verb = Verb::Stop { cascade: false };
        self.command(name, verb, Request::by("code")).await?.outcome().await
    }

    /// Stops a service, if it runs, and starts a new generation of it.
    ///
    /// Services that need it follow their edge policy. To restart those too, in order, give the
    /// command `Verb::restart().with_dependents()`.
    ///
    /// # Errors
    ///
    /// Says why the new generation does not run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the restart.
    pub async fn restart(&self, name: &str) -> Result<Done, CommandError> {
        let verb = Verb::Restart { with_dependents: false };
        self.command(name, verb, Request::by("code")).await?.outcome().await
    }

    /// Gives a command and returns once it is accepted.
    ///
    /// Whoever gives the same command twice gets two operations; the later command on a service
    /// takes the place of an earlier one that has not ended, which then ends as
    /// [`CommandError::Superseded`].
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use std::time::Duration;
    /// use processpype::{CommandError, Manager, Request, Verb};
    ///
    /// /// Whether the model runs with its new weights, as far as could be seen.
    /// async fn restarted(manager: &Manager) -> Result<bool, CommandError> {
    ///     let by = Request::by("trainer").because("new weights");
    ///     let operation = manager.command("model", Verb::restart(), by).await?;
    ///     let outcome = tokio::time::timeout(Duration::from_secs(10), operation.outcome()).await;
    ///     outcome.map_or(Ok(false), |done| Ok(done?.changed))     // without us it goes on
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`CommandError`] if there is no such service, if the application is closing, or if
    /// too many commands are on the way. What the machine refuses is told by
    /// [`Operation::outcome`].
    ///
    /// # Cancel safety
    ///
    /// A command whose future is dropped may or may not have been accepted.
    pub async fn command(
        &self,
        name: &str,
        verb: impl Into<crate::Verb>,
        by: Request,
    ) -> Result<Operation, CommandError> {
        let verb = Verb::from(verb.into());
        let cell = self.known(name)?;
        let (accepted, answer) = oneshot::channel();
        let command = Command { service: cell.id(), verb, by, accepted };
        match self.ask(Order::Command(command), answer).await {
            // It has left meanwhile.
            Err(CommandError::Unknown { .. }) => {
                Err(CommandError::Unknown { name: name.to_owned() })
            }
            answer => answer,
        }
    }

    /// Begins to close the application: readiness fails, then every service stops in reverse order.
    ///
    /// It returns at once and can be called again. Bounded by the closing timeout; what is left
    /// then is ended by force. Not undone by anything.
    pub fn close(&self) {
        self.shared.ask(Asked::Close);
    }

    /// Ends every service by force, now.
    ///
    /// `stop` hooks do not run, and children are cut at their next await. For the second signal;
    /// everything else wants [`close`](Self::close).
    pub fn abort(&self) {
        self.shared.ask(Asked::Abort);
    }

    /// Returns at most `limit` events that come after number `after`.
    ///
    /// 0 begins at the oldest event held. To page, ask again after the last event's number.
    #[must_use]
    pub fn events(&self, after: u64, limit: usize) -> EventPage {
        self.shared.journal.page(after, limit)
    }

    /// Follows the events that come after number `after`.
    ///
    /// `subscribe(manager.last_event())` follows what is to come.
    #[must_use]
    pub fn subscribe(&self, after: u64) -> Subscription {
        Subscription::new(Arc::clone(&self.shared.journal), after)
    }

    /// Returns the number of the newest event.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.shared.journal.last()
    }

    /// Returns how the durable journal is doing; `None` if there is none.
    #[must_use]
    pub fn recording(&self) -> Option<Arc<Recording>> {
        self.shared.recording.load_full()
    }

    /// Returns what tells the supervisor how the durable journal is doing.
    ///
    /// For whoever writes it; it does not keep the application from closing.
    #[must_use]
    pub fn reporter(&self) -> Reporter {
        Reporter::new(&self.shared, self.commands.downgrade())
    }

    /// Returns the time by the clock of statuses and events.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// Returns what the machine's clock says, which may jump: to compare with times that others
    /// have written, such as those of a certificate.
    #[must_use]
    pub fn wall_time(&self) -> Timestamp {
        self.shared.clock.wall_time()
    }

    /// Returns the routes of a running service; `None` if there is no such service.
    ///
    /// The inner error is [`Unavailable`]: the service does not run. For the control plane, which
    /// passes requests on; services reach each other through [`Dep`](crate::Dep).
    #[must_use]
    pub fn mounted(&self, name: &str) -> Option<Result<Arc<Mounted>, Unavailable>> {
        self.look(name, |cell| cell.mounted().ok_or_else(|| cell.unavailable()))
    }

    /// Waits until a service is in a state.
    ///
    /// A state that comes and goes between two looks may be missed; events miss nothing. The wait
    /// has no bound of its own: put it in a timeout. Returns false, at once, if there is no such
    /// service, or as soon as there is none any more, or the supervisor has ended.
    ///
    /// In tests use `TestApp::wait`, which has a bound.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn reached(&self, name: &str, state: ServiceState) -> bool {
        let Some(cell) = self.cell(name) else { return false };
        let reached = |cell: &Cell| {
            let is_there = (cell.state() == state).then_some(true);
            let is_over = || cell.is_retired() || self.shared.has_ended();
            is_there.or_else(|| is_over().then_some(false))
        };
        cell.wait_for(reached).await
    }

    /// Waits until the application is settled or closing.
    ///
    /// Settled means that every service that should start has come through its first start, well or
    /// not, or waits for one that is not there; and that no significant one is tried again that has
    /// never run. It does not mean that all is well.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn settled(&self) {
        let done = |_: &_| (self.is_settled() || self.is_closing()).then_some(());
        self.shared.changed.until(done).await;
    }

    /// Waits until the version is not `seen` any more, and returns it.
    ///
    /// The pattern for a view: read the version, render, wait for a change of that version, render
    /// again. Changes that come while rendering are not missed, and many of them are one.
    ///
    /// Once the supervisor has ended nothing changes any more: then it returns at once, and what it
    /// returns may be `seen` itself. A loop around it ends with that.
    ///
    /// ```
    /// # async fn follow(manager: &processpype_runtime::Manager) {
    /// let mut seen = 0;
    /// loop {
    ///     let now = manager.changed(seen).await;
    ///     if now == seen {
    ///         break; // The application has ended, and this is the last there is to see.
    ///     }
    ///     seen = now;
    ///     println!("{} services", manager.statuses().len());
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn changed(&self, seen: u64) -> u64 {
        let other = |_: &_| {
            // Whether it has ended is asked first: what it changed last is seen then.
            let has_ended = self.shared.has_ended();
            Some(self.version()).filter(|now| has_ended || *now != seen)
        };
        self.shared.changed.until(other).await
    }

    fn cell(&self, name: &str) -> Option<Arc<Cell>> {
        self.shared.directory.look(|cells| cells.get(name).cloned())
    }

    /// Looks at a service, without counting one more who holds it.
    fn look<T>(&self, name: &str, look: impl FnOnce(&Cell) -> T) -> Option<T> {
        self.shared.directory.look(|cells| cells.get(name).map(|cell| look(cell)))
    }
}

/// How long a closing application waits after its readiness failed, unless told otherwise.
///
/// Zero fits systemd and a process on its own. Behind a Kubernetes service some 5 s give the
/// endpoints time to forget this pod (kubernetes#106476).
pub const DRAIN_DELAY: Duration = Duration::ZERO;
