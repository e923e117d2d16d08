//! What goes to the threads of the services together: generations that begin, and those that are
//! asked to stop.
//!
//! # Invariants
//!
//! 1. Nothing waits here beyond the input, or the batch of messages, that brought it, and never
//!    more than [`BATCH`] do.
//! 2. Whoever waits here is known to the loop as one that lives: only its task is not there yet, or
//!    has not been woken.
//!
//! # Why together
//!
//! The loop takes longer to tell of a start than a thread takes to begin it. Sent one by one, each
//! finds that thread asleep, or puts it to sleep and wakes it again with the next one, by two calls
//! of the kernel. Together, one is woken and finds work for a while.

use std::sync::Arc;

use processpype_core::{Generation, ServiceId};

use super::{BATCH, Supervisor};
use crate::generation::{self, Orders};
use crate::life::Life;
use crate::service::BoxFuture;
use crate::vitals::Watched;

/// Who is about to be sent.
#[derive(Default)]
pub(super) struct Sendoff {
    begin: Vec<(ServiceId, BoxFuture<'static, ()>)>,
    asked: Vec<Arc<Life>>,
}

// === impl Supervisor ===

impl Supervisor {
    /// Begins a generation: its life, its orders, its task, in its own span.
    pub(super) fn spawn(&mut self, id: ServiceId, generation: Generation) {
        self.note_begun(id);
        let cell = Arc::clone(&self.cells[id.index()]);
        let span = tracing::info_span!(
            target: "processpype", "service", service = %cell.name(), generation = generation.0
        );
        let service = &mut self.services[id.index()];
        let options = &service.configured.options;
        let watched = Watched {
            beats: options.heartbeat.is_some(),
            polls: options.watchdog.is_some(),
            times: options.poll_times,
        };
        let life = Arc::new(Life::new(cell, generation, Arc::clone(&self.office), watched));
        let configured = Arc::clone(&service.configured);
        let orders = Orders { wiring: Arc::clone(&service.wiring), configured };
        service.failure = None;
        service.forget_remains();
        service.begin_watch();
        service.life = Some(Arc::clone(&life));
        self.watch_polls(id, generation);
        self.send(id, generation::live(life, orders, span));
    }

    /// A generation begins with the others of its batch.
    fn send(&mut self, id: ServiceId, generation: BoxFuture<'static, ()>) {
        self.sendoff.begin.push((id, generation));
        self.send_off_a_batch();
    }

    /// A generation was told something, and is woken with the others of its batch.
    pub(super) fn ring_for(&mut self, life: Arc<Life>) {
        self.sendoff.asked.push(life);
        self.send_off_a_batch();
    }

    fn send_off_a_batch(&mut self) {
        if self.sendoff.len() >= BATCH {
            self.send_off();
        }
    }

    /// Sends all who wait: after most inputs, nobody.
    #[inline]
    pub(super) fn send_off(&mut self) {
        if self.sendoff.len() > 0 {
            self.send_all();
        }
    }

    fn send_all(&mut self) {
        for (id, generation) in self.sendoff.begin.drain(..) {
            let task = self.launch.services.spawn(generation);
            self.services[id.index()].task = Some(task.abort_handle());
        }
        for life in self.sendoff.asked.drain(..) {
            life.changed.ring();
        }
    }
}

// === impl Sendoff ===

impl Sendoff {
    fn len(&self) -> usize {
        self.begin.len() + self.asked.len()
    }
}

impl std::fmt::Debug for Sendoff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (begin, asked) = (self.begin.len(), self.asked.len());
        f.debug_struct("Sendoff").field("begin", &begin).field("asked", &asked).finish()
    }
}
