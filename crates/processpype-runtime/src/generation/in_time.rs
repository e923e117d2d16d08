//! Waiting for something until a time, which mostly is there at once.
//!
//! # Invariants
//!
//! 1. A timer is made only for what is not done when it is first looked at: nearly everything that
//!    ends when it is asked to.
//! 2. The timer is looked at whatever the future has used of its turn, so one that is always busy
//!    does not outlive its time.
//!
//! # Why not tokio's own
//!
//! `timeout_at` holds its timer in place: some 70 bytes more at each await of a teardown. They are
//! part of the future of every one, and used by none but those that are late. A teardown is awaited
//! by every service at once when an application closes, so its size is what closing waits for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::coop::{Unconstrained, unconstrained};
use tokio::time::{Instant, Sleep, sleep_until};

/// A future that has until a time.
pub(super) struct InTime<F> {
    future: F,
    by: Instant,
    timer: Option<Pin<Box<Unconstrained<Sleep>>>>,
}

/// Awaits `future` until `by`; gives `None` if it has not ended by then.
///
/// It is tokio's `timeout_at`, without its room for a timer that is hardly ever needed.
pub(super) fn in_time<F: Future + Unpin>(by: Instant, future: F) -> InTime<F> {
    InTime { future, by, timer: None }
}

impl<F: Future + Unpin> Future for InTime<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { future, by, timer } = &mut *self;
        if let Poll::Ready(output) = Pin::new(future).poll(cx) {
            return Poll::Ready(Some(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(unconstrained(sleep_until(*by))));
        timer.as_mut().poll(cx).map(|()| None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_is_done_at_once_needs_no_timer_and_what_takes_too_long_has_one() {
        let begin = Instant::now();
        let mut done = in_time(begin, std::future::ready(1));
        assert_eq!(((&mut done).await, done.timer.is_none()), (Some(1), true));
        let nap = Box::pin(tokio::time::sleep(SECOND));
        assert_eq!(in_time(begin + SECOND * 2, nap).await, Some(()));
        let never = in_time(begin + SECOND * 3, std::future::pending::<()>());
        assert_eq!((never.await, begin.elapsed()), (None, SECOND * 3));
    }

    #[tokio::test]
    async fn who_is_always_busy_does_not_outlive_its_time() {
        let busy = Box::pin(async {
            loop {
                tokio::task::coop::consume_budget().await;
            }
        });
        assert_eq!(in_time(Instant::now() + Duration::from_millis(1), busy).await, None::<()>);
    }
}
