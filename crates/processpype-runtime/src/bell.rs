//! Who waits for something to change, and how they are woken.
//!
//! # Invariants
//!
//! 1. Nobody misses a change: who waits is known before they look, and who changes something rings
//!    after the change.
//! 2. A bell at which nobody waits costs one pointer, and ringing it a look at that. The
//!    list of those who wait is made for the first of them.
//! 3. Whoever waits in the list is woken by code of their own executor, in the middle of what
//!    rings: a panic there is logged, and ends neither that nor the wake-ups of others.
//!
//! # Why nobody misses a change
//!
//! ```text
//! who waits                     who changes
//!   takes a place                 changes
//!   fence                         fence
//!   looks                         looks for places, and wakes them
//! ```
//!
//! Of two fences one is the first. If it is the waiting one's, the other sees the place; else the
//! waiting one sees the change. The same holds for a task that makes a bell its own.
//!
//! # The bell of a task
//!
//! What waits within one task is woken with it: however many futures of a generation wait for its
//! end, in its own task they need no place of their own. So a [`TaskBell`] wakes its task, and only
//! who waits elsewhere has a place in the list. Where a future is polled is told by its waker, as
//! for every future: combinators that poll with wakers of their own wait in the list.
//!
//! # Wakers of others
//!
//! Anybody may wait for an application on an executor of their own, and whoever rings runs its
//! waker: mostly the loop. So a waker that panics is contained, each by itself. One that blocks
//! keeps the loop for as long, which nothing but a thread for each ring could change: a waker is
//! there to be called from anywhere, and has to come back.

use std::pin::Pin;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker, ready};

use once_cell::race::OnceBox;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::panic::{Fragile, contain};

/// Wakes everybody who waits for a change.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// Made for the first who waits.
    waiting: OnceBox<Notify>,
}

/// The bell of what belongs to one task: it wakes that task, and everybody else who waits.
#[derive(Debug, Default)]
pub(crate) struct TaskBell {
    /// The task, from its first poll on.
    task: OnceLock<Waker>,
    others: Bell,
}

/// Where somebody may wait: a bell, or what has one.
pub(crate) trait Ring {
    /// The list for those who are not woken anyway.
    fn list(&self) -> &Bell;

    /// Whether who is woken by `waker` is woken by every ring.
    fn wakes(&self, waker: &Waker) -> bool;

    /// Waits until `look` gives a value; looks again after every ring.
    ///
    /// It is told what it looks at, so a wait for a thing that has a bell is two pointers.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    fn until<T, F: FnMut(&Self) -> Option<T>>(&self, look: F) -> Until<'_, Self, F>
    where
        Self: Sized,
    {
        Until { bell: self, look, place: None }
    }
}

/// A wait for something to be as it should.
pub(crate) struct Until<'a, B, F> {
    bell: &'a B,
    look: F,
    /// The place in the list, if one is needed.
    place: Option<Pin<Box<Notified<'a>>>>,
}

/// A waker of whatever executor somebody waits on.
struct Foreign(Fragile<Waker>);

/// Answers who asked, who may not be waiting any more, and is woken like anybody else who waits.
pub(crate) fn reply<T>(asker: oneshot::Sender<T>, answer: T) {
    wake_contained(|| drop(asker.send(answer)));
}

/// Wakes somebody. A panic of how that is done is logged, and goes no further.
fn wake_contained(wake: impl FnOnce()) {
    if let Err(panicked) = contain(wake) {
        tracing::error!(target: "processpype", "who waited could not be woken: {panicked}");
    }
}

// === impl Bell ===

impl Bell {
    /// Wakes everybody who waits: what they look at has changed.
    pub(crate) fn ring(&self) {
        // Who began to wait before this is seen here; who begins after it sees the change.
        fence(Ordering::SeqCst);
        if let Some(waiting) = self.waiting.get() {
            waiting.notify_waiters();
        }
    }

    /// Takes a place in the list.
    fn place(&self) -> Notified<'_> {
        let place = self.waiting.get_or_init(Box::default).notified();
        fence(Ordering::SeqCst);
        place
    }
}

impl Ring for Bell {
    fn list(&self) -> &Bell {
        self
    }

    fn wakes(&self, _: &Waker) -> bool {
        false
    }
}

// === impl TaskBell ===

impl TaskBell {
    /// Makes this the bell of the task that is polled. Its own poll calls it, before it looks.
    pub(crate) fn belongs_to(&self, task: &Waker) {
        if self.task.get().is_none() {
            let _ = self.task.set(task.clone());
            fence(Ordering::SeqCst);
        }
    }

    /// Wakes the task and everybody else who waits.
    pub(crate) fn ring(&self) {
        self.ring_others();
        if let Some(task) = self.task.get() {
            task.wake_by_ref();
        }
    }

    /// Wakes those who wait elsewhere. For the task itself, which goes on looking anyway.
    pub(crate) fn ring_others(&self) {
        self.others.ring();
    }
}

impl Ring for TaskBell {
    fn list(&self) -> &Bell {
        &self.others
    }

    fn wakes(&self, waker: &Waker) -> bool {
        self.task.get().is_some_and(|task| task.will_wake(waker))
    }
}

// === impl Foreign ===

impl Wake for Foreign {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        wake_contained(|| self.0.wake_by_ref());
    }
}

// === impl Until ===

/// Nothing in it is pinned but what is in a box.
impl<B, F> Unpin for Until<'_, B, F> {}

impl<T, B: Ring, F: FnMut(&B) -> Option<T>> Future for Until<'_, B, F> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        loop {
            if let Some(value) = (this.look)(this.bell) {
                this.place = None;
                return Poll::Ready(value);
            }
            if this.bell.wakes(cx.waker()) {
                this.place = None;
                return Poll::Pending;
            }
            match &mut this.place {
                Some(place) => {
                    let waker = Waker::from(Arc::new(Foreign(cx.waker().clone().into())));
                    ready!(place.as_mut().poll(&mut Context::from_waker(&waker)));
                    // It rang: another place, and another look.
                    place.set(this.bell.list().place());
                    place.as_mut().enable();
                }
                None => {
                    let place = this.place.insert(Box::pin(this.bell.list().place()));
                    place.as_mut().enable();
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests spawn who waits")]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use futures_util::stream::{FuturesUnordered, StreamExt as _};

    use super::*;

    /// A bell, and what is looked at.
    #[derive(Debug, Default)]
    struct Subject {
        bell: TaskBell,
        value: AtomicU32,
    }

    impl Subject {
        fn reaches(&self, value: u32) -> impl Future<Output = u32> + '_ {
            self.bell.until(move |_| Some(self.value.load(SeqCst)).filter(|now| *now >= value))
        }

        fn set(&self, value: u32) {
            self.value.store(value, SeqCst);
            self.bell.ring();
        }

        /// Runs `future` as the task whose bell this is.
        async fn own<F: Future>(self: Arc<Self>, future: F) -> F::Output {
            let mut future = Box::pin(future);
            std::future::poll_fn(|cx| {
                self.bell.belongs_to(cx.waker());
                future.as_mut().poll(cx)
            })
            .await
        }
    }

    #[tokio::test]
    async fn everybody_is_woken_wherever_they_wait() {
        let subject = Arc::new(Subject::default());
        let waits = |value| {
            let subject = Arc::clone(&subject);
            async move { subject.reaches(value).await }
        };
        let own = tokio::spawn(Arc::clone(&subject).own(waits(1)));
        let own_late = waits(2);
        let elsewhere = tokio::spawn(waits(2));
        // A combinator that polls with wakers of its own, within the task.
        let within = Arc::new(Subject::default());
        let gathered = tokio::spawn(Arc::clone(&within).own({
            let waits = |value| {
                let within = Arc::clone(&within);
                async move { within.reaches(value).await }
            };
            let waits = FuturesUnordered::from_iter([waits(1), waits(2)]);
            waits.collect::<Vec<u32>>()
        }));
        tokio::task::yield_now().await;
        subject.set(1);
        assert_eq!(own.await.unwrap(), 1);
        tokio::task::yield_now().await;
        subject.set(2);
        assert_eq!((elsewhere.await.unwrap(), own_late.await), (2, 2));
        within.set(1);
        tokio::task::yield_now().await;
        within.set(2);
        assert_eq!(gathered.await.unwrap(), [1, 2]);
    }

    #[tokio::test]
    async fn a_wait_can_move_from_one_task_to_another() {
        let subject = Arc::new(Subject::default());
        let shared = Arc::clone(&subject);
        let mut wait: Pin<Box<dyn Future<Output = u32> + Send>> =
            Box::pin(async move { shared.reaches(1).await });
        // Polled once in the task whose bell it is, where it takes no place.
        let once = std::future::poll_fn(|cx| {
            assert!(wait.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        });
        Arc::clone(&subject).own(once).await;
        assert!(subject.bell.others.waiting.get().is_none());
        let elsewhere = tokio::spawn(wait);
        tokio::task::yield_now().await;
        assert!(subject.bell.others.waiting.get().is_some());
        subject.set(1);
        assert_eq!(elsewhere.await.unwrap(), 1);
    }

    /// Many rings from another thread, none of which may be lost.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_ring_is_lost() {
        for is_own in [true, false] {
            let (subject, answer) = (Arc::new(Subject::default()), Arc::new(Subject::default()));
            let waits = {
                let (subject, answer) = (Arc::clone(&subject), Arc::clone(&answer));
                async move {
                    for value in 1..=5000 {
                        subject.reaches(value).await;
                        answer.set(value);
                    }
                }
            };
            let waits = match is_own {
                true => tokio::spawn(Arc::clone(&subject).own(waits)),
                false => tokio::spawn(waits),
            };
            for value in 1..=5000 {
                subject.set(value);
                answer.reaches(value).await;
            }
            waits.await.unwrap();
        }
    }
}
