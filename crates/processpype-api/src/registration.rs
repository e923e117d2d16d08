//! Services that join and leave, and the end of the application: what may be sent.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answered::answered;

/// The body of a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// The service's name.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$"), extend("examples" = ["fast"]))]
    pub name: String,
    /// The name of its kind: one of `creatable_kinds` of `GET /info`.
    #[schemars(extend("examples" = ["ticker"]))]
    pub kind: String,
    /// Its section, as in the file: the framework's keys and its own. `${…}` in it is text.
    #[serde(default)]
    pub config: Map<String, Value>,
    /// Whether it is started as well.
    #[serde(default)]
    pub start: bool,
    /// The instance to use for each role, as the key `uses` of its section.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub uses: BTreeMap<String, String>,
    /// The services that must be ready before it starts, as the key `depends_on` of its section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// The group whose last member it becomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Why it is registered; kept with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub reason: Option<String>,
}

/// The application has begun to close.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShuttingDown {
    /// The operation.
    pub operation: u64,
    /// Always `closing`.
    #[cfg_attr(test, schemars(extend("const" = "closing")))]
    pub status: String,
    /// Whether this command began it; `false` = it was closing already.
    pub changed: bool,
    /// How long it may take, in milliseconds; then it is ended by force.
    pub closing_timeout_ms: u64,
}

answered!(ShuttingDown { operation, status, changed, closing_timeout_ms });
