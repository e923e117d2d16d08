//! A socket whose other end must take what is sent to it.
//!
//! # Invariants
//!
//! 1. A write that makes no progress for the whole stall time fails. Reads are bounded elsewhere:
//!    by the head's and the body's time.
//! 2. Of an answer whose end is known a client takes a least rate, over time: what it lets the
//!    server wait is owed, what it takes pays that back, and who owes the stall time is cut. Else a
//!    drop now and then would keep a connection for days.
//! 3. What has no end that is known, such as a stream, is held to the first rule only. A server
//!    that has nothing to say waits for nobody.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::exchange::Exchange;
use crate::settings::Limits;

/// Fails writes that a client does not take.
#[derive(Debug)]
pub(crate) struct Stalling<S> {
    socket: S,
    exchange: Arc<Exchange>,
    stall_time: Duration,
    /// What the client takes at least of an answer whose end is known, in bytes per second.
    rate: u32,
    /// How long the client has let the server wait, less what it has taken since.
    owed: Duration,
    /// Set while a write is waiting: since when, and until when at most.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

// === impl Stalling ===

impl<S> Stalling<S> {
    pub(crate) fn new(socket: S, exchange: Arc<Exchange>, limits: Limits) -> Self {
        let (stall_time, rate) = (limits.write_stall_time, limits.answer_rate.max(1));
        Self { socket, exchange, stall_time, rate, owed: Duration::ZERO, waiting: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.socket
    }

    /// Turns a write that waits for too long into an error; of one that does not, `taken` says how
    /// many bytes the client has made room for.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = &write {
            if self.waiting.is_some() || !self.owed.is_zero() {
                self.settle(result.as_ref().map_or(0, taken));
            }
            return write;
        }
        let left = self.stall_time.saturating_sub(self.owed);
        let begin = || (Instant::now(), Box::pin(sleep(left)));
        let (_, alarm) = self.waiting.get_or_insert_with(begin);
        alarm.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Adds what was waited to what is owed, and takes off what those bytes are worth.
    fn settle(&mut self, taken: usize) {
        let waited = self.waiting.take().map_or(Duration::ZERO, |(since, _)| since.elapsed());
        // A machine's numbers of bytes fit into 64 bits.
        let nanoseconds = taken as u64 * 1_000_000_000 / u64::from(self.rate);
        let paid = Duration::from_nanos(nanoseconds);
        let owed = (self.owed + waited).saturating_sub(paid);
        self.owed = if self.exchange.is_finite() { owed } else { Duration::ZERO };
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stalling<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stalling<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch(cx, write, |taken| *taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.watch(cx, write, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch(cx, flush, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shutdown = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.watch(cx, shutdown, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    /// A socket with room for 16 bytes, whose client has to take one byte per second of what is
    /// finite.
    fn pair(is_finite: bool) -> (Stalling<DuplexStream>, DuplexStream) {
        let (near, far) = duplex(16);
        let exchange = Arc::<Exchange>::default();
        exchange.answers(is_finite);
        let limits = Limits { write_stall_time: STALL, answer_rate: 1, ..Limits::default() };
        (Stalling::new(near, exchange, limits), far)
    }

    /// Writes that many bytes to a client that takes 16 at a time, in between `pause`; returns what
    /// came of it, and after how many seconds.
    async fn taken(is_finite: bool, bytes: usize, pause: Duration) -> (bool, u64) {
        let (mut near, mut far) = pair(is_finite);
        let begin = Instant::now();
        let reading = async {
            loop {
                sleep(pause).await;
                if far.read(&mut [0; 16]).await.is_ok_and(|read| read == 0) {
                    return;
                }
            }
        };
        let all = vec![0; bytes];
        tokio::select! {
            written = near.write_all(&all) => (written.is_ok(), begin.elapsed().as_secs()),
            () = reading => panic!("nobody has closed it"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut() {
        let (mut near, _far) = pair(false);
        let begin = Instant::now();
        let result = near.write_all(&[0; 64]).await;
        assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        assert!(begin.elapsed() >= STALL && begin.elapsed() < STALL * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_enough_is_served_for_as_long_as_it_lasts() {
        let second = Duration::from_secs(1);
        assert_eq!(taken(true, 16_000, second * 15).await, (true, 999 * 15));
    }

    /// After 25 s it takes what is worth 16, and owes 9: 21 s later that is all of the stall time.
    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_too_little_is_cut_though_no_write_stands_still() {
        assert_eq!(taken(true, 16_000, Duration::from_secs(25)).await, (false, 46));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_no_end_is_only_cut_when_it_stands_still() {
        let second = Duration::from_secs(1);
        assert_eq!(taken(false, 1600, second * 29).await, (true, 99 * 29));
        assert_eq!(taken(false, 1600, second * 31).await, (false, 30));
    }
}
