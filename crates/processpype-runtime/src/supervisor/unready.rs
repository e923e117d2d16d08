//! What the log says when the start is over, of those who are not ready.
//!
//! A start is over once each service has come through its first start. A `oneshot` may be at its
//! work for hours then, and whoever needs it waits: that is as it should be, and no warning.

use std::collections::BTreeSet;
use std::sync::Arc;

use processpype_core::{Desired, ServiceName, ServiceState, each};

use super::Supervisor;
use crate::cell::Cell;
use crate::facts::Facts;
use crate::status::Status;

/// How many services the log names on one line.
const NAMED: usize = 20;

impl Supervisor {
    /// Says at the end of the start what did not come up, and why, on one line.
    pub(super) fn name_unready(&self) {
        let is_wanted = |facts: &Facts| facts.desired == Desired::Running;
        let is_missed = |facts: &Facts| is_wanted(facts) && !facts.ready && !facts.completed;
        let wanted = self.cells.iter().filter(|cell| cell.look(is_wanted)).count();
        let missed = self.cells.iter().filter(|cell| cell.look(is_missed));
        let missed: Vec<Arc<Status>> = missed.map(|cell| cell.status()).collect();
        if missed.is_empty() || self.closing.has_begun() {
            return;
        }
        let reasons: Vec<String> = missed.iter().take(NAMED).map(|one| why(one)).collect();
        let more = missed.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (many, reasons) = (missed.len(), reasons.join(", "));
        if self.awaits_only_work(&missed) {
            tracing::info!(
                target: "processpype",
                "{many} of {wanted} services are not ready yet: {reasons}{more}"
            );
        } else {
            tracing::warn!(
                target: "processpype", "{many} of {wanted} services are not ready: {reasons}{more}"
            );
        }
    }

    /// Whether everybody waits for a `oneshot` that is at its work, directly or through others.
    fn awaits_only_work(&self, missed: &[Arc<Status>]) -> bool {
        let at_work =
            self.cells.iter().filter(|cell| self.is_at_work(cell)).map(|cell| cell.name());
        let awaited: BTreeSet<&ServiceName> =
            at_work.chain(missed.iter().map(|one| &one.name)).collect();
        let waits = |one: &Arc<Status>| {
            !one.waiting_on.is_empty() && one.waiting_on.iter().all(|name| awaited.contains(name))
        };
        missed.iter().all(waits)
    }

    fn is_at_work(&self, cell: &Cell) -> bool {
        let is_oneshot = self.services[cell.id().index()].configured.options.oneshot;
        is_oneshot && cell.state() == ServiceState::Running
    }
}

/// Says in a few words why a service is not ready: the story is in lines of its own.
fn why(status: &Status) -> String {
    let waiting: Vec<&str> = each(&status.waiting_on, ServiceName::as_str);
    let why = match &status.error {
        _ if !waiting.is_empty() => format!("waits for {}", waiting.join(", ")),
        Some(error) => error.kind.as_str().to_owned(),
        None => status.state.as_str().to_owned(),
    };
    format!("{} ({why})", status.name)
}
