//! Wire types of the Processpype control API, version 1, and its OpenAPI document.
//!
//! Everything that goes over the wire has its own type here; the words of the ground floor carry no
//! serde. Nothing in this crate opens a socket or knows axum: the control plane builds its router
//! from [`ENDPOINTS`], so the document and the server cannot drift apart.
//!
//! # Invariants
//!
//! 1. Version 1 only grows: a field is added, never renamed, retyped or removed.
//! 2. Only 4xx and 5xx are representable as a [`Problem`]; each [`Code`] has exactly one status.
//! 3. A [`Problem`] holds texts that may be shown; there is no field for an internal error.
//!
//! # Example
//!
//! ```
//! use processpype_api::{Code, Problem};
//!
//! let problem = Problem::new(Code::UnknownService, "there is no service `countr`")
//!     .service("countr")
//!     .help("did you mean `counter`?");
//! assert_eq!(problem.status(), 404);
//! let json = serde_json::to_value(problem.under("/api"))?;
//! assert_eq!(json["type"], "/api/docs#problem-unknown-service");
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # How the parts fit
//!
//! | part | modules |
//! |---|---|
//! | what can be asked, as a table | `endpoint` `metric` `openapi` |
//! | what is sent | `command` `registration` |
//! | what is | `status` `group` `plan` `timeline` `why` `diagnosis` `configuration` `probe` |
//! | what happens | `event` `operation` `log` `level` |
//! | what is wrong | `problem` |
//! | how both sides read and write it | `answered` `time` `exposition` `local_token` |

mod answered;
mod command;
mod configuration;
mod diagnosis;
mod endpoint;
mod event;
mod exposition;
mod group;
mod level;
mod local_token;
mod log;
mod metric;
mod openapi;
mod operation;
mod plan;
mod probe;
mod problem;
mod registration;
mod status;
mod time;
mod timeline;
mod why;

pub use crate::answered::{Answered, Fields};
pub use crate::command::{Accepted, CommandBody, Commanded, Effect};
pub use crate::configuration::{
    ConfigAnswer, ConfigChange, ConfigDifference, ConfigEffect, ConfigForeseen, ConfigValue,
    NeedsProcessRestart, Reloaded, ServiceConfig, ServiceConfigured, ServiceReloaded,
};
pub use crate::diagnosis::{ApplicationFinding, Diagnosis, ServiceFinding};
pub use crate::endpoint::{
    Access, Answer, Body, ENDPOINTS, EVENT_KINDS, Endpoint, EndpointId, GRAPH_FORMATS, Method,
    Parameter, Place, Shape,
};
pub use crate::event::{EVENTS_PER_PAGE, Event, EventPage, Lagged, MAX_EVENTS_PER_PAGE};
pub use crate::exposition::{
    Exposition, ExpositionFormat, HistogramReading, InvalidExposition, MetricFamily, MetricKind,
    MetricSample, parse_exposition,
};
pub use crate::group::{GroupList, GroupMember, GroupStatus};
pub use crate::level::{LEVEL_FOR, LevelBody, LevelChange, LevelChanged, LevelStatus, Levels};
pub use crate::local_token::{
    LocalTokenError, TOKEN_LENGTH_MAX, is_bound_at, local_token_address, local_token_directory,
    local_token_file, not_private,
};
pub use crate::log::{
    LOG_LINES_PER_PAGE, LOG_SCOPES, LogLevel, LogPage, LogRecord, MAX_LOG_LINES_PER_PAGE,
    SEVERITIES,
};
pub use crate::metric::Metric;
pub use crate::openapi::{About, ServiceDoc, document};
pub use crate::operation::{
    CommandAnswer, Foreseen, MAX_OPERATIONS_PER_PAGE, OPERATIONS_PER_PAGE, Operation,
    OperationPage, OperationState, RestartsPaused, Step, StepAction, Would,
};
pub use crate::plan::{
    BackoffRules, Edge, Graph, Group, Node, Plan, PlanPlatform, PlanWarning, PlannedService,
    RestartRules, Timing,
};
pub use crate::probe::{Probe, Unready};
pub use crate::problem::{Code, Fault, Problem};
pub use crate::registration::{RegisterBody, ShuttingDown};
pub use crate::status::{
    Acted, ApplicationState, ApplicationStatus, Desired, ErrorReport, FAILURE_TOLD_MS,
    JournalReport, LogReport, Past, PauseReport, Polls, Restart, ServiceDetail, ServiceList,
    ServiceState, ServiceStatus,
};
pub use crate::time::{InvalidTime, Timestamp};
pub use crate::timeline::{Info, Timeline, TimelineService};
pub use crate::why::{Action, Situation, WaitsFor, Why, WhyStep};
