//! The control plane as a whole: made from a manager, settings and the services' documentation.
//!
//! # Invariants
//!
//! 1. All that is the same for every request is rendered once; what describes the interface, for
//!    the first who asks for it: a process does not wait for it before it listens.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use processpype_api::{About, GRAPH_FORMATS, ServiceDoc, Unready, document};
use processpype_runtime::{Manager, Timestamp};
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::docs;
use crate::entry::Entry;
use crate::error::{BindError, SettingsError};
use crate::gate::Visitor;
use crate::guard::Guard;
use crate::listen::Bound;
use crate::listener::Proofs;
use crate::local_token::LOCAL;
use crate::places::Places;
use crate::rate::Rates;
use crate::reply::Rendered;
use crate::settings::ControlSettings;
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
    pub(crate) unready: Cache<Vec<Unready>>,
    /// One for each of the formats of a graph.
    pub(crate) graphs: [Cache<Rendered>; GRAPH_FORMATS.len()],
    pub(crate) timeline: Cache<Rendered>,
    pub(crate) plan: Rendered,
    pub(crate) documents: Lazy<Documents>,
    /// When it was made.
    pub(crate) since: Timestamp,
}

/// Made by whoever looks first.
type Lazy<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

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
    /// # Errors
    ///
    /// Returns [`SettingsError`] if `api_prefix` is no prefix.
    pub fn new(
        manager: Manager,
        settings: ControlSettings,
        services: &[ServiceDoc],
    ) -> Result<Self, SettingsError> {
        SettingsError::check_prefix(&settings.api_prefix)?;
        let about = About {
            title: settings.title.clone(),
            version: settings.version.clone(),
            prefix: settings.api_prefix.clone(),
        };
        let services = services.to_vec();
        let documents = move || Documents::new(&about, &services);
        let (closing, closed) = watch::channel(false);
        let since = manager.now();
        let control = Control {
            manager,
            guard: Guard::new(&settings.allowed_hosts, settings.limits.uri_bytes),
            streams: Arc::new(Semaphore::new(settings.limits.streams)),
            client_streams: Places::new(settings.limits.streams_per_peer),
            commands: Arc::new(Semaphore::new(settings.limits.commands)),
            scrapes: Semaphore::new(1),
            traffic: Traffic::default(),
            lagged: Arc::default(),
            writes: Rates::new(settings.limits.writes),
            failures: Rates::new(settings.limits.failures),
            closing: closed,
            has_started: AtomicBool::new(false),
            application: Cache::default(),
            services: Cache::default(),
            unready: Cache::default(),
            graphs: Default::default(),
            timeline: Cache::default(),
            plan: Rendered::json(&settings.plan),
            documents: LazyLock::new(Box::new(documents)),
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
        let entry = Entry::new(&self.control);
        let program = async move |request: Request| entry.answer(Visitor::PROGRAM, request).await;
        Router::new().fallback(program)
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
        // The one that is made at every start is nobody's who comes from elsewhere.
        let tokens = settings.tokens.iter().any(|token| token.name() != LOCAL);
        let proofs = Proofs { tokens, certificates: !settings.certificates.is_empty() };
        Bound::bind(entry, proofs, self.closing).await
    }
}

// === impl Documents ===

impl Documents {
    fn new(about: &About, services: &[ServiceDoc]) -> Self {
        let document = document(about, services);
        let page = docs::page(&document, &about.prefix).into();
        Self { openapi: Rendered::json(&document), page }
    }
}

// === impl Control ===

impl Control {
    pub(crate) fn prefix(&self) -> &str {
        &self.settings.api_prefix
    }
}
