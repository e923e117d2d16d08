//! A client must get on with it: say something, finish what it says, and not stay for nothing.
//!
//! # Invariants
//!
//! 1. While the server waits for the client, one of three times runs: to the first byte, to the end
//!    of a head that has begun, or until a connection without a request is given up.
//! 2. A byte now and then changes nothing: the time of a head runs from its first byte to its end.
//! 3. While an answer is under way none of them runs: bodies and writes have times of their own.
//!
//! # Steps
//!
//! ```text
//! 0 new ──byte──> 1 head ──request──> 2 answering ──end of the answer──> 3 idle ──byte──> 4 head …
//! ```
//!
//! A step is never taken back, so that an alarm which belongs to an old one can be told from the
//! present one's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::settings::Limits;

/// What the server waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The first byte of all.
    New,
    /// The rest of a head.
    Head,
    /// Its own answer.
    Answering,
    /// The next request.
    Idle,
}

/// How far a connection is; shared by its socket and its requests, which one task drives.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    step: AtomicU32,
}

/// A socket that fails when its client takes too long to ask.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    socket: S,
    exchange: Arc<Exchange>,
    limits: Limits,
    /// The step that it belongs to, and when that has taken too long.
    alarm: Option<(u32, Pin<Box<Sleep>>)>,
}

/// The body of an answer; its end begins the wait for the next request.
#[derive(Debug)]
pub(crate) struct Answering<B> {
    body: B,
    exchange: Arc<Exchange>,
}

// === impl Phase ===

impl Phase {
    fn of(step: u32) -> Self {
        match (step, step % 3) {
            (0, _) => Self::New,
            (_, 1) => Self::Head,
            (_, 2) => Self::Answering,
            (_, _) => Self::Idle,
        }
    }

    /// How long the client may take.
    fn patience(self, limits: &Limits) -> Option<Duration> {
        match self {
            Self::New => Some(limits.first_byte_time),
            Self::Head => Some(limits.header_read_time),
            Self::Idle => Some(limits.idle_time),
            Self::Answering => None,
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// Returns whether there has been a request.
    pub(crate) fn has_asked(&self) -> bool {
        self.step() >= 2
    }

    /// A head has been read, and its answer begins; returns the body that ends it.
    pub(crate) fn asked(&self) {
        // A head that came together with the request before is read without another byte.
        let phase = Phase::of(self.step());
        let steps = if matches!(phase, Phase::New | Phase::Idle) { 2 } else { 1 };
        self.step.fetch_add(steps, Ordering::Relaxed);
    }

    fn step(&self) -> u32 {
        self.step.load(Ordering::Relaxed)
    }

    fn bytes_came(&self) {
        if matches!(Phase::of(self.step()), Phase::New | Phase::Idle) {
            self.step.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answered(&self) {
        if Phase::of(self.step()) == Phase::Answering {
            self.step.fetch_add(1, Ordering::Relaxed);
        }
    }
}

// === impl Paced ===

impl<S> Paced<S> {
    pub(crate) fn new(socket: S, exchange: Arc<Exchange>, limits: Limits) -> Self {
        Self { socket, exchange, limits, alarm: None }
    }

    /// Is ready once the client has taken too long for what it is expected to do.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let step = self.exchange.step();
        let Some(patience) = Phase::of(step).patience(&self.limits) else { return Poll::Pending };
        let (of, alarm) = self.alarm.get_or_insert_with(|| (step, Box::pin(sleep(patience))));
        if *of != step {
            *of = step;
            alarm.as_mut().reset(Instant::now() + patience);
        }
        alarm.as_mut().poll(cx)
    }

    /// Returns whether an alarm that was set for this step has gone off.
    fn is_late(&self) -> bool {
        let step = self.exchange.step();
        self.alarm.as_ref().is_some_and(|(of, alarm)| *of == step && alarm.is_elapsed())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.exchange.bytes_came();
        }
        let late = match read {
            // A byte that comes just as the time is over does not save its head.
            Poll::Ready(_) if self.is_late() => Poll::Ready(()),
            Poll::Ready(_) => return read,
            Poll::Pending => self.poll_late(cx),
        };
        late.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

// === impl Answering ===

impl<B> Answering<B> {
    pub(crate) fn new(body: B, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answering<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Answering<B> {
    fn drop(&mut self) {
        self.exchange.answered();
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limits() -> Limits {
        Limits {
            first_byte_time: SECOND * 10,
            header_read_time: SECOND * 20,
            idle_time: SECOND * 40,
            ..Limits::default()
        }
    }

    fn pair() -> (Paced<DuplexStream>, DuplexStream, Arc<Exchange>) {
        let (near, far) = duplex(64);
        let exchange = Arc::new(Exchange::default());
        (Paced::new(near, Arc::clone(&exchange), limits()), far, exchange)
    }

    /// Reads until it fails, and returns after how many seconds that was.
    async fn late(near: &mut Paced<DuplexStream>) -> u64 {
        let begin = Instant::now();
        loop {
            match near.read(&mut [0; 8]).await {
                Ok(read) => assert!(read > 0, "the client is gone"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
                    return begin.elapsed().as_secs();
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_is_cut() {
        let (mut near, _far, exchange) = pair();
        assert_eq!(late(&mut near).await, 10);
        assert!(!exchange.has_asked());
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_does_not_help() {
        let (mut near, mut far, _) = pair();
        let drip = async {
            while far.write_all(b"x").await.is_ok() {
                sleep(SECOND * 3).await;
            }
        };
        tokio::select! {
            waited = late(&mut near) => assert_eq!(waited, 20),
            () = drip => panic!("the reader is still there"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_without_a_pause_do_not_help() {
        let (mut near, mut far, _) = pair();
        let flood = async {
            while far.write_all(&[b'x'; 64]).await.is_ok() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            waited = late(&mut near) => assert_eq!(waited, 20),
            () = flood => panic!("the reader is still there"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_as_long_as_it_likes_and_then_it_is_idle() {
        let (mut near, mut far, exchange) = pair();
        far.write_all(b"GET").await.expect("room");
        near.read_exact(&mut [0; 3]).await.expect("bytes");
        exchange.asked();
        let answer = Answering::new((), Arc::clone(&exchange));
        let read = tokio::time::timeout(SECOND * 600, near.read(&mut [0; 8])).await;
        assert!(read.is_err(), "nothing is late while an answer is under way");
        drop(answer);
        assert_eq!(late(&mut near).await, 40);
    }

    #[test]
    fn steps() {
        let exchange = Exchange::default();
        let check = |expected| assert_eq!(Phase::of(exchange.step()), expected);
        check(Phase::New);
        exchange.bytes_came();
        check(Phase::Head);
        exchange.bytes_came();
        check(Phase::Head);
        assert!(!exchange.has_asked());
        exchange.asked();
        check(Phase::Answering);
        // The body of the request, and the next request that does not wait for its answer.
        exchange.bytes_came();
        check(Phase::Answering);
        exchange.answered();
        check(Phase::Idle);
        exchange.asked();
        check(Phase::Answering);
        assert!(exchange.has_asked());
    }
}
