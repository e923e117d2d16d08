//! SIGHUP: the configuration is loaded again.
//!
//! # Invariants
//!
//! 1. One reload at a time: signals that come while one goes on are one more, after it.
//! 2. What is wrong is told whole, in the log; nothing has changed then. Nobody else may be there
//!    to see it.

use std::time::Duration;

use processpype_runtime::{ConfigureError, Manager, Reloading, Request};

use tokio::time::timeout;

use crate::signals::Hangups;

/// Who asks for what a signal asks for.
const ACTOR: &str = "signal:SIGHUP";

/// How long reading the files may take: a disk that hangs must not make the process deaf.
const LOAD_TIME: Duration = Duration::from_secs(30);

/// Loads the configuration again with every SIGHUP. Never returns.
pub(crate) async fn on_hangup(mut hangups: Hangups, manager: Manager) {
    loop {
        hangups.next().await;
        tracing::info!(target: "processpype", "SIGHUP: loading the configuration again");
        let Ok(loaded) = timeout(LOAD_TIME, manager.reload(Request::by(ACTOR))).await else {
            tracing::error!(
                target: "processpype",
                "the configuration was not loaded: within {LOAD_TIME:?} its files could not be \
                 read, or somebody who leaves by an earlier reload was not gone; they are tried \
                 again with the next SIGHUP"
            );
            continue;
        };
        match loaded {
            Ok(reloading) => tell(&reloading),
            Err(ConfigureError::Refused(refused)) => tracing::error!(
                target: "processpype",
                "the configuration is not valid; nothing has changed\n{refused}"
            ),
            Err(error) => tracing::error!(
                target: "processpype", "the configuration was not loaded: {error}"
            ),
        }
    }
}

/// Tells what differs, and what cannot change; nobody waits for the services: what becomes of each
/// the supervisor tells.
fn tell(reloading: &Reloading) {
    for difference in &reloading.differences {
        tracing::info!(target: "processpype", "configuration: {difference}");
    }
    for fixed in &reloading.fixed {
        tracing::warn!(
            target: "processpype", "restart the process for `{}`: {}", fixed.path, fixed.why
        );
    }
}
