//! Graph, timeline, and what the application is.

use processpype_api::{Graph, Info, Node, Timeline, TimelineService, Timestamp};

use super::table::{Cell, table};
use super::{Paper, plan, span};
use crate::print::{BOLD, style_of};

/// How wide the whole start is drawn.
const BAR: u64 = 30;

/// Shows who needs whom, one service on a line.
pub(crate) fn graph(graph: &Graph, paper: Paper) -> String {
    let needs = |node: &Node| {
        let edges = graph.edges.iter().filter(|edge| edge.dependent == node.name);
        let needs = edges.map(|edge| match edge.unusual_policy() {
            None => edge.provider.clone(),
            Some(policy) => format!("{} ({policy})", edge.provider),
        });
        needs.collect::<Vec<_>>().join(", ")
    };
    let row = |node: &Node| {
        let state = Cell::styled(node.state.as_str(), style_of(node.state));
        vec![node.name.as_str().into(), state, needs(node).into()]
    };
    let rows: Vec<Vec<Cell>> = graph.nodes.iter().map(row).collect();
    let mut text = table(&["NAME", "STATE", "NEEDS"], &rows, paper.width);
    for group in &graph.groups {
        text.push_str(&format!("\n{}", plan::group(group)));
    }
    text
}

/// Shows how the start was: `·` is waiting, `█` starting.
pub(crate) fn timeline(timeline: &Timeline, paper: Paper) -> String {
    let mut lines = Vec::new();
    let end = timeline.services.iter().filter_map(|row| row.ready.or(row.waited_until)).max();
    let whole = end.zip(timeline.started_at).map_or(0, |(end, begin)| end.0 - begin.0.min(end.0));
    if let Some(begin) = timeline.started_at {
        let settled = timeline.took_ms.map_or_else(
            || "not settled yet".to_owned(),
            |took| format!("settled after {}", exact(took)),
        );
        lines.push(format!("started at {begin}, {settled}"));
    }
    lines.extend(timeline.note.iter().map(|note| format!("note: {note}")));
    let cell = |ms: Option<u64>| Cell::from(ms.map_or_else(|| "-".to_owned(), exact));
    let row = |row: &TimelineService| {
        let tries =
            if row.attempts > 1 { format!(" at try {}", row.attempts) } else { String::new() };
        vec![
            row.service.as_str().into(),
            cell(row.waited_ms),
            cell(row.took_ms),
            format!("{}{tries}", row.outcome).into(),
            bar(row, timeline.started_at, whole).into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = timeline.services.iter().map(row).collect();
    lines.push(table(&["NAME", "WAITED", "TOOK", "OUTCOME", ""], &rows, paper.width));
    if !timeline.critical_path.is_empty() {
        lines.push(format!("{BOLD}critical path{BOLD:#} {}", timeline.critical_path.join(" → ")));
    }
    lines.join("\n")
}

/// Shows what the application is.
pub(crate) fn info(info: &Info, _: Paper) -> String {
    let Info { title, version, framework, profile, features, panic, platform, .. } = info;
    let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
    let creatable = match &info.creatable_kinds[..] {
        [] => "no kind".to_owned(),
        kinds => kinds.join(", "),
    };
    let uptime = span(info.uptime_seconds.saturating_mul(1000));
    format!(
        "{BOLD}{title}{BOLD:#} {version}\n  framework  processpype {framework}\n  build      \
         {profile}, {platform}, panics {panic}\n  features   {features}\n  process    {}, for \
         {uptime} (since {})\n  services   {}\n  creatable  {creatable}",
        info.pid, info.started_at, info.services
    )
}

/// Draws when a service waited and when it started.
fn bar(row: &TimelineService, begin: Option<Timestamp>, whole: u64) -> String {
    let (Some(begin), Some(until)) = (begin, row.waited_until) else { return String::new() };
    let column =
        |at: Timestamp| (at.0.saturating_sub(begin.0) * BAR).checked_div(whole).unwrap_or(0);
    let from = column(until).min(BAR - 1);
    let to = row.ready.map_or(from, column).clamp(from, BAR);
    let repeat = |what: &str, times: u64| what.repeat(usize::try_from(times).unwrap_or(0));
    format!("{}{}", repeat("·", from), repeat("█", (to - from).max(1)))
}

/// A time that may be short.
fn exact(ms: u64) -> String {
    if ms < 1000 { format!("{ms}ms") } else { span(ms) }
}
