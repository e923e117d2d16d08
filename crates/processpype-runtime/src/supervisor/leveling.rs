//! Levels of the log that an operator has changed for a while.
//!
//! # Invariants
//!
//! 1. A change ends: by itself at its time, when it is taken back, or with the process. A later
//!    change of the same log takes its place, with an end of its own.
//! 2. What holds, what is shown and what is told are changed in one step of the loop.
//! 3. At most one change for each service that is there, and one for the application; one timer for
//!    all of them.
//!
//! # One timer
//!
//! It is set for the change that ends first, whenever a change comes or goes. All that are over by
//! then end together; the next one is looked for among those that are left.

use std::sync::Arc;
use std::time::Duration;

use processpype_config::HumanDuration;
use processpype_core::{EventKind, LogLevel, OperationId, ServiceId, ServiceName};

use super::Supervisor;
use super::keys::{Told, What};
use crate::clock::Timestamp;
use crate::journal::Event;
use crate::levels::{LevelChange, LevelOrder, Leveled};
use crate::operation::CommandError;
use crate::request::Request;
use crate::timers::Due;

/// How long a level may be changed at a time.
///
/// A day: longer than any search for a cause, and it can be prolonged. What is to stay belongs to
/// the configuration.
pub const LEVEL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

// === impl Supervisor ===

impl Supervisor {
    pub(super) fn take_level(&mut self, order: LevelOrder) -> Result<Leveled, CommandError> {
        if !self.launch.levels.is_there() {
            return Err(CommandError::NoLog);
        }
        let LevelOrder { service, change, by } = order;
        let change = change.map(|(level, time)| (level, time.min(LEVEL_MAX)));
        let what = What::Level(service.clone(), change);
        if let Some(Told::Leveled(leveled)) = self.told(&what, &by)? {
            return Ok(leveled);
        }
        if self.closing.has_begun() {
            return Err(CommandError::Closing);
        }
        let leveled = match change {
            Some((level, time)) => self.hold_level(service, level, time, &by),
            None => self.take_back_level(service, &by),
        };
        self.keep_told(what, &by, Told::Leveled(leveled));
        Ok(leveled)
    }

    fn hold_level(
        &mut self,
        service: Option<ServiceName>,
        level: LogLevel,
        time: Duration,
        by: &Request,
    ) -> Leveled {
        let until = Timestamp(self.clock.now().0 + time.as_millis() as u64);
        let ends = self.clock.instant() + time;
        let (actor, reason) = (Arc::clone(&by.actor), by.reason.clone());
        let change = LevelChange { level, until, actor, reason, ends };
        self.keep_level(service.clone(), Some(change));
        self.launch.levels.switch(service.as_ref(), Some(level));
        let operation = self.application_operation("level", service.clone(), by, true);
        let text = format!("{level} for {}", HumanDuration::from(time));
        self.tell_level(EventKind::LevelChanged, service, &text, Some((operation, by)));
        Leveled { operation, changed: true }
    }

    fn take_back_level(&mut self, service: Option<ServiceName>, by: &Request) -> Leveled {
        let changed = self.shared.levels.load().contains_key(&service);
        let operation = self.application_operation("reset-level", service.clone(), by, changed);
        if changed {
            self.revert_level(service, Some((operation, by)));
        }
        Leveled { operation, changed }
    }

    /// The time of the first change is over, and perhaps of others.
    pub(super) fn levels_are_over(&mut self) {
        let (levels, now) = (self.shared.levels.load_full(), self.clock.instant());
        for (service, _) in levels.iter().filter(|(_, change)| change.ends <= now) {
            self.revert_level(service.clone(), None);
        }
    }

    /// A service leaves the application: a later one of its name has the level that is configured.
    pub(super) fn forget_level(&mut self, id: ServiceId) {
        let service = Some(self.cells[id.index()].name().clone());
        if self.shared.levels.load().contains_key(&service) {
            self.revert_level(service, None);
        }
    }

    fn revert_level(&mut self, service: Option<ServiceName>, by: Option<(OperationId, &Request)>) {
        self.keep_level(service.clone(), None);
        let level = self.launch.levels.switch(service.as_ref(), None);
        let text = level.map_or("as configured".to_owned(), |level| format!("{level} again"));
        self.tell_level(EventKind::LevelReverted, service, &text, by);
    }

    fn keep_level(&mut self, service: Option<ServiceName>, change: Option<LevelChange>) {
        let mut levels = (*self.shared.levels.load_full()).clone();
        match change {
            Some(change) => levels.insert(service, Arc::new(change)),
            None => levels.remove(&service),
        };
        let next = levels.values().map(|change| change.ends).min();
        self.timers.set(next, Due::Level);
        self.shared.levels.store(Arc::new(levels));
    }

    fn tell_level(
        &self,
        kind: EventKind,
        service: Option<ServiceName>,
        text: &str,
        by: Option<(OperationId, &Request)>,
    ) {
        self.shared.touch();
        let reason = by.and_then(|(_, by)| by.reason.as_deref());
        let message = reason.map_or(text.to_owned(), |reason| format!("{text}; {reason}"));
        match &service {
            Some(service) => {
                tracing::info!(
                    target: "processpype", service = %service, reason, "log level: {text}"
                );
            }
            None => tracing::info!(target: "processpype", reason, "log level: {text}"),
        }
        self.append(Event {
            service,
            actor: by.map(|(_, by)| Arc::clone(&by.actor)),
            operation: by.map(|(operation, _)| operation),
            message: Some(message.into()),
            ..self.event(kind, None, if by.is_some() { "operator" } else { "expired" })
        });
    }
}
