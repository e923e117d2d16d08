//! What does not change until a service joins or leaves: who is there, who needs whom, and by what
//! rules.
//!
//! # Invariants
//!
//! 1. It is made from the checked application, anew when a service joins or leaves, and shared:
//!    reading it waits for nobody.
//! 2. No configuration of a service is part of it, only what the framework itself was told.

use std::sync::Arc;

use processpype_core::{Edge, Graph, Plan, ServiceId, ServiceName};

use crate::blueprint::{Blueprint, NamedEdge, Options};
use crate::group::NamedGroup;
use crate::kind::Kind;

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
    /// What makes it: also what its configuration looks like, and whether it may have routes.
    pub made_by: Arc<Kind>,
    /// The rules that it lives by; one value for as many services as have the same.
    pub options: Arc<Options>,
}

// === impl Layout ===

impl Layout {
    /// Takes what does not change from a checked application.
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let services = blueprint.specs().iter().map(|spec| LaidOut {
            name: spec.name.clone(),
            kind: Arc::clone(&spec.kind_name),
            made_by: Arc::clone(&spec.kind),
            options: Arc::clone(&spec.options),
        });
        let services = services.collect();
        let (edges, groups) = (blueprint.edges().to_vec(), blueprint.groups().to_vec());
        Self { services, edges, groups }
    }

    /// Returns the order of start and stop, with worst-case times.
    ///
    /// Services that do not start with the application are not in it. One that has joined at run
    /// time is there if it is of those that start by themselves, although the next start of the
    /// process knows nothing of it: it has to stop in order all the same.
    ///
    /// ```
    /// use processpype_runtime::{Assembly, Layout};
    ///
    /// let layout = Layout::of(&Assembly::default().check()?);
    /// assert!(layout.plan(16).start_waves().is_empty());
    /// # Ok::<(), processpype_runtime::PlanError>(())
    /// ```
    #[must_use]
    pub fn plan(&self, starts_at_once: usize) -> Plan {
        let edges = self.edges.iter().map(|edge| {
            let NamedEdge { dependent, provider, policy, .. } = *edge;
            (Edge { dependent, provider }, policy)
        });
        let graph = Graph::with_policies(self.services.len() as u32, edges)
            .expect("nobody joins who would close a cycle");
        let starts = self.starting(&graph);
        let budget = |id: ServiceId| self.services[id.index()].options.budget();
        Plan::new(&graph, |id| starts[id.index()], budget, starts_at_once)
    }

    /// Returns which services start with the application: those with autostart, and what they need.
    fn starting(&self, graph: &Graph) -> Vec<bool> {
        let options = |id: ServiceId| &self.services[id.index()].options;
        let autostart = |id| options(id).enabled && options(id).autostart;
        let mut starts: Vec<bool> = graph.services().map(autostart).collect();
        for id in graph.waves().into_iter().rev().flatten() {
            for (provider, policy) in graph.provider_edges(id) {
                let enabled = options(provider).enabled;
                starts[provider.index()] |= starts[id.index()] && enabled && policy.gates();
            }
        }
        starts
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
