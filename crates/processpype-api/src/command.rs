//! Commands on a service: what may be sent, and what is answered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answered::{answered, words};
use crate::status::ServiceState;

/// The body of a command; it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandBody {
    /// Why the command is given; kept with the event and shown as `acted.reason`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub reason: Option<String>,
}

/// What a command has done, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The service runs.
    Started,
    /// Nothing of the service runs any more.
    Stopped,
    /// A new generation of the service runs.
    Restarted,
    /// The service is a part of the application.
    Registered,
    /// The service is no part of the application any more.
    Deregistered,
}

words!(Effect {
    Started: "started",
    Stopped: "stopped",
    Restarted: "restarted",
    Registered: "registered",
    Deregistered: "deregistered",
});

/// The effect of a command is visible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Commanded {
    /// The operation; `GET /operations/{id}` tells about it later.
    pub operation: u64,
    /// What is true now.
    pub status: Effect,
    /// The service.
    pub service: String,
    /// Whether this command made it so; `false` = it was so already.
    pub changed: bool,
    /// The service's generation now.
    pub generation: u64,
    /// Other services that were concerned: dependents that go on without it, that `cascade=true`
    /// has stopped or `with_dependents=true` has restarted; providers that a start has started too.
    pub affected: Vec<String>,
    /// What an operator should know, such as how long the effect lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

answered!(Commanded { operation, status, service, changed, generation, affected, note });

/// The command goes on; its effect was not visible within the wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Accepted {
    /// The operation.
    pub operation: u64,
    /// Always `accepted`.
    #[cfg_attr(test, schemars(extend("const" = "accepted")))]
    pub status: String,
    /// The command, such as `start`.
    pub command: String,
    /// The service.
    pub service: String,
    /// Where the service is now.
    pub state: ServiceState,
    /// What it waits for.
    pub waiting_on: Vec<String>,
    /// Where the operation can be read; the same as the `Location` header.
    pub location: String,
}

answered!(Accepted { operation, status, command, service, state, waiting_on, location });
