//! Every endpoint of the control API, as a table.
//!
//! The control plane registers exactly these routes, and the OpenAPI document lists exactly these.
//!
//! # Invariants
//!
//! 1. A pair of path and method stands in the table once.
//! 2. Who says nothing about [`Access`] is closed: reading asks for a viewer, anything else for an
//!    operator.
//! 3. An [`EndpointId`] without an entry, or without a handler, does not compile or fails a test.

mod answer;
mod command;
mod configuration;
mod level;
mod lists;
mod log;
mod membership;
mod metrics;
mod operation;
mod parameter;
mod probe;

use processpype_core::Role;

use crate::event::{EVENTS_PER_PAGE, MAX_EVENTS_PER_PAGE};
use crate::problem::Code;

pub use self::answer::Answer;
use self::parameter::{AFTER, EVENT_FILTERS, FORMAT, LAST_EVENT_ID, NAME, ONE_SERVICE};
pub use self::parameter::{EVENT_KINDS, GRAPH_FORMATS, Parameter, Place, Shape};

/// Names one endpoint.
///
/// Exhaustive on purpose: a new endpoint does not compile until the control plane handles it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndpointId {
    /// The application.
    Application,
    /// Every service.
    Services,
    /// One service.
    Service,
    /// Register a service.
    Register,
    /// Take a service out.
    Deregister,
    /// Start a service.
    Start,
    /// Stop a service.
    Stop,
    /// Restart a service.
    Restart,
    /// Why a service is as it is.
    Why,
    /// The configuration of a service.
    Config,
    /// Replace what came over the API for a service.
    PutConfig,
    /// Remove what came over the API for a service.
    RemoveConfig,
    /// Change what came over the API for a service.
    Configure,
    /// Change what came over the API for a service, and start it.
    ConfigureAndStart,
    /// Load the files again.
    Reload,
    /// The log of a service.
    ServiceLogs,
    /// The log of a service as a stream.
    ServiceLogStream,
    /// The level of a service's log.
    ServiceLevel,
    /// Change the level of a service's log.
    ChangeServiceLevel,
    /// Let the configured level of a service hold again.
    ResetServiceLevel,
    /// A service's own routes.
    ServiceRoute,
    /// Close the application.
    Shutdown,
    /// Pause automatic restarts.
    PauseRestarts,
    /// Let automatic restarts go on.
    ResumeRestarts,
    /// A page of operations.
    Operations,
    /// One operation.
    Operation,
    /// Cancel an operation.
    CancelOperation,
    /// Who needs whom.
    Graph,
    /// Who is restarted with whom, now.
    Groups,
    /// The order of start and stop.
    Plan,
    /// How the start really was.
    Timeline,
    /// What services find wrong with themselves.
    Diagnosis,
    /// What the application is.
    Info,
    /// A page of the journal.
    Events,
    /// The journal as a stream.
    EventStream,
    /// Numbers about it all, for Prometheus.
    Metrics,
    /// The log of the application.
    Logs,
    /// The log of the application as a stream.
    LogStream,
    /// Every level of the log.
    Levels,
    /// Change the level of the application's log.
    ChangeLevel,
    /// Let the configured level of the application hold again.
    ResetLevel,
    /// Liveness.
    Live,
    /// Readiness.
    Ready,
    /// Startup.
    Startup,
    /// This document.
    OpenApi,
    /// The documentation page.
    Docs,
    /// The documentation page's style.
    DocsStyle,
}

/// The methods that endpoints are called with; `HEAD` is answered wherever `GET` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Commands.
    Post,
    /// Sets, as a whole.
    Put,
    /// Takes back.
    Delete,
    /// Whatever the service answers.
    Any,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody, on every listener that has it; who has no role sees no detail.
    Probe,
    /// Everybody on loopback, unless the listener asks for a token; otherwise this role.
    Loopback(Role),
    /// This role, everywhere.
    Role(Role),
    /// Whoever the service says; see `Routes` of the runtime.
    Service,
    /// A viewer, on every listener that has it; everybody where the listener asks nobody.
    Metrics,
}

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// Its name.
    pub id: EndpointId,
    /// Its method.
    pub method: Method,
    /// Its path, with `{name}` for parameters and `{*path}` for the rest.
    pub path: &'static str,
    /// Whether `server.api_prefix` moves it.
    pub is_prefixed: bool,
    /// The group it is shown in.
    pub tag: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The rest.
    pub description: &'static str,
    /// Parameters in path, query and header.
    pub parameters: &'static [Parameter],
    /// Who may call it.
    pub access: Access,
    /// The body it takes.
    pub body: Option<Body>,
    /// How it answers when all is well.
    pub answers: &'static [Answer],
    /// What can go wrong, beside what can go wrong everywhere.
    pub problems: &'static [Code],
}

/// A JSON body that an endpoint takes.
#[derive(Clone, Copy, Debug)]
pub struct Body {
    /// The name of its schema among the document's components. Without one it is a service's
    /// section, as it would stand in a file.
    pub schema: Option<&'static str>,
    /// Whether it may not be left out.
    pub is_required: bool,
}

const JSON: &str = "application/json";

const COMMANDED: Answer = Answer {
    status: 200,
    description: "The effect is visible, or was already (`changed: false`). With `dry_run=true`: \
        what would happen, and nothing has.",
    media: JSON,
    schema: Some("CommandAnswer"),
};

const ACCEPTED: Answer = Answer {
    status: 202,
    description: "The wait has passed and the command goes on; see `Location`.",
    media: JSON,
    schema: Some("Accepted"),
};

const COMMAND_BODY: Body = Body { schema: Some("CommandBody"), is_required: false };

const fn ok(description: &'static str, schema: &'static str) -> Answer {
    Answer { status: 200, description, media: JSON, schema: Some(schema) }
}

const fn file(description: &'static str, media: &'static str) -> Answer {
    Answer { status: 200, description, media, schema: None }
}

const READ: Endpoint = Endpoint {
    id: EndpointId::Application,
    method: Method::Get,
    path: "/",
    is_prefixed: true,
    tag: "application",
    summary: "",
    description: "",
    parameters: &[],
    access: Access::Role(Role::Viewer),
    body: None,
    answers: &[],
    problems: &[Code::InvalidQuery],
};

/// On loopback without a token: what runs, and start, stop and restart.
const STATUS: Endpoint = Endpoint { access: Access::Loopback(Role::Viewer), ..READ };

/// Every endpoint, in the order of the documentation.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        id: EndpointId::Application,
        path: "/",
        summary: "The application and all its services",
        answers: &[ok("The status now.", "ApplicationStatus")],
        ..STATUS
    },
    Endpoint {
        id: EndpointId::Services,
        path: "/services",
        tag: "services",
        summary: "Every service, in the order of names",
        answers: &[ok("The services now.", "ServiceList")],
        ..STATUS
    },
    membership::REGISTER,
    Endpoint {
        id: EndpointId::Service,
        path: "/services/{name}",
        tag: "services",
        summary: "One service, with its last generations",
        parameters: &[NAME],
        answers: &[ok("The service now.", "ServiceDetail")],
        problems: &[Code::UnknownService, Code::InvalidQuery],
        ..STATUS
    },
    membership::DEREGISTER,
    command::START,
    command::STOP,
    command::RESTART,
    configuration::CONFIG,
    configuration::PUT,
    configuration::REMOVE,
    configuration::CONFIGURE,
    configuration::CONFIGURE_AND_START,
    configuration::RELOAD,
    Endpoint {
        id: EndpointId::Why,
        path: "/services/{name}/-/why",
        tag: "services",
        summary: "Why a service is as it is, and what can be done",
        description: "The chain of causes, through providers and members of groups, down to its \
            roots, and the commands that help now.",
        parameters: &[NAME],
        answers: &[ok("The chain now.", "Why")],
        problems: &[Code::UnknownService, Code::InvalidQuery],
        ..READ
    },
    log::SERVICE_LOGS,
    log::SERVICE_LOG_STREAM,
    level::SERVICE_LEVEL,
    level::CHANGE_SERVICE_LEVEL,
    level::RESET_SERVICE_LEVEL,
    Endpoint {
        id: EndpointId::ServiceRoute,
        method: Method::Any,
        path: "/services/{name}/{*path}",
        tag: "services",
        summary: "A service's own routes",
        description: "They answer while the service runs. The framework keeps for itself `POST` on \
            `start`, `stop`, `restart`, `configure` and `configure_and_start`, and all below `-`.",
        parameters: &[
            NAME,
            Parameter {
                name: "path",
                place: Place::Path,
                description: "The path inside the service; it may contain slashes.",
                shape: Shape::Text,
            },
        ],
        answers: &[Answer {
            status: 200,
            description: "Whatever the service answers.",
            media: "",
            schema: None,
        }],
        problems: &[
            Code::UnknownService,
            Code::UnknownPath,
            Code::BodyTooLarge,
            Code::HandlerPanicked,
            Code::ServiceUnavailable,
        ],
        access: Access::Service,
        ..READ
    },
    Endpoint {
        id: EndpointId::Graph,
        path: "/graph",
        summary: "Who needs whom, and how each service is",
        parameters: &[FORMAT],
        answers: &[
            ok("The graph now.", "Graph"),
            file("The graph now.", "text/vnd.graphviz"),
            file("The graph now.", "text/plain"),
        ],
        ..READ
    },
    Endpoint {
        id: EndpointId::Groups,
        path: "/groups",
        summary: "Who is restarted with whom, and how each member is",
        description: "With the limit of each group, and who is held by which other member. A \
            group takes no commands: what is done to a member leaves the others alone.",
        answers: &[ok("The groups now.", "GroupList")],
        ..READ
    },
    Endpoint {
        id: EndpointId::Plan,
        path: "/plan",
        summary: "The order of start and stop, with worst-case times",
        description: "As the command line's `plan --json`, before anything runs.",
        answers: &[ok("The plan.", "Plan")],
        ..READ
    },
    Endpoint {
        id: EndpointId::Timeline,
        path: "/timeline",
        summary: "How the start of the application really was",
        description: "From the journal: until when each service waited, and what made the start \
            as long as it was. What the journal no longer has is said.",
        answers: &[ok("The start.", "Timeline")],
        ..READ
    },
    Endpoint {
        id: EndpointId::Diagnosis,
        path: "/diagnosis",
        summary: "What services find wrong with themselves",
        description: "Asks the services that run, all at the same time, and answers within 6 s. \
            Each finding has a remedy. A service that does not say it within 5 s is told as \
            `no-answer`. What is wrong with the application as a whole is `doctor`'s to find.",
        parameters: &[ONE_SERVICE],
        answers: &[ok("The findings.", "Diagnosis")],
        problems: &[Code::UnknownService, Code::InvalidQuery, Code::Closing, Code::Busy],
        ..READ
    },
    Endpoint {
        id: EndpointId::Info,
        path: "/info",
        summary: "What the application is: versions, build, process",
        answers: &[ok("What it is.", "Info")],
        ..READ
    },
    membership::SHUTDOWN,
    operation::PAUSE,
    operation::RESUME,
    operation::OPERATIONS,
    operation::LOOK,
    operation::CANCEL,
    Endpoint {
        id: EndpointId::Events,
        path: "/events",
        tag: "events",
        summary: "What happened, from the journal",
        parameters: &[
            AFTER,
            Parameter {
                name: "limit",
                place: Place::Query,
                description: "How many events to answer with, at most.",
                shape: Shape::Count(MAX_EVENTS_PER_PAGE as u64, EVENTS_PER_PAGE as u64),
            },
            EVENT_FILTERS[0],
            EVENT_FILTERS[1],
            EVENT_FILTERS[2],
        ],
        answers: &[ok("A page of events.", "EventPage")],
        ..READ
    },
    Endpoint {
        id: EndpointId::EventStream,
        path: "/events/stream",
        tag: "events",
        summary: "What happens, as server-sent events",
        description: "Each message is an event as JSON, its id the sequence number; without \
            `after` the first is the next one to come. A message of type `lagged` tells how many \
            events were lost; one of type `closing` is the last.",
        parameters: &[
            Parameter { shape: Shape::Sequence, ..AFTER },
            EVENT_FILTERS[0],
            EVENT_FILTERS[1],
            EVENT_FILTERS[2],
            LAST_EVENT_ID,
        ],
        answers: &[file("The stream; comments keep it alive.", "text/event-stream")],
        problems: &[Code::InvalidQuery, Code::Busy],
        ..READ
    },
    metrics::METRICS,
    log::LOGS,
    log::LOG_STREAM,
    level::LEVELS,
    level::CHANGE_LEVEL,
    level::RESET_LEVEL,
    probe::LIVE,
    probe::READY,
    probe::STARTUP,
    Endpoint {
        id: EndpointId::OpenApi,
        path: "/openapi.json",
        tag: "documentation",
        summary: "This document",
        answers: &[file("An OpenAPI 3.1 document.", JSON)],
        ..STATUS
    },
    Endpoint {
        id: EndpointId::Docs,
        path: "/docs",
        tag: "documentation",
        summary: "This document, for people",
        answers: &[file("A page that needs no internet.", "text/html")],
        ..STATUS
    },
    Endpoint {
        id: EndpointId::DocsStyle,
        path: "/docs/style.css",
        tag: "documentation",
        summary: "The page's style",
        answers: &[file("A style sheet.", "text/css")],
        ..STATUS
    },
];

// === impl Endpoint ===

impl Endpoint {
    /// Problems that any endpoint can answer with.
    pub const COMMON_PROBLEMS: &'static [Code] = &[
        Code::MalformedRequest,
        Code::Unauthenticated,
        Code::CrossOrigin,
        Code::Forbidden,
        Code::MethodNotAllowed,
        Code::UriTooLong,
        Code::HeadTooLarge,
        Code::UnknownHost,
        Code::TooManyRequests,
        Code::Internal,
    ];

    /// Returns the path with the prefix, if the prefix moves it.
    #[must_use]
    pub fn full_path(&self, prefix: &str) -> String {
        match (self.is_prefixed, prefix) {
            (false, _) | (true, "") => self.path.to_owned(),
            (true, prefix) if self.path == "/" => prefix.to_owned(),
            (true, prefix) => format!("{prefix}{}", self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_endpoint_stands_once() {
        let ids: BTreeSet<_> = ENDPOINTS.iter().map(|endpoint| endpoint.id).collect();
        assert_eq!(ids.len(), ENDPOINTS.len());
        let place = |endpoint: &Endpoint| (endpoint.path, format!("{:?}", endpoint.method));
        let places: BTreeSet<_> = ENDPOINTS.iter().map(place).collect();
        assert_eq!(places.len(), ENDPOINTS.len());
    }

    #[test]
    fn who_only_looks_changes_nothing() {
        for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.method != Method::Get) {
            let viewer = [Access::Role(Role::Viewer), Access::Loopback(Role::Viewer)];
            assert!(!viewer.contains(&endpoint.access), "{:?}", endpoint.id);
        }
    }

    #[test]
    fn the_prefix_moves_all_but_probes_and_metrics() {
        let paths = |prefix| ENDPOINTS.iter().map(move |endpoint| endpoint.full_path(prefix));
        let stays = |path: &str| path.starts_with("/health/") || path == "/metrics";
        assert!(paths("/api/v1").all(|path| path.starts_with("/api/v1") != stays(&path)));
        assert!(paths("/api").any(|path| path == "/api"));
        assert!(paths("").any(|path| path == "/"));
    }

    #[test]
    fn path_parameters_are_declared() {
        for endpoint in ENDPOINTS {
            let braces = endpoint.path.matches('{').count();
            let declared = endpoint.parameters.iter().filter(|p| p.place == Place::Path).count();
            assert_eq!(braces, declared, "{}", endpoint.path);
        }
    }
}
