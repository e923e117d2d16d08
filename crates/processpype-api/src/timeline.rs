//! How the application's last start really was, and what the application is.

use serde::Serialize;

use crate::answered::answered;
use crate::time::Timestamp;

/// How the start of the application really was, from the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timeline {
    /// Whether the journal still has every event of the start.
    pub complete: bool,
    /// What is missing, if something is.
    pub note: Option<String>,
    /// When the application began to start.
    pub started_at: Option<Timestamp>,
    /// When every service had started, failed, or waited.
    pub settled_at: Option<Timestamp>,
    /// How long that took, in milliseconds.
    pub took_ms: Option<u64>,
    /// The services, in the order in which they began to start.
    pub services: Vec<TimelineService>,
    /// The chain that was ready last, in the order of its starts.
    pub critical_path: Vec<String>,
}

answered!(Timeline { complete, note, started_at, settled_at, took_ms, services, critical_path });

/// The first start of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TimelineService {
    /// The service.
    pub service: String,
    /// How far it came: `ready`, `unready`, `starting`, `failed` or `not-started`.
    #[cfg_attr(
        test,
        schemars(extend("enum" = ["ready", "unready", "starting", "failed", "not-started"]))
    )]
    pub outcome: String,
    /// Until when it waited for its providers and its turn.
    pub waited_until: Option<Timestamp>,
    /// When its constructor and `start` were through.
    pub started: Option<Timestamp>,
    /// When it was ready, or had completed.
    pub ready: Option<Timestamp>,
    /// How long it waited from the beginning, in milliseconds.
    pub waited_ms: Option<u64>,
    /// How long it took from then until it was ready, in milliseconds.
    pub took_ms: Option<u64>,
    /// How many generations it took until then.
    pub attempts: u32,
}

answered!(TimelineService {
    service,
    outcome,
    waited_until,
    started,
    ready,
    waited_ms,
    took_ms,
    attempts,
});

/// What the application is, and for how long it has been running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Info {
    /// The title from the configuration.
    pub title: String,
    /// The application's version.
    pub version: String,
    /// The framework's version.
    pub framework: String,
    /// How it was built: `release` or `debug`.
    #[cfg_attr(test, schemars(extend("enum" = ["release", "debug"])))]
    pub profile: String,
    /// Optional parts of the framework that are built in.
    pub features: Vec<String>,
    /// What a panic does: `unwind` ends one generation, `abort` the whole process.
    #[cfg_attr(test, schemars(extend("enum" = ["unwind", "abort"])))]
    pub panic: String,
    /// The operating system and the processor that it was built for, such as `linux x86_64`.
    pub platform: String,
    /// The number of the process.
    pub pid: u32,
    /// Since when it has been running.
    pub started_at: Timestamp,
    /// For how long, in whole seconds.
    pub uptime_seconds: u64,
    /// How many services there are.
    pub services: u64,
    /// The kinds of which services can be registered over the API.
    #[serde(default)]
    #[cfg_attr(test, schemars(extend("examples" = [["ticker"]])))]
    pub creatable_kinds: Vec<String>,
}

answered!(Info {
    title,
    version,
    framework,
    profile,
    features,
    panic,
    platform,
    pid,
    started_at,
    uptime_seconds,
    services,
    creatable_kinds: Vec::new(),
});
