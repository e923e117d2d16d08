//! Asking services what is wrong with them.

use processpype_core::ServiceName;
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, timeout_at};

use super::Manager;
use crate::diagnosis::{DIAGNOSE_TIME, Finding};
use crate::operation::CommandError;
use crate::order::Order;
use crate::pulses::BUSY_MIN;

/// How long after its own limit an answer of a service may be on its way.
const ON_ITS_WAY: Duration = Duration::from_millis(500);

// === impl Manager ===

impl Manager {
    /// Asks a service, or all that run, what is wrong with them; see
    /// [`Service::diagnose`](crate::Service::diagnose).
    ///
    /// All are asked at the same time, and the answer is there within [`DIAGNOSE_TIME`] and a
    /// little more. A service that has not answered by then is in it with the finding `no-answer`,
    /// and so is one of which too many wait for an answer; who finds nothing, or does not run, is
    /// not in it.
    ///
    /// # Errors
    ///
    /// There is no such service, or the supervisor takes no orders any more.
    ///
    /// # Cancel safety
    ///
    /// Safe: asking changes nothing.
    pub async fn diagnose(
        &self,
        name: Option<&str>,
    ) -> Result<Vec<(ServiceName, Vec<Finding>)>, CommandError> {
        let id = name.map(|name| self.known(name)).transpose()?.map(|cell| cell.id());
        let (sender, asked) = oneshot::channel();
        self.give::<CommandError>(Order::Diagnose(id, sender))?;
        let asked = asked.await.map_err(|_| CommandError::Closing)?;
        let until = Instant::now() + DIAGNOSE_TIME + ON_ITS_WAY;
        let mut found = Vec::new();
        for (service, answer) in asked {
            let findings = match timeout_at(until, answer).await {
                Ok(Ok(findings)) => findings,
                // It has stopped meanwhile.
                Ok(Err(_)) => continue,
                Err(_) => {
                    let busy = self.busy_for(service.as_str()).filter(|it| *it >= BUSY_MIN);
                    vec![busy.map_or_else(Finding::no_answer, Finding::busy)]
                }
            };
            let public = |finding: Finding| finding.public(&self.shared.scrub);
            let findings: Vec<Finding> = findings.into_iter().map(public).collect();
            if !findings.is_empty() {
                found.push((service, findings));
            }
        }
        Ok(found)
    }
}
