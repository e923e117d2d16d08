//! Start and stop as plans: in what order, and how long at worst.
//!
//! A plan shows what the [`Machine`](crate::Machine) would do; execution goes edge by edge. The
//! worst-case times are upper bounds that hold for every run in which each service keeps to its own
//! budget or is ended at its end.

use std::time::Duration;

use crate::graph::{Graph, ServiceId};

/// How long one service may take.
///
/// Waiting for its turn is not counted: each time begins when the service is told to start or stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// Constructor and `start` together.
    pub start: Duration,
    /// The whole teardown, from being asked to being gone or given up.
    pub stop: Duration,
}

/// A worst-case time and the chain of services that makes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// The longest that the whole plan can take.
    pub worst: Duration,
    /// The longest chain, in the order of execution.
    pub critical: Vec<ServiceId>,
}

/// The order in which an application starts, and stops backwards.
///
/// ```
/// # use processpype_core as processpype;
/// # use std::time::Duration;
/// # use processpype::{Budget, Edge, Graph, ServiceId};
/// # let graph = Graph::new(2, [Edge { dependent: ServiceId(1), provider: ServiceId(0) }])?;
/// # let budget = Budget { start: Duration::from_secs(30), stop: Duration::from_secs(10) };
/// # let plan = processpype::Plan::new(&graph, |_| true, |_| budget, 8);
/// // Service 1 needs service 0; each may take 30 s to start and 10 s to stop.
/// assert_eq!(plan.stop_waves(), [[ServiceId(1)], [ServiceId(0)]]);
/// assert_eq!(plan.start().worst, Duration::from_secs(60));
/// # Ok::<(), processpype_core::Cycle>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    waves: Vec<Vec<ServiceId>>,
    start: Timing,
    stop: Timing,
}

// === impl Plan ===

impl Plan {
    /// Plans the services for which `included` holds, at most `at_once` starting together.
    ///
    /// Where more services than `at_once` could start together, the start time is Graham's bound
    /// for list scheduling (1966): the longest chain plus the total work divided by the places.
    #[doc(hidden)]
    #[must_use]
    pub fn new(
        graph: &Graph,
        included: impl Fn(ServiceId) -> bool,
        budget: impl Fn(ServiceId) -> Budget,
        at_once: usize,
    ) -> Self {
        Self::made(graph, &included, &budget, at_once)
    }

    /// Compiled once, whoever plans.
    fn made(
        graph: &Graph,
        included: &dyn Fn(ServiceId) -> bool,
        budget: &dyn Fn(ServiceId) -> Budget,
        at_once: usize,
    ) -> Self {
        let mut waves = graph.waves();
        waves.iter_mut().for_each(|wave| wave.retain(|&id| included(id)));
        waves.retain(|wave| !wave.is_empty());
        let order = graph.topological();
        let start_cost = |id| if included(id) { budget(id).start } else { Duration::ZERO };
        let stop_cost = |id| if included(id) { budget(id).stop } else { Duration::ZERO };
        let mut start = longest(graph, &order, start_cost);
        if waves.iter().map(Vec::len).sum::<usize>() > at_once {
            let total: Duration = order.iter().map(|&id| start_cost(id)).sum();
            start.worst += total / u32::try_from(at_once.max(1)).unwrap_or(u32::MAX);
        }
        let mut stop = longest(graph, &order, stop_cost);
        stop.critical.reverse();
        start.critical.retain(|&id| included(id));
        stop.critical.retain(|&id| included(id));
        Self { waves, start, stop }
    }

    /// Returns the services in start order; those of one wave need nothing of each other.
    #[must_use]
    pub fn start_waves(&self) -> &[Vec<ServiceId>] {
        &self.waves
    }

    /// Returns the services in stop order.
    #[must_use]
    pub fn stop_waves(&self) -> Vec<Vec<ServiceId>> {
        self.waves.iter().rev().cloned().collect()
    }

    /// Returns how long starting can take.
    ///
    /// Waiting for readiness is not in it: a service that starts unready delays its dependents by
    /// as long as it likes.
    #[must_use]
    pub fn start(&self) -> &Timing {
        &self.start
    }

    /// Returns how long stopping can take.
    ///
    /// All services that may stop do so at once, so the longest chain is the worst case exactly.
    #[must_use]
    pub fn stop(&self) -> &Timing {
        &self.stop
    }
}

/// Finds the chain of providers whose costs add up to most.
fn longest(graph: &Graph, order: &[ServiceId], cost: impl Fn(ServiceId) -> Duration) -> Timing {
    let mut total = vec![Duration::ZERO; graph.len()];
    let mut before: Vec<Option<ServiceId>> = vec![None; graph.len()];
    for &id in order {
        let slowest = graph.providers(id).iter().copied().max_by_key(|p| total[p.index()]);
        before[id.index()] = slowest;
        let base = slowest.map_or(Duration::ZERO, |provider| total[provider.index()]);
        total[id.index()] = base + cost(id);
    }
    let last = order.iter().copied().max_by_key(|id| total[id.index()]);
    let chain = std::iter::successors(last, |id| before[id.index()]);
    let mut critical: Vec<ServiceId> = chain.collect();
    critical.reverse();
    Timing { worst: last.map_or(Duration::ZERO, |id| total[id.index()]), critical }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Edge;

    fn diamond() -> Graph {
        let edge = |d, p| Edge { dependent: ServiceId(d), provider: ServiceId(p) };
        let edges = [edge(1, 0), edge(2, 0), edge(3, 1), edge(3, 2)];
        Graph::new(4, edges).expect("a diamond has no cycle")
    }

    fn seconds(id: ServiceId) -> Budget {
        let secs = [1, 5, 2, 1][id.index()];
        Budget { start: Duration::from_secs(secs), stop: Duration::from_secs(10 * secs) }
    }

    #[test]
    fn the_longest_chain_bounds_start_and_stop() {
        let plan = Plan::new(&diamond(), |_| true, seconds, 8);
        let chain = [ServiceId(0), ServiceId(1), ServiceId(3)];
        assert_eq!(*plan.start(), Timing { worst: Duration::from_secs(7), critical: chain.into() });
        assert_eq!(plan.stop().worst, Duration::from_secs(70));
        assert_eq!(plan.stop().critical, [ServiceId(3), ServiceId(1), ServiceId(0)]);
    }

    #[test]
    fn few_places_add_the_shared_work() {
        let plan = Plan::new(&diamond(), |_| true, seconds, 1);
        assert_eq!(plan.start().worst, Duration::from_secs(7 + 9));
    }

    #[test]
    fn what_is_left_out_costs_nothing() {
        let plan = Plan::new(&diamond(), |id| id != ServiceId(1), seconds, 8);
        assert_eq!(plan.start().worst, Duration::from_secs(4));
        assert_eq!(plan.start_waves().len(), 3);
        // Nor is it shown in a chain that it would begin.
        let plan = Plan::new(&diamond(), |id| id != ServiceId(0), seconds, 8);
        assert_eq!(plan.start().critical, [ServiceId(1), ServiceId(3)]);
        assert_eq!(plan.stop().critical, [ServiceId(3), ServiceId(1)]);
    }
}
