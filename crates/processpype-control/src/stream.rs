//! The journal as server-sent events.
//!
//! # Invariants
//!
//! 1. A stream never waits for a slow reader: what the journal no longer holds is told as `lagged`.
//! 2. It holds one of [`Limits::streams`](crate::Limits::streams) places as long as it is open.
//! 3. It ends when the server stops, after the last event, or nobody takes what it sends.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Uri};
use axum::response::Response;
use futures_util::stream;
use processpype_api::{Code, Fault, Lagged, Problem};
use processpype_runtime::{EventPage, Subscription};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use crate::convert;
use crate::journal::Filter;
use crate::listen::until_true;
use crate::query::Query;
use crate::reply;
use crate::server::Control;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many events are written at once.
const EVENTS_PER_WRITE: usize = 256;

/// The first thing sent, so that the client sees that it is connected; a broken stream is tried
/// again after a second.
const GREETING: &str = "retry: 1000\n: processpype events\n\n";

const HEARTBEAT: &str = ": still here\n\n";
const CLOSING: &str = "event: closing\ndata: {}\n\n";

/// One open stream.
struct Follower {
    subscription: Subscription,
    filter: Filter,
    closing: watch::Receiver<bool>,
    heartbeat: Duration,
    stage: Stage,
    /// Counts what could not be sent, over all streams.
    lagged: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
}

enum Stage {
    Greeting,
    Following,
    Over,
}

pub(crate) fn follow(
    control: &Control,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let newest = control.manager.last_event();
    let after = query.count("after", 0, u64::MAX, newest);
    let filter = Filter::take(control, &mut query);
    let after = last_event_id(headers, &mut query).unwrap_or(after);
    query.finish()?;
    let Ok(place) = Arc::clone(&control.streams).try_acquire_owned() else {
        let most = control.settings.limits.streams;
        let detail = format!("{most} event streams are open, more are not served");
        return Err(Problem::new(Code::Busy, detail).retry_after(5));
    };
    // A place beyond the newest event belongs to an earlier process: begin with the oldest one
    // here.
    let after = if after > newest { 0 } else { after };
    let follower = Follower {
        subscription: control.manager.subscribe(after),
        filter,
        closing: control.closing.clone(),
        heartbeat: control.settings.limits.heartbeat,
        stage: Stage::Greeting,
        lagged: Arc::clone(&control.lagged),
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(follower, Follower::next));
    Ok(reply::stream("text/event-stream", body))
}

fn last_event_id(headers: &HeaderMap, query: &mut Query) -> Option<u64> {
    let value = headers.get(LAST_EVENT_ID)?;
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    if id.is_none() {
        query.fault(Fault::new("Last-Event-ID", "it is not a sequence number"));
    }
    id
}

// === impl Follower ===

impl Follower {
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        let text = match self.stage {
            Stage::Greeting => GREETING.to_owned(),
            Stage::Following => self.following().await,
            Stage::Over => return None,
        };
        if matches!(self.stage, Stage::Greeting) {
            self.stage = Stage::Following;
        }
        Some((Ok(text.into()), self))
    }

    async fn following(&mut self) -> String {
        let page = tokio::select! {
            biased;
            // First: the end of the application is in the journal too, and somebody waits to see
            // it.
            page = self.subscription.next(EVENTS_PER_WRITE) => page,
            () = until_true(&mut self.closing) => {
                self.stage = Stage::Over;
                return CLOSING.to_owned();
            }
            () = sleep(self.heartbeat) => return HEARTBEAT.to_owned(),
        };
        self.text(&page)
    }

    fn text(&self, page: &EventPage) -> String {
        let mut text = String::new();
        if page.lost > 0 {
            self.lagged.fetch_add(page.lost, Ordering::Relaxed);
            push(&mut text, "event: lagged\n", &Lagged { lost: page.lost });
        }
        for event in page.events.iter().filter(|event| self.filter.matches(event)) {
            push(&mut text, &format!("id: {}\n", event.seq), &convert::event(event));
        }
        // Also what does not match moves the place where a broken stream goes on.
        if let Some(newest) = page.events.last().filter(|event| !self.filter.matches(event)) {
            let _ = write!(text, "id: {}\n\n", newest.seq);
        }
        text
    }
}

fn push<T: serde::Serialize>(text: &mut String, head: &str, data: &T) {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    let _ = write!(text, "{head}data: {data}\n\n");
}
