//! SIGHUP: the configuration is loaded again.
//!
//! # Invariants
//!
//! 1. One reload at a time: signals that come while one goes on are one more, after it.
//! 2. What is wrong is told whole, in the log; nothing has changed then. Nobody else may be there
//!    to see it.

use processpype_runtime::{ConfigureError, Manager, Reloading, Request};

use crate::signals::Hangups;

/// Who asks for what a signal asks for.
const ACTOR: &str = "signal:SIGHUP";

/// Loads the configuration again with every SIGHUP. Never returns.
pub(crate) async fn on_hangup(mut hangups: Hangups, manager: Manager) {
    loop {
        hangups.next().await;
        tracing::info!(target: "processpype", "SIGHUP: loading the configuration again");
        match manager.reload(Request::by(ACTOR)).await {
            Ok(reloading) => tell(reloading).await,
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

/// Tells what differs, and what cannot change; what became of each service the supervisor tells.
async fn tell(reloading: Reloading) {
    for difference in &reloading.differences {
        tracing::info!(target: "processpype", "configuration: {difference}");
    }
    for fixed in &reloading.fixed {
        tracing::warn!(
            target: "processpype", "restart the process for `{}`: {}", fixed.path, fixed.why
        );
    }
    for (_, operation) in reloading.services {
        // Told by the supervisor, as the end of any operation.
        let _ = operation.outcome().await;
    }
}
