//! What generations tell the supervisor.
//!
//! # Invariants
//!
//! 1. A generation has at most [`REPORTS_PER_SERVICE`] messages on the way, so that the queue,
//!    which has room for that many of every service, never refuses one of them.
//! 2. Messages that a client could multiply (panics of handlers) take only what room is left.
//!
//! # Why it may not be refused
//!
//! A lost "gone" would leave a service in `stopping` for ever. So the room is reserved by counting,
//! not by hoping: each generation sends each lifecycle message once, and health only after the last
//! one was taken. What clients can cause in any number may be dropped; it is in the log.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use processpype_core::{Exit, Generation, ServiceId};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::configuration::{Configured, Configurer};
use crate::failure::Failure;
use crate::metrics::Families;
use crate::pulses::Pulses;
use crate::reconfigure::Answer;
use crate::scrub::Scrub;
use crate::stories::Stories;

/// How many lifecycle messages of one service can be on the way: started, health, ending, gone, the
/// answer to an offer, and as many of an orphan.
pub(crate) const REPORTS_PER_SERVICE: usize = 10;

/// Room for messages that are not part of the lifecycle.
pub(crate) const REPORTS_SPARE: usize = 1024;

/// One message of a generation.
///
/// Each names its generation: news of one that was given up changes nothing.
#[derive(Debug)]
pub(crate) enum Message {
    Started(ServiceId, Generation, bool),
    Health(ServiceId, Generation),
    Ending(ServiceId, Generation, Exit, Option<Failure>),
    Gone(ServiceId, Generation, Ending),
    /// What became of a new configuration that was offered.
    Reconfigured(ServiceId, Generation, Arc<Configured>, Answer),
    HandlerPanic(ServiceId, Generation, Failure),
}

/// How a generation ended, with what there is to say about it.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) exit: Exit,
    pub(crate) failure: Option<Failure>,
    /// Somebody still holds the instance.
    pub(crate) leaked: bool,
    /// What had to be dropped because it did not end in its time.
    pub(crate) cut: Option<String>,
    /// What it began with, which hides the secrets in what is said here until that is scrubbed.
    #[expect(dead_code, reason = "it is there to be dropped")]
    pub(crate) began_with: Option<Arc<Configured>>,
}

/// The sending side of the supervisor's queue.
#[derive(Clone, Debug)]
pub(crate) struct Reports(Option<mpsc::Sender<Message>>);

/// Where the generations of an application run, and to whom they report: the same for all of them.
///
/// One pointer in each of them leads here, so what is added costs a generation nothing.
#[derive(Debug)]
pub(crate) struct Office {
    pub(crate) services: Handle,
    pub(crate) reports: Reports,
    /// The names of their metrics.
    pub(crate) families: Arc<Families>,
    /// When it was opened: what they show of themselves is counted from here.
    pub(crate) opened: Instant,
    /// Counted by who drives their threads.
    pub(crate) pulses: Pulses,
    /// When all of them must be gone, once the application closes.
    closing_by: OnceLock<Instant>,
    /// Whether the loop runs on their threads.
    is_shared: AtomicBool,
    /// What hides the secrets that they read.
    pub(crate) configurer: Option<Arc<dyn Configurer>>,
    /// What keeps the stories of failures, for a test.
    pub(crate) stories: Option<Stories>,
}

// === impl Message ===

impl Message {
    /// Whose message it is.
    pub(crate) fn of(&self) -> (ServiceId, Generation) {
        match self {
            Self::Started(id, generation, _)
            | Self::Health(id, generation)
            | Self::Ending(id, generation, ..)
            | Self::Gone(id, generation, _)
            | Self::Reconfigured(id, generation, ..)
            | Self::HandlerPanic(id, generation, _) => (*id, *generation),
        }
    }
}

// === impl Office ===

impl Office {
    pub(crate) fn new(services: Handle, reports: Reports, scrub: Scrub) -> Self {
        let families = Arc::new(Families::new(scrub));
        let (closing_by, is_shared) = (OnceLock::new(), AtomicBool::new(false));
        let (opened, pulses) = (Instant::now(), Pulses::default());
        let (configurer, stories) = (None, None);
        Self {
            services,
            reports,
            families,
            opened,
            pulses,
            closing_by,
            is_shared,
            configurer,
            stories,
        }
    }

    /// Lets a test read what failed.
    pub(crate) fn telling(self, stories: Option<Stories>) -> Self {
        Self { stories, ..self }
    }

    /// Lets secrets be hidden that a generation reads.
    pub(crate) fn hiding_by(self, configurer: Option<Arc<dyn Configurer>>) -> Self {
        Self { configurer, ..self }
    }

    /// The loop begins, on the runtime that asks.
    pub(crate) fn note_loop(&self) {
        let here = Handle::try_current().is_ok_and(|here| here.id() == self.services.id());
        self.is_shared.store(here, Ordering::Relaxed);
    }

    /// Whether the loop runs on the threads of the services: embedded, mostly.
    pub(crate) fn shares_with_loop(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed)
    }

    /// The application closes: every generation must be gone by then. Whoever is ending already is
    /// still to be rung for.
    pub(crate) fn close_by(&self, by: Instant) {
        // It closes once.
        let _ = self.closing_by.set(by);
    }

    pub(crate) fn closing_by(&self) -> Option<Instant> {
        self.closing_by.get().copied()
    }
}

// === impl Reports ===

impl Reports {
    /// Makes the queue of an application of `services` services.
    pub(crate) fn channel(services: usize) -> (Self, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(services * REPORTS_PER_SERVICE + REPORTS_SPARE);
        (Self(Some(sender)), receiver)
    }

    /// For a context that belongs to no application.
    pub(crate) fn nowhere() -> Self {
        Self(None)
    }

    /// Returns how many messages are on the way, and how many there is room for.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let most = self.0.as_ref().map_or(0, mpsc::Sender::max_capacity);
        (most - self.0.as_ref().map_or(0, mpsc::Sender::capacity), most)
    }

    /// Never waits: it is called from `Drop` and from user code's threads.
    pub(crate) fn send(&self, message: Message) {
        let Some(sender) = &self.0 else { return };
        let optional = matches!(message, Message::HandlerPanic(..));
        if optional && sender.capacity() + REPORTS_SPARE <= sender.max_capacity() {
            return;
        }
        // It fails only when the supervisor has ended: then nobody needs to know.
        let _ = sender.try_send(message);
    }
}
