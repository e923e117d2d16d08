//! When a generation counts as hung, and what follows.
//!
//! # Invariants
//!
//! 1. A limit lies between [`HANG_LIMIT_MIN`] and [`HANG_LIMIT_MAX`]: nobody is looked at without
//!    pause, and no look is beyond the end of the clock.
//! 2. What decides is pure: times go in, what was found comes out. It says when to look again, and
//!    that is always later than now.
//! 3. Each silence and each blocked poll is found once.

use std::fmt;
use std::time::Duration;

/// The shortest limit of a heartbeat or a watchdog.
///
/// The supervisor looks at a watched generation about as often as its limit says; more often than
/// this, looking would cost more than it finds.
pub const HANG_LIMIT_MIN: Duration = Duration::from_millis(10);

/// The longest limit of a heartbeat or a watchdog.
pub const HANG_LIMIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How soon a generation that was found hung is looked at again, if its limit is longer: so that
/// its recovery does not stay unseen for long.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A look that comes later than this finds nobody hung: the process was stopped, or had no
/// processor, and so had those who are looked at.
const LATE: Duration = Duration::from_secs(1);

/// What follows when a service is found hung.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnHang {
    /// It is told: as an event, in the log, and as `degraded` in the status.
    #[default]
    Report,
    /// The generation fails, is torn down, and its restart policy decides what comes next.
    Restart,
}

/// How long a service may be silent, or block a thread, and what follows then.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_runtime::*;
/// #     pub use processpype_runtime as registration;
/// # }
/// use processpype::OnHang;
/// use processpype::registration::HangLimit;
/// use std::time::Duration;
///
/// let limit = HangLimit::new(Duration::from_secs(30), OnHang::Restart)?;
/// assert_eq!(limit.after(), Duration::from_secs(30));
/// assert!(HangLimit::new(Duration::ZERO, OnHang::Report).is_err());
/// # Ok::<(), processpype_runtime::InvalidHangLimit>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HangLimit {
    after: Duration,
    then: OnHang,
}

/// A limit that is too short or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHangLimit {
    after: Duration,
}

/// What is known of the beats of a generation.
#[derive(Debug)]
pub(crate) struct Heart {
    pub(crate) limit: HangLimit,
    lost: bool,
}

/// When a look is to come, on the scale of the generation.
#[derive(Debug, Default)]
pub(crate) struct Appointment {
    at: Option<Duration>,
    was_missed: bool,
}

/// What a look found that was not known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    Hung(T),
    Recovered(T),
}

/// What is known of the polls of a generation.
#[derive(Debug)]
pub(crate) struct PollWatch {
    pub(crate) limit: HangLimit,
    /// The polls that were found blocked and have not ended: at most one for each thread.
    blocked: Vec<Poll>,
}

/// A poll that is going on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Poll {
    /// Which future of the generation.
    pub(crate) future: u64,
    /// What it is called.
    pub(crate) what: String,
    /// When it began, on the generation's own scale.
    pub(crate) began: Duration,
}

// === impl HangLimit ===

impl HangLimit {
    /// Makes a limit.
    ///
    /// Which time is right is the service's to know: some times its longest honest pause. What is
    /// too short calls the healthy hung.
    ///
    /// # Errors
    ///
    /// Returns an error if `after` is not between [`HANG_LIMIT_MIN`] and [`HANG_LIMIT_MAX`].
    pub fn new(after: Duration, then: OnHang) -> Result<Self, InvalidHangLimit> {
        if (HANG_LIMIT_MIN..=HANG_LIMIT_MAX).contains(&after) {
            Ok(Self { after, then })
        } else {
            Err(InvalidHangLimit { after })
        }
    }

    /// Returns the longest time that is no hang.
    #[must_use]
    pub fn after(&self) -> Duration {
        self.after
    }

    /// Returns what follows.
    #[must_use]
    pub fn then(&self) -> OnHang {
        self.then
    }

    /// Returns what is left of the limit; `None` if it is passed.
    fn left(&self, since: Duration) -> Option<Duration> {
        self.after.checked_sub(since).filter(|left| !left.is_zero())
    }

    fn look_again(&self) -> Duration {
        self.after.min(LOOK_AGAIN)
    }
}

// === impl Heart ===

impl Heart {
    pub(crate) fn new(limit: HangLimit) -> Self {
        Self { limit, lost: false }
    }

    /// Whether its silence was found, and not its end.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost
    }

    /// Looks at a generation that has been silent for some time. Returns what that says, and how
    /// long to wait for the next look.
    pub(crate) fn look(&mut self, silent: Duration) -> (Option<Found<()>>, Duration) {
        let left = self.limit.left(silent);
        let was_lost = std::mem::replace(&mut self.lost, left.is_none());
        let found = match (was_lost, self.lost) {
            (false, true) => Some(Found::Hung(())),
            (true, false) => Some(Found::Recovered(())),
            (false, false) | (true, true) => None,
        };
        (found, left.unwrap_or_else(|| self.limit.look_again()))
    }
}

// === impl Appointment ===

impl Appointment {
    /// The next look comes at that time.
    pub(crate) fn make(&mut self, at: Duration) {
        self.at = Some(at);
    }

    /// Whether a look comes so late that it says nothing. The one after it does, however late:
    /// whoever keeps the whole process busy is found all the same.
    pub(crate) fn is_missed(&mut self, now: Duration) -> bool {
        let is_late = self.at.is_some_and(|at| now.saturating_sub(at) > LATE);
        self.was_missed = is_late && !self.was_missed;
        self.was_missed
    }
}

// === impl PollWatch ===

impl PollWatch {
    pub(crate) fn new(limit: HangLimit) -> Self {
        Self { limit, blocked: Vec::new() }
    }

    /// Looks at the polls that are going on. Returns what is new, and how long to wait for the next
    /// look.
    ///
    /// No poll beyond the limit is missed: one that begins after a look is seen by the next one,
    /// and then looked at when its own time is over.
    pub(crate) fn look(&mut self, polls: &[Poll], now: Duration) -> (Vec<Found<Poll>>, Duration) {
        let (still, ended) = self.blocked.drain(..).partition(|poll| polls.contains(poll));
        self.blocked = still;
        let mut found: Vec<_> = Vec::<Poll>::into_iter(ended).map(Found::Recovered).collect();
        let mut wait = self.limit.after;
        for poll in polls {
            match self.limit.left(now.saturating_sub(poll.began)) {
                Some(left) => wait = wait.min(left),
                None => {
                    wait = wait.min(self.limit.look_again());
                    if !self.blocked.contains(poll) {
                        self.blocked.push(poll.clone());
                        found.push(Found::Hung(poll.clone()));
                    }
                }
            }
        }
        (found, wait)
    }

    /// Returns what blocks a thread, as far as the last look has seen.
    pub(crate) fn blocked(&self) -> impl Iterator<Item = &str> {
        self.blocked.iter().map(|poll| poll.what.as_str())
    }
}

// === impl InvalidHangLimit ===

impl fmt::Display for InvalidHangLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a limit of {:?} is not between 10ms and 24h", self.after)
    }
}

impl std::error::Error for InvalidHangLimit {}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn limit(milliseconds: u64) -> HangLimit {
        HangLimit::new(millis(milliseconds), OnHang::Report).expect("a good limit")
    }

    #[test]
    fn limits_are_bounded() {
        for (after, is_good) in [
            (Duration::ZERO, false),
            (HANG_LIMIT_MIN - millis(1), false),
            (HANG_LIMIT_MIN, true),
            (HANG_LIMIT_MAX, true),
            (HANG_LIMIT_MAX + millis(1), false),
            (Duration::MAX, false),
        ] {
            assert_eq!(HangLimit::new(after, OnHang::Report).is_ok(), is_good, "{after:?}");
        }
    }

    #[test]
    fn a_silence_is_found_once_and_so_is_its_end() {
        let mut heart = Heart::new(limit(30_000));
        let mut check = |silent, found, wait| {
            assert_eq!(heart.look(millis(silent)), (found, millis(wait)), "{silent}");
        };
        check(0, None, 30_000);
        check(29_999, None, 1);
        check(30_000, Some(Found::Hung(())), 1_000);
        check(31_000, None, 1_000);
        check(200, Some(Found::Recovered(())), 29_800);
        check(30_200, Some(Found::Hung(())), 1_000);
    }

    #[test]
    fn a_look_that_comes_late_says_nothing_but_not_twice_in_a_row() {
        let mut appointment = Appointment::default();
        assert!(!appointment.is_missed(millis(90_000)), "nobody has made one");
        for (at, now, is_missed) in [
            (30_000, 30_000, false),
            (60_000, 61_000, false),
            (90_000, 91_001, true),
            (121_001, 150_000, false),
            (180_000, 190_000, true),
            (220_000, 220_001, false),
            (250_000, 260_000, true),
        ] {
            appointment.make(millis(at));
            assert_eq!(appointment.is_missed(millis(now)), is_missed, "{at}");
        }
    }

    #[test]
    fn a_short_limit_is_looked_at_as_often_as_it_says() {
        let mut heart = Heart::new(limit(50));
        assert_eq!(heart.look(millis(50)), (Some(Found::Hung(())), millis(50)));
    }

    /// One look at the polls of one future: those that began at these times.
    #[track_caller]
    fn check(watch: &mut PollWatch, now: u64, began: &[u64], expected: &[(bool, u64)], wait: u64) {
        let poll =
            |&began: &u64| Poll { future: 1, what: "`run`".to_owned(), began: millis(began) };
        let polls: Vec<Poll> = began.iter().map(poll).collect();
        let (found, next) = watch.look(&polls, millis(now));
        let found: Vec<(bool, u64)> = found
            .iter()
            .map(|found| match found {
                Found::Hung(poll) => (true, poll.began.as_millis() as u64),
                Found::Recovered(poll) => (false, poll.began.as_millis() as u64),
            })
            .collect();
        assert_eq!(found, expected, "at {now}");
        assert_eq!(next, millis(wait), "at {now}");
    }

    #[test]
    fn a_blocked_poll_is_found_when_its_own_time_is_over_and_once() {
        let mut watch = PollWatch::new(limit(1_000));
        check(&mut watch, 1_000, &[], &[], 1_000);
        check(&mut watch, 2_000, &[1_001], &[], 1);
        check(&mut watch, 2_001, &[1_001], &[(true, 1_001)], 1_000);
        check(&mut watch, 3_001, &[1_001], &[], 1_000);
        check(&mut watch, 4_001, &[], &[(false, 1_001)], 1_000);
    }

    #[test]
    fn a_new_poll_of_the_same_future_is_another_one() {
        let mut watch = PollWatch::new(limit(1_000));
        check(&mut watch, 1_000, &[0], &[(true, 0)], 1_000);
        check(&mut watch, 2_000, &[1_500], &[(false, 0)], 500);
        check(&mut watch, 2_500, &[1_500], &[(true, 1_500)], 1_000);
    }

    #[test]
    fn several_polls_are_looked_at_by_the_nearest_limit() {
        let mut watch = PollWatch::new(limit(10_000));
        check(&mut watch, 10_000, &[0, 500, 9_000], &[(true, 0)], 500);
        check(&mut watch, 10_500, &[0, 500, 9_000], &[(true, 500)], 1_000);
        check(&mut watch, 11_500, &[9_000], &[(false, 0), (false, 500)], 7_500);
    }

    #[test]
    fn a_poll_that_began_after_the_clock_was_read_has_all_its_time() {
        let mut watch = PollWatch::new(limit(1_000));
        check(&mut watch, 1_000, &[1_001], &[], 1_000);
    }
}
