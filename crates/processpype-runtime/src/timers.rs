//! The supervisor's own queue of what happens later.
//!
//! # Invariants
//!
//! 1. A timer fires at or after its time, in the order of times; equal times in the order of
//!    arming.
//! 2. A timer is never cancelled: the machine ignores one that no longer matters. But nobody wakes
//!    for one: at the front such a timer is dropped.
//! 3. There are at most [`ROWS_MAX`] rows; what finds no place in one is in the heap.
//! 4. Which timer is the first of all is known, and looked for only when that one is taken.
//! 5. What many commands may arm in turn, such as the end of a pause, is there once: armed again,
//!    it moves. So there are never more timers than services and what they do have of them.
//!
//! # Why not tokio's timers
//!
//! One task with one sleep serves all waits: the loop stays the only place where time turns into
//! events, and their order is defined. Not cancelling keeps arming and firing cheap, without
//! handles; every timer carries the generation it was armed for, so a late one is recognised as
//! such.
//!
//! # Rows
//!
//! Most timers are armed for one of a few lengths of time, such as the `start_timeout` that nearly
//! all services share, and timers of one length come due in the order in which they are armed. So
//! each length has a row, where arming and dropping take no search. (Shape: the per-timeout lists
//! of Varghese and Lauck, "Hashed and hierarchical timing wheels", and of nginx before its tree.)

//!
//! # What is there once
//!
//! A client may prolong a pause, or change a level, as often as it is let. Each time would leave a
//! timer of up to a day behind, which nothing takes out but its time. So these are not armed but
//! set: the one end that counts, moved when another one does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use processpype_core::{Generation, OperationId, ServiceId, Timer};
use tokio::time::Instant;

/// How many lengths of time have a row of their own.
const ROWS_MAX: usize = 8;

/// How much room an empty row keeps.
const ROW_KEEPS: usize = 64;

/// What comes due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A time limit of a generation, or its restart.
    Generation(ServiceId, Generation, Timer),
    /// It is time to look at the beats of a generation.
    Beat(ServiceId, Generation),
    /// It is time to look at the polls of a generation.
    Polls(ServiceId, Generation),
    /// A change of configuration that was offered should have been answered.
    Offer(ServiceId, OperationId),
    /// The pause is over: automatic restarts go on.
    Resume,
    /// The change of a level is over, the first of all.
    Level,
    /// The drain delay is over: stop the services.
    Drained,
    /// What still lives is to be aborted.
    Closing,
}

type Armed = (Instant, u64, Due);

/// Everything that is to happen later.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    rows: Vec<Row>,
    heap: BinaryHeap<Reverse<Armed>>,
    /// What is there once: each of another kind.
    single: Vec<Armed>,
    first: Option<(Place, Armed)>,
    armed: u64,
}

/// The timers of one length of time, the next one first.
#[derive(Debug)]
struct Row {
    after: Duration,
    timers: VecDeque<Armed>,
}

/// Where a timer waits.
#[derive(Clone, Copy, Debug)]
enum Place {
    Row(usize),
    Heap,
    Single(usize),
}

// === impl Timers ===

impl Timers {
    /// Arms a timer for `now + after`; `now` never goes back.
    pub(crate) fn arm(&mut self, now: Instant, after: Duration, due: Due) {
        let timer = (now + after, self.armed, due);
        self.armed += 1;
        let place = match self.row(after) {
            Some(index) if self.rows[index].timers.back().is_none_or(|last| *last < timer) => {
                self.rows[index].timers.push_back(timer);
                Place::Row(index)
            }
            _ => {
                self.heap.push(Reverse(timer));
                Place::Heap
            }
        };
        if self.first.is_none_or(|(_, first)| timer < first) {
            self.first = Some((place, timer));
        }
    }

    /// Arms what is there once for that time, in place of any other; for none, it is not armed.
    pub(crate) fn set(&mut self, at: Option<Instant>, due: Due) {
        self.single.retain(|(_, _, armed)| *armed != due);
        if let Some(at) = at {
            self.single.push((at, self.armed, due));
            self.armed += 1;
        }
        self.first = self.find_first();
    }

    /// When the next one is due, without those that `is_late` says do not matter any more.
    pub(crate) fn next(&mut self, is_late: impl Fn(Due) -> bool) -> Option<Instant> {
        loop {
            let (place, (at, _, due)) = self.first?;
            if !is_late(due) {
                return Some(at);
            }
            self.drop_late(place, &is_late);
        }
    }

    /// Drops the first, which is late, and those behind it in its row that are late as well.
    ///
    /// What comes together leaves together, so the others are looked at once for all of them.
    fn drop_late(&mut self, place: Place, is_late: impl Fn(Due) -> bool) {
        if let Place::Row(index) = place {
            let timers = &mut self.rows[index].timers;
            while timers.get(1).is_some_and(|(_, _, due)| is_late(*due)) {
                timers.pop_front();
            }
        }
        self.take(place);
    }

    /// Takes the first that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        let (place, (at, _, due)) = self.first?;
        (at <= now).then(|| {
            self.take(place);
            due
        })
    }

    /// The row of this length; a new one, if there is a place for it.
    fn row(&mut self, after: Duration) -> Option<usize> {
        let found = self.rows.iter().position(|row| row.after == after);
        if found.is_some() {
            return found;
        }
        if self.rows.len() < ROWS_MAX {
            self.rows.push(Row { after, timers: VecDeque::new() });
            return Some(self.rows.len() - 1);
        }
        let free = self.rows.iter().position(|row| row.timers.is_empty())?;
        self.rows[free].after = after;
        Some(free)
    }

    /// Looks for the first one: at the fronts of the rows, and at what has none.
    ///
    /// Times and numbers alone are compared, and nothing is copied but the one that is found: this
    /// is done for each timer that leaves.
    fn find_first(&self) -> Option<(Place, Armed)> {
        let rows = self.rows.iter().enumerate();
        let rows = rows.filter_map(|(at, row)| Some((Place::Row(at), row.timers.front()?)));
        let mut first = earliest(rows);
        if let Some(Reverse(timer)) = self.heap.peek() {
            first = earliest(first.into_iter().chain([(Place::Heap, timer)]));
        }
        if !self.single.is_empty() {
            let single = self.single.iter().enumerate();
            let single = single.map(|(at, timer)| (Place::Single(at), timer));
            first = earliest(first.into_iter().chain(single));
        }
        first.map(|(place, timer)| (place, *timer))
    }

    /// Takes the first, which waits there.
    fn take(&mut self, place: Place) {
        match place {
            Place::Heap => drop(self.heap.pop()),
            Place::Single(index) => drop(self.single.swap_remove(index)),
            Place::Row(index) => {
                let timers = &mut self.rows[index].timers;
                timers.pop_front();
                if timers.is_empty() && timers.capacity() > ROW_KEEPS {
                    *timers = VecDeque::new();
                }
            }
        }
        self.first = self.find_first();
    }
}

/// The one that is due first; of those at one time, the one that was armed first.
///
/// What comes due is not compared: no two timers have the same number.
fn earliest<'a>(timers: impl Iterator<Item = (Place, &'a Armed)>) -> Option<(Place, &'a Armed)> {
    timers.min_by_key(|(_, (at, number, _))| (*at, *number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn due(number: u32) -> Due {
        Due::Beat(ServiceId(number), Generation(1))
    }

    #[tokio::test(start_paused = true)]
    async fn timers_fire_in_the_order_of_times_and_of_arming() {
        // More lengths than there are rows, each twice, and the longest first.
        let (mut timers, now) = (Timers::default(), Instant::now());
        let lengths: Vec<u32> = (1..=12).rev().flat_map(|length| [length, length]).collect();
        for (number, length) in lengths.iter().enumerate() {
            timers.arm(now, SECOND * *length, due(number as u32));
        }
        assert!(timers.rows.len() <= ROWS_MAX);
        let mut expected: Vec<usize> = (0..lengths.len()).collect();
        expected.sort_by_key(|&number| (lengths[number], number));
        for number in expected {
            let at = now + SECOND * lengths[number];
            assert_eq!(timers.next(|_| false), Some(at));
            assert_eq!(timers.pop_due(at - SECOND / 2), None);
            assert_eq!(timers.pop_due(at), Some(due(number as u32)));
        }
        assert_eq!(timers.next(|_| false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn in_any_order_the_first_is_the_first() {
        let begin = Instant::now();
        for seed in 1..200_u64 {
            let (mut timers, mut now, mut chance) = (Timers::default(), begin, seed);
            let mut model = std::collections::BTreeSet::new();
            let mut draw = |most: u64| {
                // Knuth's constants for a linear congruential generator.
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (chance >> 33) % most
            };
            for number in 0..100 {
                let after = SECOND * draw(12) as u32;
                timers.arm(now, after, due(number));
                model.insert((now + after, number));
                now += SECOND * draw(3) as u32;
                for _ in 0..draw(3) {
                    let first = model.first().copied().filter(|(at, _)| *at <= now);
                    assert_eq!(timers.pop_due(now), first.map(|(_, number)| due(number)));
                    first.map(|first| model.remove(&first));
                }
                let first = model.first().map(|(at, _)| *at);
                assert_eq!(timers.next(|_| false), first, "seed {seed}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_wakes_for_a_timer_that_does_not_matter() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        for number in 0..1000 {
            timers.arm(now, SECOND, due(number));
        }
        timers.arm(now, SECOND * 2, due(1000));
        timers.arm(now, SECOND * 3, due(0));
        assert_eq!(timers.next(|it| it < due(1000)), Some(now + SECOND * 2));
        assert_eq!(timers.pop_due(now + SECOND * 2), Some(due(1000)));
        assert_eq!(timers.next(|it| it < due(1000)), None);
        assert!(timers.rows.iter().all(|row| row.timers.capacity() <= ROW_KEEPS));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_once_moves() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        timers.arm(now, SECOND * 5, due(5));
        for length in [9, 1, 7, 3] {
            timers.set(Some(now + SECOND * length), Due::Resume);
            timers.set(Some(now + SECOND * (length + 1)), Due::Level);
        }
        assert_eq!(timers.single.len(), 2);
        timers.set(None, Due::Level);
        timers.set(Some(now + SECOND * 4), Due::Level);
        let mut told = Vec::new();
        while let Some(at) = timers.next(|_| false) {
            told.push((at, timers.pop_due(at).expect("it is due")));
        }
        let expected = [(3, Due::Resume), (4, Due::Level), (5, due(5))];
        assert_eq!(told, expected.map(|(length, due)| (now + SECOND * length, due)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_that_is_empty_takes_another_length() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        for length in 1..100 {
            timers.arm(now, SECOND * length, due(length));
            assert_eq!(timers.pop_due(now + SECOND * length), Some(due(length)));
        }
        assert_eq!((timers.rows.len(), timers.heap.len()), (ROWS_MAX, 0));
    }
}
