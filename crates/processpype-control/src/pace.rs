//! A client must get on with it: say something, finish what it says, and not stay for nothing.
//!
//! # Invariants
//!
//! 1. While the server waits for the client, one of three times runs: to the first byte, to the end
//!    of a head that has begun, or until a connection without a request is given up.
//! 2. A byte now and then changes nothing: the time of a head runs from its first byte to its end.
//! 3. While an answer is under way none of them runs: bodies and writes have times of their own.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::exchange::{Exchange, Phase};
use crate::settings::Limits;

/// A socket that fails when its client takes too long to ask.
#[derive(Debug)]
pub(crate) struct Paced<S> {
    socket: S,
    exchange: Arc<Exchange>,
    limits: Limits,
    alarm: Option<Alarm>,
}

/// Tells when a step has taken too long.
///
/// It may go off early, for a step that is over, and is set for the present one then: most steps
/// end long before their time, and cost no timer.
#[derive(Debug)]
struct Alarm {
    /// The step that it belongs to.
    step: u32,
    /// When that has taken too long.
    due: Instant,
    bell: Pin<Box<Sleep>>,
}

/// How long the client may take.
fn patience(phase: Phase, limits: &Limits) -> Option<Duration> {
    match phase {
        Phase::New => Some(limits.first_byte_time),
        Phase::Head => Some(limits.header_read_time),
        Phase::Idle => Some(limits.idle_time),
        Phase::Answering => None,
    }
}

// === impl Paced ===

impl<S> Paced<S> {
    pub(crate) fn new(socket: S, exchange: Arc<Exchange>, limits: Limits) -> Self {
        Self { socket, exchange, limits, alarm: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.socket
    }

    /// Is ready once the client has taken too long for what it is expected to do.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let step = self.exchange.step();
        let Some(patience) = patience(Phase::of(step), &self.limits) else { return Poll::Pending };
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(step, patience));
        alarm.expect(step, patience);
        alarm.poll(cx)
    }

    /// Returns whether an alarm that was set for this step has gone off.
    fn is_late(&self) -> bool {
        let step = self.exchange.step();
        self.alarm.as_ref().is_some_and(|alarm| alarm.step == step && alarm.is_over())
    }
}

// === impl Alarm ===

impl Alarm {
    fn new(step: u32, patience: Duration) -> Self {
        let due = Instant::now() + patience;
        Self { step, due, bell: Box::pin(sleep_until(due)) }
    }

    /// Sets it for this step, if it is for another one.
    fn expect(&mut self, step: u32, patience: Duration) {
        if self.step == step {
            return;
        }
        (self.step, self.due) = (step, Instant::now() + patience);
        if self.bell.deadline() > self.due {
            self.bell.as_mut().reset(self.due);
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.bell.as_mut().poll(cx));
        if self.bell.deadline() >= self.due {
            return Poll::Ready(());
        }
        self.bell.as_mut().reset(self.due);
        self.bell.as_mut().poll(cx)
    }

    fn is_over(&self) -> bool {
        self.bell.is_elapsed() && self.bell.deadline() >= self.due
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
        let came = buffer.filled().len() - before;
        if came > 0 {
            self.exchange.bytes_came(came);
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
        let write = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.exchange.wrote(write.is_ready());
        write
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.exchange.wrote(write.is_ready());
        write
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.socket).poll_flush(cx);
        self.exchange.wrote(flush.is_ready());
        flush
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.exchange.shut();
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;
    use crate::exchange::Answering;

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
    async fn a_head_that_begins_while_it_is_idle_has_no_more_time_than_others() {
        let (mut near, mut far, exchange) = pair();
        far.write_all(b"GET").await.expect("room");
        near.read_exact(&mut [0; 3]).await.expect("bytes");
        exchange.asked(0);
        drop(Answering::new((), Arc::clone(&exchange)));
        let idle = tokio::time::timeout(SECOND, near.read(&mut [0; 8])).await;
        assert!(idle.is_err(), "it has said nothing yet");
        far.write_all(b"G").await.expect("room");
        assert_eq!(late(&mut near).await, 20);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_that_comes_when_the_time_is_over_is_too_late() {
        let (mut near, mut far, _) = pair();
        far.write_all(b"G").await.expect("room");
        near.read_exact(&mut [0; 1]).await.expect("a byte");
        let slow = tokio::time::timeout(SECOND * 19, near.read(&mut [0; 8])).await;
        assert!(slow.is_err(), "its time is not over");
        far.write_all(b"E").await.expect("room");
        tokio::time::advance(SECOND * 2).await;
        let read = near.read(&mut [0; 8]).await;
        assert_eq!(read.expect_err("it is too late").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_may_take_as_long_as_it_likes_and_then_it_is_idle() {
        let (mut near, mut far, exchange) = pair();
        far.write_all(b"GET").await.expect("room");
        near.read_exact(&mut [0; 3]).await.expect("bytes");
        exchange.asked(0);
        let answer = Answering::new((), Arc::clone(&exchange));
        let read = tokio::time::timeout(SECOND * 600, near.read(&mut [0; 8])).await;
        assert!(read.is_err(), "nothing is late while an answer is under way");
        drop(answer);
        assert_eq!(late(&mut near).await, 40);
    }

    /// What was waited for then has come; what comes now belongs to another step.
    #[tokio::test(start_paused = true)]
    async fn an_alarm_of_an_earlier_step_ends_nothing() {
        let (mut near, mut far, exchange) = pair();
        far.write_all(b"G").await.expect("room");
        near.read_exact(&mut [0; 1]).await.expect("a byte");
        let head = tokio::time::timeout(SECOND, near.read(&mut [0; 8])).await;
        assert!(head.is_err(), "it waits for the rest of the head");
        exchange.asked(0);
        let answer = Answering::new((), Arc::clone(&exchange));
        sleep(SECOND * 600).await;
        drop(answer);
        far.write_all(b"G").await.expect("room");
        assert_eq!(near.read(&mut [0; 8]).await.expect("a byte of the next head"), 1);
    }
}
