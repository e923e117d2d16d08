//! What a generation shows of itself without being asked: its beats, its polls, where it is.
//!
//! # Invariants
//!
//! 1. They are of one generation: what an old one still does shows here no more than its name does.
//! 2. Who is looked at waits for nobody: a beat is a store, a poll two, and the supervisor reads.
//! 3. Clocks are read for those that are watched, or whose polls are timed, and for the stages of
//!    an end that have a limit of their own: of the others nobody asks since when.
//!
//! # One scale
//!
//! Times are nanoseconds of tokio's clock since the application was put together, in one word each,
//! so that they are never torn. A poll that is going on is its beginning; zero is none. Tokio's
//! clock does not move within a poll while it is paused: there, a poll never takes long.
//!
//! The beginning of the scale is kept once for all of them: two words that every generation would
//! have of its own otherwise, and a look at the clock at every start. A word has room for eighteen
//! years beside the stage and the bit for the poll.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll as Polled};
use std::time::Duration;

use processpype_core::SortedMap;
use tokio::time::Instant;

use crate::hang::Poll;
use crate::life::Life;
use crate::message::Office;

/// Which part of its life a generation's own task is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    Constructor,
    Start,
    Routes,
    Run,
    /// A new configuration is offered; `run` goes on.
    Reconfigure,
    /// It is asked what is wrong with it; `run` goes on.
    Diagnose,
    /// Asked to stop; `run` still serves requests in flight.
    Draining,
    /// `run` was told to end.
    Ending,
    /// The children are waited for.
    Children,
    Stop,
    /// The instance is given up.
    Drop,
    /// The task has ended.
    Left,
}

/// What of a generation is watched.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    pub(crate) beats: bool,
    pub(crate) polls: bool,
    /// How long each poll took is counted.
    pub(crate) times: bool,
}

/// What can be seen of one generation at any time.
#[derive(Debug)]
pub(crate) struct Vitals {
    office: Arc<Office>,
    /// The stage, whether the generation's own task is being polled, and when the stage was
    /// entered. Only that task writes it.
    stage: AtomicU64,
    /// There for those that are watched.
    more: Option<Box<More>>,
}

/// What is seen of a generation that is watched.
#[derive(Debug, Default)]
struct More {
    watched: Watched,
    /// The last beat.
    beat: AtomicU64,
    /// The poll of the generation's own task.
    own: AtomicU64,
    others: Mutex<Others>,
}

/// Polls of children, handlers and bodies, if they are watched.
#[derive(Debug, Default)]
struct Others {
    futures: SortedMap<u64, Other>,
    last: u64,
}

#[derive(Debug)]
struct Other {
    what: String,
    child: Option<u64>,
    poll: Arc<AtomicU64>,
}

/// A future of a generation whose polls can be seen.
pub(crate) struct Seen<F> {
    future: F,
    seat: Option<Seat>,
}

/// Where a future notes its polls; given back when it is dropped.
struct Seat {
    life: Arc<Life>,
    place: Place,
}

/// Which future it is.
enum Place {
    /// One that is looked at.
    Other(u64, Arc<AtomicU64>),
    /// One whose polls are timed, and not looked at.
    Timed,
}

const STAGE_BITS: u32 = 4;
const POLLED_BIT: u64 = 1 << STAGE_BITS;
const SINCE_SHIFT: u32 = STAGE_BITS + 1;

/// No poll is going on.
const IDLE: u64 = 0;

/// A poll is going on, and nobody watches since when.
const UNTIMED: u64 = u64::MAX;

// === impl Stage ===

impl Stage {
    const ALL: [Self; 12] = [
        Self::Constructor,
        Self::Start,
        Self::Routes,
        Self::Run,
        Self::Reconfigure,
        Self::Diagnose,
        Self::Draining,
        Self::Ending,
        Self::Children,
        Self::Stop,
        Self::Drop,
        Self::Left,
    ];

    /// Whether it should be over at a time of its own, and is counted from its beginning.
    ///
    /// The others end when a stop is asked for, which comes after their beginning, or at no time.
    fn has_limit(self) -> bool {
        matches!(self, Self::Draining | Self::Ending | Self::Stop)
    }

    /// Returns whose code the generation's own task runs.
    pub(crate) fn hook(self) -> Option<&'static str> {
        match self {
            Self::Constructor => Some("the constructor"),
            Self::Start => Some("`start`"),
            Self::Routes => Some("`routes`"),
            Self::Reconfigure => Some("`reconfigure`"),
            Self::Diagnose => Some("`diagnose`"),
            Self::Run | Self::Draining | Self::Ending => Some("`run`"),
            Self::Stop => Some("`stop`"),
            Self::Drop => Some("`drop`"),
            Self::Children | Self::Left => None,
        }
    }
}

// === impl Vitals ===

impl Vitals {
    pub(crate) fn new(office: Arc<Office>, watched: Watched) -> Self {
        let Watched { beats, polls, times } = watched;
        let more = || Box::new(More { watched, ..More::default() });
        let stage = AtomicU64::new(Stage::Constructor as u64);
        Self { office, stage, more: (beats || polls || times).then(more) }
    }

    /// Where the generation runs, and to whom it reports.
    pub(crate) fn office(&self) -> &Office {
        &self.office
    }

    /// The time on the scale of the application.
    pub(crate) fn now(&self) -> Duration {
        self.office.opened.elapsed()
    }

    fn watched(&self) -> Watched {
        self.more.as_ref().map_or_else(Watched::default, |more| more.watched)
    }

    fn at(&self, nanoseconds: u64) -> Instant {
        self.office.opened + Duration::from_nanos(nanoseconds)
    }

    /// The service is alive.
    pub(crate) fn beat(&self) {
        if let Some(more) = self.more.as_ref().filter(|more| more.watched.beats) {
            more.beat.store(nanos(self.now()), Relaxed);
        }
    }

    /// When the last beat was; zero if there was none.
    pub(crate) fn last_beat(&self) -> Duration {
        let beat = self.more.as_ref().map_or(0, |more| more.beat.load(Relaxed));
        Duration::from_nanos(beat)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        let since = if stage.has_limit() { nanos(self.now()) } else { 0 };
        self.enter_since(stage, since);
    }

    /// The same at a time that is known: a stage that has nothing to do is over when it begins.
    pub(crate) fn enter_at(&self, stage: Stage, now: Instant) {
        self.enter_since(stage, nanos(now.saturating_duration_since(self.office.opened)));
    }

    fn enter_since(&self, stage: Stage, since: u64) {
        let polled = self.stage.load(Relaxed) & POLLED_BIT;
        self.stage.store(since << SINCE_SHIFT | polled | stage as u64, Relaxed);
    }

    /// Shows whether the generation's own task is being polled.
    ///
    /// A load and a store, and no exchange: nobody else writes the word.
    fn show_polled(&self, polled: bool) {
        let word = self.stage.load(Relaxed) & !POLLED_BIT;
        self.stage.store(word | if polled { POLLED_BIT } else { 0 }, Relaxed);
    }

    /// The stage, and when it was entered; for one without a limit, some time before that.
    pub(crate) fn stage(&self) -> (Stage, Instant) {
        let word = self.stage.load(Relaxed);
        let index = word & (POLLED_BIT - 1);
        (Stage::ALL[index as usize], self.at(word >> SINCE_SHIFT))
    }

    /// Whether the generation's own task is being polled, and since when, if that is watched.
    pub(crate) fn own_poll(&self) -> Option<Option<Instant>> {
        if self.stage.load(Relaxed) & POLLED_BIT == 0 {
            return None;
        }
        match self.more.as_ref().map_or(IDLE, |more| more.own.load(Relaxed)) {
            IDLE | UNTIMED => Some(None),
            began => Some(Some(self.at(began))),
        }
    }

    /// Returns which children are being polled, and since when, if that is watched.
    pub(crate) fn child_polls(&self) -> SortedMap<u64, Instant> {
        let Some(others) = self.others() else { return SortedMap::new() };
        let polled = |other: &Other| {
            let began = other.poll.load(Relaxed);
            let is_polled = began != IDLE;
            is_polled.then_some((other.child?, self.at(began)))
        };
        others.futures.values().filter_map(polled).collect()
    }

    /// Returns every poll that is going on, of those that are watched.
    pub(crate) fn polls(&self) -> Vec<Poll> {
        let mut polls = Vec::new();
        let mut add = |future: u64, what: &str, began: u64| {
            if began != IDLE && began != UNTIMED {
                let (what, began) = (what.to_owned(), Duration::from_nanos(began));
                polls.push(Poll { future, what, began });
            }
        };
        let own = self.more.as_ref().map_or(IDLE, |more| more.own.load(Relaxed));
        add(0, self.stage().0.hook().unwrap_or("the service"), own);
        if let Some(others) = self.others() {
            for (id, other) in others.futures.iter() {
                add(*id, &other.what, other.poll.load(Relaxed));
            }
        }
        polls
    }

    /// Returns when a poll begins, if anybody wants to know.
    fn begin_poll(&self) -> u64 {
        let Watched { polls, times, .. } = self.watched();
        let is_timed = polls || times;
        // Not zero: that is none.
        if is_timed { nanos(self.now()).max(1) } else { UNTIMED }
    }

    /// The other futures, where polls are watched.
    fn others(&self) -> Option<MutexGuard<'_, Others>> {
        let more = self.more.as_ref().filter(|more| more.watched.polls)?;
        Some(more.others.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX >> SINCE_SHIFT)
}

/// Polls the generation's own task; that a poll is going on can be seen meanwhile.
pub(crate) fn own_polled<T>(life: &Life, poll: impl FnOnce() -> T) -> T {
    let vitals = &life.vitals;
    vitals.show_polled(true);
    life.cell.tally.poll.begin(vitals.office.pulses.count());
    let outcome = polled(life, vitals.more.as_ref().map(|more| &more.own), poll);
    life.cell.tally.poll.end();
    vitals.show_polled(false);
    outcome
}

/// Polls once, on the thread that calls.
///
/// `shown` says meanwhile since when, and the time is counted if times are.
fn polled<T>(life: &Life, shown: Option<&AtomicU64>, poll: impl FnOnce() -> T) -> T {
    let vitals = &life.vitals;
    let began = vitals.begin_poll();
    shown.iter().for_each(|shown| shown.store(began, Relaxed));
    let outcome = poll();
    shown.iter().for_each(|shown| shown.store(IDLE, Relaxed));
    if vitals.watched().times {
        let took = nanos(vitals.now()).max(1).saturating_sub(began);
        life.cell.tally.add_poll(took);
    }
    outcome
}

/// Polls something else of the generation once, by name; it can be seen meanwhile, as [`Seen`].
pub(crate) fn seen<T>(life: &Arc<Life>, what: &str, poll: impl FnOnce() -> T) -> T {
    let seat = Seat::take(life, what, None);
    Seat::poll(seat.as_ref(), poll)
}

// === impl Seen ===

impl<F> Seen<F> {
    /// Another future of the generation, by name; `child` is its number if it is one. Nothing is
    /// noted unless polls are watched or timed.
    pub(crate) fn other(life: &Arc<Life>, what: &str, child: Option<u64>, future: F) -> Self {
        Self { future, seat: Seat::take(life, what, child) }
    }

    /// The same for a future that `begin` makes and polls once.
    pub(crate) fn begin<T>(
        life: &Arc<Life>,
        what: &str,
        child: Option<u64>,
        begin: impl FnOnce() -> (F, Polled<T>),
    ) -> (Self, Polled<T>) {
        let seat = Seat::take(life, what, child);
        let (future, outcome) = Seat::poll(seat.as_ref(), begin);
        (Self { future, seat }, outcome)
    }
}

impl<F: Future + Unpin> Future for Seen<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<F::Output> {
        let this = self.get_mut();
        Seat::poll(this.seat.as_ref(), || Pin::new(&mut this.future).poll(cx))
    }
}

// === impl Seat ===

impl Seat {
    /// Takes one, if anybody watches or times polls.
    fn take(life: &Arc<Life>, what: &str, child: Option<u64>) -> Option<Self> {
        let Some(mut others) = life.vitals.others() else {
            let seat = || Self { life: Arc::clone(life), place: Place::Timed };
            return life.vitals.watched().times.then(seat);
        };
        let poll = Arc::new(AtomicU64::new(IDLE));
        others.last += 1;
        let id = others.last;
        let other = Other { what: what.to_owned(), child, poll: Arc::clone(&poll) };
        others.futures.insert(id, other);
        drop(others);
        Some(Self { life: Arc::clone(life), place: Place::Other(id, poll) })
    }

    /// Polls once, and notes that if there is a seat.
    fn poll<T>(seat: Option<&Self>, poll: impl FnOnce() -> T) -> T {
        let Some(seat) = seat else { return poll() };
        let shown = match &seat.place {
            Place::Other(_, poll) => Some(&**poll),
            Place::Timed => None,
        };
        polled(&seat.life, shown, poll)
    }
}

impl Drop for Seat {
    /// The future is over, or was dropped.
    fn drop(&mut self) {
        if let Place::Other(id, _) = &self.place
            && let Some(mut others) = self.life.vitals.others()
        {
            others.futures.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Reports;
    use crate::scrub::Scrub;

    const SECOND: Duration = Duration::from_secs(1);

    fn vitals(watched: Watched) -> Vitals {
        let services = tokio::runtime::Handle::current();
        Vitals::new(Arc::new(Office::new(services, Reports::nowhere(), Scrub::default())), watched)
    }

    /// Polls as the generation's own task does.
    async fn as_own<F: Future + Unpin>(life: &Life, mut future: F) -> F::Output {
        let poll = |cx: &mut Context<'_>| own_polled(life, || Pin::new(&mut future).poll(cx));
        std::future::poll_fn(poll).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_and_its_time_are_one_word() {
        let vitals = vitals(Watched::default());
        let base = Instant::now();
        for stage in Stage::ALL {
            tokio::time::sleep(SECOND).await;
            vitals.enter(stage);
            let since = if stage.has_limit() { Instant::now() } else { base };
            assert_eq!(vitals.stage(), (stage, since));
        }
        assert_eq!(base.elapsed(), SECOND * Stage::ALL.len() as u32);
    }

    #[tokio::test(start_paused = true)]
    async fn a_beat_is_noted_where_beats_are_watched() {
        for (beats, last) in [(true, SECOND * 2), (false, Duration::ZERO)] {
            let vitals = vitals(Watched { beats, ..Watched::default() });
            tokio::time::sleep(SECOND * 2).await;
            vitals.beat();
            tokio::time::sleep(SECOND).await;
            assert_eq!(vitals.last_beat(), last);
        }
    }

    #[tokio::test]
    async fn futures_are_seen_while_they_are_polled_and_forgotten_with_their_end() {
        let cx = crate::Context::watched("worker", Watched { polls: true, ..Watched::default() });
        let life = &cx.life;
        let looks = |life: Arc<Life>| async move { life.vitals.polls() };
        let child = Seen::other(life, "child `a`", Some(7), Box::pin(looks(Arc::clone(life))));
        assert!(life.vitals.polls().is_empty(), "it is not polled yet");
        let polls = as_own(life, child).await;
        let seen: Vec<(u64, &str)> =
            polls.iter().map(|poll| (poll.future, poll.what.as_str())).collect();
        assert_eq!(seen, [(0, "the constructor"), (1, "child `a`")]);
        assert!(life.vitals.others().is_some_and(|others| others.futures.is_empty()));
        assert!(life.vitals.polls().is_empty());
    }

    #[tokio::test]
    async fn where_nobody_watches_only_the_own_task_is_seen_and_no_clock_read() {
        let cx = crate::Context::watched("worker", Watched::default());
        let life = &cx.life;
        let looks = |life: Arc<Life>| async move { (life.vitals.own_poll(), life.vitals.polls()) };
        let child = Seen::other(life, "child `a`", None, Box::pin(looks(Arc::clone(life))));
        assert!(child.seat.is_none());
        let (own, polls) = as_own(life, child).await;
        assert_eq!((own, polls), (Some(None), Vec::new()));
        assert_eq!(life.vitals.own_poll(), None);
    }

    #[tokio::test]
    async fn polls_are_counted_and_timed_where_somebody_wants_to_know() {
        for (times, expected) in [(true, 5), (false, 0)] {
            let cx = crate::Context::watched("worker", Watched { times, ..Watched::default() });
            let yields = async |times| {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            };
            as_own(&cx.life, Box::pin(yields(2))).await;
            Seen::other(&cx.life, "child `a`", None, Box::pin(yields(1))).await;
            let polls = cx.life.cell.tally.read().polls;
            assert_eq!(polls.count, expected);
            assert!(polls.max <= polls.sum && cx.life.vitals.others().is_none());
        }
    }
}
