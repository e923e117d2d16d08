//! Requests on their way through a service's routes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::Request;
use axum::routing::get;
use http_body::{Frame, SizeHint};
use processpype_runtime::{Call, Manager, Routes, Service};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Span;

use crate::harness::{run, spec};

/// Long enough for what takes no time.
const SOON: Duration = Duration::from_secs(20);

/// Where a service's code ran: the span, and what it did.
type Seen = Arc<Mutex<Vec<(&'static str, Option<u64>)>>>;

/// Its handlers note in which span they are made, run and dropped.
struct Noting(Seen);

struct Note(Seen, &'static str);

/// A body that says how long it is, and notes in which span it is looked at.
struct Told(Seen);

impl Service for Noting {
    fn routes(self: Arc<Self>) -> Routes {
        note(&self.0, "routes");
        let seen = Arc::clone(&self.0);
        let at_once = async move || note(&seen, "answer");
        let seen = Arc::clone(&self.0);
        let late = async move || {
            let _dropped = Note(Arc::clone(&seen), "drop");
            note(&seen, "wait");
            tokio::task::yield_now().await;
            note(&seen, "wait on");
            std::future::pending::<()>().await;
        };
        let seen = Arc::clone(&self.0);
        let body = async move || Body::new(Told(Arc::clone(&seen)));
        let seen = Arc::clone(&self.0);
        let late_body = async move || {
            tokio::task::yield_now().await;
            Body::new(Told(Arc::clone(&seen)))
        };
        let router = axum::Router::new().route("/", get(at_once)).route("/late", get(late));
        router.route("/body", get(body)).route("/late-body", get(late_body)).into()
    }
}

impl HttpBody for Told {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        note(&self.0, "body");
        Poll::Ready(None)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1)
    }
}

fn note(seen: &Seen, what: &'static str) {
    let span = Span::current().id().map(|id| id.into_u64());
    seen.lock().expect("no panic").push((what, span));
}

impl Drop for Note {
    fn drop(&mut self) {
        note(&self.0, self.1);
    }
}

fn ask(manager: &Manager, path: &str) -> Call {
    let mounted = manager.mounted("noting").expect("it is there").expect("it is running");
    mounted.call(Request::get(path).body(Body::empty()).expect("a request"))
}

#[tokio::test]
async fn a_handler_runs_and_is_dropped_in_the_span_of_its_generation() {
    // Two, as `Log::listen` says.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let _listens = tracing::subscriber::set_default(tracing_subscriber::registry());
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let specs = vec![spec("noting", move || Noting(Arc::clone(&notes)), &[])];
    let (manager, _closed) = run(specs, &Handle::current());
    timeout(SOON, manager.settled()).await.expect("it settles");
    ask(&manager, "/").take().expect("an answer").expect("a good one");
    for path in ["/body", "/late-body"] {
        ask(&manager, path).await.expect("an answer");
    }
    // Its client goes before the handler is polled again, and after that.
    drop(ask(&manager, "/late"));
    let mut late = ask(&manager, "/late");
    assert!(timeout(Duration::ZERO, &mut late).await.is_err());
    drop(late);
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    let whats: Vec<_> = seen.iter().map(|(what, _)| *what).collect();
    let expected = ["routes", "answer", "body", "body", "wait", "drop", "wait", "wait on", "drop"];
    assert_eq!(whats, expected);
    let spans: Vec<_> = seen.iter().map(|(_, span)| *span).collect();
    assert!(spans[0].is_some() && spans.iter().all(|span| *span == spans[0]), "{spans:?}");
    assert!(Span::current().id().is_none(), "no span is left behind");
}

#[tokio::test]
async fn what_has_answered_at_once_holds_up_no_stop_and_what_waits_is_cut() {
    let specs = vec![spec("noting", || Noting(Seen::default()), &[])];
    let (manager, _closed) = run(specs, &Handle::current());
    timeout(SOON, manager.settled()).await.expect("it settles");
    let mut answered = ask(&manager, "/");
    let mut late = ask(&manager, "/late");
    assert!(late.take().is_none(), "it has not answered");
    let both = async { tokio::join!(late, manager.stop("noting")) };
    let (cut, stopped) = timeout(SOON, both).await.expect("it is cut");
    assert!(cut.is_err() && stopped.is_ok(), "{cut:?} {stopped:?}");
    assert!(answered.take().is_some_and(|answer| answer.is_ok()));
    assert!(answered.take().is_none(), "an answer is taken once");
}
