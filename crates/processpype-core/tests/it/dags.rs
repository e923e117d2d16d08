//! All directed acyclic graphs on a few services, up to isomorphism.

use std::collections::BTreeSet;

use processpype_core::{Edge, EdgePolicy, Graph, Group, Groups, ServiceId, Strategy};

/// A relabelling: `permutation[old] = new`.
pub(crate) type Permutation = Vec<usize>;

/// Returns one graph of every isomorphism class on `n` services.
pub(crate) fn dags(n: usize) -> Vec<Graph> {
    let pairs = pairs(n);
    let relabellings = permutations(n);
    let smallest = |mask: u32| {
        let edges = edges_of(mask, &pairs);
        relabellings.iter().map(|p| adjacency(&edges, p, n)).min().unwrap_or(0)
    };
    // Every acyclic graph has a labelling in which each edge leads from a larger to a smaller
    // number.
    let classes: BTreeSet<u32> = (0..1 << pairs.len()).map(smallest).collect();
    classes.into_iter().map(|class| graph_of(class, n)).collect()
}

/// Returns every relabelling of `graph` that gives the same graph.
pub(crate) fn automorphisms(graph: &Graph) -> Vec<Permutation> {
    let n = graph.len();
    let edges: Vec<(usize, usize)> =
        graph.edges().map(|e| (e.dependent.index(), e.provider.index())).collect();
    let identity: Permutation = (0..n).collect();
    let same = adjacency(&edges, &identity, n);
    let moved = |p: &Permutation, id: ServiceId| ServiceId(p[id.index()] as u32);
    let keeps = |p: &Permutation| {
        graph.edges().all(|edge| {
            let (dependent, provider) = (moved(p, edge.dependent), moved(p, edge.provider));
            graph.policy(edge) == graph.policy(Edge { dependent, provider })
        })
    };
    let permutations = permutations(n).into_iter();
    permutations.filter(|p| adjacency(&edges, p, n) == same && keeps(p)).collect()
}

/// Returns every way to lay `n` services in two or more layers, each of which needs all of the one
/// below it: chains, stars, diamonds and what is between them.
pub(crate) fn layered(n: usize) -> Vec<Graph> {
    // Between each service and the next there is a new layer or not.
    (1..1_u32 << (n - 1)).map(|cuts| layers(n, cuts)).collect()
}

fn layers(n: usize, cuts: u32) -> Graph {
    let layer_of = |id: usize| (cuts & ((1 << id) - 1)).count_ones();
    let pairs = (0..n).flat_map(|dependent| (0..n).map(move |provider| (dependent, provider)));
    let needs =
        |&(dependent, provider): &(usize, usize)| layer_of(dependent) == layer_of(provider) + 1;
    let id = |id: usize| ServiceId(id as u32);
    let edges = pairs.filter(needs).map(|(d, p)| Edge { dependent: id(d), provider: id(p) });
    Graph::new(n as u32, edges).expect("each needs a layer below its own")
}

/// Returns every graph of [`dags`] with every policy on every edge, but for all of them hold.
pub(crate) fn policed(n: usize) -> Vec<Graph> {
    let labelled = |graph: &Graph| {
        let edges: Vec<Edge> = graph.edges().collect();
        let count = EdgePolicy::ALL.len().pow(edges.len() as u32);
        (0..count).map(move |label| label_edges(n, &edges, label)).collect::<Vec<_>>()
    };
    let all = dags(n);
    let mut graphs: Vec<Graph> = all.iter().flat_map(labelled).collect();
    graphs.retain(|graph| !all.contains(graph));
    graphs
}

/// Returns every graph of [`dags`] with one group of two or more services, of each strategy that
/// does more than its members do by themselves; a rest-for-one group in every order that the graph
/// allows, with the edges that this order asks for.
pub(crate) fn grouped(n: usize) -> Vec<(Graph, Groups)> {
    let mut found = Vec::new();
    for graph in dags(n) {
        for order in (2..=n).flat_map(|size| arrangements(n, size)) {
            if order.is_sorted() {
                found.push((graph.clone(), one_group(n, Strategy::OneForAll, &order)));
            }
            let chain = order.windows(2).map(|pair| (pair[1], pair[0]));
            let edges = graph.edges().chain(chain.map(|(dependent, provider)| {
                let [dependent, provider] = [dependent, provider].map(|id| ServiceId(id as u32));
                Edge { dependent, provider }
            }));
            if let Ok(graph) = Graph::new(n as u32, edges) {
                found.push((graph, one_group(n, Strategy::RestForOne, &order)));
            }
        }
    }
    found
}

fn one_group(n: usize, strategy: Strategy, order: &[usize]) -> Groups {
    let members = order.iter().map(|&id| ServiceId(id as u32)).collect();
    Groups::new(n as u32, [Group { strategy, members }]).expect("each is a member once")
}

/// Returns every choice of `size` of `n` numbers, in every order.
fn arrangements(n: usize, size: usize) -> Vec<Vec<usize>> {
    let chosen = (0..1_u32 << n).filter(|set| set.count_ones() as usize == size);
    let members = |set: u32| (0..n).filter(|id| set >> id & 1 == 1).collect::<Vec<_>>();
    let order = |set: Vec<usize>| {
        permutations(size).into_iter().map(move |p| p.iter().map(|&at| set[at]).collect())
    };
    chosen.map(members).flat_map(order).collect()
}

fn label_edges(n: usize, edges: &[Edge], label: usize) -> Graph {
    let policies = EdgePolicy::ALL;
    let policy = |i: usize| policies[label / policies.len().pow(i as u32) % policies.len()];
    let edges = edges.iter().enumerate().map(|(i, &edge)| (edge, policy(i)));
    Graph::with_policies(n as u32, edges).expect("a labelled acyclic graph is acyclic")
}

fn pairs(n: usize) -> Vec<(usize, usize)> {
    (0..n).flat_map(|dependent| (0..dependent).map(move |provider| (dependent, provider))).collect()
}

fn edges_of(mask: u32, pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let chosen = pairs.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
    chosen.map(|(_, &pair)| pair).collect()
}

fn adjacency(edges: &[(usize, usize)], relabel: &[usize], n: usize) -> u32 {
    edges.iter().map(|&(d, p)| 1 << (relabel[d] * n + relabel[p])).sum()
}

fn graph_of(adjacency: u32, n: usize) -> Graph {
    let at = |bit: usize| Edge {
        dependent: ServiceId((bit / n) as u32),
        provider: ServiceId((bit % n) as u32),
    };
    let edges = (0..n * n).filter(|bit| adjacency >> bit & 1 == 1).map(at);
    Graph::new(n as u32, edges).expect("a relabelled acyclic graph is acyclic")
}

fn permutations(n: usize) -> Vec<Permutation> {
    let mut all = vec![Vec::new()];
    for next in 0..n {
        let grow = |p: Permutation| (0..=next).map(move |at| inserted(&p, at, next));
        all = all.into_iter().flat_map(grow).collect();
    }
    all
}

fn inserted(permutation: &[usize], at: usize, value: usize) -> Permutation {
    let mut longer = permutation.to_vec();
    longer.insert(at, value);
    longer
}

#[test]
fn the_classes_are_as_many_as_known() {
    // OEIS A003087.
    assert_eq!([1, 2, 3, 4, 5].map(|n| dags(n).len()), [1, 2, 6, 31, 302]);
}

#[test]
fn layers_are_some_of_the_classes_each_another() {
    let class = |graph: &Graph| {
        let edges: Vec<_> =
            graph.edges().map(|e| (e.dependent.index(), e.provider.index())).collect();
        permutations(4).iter().map(|p| adjacency(&edges, p, 4)).min()
    };
    let classes: BTreeSet<_> = layered(4).iter().map(class).collect();
    assert_eq!(classes.len(), 7);
    assert!(classes.is_subset(&dags(4).iter().map(class).collect()));
}

#[test]
fn an_empty_graph_is_symmetric_and_a_chain_is_not() {
    let all = dags(4);
    let most = all.iter().map(|graph| automorphisms(graph).len()).max();
    let least = all.iter().map(|graph| automorphisms(graph).len()).min();
    assert_eq!((least, most), (Some(1), Some(24)));
}
