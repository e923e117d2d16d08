//! Levels of the log on the wire.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::answered::answered;
use crate::log::LogLevel;
use crate::time::Timestamp;

/// How long a level is changed unless asked for.
pub const LEVEL_FOR: &str = "15m";

/// A change of a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LevelBody {
    /// What is to hold.
    pub level: LogLevel,
    /// How long, from `1s` to `1d`; 15m if left out. Then what is configured holds again.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("examples" = ["10m"]))]
    pub time: Option<String>,
    /// Why; it is kept with the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub reason: Option<String>,
}

/// How much is logged of a service, or of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LevelStatus {
    /// The service; `null` for the application.
    pub service: Option<String>,
    /// What holds now. Levels by module (`observability.logging.loggers`) may say otherwise for
    /// their modules.
    pub level: LogLevel,
    /// What is configured for it; `null` if the service has no level of its own and follows the
    /// application.
    pub configured: Option<LogLevel>,
    /// Who changed it, and until when; `null` if what is configured holds.
    pub change: Option<LevelChange>,
}

answered!(LevelStatus { service, level, configured, change });

/// A change that holds for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LevelChange {
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who changed it.
    pub actor: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

answered!(LevelChange { until, actor, reason });

/// Every level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Levels {
    /// That of the application: it holds where nothing more specific is said.
    pub application: LevelStatus,
    /// Those of services that have one of their own, configured or changed.
    pub services: Vec<LevelStatus>,
    /// Those of modules, as configured.
    pub loggers: BTreeMap<String, LogLevel>,
}

answered!(Levels { application, services, loggers });

/// What a change of a level, or its taking back, has done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LevelChanged {
    /// The operation.
    pub operation: u64,
    /// Whether this changed something.
    pub changed: bool,
    /// How it is now.
    pub now: LevelStatus,
}

answered!(LevelChanged { operation, changed, now });
