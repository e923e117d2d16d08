//! The same application in a test: in memory, without a port, on paused time.
//!
//! Use it under `#[tokio::test(start_paused = true)]`: tokio's clock then jumps to the next timer
//! whenever nothing else can happen, so that hours pass in milliseconds and every wait is exact.
//!
//! The two test examples of the Python framework, in Rust:
//!
//! ```
//! use processpype::{Application, Service, ServiceState, testing};
//! # use processpype::Routes;
//! # use std::sync::Arc;
//!
//! struct MyService;
//!
//! impl Service for MyService {
//!     fn routes(self: Arc<Self>) -> Routes {
//!         let status = async || axum::Json(serde_json::json!({ "state": "running" }));
//!         axum::Router::new().route("/status", axum::routing::get(status)).into()
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // def test_my_service
//! let app = testing::start(Application::new().service(|| MyService)).await?;
//! assert_eq!(app.manager().state("my_service"), Some(ServiceState::Running));
//! app.manager().stop("my_service").await?;
//! assert_eq!(app.manager().state("my_service"), Some(ServiceState::Stopped));
//!
//! // def test_my_service_api
//! app.manager().start("my_service").await?;
//! let response = app.get("/services/my_service/status").await;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.json()["state"], "running");
//! # app.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What a test can do
//!
//! - look and act: [`TestApp::manager`], or requests through the real router with [`TestApp::get`]
//!   and [`TestApp::post`];
//! - wait: [`TestApp::wait`] for a state, [`Manager::settled`] for the end of the start, and never
//!   `sleep` and hope;
//! - fail on purpose: a [`Probe`] starts, fails, panics and hangs as its [`Script`]s say;
//! - check a service of one's own against the rules of a good one: [`Conformance`];
//! - assert on what happened: [`TestApp::transitions`] is the exact history, as text.
//!
//! A test of one service alone needs no application: build its arguments with `Config::from`,
//! `Dep::of`, `Dep::unavailable` and [`context`], and call its methods.
//!
//! # Invariants
//!
//! 1. Nothing differs from production but where time comes from and that no address is taken: the
//!    same checks, supervisor and router.
//! 2. No process environment, no signal, no global subscriber: tests run beside each other.

mod conformance;
mod probe;
mod response;

use std::fmt;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use processpype_control::Server;
use processpype_core::ServiceState;
pub use processpype_runtime::Stopper;
use processpype_runtime::{Closed, Context, Manager, Watch};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

pub use self::conformance::{
    CONFORMANCE_AWAITS, CONFORMANCE_RESTARTS, Check, Conformance, ConformanceReport, Finding,
};
pub use self::probe::{Act, Hook, Probe, ProbeService, Script};
pub use self::response::TestResponse;
use crate::application::Application;
use crate::running::{control_settings, launch};
use crate::schema::service_doc;
use crate::setup::SetupError;

/// How long [`TestApp::wait`] waits at most, in the test's time.
///
/// On paused time an hour costs nothing, and a test that waits for what never comes still ends.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// What jitter is drawn from in tests: the same delays every time.
const SEED: u64 = 1;

/// Starts an application for a test and waits until it is settled.
///
/// The environment of the process is left out, so that a test sees only what it sets.
///
/// # Errors
///
/// Returns [`SetupError`] if configuration or plan are wrong.
///
/// Unlike [`Application::start`], a significant service that fails makes this no error: the test
/// wants to look at it. Use [`begin`] to see what happens while the application starts.
///
/// # Cancel safety
///
/// Dropping the future closes the application.
pub async fn start(app: Application) -> Result<TestApp, SetupError> {
    let app = begin(app)?;
    app.manager.settled().await;
    Ok(app)
}

/// Starts an application for a test and returns at once.
///
/// # Errors
///
/// Returns [`SetupError`] if configuration or plan are wrong.
///
/// # Panics
///
/// Panics outside a tokio runtime.
///
/// ```
/// use std::time::Duration;
/// use processpype::testing::{self, Act, Probe, Script};
/// use processpype::{Application, ServiceState};
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> processpype::Result {
/// let start = Act::Succeed(Duration::from_secs(3));
/// let slow = Probe::new(vec![Script { start, ..Script::default() }]);
/// let app = testing::begin(Application::new().service(slow.service()).named("slow"))?;
/// app.wait("slow", ServiceState::Starting).await?;
/// app.wait("slow", ServiceState::Running).await?;
/// # app.stop().await;
/// # Ok(())
/// # }
/// ```
pub fn begin(app: Application) -> Result<TestApp, SetupError> {
    begin_watched(app, None)
}

/// As [`begin`]; the hooks of one service may be watched.
fn begin_watched(app: Application, watch: Option<(&str, &Watch)>) -> Result<TestApp, SetupError> {
    let mut setup = for_test(app).setup()?;
    if let Some((service, watch)) = watch {
        setup.blueprint.watch(service, watch);
    }
    let settings = control_settings(&setup);
    let mut launch = launch(&setup, Handle::current(), None);
    launch.seed = SEED;
    let (manager, supervisor) = setup.blueprint.launch(launch);
    let server = Server::new(manager.clone(), settings, service_doc);
    let server = server.map_err(|error| SetupError::of_settings(&error))?;
    let router = server.router();
    let supervisor = Handle::current().spawn(supervisor.run());
    Ok(TestApp { manager, supervisor: Some(supervisor), router, _server: server })
}

/// A test sees only what it sets.
fn for_test(mut app: Application) -> Application {
    app.sources.environment.get_or_insert_default();
    app
}

/// Makes a context that belongs to no application, for a unit test of a service.
///
/// # Panics
///
/// Panics outside a tokio runtime.
///
/// It is never asked to stop. For a stop, start an application and stop the service.
///
/// ```
/// use processpype::testing;
/// use processpype::{Context, Dep, Result, Service};
///
/// struct Counter;
/// struct Bumper { counter: Dep<Counter> }
/// impl Service for Bumper {
///     async fn start(&self, _: &Context) -> Result {
///         self.counter.get()?;
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let cx = testing::context();
/// assert!(Bumper { counter: Dep::of(Counter) }.start(&cx).await.is_ok());
/// let error = Bumper { counter: Dep::unavailable() }.start(&cx).await.unwrap_err();
/// assert!(error.unavailable().is_some());
/// # }
/// ```
#[must_use]
pub fn context() -> Context {
    Context::detached("test")
}

/// Makes a context like [`context`] and what asks its service to stop, for a unit test of `run`.
///
/// # Panics
///
/// Panics outside a tokio runtime.
#[must_use]
pub fn stoppable_context() -> (Context, Stopper) {
    Context::stoppable("test")
}

/// An application under test.
///
/// Dropping it closes the application without waiting, so a failed assertion leaves nothing behind.
#[derive(Debug)]
#[must_use = "dropping it closes the application"]
pub struct TestApp {
    manager: Manager,
    supervisor: Option<JoinHandle<Closed>>,
    router: Router,
    /// Streams live as long as it does.
    _server: Server,
}

/// A wait in a test that did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitError {
    /// The service.
    pub service: String,
    /// What was waited for.
    pub wanted: ServiceState,
    /// What it was at the end; `None` if there is no such service.
    pub state: Option<ServiceState>,
}

// === impl TestApp ===

impl TestApp {
    /// Returns the handle to the application.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Sends `GET path` through the real router.
    ///
    /// The request names `localhost` as its host, as a browser on the same machine would, so it
    /// passes the control plane's checks.
    ///
    /// ```
    /// use processpype::{Application, Service, testing};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = testing::start(Application::new().service(|| Counter).named("counter")).await?;
    /// let answer = app.get("/services").await;
    /// assert_eq!(answer.json()["services"][0]["name"], "counter");
    /// assert_eq!(app.get("/services/nobody/value").await.status(), 404);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Sends `POST path` without a body through the real router.
    ///
    /// ```
    /// use processpype::{Application, Service, testing};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = testing::start(Application::new().service(|| Counter).named("counter")).await?;
    /// let answer = app.post("/services/counter/stop").await.json();
    /// assert_eq!((&answer["status"], &answer["changed"]), (&"stopped".into(), &true.into()));
    /// let again = app.post("/services/counter/stop").await.json();
    /// assert_eq!(again["changed"], false);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn post(&self, path: &str) -> TestResponse {
        self.send(Method::POST, path, Body::empty()).await
    }

    /// Sends a JSON body through the real router.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> TestResponse {
        self.send(Method::POST, path, Body::from(body.to_string())).await
    }

    /// Sends any request through the real router.
    ///
    /// For other methods and headers. A request without a `host` header is refused, as on a real
    /// socket.
    pub async fn request(&self, request: Request<Body>) -> TestResponse {
        match self.router.clone().oneshot(request).await {
            Ok(response) => TestResponse::read(response).await,
            Err(never) => match never {},
        }
    }

    /// Waits until a service is in a state.
    ///
    /// # Errors
    ///
    /// Returns [`WaitError`] if that takes longer than [`WAIT_MAX`].
    ///
    /// A state that the service is in already counts; one that comes and goes between two looks may
    /// be missed. For what has happened, look at [`transitions`](Self::transitions).
    pub async fn wait(&self, service: &str, state: ServiceState) -> Result<(), WaitError> {
        let reached = tokio::time::timeout(WAIT_MAX, self.manager.reached(service, state)).await;
        if reached == Ok(true) {
            return Ok(());
        }
        let now = self.manager.state(service);
        Err(WaitError { service: service.to_owned(), wanted: state, state: now })
    }

    /// Returns every transition so far as `service: from → to (cause)`.
    ///
    /// ```
    /// use processpype::{Application, Service, testing};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = testing::start(Application::new().service(|| Counter).named("counter")).await?;
    /// assert_eq!(app.transitions(), [
    ///     "counter: stopped → starting (boot)",
    ///     "counter: starting → running (progress)",
    /// ]);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn transitions(&self) -> Vec<String> {
        let events = self.manager.events(0, usize::MAX).events;
        let line = |event: &processpype_runtime::Event| {
            let (from, to) = (event.from?, event.to?);
            Some(format!("{}: {from} → {to} ({})", event.service.as_ref()?, event.cause))
        };
        events.iter().filter_map(|event| line(event)).collect()
    }

    /// Stops the application and tells how it went.
    ///
    /// # Panics
    ///
    /// Panics if the supervisor panicked, which is a bug of the framework.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not cancel the stop.
    pub async fn stop(mut self) -> Closed {
        self.manager.close();
        self.closed().await
    }

    /// Waits until the application closes by itself.
    ///
    /// # Panics
    ///
    /// Panics if it is called a second time, or if the supervisor panicked, which is a bug of the
    /// framework.
    ///
    /// # Cancel safety
    ///
    /// Not safe: the end can be awaited once. A future that was dropped has taken it.
    pub async fn closed(&mut self) -> Closed {
        let supervisor = self.supervisor.take().expect("the end of an application is awaited once");
        supervisor.await.expect("the supervisor contains every panic of user code")
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> TestResponse {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        match request {
            Ok(request) => self.request(request).await,
            Err(error) => TestResponse::unsendable(&error.to_string()),
        }
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.manager.close();
    }
}

// === impl WaitError ===

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, wanted, state } = self;
        match state {
            Some(state) => write!(f, "`{service}` did not become {wanted}: it is {state}"),
            None => write!(f, "there is no service `{service}`"),
        }
    }
}

impl std::error::Error for WaitError {}
