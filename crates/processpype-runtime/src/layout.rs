//! What does not change until a service joins or leaves: who is there, who needs whom, and by what
//! rules.
//!
//! # Invariants
//!
//! 1. It is made from the checked application, anew when a service joins or leaves, and shared:
//!    reading it waits for nobody.
//! 2. No configuration of a service is part of it, only what the framework itself was told.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;
use processpype_core::{Edge, Graph, Plan, ServiceId, ServiceName};

use crate::blueprint::{Blueprint, NamedEdge, Options, Spec};
use crate::group::NamedGroup;
use crate::kind::Kind;

/// The fixed part of an application: services, edges, groups.
///
/// Together with the statuses it answers why something is as it is.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Manager;
///
/// fn names(manager: &Manager) -> Vec<String> {
///     manager.layout().services.iter().map(|service| service.name.to_string()).collect()
/// }
/// # use processpype_runtime::{Assembly, Launch};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), processpype_runtime::PlanError> {
/// # let launch = Launch::on(tokio::runtime::Handle::current());
/// # let (manager, _supervisor) = Assembly::default().check()?.launch(launch);
/// # assert!(names(&manager).is_empty());
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
    rest: Arc<Likeness>,
}

/// What is the same for many services.
#[derive(Clone, Debug)]
struct Likeness {
    kind: Arc<str>,
    made_by: Arc<Kind>,
    options: Arc<Options>,
}

/// Lays services out; those that are alike share what they have in common.
#[derive(Debug, Default)]
pub(crate) struct LayingOut {
    alike: HashMap<[*const (); 3], Arc<Likeness>, FixedState>,
}

// === impl Layout ===

impl Layout {
    /// Takes what does not change from a checked application.
    #[doc(hidden)]
    #[must_use]
    pub fn of(blueprint: &Blueprint) -> Self {
        let (edges, groups) = (blueprint.edges().to_vec(), blueprint.groups().to_vec());
        Self::with(blueprint.specs(), edges, groups)
    }

    pub(crate) fn with(specs: &[Spec], edges: Vec<NamedEdge>, groups: Vec<NamedGroup>) -> Self {
        let mut laying = LayingOut::default();
        let services = specs
            .iter()
            .map(|spec| laying.lay(spec.name.clone(), &spec.kind_name, &spec.kind, &spec.options));
        Self { services: services.collect(), edges, groups }
    }

    /// Returns the order of start and stop, with worst-case times.
    ///
    /// Services that do not start with the application are not in it. One that has joined at run
    /// time is there if it is of those that start by themselves, although the next start of the
    /// process knows nothing of it: it has to stop in order all the same.
    ///
    /// ```
    /// # use processpype_runtime::{Assembly, Layout};
    /// # let layout = Layout::of(&Assembly::default().check()?);
    /// let plan = layout.plan(16);
    /// assert!(plan.start_waves().is_empty(), "nobody is there");
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
        let budget = |id: ServiceId| self.services[id.index()].options().budget();
        Plan::new(&graph, |id| starts[id.index()], budget, starts_at_once)
    }

    /// Returns which services start with the application: those with autostart, and what they need.
    fn starting(&self, graph: &Graph) -> Vec<bool> {
        let options = |id: ServiceId| self.services[id.index()].options();
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

// === impl LaidOut ===

impl LaidOut {
    /// Returns the name of its kind.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.rest.kind
    }

    /// Returns what makes it: also what its configuration looks like, and whether it may have
    /// routes.
    #[must_use]
    pub fn made_by(&self) -> &Kind {
        &self.rest.made_by
    }

    /// Returns the rules that it lives by.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.rest.options
    }
}

// === impl LayingOut ===

impl LayingOut {
    pub(crate) fn lay(
        &mut self,
        name: ServiceName,
        kind: &Arc<str>,
        made_by: &Arc<Kind>,
        options: &Arc<Options>,
    ) -> LaidOut {
        let parts =
            [Arc::as_ptr(kind).cast(), Arc::as_ptr(made_by).cast(), Arc::as_ptr(options).cast()];
        let rest = self.alike.entry(parts).or_insert_with(|| {
            let (kind, made_by) = (Arc::clone(kind), Arc::clone(made_by));
            Arc::new(Likeness { kind, made_by, options: Arc::clone(options) })
        });
        LaidOut { name, rest: Arc::clone(rest) }
    }
}
