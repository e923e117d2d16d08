//! Signals that concern the terminal.
//!
//! # Invariants
//!
//! 1. SIGTERM, SIGHUP and SIGINT end the view as `q` does; SIGTSTP suspends it as Ctrl-Z does.

use std::io;

use rustix::process::{Signal as Number, getpid, kill_process};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::update::Message;

/// The signals that are waited for.
pub(super) struct Signals {
    terminate: Signal,
    hangup: Signal,
    interrupt: Signal,
    suspend: Signal,
}

// === impl Signals ===

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            suspend: signal(SignalKind::from_raw(Number::TSTP.as_raw()))?,
        })
    }

    /// Returns what the next signal means.
    pub(super) async fn next(&mut self) -> Message {
        tokio::select! {
            _ = self.terminate.recv() => Message::Quit,
            _ = self.hangup.recv() => Message::Quit,
            _ = self.interrupt.recv() => Message::Quit,
            _ = self.suspend.recv() => Message::Suspend,
        }
    }
}

/// Stops this process until somebody lets it go on.
pub(super) fn sleep() -> io::Result<()> {
    Ok(kill_process(getpid(), Number::STOP)?)
}
