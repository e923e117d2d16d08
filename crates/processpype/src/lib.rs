//! A framework for building and managing an application that is composed of services.
//!
//! A team writes services; Processpype runs them in one process: it configures them from a checked
//! file, starts them in dependency order, supervises them, shows them over HTTP, lets an operator
//! stop and start each one, and shuts everything down in order and on time.
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
//! use std::time::Duration;
//!
//! use processpype::{Application, Config, Context, Dep, Result, Routes, Service};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// Counts.
//! #[derive(Deserialize, JsonSchema)]
//! struct CounterConfig {
//!     /// Added per tick.
//!     #[schemars(range(min = 1))]
//!     step: u64,
//! }
//!
//! struct Counter { count: AtomicU64, step: u64 }
//!
//! impl Counter {
//!     fn new(config: Config<CounterConfig>) -> Self {
//!         Self { count: 0.into(), step: config.step }
//!     }
//!     fn bump(&self) { self.count.fetch_add(self.step, Relaxed); }
//! }
//!
//! impl Service for Counter {
//!     fn routes(self: Arc<Self>) -> Routes {
//!         let value = async move || self.count.load(Relaxed).to_string();
//!         axum::Router::new().route("/value", axum::routing::get(value)).into()
//!     }
//! }
//!
//! struct Bumper { counter: Dep<Counter> }     // the argument's type is the declared dependency
//!
//! impl Bumper {
//!     async fn new(counter: Dep<Counter>) -> Result<Self> { Ok(Self { counter }) }
//! }
//!
//! impl Service for Bumper {
//!     async fn run(&self, cx: &Context) -> Result {
//!         while cx.sleep(Duration::from_secs(1)).await {  // false once asked to stop
//!             self.counter.get()?.bump();
//!         }
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     Application::new().service(Counter::new).service(Bumper::new).main()
//! }
//! ```
//!
//! ```toml
//! [dependencies]
//! processpype = { path = "../processpype/crates/processpype" }   # or `git`: it is in no registry
//! axum = "0.8"
//! schemars = "1"
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! # Where to look
//!
//! - [`Application`] puts services together; [`Application::main`] owns the process,
//!   [`Application::start`] runs inside a larger program.
//! - [`Service`] says what a service is; [`Context`] is its side of the supervisor; [`Dep`] its
//!   handle to another service; [`Config`] its checked configuration.
//! - [`Manager`] is the handle for everybody else: look, start, stop, restart, follow events.
//! - [`testing`] runs the same application on paused time, without a port.
//! - [`registration`] lets services join while it runs; [`layout`] says who needs whom.
//!
//! # Errors
//!
//! [`Result`] is the result of service code. Every [`std::error::Error`] converts into [`Error`]
//! with `?`, and is for the log; what a client of the API may read is said with [`Error::public`].
//!
//! # What is not here
//!
//! No message bus: services talk through [`Dep`] handles and whatever they choose. No global state:
//! two applications in one process work. No macro: constructors are plain functions, and their
//! argument types are the declaration.

mod about;
mod access;
mod application;
mod catalogue;
mod cli;
pub mod config;
mod configurer;
mod creation;
mod documents;
mod dump;
mod exit;
pub mod export;
mod framework_keys;
mod groups;
mod hang;
pub mod layout;
mod limits;
mod machine;
pub mod metrics;
mod mint;
mod platform;
mod problems;
mod process;
mod pulse;
mod recorder;
mod recovery;
pub mod registration;
mod running;
mod schema;
mod server_limits;
mod settings;
mod setup;
mod short;
mod signals;
pub mod testing;
mod tls;

pub use processpype_control::{BindError, InvalidListener, SettingsError};
pub use processpype_core::{
    Backoff, CloseCause, Desired, EdgePolicy, ErrorKind, EventKind, Exit as GenerationExit,
    Generation, InvalidName, InvalidRate, InvalidRestart, LogLevel, OperationId, RestartLimit,
    RestartOptions, RestartPolicy, RestartRate, Role, ServiceId, ServiceName, ServiceState,
    SortedMap, Strategy, Verb,
};
pub use processpype_runtime::{
    Acted, Argument, BlockingChild, CHECKS_AT_ONCE, CHILDREN_MAX, COMMANDS_PENDING, Call,
    CancelError, ChildOutput, Closed, CommandError, Config, ConfigChange, ConfigEffect,
    ConfigureError, Constructor, Context, DIAGNOSE_TIME, Dep, Deps, Done, EVENTS_KEPT, Error,
    ErrorInfo, Event, EventPage, FINDINGS_MAX, Finding, Foreseen, ForeseenStep, GetError,
    HANG_LIMIT_MAX, HANG_LIMIT_MIN, HISTORY_KEPT, IDEMPOTENCY_WINDOW, LEVEL_MAX, LevelChange,
    LevelChanges, Leveled, Lookup, METADATA_MAX, Manager, Mounted, NewConfig, OPERATIONS_KEPT,
    OnHang, Operation, OperationState, OperationStatus, PAUSE_MAX, Past, PauseInfo, Paused,
    PlanCode, PlanError, PlanProblem, Reconfigured, Recording, Ref, Reloading, Reporter, Request,
    RequestError, RestartInfo, Result, RouteAccess, Routes, Service, Severity, Shared, Shutdown,
    Sole, Status, Subscription, TEXT_MAX, TIMEOUT_MAX, TaskFunction, Timestamp, Unavailable,
};

pub use crate::application::Application;
pub use crate::exit::Exit;
pub use crate::running::{Running, StartError};
pub use crate::setup::SetupError;
