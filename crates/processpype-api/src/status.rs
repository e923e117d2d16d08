//! What is told about the application and its services.
//!
//! # Invariants
//!
//! 1. The seed's fields (`state`, `error`, `metadata`, `is_configured`) are always there.
//! 2. No configuration value is ever part of a status.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Error, Value};

use crate::answered::{Answered, Fields, answered, deserialize, words};
use crate::time::Timestamp;

/// The application and all its services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApplicationStatus {
    /// The title from the configuration.
    pub title: String,
    /// The application's version.
    pub version: String,
    /// The environment it runs in, as configured.
    pub environment: String,
    /// Where the application is.
    pub state: ApplicationState,
    /// Set while automatic restarts are paused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restarts_paused: Option<PauseReport>,
    /// How the file of events is doing, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journal: Option<JournalReport>,
    /// How the log is doing, once lines of it were lost, or while it cannot be written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogReport>,
    /// Every service by name.
    pub services: BTreeMap<String, ServiceStatus>,
}

answered!(ApplicationStatus {
    title,
    version,
    environment,
    state,
    restarts_paused,
    journal,
    log,
    services,
});

/// Automatic restarts are paused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PauseReport {
    /// When they go on by themselves.
    pub until: Timestamp,
    /// Who paused them.
    pub actor: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

answered!(PauseReport { until, actor, reason });

/// How the file of events is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct JournalReport {
    /// The file.
    pub file: String,
    /// Why it cannot be written now; it is tried again. The application goes on without it.
    pub error: Option<String>,
    /// How many events are missing in it.
    pub lost: u64,
}

answered!(JournalReport { file, error, lost });

/// How the log is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogReport {
    /// Why its lines cannot be written now. The application goes on without it.
    pub error: Option<String>,
    /// How many lines are lost since the start.
    pub lost: u64,
}

answered!(LogReport { error, lost });

/// Where the application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ApplicationState {
    /// Some services have not settled since the start.
    Starting,
    /// All services have settled.
    Running,
    /// It closes.
    Stopping,
    /// Nothing runs any more.
    Stopped,
}

words!(ApplicationState {
    Starting: "starting",
    Running: "running",
    Stopping: "stopping",
    Stopped: "stopped",
});

/// Every service, in the order of names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceList {
    /// The services.
    pub services: Vec<ServiceStatus>,
}

answered!(ServiceList { services });

/// One service at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceStatus {
    /// The service's name.
    pub name: String,
    /// The kind it is an instance of; its own name for a service registered in code.
    pub kind: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// What is wrong with it now.
    pub error: Option<ErrorReport>,
    /// What the service tells about itself.
    pub metadata: BTreeMap<String, String>,
    /// Whether its configuration was checked and accepted.
    pub is_configured: bool,
    /// Whether it may run at all.
    pub enabled: bool,
    /// Whether it runs and says that it can do its work.
    pub ready: bool,
    /// Whether `/health/ready` waits for it; left out if so.
    #[serde(default = "yes", skip_serializing_if = "is_so")]
    pub readiness_required: bool,
    /// Whether its last generation completed: a oneshot that has done its work.
    pub completed: bool,
    /// Which life this is; 0 = never started.
    pub generation: u64,
    /// When it entered its state.
    pub since: Timestamp,
    /// What it should be doing.
    pub desired: Desired,
    /// The group it is a member of: services that are restarted together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it waits for before it can start: providers, and members of its group. While it runs:
    /// the providers that it runs without.
    pub waiting_on: Vec<String>,
    /// What is to come after its last failure: a restart, or none because there were too many.
    pub restart: Option<Restart>,
    /// Why it works less well than it should: in its own words, and if it was found hung.
    pub degraded: Option<String>,
    /// Whether its thread has not come back from its code for a second or more: it blocks, or
    /// computes without an await. Left out if not.
    #[serde(default, skip_serializing_if = "is_not")]
    pub blocks: bool,
    /// The last thing that was wrong with it; survives a stop and a start.
    pub last_error: Option<ErrorReport>,
    /// Who last acted on it, and why.
    pub acted: Option<Acted>,
}

answered!(ServiceStatus {
    name,
    kind,
    state,
    error,
    metadata,
    is_configured,
    enabled,
    ready,
    readiness_required: yes(),
    completed,
    generation,
    since,
    desired,
    group,
    waiting_on,
    restart,
    degraded,
    blocks: false,
    last_error,
    acted,
});

/// One service with its past.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceDetail {
    /// The service now.
    #[serde(flatten)]
    pub status: ServiceStatus,
    /// The last generations that ended, newest last.
    pub history: Vec<Past>,
    /// Its tracked children that live, blocking ones included.
    #[serde(default)]
    pub tasks: u64,
    /// Requests in its handlers, and bodies that are still sent.
    #[serde(default)]
    pub requests: u64,
    /// The polls of its futures, if `poll_times` is on and there were any.
    #[serde(default)]
    pub polls: Option<Polls>,
}

impl Answered for ServiceDetail {
    fn read(json: Value) -> Result<Self, Error> {
        let mut fields = Fields::of(json, "struct ServiceDetail")?;
        let history = fields.take("history")?;
        let (tasks, requests) = (fields.take_or("tasks", 0)?, fields.take_or("requests", 0)?);
        let polls = fields.take("polls")?;
        let status = ServiceStatus::read(fields.rest())?;
        Ok(Self { status, history, tasks, requests, polls })
    }
}

deserialize!(ServiceDetail);

/// The polls of a service's futures, over all its generations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Polls {
    /// How many there were.
    pub count: u64,
    /// How long all of them took together, in nanoseconds.
    pub total_ns: u64,
    /// How long one took on average, in nanoseconds.
    pub mean_ns: u64,
    /// How long the longest one took, in nanoseconds.
    pub max_ns: u64,
}

answered!(Polls { count, total_ns, mean_ns, max_ns });

/// The five states of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ServiceState {
    /// Nothing of it runs.
    Stopped,
    /// It is being made and warmed up.
    Starting,
    /// It runs.
    Running,
    /// It is being torn down.
    Stopping,
    /// Its last generation failed, or could not be ended.
    Error,
}

words!(ServiceState {
    Stopped: "stopped",
    Starting: "starting",
    Running: "running",
    Stopping: "stopping",
    Error: "error",
});

/// What a service should be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// It should not run.
    Stopped,
    /// It should run.
    Running,
}

words!(Desired { Stopped: "stopped", Running: "running" });

/// An error of a service, as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ErrorReport {
    /// What happened, without internals; those are in the log.
    pub message: String,
    /// What kind of failure it is.
    #[cfg_attr(test, schemars(schema_with = "error_kind"))]
    pub kind: String,
    /// When it happened.
    pub at: Timestamp,
}

answered!(ErrorReport { message, kind, at });

/// What follows the failure of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Restart {
    /// How many restarts there were in a row, the one to come included.
    pub attempt: u32,
    /// When the next generation comes at the earliest.
    pub next_at: Option<Timestamp>,
    /// Whether there were too many restarts: it stays down until somebody acts.
    pub exhausted: bool,
    /// Whether its backoff is over and it only waits its turn: the application's limit on restarts
    /// per time is reached.
    pub held: bool,
}

answered!(Restart { attempt, next_at, exhausted, held });

/// The last command on a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Acted {
    /// The operation.
    pub operation: u64,
    /// Who gave it.
    pub actor: String,
    /// What it was, such as `stop`.
    pub verb: String,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// When it was accepted.
    pub at: Timestamp,
}

answered!(Acted { operation, actor, verb, reason, at });

/// A generation that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Past {
    /// Which one.
    pub generation: u64,
    /// How it ended: `stopped`, `completed`, `aborted`, or the kind of its failure.
    pub exit: String,
    /// When it began.
    pub started: Timestamp,
    /// When nothing was left of it.
    pub ended: Timestamp,
}

answered!(Past { generation, exit, started, ended });

/// For how long a failure is told of a service that runs again, in milliseconds.
pub const FAILURE_TOLD_MS: u64 = 10 * 60 * 1000;

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_so(it: &bool) -> bool {
    *it
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_not(it: &bool) -> bool {
    !*it
}

// === impl ServiceStatus ===

impl ServiceStatus {
    /// Returns whether it should be ready and is not, and `/health/ready` does not wait for it.
    #[must_use]
    pub fn is_passed_over(&self) -> bool {
        let is_missing = self.enabled && !self.ready && !self.completed;
        is_missing && self.desired == Desired::Running && !self.readiness_required
    }

    /// Returns the failure that ended the generation before, of a service that runs again by
    /// itself.
    ///
    /// Between two failures a service that flaps looks well. `None` later than
    /// [`FAILURE_TOLD_MS`], or once somebody has acted on it, or if only a provider was away.
    #[must_use]
    pub fn failed_before(&self, now: Timestamp) -> Option<&ErrorReport> {
        let error = self.last_error.as_ref().filter(|error| error.kind != "dependency")?;
        let ended_it = self.state == ServiceState::Running && error.at.0 <= self.since.0;
        let is_recent = now.0.saturating_sub(error.at.0) <= FAILURE_TOLD_MS;
        let is_answered = self.acted.as_ref().is_some_and(|acted| acted.at.0 >= error.at.0);
        (ended_it && is_recent && !is_answered).then_some(error)
    }
}

// === impl ApplicationState ===

impl ApplicationState {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

// === impl ServiceState ===

impl ServiceState {
    /// Returns the word as it stands on the wire.
    ///
    /// ```
    /// use processpype_api::ServiceState;
    ///
    /// let state: ServiceState = serde_json::from_str("\"running\"").expect("a state");
    /// assert_eq!(state.as_str(), "running");
    /// ```
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Error => "error",
        }
    }
}

impl From<processpype_core::ServiceState> for ServiceState {
    fn from(state: processpype_core::ServiceState) -> Self {
        match state {
            processpype_core::ServiceState::Stopped => Self::Stopped,
            processpype_core::ServiceState::Starting => Self::Starting,
            processpype_core::ServiceState::Running => Self::Running,
            processpype_core::ServiceState::Stopping => Self::Stopping,
            processpype_core::ServiceState::Error => Self::Error,
        }
    }
}

// === impl Desired ===

impl Desired {
    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Running => "running",
        }
    }
}

impl From<processpype_core::Desired> for Desired {
    fn from(desired: processpype_core::Desired) -> Self {
        match desired {
            processpype_core::Desired::Stopped => Self::Stopped,
            processpype_core::Desired::Running => Self::Running,
        }
    }
}

// === impl ErrorReport ===

#[cfg(test)]
fn error_kind(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let words: Vec<&str> =
        processpype_core::ErrorKind::ALL.iter().map(|kind| kind.as_str()).collect();
    schemars::json_schema!({ "type": "string", "enum": words })
}
