//! One connection, from its place to its end.
//!
//! # Invariants
//!
//! 1. Whatever the client does or leaves undone, the connection ends: each wait for it has a time.
//! 2. Whoever has not asked anything is not answered when it has to leave.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::away;
use crate::crowd::Place;
use crate::desk::Desk;
use crate::entry::Entry;
use crate::gate::Visitor;
use crate::line::{Line, Takes, Talk};
use crate::listen::until_true;
use crate::socket::Stream;
use crate::tls::Acceptor;

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
    entry: Entry,
    mut closed: watch::Receiver<bool>,
) {
    let mut leaving = pin!(either(until_true(&mut closed), place.asks_to_leave()));
    let client = tokio::select! {
        client = client.meet(entry.control.settings.limits.handshake_time) => client,
        // It has not asked anything.
        () = leaving.as_mut() => return,
    };
    match client {
        Ok(Client { stream, visitor, .. }) => {
            talk(Line::new(stream, visitor), &entry, leaving).await;
        }
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
async fn talk(mut line: Line, entry: &Entry, mut leaving: Pin<&mut impl Future<Output = ()>>) {
    while let Some(gone) = here(line, entry, leaving.as_mut()).await {
        match away::serve(gone, entry, leaving.as_mut()).await {
            Some(back) => line = back,
            None => return,
        }
    }
}

/// Serves the line here; returns it if it is better served where the services run.
async fn here(
    line: Line,
    entry: &Entry,
    leaving: Pin<&mut impl Future<Output = ()>>,
) -> Option<Line> {
    let desk = Desk::of_control(entry, &line);
    let mut talk = Talk::new(line, Takes::All, desk);
    let is_over = poll_fn(|cx| match talk.poll(cx) {
        Poll::Ready(()) => Poll::Ready(true),
        Poll::Pending if talk.exchange().is_leaving() && talk.exchange().is_between() => {
            Poll::Ready(false)
        }
        Poll::Pending => Poll::Pending,
    });
    tokio::select! {
        is_over = is_over => (!is_over).then(|| talk.into_line()),
        () = leaving => {
            // If at most a part of a first head has come, nobody waits for an answer.
            if talk.exchange().has_asked() {
                talk.wind_down();
                // Who wants the place goes before who may have gone.
                let is_wanted = !*entry.control.closing.borrow();
                poll_fn(|cx| match talk.poll(cx) {
                    Poll::Pending if is_wanted && talk.exchange().has_ended() => Poll::Ready(()),
                    other => other,
                })
                .await;
            }
            None
        }
    }
}

async fn either(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    tokio::select! {
        () = one => {}
        () = other => {}
    }
}
