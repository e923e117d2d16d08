//! Bodies of answers: what makes them is code of the service, and part of its generation.

use std::convert::Infallible;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use axum::routing::get;
use futures_util::Stream;
use processpype_core::{EventKind, ServiceState};
use processpype_runtime::{Manager, RequestError, Routes, Service};
use tokio::runtime::Handle;

use crate::harness::{run, spec};
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

struct Bodies;

impl Service for Bodies {
    fn routes(self: Arc<Self>) -> Routes {
        Router::new().route("/sore", get(async || Body::from_stream(Sore(false)))).into()
    }
}

async fn bodies() -> Manager {
    let (manager, _closed) = run(vec![spec("bodies", || Bodies, &[])], &Handle::current());
    manager.settled().await;
    manager
}

async fn ask(manager: &Manager, path: &str) -> Result<Response, RequestError> {
    let mounted = manager.mounted("bodies").expect("it is there").expect("it is running");
    mounted.call(Request::get(path).body(Body::empty()).expect("a request")).await
}

async fn read(answer: Response) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(answer.into_body(), 1 << 20).await
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
