//! SIGHUP: the configuration is loaded again.
//!
//! # Invariants
//!
//! 1. One reload at a time: signals that come while one goes on, its services included, are one
//!    more, after it ([ADR 0069]). Nobody waits longer than [`SETTLE_TIME`] for services: a file
//!    that was mended must not wait for what its mistake has brought about.
//! 2. What is wrong is told whole, in the log; nothing has changed then. Nobody else may be there
//!    to see it.
//! 3. While the application closes nothing is loaded, and that is no mistake.
//!
//! [ADR 0069]: ../../../../docs/adr/0069-signals-in-a-row-are-one-more-reload.md

use std::pin::pin;
use std::time::Duration;

use futures_util::FutureExt as _;
use processpype_runtime::{ConfigureError, Manager, Reloading, Request};
use tokio::time::timeout;

use crate::signals::Hangups;

/// Who asks for what a signal asks for.
const ACTOR: &str = "signal:SIGHUP";

/// How long reading the files may take: a disk that hangs must not make the process deaf.
const LOAD_TIME: Duration = Duration::from_secs(30);

/// How long the next reload waits for the services of the one before.
const SETTLE_TIME: Duration = Duration::from_secs(10);

/// Loads the configuration again with every SIGHUP. Never returns.
pub(crate) async fn on_hangup(mut hangups: Hangups, manager: Manager) {
    loop {
        hangups.next().await;
        let mut is_due = true;
        while is_due {
            // What was sent until now is done by what comes now.
            let _ = hangups.next().now_or_never();
            is_due = match load(&manager).await {
                Some(reloading) => settle(reloading, &mut hangups).await,
                None => false,
            };
        }
    }
}

/// Loads it once, and tells what has come of that.
async fn load(manager: &Manager) -> Option<Reloading> {
    if manager.is_closing() {
        tell_ignored();
        return None;
    }
    tracing::info!(target: "processpype", "SIGHUP: loading the configuration again");
    let Ok(loaded) = timeout(LOAD_TIME, manager.reload(Request::by(ACTOR))).await else {
        tracing::error!(
            target: "processpype",
            "the configuration was not loaded: within {LOAD_TIME:?} its files could not be read, \
             or somebody who leaves by an earlier reload was not gone; they are tried again with \
             the next SIGHUP"
        );
        return None;
    };
    match loaded {
        Ok(reloading) => {
            tell(&reloading);
            return Some(reloading);
        }
        Err(ConfigureError::Refused(refused)) => tracing::error!(
            target: "processpype", "the configuration is not valid; nothing has changed\n{refused}"
        ),
        Err(_) if manager.is_closing() => tell_ignored(),
        Err(error) => tracing::error!(
            target: "processpype", "the configuration was not loaded: {error}"
        ),
    }
    None
}

fn tell_ignored() {
    tracing::info!(
        target: "processpype",
        "SIGHUP: ignored, the application closes; the next start reads the files as they are"
    );
}

/// Waits until every service has what it was given, or has gone back, or has had its time. Returns
/// whether another signal has come meanwhile; any number of them is one.
async fn settle(reloading: Reloading, hangups: &mut Hangups) -> bool {
    let Reloading { operation, services, leaving, joining, .. } = reloading;
    let parts = leaving.into_iter().chain(services).chain(joining);
    let all = async {
        for (_, part) in parts {
            // What has come of it the supervisor tells.
            let _ = part.outcome().await;
        }
    };
    let mut settled = pin!(timeout(SETTLE_TIME, all));
    tokio::select! {
        biased;
        _ = &mut settled => return false,
        () = hangups.next() => {}
    }
    tracing::info!(
        target: "processpype",
        "SIGHUP: the configuration is loaded again when the reload before (operation {}) is over, \
         or after {SETTLE_TIME:?}", operation.0
    );
    let _ = settled.await;
    true
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
