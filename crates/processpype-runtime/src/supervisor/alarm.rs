//! The one timer of tokio's by which the loop wakes.
//!
//! # Invariants
//!
//! 1. It rings at the time that was asked for last, or before.
//! 2. What has nothing more to ring for is put off when the loop comes to rest, so that nobody
//!    wakes for it.
//!
//! # Why it is not put off at once
//!
//! Every start has a limit, and most are over long before. To set a timer anew for each wakes the
//! thread that sleeps in tokio's driver, by a call of the kernel, because it is the earliest one
//! that the driver knows; a restart cost that much more. While the loop has work, a timer
//! that is set too early is cheaper than one that is right.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// Wakes the loop at a time; or before it, for nothing.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    set: Option<Pin<Box<Sleep>>>,
}

// === impl Alarm ===

impl Alarm {
    /// Waits until a time; for ever, if there is none. May end before, if it was set for earlier.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it stays set for the next wait.
    pub(super) async fn rings(&mut self, at: Option<Instant>) {
        if self.rings_before(at) {
            // Others go on first: what they bring most often needs a time again.
            tokio::task::yield_now().await;
            self.set = None;
        }
        let Some(at) = at else { return std::future::pending().await };
        match &mut self.set {
            Some(set) if set.deadline() > at => set.as_mut().reset(at),
            Some(_) => {}
            None => self.set = Some(Box::pin(sleep_until(at))),
        }
        if let Some(set) = &mut self.set {
            set.await;
        }
        self.set = None;
    }

    /// Whether it is set for a time before that which is asked for.
    fn rings_before(&self, at: Option<Instant>) -> bool {
        self.set.as_ref().is_some_and(|set| at.is_none_or(|at| set.deadline() < at))
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits as the loop does that has other work: it looks once.
    fn is_over_at_once(wait: impl Future<Output = ()>) -> bool {
        wait.now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_time_asked_for_last() {
        let (begin, mut alarm) = (Instant::now(), Alarm::default());
        for (asked, rings) in [(30, 30), (10, 40), (20, 60)] {
            // A later wait before it, and one for ever, which others interrupt.
            assert!(!is_over_at_once(alarm.rings(Some(Instant::now() + 1000 * SECOND))));
            assert!(!is_over_at_once(alarm.rings(None)));
            alarm.rings(Some(Instant::now() + asked * SECOND)).await;
            assert_eq!(begin.elapsed().as_secs(), rings);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_with_work_leaves_it_as_it_is_and_one_at_rest_puts_it_off() {
        let (begin, mut alarm) = (Instant::now(), Alarm::default());
        assert!(!is_over_at_once(alarm.rings(Some(begin + SECOND))));
        for later in [None, Some(begin + 5 * SECOND)] {
            assert!(!is_over_at_once(alarm.rings(later)));
            assert_eq!(alarm.set.as_ref().map(|set| set.deadline()), Some(begin + SECOND));
        }

        {
            let mut rest = pin!(alarm.rings(Some(begin + 5 * SECOND)));
            assert!(!is_over_at_once(rest.as_mut()));
            rest.await;
        }
        assert_eq!(begin.elapsed(), 5 * SECOND, "not at the first second, for nothing");

        assert!(!is_over_at_once(alarm.rings(Some(begin + 9 * SECOND))));
        let rest = tokio::time::timeout(60 * SECOND, alarm.rings(None));
        assert!(rest.await.is_err(), "it rang though nobody asked");
        assert!(alarm.set.is_none());
    }
}
