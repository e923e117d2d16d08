//! The control plane as a whole: made from a manager, settings and the services' documentation.
//!
//! # Invariants
//!
//! 1. What describes plan and interface is rendered for the first who asks for it, and again when
//!    a service has joined or left: a process does not wait for it before it listens.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use processpype_api::{About, GRAPH_FORMATS, ServiceDoc, document};
use processpype_core::each;
use processpype_runtime::{LaidOut, Layout, Manager, Timestamp};
use tokio::sync::{Semaphore, watch};

use crate::busy::Busy;
use crate::cache::{Cache, PerLayout};
use crate::crowd::Connections;
use crate::docs;
use crate::entry::Entry;
use crate::error::{BindError, SettingsError};
use crate::gate::Visitor;
use crate::guard::Guard;
use crate::listen::Bound;
use crate::listener::Proofs;
use crate::metrics::process::Kept;
use crate::nest::Nest;
use crate::own;
use crate::places::Places;
use crate::probes::NotReady;
use crate::rate::Rates;
use crate::reply::Rendered;
use crate::settings::ControlSettings;
use crate::tls::Acceptor;
use crate::traffic::Traffic;

/// A control plane that does not listen yet.
///
/// For tests without a port, [`Server::router`] is the whole server; each request to it needs a
/// `Host` header, as any request does.
#[derive(Debug)]
pub struct Server {
    control: Arc<Control>,
    closing: watch::Sender<bool>,
}

/// What every request handler sees.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) manager: Manager,
    pub(crate) settings: ControlSettings,
    pub(crate) guard: Guard,
    /// Free places for event streams.
    pub(crate) streams: Arc<Semaphore>,
    /// The same, client by client.
    pub(crate) client_streams: Arc<Places>,
    /// Free places for commands that are being read and handed over.
    pub(crate) commands: Arc<Semaphore>,
    /// The place of the one scrape of metrics.
    pub(crate) scrapes: Semaphore,
    /// The place of the one who asks services what is wrong with them.
    pub(crate) diagnoses: Semaphore,
    /// The connections of all listeners.
    pub(crate) connections: Arc<Connections>,
    /// All that was answered.
    pub(crate) traffic: Traffic,
    /// Events that streams could not send.
    pub(crate) lagged: Arc<AtomicU64>,
    /// Commands, client by client.
    pub(crate) writes: Rates,
    /// Wrong tokens, client by client.
    pub(crate) failures: Rates,
    /// Becomes true when the server stops: streams end then.
    pub(crate) closing: watch::Receiver<bool>,
    /// The startup probe has succeeded once.
    pub(crate) has_started: AtomicBool,
    pub(crate) application: Cache<Rendered>,
    pub(crate) services: Cache<Rendered>,
    /// Whose thread does not come back, which no version tells.
    pub(crate) busy: Busy,
    pub(crate) unready: Cache<NotReady>,
    /// One for each of the formats of a graph.
    pub(crate) graphs: [Cache<Rendered>; GRAPH_FORMATS.len()],
    pub(crate) groups: Cache<Rendered>,
    pub(crate) timeline: Cache<Rendered>,
    pub(crate) plan: PerLayout<Rendered>,
    pub(crate) documents: PerLayout<Documents>,
    pub(crate) describe: Describe,
    /// What speaks TLS, with the address of its listener; known once the addresses are taken.
    pub(crate) speaking: OnceLock<Vec<(String, Arc<Acceptor>)>>,
    /// What is known of the process.
    pub(crate) process: Kept,
    /// When it was made.
    pub(crate) since: Timestamp,
}

/// Says what a service is.
pub(crate) struct Describe(Box<dyn Fn(&LaidOut) -> ServiceDoc + Send + Sync>);

/// What describes the interface, for programs and for people.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) openapi: Rendered,
    pub(crate) page: Bytes,
}

// === impl Server ===

impl Server {
    /// Makes the control plane of the application behind `manager`.
    ///
    /// `describe` says what a service is, for the document of the interface.
    ///
    /// # Errors
    ///
    /// Returns [`SettingsError`] if `api_prefix` is no prefix.
    pub fn new(
        manager: Manager,
        settings: ControlSettings,
        describe: impl Fn(&LaidOut) -> ServiceDoc + Send + Sync + 'static,
    ) -> Result<Self, SettingsError> {
        SettingsError::check_prefix(&settings.api_prefix)?;
        let (closing, closed) = watch::channel(false);
        let since = manager.now();
        let control = Control {
            manager,
            guard: Guard::new(&settings.allowed_hosts, settings.limits.uri_bytes),
            streams: Arc::new(Semaphore::new(settings.limits.streams)),
            client_streams: Places::new(settings.limits.streams_per_peer),
            commands: Arc::new(Semaphore::new(settings.limits.commands)),
            scrapes: Semaphore::new(1),
            diagnoses: Semaphore::new(1),
            connections: Arc::default(),
            traffic: Traffic::default(),
            lagged: Arc::default(),
            writes: Rates::new(settings.limits.writes),
            failures: Rates::new(settings.limits.failures),
            closing: closed,
            has_started: AtomicBool::new(false),
            process: Kept::default(),
            application: Cache::default(),
            services: Cache::default(),
            busy: Busy::default(),
            unready: Cache::default(),
            graphs: Default::default(),
            groups: Cache::default(),
            timeline: Cache::default(),
            plan: PerLayout::default(),
            documents: PerLayout::default(),
            describe: Describe(Box::new(describe)),
            speaking: OnceLock::new(),
            since,
            settings,
        };
        Ok(Self { control: Arc::new(control), closing })
    }

    /// Returns the whole server as a router, without a socket.
    ///
    /// Whoever has it is the program itself, and therefore an admin: it is for tests. Streams end
    /// when the `Server` is dropped.
    pub fn router(&self) -> Router {
        self.router_of(Visitor::PROGRAM)
    }

    /// Returns the whole server as a router, as a client at `address` would find it that speaks to
    /// a listener with nothing set: on loopback what is open there needs no token, elsewhere
    /// everything but probes and public routes does.
    ///
    /// For tests of who may do what. Streams end when the `Server` is dropped.
    pub fn router_from(&self, address: IpAddr) -> Router {
        self.router_of(Visitor::at(address))
    }

    fn router_of(&self, visitor: Visitor) -> Router {
        let entry = Entry::new(&self.control);
        let answer = move |request: Request| async move {
            let own = own::service(request.uri().path().as_bytes(), entry.control.prefix());
            entry.answer(visitor, request, own).await
        };
        Router::new().fallback(answer)
    }

    /// Returns what answers inside another server, whether this one is bound or not.
    #[must_use]
    pub fn nest(&self) -> Nest {
        Nest::new(&self.control)
    }

    /// Takes the addresses; nothing is answered yet.
    ///
    /// # Errors
    ///
    /// Returns [`BindError`] if an address is unknown or cannot be had, or if other machines could
    /// reach the control API there without being asked for a token.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let entry = Entry::new(&self.control);
        let settings = &self.control.settings;
        let proofs = Proofs {
            tokens: settings.has_tokens(),
            certificates: !settings.certificates.is_empty(),
        };
        Bound::bind(entry, proofs, self.closing).await
    }
}

// === impl Documents ===

impl Documents {
    fn of(control: &Control, layout: &Layout) -> Self {
        let settings = &control.settings;
        let about = About {
            title: settings.title.clone(),
            version: settings.version.clone(),
            prefix: settings.api_prefix.clone(),
        };
        let services: Vec<ServiceDoc> = each(&layout.services, &control.describe.0);
        let document = document(&about, &services);
        let page = docs::page(&document, &about.prefix).into();
        Self { openapi: Rendered::json(&document), page }
    }
}

// === impl Describe ===

impl fmt::Debug for Describe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Describe")
    }
}

// === impl Control ===

impl Control {
    pub(crate) fn prefix(&self) -> &str {
        &self.settings.api_prefix
    }

    /// Returns where an operation is looked at.
    pub(crate) fn operation_at(&self, id: u64) -> String {
        format!("{}/operations/{id}", self.prefix())
    }

    /// What speaks TLS; nothing before the addresses are taken.
    pub(crate) fn speaking(&self) -> &[(String, Arc<Acceptor>)] {
        self.speaking.get().map_or(&[], Vec::as_slice)
    }

    /// Returns what describes the interface, with the services that are there now.
    pub(crate) fn documents(&self) -> Arc<Documents> {
        let layout = self.manager.layout();
        self.documents.get(&layout, || Documents::of(self, &layout))
    }
}
