//! The HTTP control plane of Processpype: what runs is seen and steered here.
//!
//! # Invariants
//!
//! 1. This is the only crate that opens listeners. One through which other machines could steer
//!    the application without being asked for a token is not opened.
//! 2. HTTP uses the [`Manager`](processpype_runtime::Manager) and nothing else: no handler blocks,
//!    or is blocked by, the supervisor or a service.
//! 3. Every request passes the guard and the gate of its listener; every answer carries
//!    the headers of safety.
//! 4. Internals never leave: a problem has a public text, the log has the rest.
//!
//! # From settings to a server
//!
//! [`Server::new`] → [`Server::bind`] → [`Bound::serve`] → [`Running::stop`]. The address is known,
//! and a port in use is told, before anything is answered. [`Server::router`] is the same server
//! without a port.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use processpype_control::{ControlSettings, Server, ServiceDoc};
//! use processpype_runtime::{LaidOut, Manager};
//!
//! # async fn example(manager: Manager) -> Result<(), Box<dyn std::error::Error>> {
//! let describe = |service: &LaidOut| ServiceDoc {
//!     name: service.name.to_string(),
//!     description: None,
//!     config_schema: None,
//!     has_routes: service.made_by().may_have_routes(),
//! };
//! let bound = Server::new(manager, ControlSettings::default(), describe)?.bind().await?;
//! println!("listening on {:?}", bound.address());
//! let running = bound.serve();
//! // …until the application has closed:
//! running.stop(Duration::from_secs(2)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # How the parts fit
//!
//! | part | modules |
//! |---|---|
//! | the whole, and where it listens | `server` `settings` `listen` `listener` `nest` `error` |
//! | sockets | `socket` `unix` `tls` `host` `spare` |
//! | one connection | `connection` `line` `desk` `away` `exchange` `framing` `own` `unheard` |
//! | what a client may take | `places` `crowd` `pace` `stall` `patience` `rate` |
//! | who may do what | `guard` `gate` `auth` `certificate` `local_token` |
//! | one request | `entry` `routes` `query` `body` `precondition` `passage` |
//! | orders | `orders` `commands` `configuring` `registration` `restarts` `levels` `operations` |
//! | what is | `status` `groups` `graph` `plan` `timeline` `why` `diagnosis` `probes` `docs` |
//! | what happened | `journal` `stream` `logs` |
//! | answers | `reply` `refusal` `convert` `cache` |
//! | numbers | `metrics` `traffic` `busy` |

mod auth;
mod away;
mod body;
mod busy;
mod cache;
mod certificate;
mod commands;
mod configuring;
mod connection;
mod convert;
mod crowd;
mod desk;
mod diagnosis;
mod docs;
mod entry;
mod error;
mod exchange;
mod framing;
mod gate;
mod graph;
mod groups;
mod guard;
mod host;
mod journal;
mod levels;
mod line;
mod listen;
mod listener;
mod local_token;
mod logs;
mod metrics;
mod nest;
mod operations;
mod orders;
mod own;
mod pace;
mod passage;
mod patience;
mod places;
mod plan;
mod precondition;
mod probes;
mod query;
mod rate;
mod refusal;
mod registration;
mod reply;
mod restarts;
mod routes;
mod server;
mod settings;
mod socket;
mod spare;
mod stall;
mod status;
mod stream;
mod timeline;
mod tls;
mod traffic;
mod unheard;
#[cfg(unix)]
mod unix;
mod why;

pub use crate::auth::{InvalidToken, TOKEN_LENGTH_MIN, TOKEN_NAME_MAX, Token};
pub use crate::certificate::{CertificateRule, InvalidCertificateRule, Whose};
pub use crate::convert::event as wire_event;
pub use crate::error::{BindError, SettingsError, lacks_files};
pub use crate::host::{InvalidHost, check_host};
pub use crate::levels::level_switch;
pub use crate::listen::{Bound, Drained, Running};
pub use crate::listener::{
    Ask, InvalidAddress, InvalidListener, ListenAddress, Listener, Proofs, Surfaces,
};
pub use crate::local_token::{LocalToken, LocalTokenFile};
pub use crate::nest::{Nest, NestError};
pub use crate::plan::planned;
pub use crate::rate::Rate;
pub use crate::server::Server;
pub use crate::settings::{ControlSettings, Limits};
pub use crate::tls::{ClientAuth, TLS_RELOAD, Tls, TlsError, TlsKey};
pub use processpype_api::{ServiceDoc, TOKEN_LENGTH_MAX};
