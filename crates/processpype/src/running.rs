//! A running application that is part of a larger program.
//!
//! # Invariants
//!
//! 1. Dropping a [`Running`] means *close without waiting*; it is never success.
//! 2. Nothing global is installed: no signal handler, no panic hook, no subscriber.

use std::fmt;
use std::time::Duration;

use processpype_control::{BindError, ControlSettings, Server, SettingsError};
use processpype_runtime::{Closed, Launch, Manager};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::application::Application;
use crate::schema::service_docs;
use crate::settings::Settings;
use crate::setup::SetupError;

/// How long the control plane may take to let go of its clients once the services are gone.
pub(crate) const SERVER_GRACE: Duration = Duration::from_millis(250);

/// An application that runs inside a larger program.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use processpype::{Application, Service};
///
/// struct Counter;
/// impl Service for Counter {}
///
/// let app = Application::new().service(|| Counter).named("counter").without_server();
/// let running = app.start().await?;
/// running.manager().restart("counter").await?;
/// running.stop().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping it closes the application"]
pub struct Running {
    manager: Manager,
    supervisor: Option<JoinHandle<Closed>>,
    server: Option<processpype_control::Running>,
}

/// Why an application did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// Configuration or plan are wrong.
    Setup(SetupError),
    /// The control plane has no usable settings.
    Settings(SettingsError),
    /// The control plane cannot have its address.
    Bind(BindError),
    /// A significant service failed; everything was stopped again.
    Significant(Closed),
}

// === impl Application ===

impl Application {
    /// Starts the application inside this program, on the current tokio runtime.
    ///
    /// Returns once every service has started, failed, or waits for one that is not there. A
    /// service that failed is shown in `error`; only a significant one makes this an error. Unlike
    /// under [`main`](Self::main), a service that blocks its thread may stop everything.
    ///
    /// # Errors
    ///
    /// Returns [`StartError`] if configuration or plan are wrong, if the address is taken, or if a
    /// significant service failed; then everything has been stopped again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what had started, without waiting.
    pub async fn start(self) -> Result<Running, StartError> {
        let setup = self.setup().map_err(StartError::Setup)?;
        let server_settings = setup.has_server.then(|| control_settings(&setup.settings));
        let docs = service_docs(&setup);
        let launch = launch(&setup.settings, Handle::current());
        let (manager, supervisor) = setup.blueprint.launch(launch);
        let server = match server_settings {
            Some(settings) => {
                let server = Server::new(manager.clone(), settings, &docs);
                let server = server.map_err(StartError::Settings)?;
                Some(server.bind().await.map_err(StartError::Bind)?.serve())
            }
            None => None,
        };
        let supervisor = Handle::current().spawn(supervisor.run());
        let running = Running { manager, supervisor: Some(supervisor), server };
        running.manager.settled().await;
        if running.manager.is_closing() {
            let closed = running.stop().await;
            return Err(StartError::Significant(closed));
        }
        Ok(running)
    }

    /// Starts the application, calls `body` with it, and stops it again, also when `body` panics or
    /// is dropped (then without waiting).
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn scope<T>(
        self,
        body: impl AsyncFnOnce(&Running) -> T,
    ) -> Result<(T, Closed), StartError> {
        let running = self.start().await?;
        let value = body(&running).await;
        Ok((value, running.stop().await))
    }
}

// === impl Running ===

impl Running {
    /// Returns the handle to the application.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Returns the address of the control plane, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.server.as_ref().map(processpype_control::Running::address)
    }

    /// Stops every service in reverse order, then the control plane, and tells how it went.
    ///
    /// It takes at most the closing timeout of the configuration, and a little for the control
    /// plane.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the stop.
    pub async fn stop(mut self) -> Closed {
        self.manager.close();
        self.closed().await
    }

    /// Waits until the application closes by itself, or because somebody else asked it to.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the application.
    pub async fn wait(mut self) -> Closed {
        self.closed().await
    }

    async fn closed(&mut self) -> Closed {
        let supervisor = self.supervisor.take().expect("only `stop` and `wait` take it, by value");
        let closed = supervisor.await.expect("the supervisor contains every panic of user code");
        if let Some(server) = self.server.take() {
            server.stop(SERVER_GRACE).await;
        }
        closed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.manager.close();
    }
}

pub(crate) fn launch(settings: &Settings, services: Handle) -> Launch {
    let mut launch = Launch::on(services);
    launch.closing_timeout = settings.server.closing_timeout();
    launch.drain_delay = settings.server.drain_delay.into();
    launch
}

pub(crate) fn control_settings(settings: &Settings) -> ControlSettings {
    let (app, server) = (&settings.app, &settings.server);
    let mut control = ControlSettings::default();
    control.host.clone_from(&server.host);
    control.port = server.port;
    control.api_prefix.clone_from(&server.api_prefix);
    control.title.clone_from(&app.title);
    control.version.clone_from(&app.version);
    control.environment.clone_from(&app.environment);
    control.allowed_hosts.clone_from(&server.allowed_hosts);
    control
}

// === impl StartError ===

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Settings(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Significant(closed) => match &closed.significant {
                Some(service) => write!(f, "the significant service `{service}` failed"),
                None => f.write_str("the application closed while it was starting"),
            },
        }
    }
}

impl std::error::Error for StartError {}
