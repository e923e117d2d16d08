//! The body of an answer, tied to the generation that gives it.
//!
//! # Invariants
//!
//! 1. A body that is made piece by piece is made on the services' runtime: the control plane only
//!    takes finished frames from a bounded queue. What leaves is bytes, and nothing else of the
//!    service: its extensions are dropped before, and its errors are told as text. (Bytes that own
//!    what they are part of, by `Bytes::from_owner`, take that along: it is dropped by whoever
//!    sends them, which may be the control plane.)
//! 2. A panic in it is told as one of a handler is, and the reader finds an error where the rest
//!    should be: half an answer never passes for a whole one.
//! 3. An event stream ends when its generation begins to drain, any other body at the latest when
//!    `run` is told to end.
//!
//! # Why a pump
//!
//! axum makes a body where it is polled, and the control plane polls it. A handler's stream that
//! blocks, or panics, would do so on the control plane's thread. The pump polls it on the services'
//! runtime instead, and passes finished frames on; the queue between is short, so a slow client
//! slows its stream and nothing else.
//!
//! # What needs none
//!
//! Most bodies are in memory: one frame, which is all of it. To see that, the first frame is taken
//! from a body that says how long it is, and put into one of the framework's own if nothing is left
//! behind it. Its client may then be as slow as it likes, and the generation be gone.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use axum::body::{Body, Bytes};
use axum::http::{Response, header};
use futures_util::FutureExt as _;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use processpype_core::ErrorKind;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::answer::HandlerError;
use crate::failure::Failure;
use crate::life::{Guard, Life, NotTracked, Phase};
use crate::panic::{Contained, Panicked, contain, drop_contained};
use crate::vitals::{Seen, seen};

/// How many frames of one body may wait for its client.
const FRAMES_PENDING: usize = 8;

type FrameResult = Result<Frame<Bytes>, axum::Error>;

/// What is seen of a body before anything of it is sent.
enum Look {
    /// All of it is there: the body is one of the framework's own by now, and holds nothing of the
    /// service.
    Whole,
    /// The rest of it is still to be made.
    Pieces(Pieces),
}

/// A body of which not all is there at once.
struct Pieces {
    /// How long all of it will be, if that is known.
    size: Option<u64>,
    /// Its first frame, if it was there.
    first: Poll<Option<FrameResult>>,
}

/// Ties the request's guard to its body, and the body to the phases of the generation.
///
/// Called where the service runs, and in its span: what a body says of itself is code of the
/// service, too.
///
/// # Errors
///
/// The body panicked before anything of it was sent. The guard is given back until that is told.
pub(super) fn guarded(
    mut response: Response<Body>,
    guard: Guard,
    span: &tracing::Span,
) -> Result<Response<Body>, (Panicked, Guard)> {
    if !response.extensions().is_empty() {
        if let Some(HandlerError(chain)) = response.extensions().get() {
            let failed = || Failure::new(ErrorKind::Failed, format!("a handler: {chain}"));
            guard.life().tell_story(failed);
        }
        // Values of the service, which nobody further on reads.
        drop_contained(std::mem::take(response.extensions_mut()));
    }
    let pieces = match look(guard.life(), response.body_mut()) {
        Ok(Look::Whole) => return Ok(response),
        Ok(Look::Pieces(pieces)) => pieces,
        Err(panicked) => {
            drop_contained(response);
            return Err((panicked, guard));
        }
    };
    let is_event_stream = is_event_stream(&response);
    let body = std::mem::take(response.body_mut());
    *response.body_mut() = pumped(body, pieces, guard, is_event_stream, span);
    Ok(response)
}

/// Looks at a body, and takes its first frame if that may be all of it.
fn look(life: &Arc<Life>, body: &mut Body) -> Result<Look, Panicked> {
    // Whatever is not there at once is polled again, by the pump.
    let mut cx = Context::from_waker(Waker::noop());
    seen(life, "a body", || contain(|| Look::at(body, &mut cx)))
}

/// A body whose frames come from a pump, which begins behind its first one.
fn pumped(
    body: Body,
    Pieces { size, first }: Pieces,
    guard: Guard,
    is_event_stream: bool,
    span: &tracing::Span,
) -> Body {
    let (sender, frames) = mpsc::channel(FRAMES_PENDING + 1);
    let goes_on = !matches!(first, Poll::Ready(None | Some(Err(_))));
    if let Poll::Ready(Some(frame)) = first {
        // The queue is empty.
        let _ = sender.try_send(frame.map_err(told));
    }
    if goes_on {
        let services = guard.life().services().clone();
        let pumping = pump(body, sender, guard, is_event_stream).instrument(span.clone());
        services.spawn(pumping.boxed());
    } else {
        drop_contained(body);
    }
    Body::new(Pumped { frames, left: size })
}

fn is_event_stream(response: &Response<Body>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
}

/// What is said of an error of a body. The error is a value of the service, and goes no further.
fn told(error: axum::Error) -> axum::Error {
    let text = contain(move || error.to_string());
    axum::Error::new(text.unwrap_or_else(|panicked| panicked.to_string()))
}

/// Passes frames on until the body ends, its client has gone, or the generation loses its patience.
async fn pump(
    mut body: Body,
    sender: mpsc::Sender<FrameResult>,
    guard: Guard,
    is_event_stream: bool,
) {
    // The place for the news that the body was cut: there must be room for it in a full queue.
    let last = sender.clone().try_reserve_owned();
    let life = guard.life();
    let cut_at = if is_event_stream { Phase::Draining } else { Phase::Stopping };
    let all = async {
        loop {
            let frame = Seen::other(life, "a body", None, Contained::new(body.frame()));
            let frame = match frame.await {
                Ok(Some(frame)) => frame.map_err(told),
                Ok(None) => return,
                Err(panicked) => {
                    super::call::tell_panic(life, "a body", &panicked);
                    Err(axum::Error::new(panicked))
                }
            };
            let is_last = frame.is_err();
            if sender.send(frame).await.is_err() || is_last {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = life.reached(cut_at) => {
            // An event stream just ends; another body that is cut is an error to its reader.
            if let (false, Ok(last)) = (is_event_stream, last) {
                last.send(Err(axum::Error::new(NotTracked::Stopping)));
            }
        }
        () = sender.closed() => {}
        () = all => {}
    }
    drop_contained(body);
    // Last: the generation is gone when nothing is left of its bodies.
    drop(guard);
}

/// A body whose frames come from the services' runtime.
struct Pumped {
    frames: mpsc::Receiver<FrameResult>,
    /// How much is still to come, if the service's body has said it: its reader may say it, too.
    left: Option<u64>,
}

// === impl Look ===

impl Look {
    /// A body that says how long it is may still be made piece by piece: another server's answer
    /// that is passed on has its length in its head. So only what has come is taken for the whole,
    /// and what is left of the service's body is dropped here.
    fn at(body: &mut Body, cx: &mut Context<'_>) -> Self {
        if body.is_end_stream() {
            *body = Body::empty();
            return Self::Whole;
        }
        let Some(size) = body.size_hint().exact() else {
            return Self::Pieces(Pieces { size: None, first: Poll::Pending });
        };
        let first = match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if bytes.len() as u64 == size && body.is_end_stream() => {
                    *body = Body::from(bytes);
                    return Self::Whole;
                }
                frame => Poll::Ready(Some(Ok(frame.map_or_else(|frame| frame, Frame::data)))),
            },
            first => first,
        };
        Self::Pieces(Pieces { size: Some(size), first })
    }
}

// === impl Pumped ===

impl HttpBody for Pumped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        let frame = ready!(self.frames.poll_recv(cx));
        if let (Some(left), Some(Ok(frame))) = (&mut self.left, &frame) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
