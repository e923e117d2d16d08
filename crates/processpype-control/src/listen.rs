//! Sockets: binding, accepting, serving connections, and ending them on time.
//!
//! Builder → [`Bound`] → [`Running`]: the address is known, and a port in use is told, before
//! anything is spawned.
//!
//! # Invariants
//!
//! 1. A listener that would let other machines in unasked is not opened, and each request carries
//!    the [`Gate`](crate::gate::Gate) of the listener that it came through.
//! 2. A connection holds one of its listener's [`Limits::connections`] places from accept to
//!    its end.
//! 3. Every connection ends: idle ones at once, busy ones within the deadline, the rest by force.
//! 4. Nobody keeps others out by being there: when all places are taken, whoever has been there
//!    longest without need gives up its place.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::error::BindError;
use crate::gate::Visitor;
use crate::listener::Listener;
use crate::settings::Limits;
use crate::socket::{Open, Stream};
use crate::stall::Stalling;

/// How long accepting rests after the system has no file descriptor or memory left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long a connection may keep its place, whatever it does, when others wait for one. Long
/// enough for any head to arrive over loopback.
const PLACE_KEPT: Duration = Duration::from_secs(1);

/// How often another connection is asked to leave while clients wait for a place.
const ASK_TO_LEAVE_EVERY: Duration = Duration::from_millis(20);

/// What tells connections that others wait.
#[derive(Debug, Default)]
struct Crowd {
    is_waiting: AtomicBool,
    leave: Notify,
}

/// A server that holds its addresses and answers nobody yet.
#[derive(Debug)]
pub struct Bound {
    open: Vec<Open>,
    router: Router,
    limits: Limits,
    closing: watch::Sender<bool>,
}

/// A server that answers.
///
/// Dropping it aborts every connection; [`Running::stop`] is the way to end it well.
#[derive(Debug)]
pub struct Running {
    address: Option<SocketAddr>,
    /// One accept loop for each listener.
    accepting: Vec<JoinHandle<JoinSet<()>>>,
    closing: watch::Sender<bool>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// How many connections did not end by the deadline and were aborted.
    pub aborted: usize,
}

// === impl Bound ===

impl Bound {
    pub(crate) async fn bind(
        listeners: &[Listener],
        has_tokens: bool,
        router: Router,
        limits: Limits,
        closing: watch::Sender<bool>,
    ) -> Result<Self, BindError> {
        let mut open = Vec::with_capacity(listeners.len());
        for listener in listeners {
            open.push(Open::bind(listener, has_tokens).await?);
        }
        Ok(Self { open, router, limits, closing })
    }

    /// Returns the address of the first listener that has one, with the port that was chosen if 0
    /// was asked for; those that expose `control` come first. A Unix socket has none.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        let is_control = |open: &&Open| open.gate.expose.control;
        self.control_address()
            .or_else(|| self.open.iter().filter(|open| !is_control(open)).find_map(Open::address))
    }

    /// Returns the address at which the control API itself answers.
    #[must_use]
    pub fn control_address(&self) -> Option<SocketAddr> {
        let mut control = self.open.iter().filter(|open| open.gate.expose.control);
        control.find_map(Open::address)
    }

    /// Begins to answer, on the current tokio runtime.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    #[must_use]
    pub fn serve(self) -> Running {
        let (address, closing) = (self.address(), self.closing.clone());
        let Self { open, router, limits, .. } = self;
        let begin = |open: Open| {
            open.tell();
            let accepting = accept(open, router.clone(), limits, closing.clone());
            #[expect(clippy::disallowed_methods, reason = "the accept loop is no service's task")]
            tokio::spawn(accepting)
        };
        let accepting = open.into_iter().map(begin).collect();
        Running { address, accepting, closing }
    }
}

// === impl Running ===

impl Running {
    /// Returns the address, as [`Bound::address`] does.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Stops accepting, ends streams and idle connections at once, lets requests under way finish
    /// for at most `grace`, and aborts what is left.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, every connection is aborted.
    pub async fn stop(mut self, grace: Duration) -> Drained {
        self.closing.send_replace(true);
        let mut connections = Vec::with_capacity(self.accepting.len());
        for accepting in &mut self.accepting {
            connections.extend(accepting.await.ok());
        }
        let all = async {
            for connections in &mut connections {
                while connections.join_next().await.is_some() {}
            }
        };
        if timeout(grace, all).await.is_ok() {
            return Drained::default();
        }
        let aborted = connections.iter().map(JoinSet::len).sum();
        tracing::warn!(aborted, "connections did not end in time and are aborted");
        for mut connections in connections {
            connections.shutdown().await;
        }
        Drained { aborted }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.accepting.iter().for_each(JoinHandle::abort);
    }
}

/// Waits until the value is true, or its sender is gone.
///
/// # Cancel safety
///
/// Nothing is lost if the future is dropped.
pub(crate) async fn until_true(value: &mut watch::Receiver<bool>) {
    let _ = value.wait_for(|&value| value).await;
}

// === the accept loop ===

/// Accepts until closing begins, and returns the connections that are still open then.
async fn accept(
    open: Open,
    router: Router,
    limits: Limits,
    closing: watch::Sender<bool>,
) -> JoinSet<()> {
    let mut closed = closing.subscribe();
    let slots = Arc::new(Semaphore::new(limits.connections));
    let crowd = Arc::new(Crowd::default());
    let mut connections = JoinSet::new();
    loop {
        let next = tokio::select! {
            biased;
            () = until_true(&mut closed) => return connections,
            next = next_connection(&open, &slots, &crowd) => next,
        };
        while connections.try_join_next().is_some() {}
        if let Some((client, slot)) = next {
            let place = Place { _slot: slot, crowd: Arc::clone(&crowd) };
            connections.spawn(serve(client, place, router.clone(), limits, closing.subscribe()));
        }
    }
}

/// Waits for a client, then for a free place; a client whose turn has not come is not read from.
async fn next_connection(
    open: &Open,
    slots: &Arc<Semaphore>,
    crowd: &Crowd,
) -> Option<((Stream, Visitor), OwnedSemaphorePermit)> {
    match open.accept().await {
        Ok((stream, peer)) => {
            let visitor = Visitor { gate: open.gate, peer };
            Some(((stream, visitor), crowd.place(slots).await?))
        }
        Err(error) => {
            // A client that has left again is nothing; a lack of descriptors gets better with time.
            tracing::warn!(%error, "a connection could not be accepted");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

/// A place among the connections, and the crowd that may want it back.
#[derive(Debug)]
struct Place {
    _slot: OwnedSemaphorePermit,
    crowd: Arc<Crowd>,
}

impl Crowd {
    /// Waits for a free place; while there is none, asks one connection after the other to leave.
    async fn place(&self, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        loop {
            let free = Arc::clone(slots).acquire_owned();
            if let Ok(slot) = timeout(ASK_TO_LEAVE_EVERY, free).await {
                self.is_waiting.store(false, Ordering::Relaxed);
                return slot.ok();
            }
            self.is_waiting.store(true, Ordering::Relaxed);
            self.leave.notify_one();
        }
    }

    /// Resolves when a connection that is no longer new should leave, the oldest one first.
    async fn asks_to_leave(&self) {
        sleep(PLACE_KEPT).await;
        loop {
            self.leave.notified().await;
            if self.is_waiting.load(Ordering::Relaxed) {
                return;
            }
        }
    }
}

/// Serves one connection until it ends, or closing begins and its request under way is answered.
async fn serve(
    (socket, visitor): (Stream, Visitor),
    place: Place,
    router: Router,
    limits: Limits,
    mut closed: watch::Receiver<bool>,
) {
    let io = TokioIo::new(Stalling::new(socket, limits.write_stall_time));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_read_time)
        .max_headers(limits.headers)
        .max_buf_size(limits.header_bytes.max(8 * 1024));
    let has_asked = AtomicBool::new(false);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: hyper::Request<hyper::body::Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(visitor);
        begun(router.call(request))
    });
    let mut connection = std::pin::pin!(http.serve_connection(io, service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = either(until_true(&mut closed), place.crowd.asks_to_leave()) => {
            if !has_asked.load(Ordering::Relaxed) {
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
