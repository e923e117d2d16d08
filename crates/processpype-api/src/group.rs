//! Groups as they are now.

use serde::Serialize;

use crate::answered::answered;
use crate::status::{Desired, ServiceState};

/// Every group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupList {
    /// The groups, in the order in which they are declared.
    pub groups: Vec<GroupStatus>,
}

answered!(GroupList { groups });

/// Services that are restarted together, and how each of them is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Who is restarted with whom: `one-for-one`, `one-for-all` or `rest-for-one`.
    pub strategy: String,
    /// How many restarts of all members together are allowed; null = without a limit.
    pub max_restarts: Option<u32>,
    /// Within what time, in milliseconds.
    pub within_ms: u64,
    /// Who declared it.
    pub origin: String,
    /// The members, in order.
    pub members: Vec<GroupMember>,
}

answered!(GroupStatus { name, strategy, max_restarts, within_ms, origin, members });

/// One service of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct GroupMember {
    /// The service.
    pub service: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Whether it runs and says that it can do its work.
    pub ready: bool,
    /// What it should be doing.
    pub desired: Desired,
    /// Which life this is; 0 = never started.
    pub generation: u64,
    /// Whether there were too many restarts, its own or its group's: it stays down until somebody
    /// acts.
    pub exhausted: bool,
    /// The members that must end, start or be mended before it starts.
    pub held_by: Vec<String>,
    /// Why it is not ready, followed to the root; null if it is, or need not be.
    pub reason: Option<String>,
}

answered!(GroupMember { service, state, ready, desired, generation, exhausted, held_by, reason });
