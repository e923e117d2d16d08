//! What services find wrong with themselves.

use serde::{Deserialize, Serialize};

/// What services that run find wrong with themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// The findings, by service.
    pub findings: Vec<ServiceFinding>,
}

/// Something that a service found wrong with itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ServiceFinding {
    /// The service.
    pub service: String,
    /// How bad it is: `problem` if something does not work, `warning` if it works and will not
    /// always.
    #[cfg_attr(test, schemars(extend("enum" = ["problem", "warning"])))]
    pub severity: String,
    /// What sort it is; the service's own word, or `no-answer` or `diagnose-panicked`.
    #[cfg_attr(test, schemars(extend("examples" = ["disk-space"])))]
    pub code: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}
