//! How far a connection is, as its socket and its requests tell.
//!
//! # Invariants
//!
//! 1. A step is never taken back, so that an alarm which belongs to an old one can be told from the
//!    present one's.
//! 2. A connection is between two requests only if nothing of the last one is left: its body has
//!    been read to the end, its answer handed to the kernel. Then the socket is all there is of it.
//!
//! # Steps
//!
//! ```text
//! 0 new ──byte──> 1 head ──request──> 2 answering ──end of the answer──> 3 idle ──byte──> 4 head …
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// What the server waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
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
    /// The body of the last request has not been read to its end.
    is_unread: AtomicBool,
    /// The client has not taken all of the last answer.
    is_unsent: AtomicBool,
    /// Nothing more will be written.
    is_shut: AtomicBool,
    /// The head that is read says how long its body is.
    has_length: AtomicBool,
    /// It should be served elsewhere from the next request on.
    is_leaving: AtomicBool,
}

/// The body of an answer; its end begins the wait for the next request.
#[derive(Debug)]
pub(crate) struct Answering<B> {
    body: B,
    exchange: Arc<Exchange>,
}

/// The body of a request; until its end has been read, the connection is with this request.
#[derive(Debug)]
pub(crate) struct Asking<B> {
    body: B,
    exchange: Arc<Exchange>,
}

// === impl Phase ===

impl Phase {
    pub(crate) fn of(step: u32) -> Self {
        match (step, step % 3) {
            (0, _) => Self::New,
            (_, 1) => Self::Head,
            (_, 2) => Self::Answering,
            (_, _) => Self::Idle,
        }
    }
}

// === impl Exchange ===

impl Exchange {
    /// Returns whether there has been a request.
    pub(crate) fn has_asked(&self) -> bool {
        self.step() >= 2
    }

    /// A head has been read, and its answer begins; the [`Answering`] body ends it.
    pub(crate) fn asked(&self, has_body: bool) {
        self.is_unread.store(has_body, Relaxed);
        // A head that came together with the request before is read without another byte.
        let phase = Phase::of(self.step());
        let steps = if matches!(phase, Phase::New | Phase::Idle) { 2 } else { 1 };
        self.step.fetch_add(steps, Relaxed);
    }

    pub(crate) fn step(&self) -> u32 {
        self.step.load(Relaxed)
    }

    pub(crate) fn bytes_came(&self) {
        if matches!(Phase::of(self.step()), Phase::New | Phase::Idle) {
            self.step.fetch_add(1, Relaxed);
        }
    }

    /// A write or flush has been tried; whether the client has taken all.
    pub(crate) fn wrote(&self, is_taken: bool) {
        self.is_unsent.store(!is_taken, Relaxed);
    }

    pub(crate) fn shut(&self) {
        self.is_shut.store(true, Relaxed);
    }

    /// Returns whether the last request is over in every respect, and no byte of the next has come.
    pub(crate) fn is_between(&self) -> bool {
        let is_busy = [&self.is_unread, &self.is_unsent, &self.is_shut];
        Phase::of(self.step()) == Phase::Idle && !is_busy.iter().any(|flag| flag.load(Relaxed))
    }

    /// Returns whether bytes have come that are no request yet, and nothing else is under way:
    /// what is written then, no request has asked for.
    pub(crate) fn is_unasked(&self) -> bool {
        Phase::of(self.step()) == Phase::Head && !self.is_unsent.load(Relaxed)
    }

    /// The head that is read says how long its body is.
    pub(crate) fn length_came(&self) {
        self.has_length.store(true, Relaxed);
    }

    /// Returns whether the head that has been read says how long its body is; asked once of each.
    pub(crate) fn take_length(&self) -> bool {
        self.has_length.load(Relaxed) && self.has_length.swap(false, Relaxed)
    }

    /// Says whether the connection should be served elsewhere, as soon as that can be.
    pub(crate) fn leave(&self, is_leaving: bool) {
        self.is_leaving.store(is_leaving, Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Relaxed)
    }

    fn answered(&self) {
        if Phase::of(self.step()) == Phase::Answering {
            self.step.fetch_add(1, Relaxed);
        }
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

// === impl Asking ===

impl<B> Asking<B> {
    pub(crate) fn new(body: B, exchange: Arc<Exchange>) -> Self {
        Self { body, exchange }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Asking<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(frame, Poll::Ready(None)) || self.body.is_end_stream() {
            self.exchange.is_unread.store(false, Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body as Whole;
    use http_body_util::BodyExt as _;

    use super::*;

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
        exchange.asked(false);
        check(Phase::Answering);
        // The body of the request, and the next request that does not wait for its answer.
        exchange.bytes_came();
        check(Phase::Answering);
        exchange.answered();
        check(Phase::Idle);
        exchange.asked(false);
        check(Phase::Answering);
        assert!(exchange.has_asked());
    }

    #[test]
    fn between_two_requests() {
        let exchange = Exchange::default();
        assert!(!exchange.is_between(), "it has not asked");
        exchange.asked(false);
        assert!(!exchange.is_between(), "it waits for its answer");
        exchange.wrote(false);
        exchange.answered();
        assert!(!exchange.is_between(), "the client has not taken the answer");
        exchange.wrote(true);
        assert!(exchange.is_between());
        exchange.bytes_came();
        assert!(!exchange.is_between(), "the next head has begun");
        exchange.asked(false);
        exchange.answered();
        exchange.shut();
        assert!(!exchange.is_between(), "it ends");
    }

    #[tokio::test]
    async fn a_request_whose_body_is_unread_is_not_over() {
        let exchange = Arc::<Exchange>::default();
        exchange.asked(true);
        let mut body = Asking::new(Whole::from_stream(pieces()), Arc::clone(&exchange));
        exchange.answered();
        for _ in 0..2 {
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
            assert!(!exchange.is_between());
        }
        assert!(body.frame().await.is_none());
        assert!(exchange.is_between());
    }

    fn pieces() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
        futures_util::stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b"))])
    }
}
