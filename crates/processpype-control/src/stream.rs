//! Server-sent events: what every stream does, and the stream of the journal.
//!
//! # Invariants
//!
//! 1. A stream never waits for a slow reader: what is no longer held is told as `lagged`.
//! 2. It holds one of [`Limits::streams`](crate::Limits::streams) places as long as it is open.
//! 3. It ends when the server stops, after the last event, or nobody takes what it sends.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, Uri};
use axum::response::Response;
use futures_util::{FutureExt as _, stream};
use processpype_api::{Code, Fault, Lagged, Problem};
use processpype_runtime::{EventPage, Subscription};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::sleep;

use crate::convert;
use crate::gate::Caller;
use crate::journal::Filter;
use crate::listen::until_true;
use crate::places::ClientPlace;
use crate::query::Query;
use crate::reply;
use crate::server::Control;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many events are written at once.
const EVENTS_PER_WRITE: usize = 256;

/// When a stream that has no place is worth another try, in seconds.
const RETRY_AFTER: u64 = 5;

/// The first thing sent, so that the client sees that it is connected; a broken stream is tried
/// again after a second.
const GREETING: &str = "retry: 1000\n: processpype events\n\n";

const HEARTBEAT: &str = ": still here\n\n";
const CLOSING: &str = "event: closing\ndata: {}\n\n";

/// What a stream is made of.
pub(crate) trait Feed: Send + 'static {
    /// Waits for what is there to be sent, and returns it as messages.
    ///
    /// # Cancel safety
    ///
    /// Nothing may be lost if the future is dropped.
    fn next(&mut self) -> impl Future<Output = String> + Send;

    /// Returns what is there to be sent without waiting, at the end.
    fn rest(&mut self) -> String;
}

/// One open stream.
struct Follower<F> {
    feed: F,
    closing: watch::Receiver<bool>,
    heartbeat: Duration,
    stage: Stage,
    _place: StreamPlace,
}

/// A place for a stream, of all and of the client's own.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    _of_all: OwnedSemaphorePermit,
    _own: Option<ClientPlace>,
}

enum Stage {
    Greeting,
    Following,
    Over,
}

/// The journal from one place on.
struct Events {
    subscription: Subscription,
    filter: Filter,
    /// Counts what could not be sent, over all streams of events.
    lagged: Arc<AtomicU64>,
}

pub(crate) fn follow(
    control: &Control,
    uri: &Uri,
    headers: &HeaderMap,
    caller: &Caller,
) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let newest = control.manager.last_event();
    let after = query.count("after", 0, u64::MAX, newest);
    let filter = Filter::take(control, &mut query);
    let after = last_event_id(headers, &mut query).unwrap_or(after);
    query.finish()?;
    let subscription = control.manager.subscribe(within(after, newest));
    let lagged = Arc::clone(&control.lagged);
    open(control, caller, Events { subscription, filter, lagged })
}

/// Opens a stream, if there is a place for one more.
pub(crate) fn open<F: Feed>(
    control: &Control,
    caller: &Caller,
    feed: F,
) -> Result<Response, Problem> {
    let place = StreamPlace::take(control, caller)?;
    let follower = Follower {
        feed,
        closing: control.closing.clone(),
        heartbeat: control.settings.limits.heartbeat,
        stage: Stage::Greeting,
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(follower, Follower::next));
    Ok(reply::stream("text/event-stream", body))
}

/// A place beyond the newest one belongs to an earlier process: begin with the oldest one here.
pub(crate) fn within(after: u64, newest: u64) -> u64 {
    if after > newest { 0 } else { after }
}

pub(crate) fn last_event_id(headers: &HeaderMap, query: &mut Query) -> Option<u64> {
    let value = headers.get(LAST_EVENT_ID)?;
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    if id.is_none() {
        query.fault(Fault::new("Last-Event-ID", "it is not a sequence number"));
    }
    id
}

/// Tells how many messages will never be seen.
pub(crate) fn push_lagged(text: &mut String, lost: u64) {
    if lost > 0 {
        push(text, "event: lagged\n", &Lagged { lost });
    }
}

fn push<T: serde::Serialize>(text: &mut String, head: &str, data: &T) {
    let data = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    let _ = write!(text, "{head}data: {data}\n\n");
}

// === impl StreamPlace ===

impl StreamPlace {
    /// Takes one for a stream of any kind.
    pub(crate) fn take(control: &Control, caller: &Caller) -> Result<Self, Problem> {
        let own = caller.client().map(|client| control.client_streams.take(client));
        let own = own.transpose().map_err(|_| {
            let most = control.client_streams.limit();
            let detail = format!("{most} streams of this client are open, more are not served");
            Problem::new(Code::TooManyRequests, detail).retry_after(RETRY_AFTER)
        })?;
        let of_all = Arc::clone(&control.streams).try_acquire_owned().map_err(|_| {
            let most = control.settings.limits.streams;
            let detail = format!("{most} event streams are open, more are not served");
            Problem::new(Code::Busy, detail).retry_after(RETRY_AFTER)
        })?;
        Ok(Self { _of_all: of_all, _own: own })
    }
}

// === impl Follower ===

impl<F: Feed> Follower<F> {
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
        tokio::select! {
            biased;
            // First: somebody waits to see the end of the application.
            text = self.feed.next() => text,
            () = until_true(&mut self.closing) => {
                self.stage = Stage::Over;
                self.feed.rest() + CLOSING
            }
            () = sleep(self.heartbeat) => HEARTBEAT.to_owned(),
        }
    }
}

// === impl Events ===

impl Feed for Events {
    async fn next(&mut self) -> String {
        let page = self.subscription.next(EVENTS_PER_WRITE).await;
        self.text(&page)
    }

    fn rest(&mut self) -> String {
        // On several threads the last ones may have come after they were looked for, and before the
        // end was. What comes beside this is not waited for.
        let (mut text, mut end) = (String::new(), None);
        while let Some(page) = self.subscription.next(EVENTS_PER_WRITE).now_or_never() {
            text += &self.text(&page);
            let end = *end.get_or_insert(page.last);
            if page.events.last().is_none_or(|newest| newest.seq >= end) {
                break;
            }
        }
        text
    }
}

impl Events {
    fn text(&self, page: &EventPage) -> String {
        let mut text = String::new();
        self.lagged.fetch_add(page.lost, Ordering::Relaxed);
        push_lagged(&mut text, page.lost);
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

#[cfg(test)]
mod tests {
    use processpype_runtime::{Assembly, Launch};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_came_before_the_end_is_told_at_the_end() {
        let blueprint = Assembly::default().check().expect("nothing is in it");
        let (manager, supervisor) = blueprint.launch(Launch::on(tokio::runtime::Handle::current()));
        // More than is taken at once.
        let notes = EVENTS_PER_WRITE as u64 + 1;
        let reporter = manager.reporter();
        #[expect(clippy::disallowed_methods, reason = "a test runs the loop beside itself")]
        let supervisor = tokio::spawn(supervisor.run());
        for _ in 0..notes {
            reporter.note("certificate-reloaded", "once more");
            tokio::task::yield_now().await;
        }
        manager.close();
        supervisor.await.expect("it ends");
        let subscription = manager.subscribe(0);
        let (filter, lagged) = (Filter::default(), Arc::default());
        let mut events = Events { subscription, filter, lagged };
        let text = events.rest();
        let last = manager.last_event();
        assert!(last > notes && text.contains(&format!("id: {last}\n")), "{text}");
        assert_eq!(text.matches("id: ").count() as u64, last);
        assert_eq!(events.rest(), "");
    }
}
