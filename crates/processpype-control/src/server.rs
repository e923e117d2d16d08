//! The control plane as a whole: made from a manager, settings and the services' documentation.
//!
//! # Invariants
//!
//! 1. All that is the same for every request is rendered once, for the first who asks for it: a
//!    process that nobody asks for its documentation does not wait for it to be written.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::Bytes;
use processpype_api::{About, ServiceDoc, Unready, document};
use processpype_runtime::Manager;
use tokio::sync::{Semaphore, watch};

use crate::cache::Cache;
use crate::docs;
use crate::error::{BindError, SettingsError};
use crate::guard::Guard;
use crate::listen::Bound;
use crate::reply::Rendered;
use crate::routes;
use crate::settings::ControlSettings;

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
    /// Free places for commands that are being read and handed over.
    pub(crate) commands: Arc<Semaphore>,
    /// Becomes true when the server stops: streams end then.
    pub(crate) closing: watch::Receiver<bool>,
    /// The startup probe has succeeded once.
    pub(crate) has_started: AtomicBool,
    pub(crate) application: Cache<Rendered>,
    pub(crate) services: Cache<Rendered>,
    pub(crate) unready: Cache<Vec<Unready>>,
    pub(crate) documents: Lazy<Documents>,
}

/// Made by whoever looks first.
type Lazy<T> = LazyLock<T, Box<dyn FnOnce() -> T + Send>>;

/// What describes the interface.
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
        let control = Control {
            manager,
            guard: Guard::new(&settings.allowed_hosts, settings.limits.uri_bytes),
            streams: Arc::new(Semaphore::new(settings.limits.streams)),
            commands: Arc::new(Semaphore::new(settings.limits.commands)),
            closing: closed,
            has_started: AtomicBool::new(false),
            application: Cache::default(),
            services: Cache::default(),
            unready: Cache::default(),
            documents: LazyLock::new(Box::new(documents)),
            settings,
        };
        Ok(Self { control: Arc::new(control), closing })
    }

    /// Returns the whole server as a router, without a socket.
    ///
    /// Streams then end when the `Server` is dropped.
    pub fn router(&self) -> Router {
        routes::router(&self.control)
    }

    /// Takes the address; nothing is answered yet.
    ///
    /// # Errors
    ///
    /// Returns [`BindError`] if the host is not loopback or unknown, or if the port cannot be had.
    pub async fn bind(self) -> Result<Bound, BindError> {
        let router = self.router();
        let ControlSettings { host, port, limits, .. } = &self.control.settings;
        Bound::bind(host, *port, router, *limits, self.closing).await
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
