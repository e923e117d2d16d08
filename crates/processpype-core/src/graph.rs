//! Who needs whom: the dependency graph of an application.
//!
//! # Invariants
//!
//! 1. A [`Graph`] has no cycle: [`Graph::new`] refuses one and returns its path.
//! 2. Order is deterministic: where the graph leaves a choice, the smaller [`ServiceId`] comes
//!    first.
//! 3. Parallel edges count once, with the strictest of their policies.

use std::fmt;
use std::ops::Range;

use crate::sorting::sort_by;

/// The place of a service in its application: ids are dense and begin at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceId(pub u32);

/// `dependent` needs `provider`.
///
/// One edge is both requirement and order: the provider is ready before the dependent starts, and
/// in a plan the dependent is gone before the provider is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Who needs.
    pub dependent: ServiceId,
    /// Who is needed.
    pub provider: ServiceId,
}

/// What an edge asks for, chosen by the dependent; ordered from the least to the strictest.
///
/// In every plan (closing, cascade, restart together) a dependent is gone before its provider is
/// asked to stop, whatever the policy.
///
/// | | `optional` | `hold` | `restart` |
/// |---|---|---|---|
/// | a start waits while the provider is queued or starting | yes | yes | yes |
/// | a start waits while the provider is down or unready | no | yes | yes |
/// | a start brings the provider with it | no | yes | yes |
/// | a stop of the provider with cascade stops the dependent | no | yes | yes |
/// | a new generation of the provider restarts the dependent | no | no | yes |
///
/// (systemd: `After=` with `Wants=` left out; `Requires=` without its stop; `PartOf=` besides.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EdgePolicy {
    /// The edge orders, and never gates.
    Optional,
    /// A running dependent keeps running without its provider; one about to start waits.
    #[default]
    Hold,
    /// As hold; besides, a new generation of the provider restarts the dependent.
    ///
    /// The restart begins when the provider's new generation does, not when the old one ends: until
    /// then nobody knows that there will be one. The dependents, and theirs by edges of this
    /// policy, stop in order while the provider starts, and start again when it is ready.
    Restart,
}

/// A dependency graph without cycles.
///
/// ```
/// use processpype_core::{Edge, Graph, ServiceId};
///
/// let (db, api) = (ServiceId(0), ServiceId(1));
/// let graph = Graph::new(2, [Edge { dependent: api, provider: db }])?;
/// assert_eq!(graph.waves(), [vec![db], vec![api]]);
/// assert_eq!(graph.dependents(db), [api]);
/// # Ok::<(), processpype_core::Cycle>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Graph {
    providers: Adjacency,
    dependents: Adjacency,
}

/// A dependency cycle: each service needs the next, the last one needs the first.
///
/// ```
/// use processpype_core::{Edge, Graph, ServiceId};
///
/// let [a, b] = [0, 1].map(ServiceId);
/// let edges = [Edge { dependent: a, provider: b }, Edge { dependent: b, provider: a }];
/// let cycle = Graph::new(2, edges).expect_err("each needs the other");
/// assert_eq!(cycle.path(), [a, b]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    path: Vec<ServiceId>,
}

/// Neighbours of every node in one allocation: `targets[starts[i]..starts[i + 1]]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Adjacency {
    starts: Vec<u32>,
    targets: Vec<ServiceId>,
    /// The policies of the edges, each at the place of its target.
    policies: Vec<EdgePolicy>,
}

// === impl ServiceId ===

impl ServiceId {
    /// Returns the id as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl EdgePolicy ===

impl EdgePolicy {
    /// Every policy, the strictest last.
    pub const ALL: &'static [Self] = &[Self::Optional, Self::Hold, Self::Restart];

    /// Returns whether a dependent cannot start while its provider is unavailable.
    #[must_use]
    pub fn gates(self) -> bool {
        self != Self::Optional
    }

    /// Returns the word as it stands in the file and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Hold => "hold",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for EdgePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

// === impl Graph ===

impl Graph {
    /// Makes the graph of `services` services from their edges, all of policy
    /// [`EdgePolicy::Hold`].
    ///
    /// # Errors
    ///
    /// Returns the [`Cycle`] with the smallest entry if the edges contain one.
    ///
    /// # Panics
    ///
    /// Panics if an edge names a service that is not below `services`.
    pub fn new(services: u32, edges: impl IntoIterator<Item = Edge>) -> Result<Self, Cycle> {
        Self::with_policies(services, edges.into_iter().map(|edge| (edge, EdgePolicy::Hold)))
    }

    /// Makes the graph of `services` services from their edges, each with its policy.
    ///
    /// Of several edges between the same two services the strictest policy counts: whoever
    /// declares an edge can rely on what it asks for.
    ///
    /// ```
    /// use processpype_core::{Edge, EdgePolicy, Graph, ServiceId};
    ///
    /// let (db, api) = (ServiceId(0), ServiceId(1));
    /// let edge = Edge { dependent: api, provider: db };
    /// let edges = [(edge, EdgePolicy::Hold), (edge, EdgePolicy::Restart)];
    /// let graph = Graph::with_policies(2, edges)?;
    /// assert_eq!(graph.policy(edge), Some(EdgePolicy::Restart));
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the [`Cycle`] with the smallest entry if the edges contain one, of whatever policy.
    ///
    /// # Panics
    ///
    /// Panics if an edge names a service that is not below `services`.
    pub fn with_policies(
        services: u32,
        edges: impl IntoIterator<Item = (Edge, EdgePolicy)>,
    ) -> Result<Self, Cycle> {
        Self::made(services, edges.into_iter().collect())
    }

    /// Compiled once, wherever the edges come from.
    fn made(services: u32, mut edges: Vec<(Edge, EdgePolicy)>) -> Result<Self, Cycle> {
        assert!(
            edges.iter().all(|(edge, _)| edge.dependent.0 < services && edge.provider.0 < services),
            "an edge names a service outside the graph"
        );
        // The strictest of parallel edges comes first, and stays.
        sort_by(&mut edges, |(one, loose), (other, strict)| one.cmp(other).then(strict.cmp(loose)));
        edges.dedup_by_key(|(edge, _)| *edge);
        let forth = edges.iter().map(|&(e, policy)| (e.dependent, e.provider, policy));
        let back = edges.iter().map(|&(e, policy)| (e.provider, e.dependent, policy));
        let providers = Adjacency::new(services, forth);
        let dependents = Adjacency::new(services, back);
        let graph = Self { providers, dependents };
        graph.find_cycle().map_or(Ok(graph), Err)
    }

    /// Returns the number of services.
    #[must_use]
    pub fn len(&self) -> usize {
        self.providers.starts.len() - 1
    }

    /// Returns whether there is no service.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns every service, in the order of ids.
    pub fn services(&self) -> impl ExactSizeIterator<Item = ServiceId> + use<> {
        (0..self.providers.starts.len() as u32 - 1).map(ServiceId)
    }

    /// Returns every edge.
    pub fn edges(&self) -> impl Iterator<Item = Edge> {
        self.services().flat_map(|dependent| {
            self.providers(dependent).iter().map(move |&provider| Edge { dependent, provider })
        })
    }

    /// Returns the policy of an edge, or none if there is no such edge.
    #[must_use]
    pub fn policy(&self, edge: Edge) -> Option<EdgePolicy> {
        let mut providers = self.provider_edges(edge.dependent);
        providers.find(|(provider, _)| *provider == edge.provider).map(|(_, policy)| policy)
    }

    /// Returns the direct providers of `service`, each with the policy of the edge.
    pub fn provider_edges(
        &self,
        service: ServiceId,
    ) -> impl ExactSizeIterator<Item = (ServiceId, EdgePolicy)> {
        self.providers.edges_of(service)
    }

    /// Returns the direct dependents of `service`, each with the policy of the edge.
    pub fn dependent_edges(
        &self,
        service: ServiceId,
    ) -> impl ExactSizeIterator<Item = (ServiceId, EdgePolicy)> {
        self.dependents.edges_of(service)
    }

    /// Returns the services that `service` needs directly.
    #[must_use]
    pub fn providers(&self, service: ServiceId) -> &[ServiceId] {
        self.providers.of(service)
    }

    /// Returns the services that need `service` directly.
    #[must_use]
    pub fn dependents(&self, service: ServiceId) -> &[ServiceId] {
        self.dependents.of(service)
    }

    /// Returns everything that `service` needs, directly or not, in the order of ids.
    ///
    /// ```
    /// use processpype_core::{Edge, Graph, ServiceId};
    ///
    /// let [disk, db, api] = [0, 1, 2].map(ServiceId);
    /// let edges = [(db, disk), (api, db)];
    /// let graph = Graph::new(3, edges.map(|(dependent, provider)| Edge { dependent, provider }))?;
    /// assert_eq!(graph.all_providers(api), [disk, db]);
    /// assert_eq!(graph.all_dependents(disk), [db, api]);
    /// # Ok::<(), processpype_core::Cycle>(())
    /// ```
    #[must_use]
    pub fn all_providers(&self, service: ServiceId) -> Vec<ServiceId> {
        reachable(&self.providers, service)
    }

    /// Returns everything that needs `service`, directly or not, in the order of ids.
    #[must_use]
    pub fn all_dependents(&self, service: ServiceId) -> Vec<ServiceId> {
        reachable(&self.dependents, service)
    }

    /// Returns what `service` cannot start without: all it reaches by edges that gate, in the order
    /// of ids.
    #[must_use]
    pub fn all_required(&self, service: ServiceId) -> Vec<ServiceId> {
        gated(&self.providers, service)
    }

    /// Returns everything that cannot start without `service`, in the order of ids.
    #[must_use]
    pub fn all_requiring(&self, service: ServiceId) -> Vec<ServiceId> {
        gated(&self.dependents, service)
    }

    /// Returns the services in start order, grouped: each wave needs only earlier waves.
    ///
    /// Waves show a plan; execution goes edge by edge and does not wait for a whole wave. Stop
    /// order is the same list backwards. (Kahn, "Topological sorting of large networks", 1962.)
    #[must_use]
    pub fn waves(&self) -> Vec<Vec<ServiceId>> {
        let mut waves: Vec<Vec<ServiceId>> = Vec::new();
        for (service, depth) in self.depths().into_iter().enumerate() {
            if waves.len() <= depth {
                waves.resize_with(depth + 1, Vec::new);
            }
            waves[depth].push(ServiceId(service as u32));
        }
        waves
    }

    /// Returns for each service the length of its longest chain of providers.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.len()];
        for service in self.topological() {
            let below = self.providers(service).iter().map(|p| depths[p.index()] + 1);
            depths[service.index()] = below.max().unwrap_or(0);
        }
        depths
    }

    /// Returns every service after all its providers. Shorter than `len` if there is a cycle.
    pub(crate) fn topological(&self) -> Vec<ServiceId> {
        let mut missing: Vec<usize> =
            self.services().map(|service| self.providers(service).len()).collect();
        let mut order: Vec<ServiceId> =
            self.services().filter(|service| missing[service.index()] == 0).collect();
        let mut next = 0;
        while let Some(&service) = order.get(next) {
            next += 1;
            for &dependent in self.dependents(service) {
                missing[dependent.index()] -= 1;
                if missing[dependent.index()] == 0 {
                    order.push(dependent);
                }
            }
        }
        order
    }

    fn find_cycle(&self) -> Option<Cycle> {
        let order = self.topological();
        let mut ordered = vec![false; self.len()];
        order.iter().for_each(|service| ordered[service.index()] = true);
        let entry = self.services().find(|service| !ordered[service.index()])?;
        // Every unordered service has an unordered provider: following it must come back.
        let mut path = Vec::new();
        let mut seen_at = vec![None; self.len()];
        let mut at = entry;
        while seen_at[at.index()].is_none() {
            seen_at[at.index()] = Some(path.len());
            path.push(at);
            let unordered = self.providers(at).iter().find(|provider| !ordered[provider.index()]);
            at = *unordered.expect("a service outside the order has a provider outside it");
        }
        let start = seen_at[at.index()].unwrap_or(0);
        Some(Cycle { path: path.split_off(start) })
    }
}

fn reachable(adjacency: &Adjacency, from: ServiceId) -> Vec<ServiceId> {
    reachable_by(adjacency, from, |_| true)
}

fn gated(adjacency: &Adjacency, from: ServiceId) -> Vec<ServiceId> {
    reachable_by(adjacency, from, EdgePolicy::gates)
}

fn reachable_by(
    adjacency: &Adjacency,
    from: ServiceId,
    counts: impl Fn(EdgePolicy) -> bool,
) -> Vec<ServiceId> {
    let next = |service| {
        adjacency.edges_of(service).filter(|(_, policy)| counts(*policy)).map(|(to, _)| to)
    };
    let mut stack: Vec<ServiceId> = next(from).collect();
    if stack.is_empty() {
        // Most services need nobody, or nobody needs them: that is known without all the others.
        return stack;
    }
    let mut seen = vec![false; adjacency.starts.len() - 1];
    let mut found = Vec::new();
    while let Some(service) = stack.pop() {
        if !std::mem::replace(&mut seen[service.index()], true) {
            found.push(service);
            stack.extend(next(service));
        }
    }
    found.sort_unstable();
    found
}

// === impl Adjacency ===

impl Adjacency {
    fn new(
        services: u32,
        edges: impl Iterator<Item = (ServiceId, ServiceId, EdgePolicy)> + Clone,
    ) -> Self {
        let mut starts = vec![0_u32; services as usize + 1];
        for (from, ..) in edges.clone() {
            starts[from.index() + 1] += 1;
        }
        for i in 0..services as usize {
            starts[i + 1] += starts[i];
        }
        let mut fill = starts.clone();
        let mut targets = vec![ServiceId(0); starts[services as usize] as usize];
        let mut policies = vec![EdgePolicy::default(); targets.len()];
        for (from, to, policy) in edges {
            let slot = &mut fill[from.index()];
            targets[*slot as usize] = to;
            policies[*slot as usize] = policy;
            *slot += 1;
        }
        Self { starts, targets, policies }
    }

    fn of(&self, service: ServiceId) -> &[ServiceId] {
        &self.targets[self.range(service)]
    }

    fn edges_of(
        &self,
        service: ServiceId,
    ) -> impl ExactSizeIterator<Item = (ServiceId, EdgePolicy)> {
        let range = self.range(service);
        let targets = self.targets[range.clone()].iter().copied();
        targets.zip(self.policies[range].iter().copied())
    }

    fn range(&self, service: ServiceId) -> Range<usize> {
        let i = service.index();
        self.starts[i] as usize..self.starts[i + 1] as usize
    }
}

// === impl Cycle ===

impl Cycle {
    /// Returns the services on the cycle: each needs the next, the last one needs the first.
    #[must_use]
    pub fn path(&self) -> &[ServiceId] {
        &self.path
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dependency cycle: ")?;
        for service in &self.path {
            write!(f, "{} → ", service.0)?;
        }
        write!(f, "{}", self.path[0].0)
    }
}

impl std::error::Error for Cycle {}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(services: u32, edges: &[(u32, u32)]) -> Result<Graph, Cycle> {
        let edge = |&(d, p): &(u32, u32)| Edge { dependent: ServiceId(d), provider: ServiceId(p) };
        Graph::new(services, edges.iter().map(edge))
    }

    #[track_caller]
    fn check_waves(services: u32, edges: &[(u32, u32)], expected: &[&[u32]]) {
        let waves = graph(services, edges).map(|g| g.waves());
        let ids: Vec<Vec<ServiceId>> =
            expected.iter().map(|wave| wave.iter().copied().map(ServiceId).collect()).collect();
        assert_eq!(waves, Ok(ids));
    }

    #[track_caller]
    fn check_cycle(services: u32, edges: &[(u32, u32)], expected: &[u32]) {
        let path = graph(services, edges).map_err(|cycle| cycle.path);
        let ids: Vec<ServiceId> = expected.iter().copied().map(ServiceId).collect();
        assert_eq!(path.err(), Some(ids));
    }

    #[test]
    fn waves_follow_the_longest_chain() {
        check_waves(0, &[], &[]);
        check_waves(3, &[], &[&[0, 1, 2]]);
        check_waves(3, &[(0, 1), (1, 2)], &[&[2], &[1], &[0]]);
        check_waves(4, &[(3, 0), (3, 1), (1, 0), (1, 0)], &[&[0, 2], &[1], &[3]]);
    }

    #[test]
    fn cycles_are_told_with_their_path() {
        check_cycle(1, &[(0, 0)], &[0]);
        check_cycle(2, &[(0, 1), (1, 0)], &[0, 1]);
        // 0 leads into the cycle but is not on it.
        check_cycle(4, &[(0, 1), (1, 2), (2, 3), (3, 1)], &[1, 2, 3]);
    }

    #[test]
    fn an_optional_edge_is_no_requirement() {
        let edge = |d, p| Edge { dependent: ServiceId(d), provider: ServiceId(p) };
        let edges = [(edge(2, 1), EdgePolicy::Restart), (edge(1, 0), EdgePolicy::Optional)];
        let graph = Graph::with_policies(3, edges).expect("a chain has no cycle");
        assert_eq!(graph.all_required(ServiceId(2)), [ServiceId(1)]);
        assert_eq!(graph.all_requiring(ServiceId(0)), []);
        assert_eq!(graph.all_dependents(ServiceId(0)), [ServiceId(1), ServiceId(2)]);
    }

    #[test]
    fn reach_is_transitive() {
        let graph = graph(4, &[(3, 2), (2, 1), (1, 0)]).expect("a chain has no cycle");
        assert_eq!(graph.all_providers(ServiceId(2)), [ServiceId(0), ServiceId(1)]);
        assert_eq!(graph.all_dependents(ServiceId(1)), [ServiceId(2), ServiceId(3)]);
    }
}
