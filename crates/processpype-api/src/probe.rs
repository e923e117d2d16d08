//! Answers of the probes.

use serde::Serialize;

use crate::answered::answered;
use crate::status::ServiceState;

/// A probe that succeeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Probe {
    /// `alive`, `ready` or `started`.
    pub status: String,
}

answered!(Probe { status });

/// A service that should be ready and is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unready {
    /// The service.
    pub service: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Why, as far as it is known: its own error, or that of the provider it waits for.
    pub reason: String,
    /// The providers that it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting_on: Vec<String>,
}

answered!(Unready { service, state, reason, waiting_on });
