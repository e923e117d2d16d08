//! Who answers the requests of one connection, and on which thread.
//!
//! # Invariants
//!
//! 1. The framework's own answers are made on the thread of the control plane, wherever the
//!    connection is. What a service answers is made on the services' runtime.
//! 2. A request is begun in the moment in which its head has been read.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use processpype_runtime::Host;
use tokio::time::Instant;

use crate::entry::{Answering, Entry};
use crate::exchange::{Answering as Reply, Asking, Exchange, UNKNOWN};
use crate::gate::Visitor;
use crate::line::Line;
use crate::own;
use crate::server::Control;

/// A client that asks services' own routes at least this often is served where they run.
pub(crate) const OFTEN: Duration = Duration::from_millis(100);

/// What answers the requests of one connection.
pub(crate) struct Desk {
    entry: Entry,
    visitor: Visitor,
    exchange: Arc<Exchange>,
    side: Side,
}

/// On which side of the house the connection is.
enum Side {
    /// Where it was accepted; with the time of the last request, if that was a service's own.
    Control(Cell<Option<Instant>>),
    /// Where the services run; with the way back.
    Services(Host),
    /// There is one runtime for both.
    Both,
}

/// An answer that has been begun.
pub(crate) struct Begun {
    answer: Begin,
    exchange: Arc<Exchange>,
}

/// How far it is.
enum Begin {
    Answered(Option<Response>),
    OnItsWay(Box<Answering>),
}

// === impl Desk ===

impl Desk {
    /// Answers where the connection was accepted.
    pub(crate) fn of_control(entry: &Entry, line: &Line) -> Self {
        let is_one = entry.control.manager.host().is_here();
        Self::new(entry, line, if is_one { Side::Both } else { Side::Control(Cell::new(None)) })
    }

    /// Answers where the services run; `control` is where the connection was accepted.
    pub(crate) fn of_services(entry: &Entry, line: &Line, control: Host) -> Self {
        Self::new(entry, line, Side::Services(control))
    }

    fn new(entry: &Entry, line: &Line, side: Side) -> Self {
        let exchange = Arc::clone(line.exchange());
        Self { entry: entry.clone(), visitor: line.visitor(), exchange, side }
    }

    pub(crate) fn control(&self) -> &Arc<Control> {
        &self.entry.control
    }

    pub(crate) fn visitor(&self) -> Visitor {
        self.visitor
    }

    /// Notes what is asked for. Who asks for services' own routes again and again is better served
    /// over there.
    fn note(&self, is_own: bool) {
        if let Side::Control(last) = &self.side {
            let asked = is_own.then(Instant::now);
            let is_often = |asked: Instant| last.get().is_some_and(|last| asked - last < OFTEN);
            self.exchange.leave(asked.is_some_and(is_often));
            last.set(asked);
        }
    }
}

impl Service<hyper::Request<Incoming>> for Desk {
    type Response = hyper::Response<Reply<Body>>;
    type Error = Infallible;
    type Future = Begun;

    fn call(&self, request: hyper::Request<Incoming>) -> Begun {
        let length = match request.body().is_end_stream() {
            true => 0,
            false => request.body().size_hint().exact().unwrap_or(UNKNOWN),
        };
        let has_body = length > 0;
        self.exchange.asked(length);
        let own = own::service(request.uri().path().as_bytes(), self.entry.control.prefix());
        self.note(own.is_some());
        let is_ours =
            || own::is_framework(request.method(), request.uri().path(), self.control().prefix());
        // Over there nobody looks whether others want the place.
        let is_here = !matches!(self.side, Side::Services(_));
        self.exchange.owe(is_here && own.is_none() && is_ours());
        let mut request = request.map(|body| match has_body {
            true => Body::new(Asking::new(body, Arc::clone(&self.exchange))),
            false => Body::empty(),
        });
        if self.exchange.take_length() {
            restore_length(request.headers_mut());
        }
        let answering = match &self.side {
            Side::Services(control) if own.is_none() => {
                let (entry, visitor) = (self.entry.clone(), self.visitor);
                let carried =
                    control.carry(async move { entry.answer(visitor, request, None).await });
                Answering::Ours(Box::pin(async move { carried.await.unwrap_or_else(ended) }))
            }
            Side::Control(_) | Side::Services(_) | Side::Both => {
                self.entry.answer(self.visitor, request, own)
            }
        };
        Begun::new(answering, &self.exchange)
    }
}

/// Puts back the length that hyper takes out of a head which has a transfer coding too: whoever
/// looks at it is to see both.
fn restore_length(headers: &mut HeaderMap) {
    headers.entry(CONTENT_LENGTH).or_insert(HeaderValue::from_static(""));
}

/// The answer of a control plane that is gone.
fn ended() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = hyper::StatusCode::SERVICE_UNAVAILABLE;
    response
}

// === impl Begun ===

impl Begun {
    /// Begins with a request in the moment in which its head has been read.
    ///
    /// Left to itself, hyper first looks whether the client is still there, and drops the request
    /// if not: a command of a client that leaves at once would be lost before anybody has seen it.
    fn new(answering: Answering, exchange: &Arc<Exchange>) -> Self {
        let answer = match answering {
            Answering::Answered(response) => Begin::Answered(response),
            Answering::Services(_) => Begin::OnItsWay(Box::new(answering)),
            Answering::Ours(mut ours) => {
                // Nothing is missed: hyper polls what is not ready again, with its own waker.
                match ours.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(response) => Begin::Answered(Some(response)),
                    Poll::Pending => Begin::OnItsWay(Box::new(Answering::Ours(ours))),
                }
            }
        };
        Self { answer, exchange: Arc::clone(exchange) }
    }
}

impl Future for Begun {
    type Output = Result<hyper::Response<Reply<Body>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.answer {
            Begin::Answered(response) => response.take().map_or(Poll::Pending, Poll::Ready),
            Begin::OnItsWay(answering) => Pin::new(answering.as_mut()).poll(cx),
        };
        let exchange = &self.exchange;
        response.map(|it| {
            exchange.answers(it.body().size_hint().exact().is_some());
            Ok(it.map(|body| Reply::new(body, Arc::clone(exchange))))
        })
    }
}
