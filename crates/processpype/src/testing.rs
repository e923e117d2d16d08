//! The same application in a test: in memory, without a port, on paused time.
//!
//! Use it under `#[tokio::test(start_paused = true)]`: tokio's clock then jumps to the next timer
//! whenever nothing else can happen, so that hours pass in milliseconds and every wait is exact.
//!
//! A service by its state, and by its routes:
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
//! let app = testing::start(Application::new().service(|| MyService)).await?;
//! assert_eq!(app.manager().state("my_service"), Some(ServiceState::Running));
//! app.manager().stop("my_service").await?;
//! assert_eq!(app.manager().state("my_service"), Some(ServiceState::Stopped));
//!
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
//!   and [`TestApp::post`], which may everything;
//! - see who may do what: [`TestApp::local_client`] and [`TestApp::remote_client`] have to show a
//!   token where a real client has to;
//! - wait: [`TestApp::wait`] for a state, [`Manager::settled`] for the end of the start, and never
//!   `sleep` and hope;
//! - fail on purpose: a [`Probe`] starts, fails, panics and hangs as its [`Script`]s say;
//! - put a fake into the application that `main` runs: [`Application::replace`];
//! - check a service of one's own against the rules of a good one: [`Conformance`];
//! - assert on what happened: [`TestApp::transitions`] is the exact history, as text;
//! - see why something failed: [`TestApp::failures`], with what is otherwise for the log alone.
//!
//! A test of one service alone needs no application: build its arguments with `Config::from`,
//! `Dep::of`, `Dep::unavailable` and [`context`] or [`stoppable_context`], and call its methods.
//!
//! # Invariants
//!
//! 1. Nothing differs from production but where time comes from, that no address is taken, and that
//!    a request of the [`TestApp`] itself is one of the program, which nobody asks for a token: the
//!    same checks, supervisor and router.
//! 2. No process environment, no signal, no global subscriber: tests run beside each other.

mod client;
mod conformance;
mod probe;
mod response;
mod wait;

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use processpype_control::Server;
use processpype_core::{ServiceName, ServiceState};
use processpype_runtime::{Closed, Context, ErrorInfo, Manager, Status, Stories, Story, Watch};
pub use processpype_runtime::{STORIES_KEPT as FAILURES_KEPT, Stopper};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

pub use self::client::TestClient;
pub use self::conformance::{
    CONFORMANCE_AWAITS, CONFORMANCE_RESTARTS, Check, Conformance, ConformanceReport, Violation,
};
pub use self::probe::{Act, Hook, Probe, ProbeService, Script};
pub use self::response::TestResponse;
pub use self::wait::WaitError;
use crate::application::Application;
use crate::running::{control_settings, ended, launch};
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
/// The environment of the process is left out, so that a test sees only what it sets, and the file
/// that the application names itself.
///
/// Unlike [`Application::start`], a significant service that fails makes this no error: the test
/// wants to look at it. Use [`begin`] to see what happens while the application starts.
///
/// # Errors
///
/// Returns [`SetupError`] if configuration or plan are wrong.
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
///
/// # Errors
///
/// Returns [`SetupError`] if configuration or plan are wrong.
///
/// # Panics
///
/// Panics outside a tokio runtime.
pub fn begin(app: Application) -> Result<TestApp, SetupError> {
    begin_watched(app, None)
}

/// As [`begin`]; the hooks of one service may be watched.
fn begin_watched(app: Application, watch: Option<(&str, &Watch)>) -> Result<TestApp, SetupError> {
    let mut setup = for_test(app).setup()?;
    if let Some((service, watch)) = watch {
        setup.blueprint.watch(service, watch);
    }
    let mut settings = control_settings(&setup);
    let mut launch = launch(&mut setup, &mut settings, Handle::current(), None);
    launch.seed = SEED;
    let stories = Stories::default();
    launch.stories = Some(stories.clone());
    let (manager, supervisor) = setup.blueprint.launch(launch);
    let server = Server::new(manager.clone(), settings, service_doc);
    let server = server.map_err(|error| SetupError::of_settings(&error))?;
    let program = TestClient::new(server.router());
    let supervisor = Ending::Awaited(Handle::current().spawn(supervisor.run()));
    Ok(TestApp { manager, supervisor, program, server, stories })
}

/// A test sees only what it sets.
fn for_test(mut app: Application) -> Application {
    app.sources.environment.get_or_insert_default();
    app
}

/// Makes a context that belongs to no application, for a unit test of a service.
///
/// It is never asked to stop. For the loop of `run`, and what follows it, take
/// [`stoppable_context`].
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
///
/// # Panics
///
/// Panics outside a tokio runtime.
#[must_use]
pub fn context() -> Context {
    Context::detached("test")
}

/// Makes a context like [`context`] and what asks its service to stop, for a unit test of `run`.
///
/// ```
/// use std::time::Duration;
/// use processpype::{Context, Result, Service, testing};
/// use tokio::time::Instant;
///
/// struct Poller;
/// impl Service for Poller {
///     async fn run(&self, cx: &Context) -> Result {
///         while cx.sleep(Duration::from_secs(60)).await { /* one round */ }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result {
/// let (cx, stopper) = testing::stoppable_context();
/// let stop = async {
///     tokio::time::sleep(Duration::from_secs(300)).await;
///     stopper.stop(Instant::now() + Duration::from_secs(4));
/// };
/// let (ended, ()) = tokio::join!(Poller.run(&cx), stop);
/// ended
/// # }
/// ```
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
    supervisor: Ending,
    program: TestClient,
    /// Streams live as long as it does.
    server: Server,
    stories: Stories,
}

/// The end of an application under test.
#[derive(Debug)]
enum Ending {
    Awaited(JoinHandle<Closed>),
    Seen(Closed),
}

// === impl TestApp ===

impl TestApp {
    /// Returns the handle to the application.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// Sends `GET path` through the real router, as the program itself, which may everything.
    ///
    /// The request names `localhost` as its host, as a browser on the same machine would, so it
    /// passes the control plane's checks. Who has no token there may less: see
    /// [`local_client`](Self::local_client).
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
        self.program.get(path).await
    }

    /// Sends `POST path` without a body through the real router, as the program itself.
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
        self.program.post(path).await
    }

    /// Sends a JSON body through the real router, as the program itself.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> TestResponse {
        self.program.post_json(path, body).await
    }

    /// Sends any request through the real router, as the program itself.
    ///
    /// For other methods and headers. A request without a `host` header is refused, as on a real
    /// socket.
    pub async fn request(&self, request: Request<Body>) -> TestResponse {
        self.program.request(request).await
    }

    /// Waits until a service is in a state.
    ///
    /// A state that the service is in already counts; one that comes and goes between two looks may
    /// be missed. For what has happened, look at [`transitions`](Self::transitions).
    ///
    /// # Errors
    ///
    /// Returns [`WaitError`] if that takes longer than [`WAIT_MAX`].
    pub async fn wait(&self, service: &str, state: ServiceState) -> Result<(), WaitError> {
        let reached = tokio::time::timeout(WAIT_MAX, self.manager.reached(service, state)).await;
        if reached == Ok(true) {
            return Ok(());
        }
        let status = self.manager.status(service);
        let names = |status: &Status| status.waiting_on.iter().map(ToString::to_string).collect();
        Err(WaitError {
            service: service.to_owned(),
            wanted: state,
            state: status.as_ref().map(|status| status.state),
            error: status.as_ref().and_then(|it| Some(self.why(it.error.as_ref()?, &it.name))),
            waiting_on: status.as_deref().map(names).unwrap_or_default(),
        })
    }

    /// Returns an error of a service as the log tells it, where it does.
    fn why(&self, error: &ErrorInfo, service: &ServiceName) -> String {
        let is_it = |story: &Story| {
            story.service == *service && story.kind == error.kind && !story.is_of_request()
        };
        let told = self.stories.all().into_iter().rev().find(is_it);
        told.map_or_else(|| error.message.clone(), |story| story.text)
    }

    /// Returns every failure so far as `service#generation: what failed: why`, with all that is
    /// told to the log alone: the texts of errors that are not public, causes, messages of panics.
    ///
    /// ```
    /// use processpype::{Application, Context, Error, Result, Service, testing};
    ///
    /// struct Store;
    /// impl Service for Store {
    ///     async fn start(&self, _: &Context) -> Result {
    ///         let cause = std::io::Error::other("/var/lib/store is read-only");
    ///         Err(Error::public("the store cannot be opened").with_source(cause))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result {
    /// let app = testing::start(Application::new().service(|| Store)).await?;
    /// assert_eq!(app.failures(), [
    ///     "store#1: start: the store cannot be opened: /var/lib/store is read-only",
    /// ]);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A failed generation is in it, also one that took too long, and so are a new configuration
    /// that was not taken, and of a handler a panic and the [`Error`](crate::Error) that it ends
    /// with by `?` (`a handler: …`), before its answer is there. What services write themselves
    /// goes to the log alone. The newest [`FAILURES_KEPT`] are kept.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let line = |story: Story| {
            let Story { service, generation, text, .. } = story;
            format!("{service}#{}: {text}", generation.0)
        };
        self.stories.all().into_iter().map(line).collect()
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

    /// Waits until the application closes by itself. Asked again, it tells the same again.
    ///
    /// # Panics
    ///
    /// Panics if the supervisor panicked, which is a bug of the framework.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn closed(&mut self) -> Closed {
        let closed = match &mut self.supervisor {
            Ending::Awaited(supervisor) => ended(supervisor.await, &self.manager),
            Ending::Seen(closed) => return closed.clone(),
        };
        self.supervisor = Ending::Seen(closed.clone());
        closed
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.manager.close();
    }
}
