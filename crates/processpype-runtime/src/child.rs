//! Children of a generation: tasks and blocking work that live and end with it.
//!
//! # Invariants
//!
//! 1. A child is counted before it begins and until nothing of it is left: a generation is gone
//!    only when its children are.
//! 2. No end of a child goes unseen: an error or a panic that nobody awaits ends the generation.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll};

use futures_util::FutureExt as _;
use processpype_core::ErrorKind;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::failure::Failure;
use crate::life::{Life, Phase};
use crate::panic::{Panicked, contain, contained};
use crate::text::within;
use crate::vitals::Seen;

/// The longest name of a child that is told, in bytes: a text that names several stays short.
const CHILD_NAME_MAX: usize = 128;

/// A blocking child of a generation, as a future of its value.
///
/// A panic of the child is an error here or, if the future was dropped, ends the generation.
///
/// Dropping it does not stop the child; nothing can.
#[derive(Debug)]
pub struct BlockingChild<T> {
    receiver: oneshot::Receiver<Result<T, Panicked>>,
    life: Arc<Life>,
    what: String,
}

/// What a child task can end with: nothing, or a result.
///
/// Implemented for `()` and for results whose error converts into [`Error`].
pub trait ChildOutput: Send + 'static {
    /// Converts into the framework's result.
    ///
    /// # Errors
    ///
    /// Returns the child's error: it ends the generation as `child-failed`.
    fn into_result(self) -> Result;
}

// === impl Context ===

impl Context {
    /// Runs `future` as a named child of this generation.
    ///
    /// Children are told to stop together with `run` and are part of the generation: it is gone
    /// only when they are. A child that ends with an error or a panic ends the generation as
    /// `child-failed`. Once the generation runs `stop`, no child is taken any more and `future` is
    /// dropped.
    ///
    /// Its end with `()` or `Ok(())` is nothing special: a child may be a short job. The child does
    /// not hear of a stop by itself; give it a clone of the context:
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{Context, Result, Service};
    /// use std::time::Duration;
    ///
    /// struct Mailer;
    ///
    /// impl Service for Mailer {
    ///     async fn run(&self, cx: &Context) -> Result {
    ///         let own = cx.clone();
    ///         cx.spawn("flush", async move {
    ///             while own.sleep(Duration::from_secs(5)).await { /* flush */ }
    ///         });
    ///         cx.stopping().await;
    ///         Ok(())
    ///     }
    /// }
    /// # let _ = Mailer;
    /// ```
    ///
    /// A child that has not ended when its phase of the stop is over is aborted at its next await.
    /// A child that blocks its thread belongs into [`spawn_blocking`](Self::spawn_blocking); one
    /// that nothing may wait for belongs into `tokio::spawn`, and is then nobody's.
    ///
    /// Returns whether the child was taken. Of its name at most 128 bytes are told.
    ///
    /// # Panics
    ///
    /// Never, not even outside a runtime: children run on the services' runtime. With more than
    /// [`CHILDREN_MAX`](crate::CHILDREN_MAX) children the generation ends as `child-failed`.
    pub fn spawn<F>(&self, name: &str, future: F) -> bool
    where
        F: Future + Send + 'static,
        F::Output: ChildOutput,
    {
        let name = within(name, CHILD_NAME_MAX);
        let Some(guard) = self.track(name, Phase::Closing) else { return false };
        let life = Arc::clone(&self.life);
        let what = format!("child `{name}`");
        let span = tracing::Span::current();
        let child = guard.child();
        // What it comes to is made into a result by code of the service, too.
        let future = contained(future.map(ChildOutput::into_result));
        let body = async move {
            // Named first: what an async block has taken in is dropped in the order of its mention,
            // and who is aborted before its first poll is counted until its future is gone.
            let future = future;
            let outcome = Seen::other(guard.life(), &what, guard.child(), future).await;
            settle_child(guard.life(), &what, outcome);
            drop(guard);
        };
        let handle = life.services().spawn(body.instrument(span).boxed()).abort_handle();
        if let Some(child) = child {
            life.arm(child, handle);
        }
        true
    }

    /// Runs `work` as a named child on a thread where it may block; awaiting the returned child
    /// gives its value.
    ///
    /// It begins at once and is part of the generation, awaited or not. It cannot be cut: a
    /// generation whose blocking child does not end is orphaned at the end of `stop_timeout`. Ask
    /// [`is_stopping`](Self::is_stopping) now and then. It is there in
    /// [`Service::stop`](crate::Service::stop) too: to flush a file, to close a database.
    ///
    /// For files, compression, C libraries: work that blocks or computes for more than some 100 µs
    /// between two awaits. Inside [`spawn`](Self::spawn) it would hold a worker that others need.
    ///
    /// In a test on paused time the clock stands still while `work` runs: tokio waits for it. One
    /// that runs as long as its service stops the time of all.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::Context;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype_runtime::Result {
    /// # let cx = Context::detached("hasher");
    /// let sum = cx.spawn_blocking("sum", || (1..=1000_u64).sum::<u64>()).await?;
    /// assert_eq!(sum, 500_500);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The child is an error if it panicked, or if it was not started because the
    /// service's `stop` has returned.
    pub fn spawn_blocking<F, T>(&self, name: &str, work: F) -> BlockingChild<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        let name = within(name, CHILD_NAME_MAX);
        let what = format!("child `{name}`");
        let child = BlockingChild { receiver, life: Arc::clone(&self.life), what: what.clone() };
        if let Some(guard) = self.track(name, Phase::Closed) {
            let span = tracing::Span::current();
            self.life.services().spawn_blocking(move || {
                let outcome = span.in_scope(|| contain(work));
                let unseen = match sender.send(outcome) {
                    Ok(()) => None,
                    Err(Err(panicked)) => Some(panicked),
                    Err(Ok(value)) => contain(move || drop(value)).err(),
                };
                if let Some(panicked) = unseen {
                    // Nobody awaits it: the generation must know.
                    guard.life().fail_child(Failure::from_panic(&what, &panicked).of_child());
                }
                drop(guard);
            });
        }
        child
    }

    /// Counts a child, or says by `None` that there is none. Too many children are the fault of the
    /// service, and end it; a child that comes too late is just not taken.
    fn track(&self, name: &str, last: Phase) -> Option<crate::life::Guard> {
        match self.life.track(name.into(), last) {
            Ok(guard) => Some(guard),
            Err(crate::life::NotTracked::Stopping) => None,
            Err(reason @ crate::life::NotTracked::TooMany) => {
                self.life.fail_child(Failure::new(ErrorKind::ChildFailed, reason.to_string()));
                None
            }
        }
    }
}

/// What the end of a child means for its generation.
fn settle_child(life: &Life, what: &str, outcome: Result<Result, Panicked>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            life.fail_child(Failure::from_error(ErrorKind::Failed, what, error).of_child());
        }
        Err(panicked) => life.fail_child(Failure::from_panic(what, &panicked).of_child()),
    }
}

/// Closes the way from a child, and returns the panic that has come over it by then.
///
/// Closed first: so the child either has been heard, or learns that it was not.
fn last_look<T>(
    receiver: &mut oneshot::Receiver<std::result::Result<T, Panicked>>,
) -> Option<Panicked> {
    receiver.close();
    receiver.try_recv().ok()?.err()
}

// === impl BlockingChild ===

impl<T> Future for BlockingChild<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<T>> {
        Pin::new(&mut self.receiver).poll(cx).map(|received| match received {
            Ok(outcome) => outcome.map_err(Error::from),
            Err(_) => Err(Error::from("the service is stopping: the child was not started")),
        })
    }
}

impl<T> Drop for BlockingChild<T> {
    /// A panic that nobody looked at ends the generation.
    ///
    /// Closed first: what has come by then is seen here, and what comes later by the child itself,
    /// which is told that nobody takes it.
    fn drop(&mut self) {
        if let Some(panicked) = last_look(&mut self.receiver) {
            self.life.fail_child(Failure::from_panic(&self.what, &panicked).of_child());
        }
    }
}

// === impl ChildOutput ===

impl ChildOutput for () {
    fn into_result(self) -> Result {
        Ok(())
    }
}

impl<E: Into<Error> + Send + 'static> ChildOutput for std::result::Result<(), E> {
    fn into_result(self) -> Result {
        self.map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::resume_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    /// For how long the two ends meet again and again: some 10,000 times on a quiet machine.
    const MEETINGS: Duration = Duration::from_secs(1);

    /// How much later one of them may come.
    const DELAY_MAX: usize = 500;

    /// Panics when it is dropped, without a hook that prints something.
    struct Sore;

    impl Drop for Sore {
        fn drop(&mut self) {
            resume_unwind(Box::new("dropped"))
        }
    }

    #[tokio::test]
    async fn a_value_that_nobody_takes_may_panic_when_it_is_dropped() {
        let cx = Context::detached("sore");
        let (go, gone) = std::sync::mpsc::channel();
        let child = cx.spawn_blocking("sore", move || {
            gone.recv().ok();
            Sore
        });
        drop(child);
        go.send(()).expect("it waits");
        while cx.life.left().children {
            tokio::task::yield_now().await;
        }
        assert!(cx.life.take_child_failure().is_some(), "nobody saw it");
    }

    /// Notes when it is dropped whether its generation still counts a child.
    struct Payload(Context, Arc<AtomicUsize>);

    impl Drop for Payload {
        fn drop(&mut self) {
            self.1.store(1 + usize::from(self.0.life.left().children), SeqCst);
        }
    }

    #[tokio::test]
    async fn a_child_that_is_aborted_before_its_first_poll_is_counted_until_its_future_is_gone() {
        let (cx, seen) = (Context::detached("quick"), Arc::new(AtomicUsize::new(0)));
        let payload = Payload(cx.clone(), Arc::clone(&seen));
        cx.spawn("unborn", async move {
            std::future::pending::<()>().await;
            drop(payload);
        });
        cx.life.abort_children();
        while seen.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(seen.load(SeqCst), 2, "it was gone before its future");
    }

    /// Waits without giving up the thread, and now and then does: there may be one for both.
    fn wait(is_over: impl Fn() -> bool) {
        for turn in 1.. {
            if is_over() {
                return;
            }
            match turn % 1000 {
                0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }

    #[test]
    fn a_panic_is_heard_by_the_last_look_or_given_back_to_the_child() {
        let panicked = || contain(|| resume_unwind(Box::new("met"))).map(|(): ()| ());
        let (sender, mut receiver) = oneshot::channel();
        assert!(sender.send(panicked()).is_ok());
        assert!(last_look(&mut receiver).is_some(), "it came before");
        let (sender, mut receiver) = oneshot::channel();
        assert!(last_look(&mut receiver).is_none());
        assert!(sender.send(panicked()).is_err(), "it comes after the look, and before the drop");
    }

    #[tokio::test]
    async fn a_panic_that_meets_the_drop_of_its_child_is_seen() {
        let cx = Context::detached("sore");
        let meeting = Arc::new(AtomicUsize::new(0));
        let until = Instant::now() + MEETINGS;
        for round in (0..).take_while(|_| Instant::now() < until) {
            let there = Arc::clone(&meeting);
            let child = cx.spawn_blocking("sore", move || {
                there.store(2 * round + 1, SeqCst);
                wait(|| there.load(SeqCst) == 2 * round + 2);
                // No hook is called, and nothing printed.
                resume_unwind(Box::new("met"))
            });
            wait(|| meeting.load(SeqCst) == 2 * round + 1);
            meeting.store(2 * round + 2, SeqCst);
            for _ in 0..round % DELAY_MAX {
                std::hint::spin_loop();
            }
            let child: BlockingChild<()> = child;
            drop(child);
            wait(|| !cx.life.left().children);
            assert!(cx.life.take_child_failure().is_some(), "nobody saw it in round {round}");
        }
    }
}
