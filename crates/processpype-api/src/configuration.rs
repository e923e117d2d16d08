//! Configuration on the wire: what holds, what differs, and what a change has led to.
//!
//! # Invariants
//!
//! 1. A value that may be secret is `***`; a place is text, such as `app.yaml:3:9` or `api:alice`.

use serde::Serialize;
use serde_json::{Error, Value};

use crate::answered::{Answered, answered, deserialize, words};

/// The configuration of a service, as it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceConfig {
    /// The service.
    pub service: String,
    /// Grows with every change of any configuration.
    pub revision: u64,
    /// Every value: the framework's keys, then the service's own fields.
    pub values: Vec<ConfigValue>,
}

answered!(ServiceConfig { service, revision, values });

/// One value that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigValue {
    /// Its path, such as `services.counter.step`.
    pub path: String,
    /// As it was written, `${…}` included, or `***`.
    pub value: String,
    /// Where it comes from: a place in a file, a variable, a flag, `default`, `code`, or
    /// `api:` and who configured it.
    pub origin: String,
    /// The places that it overrides, nearest first.
    pub overrides: Vec<String>,
}

answered!(ConfigValue { path, value, origin, overrides });

/// One value that is another one, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigDifference {
    /// Its path, such as `services.counter.step`.
    pub path: String,
    /// How it differs.
    pub change: ConfigChange,
    /// What held before; `null` if there was nothing.
    pub old: Option<String>,
    /// What holds then; `null` if there is nothing any more.
    pub new: Option<String>,
    /// Where the new value comes from, or the old one if there is no new one.
    pub origin: String,
}

answered!(ConfigDifference { path, change, old, new, origin });

/// How a value differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum ConfigChange {
    /// There was nothing.
    Added,
    /// There is nothing any more.
    Removed,
    /// It was another one.
    Changed,
}

words!(ConfigChange { Added: "added", Removed: "removed", Changed: "changed" });

/// What a new configuration has led to, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConfigEffect {
    /// Nothing is different.
    Unchanged,
    /// It holds, and the service runs on.
    Applied,
    /// A new generation runs with it.
    Restarted,
    /// The service has started with it.
    Started,
    /// The service was disabled by it, and has stopped.
    Stopped,
    /// It holds from the next generation on.
    Kept,
    /// The service is asked to take it over while it runs, and restarted if it does not. Only
    /// foreseen.
    Offered,
    /// The service has joined the application, and has started unless its section says otherwise.
    /// Only of a reload.
    Joined,
    /// The service is gone from the files, and has left the application. Only of a reload.
    Left,
}

words!(ConfigEffect {
    Unchanged: "unchanged",
    Applied: "applied",
    Restarted: "restarted",
    Started: "started",
    Stopped: "stopped",
    Kept: "kept",
    Offered: "offered",
    Joined: "joined",
    Left: "left",
});

/// A new configuration holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceConfigured {
    /// The operation; `GET /operations/{id}` tells about it later.
    pub operation: u64,
    /// What it has led to.
    pub status: ConfigEffect,
    /// The service.
    pub service: String,
    /// Whether anything is different.
    pub changed: bool,
    /// The service's generation now.
    pub generation: u64,
    /// How long it holds.
    pub note: String,
}

answered!(ServiceConfigured { operation, status, service, changed, generation, note });

/// What a new configuration would lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ConfigForeseen {
    /// What it would lead to.
    pub would: ConfigEffect,
    /// The service.
    pub service: String,
    /// Every value that would be another one.
    pub differences: Vec<ConfigDifference>,
}

answered!(ConfigForeseen { would, service, differences });

/// What a change of configuration has done, or with `dry_run=true` what it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ConfigAnswer {
    /// It has done it.
    Configured(ServiceConfigured),
    /// It would do it.
    Foreseen(ConfigForeseen),
}

impl Answered for ConfigAnswer {
    fn read(json: Value) -> Result<Self, Error> {
        match json.get("would") {
            Some(_) => ConfigForeseen::read(json).map(Self::Foreseen),
            None => ServiceConfigured::read(json).map(Self::Configured),
        }
    }
}

deserialize!(ConfigAnswer);

/// What a reload has done so far, or with `dry_run=true` what it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Reloaded {
    /// The operation; `null` if nothing was done.
    pub operation: Option<u64>,
    /// Whether this only tells what would happen.
    pub dry_run: bool,
    /// Whether it is over.
    pub finished: bool,
    /// Whether any service has another configuration, joins or leaves.
    pub changed: bool,
    /// The services that leave, whose configuration is another one, and that join; in this order.
    pub services: Vec<ServiceReloaded>,
    /// Every value that is another one.
    pub differences: Vec<ConfigDifference>,
    /// What is different and holds only after a restart of the process.
    pub needs_process_restart: Vec<NeedsProcessRestart>,
}

answered!(Reloaded {
    operation,
    dry_run,
    finished,
    changed,
    services,
    differences,
    needs_process_restart,
});

/// What a reload has done to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceReloaded {
    /// The service.
    pub service: String,
    /// Its own operation; `null` if nothing was done.
    pub operation: Option<u64>,
    /// What it has led to, or would; `null` while it goes on, and if it failed.
    pub status: Option<ConfigEffect>,
    /// The code of the problem, if it failed: `rolled-back` if its old configuration holds again.
    pub code: Option<String>,
    /// The same in words; also what a service that keeps it for later runs by until then.
    pub detail: Option<String>,
}

answered!(ServiceReloaded { service, operation, status, code, detail });

/// Something in the files that holds only after a restart of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct NeedsProcessRestart {
    /// The section or the key.
    pub path: String,
    /// Why it cannot change while the process runs.
    pub why: String,
}

answered!(NeedsProcessRestart { path, why });
