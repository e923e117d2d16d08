//! Waiting for something until a time, which mostly is there at once.
//!
//! # Invariants
//!
//! 1. A timer is made only for what is not done when it is first looked at: nearly everything that
//!    ends when it is asked to.
//! 2. The timer is looked at whatever the future has used of its turn, so one that is always busy
//!    does not outlive its time.
//! 3. When the application begins to close meanwhile, it has its share of what that leaves, and no
//!    more: the generation's task is rung for, and looks.
//!
//! # Why not tokio's own
//!
//! `timeout_at` holds its timer in place: some 70 bytes more at each await of a teardown. They are
//! part of the future of every one, and used by none but those that are late. A teardown is awaited
//! by every service at once when an application closes, so its size is what closing waits for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::life::Life;

/// A future that has until a time: so many percent of what is left when it begins.
pub(super) struct InTime<'a, F, const SHARE: u32> {
    future: F,
    by: Instant,
    life: &'a Life,
    timer: Option<Timer>,
}

/// The timer of who is not done at once.
struct Timer {
    sleep: Pin<Box<Unconstrained<Sleep>>>,
    /// The application did not close yet when this was made.
    may_shorten: bool,
}

/// Awaits `future` until `by`; gives `None` if it has not ended by then.
///
/// It is tokio's `timeout_at`, without its room for a timer that is hardly ever needed. What is
/// left of a closing that begins meanwhile is shared as the whole was: it has `SHARE` percent.
pub(super) fn in_time<const SHARE: u32, F: Future + Unpin>(
    life: &Life,
    by: Instant,
    future: F,
) -> InTime<'_, F, SHARE> {
    InTime { future, by, life, timer: None }
}

/// Returns so many percent of a time.
pub(super) fn share(time: Duration, percent: u32) -> Duration {
    time / 100 * percent
}

impl<F, const SHARE: u32> InTime<'_, F, SHARE> {
    /// The timer; if the application has begun to close, it ends sooner.
    fn timer(&mut self) -> Pin<&mut Unconstrained<Sleep>> {
        let closing = self.life.closing_by();
        let by = self.by;
        let timer = self.timer.get_or_insert_with(|| {
            let sleep = Box::pin(unconstrained(sleep_until(by)));
            // What was made while closing, `by` allows for.
            Timer { sleep, may_shorten: closing.is_none() }
        });
        if timer.may_shorten
            && let Some(closing) = closing
        {
            timer.may_shorten = false;
            let now = Instant::now();
            let until = now + share(closing.saturating_duration_since(now), SHARE);
            if until < by {
                self.life.shorten(until);
                timer.sleep = Box::pin(unconstrained(sleep_until(until)));
            }
        }
        timer.sleep.as_mut()
    }
}

impl<F: Future + Unpin, const SHARE: u32> Future for InTime<'_, F, SHARE> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(output) = Pin::new(&mut self.future).poll(cx) {
            return Poll::Ready(Some(output));
        }
        self.timer().poll(cx).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::context::Context as Cx;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_done_at_once_needs_no_timer_and_what_takes_too_long_has_one() {
        let (cx, begin) = (Cx::detached("slow"), Instant::now());
        let mut done = in_time::<100, _>(&cx.life, begin, std::future::ready(1));
        assert_eq!(((&mut done).await, done.timer.is_none()), (Some(1), true));
        let nap = Box::pin(tokio::time::sleep(SECOND));
        assert_eq!(in_time::<100, _>(&cx.life, begin + SECOND * 2, nap).await, Some(()));
        let never = in_time::<100, _>(&cx.life, begin + SECOND * 3, pending::<()>());
        assert_eq!((never.await, begin.elapsed()), (None, SECOND * 3));
    }

    #[tokio::test(start_paused = true)]
    async fn closing_leaves_a_share_of_its_time_and_lengthens_nothing() {
        let (cx, begin) = (Cx::detached("slow"), Instant::now());
        let mut long = in_time::<40, _>(&cx.life, begin + SECOND * 60, pending::<()>());
        let mut short = in_time::<40, _>(&cx.life, begin + SECOND, pending::<()>());
        assert!((&mut long).now_or_never().is_none());
        assert!((&mut short).now_or_never().is_none());
        cx.life.vitals.office().close_by(begin + SECOND * 10);
        assert_eq!((short.await, begin.elapsed()), (None, SECOND));
        assert_eq!(long.await, None);
        // 40 % of the 9 s that are left when it looks.
        let until = begin + SECOND + SECOND * 9 / 100 * 40;
        assert_eq!((Instant::now(), cx.deadline()), (until, Some(until)));
    }

    #[tokio::test]
    async fn who_is_always_busy_does_not_outlive_its_time() {
        let busy = Box::pin(async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        });
        let (cx, by) = (Cx::detached("busy"), Instant::now() + Duration::from_millis(1));
        assert_eq!(in_time::<100, _>(&cx.life, by, busy).await, None::<()>);
    }
}
