//! A connection that is served where the services run: without a change of threads for each
//! request, as long as it asks for services' own routes, often.
//!
//! # Invariants
//!
//! 1. The task that accepted the connection stays its owner: it waits for the end, holds the place,
//!    and dropping it ends the connection.
//! 2. A request for anything but a service's own route is answered by the control plane's thread,
//!    to which the line goes back first.
//! 3. A line on which nothing happens goes back too, after [`OFTEN`] to twice that, whatever the
//!    services do with their threads: the owner takes it, and asks nobody.
//! 4. What a service has made is dropped where services run.
//!
//! # Who holds the talk
//!
//! A lock that whoever serves the line holds while it polls, and its owner only tries: a handler
//! that blocks keeps its own connection, and holds up nobody else.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::Poll;
use std::time::Duration;

use processpype_runtime::Host;
use tokio::time::sleep;

use crate::desk::{Desk, OFTEN};
use crate::entry::Entry;
use crate::exchange::Exchange;
use crate::line::{Line, Takes, Talk};

/// How often a line that has to end is looked at.
const END_LOOK: Duration = Duration::from_millis(10);

/// A line that has been handed over.
struct Lent {
    seat: Mutex<Seat>,
    exchange: Arc<Exchange>,
    /// The request under way is the last one.
    is_last: AtomicBool,
}

/// What is there of the connection.
enum Seat {
    /// Nobody has begun with it.
    Line(Line),
    Talk(Box<Talk>),
    /// It was given back, or has ended.
    Empty,
}

/// Has the line served where the services run, until it comes back. `None` when it has ended, or
/// has to, because `leaving` has resolved.
pub(crate) async fn serve(
    line: Line,
    entry: &Entry,
    mut leaving: Pin<&mut impl Future<Output = ()>>,
) -> Option<Line> {
    let lent = Arc::new(Lent::new(line));
    let there = Arc::clone(&lent).run(entry.clone(), Host::here());
    let mut there = std::pin::pin!(entry.control.manager.host().carry(there));
    let mut seen = lent.exchange.step();
    let mut look = OFTEN;
    loop {
        let is_last = lent.is_last.load(SeqCst);
        tokio::select! {
            back = there.as_mut() => {
                let back = back.flatten().filter(|_| !is_last)?;
                return settled(back.settle());
            }
            () = leaving.as_mut(), if !is_last => {
                lent.is_last.store(true, SeqCst);
                look = Duration::ZERO;
            }
            () = sleep(look) => {
                let step = lent.exchange.step();
                if is_last {
                    look = END_LOOK;
                }
                if (is_last || step == seen) && let Some(line) = lent.take_back() {
                    return if is_last { None } else { settled(line.settle()) };
                }
                seen = step;
            }
        }
    }
}

fn settled(line: io::Result<Line>) -> Option<Line> {
    line.inspect_err(|error| tracing::debug!(%error, "a connection could not be moved")).ok()
}

// === impl Lent ===

impl Lent {
    fn new(line: Line) -> Self {
        let exchange = Arc::clone(line.exchange());
        Self { seat: Mutex::new(Seat::Line(line)), exchange, is_last: AtomicBool::new(false) }
    }

    /// Serves the line; returns it when its next request is for somebody else.
    async fn run(self: Arc<Self>, entry: Entry, control: Host) -> Option<Line> {
        let emptied = Emptied(&self);
        if !self.begin(&entry, control) {
            return None;
        }
        let back = poll_fn(|cx| {
            let mut seat = self.seat();
            let Seat::Talk(talk) = &mut *seat else { return Poll::Ready(None) };
            if self.is_last.load(SeqCst) {
                talk.wind_down();
            }
            if talk.poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            match talk.exchange().is_leaving() {
                true => Poll::Ready(seat.give()),
                false => Poll::Pending,
            }
        });
        let back = back.await;
        drop(emptied);
        back
    }

    /// Takes the line to the current runtime; false if there is none, or it cannot be.
    fn begin(&self, entry: &Entry, control: Host) -> bool {
        let mut seat = self.seat();
        let Some(line) = seat.give().and_then(|line| settled(line.settle())) else { return false };
        let desk = Desk::of_services(entry, &line, control);
        let talk = Talk::new(line, Takes::Own, desk);
        *seat = Seat::Talk(Box::new(talk));
        true
    }

    /// Takes the line back, if it is between two requests and nobody is at it.
    fn take_back(&self) -> Option<Line> {
        let mut seat = match self.seat.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        match self.exchange.is_between() {
            true => seat.give(),
            false => None,
        }
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Seat ===

impl Seat {
    /// Gives the line up, if there is one. Between two requests only.
    fn give(&mut self) -> Option<Line> {
        match std::mem::replace(self, Self::Empty) {
            Self::Line(line) => Some(line),
            Self::Talk(talk) => Some(talk.into_line()),
            Self::Empty => None,
        }
    }
}

/// Lets go of what there is when the task ends, where the task ran.
struct Emptied<'a>(&'a Lent);

impl Drop for Emptied<'_> {
    fn drop(&mut self) {
        let left = std::mem::replace(&mut *self.0.seat(), Seat::Empty);
        drop(left);
    }
}
