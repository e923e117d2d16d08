//! What can be set about the control plane, and every limit, by name.
//!
//! # Invariants
//!
//! 1. Every wait, queue and size in this crate is one of [`Limits`] or a named constant beside its
//!    use.

use std::time::Duration;

use crate::auth::Token;
use crate::certificate::CertificateRule;
use crate::listener::{ListenAddress, Listener};
use crate::local_token::LOCAL;
use crate::rate::Rate;
use processpype_api::Plan;
use processpype_runtime::STARTS_AT_ONCE;
use processpype_telemetry::{Backlog, Export, Levels, Logs, Redactor};

/// What the control plane is told by the application.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ControlSettings {
    /// Where to listen: an IP address or a host name. The short form of one listener that exposes
    /// everything; not looked at if there are [`listeners`](Self::listeners).
    pub host: String,
    /// The port; 0 = any free one.
    pub port: u16,
    /// Where to listen, what to show there, and whom to ask. Empty: `host` and `port` alone.
    pub listeners: Vec<Listener>,
    /// Who may prove to be whom.
    pub tokens: Vec<Token>,
    /// Whom certificates of clients stand for; the first that matches counts.
    pub certificates: Vec<CertificateRule>,
    /// Moves everything but the probes: empty, or such as `/api`.
    pub api_prefix: String,
    /// The application's title.
    pub title: String,
    /// The application's version.
    pub version: String,
    /// The environment it runs in.
    pub environment: String,
    /// Host names that clients may use, beside IP addresses and `localhost`.
    pub allowed_hosts: Vec<String>,
    /// Whether an admin may close the application with `POST /shutdown`.
    pub shutdown_endpoint: bool,
    /// What is told of the plan beside its services: times around it, and warnings.
    pub plan: Plan,
    /// How many services may be starting at once; the plan's times depend on it.
    pub starts_at_once: usize,
    /// How many threads all services share; 0 if that is not known.
    pub service_threads: usize,
    /// Optional parts of the framework that are built in.
    pub features: Vec<String>,
    /// The newest lines of the log, if the log is the application's.
    pub logs: Option<Logs>,
    /// Whether the previous process ended uncleanly; none if that is not known.
    pub previous_run_unclean: Option<bool>,
    /// How far the log is behind, for metrics.
    pub backlog: Option<Backlog>,
    /// What hides secrets; for what the doctor tells of those that it cannot hide.
    pub redactor: Option<Redactor>,
    /// What goes to a collector: spans of requests, and counts for metrics.
    pub export: Export,
    /// How much is logged, if the log is the application's.
    pub levels: Option<Levels>,
    /// The limits.
    pub limits: Limits,
}

/// Every limit of the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Open connections, for each listener. When more clients come, whoever has been there for a
    /// second without need gives up its place; until then they wait in the kernel's queue.
    pub connections: usize,
    /// Open connections of one client, by address or user, at each listener. For one more, the one
    /// of its own that has been there longest without need gives up its place; if none does within
    /// 3 s, or 16 wait already, the new one is closed. At least 1.
    pub connections_per_peer: usize,
    /// Open event streams; more are refused as `busy`.
    pub streams: usize,
    /// Open event streams of one client, by address or user; more are refused as
    /// `too-many-requests`. At least 1.
    pub streams_per_peer: usize,
    /// Commands that have been read and are being handed over; more are refused as `busy`.
    pub commands: usize,
    /// Commands of one client: by token or certificate, else by address or user.
    pub writes: Rate,
    /// Wrong tokens of one client; it is told `too-many-requests` from then on, and its right
    /// tokens go on to be right.
    pub failures: Rate,
    /// Bytes of a request's head. At least 8 KiB. It is looked at when a buffer is full, so that up
    /// to half as much again may pass.
    pub header_bytes: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Bytes of a request's address.
    pub uri_bytes: usize,
    /// Bytes of a command's body.
    pub body_bytes: usize,
    /// Bytes of a body sent to a service's own route.
    pub service_body_bytes: usize,
    /// How long the handshake of TLS may take.
    pub handshake_time: Duration,
    /// From the start of a connection, or the end of its handshake, to the first byte of its first
    /// request.
    pub first_byte_time: Duration,
    /// From the first byte of a head to its end.
    pub header_read_time: Duration,
    /// From the end of an answer to the first byte of the next request.
    pub idle_time: Duration,
    /// To the end of a command's body, and between two pieces of a body sent to a service.
    pub body_read_time: Duration,
    /// To the end of a body sent to a service, counted while the service waits for it.
    pub service_body_time: Duration,
    /// How long a client may take nothing of what is sent to it.
    pub write_stall_time: Duration,
    /// Bytes per second that a client takes at least of an answer whose length is known; it may
    /// fall behind by [`write_stall_time`](Self::write_stall_time). Streams are not held to it. At
    /// least 1.
    pub answer_rate: u32,
    /// Until the supervisor has accepted or refused a command.
    pub accept_time: Duration,
    /// How long a command waits for its effect unless told otherwise.
    pub default_wait: Duration,
    /// How long a command may be told to wait.
    pub max_wait: Duration,
    /// Between two comments that keep a silent stream alive.
    pub heartbeat: Duration,
}

// === impl ControlSettings ===

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
            listeners: Vec::new(),
            tokens: Vec::new(),
            certificates: Vec::new(),
            api_prefix: String::new(),
            title: "Processpype".to_owned(),
            version: "0.0.0".to_owned(),
            environment: "development".to_owned(),
            allowed_hosts: Vec::new(),
            shutdown_endpoint: false,
            plan: Plan::default(),
            starts_at_once: STARTS_AT_ONCE,
            service_threads: 0,
            features: Vec::new(),
            logs: None,
            previous_run_unclean: None,
            backlog: None,
            redactor: None,
            export: Export::default(),
            levels: None,
            limits: Limits::default(),
        }
    }
}

impl ControlSettings {
    /// Returns every listener.
    pub(crate) fn all_listeners(&self) -> Vec<Listener> {
        if !self.listeners.is_empty() {
            return self.listeners.clone();
        }
        let (host, port) = (self.host.clone(), self.port);
        vec![Listener::at(ListenAddress::Tcp { host, port })]
    }

    /// Returns whether somebody from elsewhere could have a token: the one that is made at every
    /// start is nobody's there.
    pub(crate) fn has_tokens(&self) -> bool {
        self.tokens.iter().any(|token| token.name() != LOCAL)
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_peer: 256,
            streams: 64,
            streams_per_peer: 16,
            commands: 64,
            writes: Rate { burst: 200, per_second: 50 },
            failures: Rate { burst: 20, per_second: 1 },
            header_bytes: 32 * 1024,
            headers: 100,
            uri_bytes: 8 * 1024,
            body_bytes: 64 * 1024,
            service_body_bytes: 16 * 1024 * 1024,
            handshake_time: Duration::from_secs(10),
            first_byte_time: Duration::from_secs(10),
            header_read_time: Duration::from_secs(15),
            idle_time: Duration::from_secs(75),
            body_read_time: Duration::from_secs(10),
            service_body_time: Duration::from_secs(120),
            write_stall_time: Duration::from_secs(30),
            answer_rate: 1024,
            accept_time: Duration::from_secs(5),
            default_wait: Duration::from_secs(10),
            max_wait: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
        }
    }
}
