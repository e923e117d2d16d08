//! Operations on the wire: what was asked, how it ended, and what would happen.
//!
//! # Invariants
//!
//! 1. The same members are there for every verb; those that say nothing are `null` or empty.

use serde::Serialize;
use serde_json::{Error, Value};

use crate::answered::{Answered, answered, deserialize, words};
use crate::command::Commanded;
use crate::time::Timestamp;

/// How many operations one page holds unless asked for.
pub const OPERATIONS_PER_PAGE: usize = 100;

/// How many operations one page may hold.
pub const MAX_OPERATIONS_PER_PAGE: usize = 1000;

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum OperationState {
    /// It goes on.
    Waiting,
    /// The effect is there.
    Done,
    /// The generation that it was about failed.
    Failed,
    /// A later command, or closing, took its place.
    Superseded,
    /// Somebody cancelled it.
    Cancelled,
    /// It could not be done when it was asked, and changed nothing.
    Refused,
}

words!(OperationState {
    Waiting: "waiting",
    Done: "done",
    Failed: "failed",
    Superseded: "superseded",
    Cancelled: "cancelled",
    Refused: "refused",
});

/// One mutation, from its acceptance on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Operation {
    /// Its id: from 1, without gaps.
    pub id: u64,
    /// What was asked.
    #[cfg_attr(test, schemars(extend("examples" = ["start", "stop", "restart"])))]
    pub verb: String,
    /// What was asked beside the verb: the parameters that were `true`.
    pub flags: Vec<String>,
    /// The service; `null` if it is about the application.
    pub service: Option<String>,
    /// Who asked.
    pub actor: String,
    /// Why, if they said so.
    pub reason: Option<String>,
    /// Where it is.
    pub state: OperationState,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether it changed something; `null` unless it is done.
    pub changed: Option<bool>,
    /// The service's generation afterwards; `null` unless it is done.
    pub generation: Option<u64>,
    /// The services that were concerned.
    pub affected: Vec<String>,
    /// The code of the problem for which it had no effect.
    pub code: Option<String>,
    /// The same in words.
    pub detail: Option<String>,
}

answered!(Operation {
    id,
    verb,
    flags,
    service,
    actor,
    reason,
    state,
    accepted,
    ended,
    changed,
    generation,
    affected,
    code,
    detail,
});

/// Some operations, in the order of acceptance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct OperationPage {
    /// The operations that match.
    pub operations: Vec<Operation>,
    /// What to pass as `after` to go on from here.
    pub next: u64,
    /// The newest id there is.
    pub last: u64,
}

answered!(OperationPage { operations, next, last });

/// How a command would end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Would {
    /// The effect would be there.
    Succeed,
    /// It would wait for what does not come by itself.
    Wait,
    /// It would be refused.
    Refuse,
}

words!(Would { Succeed: "succeed", Wait: "wait", Refuse: "refuse" });

/// What a command would do if all goes well: every start and stop succeeds, nobody else acts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Foreseen {
    /// How it would end.
    pub would: Would,
    /// The command.
    pub command: String,
    /// The service.
    pub service: String,
    /// Whether it would change something.
    pub changed: bool,
    /// The service's generation afterwards; now, if it would be refused.
    pub generation: u64,
    /// What would stop and start because of it, in this order.
    pub steps: Vec<Step>,
    /// Other services that would be concerned.
    pub affected: Vec<String>,
    /// What it would wait for.
    pub waiting_on: Vec<String>,
    /// The operations whose place it would take.
    pub supersedes: Vec<u64>,
    /// The code of the problem for which it would be refused.
    pub code: Option<String>,
    /// The same in words.
    pub detail: Option<String>,
}

answered!(Foreseen {
    would,
    command,
    service,
    changed,
    generation,
    steps,
    affected,
    waiting_on,
    supersedes,
    code,
    detail,
});

/// One thing that would happen to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Step {
    /// What would happen.
    pub action: StepAction,
    /// To which service.
    pub service: String,
}

answered!(Step { action, service });

/// What would happen to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum StepAction {
    /// Its generation stops.
    Stop,
    /// A new generation starts.
    Start,
}

words!(StepAction { Stop: "stop", Start: "start" });

/// What a command has done, or with `dry_run=true` what it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum CommandAnswer {
    /// It has done it.
    Commanded(Commanded),
    /// It would do it.
    Foreseen(Foreseen),
}

impl Answered for CommandAnswer {
    fn read(json: Value) -> Result<Self, Error> {
        match json.get("would") {
            Some(_) => Foreseen::read(json).map(Self::Foreseen),
            None => Commanded::read(json).map(Self::Commanded),
        }
    }
}

deserialize!(CommandAnswer);

/// What a pause or a resumption of automatic restarts has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RestartsPaused {
    /// The operation.
    pub operation: u64,
    /// Whether this changed something.
    pub changed: bool,
    /// Until when automatic restarts are paused; `null` if they are not.
    pub until: Option<Timestamp>,
}

answered!(RestartsPaused { operation, changed, until });
