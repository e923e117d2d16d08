//! What does not change while an application runs: who is there, who needs whom, and by what rules.
//!
//! # Invariants
//!
//! 1. It is made once, from the checked application, and shared: reading it waits for nobody.
//! 2. No configuration of a service is part of it, only what the framework itself was told.

use std::sync::Arc;

use processpype_core::{ServiceId, ServiceName};

use crate::blueprint::{Blueprint, NamedEdge, Options};
use crate::group::NamedGroup;

/// The fixed part of an application: services, edges, groups.
///
/// Together with the statuses it answers why something is as it is.
///
/// ```
/// use processpype_runtime::{Assembly, Launch};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), processpype_runtime::PlanError> {
/// let launch = Launch::on(tokio::runtime::Handle::current());
/// let (manager, _supervisor) = Assembly::default().check()?.launch(launch);
/// assert!(manager.layout().services.is_empty() && manager.layout().edges.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Layout {
    /// The services, in the order of their ids.
    pub services: Vec<LaidOut>,
    /// Who needs whom, and who said so.
    pub edges: Vec<NamedEdge>,
    /// Who is restarted with whom.
    pub groups: Vec<NamedGroup>,
}

/// One service of a [`Layout`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LaidOut {
    /// Its name.
    pub name: ServiceName,
    /// The name of its kind.
    pub kind: Arc<str>,
    /// The rules that it lives by; one value for all services in a row that have the same.
    pub options: Arc<Options>,
}

// === impl Layout ===

impl Layout {
    /// Takes what does not change from a checked application.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let mut last: Option<Arc<Options>> = None;
        let services = blueprint.specs().iter().map(|spec| {
            let same = last.take().filter(|last| **last == spec.options);
            let options = same.unwrap_or_else(|| Arc::new(spec.options.clone()));
            last = Some(Arc::clone(&options));
            LaidOut { name: spec.name.clone(), kind: Arc::clone(&spec.kind_name), options }
        });
        let services = services.collect();
        let (edges, groups) = (blueprint.edges().to_vec(), blueprint.groups().to_vec());
        Self { services, edges, groups }
    }

    /// Returns the name of a service.
    ///
    /// # Panics
    ///
    /// Panics if `id` is not one of this application.
    #[must_use]
    pub fn name(&self, id: ServiceId) -> &ServiceName {
        &self.services[id.index()].name
    }
}
