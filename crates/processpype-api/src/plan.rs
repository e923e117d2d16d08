//! Plan and graph: in what order services start and stop, how long that takes at worst, and who
//! needs whom.

use serde::Serialize;

use processpype_core::EdgePolicy;

use crate::answered::answered;
use crate::status::{Desired, ServiceState};

/// The order of start and stop, with worst-case times.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Plan {
    /// The services in start order; those of one wave need nothing of each other.
    pub start: Vec<Vec<String>>,
    /// The same in stop order.
    pub stop: Vec<Vec<String>>,
    /// How long starting can take, restarts not counted.
    pub start_timing: Timing,
    /// How long stopping can take, if each service takes all of its time. Closing ends by
    /// `closing_timeout_ms` all the same: the stops share what is left of that, and who is late is
    /// ended by force.
    pub stop_timing: Timing,
    /// How long closing the application may take, in milliseconds.
    pub closing_timeout_ms: u64,
    /// After how long the process has ended at the latest, in milliseconds.
    pub exit_worst_case_ms: u64,
    /// What is known of the patience of the platform.
    pub platform: PlanPlatform,
    /// Who needs whom.
    pub edges: Vec<Edge>,
    /// Who is restarted with whom.
    pub groups: Vec<Group>,
    /// The rules that each service lives by.
    pub services: Vec<PlannedService>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<PlanWarning>,
}

answered!(Plan {
    start,
    stop,
    start_timing,
    stop_timing,
    closing_timeout_ms,
    exit_worst_case_ms,
    platform,
    edges,
    groups,
    services,
    warnings,
});

/// A worst-case time and what makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timing {
    /// The longest that it can take, in milliseconds.
    pub worst_case_ms: u64,
    /// The longest chain, in the order of execution.
    pub critical_path: Vec<String>,
}

answered!(Timing { worst_case_ms, critical_path });

/// How long the platform waits before it kills the process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanPlatform {
    /// Who runs the process, if it shows: such as `systemd` or `kubernetes`.
    pub manager: Option<String>,
    /// How long it waits for the end, in milliseconds.
    pub stop_timeout_ms: Option<u64>,
    /// How long it waits for the start, in milliseconds.
    pub start_timeout_ms: Option<u64>,
}

answered!(PlanPlatform { manager, stop_timeout_ms, start_timeout_ms });

/// One service needs another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Edge {
    /// Who needs.
    pub dependent: String,
    /// Who is needed.
    pub provider: String,
    /// What the edge asks for: `hold`, `restart` or `optional`.
    pub policy: String,
    /// Who declared it: an argument of a constructor, code, or a place in the configuration.
    pub origin: String,
}

answered!(Edge { dependent, provider, policy, origin });

/// Services that are restarted together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Who is restarted with whom: `one-for-one`, `one-for-all` or `rest-for-one`.
    pub strategy: String,
    /// The members, in order.
    pub members: Vec<String>,
    /// How many restarts of all members together are allowed; null = without a limit.
    pub max_restarts: Option<u32>,
    /// Within what time, in milliseconds.
    pub within_ms: u64,
    /// Who declared it.
    pub origin: String,
}

answered!(Group { name, strategy, members, max_restarts, within_ms, origin });

/// The rules that one service lives by.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlannedService {
    /// Its name.
    pub name: String,
    /// The kind it is an instance of.
    pub kind: String,
    /// Whether it may run at all.
    pub enabled: bool,
    /// Whether it starts with the application.
    pub autostart: bool,
    /// Whether its success completes it.
    pub oneshot: bool,
    /// Whether the application closes when it is given up.
    pub significant: bool,
    /// What follows its failure.
    pub restart: RestartRules,
    /// How long constructor and `start` may take, in milliseconds.
    pub start_timeout_ms: u64,
    /// How long the whole stop may take, in milliseconds.
    pub stop_timeout_ms: u64,
}

answered!(PlannedService {
    name,
    kind,
    enabled,
    autostart,
    oneshot,
    significant,
    restart,
    start_timeout_ms,
    stop_timeout_ms,
});

/// What follows the failure of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RestartRules {
    /// After which ends it is started again: `always`, `on-failure` or `never`.
    pub policy: String,
    /// How long it waits before.
    pub backoff: BackoffRules,
    /// How many restarts are allowed; null = without a limit.
    pub max_restarts: Option<u32>,
    /// Within what time, in milliseconds.
    pub within_ms: u64,
    /// After how long a healthy run the failures before are forgotten, in milliseconds.
    pub reset_after_ms: u64,
}

answered!(RestartRules { policy, backoff, max_restarts, within_ms, reset_after_ms });

/// How long a service waits before it is started again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct BackoffRules {
    /// Before the first restart, in milliseconds.
    pub initial_ms: u64,
    /// At most, in milliseconds.
    pub max_ms: u64,
    /// By how much it grows with each.
    pub factor: f64,
    /// Which part of it chance may take away.
    pub jitter: f64,
}

answered!(BackoffRules { initial_ms, max_ms, factor, jitter });

/// Something that is allowed but hardly meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlanWarning {
    /// What sort it is; never changes its meaning.
    pub code: String,
    /// What is the matter.
    pub message: String,
    /// The key of the configuration that it is about; empty if it is about none.
    pub key: String,
    /// Where that is written, if it is.
    pub origin: Option<String>,
    /// What to do.
    pub help: String,
}

answered!(PlanWarning { code, message, key, origin, help });

/// Who needs whom, and how each service is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Graph {
    /// The services.
    pub nodes: Vec<Node>,
    /// Who needs whom.
    pub edges: Vec<Edge>,
    /// Who is restarted with whom.
    pub groups: Vec<Group>,
}

answered!(Graph { nodes, edges, groups });

/// One service of a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The kind it is an instance of.
    pub kind: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Whether it runs and says that it can do its work.
    pub ready: bool,
    /// What it should be doing.
    pub desired: Desired,
    /// Whether it may run at all.
    pub enabled: bool,
    /// What it waits for, or runs without.
    pub waiting_on: Vec<String>,
}

answered!(Node { name, kind, state, ready, desired, enabled, waiting_on });

// === impl Edge ===

impl Edge {
    /// Returns the policy, unless it is the usual one, which needs no word.
    ///
    /// ```
    /// use processpype_api::Edge;
    ///
    /// let edge = |policy: &str| Edge {
    ///     dependent: "api".to_owned(),
    ///     provider: "db".to_owned(),
    ///     policy: policy.to_owned(),
    ///     origin: "code".to_owned(),
    /// };
    /// assert_eq!(edge("hold").unusual_policy(), None);
    /// assert_eq!(edge("restart").unusual_policy(), Some("restart"));
    /// assert!(edge("hold").gates() && !edge("optional").gates());
    /// ```
    #[must_use]
    pub fn unusual_policy(&self) -> Option<&str> {
        Some(&*self.policy).filter(|policy| *policy != EdgePolicy::default().as_str())
    }

    /// Returns whether the dependent waits for the provider before it starts.
    #[must_use]
    pub fn gates(&self) -> bool {
        self.policy != EdgePolicy::Optional.as_str()
    }
}
