//! A framework for building and managing an application that is composed of services.
//!
//! A team writes services; Processpype runs them in one process: configured from a checked file,
//! started in order, supervised, shown over HTTP, operated one by one, and shut down on time.
//!
//! ```no_run
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
//! impl Bumper { async fn new(counter: Dep<Counter>) -> Result<Self> { Ok(Self { counter }) } }
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
//! fn main() -> std::process::ExitCode {
//!     let app = Application::new().set("services.counter.step=2");  // as a file would say it
//!     app.service(Counter::new).service(Bumper::new).main()
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
//! | You want to | see |
//! |---|---|
//! | write a service | [`Service`]; it is given [`Context`], [`Config`], [`Dep`], [`Shared`] |
//! | put services together, and run them | [`Application`]; in a larger program [`Running`] |
//! | answer requests | [`Routes`], made of axum's router |
//! | read settings and secrets | [`config`], above all `HumanDuration` and `Secret` |
//! | fail | [`Error`]: any error becomes one with `?`; [`Error::public`] is what clients may read |
//! | test | [`testing`]: one service, or all on paused time, with [fakes](Application::replace) |
//! | count and measure | [`metrics`] |
//! | see what runs, act on it, add to it | [`Manager`], [`Status`], [`Event`], [`registration`] |
//! | know more | the guide, `docs/services.md` in the repository; every limit, in [`bounds`] |
//!
//! # Features, and crates in signatures
//!
//! None is on by default: `tls` (listeners, client), `otlp` ([traces](export)), `top` (live view).
//! [`axum`], [`schemars`], [`serde`], [`serde_json`] and [`tokio`] are those in signatures here;
//! which of their features a program needs, its own manifest says.
//!
//! No message bus, no global state (two applications in one process work), and no macro.

mod about;
mod access;
mod application;
pub mod bounds;
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
mod kept;
pub mod layout;
mod limits;
mod machine;
pub mod metrics;
mod mint;
mod platform;
mod problems;
mod process;
mod provided;
mod pulse;
mod recorder;
mod recovery;
pub mod registration;
mod running;
mod schema;
mod server_limits;
mod settings;
mod setup;
mod signals;
pub mod testing;
mod tls;

pub use {axum, schemars, serde, serde_json, tokio};

pub use processpype_control::{BindError, InvalidListener, NestError, SettingsError};
pub use processpype_core::{
    Backoff, CloseCause, Desired, EdgePolicy, ErrorKind, EventKind, Exit as GenerationExit,
    Generation, InvalidLogLevel, InvalidName, InvalidRate, InvalidRestart, InvalidRole, LogLevel,
    OperationId, RestartLimit, RestartOptions, RestartPolicy, RestartRate, Role, ServiceId,
    ServiceName, ServiceState, SortedMap, Strategy,
};
pub use processpype_runtime::{
    Acted, Argument, BlockingChild, Call, CancelError, ChildOutput, Closed, CommandError,
    CommandPreview, Config, ConfigChange, ConfigEffect, ConfigureError, Constructor, Context, Dep,
    Deps, Done, Error, ErrorInfo, Event, EventPage, Finding, GetError, LevelChange, LevelChanges,
    Leveled, Lookup, Manager, Mounted, NewConfig, OnHang, Operation, OperationState,
    OperationStatus, Past, PauseInfo, Paused, PlanCode, PlanError, PlanProblem, PreviewStep,
    Reconfigured, Recording, Ref, Reloading, Reporter, Request, RequestError, RestartInfo, Result,
    RouteAccess, Routes, Service, Severity, Shared, Shutdown, Signature, Sole, Status,
    Subscription, TaskFunction, Timestamp, Unavailable, Verb,
};

pub use crate::application::Application;
pub use crate::exit::Exit;
pub use crate::running::{Running, StartError};
pub use crate::setup::SetupError;
