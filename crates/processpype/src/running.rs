//! A running application that is part of a larger program.
//!
//! # Invariants
//!
//! 1. Dropping a [`Running`] means *close without waiting*; it is never success.
//! 2. Nothing global is installed: no signal handler, no panic hook, no subscriber.
//! 3. The supervisor runs on the caller's runtime. A service that blocks its thread can therefore
//!    block the supervisor; only `.main()`, which has threads of its own, promises otherwise.
//! 4. The control plane starts before the services and is stopped after them, so that it can be
//!    asked what is slow about a start or a stop.

mod nested;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use processpype_control::{BindError, ControlSettings, Nest, Server, SettingsError, level_switch};
use processpype_runtime::{Closed, Hidden, Launch, Manager, Scrub};
use processpype_telemetry::{Handle as LogHandle, Redactor, Unredactable};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};

use crate::application::Application;
use crate::configurer::{LiveConfig, tell_unhidden};
use crate::creation::KindCreator;
use crate::recorder::{Recorded, Recorder};
use crate::schema::service_doc;
use crate::setup::{Setup, SetupError};

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
///
/// # Dropping
///
/// Dropping it closes the application without waiting for it; the services then stop in the
/// background for as long as the runtime lives. Call [`stop`](Self::stop) to wait and to see how it
/// went.
#[derive(Debug)]
#[must_use = "dropping it closes the application"]
pub struct Running {
    manager: Manager,
    supervisor: Option<JoinHandle<Closed>>,
    server: Option<processpype_control::Running>,
    /// What answers inside another server.
    nest: Nest,
    /// A control plane without a listener: streams live as long as it does.
    unbound: Option<Server>,
    recorded: Option<Recorded>,
}

/// Why an application did not start.
///
/// ```
/// use processpype::{Application, Dep, Service, StartError};
///
/// struct Counter;
/// impl Service for Counter {}
/// struct Bumper;
/// impl Service for Bumper {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = Application::new().service(|_: Dep<Counter>| Bumper).named("bumper");
/// match app.without_server().start().await {
///     Err(StartError::Setup(error)) => {
///         let code = error.plan().unwrap().problems()[0].code;
///         assert_eq!(code.as_str(), "missing-provider");
///     }
///     other => panic!("there is no counter: {other:?}"),
/// }
/// # }
/// ```
///
/// `Debug` shows the same text, so that `unwrap` in a test and `?` in `main` tell it to people. It
/// tells what the log tells, such as why a significant service failed, with all causes: not for
/// clients.
#[non_exhaustive]
pub enum StartError {
    /// Configuration or plan are wrong.
    Setup(SetupError),
    /// The control plane has no usable settings.
    Settings(SettingsError),
    /// The control plane cannot have its address.
    Bind(BindError),
    /// A significant service failed; everything was stopped again. [`Closed`] has its name and what
    /// it failed with.
    Significant(Closed),
}

// === impl Application ===

impl Application {
    /// Starts the application inside this program, on the current tokio runtime.
    ///
    /// Returns once every service has started, failed, or waits for one that is not there. A
    /// service that failed is shown in `error`; only a significant one makes this an error.
    ///
    /// Nothing global is installed: signals, log and panic hook are the program's own, and the
    /// section `observability.logging` is not looked at. There is no token of this machine: what
    /// asks for one needs it in `server.auth.tokens`. Unlike under [`main`](Self::main), a service
    /// that blocks its thread may stop everything. A whole program, and the differences side by
    /// side, stand in `docs/services.md`, "Inside your own program".
    ///
    /// # Errors
    ///
    /// Returns [`StartError`] if configuration or plan are wrong, if the address is taken, or if a
    /// significant service failed; then everything has been stopped again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what had started, without waiting.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    pub async fn start(self) -> Result<Running, StartError> {
        let mut setup = self.setup().map_err(StartError::Setup)?;
        let mut settings = control_settings(&setup);
        let has_server = setup.has_server;
        let recorder = Recorder::open(&setup.settings.observability.events);
        let mut launch = launch(&mut setup, &mut settings, Handle::current(), None);
        tell_recorder(&mut launch, &mut settings, recorder.as_ref());
        let (manager, supervisor) = setup.blueprint.launch(launch);
        let server = Server::new(manager.clone(), settings, service_doc);
        let server = server.map_err(StartError::Settings)?;
        let nest = server.nest();
        let (server, unbound) = match has_server {
            true => (Some(server.bind().await.map_err(StartError::Bind)?.serve()), None),
            false => (None, Some(server)),
        };
        let recorded = follow(recorder, &manager);
        let supervisor = Some(Handle::current().spawn(supervisor.run()));
        let running = Running { manager, supervisor, server, nest, unbound, recorded };
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
    /// The value of `body` comes back beside how the application closed; what `body` returned does
    /// not change how it closes.
    ///
    /// ```
    /// use processpype::{Application, Service};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().service(|| Counter).named("counter").without_server();
    /// let (count, closed) = app.scope(async |app| app.manager().names().len()).await?;
    /// assert_eq!(count, 1);
    /// assert!(closed.stragglers.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start); and a panic of `body` goes on to the caller.
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
    ///
    /// It is cheap to clone, and outlives this value: what is asked of an application that has
    /// closed is refused with [`CommandError::Closing`](crate::CommandError::Closing).
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Returns the address of the control plane, if it has one.
    ///
    /// With `server.port: 0` this is where the free port is found. `None` after
    /// [`Application::without_server`], and with nothing but Unix sockets in `server.listeners`.
    #[must_use]
    pub fn address(&self) -> Option<std::net::SocketAddr> {
        self.server.as_ref().and_then(processpype_control::Running::address)
    }

    /// Stops every service in reverse order, then the control plane, and tells how it went.
    ///
    /// It takes at most the closing timeout of the configuration, and a little for the control
    /// plane. Use [`wait`](Self::wait) where somebody else decides about the end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the stop.
    ///
    /// # Panics
    ///
    /// Panics if the supervisor panicked, which is a bug of the framework.
    pub async fn stop(mut self) -> Closed {
        self.manager.close();
        self.closed().await
    }

    /// Waits until the application closes by itself, or because somebody else asked it to.
    ///
    /// If the runtime on which the application was started is dropped first, its services are cut,
    /// and those that had not ended are the stragglers.
    ///
    /// ```
    /// use processpype::{Application, Service};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().service(|| Counter).named("counter").without_server();
    /// let running = app.start().await?;
    /// let manager = running.manager().clone();
    /// tokio::spawn(async move { manager.close() });
    /// let closed = running.wait().await;
    /// assert_eq!(closed.significant, None, "no failure closed it");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the application.
    ///
    /// # Panics
    ///
    /// Panics if the supervisor panicked, which is a bug of the framework.
    pub async fn wait(mut self) -> Closed {
        self.closed().await
    }

    async fn closed(&mut self) -> Closed {
        let supervisor = self.supervisor.take().expect("only `stop` and `wait` take it, by value");
        let closed = ended(supervisor.await, &self.manager);
        drop(self.unbound.take());
        if let Some(server) = self.server.take() {
            server.stop(SERVER_GRACE).await;
        }
        if let Some(recorded) = self.recorded.take() {
            recorded.ended().await;
        }
        closed
    }
}

/// How the application ended, also if its runtime was dropped under it.
///
/// # Panics
///
/// Panics if the supervisor panicked.
pub(crate) fn ended(supervisor: Result<Closed, JoinError>, manager: &Manager) -> Closed {
    match supervisor {
        Err(error) if error.is_cancelled() => Closed::cut(manager.unfinished()),
        ended => ended.expect("the supervisor contains every panic of user code"),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.manager.close();
    }
}

/// How the supervisor is to run, by the settings of the file.
///
/// What a service says in public is scrubbed of the secrets in the configuration, like its log.
/// The doctor tells of those that cannot be taken out.
pub(crate) fn launch(
    setup: &mut Setup,
    control: &mut ControlSettings,
    services: Handle,
    log: Option<&LogHandle>,
) -> Launch {
    control.service_threads = services.metrics().num_workers();
    let mut launch = Launch::on(services);
    let secrets = log.map(|log| log.redactor().clone()).unwrap_or_default();
    hide_secrets(setup, &secrets);
    let settings = &setup.settings;
    control.redactor = Some(secrets.clone());
    launch.creator = Some(Arc::new(KindCreator::of(setup)));
    let (catalogue, levels) = (Arc::clone(&setup.catalogue), log.map(|log| log.levels().clone()));
    launch.configurer =
        Some(Arc::new(LiveConfig::new(catalogue, setup.document.clone(), levels, secrets.clone())));
    launch.document = setup.document.clone();
    launch.scrub = Scrub::new(move |text| secrets.scrub(text));
    launch.closing_timeout = settings.server.closing_timeout();
    launch.drain_delay = settings.server.drain_delay.into();
    launch.starts_at_once = setup.limits.starts_at_once;
    launch.restart_rate = setup.limits.restart_rate;
    launch
}

/// Hides all secrets: those of each service for as long as its configuration is needed, the others
/// until the process ends.
fn hide_secrets(setup: &mut Setup, redactor: &Redactor) {
    // All at one time, which costs as much as one.
    redactor.replace(setup.all_secrets());
    let unhidden = redactor.unhidden();
    let each = unhidden.iter().flat_map(|(why, secrets)| std::iter::repeat_n(*why, *secrets));
    tell_unhidden(each);
    if unhidden.iter().any(|(why, _)| *why == Unredactable::TooMany) {
        // As many as can be are hidden for good: which of them are needed is not known then.
        return;
    }
    let hold = |secrets: &[String]| redactor.hold(secrets).ok().map(Hidden::by);
    setup.blueprint.hide_secrets(hold);
    redactor.replace(setup.secrets.iter().cloned());
}

/// Lets the control plane show the log, and the supervisor switch its levels.
pub(crate) fn show_log(log: &LogHandle, launch: &mut Launch, settings: &mut ControlSettings) {
    settings.logs = Some(log.logs().clone());
    settings.levels = Some(log.levels().clone());
    settings.backlog = Some(log.backlog());
    launch.levels = level_switch(log.levels().clone());
}

/// Tells the supervisor what the file of events says about the previous run.
pub(crate) fn tell_recorder(
    launch: &mut Launch,
    settings: &mut ControlSettings,
    recorder: Option<&Recorder>,
) {
    settings.previous_run_unclean = recorder.map(|recorder| recorder.unclean_end.is_some());
    launch.unclean_end = recorder.and_then(|recorder| recorder.unclean_end.clone());
    launch.recording = recorder.map(Recorder::recording);
}

/// Begins to write the file of events, if there is one.
pub(crate) fn follow(recorder: Option<Recorder>, manager: &Manager) -> Option<Recorded> {
    let recorded = recorder?.follow(manager);
    recorded
        .inspect_err(|error| {
            tracing::error!(target: "processpype", "no thread for the file of events: {error}");
        })
        .ok()
}

/// What the control plane needs to know, by the settings of the file.
pub(crate) fn control_settings(setup: &Setup) -> ControlSettings {
    let (app, server) = (&setup.settings.app, &setup.settings.server);
    let mut control = ControlSettings::default();
    control.listeners.clone_from(&setup.access.listeners);
    control.tokens.clone_from(&setup.access.tokens);
    control.certificates.clone_from(&setup.access.certificates);
    control.api_prefix.clone_from(&server.api_prefix);
    control.title.clone_from(&app.title);
    control.version.clone_from(&app.version);
    control.environment.clone_from(&app.environment);
    control.allowed_hosts.clone_from(&server.allowed_hosts);
    server.limits.over(&mut control.limits);
    control.shutdown_endpoint = server.shutdown_endpoint;
    control.plan = crate::cli::wire_plan(setup);
    control.starts_at_once = setup.limits.starts_at_once;
    control.features = features();
    control
}

/// Which optional parts are built in.
fn features() -> Vec<String> {
    let all = [
        ("otlp", cfg!(feature = "otlp")),
        ("tls", cfg!(feature = "tls")),
        ("top", cfg!(feature = "top")),
    ];
    all.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).to_owned()).collect()
}

// === impl StartError ===

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => error.fmt(f),
            Self::Settings(error) => error.fmt(f),
            Self::Bind(error) => error.fmt(f),
            Self::Significant(closed) => match &closed.significant {
                Some(service) => {
                    write!(f, "the significant service `{service}` failed")?;
                    closed.failure.as_ref().map_or(Ok(()), |failure| write!(f, ": {failure}"))
                }
                None => f.write_str("the application closed while it was starting"),
            },
        }
    }
}

impl fmt::Debug for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Setup(error) => fmt::Debug::fmt(error, f),
            Self::Settings(_) | Self::Bind(_) | Self::Significant(_) => fmt::Display::fmt(self, f),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Its text is the bind error's own, so the cause is that error's cause. What a service
            // failed with is told with its causes, which ended with the service.
            Self::Bind(error) => error.source(),
            Self::Setup(_) | Self::Settings(_) | Self::Significant(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use processpype_config::Format;

    use super::*;

    #[track_caller]
    fn settings(yaml: &str) -> ControlSettings {
        let app = crate::Application::new().config_text("app.yaml", Format::Yaml, yaml);
        control_settings(&app.environment([]).setup().expect("it is valid"))
    }

    #[test]
    fn what_the_file_says_of_the_server_reaches_the_control_plane() {
        let plain = settings("{}");
        assert_eq!(plain.limits, processpype_control::Limits::default());
        assert!(!plain.shutdown_endpoint && plain.allowed_hosts.is_empty());
        let said = settings(
            "app: {title: Shop, version: 7.1.0, environment: staging, max_concurrent_starts: 3}
server:
  {api_prefix: /api, allowed_hosts: [shop.internal], shutdown_endpoint: true,
   limits: {body_bytes: 20, streams_per_peer: 2}}",
        );
        let expected = processpype_control::Limits::default();
        assert_eq!((said.limits.body_bytes, said.limits.streams_per_peer), (20, 2));
        assert_eq!(said.limits.streams, expected.streams);
        assert_eq!(
            (&*said.title, &*said.version, &*said.environment),
            ("Shop", "7.1.0", "staging")
        );
        assert_eq!((&*said.api_prefix, said.starts_at_once), ("/api", 3));
        assert_eq!(said.allowed_hosts, ["shop.internal"]);
        assert!(said.shutdown_endpoint);
    }
}
