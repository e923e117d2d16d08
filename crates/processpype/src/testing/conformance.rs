//! Rules that every service should keep, checked on a service of one's own.
//!
//! # Invariants
//!
//! 1. Each check has an application of its own, made by the user's function, and leaves nothing of
//!    it behind but what the service leaks.
//! 2. All rules are checked, whatever the first ones say; only who does not start is not looked at
//!    further.
//! 3. A check looks at what the service does, not at what the supervisor does: that the framework
//!    keeps its promises is the business of its own tests.

mod checks;
mod report;
mod subject;

use std::fmt;
use std::time::Duration;

pub use self::report::{Check, ConformanceReport, Violation};
use crate::application::Application;

/// How often a service is restarted.
pub const CONFORMANCE_RESTARTS: u64 = 100;

/// How many awaits of constructor and `start` are tried at most.
pub const CONFORMANCE_AWAITS: u32 = 200;

/// How long a service is watched for an end that nobody asked for, unless told otherwise.
const WATCHED: Duration = Duration::from_secs(600);

/// Checks that a service keeps the rules of a good one.
///
/// It is given a function that makes an application with the service in it, with whatever
/// configuration and fakes of its providers it needs. The function is called anew for each check.
/// Run it on one thread and on paused time: `#[tokio::test(start_paused = true)]`.
///
/// ```
/// use std::time::Duration;
/// use processpype::testing::Conformance;
/// use processpype::{Application, Context, Dep, Result, Service};
///
/// struct Store;
/// impl Service for Store {}
///
/// struct Report { store: Dep<Store> }
/// impl Service for Report {
///     async fn run(&self, cx: &Context) -> Result {
///         while cx.sleep(Duration::from_secs(60)).await {
///             let _store = self.store.get()?;
///         }
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let application = || {
///     let report = |store: Dep<Store>| Report { store };
///     Application::new().service(|| Store).service(report).named("report")
/// };
/// let report = Conformance::new("report", application).check().await;
/// assert!(report.is_clean(), "{report}");
/// # }
/// ```
///
/// # The rules
///
/// Each is a [`Check`]; a broken one is told with what was seen, why it matters and what to do.
/// This is done to the service:
///
/// 1. It is started ([`Starts`](Check::Starts)), and once it is ready each
///    [`route`](Self::route) is asked for ([`RoutesAnswer`](Check::RoutesAnswer)).
/// 2. It is watched for ten minutes, or [`watched_for`](Self::watched_for)
///    ([`StaysUp`](Check::StaysUp)).
/// 3. It is stopped, twice at once ([`RunEnds`](Check::RunEnds),
///    [`ChildrenEnd`](Check::ChildrenEnd), [`StopsInTime`](Check::StopsInTime),
///    [`StopsCleanly`](Check::StopsCleanly)).
/// 4. It is restarted a hundred times ([`Restarts`](Check::Restarts),
///    [`TasksEnd`](Check::TasksEnd), [`InstancesEnd`](Check::InstancesEnd)).
/// 5. It is stopped at each await of its constructor and of `start`, and started again
///    ([`CancelledStart`](Check::CancelledStart)).
/// 6. Each of its providers is stopped at each of these awaits and while it runs, started again,
///    and restarted ([`ProviderLoss`](Check::ProviderLoss)).
///
/// Panics in a hook are not tried: what follows from one is the framework's business.
#[must_use = "nothing is checked before `check`"]
pub struct Conformance<F> {
    service: String,
    application: F,
    routes: Vec<String>,
    watched: Duration,
}

// === impl Conformance ===

impl<F: Fn() -> Application> Conformance<F> {
    /// Prepares the checks of the service of this name in the applications that the function
    /// makes.
    ///
    /// The other services of the application should behave well: what they do is not judged.
    pub fn new(service: &str, application: F) -> Self {
        let service = service.to_owned();
        Self { service, application, routes: Vec::new(), watched: WATCHED }
    }

    /// Names a route below `/services/NAME` that answers a `GET` whenever the service is ready.
    ///
    /// Such as `/value`. Any answer below 500 will do, but for 404.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use processpype::testing::{Check, Conformance};
    /// use processpype::{Application, Routes, Service};
    ///
    /// struct Hasty;
    /// impl Service for Hasty {
    ///     fn routes(self: Arc<Self>) -> Routes {
    ///         let not_yet = async || axum::http::StatusCode::SERVICE_UNAVAILABLE;
    ///         axum::Router::new().route("/value", axum::routing::get(not_yet)).into()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let application = || Application::new().service(|| Hasty);
    /// let report = Conformance::new("hasty", application).route("/value").check().await;
    /// assert!(report.has(Check::RoutesAnswer), "{report}");
    /// # }
    /// ```
    pub fn route(mut self, path: &str) -> Self {
        self.routes.push(path.to_owned());
        self
    }

    /// Says how long the service is watched for an end that nobody asked for. Default: ten
    /// minutes of the test's time.
    pub fn watched_for(mut self, time: Duration) -> Self {
        self.watched = time;
        self
    }

    /// Makes every check and tells what was found.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the application that is being checked.
    pub async fn check(self) -> ConformanceReport {
        checks::check(&self).await
    }
}

impl<F> fmt::Debug for Conformance<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, routes, watched, .. } = self;
        let mut debug = f.debug_struct("Conformance");
        debug.field("service", service).field("routes", routes).field("watched", watched);
        debug.finish_non_exhaustive()
    }
}
