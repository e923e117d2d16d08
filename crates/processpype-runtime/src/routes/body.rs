//! The body of an answer, tied to the generation that gives it.
//!
//! # Invariants
//!
//! 1. A body that is made piece by piece is made on the services' runtime: the control plane only
//!    takes finished frames from a bounded queue.
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

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{Response, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use crate::life::{Guard, NotTracked, Phase};
use crate::panic::{Contained, drop_contained};
use crate::vitals::Seen;

/// How many frames of one body may wait for its client.
const FRAMES_PENDING: usize = 8;

type FrameResult = Result<Frame<Bytes>, axum::Error>;

/// Ties the request's guard to its body, and the body to the phases of the generation.
pub(super) fn guarded(
    response: Response<Body>,
    guard: Guard,
    span: &tracing::Span,
) -> Response<Body> {
    if response.body().size_hint().exact().is_some() {
        // It is in memory: nothing of the service runs when it is sent, however slowly.
        return response;
    }
    let is_event_stream = is_event_stream(&response);
    response.map(|body| {
        let (sender, frames) = mpsc::channel(FRAMES_PENDING + 1);
        let services = guard.life().services().clone();
        services.spawn(pump(body, sender, guard, is_event_stream).instrument(span.clone()));
        Body::new(Pumped { frames })
    })
}

fn is_event_stream(response: &Response<Body>) -> bool {
    let content_type = response.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"))
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
                Ok(Some(frame)) => frame,
                Ok(None) => return,
                Err(panicked) => {
                    super::tell_panic(life, "a body", &panicked);
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
}

impl HttpBody for Pumped {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<FrameResult>> {
        self.frames.poll_recv(cx)
    }
}
