//! The HTTP control plane of Processpype: what runs is seen and steered here.
//!
//! # Invariants
//!
//! 1. This is the only crate that opens listeners, and it listens on loopback only.
//! 2. HTTP uses the [`Manager`](processpype_runtime::Manager) and nothing else: no handler blocks,
//!    or is blocked by, the supervisor or a service.
//! 3. Every request passes the guard; every answer carries the headers of safety.
//! 4. Internals never leave: a problem has a public text, the log has the rest.
//!
//! # From settings to a server
//!
//! [`Server::new`] → [`Server::bind`] → [`Bound::serve`] → [`Running::stop`]. The address is known,
//! and a port in use is told, before anything is answered. [`Server::router`] is the same server
//! without a port.
//!
//! ```no_run
//! # async fn example(manager: processpype_runtime::Manager) -> Result<(), Box<dyn
//! std::error::Error>> { use std::time::Duration;
//!
//! use processpype_control::{ControlSettings, Server};
//!
//! let bound = Server::new(manager, ControlSettings::default(), &[])?.bind().await?;
//! println!("listening on {}", bound.address());
//! let running = bound.serve();
//! // …until the application has closed:
//! running.stop(Duration::from_secs(2)).await;
//! # Ok(())
//! # }
//! ```

mod cache;
mod commands;
mod convert;
mod docs;
mod error;
mod guard;
mod journal;
mod listen;
mod operations;
mod passage;
mod precondition;
mod probes;
mod query;
mod refusal;
mod reply;
mod restarts;
mod routes;
mod server;
mod settings;
mod stall;
mod status;
mod stream;

pub use crate::convert::event as wire_event;
pub use crate::error::{BindError, SettingsError};
pub use crate::listen::{Bound, Drained, Running};
pub use crate::server::Server;
pub use crate::settings::{ControlSettings, Limits};
pub use processpype_api::ServiceDoc;
