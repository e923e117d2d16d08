//! What services, and the framework, find wrong with themselves.

use serde::Serialize;

use crate::answered::answered;

/// What services that run, and the framework, find wrong with themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// The findings, by service.
    pub findings: Vec<ServiceFinding>,
    /// What is wrong with no service, but with what the framework does for all of them. Not there
    /// if one service was asked.
    #[serde(default)]
    pub application: Vec<ApplicationFinding>,
}

answered!(Diagnosis { findings, application: Vec::new() });

/// Something that the framework found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ApplicationFinding {
    /// How bad it is, as with services.
    #[cfg_attr(test, schemars(extend("enum" = ["problem", "warning"])))]
    pub severity: String,
    /// What sort it is.
    #[cfg_attr(test, schemars(extend("enum" = ["certificate-refused", "secrets-unhidden"])))]
    pub code: String,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

answered!(ApplicationFinding { severity, code, message, remedy });

/// Something that a service found wrong with itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

answered!(ServiceFinding { service, severity, code, message, remedy });
