//! The journal: every event of an application, in order, bounded, readable by everybody.
//!
//! # Invariants
//!
//! 1. Sequence numbers begin at 1 and have no gaps.
//! 2. At most [`Journal::kept`] events are held; a reader that asks for older ones is told how many
//!    it lost.
//! 3. Only the supervisor appends.
//! 4. Who waits is woken once for all that came together, and in the midst of it when half of what
//!    can be held is new: a reader with a thread of its own keeps up with a step of many events.
//!
//! # Why a ring and not a channel
//!
//! A broadcast channel loses what a late subscriber did not see, and a channel for each reader lets
//! a slow reader hold memory. Here all readers share one bounded ring and keep nothing but a
//! number. A reader that comes late, or back after a lost connection, says its number and is told
//! exactly what it missed, or how much of that is gone.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use processpype_core::{EventKind, Generation, OperationId, ServiceName, ServiceState, each};

use crate::bell::{Bell, Ring as _};
use crate::clock::Timestamp;

/// How many events an application holds unless told otherwise.
///
/// Some 1 MiB: an event has about 200 bytes beside its text, which is bounded too.
pub const EVENTS_KEPT: usize = 4096;

/// Something that happened.
///
/// | `kind` | is about | has |
/// |---|---|---|
/// | `state` | a transition | `generation`, `from`, `to`; `message` if it failed |
/// | `health` | readiness, degradation, a reported error | `generation`, `message` |
/// | `restart` | a restart to come, or that none comes any more | `generation`, `message` |
/// | `command` | a command, given or ended | `actor`, `operation`; `message`: reason or refusal |
/// | `application` | the whole application | neither service nor generation, but: |
/// | | who has joined or left, and a straggler | `service`; the straggler's `generation` |
///
/// What belongs to a command that goes on has its `operation`, and who gave it as `actor`.
///
/// `cause` is from a closed set of words and safe to match on; `message` is for people and may
/// change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event {
    /// Its place in the journal.
    pub seq: u64,
    /// When.
    pub time: Timestamp,
    /// What kind of event.
    pub kind: EventKind,
    /// The service it is about, if it is about one.
    pub service: Option<ServiceName>,
    /// The generation it is about.
    pub generation: Option<Generation>,
    /// The state before, for a transition.
    pub from: Option<ServiceState>,
    /// The state after, for a transition.
    pub to: Option<ServiceState>,
    /// What made it happen, as a stable word.
    pub cause: &'static str,
    /// Who made it happen, if somebody did.
    pub actor: Option<Arc<str>>,
    /// The operation that it is a part of.
    pub operation: Option<OperationId>,
    /// A text for people, without internals.
    pub message: Option<Arc<str>>,
}

/// Some events, oldest first.
///
/// An empty page means that nothing newer than the asked-for place is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventPage {
    /// The events.
    pub events: Vec<Arc<Event>>,
    /// The newest sequence number there is.
    pub last: u64,
    /// How many events between the asked-for place and the first one here are no longer held.
    pub lost: u64,
}

/// Follows a journal from one place on.
///
/// It holds no events, only a number: an idle subscriber costs nothing, and a slow one cannot make
/// the application wait. Cheap to make: one for each client.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Manager;
///
/// async fn follow(manager: &Manager) {
///     let mut events = manager.subscribe(manager.last_event());
///     loop {
///         let page = events.next(100).await;
///         if page.lost > 0 {
///             println!("{} events came too fast", page.lost);
///         }
///         for event in page.events {
///             println!("{} {}", event.kind, event.cause);
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Subscription {
    journal: Arc<Journal>,
    after: u64,
}

/// The events of one application.
#[derive(Debug)]
pub struct Journal {
    ring: Mutex<VecDeque<Arc<Event>>>,
    last: AtomicU64,
    /// In the order of [`EventKind::ALL`]; written with the ring in hand.
    counts: [AtomicU64; EventKind::ALL.len()],
    kept: usize,
    /// After how many events who waits is woken, whatever else comes.
    half: u64,
    appended: Bell,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn new(kept: usize) -> Self {
        let (ring, last) = (Mutex::default(), AtomicU64::new(0));
        let (counts, kept) = (Default::default(), kept.max(1));
        let half = (kept as u64).div_ceil(2);
        Self { ring, last, counts, kept, half, appended: Bell::default() }
    }

    /// Returns how many events are held at most.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }

    /// Returns the newest sequence number; 0 if there is no event.
    ///
    /// Also the number of events there have been.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// Returns how many events of each kind there have been.
    #[must_use]
    pub fn counts(&self) -> Vec<(EventKind, u64)> {
        let count = |kind: EventKind| self.counts[kind as usize].load(Ordering::Relaxed);
        each(EventKind::ALL, |kind| (*kind, count(*kind)))
    }

    /// Returns at most `limit` events that come after `after`, oldest first.
    ///
    /// Never waits for the supervisor beyond the copy of a few pointers. [`EventPage::lost`] says
    /// how many events between `after` and the first one returned are no longer held.
    #[must_use]
    pub fn page(&self, after: u64, limit: usize) -> EventPage {
        let ring = self.held();
        let last = self.last();
        let first = last + 1 - ring.len() as u64;
        let wanted = after.saturating_add(1);
        let lost = if after < last { first.saturating_sub(wanted) } else { 0 };
        let skip = usize::try_from(wanted.saturating_sub(first)).unwrap_or(usize::MAX);
        let events = ring.iter().skip(skip).take(limit).cloned().collect();
        EventPage { events, last, lost }
    }

    /// Gives the event its number and keeps it.
    ///
    /// The number is given under the lock, so that the order of numbers is the order in the ring.
    ///
    /// A full ring takes it where the oldest one was, unless a reader still holds that. Who waits
    /// for it is woken by [`wake`](Self::wake), at the latest after half a ring.
    pub(crate) fn append(&self, mut event: Event) {
        let mut ring = self.held();
        let seq = self.last() + 1;
        event.seq = seq;
        let count = &self.counts[event.kind as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let oldest = if ring.len() == self.kept { ring.pop_front() } else { None };
        ring.push_back(placed(event, oldest));
        self.last.store(seq, Ordering::Release);
        drop(ring);
        if seq.is_multiple_of(self.half) {
            self.wake();
        }
    }

    /// Wakes who waits for an event, once for all that came together.
    pub(crate) fn wake(&self) {
        self.appended.ring();
    }

    fn held(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts an event where another one was, if nobody else holds that.
///
/// A ring that is full has one event too many for each new one, so a storm of restarts needs no
/// new places.
fn placed(event: Event, other: Option<Arc<Event>>) -> Arc<Event> {
    if let Some(mut other) = other
        && let Some(place) = Arc::get_mut(&mut other)
    {
        *place = event;
        return other;
    }
    Arc::new(event)
}

// === impl Subscription ===

impl Subscription {
    pub(crate) fn new(journal: Arc<Journal>, after: u64) -> Self {
        Self { journal, after }
    }

    /// Goes back, or on, to the place after event `after`.
    ///
    /// For a reader that could not use what it had taken.
    pub fn go_to(&mut self, after: u64) {
        self.after = after;
    }

    /// Waits for events after the last ones returned, and returns at most `limit` of them (at least
    /// 1).
    ///
    /// A reader that is too slow finds [`EventPage::lost`] above 0 and goes on with the oldest
    /// event held.
    ///
    /// The future never resolves once the application has closed and every event was returned; put
    /// it in a `select!` with whatever ends the reader.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self, limit: usize) -> EventPage {
        let (journal, after) = (&*self.journal, self.after);
        let page = || Some(journal.page(after, limit.max(1))).filter(|it| !it.events.is_empty());
        let page = journal.appended.until(|_| page()).await;
        self.after = page.events.last().map_or(after, |newest| newest.seq);
        page
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn journal(kept: usize, events: u64) -> Arc<Journal> {
        let journal = Arc::new(Journal::new(kept));
        for time in 0..events {
            append(&journal, time);
        }
        journal
    }

    fn append(journal: &Journal, time: u64) {
        journal.append(Event {
            seq: 0,
            time: Timestamp(time),
            kind: EventKind::Application,
            service: None,
            generation: None,
            from: None,
            to: None,
            cause: "test",
            actor: None,
            operation: None,
            message: None,
        });
    }

    #[track_caller]
    fn check(kept: usize, events: u64, after: u64, limit: usize, seqs: &[u64], lost: u64) {
        let page = journal(kept, events).page(after, limit);
        assert_eq!(page.events.iter().map(|event| event.seq).collect::<Vec<_>>(), seqs);
        assert_eq!((page.last, page.lost), (events, lost));
    }

    #[test]
    fn kinds_are_counted_also_of_what_is_gone() {
        for (kind, count) in journal(2, 5).counts() {
            assert_eq!(count, if kind == EventKind::Application { 5 } else { 0 }, "{kind}");
        }
    }

    #[test]
    fn pages_tell_what_was_lost() {
        check(4, 0, 0, 10, &[], 0);
        check(4, 3, 0, 10, &[1, 2, 3], 0);
        check(4, 3, 1, 1, &[2], 0);
        check(4, 9, 0, 10, &[6, 7, 8, 9], 5);
        check(4, 9, 7, 10, &[8, 9], 0);
        check(4, 9, 9, 10, &[], 0);
        check(4, 9, 99, 10, &[], 0);
        check(4, 9, u64::MAX, 10, &[], 0);
    }

    #[tokio::test]
    async fn a_subscription_sees_every_event_once() {
        let journal = journal(8, 3);
        let mut subscription = Subscription::new(Arc::clone(&journal), 1);
        let mut seqs = Vec::new();
        for _ in 0..2 {
            seqs.extend(subscription.next(1).await.events.iter().map(|event| event.seq));
        }
        assert_eq!(seqs, [2, 3]);
        let mut next = Box::pin(subscription.next(1));
        assert!((&mut next).now_or_never().is_none());
        append(&journal, 4);
        journal.wake();
        assert_eq!(next.await.events[0].seq, 4);
    }
}
