//! A body that may not let its reader wait for ever.
//!
//! # Invariants
//!
//! 1. The time of a part begins anew with each part of the body, the time of the whole never does.
//!    Both run only while its reader waits; one that does something else meanwhile takes nothing
//!    of them.
//! 2. A body that was too slow is known as such, whatever its reader makes of the error.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// A body whose next part, and whose end, have to come within a time, once they are waited for.
#[derive(Debug)]
pub(crate) struct Patience<B> {
    body: B,
    /// For each part.
    time: Duration,
    /// For all of it.
    whole: Duration,
    /// What is left of that.
    left: Duration,
    late: Late,
    /// Set while a part is waited for: since when, and until when at most.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Tells whether a body was too slow.
#[derive(Clone, Debug, Default)]
pub(crate) struct Late(Arc<AtomicBool>);

/// A body did not come in time.
#[derive(Debug)]
enum TooSlow {
    /// Its next part.
    Part(Duration),
    /// Its end.
    Whole(Duration),
}

// === impl Patience ===

impl<B> Patience<B> {
    /// Waits for each part of `body` as long as `time`, and for all of them as long as `whole`.
    pub(crate) fn new(time: Duration, whole: Duration, body: B) -> Self {
        Self { body, time, whole, left: whole, late: Late::default(), waiting: None }
    }

    /// Returns what will know whether it was too slow.
    pub(crate) fn late(&self) -> Late {
        self.late.clone()
    }

    /// Nothing is waited for any more.
    fn came(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
    }

    fn too_slow(&self) -> TooSlow {
        self.late.0.store(true, Relaxed);
        match self.left < self.time {
            true => TooSlow::Whole(self.whole),
            false => TooSlow::Part(self.time),
        }
    }
}

// === impl Late ===

impl Late {
    /// Returns whether the body was too slow.
    pub(crate) fn is_so(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl<B> Body for Patience<B>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Data = B::Data;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = &mut *self;
        if let Poll::Ready(part) = Pin::new(&mut this.body).poll_frame(cx) {
            this.came();
            return Poll::Ready(part.map(|part| part.map_err(Into::into)));
        }
        let time = this.time.min(this.left);
        let begin = || (Instant::now(), Box::pin(sleep(time)));
        let (_, waiting) = this.waiting.get_or_insert_with(begin);
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(this.too_slow().into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// === impl TooSlow ===

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part(time) => {
                write!(f, "the next part of the body did not come within {time:?}")
            }
            Self::Whole(time) => write!(f, "the body did not come to its end within {time:?}"),
        }
    }
}

impl Error for TooSlow {}

#[cfg(test)]
mod tests {
    use axum::body::{Body as AnyBody, Bytes};
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    const WHOLE: Duration = Duration::from_secs(100);

    /// A body of which a part comes after each of these waits, in seconds.
    fn coming(waits: &'static [u64]) -> Patience<AnyBody> {
        let parts = futures_util::stream::iter(waits);
        let parts = futures_util::StreamExt::then(parts, |wait| async {
            sleep(Duration::from_secs(*wait)).await;
            Ok::<_, std::convert::Infallible>(Bytes::from_static(b"part"))
        });
        Patience::new(TIME, WHOLE, AnyBody::from_stream(parts))
    }

    #[tokio::test(start_paused = true)]
    async fn every_part_has_the_whole_time() {
        let whole = coming(&[0, 29, 29, 29]).collect().await.expect("it comes in time");
        assert_eq!(whole.to_bytes().len(), 16);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_is_late_ends_the_body() {
        let begun = Instant::now();
        let error = coming(&[29, 31]).collect().await.expect_err("it is late");
        assert_eq!(error.to_string(), "the next part of the body did not come within 30s");
        assert_eq!(begun.elapsed().as_secs(), 59);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_goes_on_and_on_ends_too() {
        let (begun, body) = (Instant::now(), coming(&[29, 29, 29, 29, 29]));
        let late = body.late();
        let error = body.collect().await.expect_err("it is late");
        assert_eq!(error.to_string(), "the body did not come to its end within 100s");
        assert_eq!(begun.elapsed(), WHOLE);
        assert!(late.is_so());
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_the_reader_takes_is_not_counted() {
        let mut body = coming(&[0, 20]);
        assert!(body.frame().await.is_some_and(|part| part.is_ok()));
        sleep(WHOLE * 2).await;
        assert!(body.frame().await.is_some_and(|part| part.is_ok()));
        assert!(body.frame().await.is_none());
        assert!(!body.late().is_so());
    }
}
