//! One connection, from its place to its end.
//!
//! # Invariants
//!
//! 1. Whatever the client does or leaves undone, the connection ends: each wait for it has a time.
//! 2. Whoever has not asked anything is not answered when it has to leave.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::crowd::Place;
use crate::gate::Visitor;
use crate::listen::until_true;
use crate::pace::{Answering, Exchange, Paced};
use crate::settings::Limits;
use crate::socket::Stream;
use crate::stall::Stalling;
use crate::tls::Acceptor;

/// The least that hyper takes for its buffer, in bytes.
const BUFFER_MIN: usize = 8 * 1024;

/// The other end of a connection, and what it may pass.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Stream,
    pub(crate) visitor: Visitor,
    /// What speaks TLS with it, if that is spoken there.
    pub(crate) tls: Option<Arc<Acceptor>>,
}

/// Serves one connection until it ends, or closing begins and its request under way is answered.
pub(crate) async fn serve(
    client: Client,
    place: Place,
    router: Router,
    limits: Limits,
    mut closed: watch::Receiver<bool>,
) {
    let mut leaving = pin!(either(until_true(&mut closed), place.asks_to_leave()));
    let client = tokio::select! {
        client = client.meet(limits.handshake_time) => client,
        // It has not asked anything.
        () = leaving.as_mut() => return,
    };
    match client {
        Ok(Client { stream, visitor, .. }) => talk(stream, visitor, router, limits, leaving).await,
        Err(error) => tracing::debug!(%error, "a handshake did not come to its end"),
    }
}

// === impl Client ===

impl Client {
    /// Does what comes before HTTP: the handshake of TLS, if that is spoken.
    async fn meet(self, patience: Duration) -> io::Result<Self> {
        let Self { stream, mut visitor, tls } = self;
        let stream = match (stream, &tls) {
            (Stream::Tcp(stream), Some(acceptor)) => {
                let met = timeout(patience, acceptor.accept(stream)).await;
                let (stream, certificate) = met.map_err(|_| io::ErrorKind::TimedOut)??;
                visitor.certificate = certificate;
                Stream::Tls(Box::new(stream))
            }
            (stream, _) => stream,
        };
        Ok(Self { stream, visitor, tls })
    }
}

/// Speaks HTTP until the connection ends, or `leaving` resolves and what is under way is answered.
async fn talk(
    stream: Stream,
    visitor: Visitor,
    router: Router,
    limits: Limits,
    leaving: impl Future<Output = ()>,
) {
    let exchange = Arc::new(Exchange::default());
    let socket = Stalling::new(stream, limits.write_stall_time);
    let io = TokioIo::new(Paced::new(socket, Arc::clone(&exchange), limits));
    let mut http = http1::Builder::new();
    http.header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(BUFFER_MIN));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        exchange.asked();
        request.extensions_mut().insert(visitor);
        let answering = begun(router.call(request));
        let exchange = Arc::clone(&exchange);
        async { answering.await.map(|answer| answer.map(|body| Answering::new(body, exchange))) }
    });
    let mut connection = pin!(http.serve_connection(io, service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = leaving => {
            if !exchange.has_asked() {
                // At most a part of a first head has come: nobody waits for an answer.
                return;
            }
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}

/// Begins with a request in the moment in which its head has been read.
///
/// Left to itself, hyper first looks whether the client is still there, and drops the request if
/// not: a command of a client that leaves at once would be lost before anybody has seen it.
fn begun<F: Future>(answering: F) -> impl Future<Output = F::Output> {
    let mut answering = Box::pin(answering);
    // Nothing is missed: hyper polls what is not ready again, with its own waker.
    let first = answering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    async move {
        match first {
            Poll::Ready(answer) => answer,
            Poll::Pending => answering.await,
        }
    }
}
