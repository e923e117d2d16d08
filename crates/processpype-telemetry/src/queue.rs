//! The bounded queue between the threads that log and the one that writes.
//!
//! # Invariants
//!
//! 1. A thread that logs holds the lock only while it copies one finished line: it never waits for
//!    a write, and nothing of a user's runs under the lock.
//! 2. At most [`QUEUE_LINES`] lines and [`QUEUE_BYTES`] bytes wait; what comes then is counted as
//!    lost, exactly.
//! 3. `accepted`, `settled` and the waiting lines always agree: a line is settled once it was
//!    written or was counted as lost.
//! 4. The writer is woken once for a burst, not once for a line (see [`Doze`]).

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{error::TelemetryError, output::Condition};

/// How many lines may wait for the writer.
///
/// Small on purpose: a log that is further behind is a log that nobody reads, and memory that the
/// services miss.
pub const QUEUE_LINES: usize = 4096;
/// How many bytes of lines may wait for the writer; as many again may be on their way out.
pub const QUEUE_BYTES: usize = 4 * 1024 * 1024;
/// How long the writer gathers lines after the first of a burst woke it.
const LINGER: Duration = Duration::from_millis(1);
/// A lingering writer is woken early when this many lines wait.
const LINGER_LINES: usize = QUEUE_LINES / 2;

/// Where a finished line goes: the one seam between formatting and whatever keeps lines.
pub(crate) trait Sink: Send + Sync {
    /// Takes a line, or counts it as lost; never blocks.
    fn line(&self, line: &str);

    /// Counts a line that could not be made.
    fn lose(&self);
}

/// Lines on their way to the writer.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// Signalled when the writer has something to do.
    work: Condvar,
    /// Signalled when lines were settled and somebody flushes.
    settled: Condvar,
    /// Lines lost since the start, for whatever cause.
    lost: AtomicU64,
    /// Whether the output takes them.
    pub(crate) output: Condition,
}

/// What the lock holds.
#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    /// Lines taken since the start.
    accepted: u64,
    /// Lines of those that were written or lost on the way.
    settled: u64,
    /// How deep the writer sleeps.
    doze: Doze,
    /// How many threads wait for lines to be settled.
    flushing: usize,
    /// Nobody will log any more.
    closed: bool,
}

/// Lines as they will be written.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The lines, each with its newline.
    pub(crate) bytes: Vec<u8>,
    /// How many lines these are.
    pub(crate) lines: usize,
    /// Lines lost before the end of this batch, since the start.
    pub(crate) lost: u64,
}

/// How deep the writer sleeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doze {
    /// It writes, and will look again.
    #[default]
    Awake,
    /// It gathers a burst: only a long one or a flush wakes it.
    Lingering,
    /// It waits for a line.
    Asleep,
}

// === impl Queue ===

impl Queue {
    /// Lines that wait for the writer.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().batch.lines
    }

    /// Lines lost since the start.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Waits until every line taken before the call is settled, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::FlushTimedOut`] with the number of lines that were not.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), TelemetryError> {
        let mut waiting = self.lock();
        let goal = waiting.accepted;
        waiting.flushing += 1;
        self.work.notify_one();
        let (mut waiting, _) = self
            .settled
            .wait_timeout_while(waiting, timeout, |waiting| waiting.settled < goal)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.flushing -= 1;
        match goal.saturating_sub(waiting.settled) {
            0 => Ok(()),
            pending => Err(TelemetryError::FlushTimedOut { pending }),
        }
    }

    /// Says that nobody will log any more; the writer ends when it has written the rest.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_one();
    }

    /// Waits for lines and takes them all, leaving `spare` to be filled; `None` once closed.
    ///
    /// For the writer only.
    pub(crate) fn take(&self, spare: Batch) -> Option<Batch> {
        let mut waiting = self.lock();
        while waiting.batch.lines == 0 {
            if waiting.closed {
                return None;
            }
            waiting.doze = Doze::Asleep;
            waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.doze = Doze::Lingering;
        let (mut waiting, _) = self
            .work
            .wait_timeout_while(waiting, LINGER, |waiting| waiting.may_linger())
            .unwrap_or_else(PoisonError::into_inner);
        waiting.doze = Doze::Awake;
        let mut batch = std::mem::replace(&mut waiting.batch, spare);
        batch.lost = self.lost();
        Some(batch)
    }

    /// Settles the `lines` of a batch, of which `lost` could not be written.
    ///
    /// For the writer only.
    pub(crate) fn settle(&self, lines: usize, lost: u64) {
        self.lost.fetch_add(lost, Relaxed);
        let mut waiting = self.lock();
        waiting.settled += lines as u64;
        if waiting.flushing > 0 {
            self.settled.notify_all();
        }
    }

    /// The state; a thread that panicked while it held the lock left it whole (invariant 1).
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Queue {
    fn line(&self, line: &str) {
        let mut waiting = self.lock();
        if !waiting.batch.has_room(line.len()) {
            // Under the lock, so that the loss has its place between two batches.
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        waiting.batch.bytes.extend_from_slice(line.as_bytes());
        waiting.batch.lines += 1;
        waiting.accepted += 1;
        if waiting.must_wake() {
            // It is on its way: the lines until it takes the batch need not wake it again.
            waiting.doze = Doze::Awake;
            drop(waiting);
            self.work.notify_one();
        }
    }

    fn lose(&self) {
        self.lost.fetch_add(1, Relaxed);
    }
}

// === impl Waiting ===

impl Waiting {
    /// Whether the line that was just added must wake the writer.
    fn must_wake(&self) -> bool {
        match self.doze {
            Doze::Awake => false,
            Doze::Lingering => self.batch.lines >= LINGER_LINES,
            Doze::Asleep => true,
        }
    }

    /// Whether the writer may go on gathering lines.
    fn may_linger(&self) -> bool {
        self.batch.lines < LINGER_LINES && self.flushing == 0 && !self.closed
    }
}

// === impl Batch ===

impl Batch {
    /// Empties the batch; memory of a rare large one is given back.
    pub(crate) fn clear(&mut self) {
        /// Memory that is kept between bursts, in bytes.
        const KEPT_BYTES: usize = 256 * 1024;
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.lines = 0;
    }

    /// Whether a line of `bytes` may join.
    fn has_room(&self, bytes: usize) -> bool {
        self.lines < QUEUE_LINES && self.bytes.len().saturating_add(bytes) <= QUEUE_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks whether a line wakes the writer, and whether it may then go on gathering.
    #[track_caller]
    fn check(doze: Doze, lines: usize, flushing: usize, closed: bool, expected: (bool, bool)) {
        let batch = Batch { lines, ..Batch::default() };
        let waiting = Waiting { batch, doze, flushing, closed, ..Waiting::default() };
        let decided = (waiting.must_wake(), waiting.may_linger());
        assert_eq!(decided, expected, "{doze:?} {lines} {flushing} {closed}");
    }

    #[test]
    fn a_burst_wakes_the_writer_once() {
        check(Doze::Asleep, 1, 0, false, (true, true));
        check(Doze::Awake, QUEUE_LINES, 0, false, (false, false));
        check(Doze::Lingering, 2, 0, false, (false, true));
        check(Doze::Lingering, LINGER_LINES - 1, 0, false, (false, true));
        check(Doze::Lingering, LINGER_LINES, 0, false, (true, false));
    }

    #[test]
    fn a_flush_and_the_end_wait_for_no_burst() {
        check(Doze::Lingering, 2, 1, false, (false, false));
        check(Doze::Lingering, 2, 0, true, (false, false));
    }
}
