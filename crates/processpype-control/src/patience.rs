//! A body that may not let its reader wait for ever.
//!
//! # Invariants
//!
//! 1. The time begins anew with each part of the body, and only when its reader begins to wait; a
//!    reader that does something else meanwhile takes nothing of it.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// A body whose next part has to come within a time, once it is waited for.
#[derive(Debug)]
pub(crate) struct Patience<B> {
    body: B,
    time: Duration,
    /// Set while a part is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

/// The next part of a body did not come in time.
#[derive(Debug)]
struct TooSlow(Duration);

// === impl Patience ===

impl<B> Patience<B> {
    /// Waits for each part of `body` as long as `time`.
    pub(crate) fn new(time: Duration, body: B) -> Self {
        Self { body, time, waiting: None }
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
            this.waiting = None;
            return Poll::Ready(part.map(|part| part.map_err(Into::into)));
        }
        let time = this.time;
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(sleep(time)));
        ready!(waiting.as_mut().poll(cx));
        Poll::Ready(Some(Err(TooSlow(time).into())))
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
        write!(f, "the next part of the body did not come within {:?}", self.0)
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

    /// A body of which a part comes after each of these waits, in seconds.
    fn coming(waits: &'static [u64]) -> Patience<AnyBody> {
        let parts = futures_util::stream::iter(waits);
        let parts = futures_util::StreamExt::then(parts, |wait| async {
            sleep(Duration::from_secs(*wait)).await;
            Ok::<_, std::convert::Infallible>(Bytes::from_static(b"part"))
        });
        Patience::new(TIME, AnyBody::from_stream(parts))
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
    async fn time_that_the_reader_takes_is_not_counted() {
        let mut body = coming(&[0, 20]);
        assert!(body.frame().await.is_some_and(|part| part.is_ok()));
        sleep(TIME * 2).await;
        assert!(body.frame().await.is_some_and(|part| part.is_ok()));
        assert!(body.frame().await.is_none());
    }
}
