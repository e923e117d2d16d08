//! The loop: the one owner of all lifecycle state.
//!
//! # Invariants
//!
//! 1. Only this loop feeds the [`Machine`] and carries out its actions; nothing else changes a
//!    state.
//! 2. It never sleeps in place, retries, or runs user code: later is a timer in its own queue.
//! 3. It takes at most [`BATCH`] messages of one source before it looks at the others, so that a
//!    storm of one kind starves nobody; and after its [`Share`] of all it lets others have the
//!    thread.
//!    Closing asks services to stop in parts of [`ASKS_AT_ONCE`], between messages and commands.
//!
//! # One turn of the loop
//!
//! 1. Wait for a message of a generation, something asked of the whole application, a command, or
//!    the next timer; in this order, if several are there.
//! 2. Take what is waiting, up to a batch of each (`hearing.rs`, `operations.rs`).
//! 3. Every input goes through [`Supervisor::step`]: the machine (core, pure) answers with actions,
//!    and the loop carries them out. It decides nothing itself.
//! 4. If nothing is there, and many services are starting or stopping, others go first, once: what
//!    they tell is taken together (`share.rs`).
//!
//! The actions are of two sorts: do (spawn, stop, abort, arm a timer) and tell (publish a
//! transition, finish an operation). Doing never waits; what comes of it is a later message. What
//! begins or is asked to stop goes to the threads of the services with its batch (`sendoff.rs`).
//!
//! # Against the worst
//!
//! A generation's task may block for ever, so nothing here waits for one. Its stop has a timer of
//! its own beyond `stop_timeout`; then it is aborted; then it is declared orphaned, cut off, and
//! named.

mod acting;
mod alarm;
mod closing;
mod configuring;
mod due;
mod ending;
mod hearing;
mod keys;
mod launch;
mod leveling;
mod membership;
mod operations;
mod pausing;
mod publish;
mod recovery;
mod reloading;
mod sendoff;
mod service;
mod share;
mod turnover;
mod unready;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use foldhash::fast::FixedState;
use processpype_core::{
    Action, EventKind, Generation, Machine, OperationId, Report, ServiceId, ServiceState,
};
use tokio::sync::mpsc;

use crate::cell::Cell;
use crate::chance::Chance;
use crate::clock::HeldClock;
use crate::directory::Places;
use crate::life::Life;
use crate::manager::Shared;
use crate::message::{Message, Office};
use crate::operation::Waiting;
use crate::order::Order;
use crate::timers::Timers;

use self::alarm::Alarm;
pub use self::closing::Closed;
pub(crate) use self::configuring::{Change, ChangeOrder};
pub(crate) use self::hearing::log_failure;
pub use self::keys::IDEMPOTENCY_WINDOW;
pub use self::launch::Launch;
pub use self::leveling::LEVEL_MAX;
pub use self::pausing::PAUSE_MAX;
pub(crate) use self::recovery::seconds;
pub(crate) use self::reloading::ReloadOrder;
pub use self::reloading::Reloading;
use self::service::Service;
use self::share::Share;

/// How many messages of one source are taken before the others are looked at.
const BATCH: usize = 32;

/// How many services closing asks to stop before it looks at messages again.
///
/// Those that were asked are torn down meanwhile, and what the loop touches of each is still near
/// when it is gone (ADR 0035).
pub(crate) const ASKS_AT_ONCE: usize = 32;

/// After how many actions of one input the clock is read again.
const ACTIONS_AT_ONE_TIME: usize = 16;

/// For how many actions room is kept; a step of all services at once is rare.
const ACTIONS_KEPT: usize = 1024;

/// How many operations may wait for their end.
///
/// Waiting costs memory only; beyond this a command is refused as busy.
pub const OPERATIONS_PENDING: usize = 4096;

/// How long after `stop_timeout` the supervisor gives a generation that should end itself.
const STOP_SLACK: Duration = Duration::from_millis(100);

/// How long an aborted generation has before it counts as orphaned.
const ABORT_GRACE: Duration = Duration::from_millis(200);

/// The time beyond `stop_timeout` within which a generation is gone or orphaned.
pub const ABORT_RESERVE: Duration = STOP_SLACK.saturating_add(ABORT_GRACE);

/// The supervisor of one application. Drive it with [`run`](Self::run).
///
/// Made by [`Blueprint::launch`](crate::Blueprint::launch), together with the
/// [`Manager`](crate::Manager) that speaks to it. Under `.main()` it has a thread of its own;
/// embedded, it is a task of the caller's runtime.
#[derive(Debug)]
pub struct Supervisor {
    machine: Machine,
    shared: Arc<Shared>,
    clock: HeldClock,
    launch: Launch,
    cells: Places<Arc<Cell>>,
    services: Places<Service>,
    timers: Timers,
    messages: mpsc::Receiver<Message>,
    commands: mpsc::Receiver<Order>,
    office: Arc<Office>,
    operations: HashMap<OperationId, Waiting, FixedState>,
    next_operation: u64,
    /// The requests that were given under a key, for as long as their operations are known.
    keys: HashMap<keys::Key, keys::Keyed>,
    actions: Vec<Action>,
    /// The restarts of each group, by its number.
    groups: Vec<recovery::GroupBudget>,
    /// Reloads that go on.
    reloads: HashMap<OperationId, reloading::Reload>,
    /// Who leaves and joins because of a reload.
    turnover: turnover::Turnover,
    /// Changes that have failed and are to be taken back: each service has one at most.
    failed_changes: VecDeque<(OperationId, Waiting, processpype_core::Outcome)>,
    /// Who is to be told that there were too many restarts: each service at most once.
    given_up: VecDeque<(ServiceId, Generation)>,
    chance: Chance,
    turnstile: recovery::Turnstile,
    pausing: pausing::Pausing,
    members: membership::Members,
    closing: closing::Closing,
    /// What is known of a service before it runs is other than it was.
    has_new_traits: bool,
    /// A status has changed, and who waits for any change has not been told.
    has_touched: bool,
    /// The newest event of which readers have been told.
    last_told: u64,
    /// Whose prospects are to be published, once what came together is done.
    touched: Vec<ServiceId>,
    /// Who goes to the threads of the services with this batch.
    sendoff: sendoff::Sendoff,
    /// Room for what is said next of a restart.
    text: String,
    /// Messages that came together are being taken.
    is_taking: bool,
}

// === impl Supervisor ===

impl Supervisor {
    /// Starts the application and drives it until nothing of it lives any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves generations without an owner; they are aborted when the
    /// supervisor drops.
    pub async fn run(mut self) -> Closed {
        // It may have been made long ago.
        self.clock.read();
        self.office.note_loop();
        self.say(EventKind::Application, "starting");
        self.tell_unclean_end();
        self.step(Machine::boot);
        let shared = Arc::clone(&self.shared);
        std::future::poll_fn(|cx| {
            shared.asks(cx.waker());
            Poll::Ready(())
        })
        .await;
        let mut has_handles = true;
        let mut batch = Vec::with_capacity(BATCH);
        let mut share = Share::new(self.clock.instant());
        let mut alarm = Alarm::default();
        loop {
            if self.closing.is_closed() {
                drop(shared);
                return self.farewell();
            }
            self.wake_readers();
            if share.is_over(self.clock.instant()) {
                tokio::task::yield_now().await;
                self.clock.read();
                share = Share::new(self.clock.instant());
            } else if self.awaits_many() {
                share::give_way().await;
                self.clock.read();
            }
            let wake = self.next_wake();
            tokio::select! {
                biased;
                _ = self.messages.recv_many(&mut batch, BATCH) => {}
                () = shared.asked() => {}
                order = self.commands.recv(), if has_handles => match order {
                    Some(order) => self.take_order(order),
                    // Nobody can ask for the end any more, so this is it.
                    None => (has_handles, _) = (false, self.begin_closing()),
                },
                () = std::future::ready(()), if self.has_more_to_do() => {}
                () = alarm.rings(wake) => {}
            }
            self.clock.read();
            self.take_asked();
            share.take(self.ask_more_to_stop() + batch.len());
            self.take_messages(&mut batch);
            share.take(self.take_waiting_commands() + self.take_due_timers());
            self.vacate();
            share.take(self.go_on_with_turnover());
            self.settle();
        }
    }

    /// Whether nothing is there to be taken, and many are about to tell something.
    fn awaits_many(&self) -> bool {
        self.machine.in_transit() >= BATCH && self.messages.is_empty() && !self.has_more_to_do()
    }

    /// Whether something is done in parts, and not all of it yet.
    fn has_more_to_do(&self) -> bool {
        self.machine.has_more_to_ask() || self.turnover.has_next()
    }

    /// Tells those who wait for any change, or for an event, once for all of this turn. Version and
    /// number have grown with each of them: nothing is missed by who looks in between.
    fn wake_readers(&mut self) {
        if std::mem::take(&mut self.has_touched) {
            self.shared.changed.ring();
        }
        let last = self.shared.journal.last();
        if std::mem::replace(&mut self.last_told, last) != last {
            self.shared.journal.wake();
        }
    }

    /// Takes a batch of commands; returns how many there were.
    fn take_waiting_commands(&mut self) -> usize {
        for taken in 0..BATCH {
            match self.commands.try_recv() {
                Ok(order) => self.take_order(order),
                Err(_) => return taken,
            }
        }
        BATCH
    }

    fn report(&mut self, id: ServiceId, generation: Generation, report: Report) {
        self.step(|machine, actions| machine.report(id, generation, report, actions));
    }

    /// The only way into the machine: one input, then everything that follows from it.
    fn step(&mut self, input: impl FnOnce(&mut Machine, &mut Vec<Action>)) {
        let mut actions = std::mem::take(&mut self.actions);
        input(&mut self.machine, &mut actions);
        self.carry_out_all(&mut actions);
        // Every answer of a service ends its question, so these come to an end.
        while let Some((id, generation)) = self.given_up.pop_front() {
            let exhausted = Report::Exhausted;
            self.machine.report(id, generation, exhausted, &mut actions);
            // The reason is told before what follows from it.
            if self.machine.is_exhausted(id) {
                self.tell_given_up(id);
            }
            self.carry_out_all(&mut actions);
        }
        actions.shrink_to(ACTIONS_KEPT);
        self.actions = actions;
        self.take_back_failed();
    }

    fn carry_out_all(&mut self, actions: &mut Vec<Action>) {
        for (done, action) in (1..).zip(actions.drain(..)) {
            self.carry_out(action);
            // A start or an end of everything takes its time.
            if done % ACTIONS_AT_ONE_TIME == 0 {
                self.clock.read();
            }
        }
        if !self.is_taking {
            self.send_off();
            self.publish_all_touched();
        }
    }

    fn carry_out(&mut self, action: Action) {
        if action.is_an_end() {
            // Who waited for it finds everything as it is.
            self.publish_all_touched();
        }
        match action {
            Action::Spawn(id, generation) => self.spawn(id, generation),
            Action::Stop(id, generation) => self.ask_to_stop(id, generation),
            Action::Abort(id, generation) => self.abort(id, generation),
            Action::Arm(id, generation, timer) => self.arm(id, generation, timer),
            Action::Retry(id, generation) => self.retry(id, generation),
            Action::Pause(id, generation) => self.pause(id, generation),
            Action::Spread(id, generation) => self.spread(id, generation),
            Action::Forgive(id) => self.forgive(id),
            Action::Changed(change) => self.publish_change(change),
            Action::Touched(id) => self.touch(id),
            Action::Removed(id) => self.remove(id),
            Action::Finish(operation, outcome) => self.finish(operation, outcome),
            Action::Settled => self.publish_settled(),
            Action::Closing(cause) => self.note_closing(cause),
            Action::Closed => self.closing.close(),
        }
    }

    fn life(&self, id: ServiceId, generation: Generation) -> Option<&Arc<Life>> {
        self.services[id.index()].life.as_ref().filter(|life| life.generation == generation)
    }
}

impl Drop for Supervisor {
    /// Whatever ends the supervisor ends its generations, and whoever would wait for it: after a
    /// panic of its own, or where it is dropped, nobody comes to say so.
    fn drop(&mut self) {
        self.end_generations();
        self.end_all_operations();
        if !self.closing.is_closed() || std::thread::panicking() {
            self.shared.set_state(ServiceState::Stopped);
        }
        // Who waits is told last, and sees what stays.
        self.wake_readers();
        self.shared.end();
        for cell in self.cells.iter() {
            cell.wake();
        }
    }
}
