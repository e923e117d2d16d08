//! Bodies of answers: what makes them is code of the service, and part of its generation.

use std::convert::Infallible;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll};
use std::thread::ThreadId;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use processpype_core::{EventKind, ServiceState};
use processpype_runtime::{Manager, RequestError, Routes, Service};
use tokio::runtime::Handle;

use crate::harness::{Threads, run, spec};
use crate::log::Log;

/// A stream that panics after its first piece, and then again when it is dropped.
struct Sore(bool);

impl Stream for Sore {
    type Item = Result<&'static str, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::replace(&mut self.0, true) {
            panic_any("polled: s3cret")
        }
        Poll::Ready(Some(Ok("first ")))
    }
}

impl Drop for Sore {
    fn drop(&mut self) {
        panic_any("dropped: s3cret")
    }
}

/// What has become of a body.
#[derive(Default)]
struct Seen {
    /// On which threads it was polled, asked, and dropped.
    threads: Mutex<Vec<ThreadId>>,
    is_dropped: AtomicBool,
}

impl Seen {
    fn note(&self) {
        self.threads.lock().expect("no panic").push(std::thread::current().id());
    }
}

/// A body that is made piece by piece, although its length is known.
struct Pieces {
    /// How much of it is said to be left.
    left: u64,
    pieces: &'static [&'static str],
    seen: Arc<Seen>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    /// What is left after the last piece never comes.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.seen.note();
        let Some((first, rest)) = self.pieces.split_first() else {
            return if self.left == 0 { Poll::Ready(None) } else { Poll::Pending };
        };
        self.pieces = rest;
        self.left -= first.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(first.as_bytes())))))
    }

    fn size_hint(&self) -> SizeHint {
        self.seen.note();
        SizeHint::with_exact(self.left)
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        self.seen.note();
        self.seen.is_dropped.store(true, SeqCst);
    }
}

/// A body of known length that panics at once.
struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic_any("polled: s3cret")
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(1)
    }
}

/// A value of the service, which notes where it is dropped.
#[derive(Clone)]
struct Noted(Arc<Seen>);

impl Drop for Noted {
    fn drop(&mut self) {
        self.0.note();
    }
}

impl std::fmt::Debug for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Noted")
    }
}

impl std::fmt::Display for Noted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no more disk")
    }
}

impl std::error::Error for Noted {}

struct Bodies(&'static [&'static str], Arc<Seen>);

impl Service for Bodies {
    fn routes(self: Arc<Self>) -> Routes {
        let own = Noted(Arc::clone(&self.1));
        let pieces =
            async move || Body::new(Pieces { left: 9, pieces: self.0, seen: Arc::clone(&self.1) });
        let noted = async move || {
            let failing = futures_util::stream::iter([Err::<Bytes, _>(own.clone())]);
            let mut answer = Response::new(Body::from_stream(failing));
            answer.extensions_mut().insert(own.clone());
            answer
        };
        Router::new()
            .route("/noted", get(noted))
            .route("/sore", get(async || Body::from_stream(Sore(false))))
            .route("/broken", get(async || Body::new(Broken)))
            .route("/whole", get(async || "whole"))
            .route("/pieces", get(pieces))
            .into()
    }
}

async fn bodies() -> Manager {
    of(&[], &Handle::current()).await.0
}

/// Starts the service, whose body in pieces has these of nine bytes.
async fn of(pieces: &'static [&'static str], services: &Handle) -> (Manager, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let own = Arc::clone(&seen);
    let make = move || Bodies(pieces, Arc::clone(&own));
    let (manager, _closed) = run(vec![spec("bodies", make, &[])], services);
    manager.settled().await;
    (manager, seen)
}

async fn ask(manager: &Manager, path: &str) -> Result<Response, RequestError> {
    let mounted = manager.mounted("bodies").expect("it is there").expect("it is running");
    mounted.call(Request::get(path).body(Body::empty()).expect("a request")).await
}

async fn read(answer: Response) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(answer.into_body(), 1 << 20).await
}

#[tokio::test]
async fn values_of_the_service_in_an_answer_are_dropped_where_it_runs() {
    let threads = Threads::new();
    let (manager, seen) = of(&[], threads.handle()).await;
    let answer = ask(&manager, "/noted").await.expect("it answers");
    assert!(answer.extensions().is_empty());
    let error = read(answer).await.expect_err("the body fails");
    assert_eq!(error.to_string(), "no more disk");
    drop(error);
    let (here, there) = (std::thread::current().id(), seen.threads.lock().expect("no panic"));
    assert!(!there.is_empty() && there.iter().all(|thread| *thread != here), "{there:?}");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_body_is_an_event_and_its_message_is_in_the_log() {
    let (log, _listening) = Log::listen();
    let manager = bodies().await;
    let answer = ask(&manager, "/sore").await.expect("it answers");
    read(answer).await.expect_err("half a body is none");
    assert_eq!(manager.state("bodies"), Some(ServiceState::Running));
    manager.stop("bodies").await.expect("nothing is left of it");
    let events = manager.events(0, usize::MAX).events;
    let told = events.iter().filter(|event| event.kind == EventKind::HandlerPanic);
    let texts: Vec<_> = told.map(|event| event.message.as_deref()).collect();
    assert_eq!(texts, [Some("a body panicked; the log has the details")]);
    assert_eq!((log.count("polled: s3cret"), log.count("dropped: s3cret")), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_before_it_is_sent_is_that_requests_failure() {
    let manager = bodies().await;
    assert_eq!(ask(&manager, "/broken").await.map(drop), Err(RequestError::Panicked));
    let events = manager.events(0, usize::MAX).events;
    let told = events.iter().filter(|event| event.kind == EventKind::HandlerPanic);
    assert_eq!(told.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_in_memory_is_read_also_when_its_service_has_gone() {
    let manager = bodies().await;
    let answer = ask(&manager, "/whole").await.expect("it answers");
    assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(5));
    manager.stop("bodies").await.expect("nothing of it is left");
    assert_eq!(read(answer).await.expect("it is whole"), "whole");
}

#[tokio::test]
async fn a_body_of_known_length_is_made_where_its_service_runs() {
    let threads = Threads::new();
    let (manager, seen) = of(&["in ", "pieces"], threads.handle()).await;
    let answer = ask(&manager, "/pieces").await.expect("it answers");
    assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(9), "it is still known");
    assert_eq!(read(answer).await.expect("it is whole"), "in pieces");
    manager.stop("bodies").await.expect("nothing of it is left");
    let (seen, own) = (seen.threads.lock().expect("no panic"), std::thread::current().id());
    assert!(seen.len() > 2 && !seen.contains(&own), "it was polled, or dropped, by its reader");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_known_length_that_does_not_end_is_cut_with_its_generation() {
    let (manager, seen) = of(&["in "], &Handle::current()).await;
    let answer = ask(&manager, "/pieces").await.expect("it answers");
    let counts = manager.counts("bodies").expect("it is there");
    assert_eq!(counts.requests, 1, "it is on its way");
    manager.stop("bodies").await.expect("it stops");
    assert!(seen.is_dropped.load(SeqCst), "gone, with a body on its way");
    read(answer).await.expect_err("a third of it passed for the whole");
}
