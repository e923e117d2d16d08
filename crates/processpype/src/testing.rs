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

mod probe;
mod response;

use std::fmt;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use processpype_control::Server;
use processpype_core::ServiceState;
use processpype_runtime::{Closed, Context, Manager};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

pub use self::probe::{Act, Hook, Probe, ProbeService, Script};
pub use self::response::TestResponse;
use crate::application::Application;
use crate::running::{control_settings, launch};
use crate::schema::service_docs;
use crate::setup::SetupError;

/// How long [`TestApp::wait`] waits at most, in the test's time.
pub const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Starts an application for a test and waits until it is settled.
///
/// The environment of the process is left out, so that a test sees only what it sets.
///
/// # Errors
///
/// Returns [`SetupError`] if configuration or plan are wrong.
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
pub fn begin(mut app: Application) -> Result<TestApp, SetupError> {
    app.sources.environment.get_or_insert_default();
    let setup = app.setup()?;
    let settings = control_settings(&setup.settings);
    let docs = service_docs(&setup);
    let launch = launch(&setup.settings, Handle::current());
    let (manager, supervisor) = setup.blueprint.launch(launch);
    let server = Server::new(manager.clone(), settings, &docs);
    let server = server.map_err(|error| SetupError::of_settings(&error))?;
    let router = server.router();
    let supervisor = Handle::current().spawn(supervisor.run());
    Ok(TestApp { manager, supervisor: Some(supervisor), router, _server: server })
}

/// Makes a context that belongs to no application, for a unit test of a service.
///
/// # Panics
///
/// Panics outside a tokio runtime.
#[must_use]
pub fn context() -> Context {
    Context::detached("test")
}

/// An application under test.
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
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Sends `POST path` without a body through the real router.
    pub async fn post(&self, path: &str) -> TestResponse {
        self.send(Method::POST, path, Body::empty()).await
    }

    /// Sends a JSON body through the real router.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> TestResponse {
        self.send(Method::POST, path, Body::from(body.to_string())).await
    }

    /// Sends any request through the real router.
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
    pub async fn wait(&self, service: &str, state: ServiceState) -> Result<(), WaitError> {
        let reached = tokio::time::timeout(WAIT_MAX, self.manager.reached(service, state)).await;
        if reached == Ok(true) {
            return Ok(());
        }
        let now = self.manager.state(service);
        Err(WaitError { service: service.to_owned(), wanted: state, state: now })
    }

    /// Returns every transition so far as `service: from → to (cause)`.
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
    pub async fn stop(mut self) -> Closed {
        self.manager.close();
        self.closed().await
    }

    /// Waits until the application closes by itself.
    ///
    /// # Panics
    ///
    /// Panics if the supervisor panicked, which is a bug of the framework.
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
