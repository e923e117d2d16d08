//! How long the loop works before it lets others on its thread go on.
//!
//! # Why in parts of half a millisecond
//!
//! Under `.main()` the control plane shares the thread, embedded everybody does. They wait for some
//! of a storm, and never for its end. But each time costs: whom the loop has woken is on the same
//! thread, and is carried on by other threads only while the loop works. With 32 messages at a time
//! it took half as long again to start, or to stop, 100,000 services.

use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::BATCH;

/// After how many messages, commands, timers and asks the share is over, however quickly they were
/// taken.
const MOST: usize = 512;

/// After how much time the share is over, once a batch has been taken.
const TIME: Duration = Duration::from_micros(500);

/// What the loop has done since it last let others go on.
#[derive(Debug)]
pub(super) struct Share {
    taken: usize,
    until: Instant,
}

// === impl Share ===

impl Share {
    /// One that begins now.
    pub(super) fn new(now: Instant) -> Self {
        Self { taken: 0, until: now + TIME }
    }

    /// So much more has been taken.
    pub(super) fn take(&mut self, more: usize) {
        self.taken += more;
    }

    /// Whether it is the turn of others.
    ///
    /// Who has rested for long has no time left, and may take a batch all the same: a single
    /// message after a pause is not followed by another one.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.taken >= MOST || (self.taken >= BATCH && now >= self.until)
    }
}

/// Lets the tasks go first that stand in the queue of this thread, once.
///
/// The loop stands behind them then, where any thread of the runtime may take it, so whoever blocks
/// this one does not keep it.
pub(super) async fn give_way() {
    let mut has_given_way = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut has_given_way, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_stands_in_the_queue_goes_first_and_nobody_is_waited_for() {
        let (said, mut heard) = tokio::sync::oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "a test spawns who stands in the queue")]
        let goes = tokio::spawn(async move { said.send(()).expect("it is heard") });
        assert!(heard.try_recv().is_err(), "not before");
        give_way().await;
        assert_eq!(heard.try_recv(), Ok(()));
        goes.await.expect("no panic");
        give_way().await;
    }

    #[tokio::test(start_paused = true)]
    async fn others_go_on_after_so_much_or_after_so_long() {
        let begin = Instant::now();
        let is_over = |taken, after| {
            let mut share = Share::new(begin);
            share.take(taken);
            share.is_over(begin + after)
        };
        assert!(is_over(MOST, Duration::ZERO), "however quickly");
        assert!(!is_over(MOST - 1, TIME / 2));
        assert!(is_over(BATCH, TIME), "however little more than a batch");
        assert!(!is_over(BATCH - 1, TIME * 1000), "who has rested");
    }
}
