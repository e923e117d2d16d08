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
//! 3. What hyper says without asking anybody gets the body of a problem, and what it hides of a
//!    head is noted before: see [`Unheard`] and [`Framing`].

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::desk::Desk;
use crate::exchange::{Exchange, Phase};
use crate::framing::Framing;
use crate::gate::Visitor;
use crate::own;
use crate::pace::Paced;
use crate::server::Control;
use crate::socket::Stream;
use crate::stall::Stalling;
use crate::unheard::Unheard;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    All,
    /// Those for services' own routes.
    Own,
}

/// A socket that begins with what is held, and holds back what is not taken.
#[derive(Debug)]
struct Sorted<S> {
    socket: S,
    exchange: Arc<Exchange>,
    control: Arc<Control>,
    takes: Takes,
    held: Bytes,
    framing: Framing,
    unheard: Unheard,
    /// The client sends no more, which is told once it has the answer that it is owed.
    ended: Option<Waker>,
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
    pub(crate) fn new(line: Line, takes: Takes, desk: Desk) -> Self {
        let Line { stream, exchange, held, .. } = line;
        exchange.leave(false);
        let control = Arc::clone(desk.control());
        let limits = control.settings.limits;
        let socket = Stalling::new(stream, Arc::clone(&exchange), limits);
        let socket = Paced::new(socket, Arc::clone(&exchange), limits);
        let socket = Sorted::new(socket, control, takes, (held, &exchange));
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

impl<S> Sorted<S> {
    fn new(
        socket: S,
        control: Arc<Control>,
        takes: Takes,
        (held, exchange): (Bytes, &Arc<Exchange>),
    ) -> Self {
        let (framing, unheard) = (Framing::default(), Unheard::default());
        Self {
            socket,
            exchange: Arc::clone(exchange),
            control,
            takes,
            held,
            framing,
            unheard,
            ended: None,
        }
    }
}

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
        self.exchange.bytes_came(count);
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
        if self.takes == Takes::Own && self.exchange.is_leaving() {
            // Whoever polls this looks at it next.
            return Poll::Pending;
        }
        let (before, rest) = (buffer.filled().len(), self.exchange.rest());
        ready!(self.poll_more(cx, buffer))?;
        let came = &buffer.filled()[before..];
        if came.is_empty() && buffer.remaining() > 0 && self.exchange.is_owed() {
            self.exchange.end();
            self.ended = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let is_others = self.takes == Takes::Own && is_between && !came.is_empty();
        if is_others && !own::is_asked(came, self.control.prefix()) {
            self.held = [came, &self.held].concat().into();
            buffer.set_filled(before);
            self.exchange.leave(true);
            return Poll::Pending;
        }
        let step = self.exchange.step();
        if Phase::of(step) == Phase::Head {
            // What is left of a body that nobody has read may look like anything.
            let of_body = usize::try_from(rest - self.exchange.rest()).unwrap_or(usize::MAX);
            let head = &came[of_body.min(came.len())..];
            let seen = self.framing.look(step, head);
            if seen.has_length {
                self.exchange.length_came();
            }
            if seen.behind > 0 {
                self.exchange.came_behind(seen.behind);
            }
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
        let Self { socket, exchange, control, unheard, .. } = &mut *self;
        if exchange.is_unasked() {
            unheard.take(control, bytes);
        }
        let socket = Pin::new(socket);
        match unheard.is_there() {
            true => unheard.poll_write(socket, cx, bytes.len()),
            false => socket.poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = slices {
            return self.poll_write(cx, bytes);
        }
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if flushed.is_ready()
            && !self.exchange.is_owed()
            && let Some(reader) = self.ended.take()
        {
            reader.wake();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
