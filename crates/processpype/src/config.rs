//! Configuration: types for a service's own section, the loader of layered files, and what holds
//! while an application runs.

pub use processpype_config::{
    BackendConfig, Change, Difference, Document, Effective, Format, HumanDuration, InvalidDuration,
    Layer, Loader, Origin, Problem, Report, Secret, SecretsConfig, Section, Side, Stray, limits,
    nearest, read_json,
};
pub use processpype_runtime::{
    CONFIGURE_TRIES, ConfigBook, ConfigPreview, Configured, DescribeConfig, Fixed, Joined,
    ReadConfig, Refused, ReloadPreview, ServicePreview,
};
