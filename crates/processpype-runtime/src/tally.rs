//! What is counted of a service over all its generations.
//!
//! # Invariants
//!
//! 1. Counting is one addition to a word of its own, by whoever has it in hand; nobody waits for a
//!    reader. What transitions tell is counted by the supervisor's loop alone, so those words are
//!    read and written, without an addition that other threads would have to wait for.
//! 2. Counts belong to the service, not to a generation: they never go back while the service is
//!    part of the application.
//! 3. Most services start once and end once: the first of each has a word of its own, and room to
//!    count is made for the second.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use once_cell::race::OnceBox;
use processpype_core::{Cause, Change, Exit, ServiceState};

use crate::clock::Timestamp;
use crate::pulses::Since;

/// The upper bounds of the times of starts and stops, in milliseconds.
///
/// From an in-memory service to the default `start_timeout`.
const TIME_BOUNDS: [u64; 7] = [10, 100, 500, 1_000, 5_000, 10_000, 30_000];

/// What is counted of one service.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    first_start: First,
    first_stop: First,
    /// The place of the first end among [`Ends`], counted from 1.
    first_end: AtomicU8,
    pub(crate) tasks: AtomicU32,
    pub(crate) requests: AtomicU32,
    /// The poll of the task of a generation that is going on.
    pub(crate) poll: Since,
    again: OnceBox<Again>,
}

/// What is counted beyond the first time.
#[derive(Debug, Default)]
struct Again {
    restarts: AtomicU32,
    /// In the order of [`Ends`].
    ends: [AtomicU32; 4],
    starts: TimeTally,
    stops: TimeTally,
    polls: PollTally,
}

/// How long something took when it happened first: milliseconds plus 1, or 0 if it has not.
#[derive(Debug, Default)]
struct First(AtomicU32);

/// How long something took, again and again.
#[derive(Debug, Default)]
struct TimeTally {
    /// Not cumulative; the last one is beyond every bound.
    buckets: [AtomicU32; TIME_BOUNDS.len() + 1],
    milliseconds: AtomicU64,
}

/// The polls of a service's futures, where they are timed.
#[derive(Debug, Default)]
struct PollTally {
    count: AtomicU64,
    nanoseconds: AtomicU64,
    max_nanoseconds: AtomicU64,
}

/// Times of starts or stops, as a histogram.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Times {
    /// Upper bounds, ascending, and how many took at most that long.
    pub buckets: Vec<(Duration, u64)>,
    /// How many there were.
    pub count: u64,
    /// How long all of them took together.
    pub sum: Duration,
}

/// How generations of a service have ended so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ends {
    /// They were asked to stop and did.
    pub stopped: u64,
    /// They had done their work.
    pub completed: u64,
    /// They were ended by force.
    pub aborted: u64,
    /// They failed.
    pub failed: u64,
}

/// The polls of a service's futures: its own task, children, handlers and bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PollTimes {
    /// How many there were.
    pub count: u64,
    /// How long all of them took together.
    pub sum: Duration,
    /// How long the longest one took.
    pub max: Duration,
}

/// What was counted of one service, over all its generations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Starts that supervision made by itself.
    pub restarts: u64,
    /// How generations ended.
    pub ends: Ends,
    /// How long starts that succeeded took.
    pub starts: Times,
    /// How long stops took.
    pub stops: Times,
    /// Children that live, blocking ones included.
    pub tasks: u64,
    /// Requests in handlers, and bodies that are still sent.
    pub requests: u64,
    /// Polls; none were counted if they are not timed.
    pub polls: PollTimes,
}

// === impl Tally ===

impl Tally {
    /// Counts what a transition tells; `since` is when the state before was entered. Supervisor
    /// only.
    pub(crate) fn note(
        &self,
        change: Change,
        exit: Option<Exit>,
        since: Timestamp,
        now: Timestamp,
    ) {
        let took = now.0.saturating_sub(since.0);
        match (change.from, change.to) {
            (_, ServiceState::Starting) if is_restart(change) => {
                one_more(&self.again().restarts);
            }
            (ServiceState::Starting, ServiceState::Running) => {
                self.first_start.note(took, || &self.again().starts);
            }
            (ServiceState::Stopping, ServiceState::Stopped | ServiceState::Error) => {
                self.first_stop.note(took, || &self.again().stops);
            }
            _ => {}
        }
        let at = exit.map(|exit| match exit {
            Exit::Stopped => 0,
            Exit::Completed => 1,
            Exit::Aborted => 2,
            // A kind of end that is added one day is no good one until it is thought about.
            _ => 3,
        });
        match at {
            Some(at) if self.first_end.load(Relaxed) == 0 => {
                self.first_end.store(at as u8 + 1, Relaxed);
            }
            Some(at) => one_more(&self.again().ends[at]),
            None => {}
        }
    }

    /// Counts a poll.
    pub(crate) fn add_poll(&self, nanoseconds: u64) {
        self.again().polls.add(nanoseconds);
    }

    fn again(&self) -> &Again {
        self.again.get_or_init(Box::default)
    }

    /// Returns everything that was counted.
    pub(crate) fn read(&self) -> Counts {
        let again = self.again.get();
        let mut ends = [0; 4];
        if let Some(again) = again {
            ends = again.ends.each_ref().map(|count| u64::from(count.load(Relaxed)));
        }
        if let Some(first) = self.first_end.load(Relaxed).checked_sub(1) {
            ends[usize::from(first)] += 1;
        }
        let [stopped, completed, aborted, failed] = ends;
        Counts {
            restarts: again.map_or(0, |again| again.restarts.load(Relaxed).into()),
            ends: Ends { stopped, completed, aborted, failed },
            starts: self.first_start.read(again.map(|again| &again.starts)),
            stops: self.first_stop.read(again.map(|again| &again.stops)),
            tasks: self.tasks.load(Relaxed).into(),
            requests: self.requests.load(Relaxed).into(),
            polls: again.map_or_else(PollTimes::default, |again| again.polls.read()),
        }
    }
}

/// Whether a start is supervision's own, and not the first one. A restart that had to wait for a
/// provider starts because that became ready, as the first start may.
fn is_restart(change: Change) -> bool {
    match change.cause {
        Cause::Restart | Cause::ProviderRestarted | Cause::GroupRestarted => true,
        Cause::DependencyReady => change.generation.0 > 1,
        _ => false,
    }
}

/// Counts one more in a word that nobody else writes.
fn one_more(count: &AtomicU32) {
    grow(count, 1);
}

/// Adds to a word that nobody else writes.
fn grow(count: &AtomicU32, by: u32) {
    count.store(count.load(Relaxed).wrapping_add(by), Relaxed);
}

// === impl First ===

impl First {
    /// Notes the first one here, and every other one where those are counted. Supervisor only.
    fn note<'a>(&self, milliseconds: u64, others: impl FnOnce() -> &'a TimeTally) {
        if self.0.load(Relaxed) == 0 {
            let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);
            self.0.store(milliseconds.saturating_add(1), Relaxed);
        } else {
            others().add(milliseconds);
        }
    }

    /// All of them.
    fn read(&self, others: Option<&TimeTally>) -> Times {
        let all = TimeTally::default();
        if let Some(milliseconds) = self.0.load(Relaxed).checked_sub(1) {
            all.add(milliseconds.into());
        }
        if let Some(others) = others {
            all.add_all(others);
        }
        all.read()
    }
}

// === impl TimeTally ===

impl TimeTally {
    /// Counts one. For the only one who counts here.
    fn add(&self, milliseconds: u64) {
        let bucket = TIME_BOUNDS.partition_point(|bound| *bound < milliseconds);
        one_more(&self.buckets[bucket]);
        self.add_time(milliseconds);
    }

    fn add_all(&self, others: &Self) {
        for (own, other) in self.buckets.iter().zip(&others.buckets) {
            grow(own, other.load(Relaxed));
        }
        self.add_time(others.milliseconds.load(Relaxed));
    }

    fn add_time(&self, milliseconds: u64) {
        let all = self.milliseconds.load(Relaxed).wrapping_add(milliseconds);
        self.milliseconds.store(all, Relaxed);
    }

    fn read(&self) -> Times {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(TIME_BOUNDS.len());
        for (bucket, bound) in self.buckets.iter().zip(TIME_BOUNDS) {
            count += u64::from(bucket.load(Relaxed));
            buckets.push((Duration::from_millis(bound), count));
        }
        count += u64::from(self.buckets[TIME_BOUNDS.len()].load(Relaxed));
        let sum = Duration::from_millis(self.milliseconds.load(Relaxed));
        Times { buckets, count, sum }
    }
}

// === impl PollTally ===

impl PollTally {
    /// Counts one poll.
    fn add(&self, nanoseconds: u64) {
        self.count.fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
        // Most polls are not the longest one, and then nothing is written.
        if nanoseconds > self.max_nanoseconds.load(Relaxed) {
            self.max_nanoseconds.fetch_max(nanoseconds, Relaxed);
        }
    }

    fn read(&self) -> PollTimes {
        let duration = |word: &AtomicU64| Duration::from_nanos(word.load(Relaxed));
        PollTimes {
            count: self.count.load(Relaxed),
            sum: duration(&self.nanoseconds),
            max: duration(&self.max_nanoseconds),
        }
    }
}

// === impl PollTimes ===

impl PollTimes {
    /// Returns how long a poll takes on average; `None` if there was none.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let nanoseconds = u64::try_from(self.sum.as_nanos()).unwrap_or(u64::MAX);
        nanoseconds.checked_div(self.count).map(Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use processpype_core::{ErrorKind, Generation, ServiceId};

    use super::*;

    fn noted(steps: &[(ServiceState, ServiceState, Cause, Option<Exit>, u64)]) -> Counts {
        let tally = Tally::default();
        for (at, (from, to, cause, exit, took)) in steps.iter().copied().enumerate() {
            let generation = Generation(at as u64 + 1);
            let change = Change { service: ServiceId(0), generation, from, to, cause };
            tally.note(change, exit, Timestamp(1000), Timestamp(1000 + took));
        }
        tally.read()
    }

    #[test]
    fn only_what_supervision_starts_is_a_restart() {
        use ServiceState::{Error, Starting, Stopped};
        let counts = noted(&[
            (Stopped, Starting, Cause::DependencyReady, None, 0),
            (Stopped, Starting, Cause::Operator, None, 0),
            (Stopped, Starting, Cause::DependencyReady, None, 0),
            (Error, Starting, Cause::Restart, None, 0),
            (Stopped, Starting, Cause::GroupRestarted, None, 0),
            (Stopped, Starting, Cause::ProviderRestarted, None, 0),
        ]);
        assert_eq!(counts.restarts, 4);
    }

    #[test]
    fn times_fall_into_buckets_and_ends_are_told_apart() {
        use ServiceState::{Error, Running, Starting, Stopped, Stopping};
        let failed = Exit::Failed(ErrorKind::Failed);
        let counts = noted(&[
            (Starting, Running, Cause::Progress, None, 10),
            (Starting, Running, Cause::Progress, None, 11),
            (Starting, Running, Cause::Progress, None, 31_000),
            (Starting, Stopping, Cause::Exit(failed), None, 7),
            (Stopping, Error, Cause::Exit(failed), Some(failed), 1),
            (Stopping, Stopped, Cause::Exit(Exit::Stopped), Some(Exit::Stopped), 2),
            (Stopping, Stopped, Cause::Exit(Exit::Aborted), Some(Exit::Aborted), 3),
            (Stopping, Stopped, Cause::Exit(Exit::Completed), Some(Exit::Completed), 4),
        ]);
        let starts: Vec<u64> = counts.starts.buckets.iter().map(|(_, count)| *count).collect();
        assert_eq!((starts, counts.starts.count), (vec![1, 2, 2, 2, 2, 2, 2], 3));
        assert_eq!(counts.starts.sum, Duration::from_millis(31_021));
        assert_eq!((counts.stops.count, counts.stops.sum), (4, Duration::from_millis(10)));
        assert_eq!(counts.ends, Ends { stopped: 1, completed: 1, aborted: 1, failed: 1 });
    }

    #[test]
    fn polls_have_a_sum_a_mean_and_a_longest() {
        let polls = PollTally::default();
        assert_eq!(polls.read().mean(), None);
        [3, 9, 6].iter().for_each(|nanoseconds| polls.add(*nanoseconds));
        let read = polls.read();
        assert_eq!((read.count, read.sum.as_nanos(), read.max.as_nanos()), (3, 18, 9));
        assert_eq!(read.mean(), Some(Duration::from_nanos(6)));
    }
}
