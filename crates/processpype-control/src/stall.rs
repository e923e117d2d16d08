//! A socket whose other end must take what is sent to it.
//!
//! # Invariants
//!
//! 1. A write that makes no progress for the whole stall time fails; one that makes any starts the
//!    time anew. Reads are bounded elsewhere: by the head's and the body's time.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// Fails writes that a client does not take.
#[derive(Debug)]
pub(crate) struct Stalling<S> {
    socket: S,
    stall_time: Duration,
    /// Runs while a write is waiting.
    alarm: Option<Pin<Box<Sleep>>>,
}

// === impl Stalling ===

impl<S> Stalling<S> {
    pub(crate) fn new(socket: S, stall_time: Duration) -> Self {
        Self { socket, stall_time, alarm: None }
    }

    pub(crate) fn into_inner(self) -> S {
        self.socket
    }

    /// Turns a write that waits for too long into an error.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.alarm = None;
            return write;
        }
        let stall_time = self.stall_time;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(stall_time)));
        alarm.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
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
        self.watch(cx, write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let write = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.watch(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.socket).poll_flush(cx);
        self.watch(cx, flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shutdown = Pin::new(&mut self.socket).poll_shutdown(cx);
        self.watch(cx, shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::Instant;

    use super::*;

    const STALL: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut() {
        let (near, _far) = duplex(16);
        let begin = Instant::now();
        let result = Stalling::new(near, STALL).write_all(&[0; 64]).await;
        assert_eq!(result.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        assert!(begin.elapsed() >= STALL && begin.elapsed() < STALL * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_is_served() {
        let (near, mut far) = duplex(16);
        let reader = async {
            let mut taken = 0;
            while taken < 64 {
                sleep(STALL / 2).await;
                taken += far.read(&mut [0; 16]).await.expect("bytes");
            }
        };
        let mut near = Stalling::new(near, STALL);
        let (written, ()) = tokio::join!(near.write_all(&[0; 64]), reader);
        written.expect("progress was made all the time");
    }
}
