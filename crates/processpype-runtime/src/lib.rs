//! The supervisor of Processpype: services, what they ask for, and the loop that owns their lives.
//!
//! # Invariants
//!
//! 1. One loop, [`Supervisor::run`], owns all lifecycle state. Others send bounded commands through
//!    a [`Manager`] and read published snapshots.
//! 2. This is the only crate that spawns tasks of services.
//! 3. User code runs on the services' runtime, contained: a panic ends a generation, never the
//!    loop.
//!
//! Users depend on the `processpype` crate, which re-exports what they need from here.
//!
//! # How the parts fit
//!
//! | part | modules |
//! |---|---|
//! | what users write against | `service` `context` `dep` `config` `shared` `routes` `error` |
//! | before anything runs | `argument` `constructor` `kind` `blueprint` |
//! | how that fits together | `group` `binding` `problem` |
//! | who joins and leaves | `newcomer` `directory` |
//! | one life | `generation` `life` `child` `cell` `facts` `panic` `failure` `vitals` `remains` |
//! | asked of who runs | `reconfigure` `diagnosis` `beside` |
//! | the loop | `supervisor` `message` `timers` `clock` `chance` `hang` |
//! | what others see | `status` `journal` `layout` `register` `recording` `stories` |
//! | what others ask | `manager` `request` `order` `operation` `verb` `configuration` `levels` |
//! | who waits for whom | `bell` |
//! | numbers and texts | `tally` `pulses` `metrics` `text` `names` `answer` `scrub` |
//! | where it runs; test kits | `host`; `watch` |

mod answer;
mod argument;
mod bell;
mod beside;
mod binding;
mod blueprint;
mod cell;
mod chance;
mod child;
mod clock;
mod config;
mod configuration;
mod constructor;
mod context;
mod dep;
mod diagnosis;
mod directory;
mod error;
mod facts;
mod failure;
mod generation;
mod group;
mod hang;
mod host;
mod journal;
mod kind;
mod layout;
mod levels;
mod life;
mod manager;
mod message;
mod metrics;
mod names;
mod newcomer;
mod operation;
mod order;
mod panic;
mod problem;
mod pulses;
mod reconfigure;
mod recording;
mod register;
mod remains;
mod request;
mod routes;
mod scrub;
mod service;
mod shared;
mod status;
mod stories;
mod supervisor;
mod tally;
mod text;
mod timers;
mod verb;
mod vitals;
mod watch;

pub use crate::argument::{
    Argument, ConfigType, Declaration, DescribeConfig, ReadConfig, Resolver,
};
pub use crate::blueprint::{
    Assembly, Blueprint, Choice, EdgeChoice, EdgeOrigin, NamedEdge, Options, STARTS_AT_ONCE, Spec,
    TIMEOUT_MAX, Ties,
};
pub use crate::child::{BlockingChild, ChildOutput};
pub use crate::clock::{Clock, Timestamp};
pub use crate::config::Config;
pub use crate::configuration::{
    CONFIGURE_TRIES, ConfigBook, ConfigChange, ConfigEffect, ConfigPreview, ConfigureError,
    Configured, Configurer, Fixed, Hidden, Joined, Loaded, Planted, Refused, ReloadPreview,
    Secrets, ServicePreview,
};
pub use crate::constructor::{Constructor, Signature, TaskFunction};
pub use crate::context::{Context, METADATA_MAX, Stopper, TEXT_MAX};
pub use crate::dep::{Dep, Deps, Ref, Sole};
pub use crate::diagnosis::{DIAGNOSE_TIME, FINDINGS_MAX, Finding, Severity};
pub use crate::error::{Error, Result, Unavailable};
pub use crate::group::{GroupSpec, NamedGroup};
pub use crate::hang::{HANG_LIMIT_MAX, HANG_LIMIT_MIN, HangLimit, InvalidHangLimit, OnHang};
pub use crate::host::{Carried, Host};
pub use crate::journal::{EVENTS_KEPT, Event, EventPage, Journal, Subscription};
pub use crate::kind::Kind;
pub use crate::layout::{LaidOut, Layout};
pub use crate::levels::{LevelChange, LevelChanges, LevelSwitch, Leveled};
pub use crate::life::CHILDREN_MAX;
pub use crate::manager::{
    CHECK_TIME, CHECKS_AT_ONCE, COMMANDS_PENDING, DRAIN_DELAY, GetError, Manager, QueueDepth,
};
pub use crate::metrics::{
    BUCKETS_MAX, Buckets, Counter, FAMILIES_MAX, Gauge, HELP_MAX, Histogram, Kind as MetricKind,
    LABEL_VALUE_MAX, LABELS_MAX, MetricError, Metrics, NAME_MAX, Reading, SERIES_MAX, Series,
    SeriesFamily,
};
pub use crate::newcomer::{
    CreateError, Creator, REGISTERED_MAX, RegisterError, Registered, Registration, Wish,
};
pub use crate::operation::{
    CancelError, CommandError, CommandPreview, Done, Operation, PauseInfo, Paused, PreviewStep,
    Shutdown, WAITERS_MAX,
};
pub use crate::panic::{PanicSite, Panicked, contain, is_contained, record as record_panic};
pub use crate::problem::{Missing, PlanCode, PlanError, PlanProblem};
pub use crate::pulses::{BUSY_MIN, PULSE};
pub use crate::reconfigure::{NewConfig, Reconfigured};
pub use crate::recording::{Recording, Reporter};
pub use crate::register::{Lookup, OPERATIONS_KEPT, OperationState, OperationStatus};
pub use crate::request::Request;
pub use crate::routes::{Call, Mounted, RESERVED_VERBS, RequestError, RouteAccess, Routes};
pub use crate::scrub::Scrub;
pub use crate::service::Service;
pub use crate::shared::{Shared, SharedValues};
pub use crate::status::{Acted, ErrorInfo, HISTORY_KEPT, Past, RestartInfo, Status};
pub use crate::stories::{STORIES_KEPT, Stories, Story};
pub use crate::supervisor::{
    ABORT_RESERVE, Closed, IDEMPOTENCY_WINDOW, LEVEL_MAX, Launch, OPERATIONS_PENDING, PAUSE_MAX,
    Reloading, Supervisor,
};
pub use crate::tally::{Counts, Ends, PollTimes, Times};
pub use crate::verb::Verb;
pub use crate::watch::Watch;
