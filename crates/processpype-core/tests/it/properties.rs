//! Graphs, plans and names against plain oracles, on random input.

use std::time::Duration;

use processpype_core::{Budget, Edge, Graph, Plan, ServiceId, ServiceName};
use proptest::prelude::*;

const MAX: u32 = 9;

fn edge((dependent, provider): (u32, u32)) -> Edge {
    Edge { dependent: ServiceId(dependent), provider: ServiceId(provider) }
}

/// Any edges, cycles and doubles included.
fn any_edges() -> impl Strategy<Value = (u32, Vec<Edge>)> {
    (1..=MAX).prop_flat_map(|n| {
        let edges = prop::collection::vec((0..n, 0..n).prop_map(edge), 0..16);
        (Just(n), edges)
    })
}

/// Edges without a cycle: under a random relabelling each leads from a larger to a smaller number.
fn acyclic_edges() -> impl Strategy<Value = (u32, Vec<Edge>)> {
    (1..=MAX).prop_flat_map(|n| {
        let labels = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
        let pairs = prop::collection::vec((0..n, 0..n), 0..24);
        (Just(n), labels, pairs).prop_map(|(n, labels, pairs)| {
            let pairs = pairs.into_iter().filter(|(a, b)| a != b);
            let down = pairs.map(|(a, b)| (labels[a.max(b) as usize], labels[a.min(b) as usize]));
            (n, down.map(edge).collect())
        })
    })
}

/// Which services reach which, by Warshall's algorithm.
fn reach(n: u32, edges: &[Edge]) -> Vec<Vec<bool>> {
    let n = n as usize;
    let mut reach = vec![vec![false; n]; n];
    edges.iter().for_each(|edge| reach[edge.dependent.index()][edge.provider.index()] = true);
    for via in 0..n {
        for from in 0..n {
            for to in 0..n {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    reach
}

/// Runs a start (or, with edges turned round, a stop) second by second; returns when all is done.
fn simulate(n: u32, edges: &[Edge], seconds: &[u64], at_once: usize, pick: u64) -> u64 {
    let mut left: Vec<u64> = seconds.to_vec();
    let mut begun = vec![false; n as usize];
    let (mut time, mut chance) = (0, pick);
    loop {
        let done = |id: usize, begun: &[bool], left: &[u64]| begun[id] && left[id] == 0;
        loop {
            let busy = (0..n as usize).filter(|&id| begun[id] && left[id] > 0).count();
            let free = |edge: &Edge| done(edge.provider.index(), &begun, &left);
            let may = |id: usize| edges.iter().filter(|e| e.dependent.index() == id).all(free);
            let ready: Vec<usize> = (0..n as usize).filter(|&id| !begun[id] && may(id)).collect();
            if ready.is_empty() || busy >= at_once {
                break;
            }
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            begun[ready[(chance >> 33) as usize % ready.len()]] = true;
        }
        if (0..n as usize).all(|id| done(id, &begun, &left)) {
            return time;
        }
        (0..n as usize)
            .filter(|&id| begun[id])
            .for_each(|id| left[id] = left[id].saturating_sub(1));
        time += 1;
    }
}

fn plan(graph: &Graph, starts: &[u64], stops: &[u64], at_once: usize) -> Plan {
    let seconds = |of: &[u64], id: ServiceId| Duration::from_secs(of[id.index()]);
    let budget = |id| Budget { start: seconds(starts, id), stop: seconds(stops, id) };
    Plan::new(graph, |_| true, budget, at_once)
}

proptest! {
    #[test]
    fn a_graph_is_refused_exactly_for_a_cycle((n, edges) in any_edges()) {
        let reach = reach(n, &edges);
        let cyclic = (0..n as usize).any(|id| reach[id][id]);
        match Graph::new(n, edges.clone()) {
            Ok(_) => prop_assert!(!cyclic),
            Err(cycle) => {
                prop_assert!(cyclic);
                let path = cycle.path();
                let next = path.iter().cycle().skip(1);
                for (&dependent, &provider) in path.iter().zip(next) {
                    prop_assert!(edges.contains(&Edge { dependent, provider }), "{path:?}");
                }
                let mut once = path.to_vec();
                once.sort_unstable();
                once.dedup();
                prop_assert_eq!(once.len(), path.len());
            }
        }
    }

    #[test]
    fn waves_are_the_longest_chains((n, edges) in acyclic_edges()) {
        let graph = Graph::new(n, edges.clone()).expect("made without a cycle");
        let waves = graph.waves();
        let wave_of = |id| waves.iter().position(|wave| wave.contains(&id)).expect("in a wave");
        prop_assert_eq!(waves.iter().map(Vec::len).sum::<usize>(), n as usize);
        for id in graph.services() {
            let above = graph.providers(id).iter().map(|&provider| wave_of(provider) + 1).max();
            prop_assert_eq!(wave_of(id), above.unwrap_or(0));
        }
        let reach = reach(n, &edges);
        for id in graph.services() {
            let providers: Vec<ServiceId> =
                graph.services().filter(|to| reach[id.index()][to.index()]).collect();
            prop_assert_eq!(graph.all_providers(id), providers);
            let dependents: Vec<ServiceId> =
                graph.services().filter(|from| reach[from.index()][id.index()]).collect();
            prop_assert_eq!(graph.all_dependents(id), dependents);
        }
    }

    #[test]
    fn no_run_takes_longer_than_its_plan(
        (n, edges) in acyclic_edges(),
        starts in prop::collection::vec(0..6_u64, MAX as usize),
        stops in prop::collection::vec(0..6_u64, MAX as usize),
        at_once in 1..5_usize,
        pick: u64,
    ) {
        let graph = Graph::new(n, edges.clone()).expect("made without a cycle");
        let plan = plan(&graph, &starts, &stops, at_once);
        let start = simulate(n, &edges, &starts[..n as usize], at_once, pick);
        prop_assert!(Duration::from_secs(start) <= plan.start().worst, "{start} {plan:?}");
        let turned: Vec<Edge> =
            edges.iter().map(|e| Edge { dependent: e.provider, provider: e.dependent }).collect();
        let stop = simulate(n, &turned, &stops[..n as usize], usize::MAX, pick);
        prop_assert_eq!(Duration::from_secs(stop), plan.stop().worst);
    }

    #[test]
    fn with_places_for_all_the_start_time_is_exact(
        (n, edges) in acyclic_edges(),
        starts in prop::collection::vec(0..6_u64, MAX as usize),
    ) {
        let graph = Graph::new(n, edges.clone()).expect("made without a cycle");
        let plan = plan(&graph, &starts, &starts, n as usize);
        let start = simulate(n, &edges, &starts[..n as usize], n as usize, 1);
        prop_assert_eq!(Duration::from_secs(start), plan.start().worst);
        let chain = plan.start().critical.iter().map(|id| starts[id.index()]).sum::<u64>();
        prop_assert_eq!(Duration::from_secs(chain), plan.start().worst);
    }

    #[test]
    fn words_make_a_name(words in prop::collection::vec("[a-z][a-z0-9]{0,5}", 1..6), dash: bool) {
        let text = words.join(if dash { "-" } else { "_" });
        let name = ServiceName::new(&text);
        prop_assert_eq!(name.map(|name| name.key()), Ok(words.join("_")));
    }

    #[test]
    fn any_text_is_judged_like_by_the_pattern(text in "[a-zA-Z0-9_\\-./ é]{0,12}") {
        prop_assert_eq!(ServiceName::new(&text).is_ok(), matches_pattern(&text));
    }
}

/// `[a-z][a-z0-9]*([_-][a-z0-9]+)*`, as an automaton.
fn matches_pattern(text: &str) -> bool {
    let mut words = text.split(['_', '-']);
    let first = words.next().unwrap_or_default();
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    word(first) && first.as_bytes()[0].is_ascii_lowercase() && words.all(word)
}
