//! Why a service is as it is: the chain of causes, and what can be done.

use serde::Serialize;

use crate::answered::answered;
use crate::status::{ErrorReport, ServiceState};
use crate::time::Timestamp;

/// Why a service is as it is, down to the root, and what an operator can do now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Why {
    /// The service that was asked about.
    pub service: String,
    /// The whole chain as one text for people.
    pub text: String,
    /// The chain: first the service itself, then what it waits for, then what that waits for.
    pub steps: Vec<WhyStep>,
    /// The services at the end of the chain: where to act.
    pub roots: Vec<String>,
    /// Whether the chain goes on beyond what is told here.
    pub truncated: bool,
    /// What can be done now, the most useful first.
    pub actions: Vec<Action>,
}

answered!(Why { service, text, steps, roots, truncated, actions });

/// One service of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WhyStep {
    /// The service.
    pub service: String,
    /// How far it is from the service that was asked about; 0 = that one.
    pub depth: u32,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Since when.
    pub since: Timestamp,
    /// What its state and the fields beside it mean together, as a stable word.
    #[cfg_attr(test, schemars(schema_with = "situation"))]
    pub situation: String,
    /// The same for people.
    pub text: String,
    /// When something happens by itself: the next try, or the end of a deadline.
    pub next_at: Option<Timestamp>,
    /// What is wrong with it now, or was wrong last.
    pub error: Option<ErrorReport>,
    /// What it waits for, or runs without.
    pub waits_for: Vec<WaitsFor>,
}

answered!(WhyStep { service, depth, state, since, situation, text, next_at, error, waits_for });

/// A service that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WaitsFor {
    /// The service.
    pub service: String,
    /// `provider`, or `group`: a member of the same group that must end or be mended first.
    #[cfg_attr(test, schemars(extend("enum" = ["provider", "group"])))]
    pub relation: String,
}

answered!(WaitsFor { service, relation });

/// Something that an operator can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Action {
    /// What to do, as a word: a command such as `start`, or `wait`, `mend`, `configure` and
    /// `restart-process` for what no request does.
    pub verb: String,
    /// The service that it is about.
    pub service: String,
    /// The method of the request, if one does it.
    pub method: Option<String>,
    /// The path and query of the request, if one does it.
    pub path: Option<String>,
    /// What it brings, for people.
    pub text: String,
}

answered!(Action { verb, service, method, path, text });

/// What the state of a service and the fields beside it mean together.
///
/// ```
/// use processpype_api::Situation;
///
/// assert_eq!(Situation::StoppedByOperator.as_str(), "stopped-by-operator");
/// assert_eq!(Situation::ALL.len(), 24);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Situation {
    /// The application closes, and the service with it.
    Closing,
    /// `enabled: false`.
    Disabled,
    /// A oneshot that has done its work.
    Completed,
    /// Somebody stopped it.
    StoppedByOperator,
    /// A stop of a provider took it along.
    StoppedByCascade,
    /// `autostart: false`, and nobody has started it.
    NotAutostarted,
    /// It should not run, and who said so is no longer known.
    Stopped,
    /// It waits for providers.
    WaitingOnProvider,
    /// It waits for members of its group.
    WaitingOnGroup,
    /// It may start and waits for its turn.
    Queued,
    /// It is being made and warmed up.
    Starting,
    /// It runs and is ready.
    Running,
    /// It runs, and a provider is missing.
    RunningWithout,
    /// It runs and asked for no work.
    Unready,
    /// It runs, less well than it should.
    Degraded,
    /// It runs, and was found hung.
    Hung,
    /// It runs and reports an error.
    Complaining,
    /// It is being torn down.
    Stopping,
    /// It failed and comes back by itself.
    Backoff,
    /// Its backoff is over, and it waits for its turn among many restarts.
    Held,
    /// It failed too often and stays down.
    Exhausted,
    /// It failed, and its policy is not to restart.
    GivenUp,
    /// It failed; what follows is not known.
    Failed,
    /// Its last generation could not be ended.
    Orphaned,
}

// === impl Situation ===

impl Situation {
    /// Every situation.
    pub const ALL: &'static [Self] = &[
        Self::Closing,
        Self::Disabled,
        Self::Completed,
        Self::StoppedByOperator,
        Self::StoppedByCascade,
        Self::NotAutostarted,
        Self::Stopped,
        Self::WaitingOnProvider,
        Self::WaitingOnGroup,
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::RunningWithout,
        Self::Unready,
        Self::Degraded,
        Self::Hung,
        Self::Complaining,
        Self::Stopping,
        Self::Backoff,
        Self::Held,
        Self::Exhausted,
        Self::GivenUp,
        Self::Failed,
        Self::Orphaned,
    ];

    /// Returns the word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closing => "closing",
            Self::Disabled => "disabled",
            Self::Completed => "completed",
            Self::StoppedByOperator => "stopped-by-operator",
            Self::StoppedByCascade => "stopped-by-cascade",
            Self::NotAutostarted => "not-autostarted",
            Self::Stopped => "stopped",
            Self::WaitingOnProvider => "waiting-on-provider",
            Self::WaitingOnGroup => "waiting-on-group",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::RunningWithout => "running-without",
            Self::Unready => "unready",
            Self::Degraded => "degraded",
            Self::Hung => "hung",
            Self::Complaining => "complaining",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Held => "held",
            Self::Exhausted => "exhausted",
            Self::GivenUp => "given-up",
            Self::Failed => "failed",
            Self::Orphaned => "orphaned",
        }
    }
}

#[cfg(test)]
fn situation(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let words: Vec<&str> = Situation::ALL.iter().map(|situation| situation.as_str()).collect();
    schemars::json_schema!({ "type": "string", "enum": words })
}
