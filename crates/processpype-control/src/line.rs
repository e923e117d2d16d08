//! A connection between two requests, which can change its runtime, and the talk that goes on over
//! it.
//!
//! # Invariants
//!
//! 1. A talk is ended for another only between two requests. What was read of the next one goes
//!    along, and no byte is lost or seen twice.
//! 2. A line that takes own routes only holds back the head of any other request, unread by HTTP:
//!    whoever serves the line next begins with it. A head that follows the one before without
//!    waiting for its answer is not seen here; the [`Desk`] passes that on.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::desk::Desk;
use crate::exchange::Exchange;
use crate::gate::Visitor;
use crate::own;
use crate::pace::Paced;
use crate::server::Control;
use crate::settings::Limits;
use crate::socket::Stream;
use crate::stall::Stalling;

/// The least that hyper takes for its buffer, in bytes.
const BUFFER_MIN: usize = 8 * 1024;

/// How many headers hyper takes if it is told nothing. Then it has their places on its stack; told
/// the same number, it makes room for them at each request.
const HEADERS_UNTOLD: usize = 100;

/// All there is of a connection between two requests.
#[derive(Debug)]
pub(crate) struct Line {
    stream: Stream,
    visitor: Visitor,
    exchange: Arc<Exchange>,
    /// Read from the socket already.
    held: Bytes,
}

/// HTTP on a line.
pub(crate) struct Talk {
    http: http1::Connection<TokioIo<Sorted<Paced<Stalling<Stream>>>>, Desk>,
    exchange: Arc<Exchange>,
}

/// Which requests are taken on a line.
#[derive(Debug)]
pub(crate) enum Takes {
    All,
    /// Those for services' own routes.
    Own(Arc<Control>),
}

/// A socket that begins with what is held, and holds back what is not taken.
#[derive(Debug)]
struct Sorted<S> {
    socket: S,
    exchange: Arc<Exchange>,
    takes: Takes,
    held: Bytes,
}

// === impl Line ===

impl Line {
    pub(crate) fn new(stream: Stream, visitor: Visitor) -> Self {
        Self { stream, visitor, exchange: Arc::default(), held: Bytes::new() }
    }

    pub(crate) fn visitor(&self) -> Visitor {
        self.visitor
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        &self.exchange
    }

    /// Lets the current runtime watch the socket.
    pub(crate) fn settle(mut self) -> io::Result<Self> {
        self.stream = self.stream.settle()?;
        Ok(self)
    }
}

// === impl Talk ===

impl Talk {
    /// Begins to talk; `desk` answers.
    pub(crate) fn new(line: Line, takes: Takes, desk: Desk, limits: &Limits) -> Self {
        let Line { stream, exchange, held, .. } = line;
        exchange.leave(false);
        let socket = Stalling::new(stream, limits.write_stall_time);
        let socket = Paced::new(socket, Arc::clone(&exchange), *limits);
        let socket = Sorted { socket, exchange: Arc::clone(&exchange), takes, held };
        let mut http = http1::Builder::new();
        http.header_read_timeout(None).max_buf_size(limits.header_bytes.max(BUFFER_MIN));
        if limits.headers != HEADERS_UNTOLD {
            http.max_headers(limits.headers);
        }
        Self { http: http.serve_connection(TokioIo::new(socket), desk), exchange }
    }

    /// Is ready once the connection has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.http).poll(cx).map(|result| {
            if let Err(error) = result {
                tracing::debug!(%error, "a connection ended badly");
            }
        })
    }

    /// Lets the request under way be the last one.
    pub(crate) fn wind_down(&mut self) {
        Pin::new(&mut self.http).graceful_shutdown();
    }

    /// Returns how far it is.
    pub(crate) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Gives the line back. Between two requests only.
    pub(crate) fn into_line(self) -> Line {
        let parts = self.http.into_parts();
        let Sorted { socket, exchange, held, .. } = parts.io.into_inner();
        let held = [parts.read_buf, held].concat().into();
        let stream = socket.into_inner().into_inner();
        Line { stream, visitor: parts.service.visitor(), exchange, held }
    }
}

// === impl Sorted ===

impl<S: AsyncRead + Unpin> Sorted<S> {
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let count = self.held.len().min(buffer.remaining());
        buffer.put_slice(&self.held.split_to(count));
        self.exchange.bytes_came();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sorted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_between = self.exchange.is_between();
        if matches!(self.takes, Takes::Own(_)) && self.exchange.is_leaving() {
            // Whoever polls this looks at it next.
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(self.poll_more(cx, buffer))?;
        let came = &buffer.filled()[before..];
        if let Takes::Own(control) = &self.takes
            && is_between
            && !came.is_empty()
            && !own::is_asked(came, control.prefix())
        {
            self.held = [came, &self.held].concat().into();
            buffer.set_filled(before);
            self.exchange.leave(true);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sorted<S> {
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
