//! Sockets: binding, accepting, serving connections, and ending them on time.
//!
//! Builder → [`Bound`] → [`Running`]: the address is known, and a port in use is told, before
//! anything is spawned.
//!
//! # Invariants
//!
//! 1. A listener that would let other machines in unasked is not opened, and each request carries
//!    the [`Gate`](crate::gate::Gate) of the listener that it came through.
//! 2. A connection holds one of its listener's `Limits::connections` places, and one of its
//!    client's `Limits::connections_per_peer`, until its end. Whoever has all of its own waits,
//!    for a time, until one of those leaves, and holds up nobody else.
//! 3. Every connection ends: idle ones at once, busy ones within the deadline, the rest by force.
//! 4. An address that was bound is accepted from until closing begins, and certificates are looked
//!    for as long. A panic of that is a bug of ours: it is told, the connections go on, and so does
//!    what has panicked, after a rest.

use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use processpype_core::each;
use processpype_runtime::Manager;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::connection::{Client, serve};
use crate::crowd::{Crowd, Place};
use crate::entry::Entry;
use crate::error::{BindError, TOO_MANY_FILES_HELP, lacks_files};
use crate::gate::{Peer, Visitor};
use crate::listener::Proofs;
use crate::places::{ClientPlace, Coming, Places};
use crate::socket::{Open, Stream};
use crate::spare::Spares;
use crate::tls::Acceptor;

/// How long accepting rests after the system has no file descriptor or memory left, or a panic.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How long it rests at most after a panic that comes again and again.
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Of connections that cannot be accepted one in this time is told, with how many they were: a
/// lack of descriptors lasts, and five lines a second fill a log.
const FAILURES_TOLD_EVERY: Duration = Duration::from_secs(10);

/// A server that holds its addresses and answers nobody yet.
#[derive(Debug)]
pub struct Bound {
    open: Vec<Open>,
    entry: Entry,
    closing: watch::Sender<bool>,
}

/// A server that answers.
///
/// Dropping it aborts every connection; [`Running::stop`] is the way to end it well.
#[derive(Debug)]
pub struct Running {
    address: Option<SocketAddr>,
    /// One accept loop for each listener, with what it has accepted.
    accepting: Vec<(JoinHandle<()>, Connections)>,
    /// One for each listener that speaks TLS.
    renewing: Vec<JoinHandle<()>>,
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
        entry: Entry,
        proofs: Proofs,
        closing: watch::Sender<bool>,
    ) -> Result<Self, BindError> {
        let (settings, now) = (&entry.control.settings, entry.control.manager.wall_time());
        let mut open = Vec::new();
        for listener in settings.all_listeners() {
            open.push(Open::bind(&listener, proofs, &settings.certificates, now).await?);
        }
        let speaking = open.iter().filter_map(|open| Some((open.name.clone(), open.tls.clone()?)));
        // There is one server to a control plane, and it binds once.
        let _ = entry.control.speaking.set(speaking.collect());
        Ok(Self { open, entry, closing })
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
    fn control_address(&self) -> Option<SocketAddr> {
        let mut control = self.open.iter().filter(|open| open.gate.expose.control);
        control.find_map(Open::address)
    }

    /// Returns every address of the first listener that has one and on which the control API itself
    /// answers: a host name may have more than one.
    #[must_use]
    pub fn control_addresses(&self) -> Vec<SocketAddr> {
        let mut control = self.open.iter().filter(|open| open.gate.expose.control);
        let open = control.find(|open| open.address().is_some());
        open.map_or_else(Vec::new, |open| open.addresses().collect())
    }

    /// Begins to answer, on the current tokio runtime.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    #[must_use]
    pub fn serve(self) -> Running {
        let (address, closing) = (self.address(), self.closing.clone());
        let Self { open, entry, .. } = self;
        let manager = &entry.control.manager;
        let acceptors = open.iter().filter_map(|open| Some((open.tls.clone()?, &open.name)));
        let renewing = acceptors.map(|(tls, name)| renew(tls, manager.clone(), name)).collect();
        let begin = |open: Open| {
            open.tell();
            let connections = Arc::default();
            let accepting = accept(open, entry.clone(), closing.clone(), Arc::clone(&connections));
            #[expect(clippy::disallowed_methods, reason = "the accept loop is no service's task")]
            (tokio::spawn(accepting.boxed()), connections)
        };
        let accepting = open.into_iter().map(begin).collect();
        Running { address, accepting, renewing, closing }
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
        for (accepting, _) in &mut self.accepting {
            // Its connections are left whether it ended well or not.
            let _ = accepting.await;
        }
        let mut connections: Vec<JoinSet<()>> =
            each(&self.accepting, |(_, open)| std::mem::take(&mut *lock(open)));
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
        self.accepting.iter().for_each(|(accepting, _)| accepting.abort());
        self.renewing.iter().for_each(JoinHandle::abort);
    }
}

/// Begins to look for new certificates, for the listener of that name.
fn renew(tls: Arc<Acceptor>, manager: Manager, name: &str) -> JoinHandle<()> {
    let (reporter, name) = (manager.reporter(), name.to_owned());
    let tell = move |panicked: &str| {
        let message =
            format!("looking for new certificates of {name} panicked, and goes on: {panicked}");
        tracing::error!("{message}: a bug of the framework");
        reporter.note("renewal-panicked", &message);
    };
    let renewing = async move { in_spite_of_panics(|| tls.renew_forever(&manager), tell).await };
    #[expect(clippy::disallowed_methods, reason = "looking for certificates is no service's task")]
    tokio::spawn(renewing.boxed())
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

/// What one listener accepts with. It outlives a panic of its loop.
struct Accepting {
    open: Open,
    entry: Entry,
    closing: watch::Sender<bool>,
    slots: Arc<Semaphore>,
    clients: Arc<Places>,
    crowd: Arc<Crowd>,
    connections: Connections,
    failures: Mutex<Failures>,
    spares: Arc<Spares>,
}

/// How often a connection could not be accepted, as far as nobody was told.
#[derive(Debug, Default)]
struct Failures {
    told: Option<Instant>,
    untold: u64,
}

/// The connections of a listener that are open.
type Connections = Arc<Mutex<JoinSet<()>>>;

fn lock(connections: &Connections) -> MutexGuard<'_, JoinSet<()>> {
    connections.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Accepts until closing begins.
async fn accept(open: Open, entry: Entry, closing: watch::Sender<bool>, connections: Connections) {
    let limits = entry.control.settings.limits;
    let (reporter, name) = (entry.control.manager.reporter(), open.name.clone());
    let spares = Arc::new(Spares::keep(open.gate.expose.control));
    let accepting = Accepting {
        open,
        entry,
        closing,
        slots: Arc::new(Semaphore::new(limits.connections)),
        clients: Places::new(limits.connections_per_peer),
        crowd: Arc::default(),
        connections,
        failures: Mutex::default(),
        spares,
    };
    let tell = |panicked: &str| {
        let message = format!("accepting on {name} panicked, and goes on: {panicked}");
        tracing::error!("{message}: a bug of the framework");
        reporter.note("listener-panicked", &message);
    };
    in_spite_of_panics(|| accepting.go_on(), tell).await;
}

/// Does something until it ends, and anew whenever it panics, after a rest that grows if that comes
/// often.
async fn in_spite_of_panics<F: Future<Output = ()>>(go_on: impl Fn() -> F, tell: impl Fn(&str)) {
    let mut pause = ACCEPT_PAUSE;
    loop {
        let begun = Instant::now();
        let Err(payload) = AssertUnwindSafe(go_on()).catch_unwind().await else { return };
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        tell(text.unwrap_or("a value that is no text"));
        if begun.elapsed() > ACCEPT_PAUSE_MAX {
            pause = ACCEPT_PAUSE;
        }
        sleep(pause).await;
        pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
    }
}

// === impl Accepting ===

impl Accepting {
    /// Accepts until closing begins.
    async fn go_on(&self) {
        let mut closed = self.closing.subscribe();
        loop {
            let next = async {
                let (client, own) = self.next_client().await?;
                // A client whose turn has not come is not read from.
                let slot = self.crowd.place(&self.slots).await?;
                Some((client, own, slot))
            };
            let next = tokio::select! {
                biased;
                () = until_true(&mut closed) => return,
                next = next => next,
            };
            let mut connections = lock(&self.connections);
            while connections.try_join_next().is_some() {}
            if let Some((client, own, slot)) = next {
                let (crowd, entry) = (Arc::clone(&self.crowd), self.entry.clone());
                let (mut closed, spares) = (self.closing.subscribe(), Arc::clone(&self.spares));
                let serving = async move {
                    let Some(own) = own_place(own, &mut closed).await else { return };
                    let place = Place::new(slot, own, &crowd, &entry.control.connections);
                    serve(client, place, entry, closed).await;
                    spares.fill();
                };
                connections.spawn(serving.boxed());
            }
        }
    }

    /// Waits for a client that may have one more connection, or wait for one.
    async fn next_client(&self) -> Option<(Client, Option<Coming>)> {
        let (stream, peer) = match self.open.accept().await {
            Ok(accepted) => accepted,
            Err(error) => match self.squeeze_in(&error) {
                Some(accepted) => accepted,
                None => {
                    // A client that has left again is nothing; a lack of files gets better.
                    sleep(ACCEPT_PAUSE).await;
                    return None;
                }
            },
        };
        self.spares.fill();
        let visitor = Visitor { gate: self.open.gate, peer, certificate: None };
        let clients = &self.clients;
        let own = visitor.client().map(|client| clients.enter(client)).transpose().ok()?;
        if own.as_ref().is_some_and(|own| own.is_first) {
            let limit = clients.limit();
            tracing::warn!(
                ?peer,
                limit,
                "a client has all the connections it may have; its oldest idle ones make room for \
                 more"
            );
        }
        Some((Client { stream, visitor, tls: self.open.tls.clone() }, own))
    }

    /// Accepts on a file that was kept back, if one is what it lacks.
    fn squeeze_in(&self, error: &io::Error) -> Option<(Stream, Peer)> {
        let is_lack = lacks_files(error);
        let mut accepted = None;
        // Whoever takes all files may be quicker than this: then one more is given up.
        while accepted.is_none() && is_lack && self.spares.give_up() {
            match self.open.accept().now_or_never() {
                Some(Err(error)) if lacks_files(&error) => {}
                Some(Ok(client)) => accepted = Some(client),
                // It has left again.
                Some(Err(_)) | None => break,
            }
        }
        let failures = || self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let times = failures().one_more(Instant::now());
        if let Some(times) = times {
            let what = match accepted {
                Some(_) => "a connection is accepted only since a file was kept back for it",
                None => "a connection could not be accepted",
            };
            let help = is_lack.then_some(TOO_MANY_FILES_HELP);
            tracing::warn!(%error, times, help, "{what}");
        }
        if accepted.is_none() {
            self.spares.fill();
        }
        accepted
    }
}

/// Waits until the client has a place of its own; the program itself needs none.
///
/// `None` if it gets none, or closing begins.
async fn own_place(
    own: Option<Coming>,
    closed: &mut watch::Receiver<bool>,
) -> Option<Option<ClientPlace>> {
    let Some(own) = own else { return Some(None) };
    tokio::select! {
        biased;
        () = until_true(closed) => None,
        place = own.place() => place.map(Some),
    }
}

// === impl Failures ===

impl Failures {
    /// One more; returns how many to tell of now, or nothing if that was done a moment ago.
    fn one_more(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        let is_quiet = self.told.is_some_and(|told| now - told < FAILURES_TOLD_EVERY);
        (!is_quiet).then(|| {
            self.told = Some(now);
            std::mem::take(&mut self.untold)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn accepting_goes_on_after_a_panic_and_rests_longer_if_that_comes_often() {
        let (tries, told, begun) = (Cell::new(0), RefCell::new(Vec::new()), Instant::now());
        let times = RefCell::new(Vec::new());
        let go_on = || {
            let this = tries.replace(tries.get() + 1);
            times.borrow_mut().push(begun.elapsed().as_millis());
            async move {
                match this {
                    0 => panic!("a bug"),
                    1 => panic!("bug {this}"),
                    // It lasted for a while.
                    2 => {
                        sleep(ACCEPT_PAUSE_MAX + ACCEPT_PAUSE).await;
                        panic!("late")
                    }
                    _ => {}
                }
            }
        };
        in_spite_of_panics(go_on, |text| told.borrow_mut().push(text.to_owned())).await;
        assert_eq!(*told.borrow(), ["a bug", "bug 1", "late"]);
        assert_eq!(*times.borrow(), [0, 200, 600, 11_000]);
    }

    #[test]
    fn of_many_connections_that_fail_the_number_is_told() {
        let (mut failures, begun) = (Failures::default(), Instant::now());
        let mut told = Vec::new();
        for tenth in 0..=210 {
            let now = begun + Duration::from_millis(100) * tenth;
            told.extend(failures.one_more(now).map(|times| (tenth, times)));
        }
        assert_eq!(told, [(0, 1), (100, 100), (200, 100)]);
    }
}
