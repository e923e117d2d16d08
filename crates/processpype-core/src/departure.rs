//! Who may leave a running application because the files do not name it any more.
//!
//! # Invariants
//!
//! 1. Nobody leaves to whom somebody keeps an edge: with a service that stays, all stay that it
//!    needs, through however many others.
//! 2. Dependents leave before those that they need.

use crate::graph::{Graph, ServiceId};

/// What becomes of services that are to leave together.
///
/// ```
/// use processpype_core::{Departures, Edge, Graph, ServiceId};
///
/// let [db, api, tool] = [ServiceId(0), ServiceId(1), ServiceId(2)];
/// let needs = |dependent, provider| Edge { dependent, provider };
/// let graph = Graph::new(3, [needs(api, db), needs(tool, db)])?;
/// let together = Departures::of(&graph, &[db, api, tool]);
/// assert_eq!(together.order.last(), Some(&db), "whom others need leaves last");
/// let without_tool = Departures::of(&graph, &[db, api]);
/// assert_eq!(without_tool.order, [api]);
/// assert_eq!(without_tool.kept, [(db, vec![tool])]);
/// # Ok::<(), processpype_core::Cycle>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Departures {
    /// Those that leave, dependents first.
    pub order: Vec<ServiceId>,
    /// Those that stay, each with whoever stays and has an edge to it, of whatever policy.
    pub kept: Vec<(ServiceId, Vec<ServiceId>)>,
}

// === impl Departures ===

impl Departures {
    /// Decides about all of `gone`.
    #[must_use]
    pub fn of(graph: &Graph, gone: &[ServiceId]) -> Self {
        let mut leaves = vec![false; graph.len()];
        let mut decided = Self::default();
        let dependents_first = graph.waves().into_iter().rev().flatten();
        for id in dependents_first.filter(|id| gone.contains(id)) {
            let holders = graph.dependents(id).iter().copied();
            let holders: Vec<ServiceId> = holders.filter(|it| !leaves[it.index()]).collect();
            if holders.is_empty() {
                leaves[id.index()] = true;
                decided.order.push(id);
            } else {
                decided.kept.push((id, holders));
            }
        }
        decided
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Edge;

    /// Checks who leaves, in order, and who stays, in a chain `0 ← 1 ← 2 ← 3`.
    #[track_caller]
    fn check(gone: &[u32], order: &[u32], kept: &[u32]) {
        let edge = |id| Edge { dependent: ServiceId(id + 1), provider: ServiceId(id) };
        let graph = Graph::new(4, (0..3).map(edge)).expect("a chain");
        let ids = |all: &[u32]| all.iter().copied().map(ServiceId).collect::<Vec<_>>();
        let departures = Departures::of(&graph, &ids(gone));
        assert_eq!(departures.order, ids(order));
        assert_eq!(departures.kept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), ids(kept));
        for (id, holders) in departures.kept {
            assert_eq!(holders, [ServiceId(id.0 + 1)]);
        }
    }

    #[test]
    fn whoever_stays_keeps_all_that_it_needs() {
        check(&[], &[], &[]);
        check(&[3], &[3], &[]);
        check(&[0, 1, 2, 3], &[3, 2, 1, 0], &[]);
        check(&[3, 2], &[3, 2], &[]);
        check(&[0, 1, 3], &[3], &[1, 0]);
        check(&[0], &[], &[0]);
    }
}
