//! How often each route was asked, how it answered, and how long that took.
//!
//! # Invariants
//!
//! 1. A request costs a look-up and a few additions to atomics; a lock is only taken for what was
//!    never seen before.
//! 2. What a client sends makes no series: routes are templates, methods a closed set, and statuses
//!    of one route at most [`STATUSES_MAX`]. Services that do not exist are `none`'s.
//! 3. Services that have left are forgotten, also if nobody ever reads: whenever there are more
//!    than [`REGISTERED_MAX`] of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::http::{Method, StatusCode};
use foldhash::fast::FixedState;
use processpype_api::{ENDPOINTS, Endpoint, EndpointId, HistogramReading};
use processpype_core::{ServiceName, each, sort_by};
use processpype_runtime::{Manager, REGISTERED_MAX};

/// How many pairs of method and status of one route are told apart; the rest are `other`.
pub(crate) const STATUSES_MAX: usize = 64;

/// Upper bounds of the times, in milliseconds; a command may wait for a minute.
const BOUNDS: [u64; 9] = [1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];

/// The route of what no route is for.
const NONE: &str = "none";

/// The methods that are told apart.
const METHODS: [&str; 8] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", OTHER_METHOD];

const OTHER_METHOD: &str = "other";

/// Where a request went; a mark on its answer.
#[derive(Clone, Debug)]
pub(crate) enum Routed {
    /// An endpoint of the framework.
    Endpoint(&'static Endpoint),
    /// A service's own route, and what that has answered.
    Service(Arc<Route>),
}

/// All that was answered.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// In the order of [`ENDPOINTS`].
    endpoints: Vec<Route>,
    /// Only of services that there are: nobody outside chooses these names.
    services: RwLock<HashMap<String, Arc<Route>, FixedState>>,
    none: Route,
}

/// What one route has answered.
#[derive(Debug, Default)]
pub(crate) struct Route {
    answers: ArcSwap<Vec<Arc<Answers>>>,
    /// Not cumulative; the last one is beyond every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// Answers of one sort.
#[derive(Debug)]
struct Answers {
    method: &'static str,
    /// `None` = any that found no place of its own.
    status: Option<StatusCode>,
    count: AtomicU64,
}

/// One route, as a reader sees it.
#[derive(Debug)]
pub(crate) struct RouteReading {
    pub(crate) route: &'static str,
    pub(crate) service: Option<String>,
    /// Method, status, count.
    pub(crate) answers: Vec<(&'static str, String, u64)>,
    pub(crate) times: HistogramReading,
}

// === impl Routed ===

impl Routed {
    /// A request for a service's own route. The name of a service that does not exist is the
    /// client's invention, and none of it is kept.
    pub(crate) fn service(
        traffic: &Traffic,
        name: &str,
        is_known: bool,
        manager: &Manager,
    ) -> Self {
        match is_known {
            true => Self::Service(traffic.service(name, || manager.names())),
            false => Self::Endpoint(route_of_services()),
        }
    }

    /// Whether it went to a service's own route.
    pub(crate) fn is_services(&self) -> bool {
        matches!(self, Self::Service(_))
    }

    /// The route, as a template.
    pub(crate) fn template(&self) -> &'static str {
        match self {
            Self::Endpoint(endpoint) => endpoint.path,
            Self::Service(_) => SERVICE_ROUTE,
        }
    }
}

/// The endpoint that stands for the routes of all services.
fn route_of_services() -> &'static Endpoint {
    let is_it = |endpoint: &&Endpoint| endpoint.id == EndpointId::ServiceRoute;
    ENDPOINTS.iter().find(is_it).expect("the table has the routes of services")
}

// === impl Traffic ===

impl Default for Traffic {
    fn default() -> Self {
        let endpoints = each(ENDPOINTS, |_| Route::default());
        Self { endpoints, services: RwLock::default(), none: Route::default() }
    }
}

impl Traffic {
    /// Counts an answer.
    pub(crate) fn note(
        &self,
        routed: Option<&Routed>,
        method: &Method,
        status: StatusCode,
        took: Duration,
    ) {
        match routed {
            Some(Routed::Endpoint(endpoint)) => {
                let at = ENDPOINTS.iter().position(|other| other.id == endpoint.id);
                let route = at.and_then(|at| self.endpoints.get(at)).unwrap_or(&self.none);
                route.note(method, status, took);
            }
            Some(Routed::Service(route)) => route.note(method, status, took),
            None => self.none.note(method, status, took),
        }
    }

    /// Counts an answer to what never became a request.
    pub(crate) fn note_unheard(&self, status: StatusCode) {
        self.none.note_as(OTHER_METHOD, status, Duration::ZERO);
    }

    /// Returns what the routes of a service have answered; `known` lists the services there are.
    fn service(&self, name: &str, known: impl FnOnce() -> Vec<ServiceName>) -> Arc<Route> {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = services.get(name) {
            return Arc::clone(route);
        }
        drop(services);
        let known = known();
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        if services.len() >= known.len() + REGISTERED_MAX {
            services.retain(|name, _| known.binary_search_by(|it| it.as_str().cmp(name)).is_ok());
        }
        Arc::clone(services.entry(name.to_owned()).or_default())
    }

    /// Returns every route that was asked; of services only those that `is_known`, and what is kept
    /// of the others is forgotten.
    pub(crate) fn read(&self, is_known: impl Fn(&str) -> bool) -> Vec<RouteReading> {
        let endpoints = ENDPOINTS.iter().zip(&self.endpoints);
        let own = endpoints.map(|(endpoint, route)| route.read(endpoint.path, None));
        let mut all: Vec<RouteReading> = own.collect();
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        services.retain(|name, _| is_known(name));
        let mut kept: Vec<_> =
            services.iter().map(|(name, route)| (name.clone(), Arc::clone(route))).collect();
        drop(services);
        sort_by(&mut kept, |one, other| one.0.cmp(&other.0));
        let path = SERVICE_ROUTE;
        all.extend(kept.into_iter().map(|(name, route)| route.read(path, Some(name))));
        all.push(self.none.read(NONE, None));
        all.retain(|reading| reading.times.count > 0);
        all
    }
}

/// The template of all routes of services.
const SERVICE_ROUTE: &str = "/services/{name}/{*path}";

// === impl Route ===

impl Route {
    fn note(&self, method: &Method, status: StatusCode, took: Duration) {
        let known = |it: &&&str| **it == method.as_str();
        let method = METHODS.iter().find(known).copied().unwrap_or(OTHER_METHOD);
        self.note_as(method, status, took);
    }

    fn note_as(&self, method: &'static str, status: StatusCode, took: Duration) {
        self.count(method, status);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let milliseconds = nanoseconds.div_ceil(1_000_000);
        let bucket = BOUNDS.partition_point(|bound| *bound < milliseconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.nanoseconds.fetch_add(nanoseconds, Relaxed);
    }

    fn count(&self, method: &'static str, status: StatusCode) {
        if !count(&self.answers.load(), method, Some(status)) {
            self.answers.rcu(|all| with(all, method, status));
            let all = self.answers.load();
            let _ = count(&all, method, Some(status)) || count(&all, method, None);
        }
    }

    fn read(&self, route: &'static str, service: Option<String>) -> RouteReading {
        let status = |it: &Answers| it.status.map_or("other".to_owned(), |it| it.as_str().into());
        let answers = self.answers.load();
        let answers = answers.iter().map(|it| (it.method, status(it), it.count.load(Relaxed)));
        let mut counts = self.buckets.iter().map(|count| count.load(Relaxed));
        let mut count = 0;
        let cumulative = BOUNDS.iter().zip(&mut counts).map(|(bound, own)| {
            count += own;
            (*bound as f64 / 1000.0, count)
        });
        let buckets = cumulative.collect();
        let count = count + counts.sum::<u64>();
        let sum = Duration::from_nanos(self.nanoseconds.load(Relaxed)).as_secs_f64();
        let times = HistogramReading { buckets, count, sum };
        RouteReading { route, service, answers: answers.collect(), times }
    }
}

/// Counts an answer among those of its sort, if there is a place for them.
fn count(all: &[Arc<Answers>], method: &'static str, status: Option<StatusCode>) -> bool {
    let found = all.iter().find(|it| it.method == method && it.status == status);
    found.is_some_and(|it| {
        it.count.fetch_add(1, Relaxed);
        true
    })
}

/// Makes a place for answers of a sort, if there is room for it; else for those without a place.
fn with(all: &[Arc<Answers>], method: &'static str, status: StatusCode) -> Vec<Arc<Answers>> {
    let status = (all.len() < STATUSES_MAX).then_some(status);
    let mut all = all.to_vec();
    if !all.iter().any(|it| it.method == method && it.status == status) {
        all.push(Arc::new(Answers { method, status, count: AtomicU64::new(0) }));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_micros(1500);

    #[test]
    fn each_route_has_its_own_answers_and_times() {
        let traffic = Traffic::default();
        let root = Routed::Endpoint(&ENDPOINTS[0]);
        let [b, gone] = ["b", "gone"].map(|name| Routed::Service(traffic.service(name, Vec::new)));
        for routed in [Some(&root), Some(&root), Some(&b), Some(&gone), None] {
            traffic.note(routed, &Method::GET, StatusCode::OK, TOOK);
        }
        traffic.note(Some(&root), &Method::POST, StatusCode::METHOD_NOT_ALLOWED, TOOK);
        let read = traffic.read(|name| name == "b");
        let routes: Vec<_> = read.iter().map(|it| (it.route, it.service.as_deref())).collect();
        assert_eq!(routes, [("/", None), (SERVICE_ROUTE, Some("b")), (NONE, None)]);
        let answers = [("GET", "200".to_owned(), 2), ("POST", "405".to_owned(), 1)];
        assert_eq!(read[0].answers, answers);
        assert_eq!(read[0].times.buckets[..2], [(0.001, 0), (0.005, 3)]);
        assert_eq!((read[0].times.count, read[0].times.sum), (3, 0.0045));
        assert!(traffic.services.read().unwrap().get("gone").is_none());
    }

    #[test]
    fn who_has_left_is_forgotten_also_if_nobody_reads() {
        let traffic = Traffic::default();
        let stays: ServiceName = "stays".parse().unwrap();
        let route = traffic.service("stays", Vec::new);
        for number in 0..2 * REGISTERED_MAX {
            let name: ServiceName = format!("n{number}").parse().unwrap();
            // In the order of names.
            traffic.service(name.as_str(), || vec![name.clone(), stays.clone()]);
            assert!(traffic.services.read().unwrap().len() <= 2 + REGISTERED_MAX, "{number}");
        }
        assert!(Arc::ptr_eq(&route, &traffic.service("stays", Vec::new)));
    }

    #[test]
    fn what_clients_invent_makes_no_series() {
        let route = Route::default();
        for status in 200..400 {
            let status = StatusCode::from_u16(status).unwrap();
            let letter =
                char::from(b'A' + status.as_str().bytes().map(|b| b % 10).sum::<u8>() % 26);
            let method = Method::from_bytes(format!("BREW{letter}").as_bytes()).unwrap();
            route.note(&method, status, TOOK);
        }
        let read = route.read("/", None);
        assert_eq!(read.answers.len(), STATUSES_MAX + 1);
        assert!(read.answers.iter().all(|(method, _, _)| *method == OTHER_METHOD));
        assert_eq!(read.answers.iter().map(|(_, _, count)| count).sum::<u64>(), 200);
        assert_eq!(read.answers.last().unwrap().1, "other");
    }

    #[test]
    fn the_template_of_services_is_the_one_in_the_table() {
        assert!(ENDPOINTS.iter().any(|endpoint| endpoint.path == SERVICE_ROUTE));
    }
}
