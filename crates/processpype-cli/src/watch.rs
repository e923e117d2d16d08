//! How far a command is: shown on a terminal while it is waited for.

use std::convert::Infallible;
use std::time::Duration;

use processpype_api::ServiceStatus;
use tokio::time::{Instant, sleep};

use crate::error::ClientError;
use crate::look::Asking;
use crate::paths::service;
use crate::print::progress;

/// Between two looks at a status.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// From then on the line says where more can be learnt: most commands have ended before.
const TELL_WHY: Duration = Duration::from_secs(3);

/// A command that goes on.
pub(crate) struct Watch<'a> {
    pub(crate) asking: &'a Asking,
    /// The service.
    pub(crate) name: &'a str,
    /// What is done to it.
    pub(crate) verb: &'static str,
    pub(crate) begun: Instant,
    /// The last operation that was known of the service before; a later one is this command.
    pub(crate) before: Option<u64>,
}

// === impl Watch ===

impl Watch<'_> {
    /// Shows how far it is. Never returns.
    pub(crate) async fn go_on(&self) -> Infallible {
        loop {
            sleep(LOOK_AGAIN).await;
            if let Ok(status) = self.status().await {
                self.show(&status);
            }
        }
    }

    /// Asks for the status of the service.
    pub(crate) async fn status(&self) -> Result<ServiceStatus, ClientError> {
        self.asking.client.get(&service(self.name)).await?.read()
    }

    /// Shows how far it is, in one line.
    pub(crate) fn show(&self, status: &ServiceStatus) {
        progress(&self.line(status, self.begun.elapsed()));
    }

    fn line(&self, status: &ServiceStatus, elapsed: Duration) -> String {
        let waiting = match &status.waiting_on[..] {
            [] => String::new(),
            names => format!(", waits for {}", names.join(", ")),
        };
        let last = status.acted.as_ref().map(|acted| acted.operation);
        let operation = last.filter(|id| self.before.is_none_or(|before| *id > before));
        let operation = operation.map_or(String::new(), |id| format!(" (operation {id})"));
        let help = match elapsed >= TELL_WHY {
            true => format!(" `why {}` says more", self.name),
            false => String::new(),
        };
        let (state, seconds) = (status.state.as_str(), elapsed.as_secs());
        format!("{} {}{operation}: {state}{waiting}, {seconds} s …{help}", self.verb, self.name)
    }
}
