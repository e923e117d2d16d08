//! One application under check, and what can be asked of the service in it.
//!
//! # Invariants
//!
//! 1. Every wait ends: at the service's own timeouts, and a little more.

use std::sync::Arc;
use std::time::Duration;

use processpype_core::{EventKind, Exit, Generation, ServiceName, ServiceState};
use processpype_runtime::{ErrorInfo, Event, Manager, Status, Watch};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::application::Application;
use crate::setup::SetupError;
use crate::testing::{TestApp, begin_watched, for_test};

/// What is waited for beside the service's own times: other services, and the supervisor.
const SLACK: Duration = Duration::from_secs(60);

/// What lets every task run until it waits.
pub(super) const MOMENT: Duration = Duration::from_millis(20);

/// What is known of the service before anything runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) oneshot: bool,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
    /// Its providers, but for optional ones.
    pub(super) providers: Vec<String>,
}

/// An application with the service in it.
pub(super) struct Subject {
    pub(super) app: TestApp,
    pub(super) watch: Watch,
    name: String,
    facts: Facts,
}

// === impl Facts ===

impl Facts {
    /// Returns `None` if there is no such service.
    pub(super) fn of(app: Application, name: &str) -> Result<Option<Self>, SetupError> {
        let setup = for_test(app).setup()?;
        let blueprint = &setup.blueprint;
        let ids = blueprint.graph().services();
        let Some(id) = ids.into_iter().find(|id| blueprint.name(*id).as_str() == name) else {
            return Ok(None);
        };
        let options = &blueprint.specs()[id.index()].options;
        let edges = blueprint.edges().iter();
        let needed = edges.filter(|edge| edge.dependent == id && edge.policy.gates());
        let mut providers: Vec<String> =
            needed.map(|edge| blueprint.name(edge.provider).as_str().to_owned()).collect();
        processpype_core::sort(&mut providers);
        providers.dedup();
        let (start_timeout, stop_timeout) = (options.start_timeout, options.stop_timeout);
        Ok(Some(Self { oneshot: options.oneshot, start_timeout, stop_timeout, providers }))
    }

    /// How long the service may take to end and start again.
    pub(super) fn patience(&self) -> Duration {
        self.start_timeout.saturating_add(self.stop_timeout).saturating_add(SLACK)
    }
}

// === impl Subject ===

impl Subject {
    /// Starts the application; the service may be watched, and held at an await.
    pub(super) fn begin(
        app: Application,
        name: &str,
        facts: &Facts,
        watch: Option<Watch>,
    ) -> Result<Self, SetupError> {
        let app = begin_watched(app, watch.as_ref().map(|watch| (name, watch)))?;
        let (name, watch) = (name.to_owned(), watch.unwrap_or_default());
        Ok(Self { app, watch, name, facts: facts.clone() })
    }

    pub(super) fn manager(&self) -> &Manager {
        self.app.manager()
    }

    pub(super) fn status(&self) -> Arc<Status> {
        self.manager().status(&self.name).expect("the facts say that it is there")
    }

    /// Waits until the service can be used, or failed.
    pub(super) async fn ready(&self) -> bool {
        self.until(|status| {
            let failed = status.state == ServiceState::Error;
            (status.ready || status.completed || failed).then_some(!failed)
        })
        .await
        .unwrap_or(false)
    }

    /// Waits until the service can be used, however often it fails on the way.
    pub(super) async fn ready_at_last(&self) -> bool {
        let usable = |status: &Status| (status.ready || status.completed).then_some(());
        self.until(usable).await.is_some()
    }

    /// Waits until `look` gives a value; `None` if that takes too long.
    pub(super) async fn until<T>(&self, look: impl Fn(&Status) -> Option<T>) -> Option<T> {
        let by = Instant::now() + self.facts.patience();
        loop {
            let seen = self.manager().version();
            if let Some(value) = look(&self.status()) {
                return Some(value);
            }
            let now = tokio::time::timeout_at(by, self.manager().changed(seen)).await.ok()?;
            if now == seen {
                // The application has ended: nothing comes any more.
                return None;
            }
        }
    }

    /// Stops the service; false if that did not succeed.
    pub(super) async fn stop(&self) -> bool {
        self.within(self.manager().stop(&self.name)).await
    }

    pub(super) async fn start(&self) -> bool {
        self.within(self.manager().start(&self.name)).await
    }

    pub(super) async fn restart(&self) -> bool {
        self.within(self.manager().restart(&self.name)).await
    }

    /// Returns whether a command succeeds in the time that it may take.
    pub(super) async fn within<T, E>(&self, command: impl Future<Output = Result<T, E>>) -> bool {
        let outcome = tokio::time::timeout(self.facts.patience(), command).await;
        matches!(outcome, Ok(Ok(_)))
    }

    /// Returns how the last generation ended, if the service is down.
    pub(super) fn exit(&self) -> Option<(Generation, Exit)> {
        self.status().history.last().map(|past| (past.generation, past.exit))
    }

    /// Returns the last error in words, or what the service does instead.
    pub(super) fn story(&self) -> String {
        let status = self.status();
        match &status.last_error {
            Some(error) => self.told(error),
            None if status.state == ServiceState::Running => "it runs and is not ready".to_owned(),
            None if !status.waiting_on.is_empty() => {
                let names: Vec<&str> = status.waiting_on.iter().map(ServiceName::as_str).collect();
                format!("it waits for {}", names.join(", "))
            }
            None => format!("it is {}", status.state),
        }
    }

    /// Returns an error in words, as the log tells it.
    pub(super) fn told(&self, error: &ErrorInfo) -> String {
        format!("{}: {}", error.kind, self.app.why(error, &self.status().name))
    }

    /// Returns the events of a kind about one service, or about all.
    pub(super) fn events(&self, kind: EventKind) -> Vec<Arc<Event>> {
        let events = self.manager().events(0, usize::MAX).events;
        events.into_iter().filter(|event| event.kind == kind).collect()
    }

    /// Closes the application and lets everything end that will.
    pub(super) async fn end(self) {
        self.watch.release();
        self.app.stop().await;
        tokio::time::sleep(MOMENT).await;
    }
}

/// Returns how many tasks live.
pub(super) fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
