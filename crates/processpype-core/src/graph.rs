//! Who needs whom: the dependency graph of an application.
//!
//! # Invariants
//!
//! 1. A [`Graph`] has no cycle: [`Graph::new`] refuses one and returns its path.
//! 2. Order is deterministic: where the graph leaves a choice, the smaller [`ServiceId`] comes
//!    first.
//! 3. Parallel edges count once.

use std::fmt;

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
}

// === impl ServiceId ===

impl ServiceId {
    /// Returns the id as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

// === impl Graph ===

impl Graph {
    /// Makes the graph of `services` services from their edges.
    ///
    /// # Errors
    ///
    /// Returns the [`Cycle`] with the smallest entry if the edges contain one.
    ///
    /// # Panics
    ///
    /// Panics if an edge names a service that is not below `services`.
    pub fn new(services: u32, edges: impl IntoIterator<Item = Edge>) -> Result<Self, Cycle> {
        let mut edges: Vec<Edge> = edges.into_iter().collect();
        assert!(
            edges.iter().all(|edge| edge.dependent.0 < services && edge.provider.0 < services),
            "an edge names a service outside the graph"
        );
        edges.sort_unstable();
        edges.dedup();
        let providers = Adjacency::new(services, edges.iter().map(|e| (e.dependent, e.provider)));
        let dependents = Adjacency::new(services, edges.iter().map(|e| (e.provider, e.dependent)));
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
    let mut seen = vec![false; adjacency.starts.len() - 1];
    let mut stack = adjacency.of(from).to_vec();
    while let Some(service) = stack.pop() {
        if !std::mem::replace(&mut seen[service.index()], true) {
            stack.extend_from_slice(adjacency.of(service));
        }
    }
    let ids = (0..seen.len() as u32).map(ServiceId);
    ids.filter(|service| seen[service.index()]).collect()
}

// === impl Adjacency ===

impl Adjacency {
    fn new(services: u32, pairs: impl Iterator<Item = (ServiceId, ServiceId)> + Clone) -> Self {
        let mut starts = vec![0_u32; services as usize + 1];
        for (from, _) in pairs.clone() {
            starts[from.index() + 1] += 1;
        }
        for i in 0..services as usize {
            starts[i + 1] += starts[i];
        }
        let mut fill = starts.clone();
        let mut targets = vec![ServiceId(0); starts[services as usize] as usize];
        for (from, to) in pairs {
            let slot = &mut fill[from.index()];
            targets[*slot as usize] = to;
            *slot += 1;
        }
        Self { starts, targets }
    }

    fn of(&self, service: ServiceId) -> &[ServiceId] {
        let i = service.index();
        &self.targets[self.starts[i] as usize..self.starts[i + 1] as usize]
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
    fn reach_is_transitive() {
        let graph = graph(4, &[(3, 2), (2, 1), (1, 0)]).expect("a chain has no cycle");
        assert_eq!(graph.all_providers(ServiceId(2)), [ServiceId(0), ServiceId(1)]);
        assert_eq!(graph.all_dependents(ServiceId(1)), [ServiceId(2), ServiceId(3)]);
    }
}
