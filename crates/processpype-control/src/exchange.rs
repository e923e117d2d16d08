//! How far a connection is, as its socket and its requests tell.
//!
//! # Invariants
//!
//! 1. A step is never taken back, so that an alarm which belongs to an old one can be told from the
//!    present one's.
//! 2. A connection is between two requests only if nothing of the last one is left: its body has
//!    been read to the end, its answer handed to the kernel. Then the socket is all there is of it.
//! 3. What comes of a body that nobody reads is no byte of the next head.
//!
//! # Steps
//!
//! ```text
//! 0 new ──byte──> 1 head ──request──> 2 answering ──end of the answer──> 3 idle ──byte──> 4 head …
//! ```

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// The length of a body that comes in chunks.
pub(crate) const UNKNOWN: u64 = u64::MAX;

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
    /// How much of that body has not come yet.
    rest: AtomicU64,
    /// How much has come behind the head that is read.
    behind: AtomicU64,
    /// How long the last answer is, is known.
    is_finite: AtomicBool,
    /// The client has not taken all of the last answer.
    is_unsent: AtomicBool,
    /// Nothing more will be written.
    is_shut: AtomicBool,
    /// The head that is read says how long its body is.
    has_length: AtomicBool,
    /// The last request is answered also to who will send nothing more.
    is_owed: AtomicBool,
    /// The client sends nothing more: it has closed its side, or has gone.
    has_ended: AtomicBool,
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

    /// A head has been read, with a body of that length or [`UNKNOWN`], and its answer begins; the
    /// [`Answering`] body ends it.
    pub(crate) fn asked(&self, body: u64) {
        self.is_unread.store(body > 0, Relaxed);
        // A head that came together with the request before is read without another byte; how much
        // of its body did too is not known.
        let phase = Phase::of(self.step());
        let is_alone = !matches!(phase, Phase::New | Phase::Idle);
        let behind = self.behind.swap(0, Relaxed);
        let rest = match body {
            0 => 0,
            UNKNOWN => UNKNOWN,
            _ if is_alone => body.saturating_sub(behind),
            _ => 0,
        };
        self.rest.store(rest, Relaxed);
        self.step.fetch_add(if is_alone { 1 } else { 2 }, Relaxed);
    }

    pub(crate) fn step(&self) -> u32 {
        self.step.load(Relaxed)
    }

    /// So many bytes have come: first those that belong to the body of the last request.
    ///
    /// hyper reads once, and no more, of a body that was left unread. Where the end of one in
    /// chunks is, it alone knows: that read is all taken for the body's.
    pub(crate) fn bytes_came(&self, count: usize) {
        let rest = self.rest.load(Relaxed);
        let of_body = usize::try_from(rest).unwrap_or(usize::MAX).min(count);
        let phase = Phase::of(self.step());
        if of_body > 0 {
            let left = match (rest, phase) {
                (UNKNOWN, Phase::Idle) => 0,
                (UNKNOWN, _) => UNKNOWN,
                _ => rest - of_body as u64,
            };
            self.rest.store(left, Relaxed);
        }
        if of_body < count && matches!(phase, Phase::New | Phase::Idle) {
            self.step.fetch_add(1, Relaxed);
        }
    }

    /// Returns how much of the body of the last request has not come yet.
    pub(crate) fn rest(&self) -> u64 {
        self.rest.load(Relaxed)
    }

    /// So many bytes have come behind the head that is read.
    pub(crate) fn came_behind(&self, count: usize) {
        self.behind.fetch_add(count as u64, Relaxed);
    }

    /// An answer is there; whether its length is known.
    pub(crate) fn answers(&self, is_finite: bool) {
        self.is_finite.store(is_finite, Relaxed);
        if !is_finite {
            self.owe(false);
        }
    }

    /// Says whether the answer is due to a client that has closed its side too.
    ///
    /// It is for what takes a bounded time: who has gone altogether looks the same until something
    /// is written, and a handler without an end would run for nobody.
    pub(crate) fn owe(&self, is_owed: bool) {
        self.is_owed.store(is_owed, Relaxed);
    }

    /// The client has closed its side, or has gone.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, Relaxed);
    }

    /// Returns whether nobody may be there any more to take the answer that is under way.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.load(Relaxed)
    }

    /// Returns whether the end of what the client sends is not yet the end of the connection: its
    /// request has come as a whole, and the answer is under way.
    pub(crate) fn is_owed(&self) -> bool {
        let is_under_way =
            || Phase::of(self.step()) == Phase::Answering || self.is_unsent.load(Relaxed);
        self.is_owed.load(Relaxed) && !self.is_unread.load(Relaxed) && is_under_way()
    }

    /// Returns whether the length of the last answer is known.
    pub(crate) fn is_finite(&self) -> bool {
        self.is_finite.load(Relaxed)
    }

    /// The body of the last request has been read to its end.
    fn was_read(&self) {
        self.is_unread.store(false, Relaxed);
        self.rest.store(0, Relaxed);
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
            self.exchange.was_read();
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
        exchange.bytes_came(1);
        check(Phase::Head);
        exchange.bytes_came(1);
        check(Phase::Head);
        assert!(!exchange.has_asked());
        exchange.asked(0);
        check(Phase::Answering);
        // The body of the request, and the next request that does not wait for its answer.
        exchange.bytes_came(1);
        check(Phase::Answering);
        exchange.answered();
        check(Phase::Idle);
        exchange.asked(0);
        check(Phase::Answering);
        assert!(exchange.has_asked());
    }

    #[test]
    fn between_two_requests() {
        let exchange = Exchange::default();
        assert!(!exchange.is_between(), "it has not asked");
        exchange.asked(0);
        assert!(!exchange.is_between(), "it waits for its answer");
        exchange.wrote(false);
        exchange.answered();
        assert!(!exchange.is_between(), "the client has not taken the answer");
        exchange.wrote(true);
        assert!(exchange.is_between());
        exchange.bytes_came(1);
        assert!(!exchange.is_between(), "the next head has begun");
        exchange.asked(0);
        exchange.answered();
        exchange.shut();
        assert!(!exchange.is_between(), "it ends");
    }

    #[tokio::test]
    async fn a_request_whose_body_is_unread_is_not_over() {
        let exchange = Arc::<Exchange>::default();
        exchange.asked(UNKNOWN);
        let mut body = Asking::new(Whole::from_stream(pieces()), Arc::clone(&exchange));
        exchange.answered();
        for _ in 0..2 {
            assert!(body.frame().await.is_some_and(|frame| frame.is_ok()));
            assert!(!exchange.is_between());
        }
        assert!(body.frame().await.is_none());
        assert!(exchange.is_between());
    }

    /// Asks with a body, answers without reading it, and lets bytes come; returns how many of each
    /// read were the body's, and whether a head has begun.
    #[track_caller]
    fn check(body: u64, behind: usize, reads: &[usize], expected: &[usize], begun: bool) {
        let exchange = Exchange::default();
        exchange.bytes_came(100);
        exchange.came_behind(behind);
        exchange.asked(body);
        exchange.answered();
        let of_body = |read: &usize| {
            let rest = exchange.rest();
            exchange.bytes_came(*read);
            usize::try_from(rest - exchange.rest()).unwrap_or(usize::MAX).min(*read)
        };
        assert_eq!(reads.iter().map(of_body).collect::<Vec<_>>(), expected);
        assert_eq!(Phase::of(exchange.step()) == Phase::Head, begun);
    }

    #[test]
    fn what_comes_of_an_unread_body_begins_no_head() {
        check(0, 0, &[5], &[0], true);
        check(9, 9, &[5], &[0], true);
        check(9, 4, &[5], &[5], false);
        check(9, 4, &[8], &[5], true);
        check(9, 4, &[3, 2, 1], &[3, 2, 0], true);
        check(UNKNOWN, 4, &[8], &[8], false);
        check(UNKNOWN, 4, &[8, 1], &[8, 0], true);
    }

    fn pieces() -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
        futures_util::stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b"))])
    }
}
