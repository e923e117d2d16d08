//! The sections of the file that the framework owns.
//!
//! The doc comments are the reference: they become the text in the JSON Schema, in `schema` and in
//! the configuration reference.

pub(crate) mod entries;
pub(crate) mod times;

use std::collections::BTreeMap;
use std::time::Duration;

use processpype_config::HumanDuration;
use processpype_core::SortedMap;
use processpype_telemetry::{Level, LoggingConfig};
use serde::Deserialize;

use crate::access::{AuthSection, ListenerSection};
use crate::export::TracingSection;
use crate::framework_keys::{EdgeWord, RestartSection};
use crate::hang::FurtherKeys;
use crate::kept::{Kept, Parts};
use crate::limits::RestartRateSection;
use crate::recorder::EventsSection;
use crate::server_limits::ServerLimitsSection;
use crate::tls::TlsSection;

/// The sections of the file, in the order in which they are shown.
pub(crate) const SECTIONS: [&str; 7] =
    ["app", "server", "observability", "secrets", "defaults", "groups", "services"];

/// The framework's keys in the section of a service. A service's own configuration cannot have
/// them.
pub(crate) const FRAMEWORK_KEYS: [&str; 13] = [
    "kind",
    "enabled",
    "autostart",
    "depends_on",
    "uses",
    "edges",
    "restart",
    "oneshot",
    "significant",
    "start_timeout",
    "stop_timeout",
    "log_level",
    "processpype",
];

/// The longest that closing may take, in seconds: a day.
pub(crate) const CLOSING_MAX: u32 = 86_400;

/// What an editor can check of `server.api_prefix`.
pub(crate) const PREFIX_PATTERN: &str = "^(/[A-Za-z0-9._~-]+)*$";

/// What the application is.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct AppSection {
    /// The application's title, as the API and the docs page show it.
    pub(crate) title: String,
    /// The application's version.
    pub(crate) version: String,
    /// Where it runs, such as `production`; shown by the API.
    pub(crate) environment: String,
    /// Whether to log at level `debug` unless `observability.logging.level` says otherwise.
    pub(crate) debug: bool,
    /// The time zone of times meant for people, as an IANA name such as `Europe/Rome`.
    pub(crate) timezone: String,
    /// How many services may be starting at once; the others wait for their turn. Default: 1024.
    #[cfg_attr(test, schemars(range(min = 1, max = 100_000)))]
    pub(crate) max_concurrent_starts: Option<u32>,
    /// How many failed services are started again in what time. A restart comes at the later of
    /// its service's backoff and its turn here; what an operator starts takes no turn.
    pub(crate) restart_rate: RestartRateSection,
}

/// The control plane over HTTP.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct ServerSection {
    /// Where to listen. An address that other machines can reach needs `server.auth.tokens`. With
    /// `port`, the short form of one listener that shows everything.
    pub(crate) host: String,
    /// The port; 0 takes any free one.
    pub(crate) port: u16,
    /// Where to listen, if `host` and `port` do not say enough. Each has an `address`
    /// (`127.0.0.1:8080`, `[::1]:8080`, or `unix:/run/shop.sock`); `expose`, a list of what it
    /// shows (`control`, `services`, `probes`, `metrics`; default: everything); `auth`, whom it
    /// asks for a token: `required` (everybody), `loopback-open` (nobody who only looks, starts,
    /// stops or restarts; the default on loopback) or `none`; and `tls`, as `server.tls`. `control`
    /// needs `required` and a token or certificates of clients where other machines can reach it.
    #[cfg_attr(
        test,
        schemars(extend("x-expected" = "a list of maps with `address`, `expose`, `auth` and `tls`"))
    )]
    pub(crate) listeners: Vec<ListenerSection>,
    /// TLS at `host` and `port`; a listener in `listeners` has its own. Needs the feature `tls`.
    pub(crate) tls: Option<TlsSection>,
    /// Who may prove to be whom.
    pub(crate) auth: AuthSection,
    /// Moves every path but those of probes and metrics, such as `/api`. Empty: nothing is moved.
    #[cfg_attr(test, schemars(regex(pattern = PREFIX_PATTERN)))]
    #[cfg_attr(test, schemars(extend("x-expected" = "a path such as `/api/v1`, or nothing")))]
    pub(crate) api_prefix: String,
    /// How long closing the application may take in all, in seconds.
    #[cfg_attr(test, schemars(range(min = 0.5, max = f64::from(CLOSING_MAX))))]
    pub(crate) closing_timeout_seconds: f64,
    /// How long readiness fails before services are asked to stop, so that load balancers can look
    /// away.
    pub(crate) drain_delay: HumanDuration,
    /// How long the platform waits after it asked the process to end, before it kills it:
    /// `TimeoutStopSec` of systemd, `terminationGracePeriodSeconds` of Kubernetes, `--stop-timeout`
    /// of Docker. Nothing is done with it but to warn when closing does not fit. Default: 30s in
    /// Kubernetes, 90s under systemd, which are theirs; otherwise unknown.
    pub(crate) platform_stop_timeout: Option<HumanDuration>,
    /// How long the platform waits for the start to be over: `TimeoutStartSec` of systemd,
    /// `failureThreshold × periodSeconds` of a startup probe. Nothing is done with it but to warn
    /// when the plan does not fit. Default: unknown.
    pub(crate) platform_start_timeout: Option<HumanDuration>,
    /// Host names that clients may use, beside IP addresses and `localhost`.
    pub(crate) allowed_hosts: Vec<String>,
    /// What clients may take.
    pub(crate) limits: ServerLimitsSection,
    /// The kinds of which an admin may make services while the application runs, with
    /// `POST /services`. Default: those that code calls creatable.
    pub(crate) creatable_kinds: Option<Vec<String>>,
    /// Whether an admin may end the application with `POST /shutdown`.
    pub(crate) shutdown_endpoint: bool,
}

/// What can be seen from outside.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct ObservabilitySection {
    /// The log.
    pub(crate) logging: LoggingConfig,
    /// The file of events.
    pub(crate) events: EventsSection,
    /// Traces and log lines, sent to a collector. Needs the feature `otlp`.
    pub(crate) tracing: TracingSection,
}

/// Framework keys that every service inherits unless its own section says otherwise.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct DefaultsSection {
    /// Whether services start with the application. Default: true.
    pub(crate) autostart: Option<bool>,
    /// What follows a failure; a service's own keys lie over these, one by one.
    pub(crate) restart: RestartSection,
    /// Whether the application closes when a service is given up. Default: false.
    pub(crate) significant: Option<bool>,
    /// How long constructor and `start` may take together. Default: 30s.
    pub(crate) start_timeout: Option<HumanDuration>,
    /// How long the whole stop may take. Default: 10s.
    pub(crate) stop_timeout: Option<HumanDuration>,
    /// The least severe level that is logged of a service.
    pub(crate) log_level: Option<Level>,
    /// Further keys; a service's own lie over these, one by one.
    pub(crate) processpype: FurtherKeys,
}

/// The framework's keys in the section of a service.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct ServiceKeys {
    /// The kind that this service is an instance of; not for services that are registered in code.
    pub(crate) kind: Option<String>,
    /// Whether the service may run at all. Default: true.
    pub(crate) enabled: Option<bool>,
    /// Whether it starts with the application. Default: true.
    pub(crate) autostart: Option<bool>,
    /// Services that must be ready before this one starts, beside those that its type declares.
    pub(crate) depends_on: Vec<String>,
    /// The instance to use for each role that the service's type declares.
    pub(crate) uses: BTreeMap<String, String>,
    /// What the edge to each provider asks for, where it is not `hold`.
    #[serde(deserialize_with = "entries::read")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, EdgeWord>"))]
    pub(crate) edges: SortedMap<String, EdgeWord>,
    /// What follows its failure.
    pub(crate) restart: RestartSection,
    /// Whether success ends it: completed, and from then on ready for its dependents. Default:
    /// false.
    pub(crate) oneshot: Option<bool>,
    /// Whether the application closes when it is given up: failed and not restarted. Default:
    /// false.
    pub(crate) significant: Option<bool>,
    /// How long constructor and `start` may take together. Default: 30s.
    pub(crate) start_timeout: Option<HumanDuration>,
    /// How long the whole stop may take: requests in flight, `run`, `stop`. Default: 10s.
    pub(crate) stop_timeout: Option<HumanDuration>,
    /// The least severe level that is logged of this service.
    pub(crate) log_level: Option<Level>,
    /// Further keys of the framework.
    pub(crate) processpype: FurtherKeys,
}

/// Every section of the framework, read and checked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) app: AppSection,
    pub(crate) server: ServerSection,
    pub(crate) observability: ObservabilitySection,
    pub(crate) defaults: DefaultsSection,
}

// === impl AppSection ===

impl Default for AppSection {
    fn default() -> Self {
        Self {
            title: "Processpype".to_owned(),
            version: "0.1.0".to_owned(),
            environment: "development".to_owned(),
            debug: false,
            timezone: "UTC".to_owned(),
            max_concurrent_starts: None,
            restart_rate: RestartRateSection::default(),
        }
    }
}

impl Kept for AppSection {
    const NAME: &str = "AppSection";
    const FILE: &str = include_str!("kept/app.json");
}

// === impl ServerSection ===

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
            listeners: Vec::new(),
            tls: None,
            auth: AuthSection::default(),
            api_prefix: String::new(),
            closing_timeout_seconds: 25.0,
            drain_delay: HumanDuration::from(Duration::ZERO),
            platform_stop_timeout: None,
            platform_start_timeout: None,
            allowed_hosts: Vec::new(),
            limits: ServerLimitsSection::default(),
            creatable_kinds: None,
            shutdown_endpoint: false,
        }
    }
}

impl ServerSection {
    pub(crate) fn closing_timeout(&self) -> Duration {
        Duration::from_secs_f64(self.closing_timeout_seconds)
    }
}

impl Kept for ServerSection {
    const NAME: &str = "ServerSection";
    const FILE: &str = include_str!("kept/server.json");
    const PARTS: Parts = Parts {
        keys: &[
            ("listeners", "ListenerSection"),
            ("tls", "TlsSection"),
            ("auth", "AuthSection"),
            ("limits", "ServerLimitsSection"),
        ],
        file: include_str!("kept/server-parts.json"),
    };
}

// === impl ObservabilitySection ===

impl Kept for ObservabilitySection {
    const NAME: &str = "ObservabilitySection";
    const FILE: &str = include_str!("kept/observability.json");
    const PARTS: Parts = Parts {
        keys: &[("events", "EventsSection"), ("tracing", "TracingSection")],
        file: include_str!("kept/observability-parts.json"),
    };
}

// === impl DefaultsSection ===

impl Kept for DefaultsSection {
    const NAME: &str = "DefaultsSection";
    const FILE: &str = include_str!("kept/defaults.json");
}

// === impl ServiceKeys ===

impl Kept for ServiceKeys {
    const NAME: &str = "ServiceKeys";
    const FILE: &str = include_str!("kept/service.json");
    const PARTS: Parts = Parts {
        keys: &[("restart", "RestartSection"), ("processpype", "FurtherKeys")],
        file: include_str!("kept/service-parts.json"),
    };
}
