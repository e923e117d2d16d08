//! Who needs whom: as JSON, and as text for Graphviz and Mermaid.
//!
//! # Invariants
//!
//! 1. Edges and groups come from the layout, nodes from the statuses.
//! 2. A name of a service or a group is safe in every format: it is made of letters, digits, `-`
//!    and `_`.

use std::fmt::Write as _;

use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use processpype_api::{Edge, GRAPH_FORMATS, Graph, Group, Node, Problem, ServiceState};
use processpype_core::each;
use processpype_runtime::{Layout, NamedEdge, NamedGroup};

use crate::convert;
use crate::query::Query;
use crate::reply::Rendered;
use crate::server::Control;

/// Answers `GET /graph`.
pub(crate) fn graph(
    control: &Control,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let mut query = Query::of(uri);
    let format = query.one_of("format", GRAPH_FORMATS);
    query.finish()?;
    let render = || {
        let graph = Graph {
            nodes: each(&control.manager.statuses(), |status| node(status)),
            edges: edges(&control.manager.layout()),
            groups: groups(&control.manager.layout()),
        };
        match format {
            1 => Rendered::text("text/vnd.graphviz", dot(&graph)),
            2 => Rendered::text("text/plain", mermaid(&graph)),
            _ => Rendered::json(&graph),
        }
    };
    Ok(control.graphs[format].get(|| control.manager.version(), render).respond(headers))
}

/// Returns the edges of an application, for the wire.
pub(crate) fn edges(layout: &Layout) -> Vec<Edge> {
    let edge = |edge: &NamedEdge| Edge {
        dependent: layout.name(edge.dependent).to_string(),
        provider: layout.name(edge.provider).to_string(),
        policy: edge.policy.as_str().to_owned(),
        origin: edge.origin.to_string(),
    };
    each(&layout.edges, edge)
}

/// Returns the groups of an application, for the wire.
pub(crate) fn groups(layout: &Layout) -> Vec<Group> {
    let group = |group: &NamedGroup| Group {
        name: group.name.to_string(),
        strategy: group.strategy.as_str().to_owned(),
        members: each(&group.members, |&id| layout.name(id).to_string()),
        max_restarts: group.limit.max_restarts(),
        within_ms: u64::try_from(group.limit.within().as_millis()).unwrap_or(u64::MAX),
        origin: group.origin.to_string(),
    };
    each(&layout.groups, group)
}

fn node(status: &processpype_runtime::Status) -> Node {
    Node {
        name: status.name.to_string(),
        kind: status.kind.to_string(),
        state: status.state.into(),
        ready: status.ready,
        desired: status.desired.into(),
        enabled: status.enabled,
        waiting_on: convert::names(&status.waiting_on),
    }
}

/// Draws the graph for Graphviz: an arrow leads from who needs to who is needed.
fn dot(graph: &Graph) -> String {
    let mut text = "digraph application {\n  rankdir=BT;\n  node [shape=box];\n".to_owned();
    for node in &graph.nodes {
        let (name, state) = (&node.name, node.state.as_str());
        let style = if node.enabled { "solid" } else { "dotted" };
        let colour = colour(node);
        let _ = writeln!(
            text,
            "  \"{name}\" [label=\"{name}\\n{state}\", color=\"{colour}\", style={style}];"
        );
    }
    for edge in &graph.edges {
        let Edge { dependent, provider, .. } = edge;
        let look = match edge.unusual_policy() {
            None => String::new(),
            Some(label) if edge.gates() => format!(" [label=\"{label}\"]"),
            Some(label) => format!(" [label=\"{label}\", style=dashed]"),
        };
        let _ = writeln!(text, "  \"{dependent}\" -> \"{provider}\"{look};");
    }
    for (i, group) in graph.groups.iter().enumerate() {
        let members: Vec<String> = each(&group.members, |it| format!("\"{it}\""));
        let Group { name, strategy, .. } = group;
        let _ = writeln!(
            text,
            "  subgraph cluster_{i} {{ label=\"{name}: {strategy}\"; {}; }}",
            members.join("; ")
        );
    }
    text + "}\n"
}

/// Draws the graph for Mermaid.
fn mermaid(graph: &Graph) -> String {
    let mut text = "flowchart BT\n".to_owned();
    let id = |name: &str| {
        let at = graph.nodes.iter().position(|node| node.name == name).unwrap_or_default();
        format!("s{at}")
    };
    for (i, node) in graph.nodes.iter().enumerate() {
        let _ = writeln!(text, "  s{i}[\"{}<br>{}\"]", node.name, node.state.as_str());
    }
    for edge in &graph.edges {
        let (from, to) = (id(&edge.dependent), id(&edge.provider));
        let arrow = if edge.gates() { "-->" } else { "-.->" };
        let label = edge.unusual_policy().map_or(String::new(), |policy| format!("|{policy}|"));
        let _ = writeln!(text, "  {from} {arrow}{label} {to}");
    }
    for (i, group) in graph.groups.iter().enumerate() {
        let _ = writeln!(text, "  subgraph g{i}[\"{}: {}\"]", group.name, group.strategy);
        for member in &group.members {
            let _ = writeln!(text, "    {}", id(member));
        }
        text.push_str("  end\n");
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        let _ = writeln!(text, "  style s{i} stroke:{}", colour(node));
    }
    text
}

fn colour(node: &Node) -> &'static str {
    match node.state {
        ServiceState::Running if node.ready => "green",
        ServiceState::Running | ServiceState::Starting | ServiceState::Stopping => "orange",
        ServiceState::Stopped => "gray",
        ServiceState::Error => "red",
    }
}
