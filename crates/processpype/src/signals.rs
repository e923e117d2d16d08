//! The signals that close an application, and one that must not end it.
//!
//! # Invariants
//!
//! 1. All three are listened for before the first is waited for, so that a signal during the start
//!    closes what has started instead of killing the process.
//! 2. SIGHUP closes nothing: it loads the configuration again, and while the application closes
//!    does nothing.

use std::io;
use std::time::Duration;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT, as one source.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    terminate: Signal,
    #[cfg(unix)]
    interrupt: Signal,
}

/// SIGHUP; where there is none it never comes.
#[derive(Debug)]
pub(crate) struct Hangups {
    #[cfg(unix)]
    hangup: Signal,
}

/// Lets a file that grows beyond the limit of the process (`ulimit -f`) be a failure of whoever
/// writes it, who tells it: SIGXFSZ, which comes with it, ends a process that has no handler.
///
/// The handler stays for as long as the process lives; nobody waits for the signal.
#[cfg(unix)]
pub(crate) fn outlive_file_limit() -> io::Result<()> {
    signal(SignalKind::from_raw(libc::SIGXFSZ)).map(drop)
}

// === impl Signals ===

impl Signals {
    /// A second signal that comes sooner is taken for an echo of the first.
    pub(crate) const SECOND_AFTER: Duration = Duration::from_millis(250);

    #[cfg(unix)]
    pub(crate) fn listen() -> io::Result<(Self, Hangups)> {
        let closing = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        };
        Ok((closing, Hangups { hangup: signal(SignalKind::hangup())? }))
    }

    #[cfg(not(unix))]
    pub(crate) fn listen() -> io::Result<(Self, Hangups)> {
        Ok((Self {}, Hangups {}))
    }

    /// Waits for the next signal that asks to close, and returns its name.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) -> &'static str {
        tokio::select! {
            Some(()) = self.terminate.recv() => "SIGTERM",
            Some(()) = self.interrupt.recv() => "SIGINT",
            else => std::future::pending().await,
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) -> &'static str {
        match tokio::signal::ctrl_c().await {
            Ok(()) => "Ctrl-C",
            Err(_) => std::future::pending().await,
        }
    }
}

// === impl Hangups ===

impl Hangups {
    /// Waits for the next SIGHUP; several that were not waited for are one.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        if self.hangup.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    #[cfg(not(unix))]
    pub(crate) async fn next(&mut self) {
        std::future::pending().await
    }
}
