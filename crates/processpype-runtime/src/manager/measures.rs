//! What the handle can tell in numbers, for metrics.
//!
//! # Invariants
//!
//! 1. Reading waits for nobody: atomics, snapshots, and a lock that is held for copies of pointers.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{EventKind, ServiceName, ServiceState};

use super::Manager;
use crate::cell::Cell;
use crate::metrics::SeriesFamily;
use crate::pulses::BUSY_MIN;
use crate::supervisor::OPERATIONS_PENDING;
use crate::tally::Counts;

/// How full a queue of the framework is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueDepth {
    /// Which queue.
    pub queue: &'static str,
    /// How much waits in it.
    pub depth: usize,
    /// How much it can hold.
    pub capacity: usize,
}

// === impl Manager ===

impl Manager {
    /// Returns what was counted of a service over all its generations.
    ///
    /// `None` if there is no such service. The counts are read one after the other: a transition
    /// can fall between two of them.
    #[must_use]
    pub fn counts(&self, name: &str) -> Option<Counts> {
        self.look(name, |cell| cell.tally.read())
    }

    /// Returns for how long the task of a service's generation has not come back from one poll, at
    /// least: it blocks its thread, or computes without an await.
    ///
    /// `None` if it sleeps, if its poll has begun just now, and where nobody counts
    /// [pulses](Self::pulse), as in an application within another program. Polls of children and
    /// handlers are not looked at; a watchdog looks at them all.
    #[must_use]
    pub fn busy_for(&self, name: &str) -> Option<Duration> {
        self.look(name, |cell| cell.tally.poll.time(self.shared.pulses.count())).flatten()
    }

    /// Returns the services that have been [busy](Self::busy_for) for [`BUSY_MIN`] or longer, in
    /// the order of names.
    ///
    /// A look at all of them, and nobody is asked. If there were none, there are none before the
    /// next of the [pulses](Self::pulses).
    #[must_use]
    pub fn busy(&self) -> Vec<ServiceName> {
        let pulses = self.shared.pulses.count();
        let is_busy =
            |cell: &&Arc<Cell>| cell.tally.poll.time(pulses).is_some_and(|time| time >= BUSY_MIN);
        let names = |cell: &Arc<Cell>| cell.name().clone();
        let directory = &self.shared.directory;
        directory.look(|cells| cells.all().iter().filter(is_busy).map(names).collect())
    }

    /// Returns how many [pulses](Self::pulse) were counted; the number begins anew at some time.
    #[must_use]
    pub fn pulses(&self) -> u32 {
        self.shared.pulses.count()
    }

    /// Counts a pulse of the services' threads.
    ///
    /// For who drives them, and every [`PULSE`](crate::PULSE) or later, as long as one of them
    /// works: [`busy_for`](Self::busy_for) is measured with it.
    pub fn pulse(&self) {
        self.shared.pulses.add();
    }

    /// Returns the metrics that a service has registered, as they are now.
    ///
    /// `None` if there is no such service. Gauges are there as long as the generation that
    /// registered them lives.
    #[must_use]
    pub fn metrics(&self, name: &str) -> Option<Vec<SeriesFamily>> {
        let read = |cell: &std::sync::Arc<Cell>| {
            let lives = matches!(
                cell.state(),
                ServiceState::Starting | ServiceState::Running | ServiceState::Stopping
            );
            let living = lives.then(|| cell.generation());
            cell.registered().map_or_else(Vec::new, |store| store.read(living))
        };
        self.cell(name).as_ref().map(read)
    }

    /// Returns how many checks of configuration go on, of
    /// [`CHECKS_AT_ONCE`](crate::CHECKS_AT_ONCE), those included that nobody waits for any more.
    ///
    /// As many as that, for long, means that they hang: in a file that blocks, or in code that
    /// reads configuration. Nothing can be configured, registered or reloaded then until the
    /// process ends.
    #[must_use]
    pub fn checks_running(&self) -> usize {
        self.shared.aside.running()
    }

    /// Returns how many events of each kind there have been.
    #[must_use]
    pub fn event_counts(&self) -> Vec<(EventKind, u64)> {
        self.shared.journal.counts()
    }

    /// Returns how full the supervisor's queues are.
    ///
    /// | queue | holds | when it is full |
    /// |---|---|---|
    /// | `operations` | operations that have not ended | one more command is refused as busy |
    /// | `commands` | commands on their way to the supervisor | one more is refused as busy |
    /// | `reports` | what generations tell | news of clients' making is dropped |
    #[must_use]
    pub fn queues(&self) -> [QueueDepth; 3] {
        let capacity = self.commands.max_capacity();
        let depth = capacity - self.commands.capacity();
        let commands = QueueDepth { queue: "commands", depth, capacity };
        let (depth, capacity) = self.shared.reports.depth();
        let reports = QueueDepth { queue: "reports", depth, capacity };
        let (depth, capacity) = (self.shared.register.waiting(), OPERATIONS_PENDING);
        [QueueDepth { queue: "operations", depth, capacity }, commands, reports]
    }
}
