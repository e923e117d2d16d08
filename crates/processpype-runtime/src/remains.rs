//! What is left of a generation that does not end: who is to be named.
//!
//! # Invariants
//!
//! 1. Only what was seen is said: that a thread is blocked, if a poll is going on; for how long, as
//!    far as it was measured, and otherwise the least that it can be.
//! 2. The text has an end: at most [`NAMED_MAX`] children are named.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::supervisor::seconds;
use crate::vitals::Stage;

/// How many children a text names.
const NAMED_MAX: usize = 5;

/// The shortest poll that is called blocking here: below it, a poll is just going on.
const BLOCKED_MIN: Duration = Duration::from_millis(50);

/// What a generation still does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// The hook that the generation's own task is in, if it has not ended.
    pub(crate) hook: Option<&'static str>,
    /// How it blocks its thread, if it does.
    pub(crate) blocked: Option<Blocked>,
    /// Children, with how they block their threads, where that is known.
    pub(crate) children: Vec<(Arc<str>, Option<Blocked>)>,
    /// Handlers and bodies.
    pub(crate) requests: usize,
}

/// For how long a thread has been blocked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    Exactly(Duration),
    AtLeast(Duration),
}

/// What is known of the time when a generation's own task should have gone on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    /// When it was asked to stop.
    pub(crate) stop: Option<Instant>,
    /// When it was aborted.
    pub(crate) abort: Option<Instant>,
    /// The end of the current phase.
    pub(crate) deadline: Option<Instant>,
}

// === impl Blocked ===

impl Blocked {
    /// Judges a poll that is going on: by its beginning, or by what should have ended it.
    pub(crate) fn judge(
        began: Option<Instant>,
        due: Option<Instant>,
        now: Instant,
    ) -> Option<Self> {
        let blocked = match began {
            Some(began) => Self::Exactly(now.saturating_duration_since(began)),
            None => Self::AtLeast(now.saturating_duration_since(due?)),
        };
        Some(blocked).filter(|blocked| blocked.time() >= BLOCKED_MIN)
    }

    fn time(self) -> Duration {
        match self {
            Self::Exactly(time) | Self::AtLeast(time) => time,
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = if matches!(self, Self::AtLeast(_)) { "at least " } else { "" };
        write!(f, "has blocked its thread for {least}{}", seconds(self.time()))
    }
}

// === impl Asked ===

impl Asked {
    /// Returns when a task that is in `stage` since `since` should have left it.
    pub(crate) fn due(self, stage: Stage, since: Instant) -> Option<Instant> {
        let by_stage = match stage {
            Stage::Constructor | Stage::Start | Stage::Routes | Stage::Run | Stage::Reconfigure => {
                self.stop
            }
            Stage::Draining | Stage::Ending | Stage::Stop => self.deadline,
            Stage::Children | Stage::Drop | Stage::Left => None,
        };
        let due = [by_stage, self.abort].into_iter().flatten().min();
        due.map(|due| due.max(since))
    }
}

// === impl Remains ===

impl Remains {
    fn children(&self) -> Option<String> {
        let each = |(name, blocked): &(Arc<str>, Option<Blocked>)| match blocked {
            Some(blocked) => format!("`{name}` ({blocked})"),
            None => format!("`{name}`"),
        };
        let named: Vec<String> = self.children.iter().take(NAMED_MAX).map(each).collect();
        let (names, more) = (named.join(", "), self.children.len() - named.len());
        match (self.children.len(), more) {
            (0, _) => None,
            (1, _) => Some(format!("child {names} has not ended")),
            (_, 0) => Some(format!("children {names} have not ended")),
            (_, more) => Some(format!("children {names} and {more} more have not ended")),
        }
    }

    fn requests(&self) -> Option<String> {
        match self.requests {
            0 => None,
            1 => Some("a request has not ended".to_owned()),
            many => Some(format!("{many} requests have not ended")),
        }
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = self.hook.map(|hook| match self.blocked {
            Some(blocked) => format!("{hook} {blocked}"),
            None => format!("{hook} has not ended"),
        });
        let all = [own, self.children(), self.requests()];
        let all: Vec<String> = all.into_iter().flatten().collect();
        match &all[..] {
            [] => f.write_str("its task has not ended"),
            all => f.write_str(&all.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[track_caller]
    fn check(remains: &Remains, expected: &str) {
        assert_eq!(remains.to_string(), expected);
    }

    fn children(names: &[&str]) -> Remains {
        let children = names.iter().map(|name| (Arc::from(*name), None)).collect();
        Remains { children, ..Remains::default() }
    }

    #[test]
    fn everything_that_is_left_is_named() {
        check(&Remains::default(), "its task has not ended");
        let hook = Some("`run`");
        check(&Remains { hook, ..Remains::default() }, "`run` has not ended");
        let blocked = Some(Blocked::Exactly(SECOND * 3));
        let run = Remains { hook, blocked, ..Remains::default() };
        check(&run, "`run` has blocked its thread for 3.0 s");
        let blocked = Some(Blocked::AtLeast(SECOND * 12));
        let run = Remains { blocked, requests: 2, ..run };
        check(&run, "`run` has blocked its thread for at least 12 s; 2 requests have not ended");
        check(&children(&["copier"]), "child `copier` has not ended");
        check(&children(&["a", "b"]), "children `a`, `b` have not ended");
        let many = children(&["a", "b", "c", "d", "e", "f", "g"]);
        check(&many, "children `a`, `b`, `c`, `d`, `e` and 2 more have not ended");
        let mut one = children(&["copier"]);
        one.children[0].1 = Some(Blocked::Exactly(SECOND));
        check(&one, "child `copier` (has blocked its thread for 1.0 s) has not ended");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_overdue_is_counted_from_what_should_have_ended_it() {
        let base = Instant::now();
        let at = |seconds: u32| base + SECOND * seconds;
        let due = |stage, since, stop: Option<u32>, abort: Option<u32>, deadline: Option<u32>| {
            let asked =
                Asked { stop: stop.map(at), abort: abort.map(at), deadline: deadline.map(at) };
            asked.due(stage, at(since)).map(|due| (due - base).as_secs())
        };
        assert_eq!(due(Stage::Run, 1, None, None, None), None, "nobody wants it to end");
        assert_eq!(due(Stage::Run, 1, Some(5), Some(20), None), Some(5));
        assert_eq!(due(Stage::Draining, 5, Some(5), None, Some(9)), Some(9));
        assert_eq!(due(Stage::Stop, 10, Some(5), Some(11), Some(15)), Some(11));
        assert_eq!(
            due(Stage::Stop, 10, Some(5), Some(7), Some(15)),
            Some(10),
            "not before it began"
        );
        assert_eq!(due(Stage::Drop, 10, Some(5), None, Some(15)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_blocks_from_some_time_on() {
        let base = Instant::now();
        let judge = |began, due, now| Blocked::judge(began, due, base + now);
        let short = BLOCKED_MIN - Duration::from_millis(1);
        assert_eq!(judge(Some(base), None, short), None);
        assert_eq!(judge(Some(base), None, SECOND), Some(Blocked::Exactly(SECOND)));
        assert_eq!(judge(None, Some(base), SECOND), Some(Blocked::AtLeast(SECOND)));
        assert_eq!(judge(None, None, SECOND), None);
    }
}
