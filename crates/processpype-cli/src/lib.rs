//! The client of a Processpype application: the verbs that ask a running one, for every
//! application's own command line and for the program `processpype`.
//!
//! # Invariants
//!
//! 1. A client knows the wire and nothing else: what it shows, any other client of the API could.
//! 2. Answers go to standard output, everything else to standard error; with `--json` the answer is
//!    the application's own, byte by byte.
//! 3. Every wait and every body is bounded, and every error says what to do.
//!
//! # Example
//!
//! ```no_run
//! use processpype_cli::{ClientExit, ClientVerb, ConnectArgs, Session, ask};
//!
//! let url = "http://127.0.0.1:8080".parse().expect("an address");
//! let connect = ConnectArgs { url: Some(url), ..ConnectArgs::default() };
//! let session = Session { connect: &connect, json: false, own: None };
//! let exit = ask(&ClientVerb::Status { name: None }, &session);
//! assert_eq!(exit, ClientExit::Done);
//! ```
//!
//! # How the parts fit
//!
//! | part | modules |
//! |---|---|
//! | what can be written | `verb` `argument` `connect` `tls_files` `shell` |
//! | whom to ask, and as whom | `target` `contexts` `token` `local_token` `private` |
//! | asking | `paths` `http` `sse` `reach` `tls` `tls_missing` `json` `error` `elsewhere` |
//! | verbs that look | `look` `follow` `logs` `metrics` `doctor` `top` `top_missing` |
//! | verbs that act | `act` `watch` `configure` `membership` `operate` `level` |
//! | when nobody answers | `past` |
//! | answers | `view` `print` `colour` `clean` `exit` |

mod act;
mod argument;
mod clean;
mod colour;
mod configure;
mod connect;
mod contexts;
mod doctor;
mod elsewhere;
mod error;
mod exit;
mod follow;
mod http;
mod json;
mod level;
mod local_token;
mod logs;
mod look;
mod membership;
mod metrics;
mod operate;
mod past;
mod paths;
mod print;
mod private;
mod reach;
mod shell;
mod sse;
mod target;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls_missing.rs"]
mod tls;
mod tls_files;
// What is said without it is tested with it too.
#[cfg(all(feature = "tls", test))]
mod tls_missing;
mod token;
#[cfg(feature = "top")]
mod top;
#[cfg(not(feature = "top"))]
#[path = "top_missing.rs"]
mod top;
#[cfg(all(feature = "top", test))]
mod top_missing;
mod verb;
mod view;
mod watch;

pub use crate::colour::{Colour, ColourArgs};
pub use crate::connect::{ConnectArgs, Session};
pub use crate::contexts::{ContextVerb, context};
pub use crate::exit::{ClientExit, client_exit_codes};
pub use crate::look::{ask, ask_config, ask_or_read, ask_plan};
pub use crate::print::{Unwritten, say, written};
pub use crate::shell::{completions, man_page, shell_argument, written_shell};
pub use crate::target::{CLIENT_VARIABLES, InvalidTarget, Target};
pub use crate::tls_files::TlsFiles;
pub use crate::verb::{
    Assignment, ClientVerb, CommandArgs, ConfigureArgs, DeregisterArgs, EventsArgs, GraphFormat,
    LevelArgs, LogsArgs, MetricsArgs, OperationsArgs, PauseArgs, RegisterArgs, ReloadArgs,
    RestartArgs, ResumeArgs, ShutdownArgs, StartArgs, StopArgs,
};
pub use crate::view::plan_text;
pub use clap_complete::Shell;
