//! The table of services.
//!
//! # Invariants
//!
//! 1. Name and state are never left out, and a state is never cut before its name is.
//! 2. Which rows are shown follows from the selection alone: it is in the middle where there is
//!    enough on both sides.

use processpype_api::{Restart, ServiceStatus};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::Theme;
use crate::top::model::{Link, Model};
use crate::view::Paper;
use crate::view::status::what;
use crate::view::table::{columns as wide, pad};

/// The widest name that is not cut.
const NAME_MAX: usize = 24;

/// What the last column keeps when another one is added.
const WHAT_MIN: usize = 16;

/// What stands in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    Name,
    State,
    Ready,
    Wanted,
    Retry,
    Generation,
    For,
    What,
}

/// The columns between state and the last one, the most useful first.
const SPARE: [Column; 5] =
    [Column::For, Column::Ready, Column::Retry, Column::Wanted, Column::Generation];

/// Draws the table.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let rows = model.rows();
    let longest = rows.iter().map(|it| wide(&it.name)).max().unwrap_or(0);
    let columns = columns(usize::from(area.width), longest);
    let selected = rows.iter().position(|it| Some(&it.name) == model.selected.as_ref());
    let height = usize::from(area.height.saturating_sub(1));
    let first = first(selected.unwrap_or(0), rows.len(), height);
    let head = columns.iter().map(|&(column, width)| pad(column.head(), width));
    let head = format!("  {}", head.collect::<Vec<_>>().join(" "));
    let mut lines = vec![Line::styled(head, Modifier::BOLD)];
    for (i, it) in rows.iter().enumerate().skip(first).take(height) {
        lines.push(line(model, theme, &columns, it, selected == Some(i)));
    }
    if rows.is_empty() {
        lines.push(Line::raw("  no service matches the filter; Esc shows all"));
    }
    for (line, y) in lines.into_iter().zip(area.y..area.y + area.height) {
        frame.render_widget(line, Rect { y, height: 1, ..area });
    }
}

/// Returns the columns that fit, with their widths.
fn columns(width: usize, longest: usize) -> Vec<(Column, usize)> {
    let state = Column::State.width();
    // Two for the mark of the selection, one between two columns.
    let free = width.saturating_sub(2 + state + 1);
    let name = longest.clamp(Column::Name.head().len(), NAME_MAX).min(free);
    let mut left = free.saturating_sub(name + 1);
    let mut columns = vec![(Column::Name, name), (Column::State, state)];
    for column in SPARE {
        let width = column.width();
        if left < width + 1 + WHAT_MIN {
            break;
        }
        columns.push((column, width));
        left -= width + 1;
    }
    if left > Column::What.head().len() {
        columns.push((Column::What, left));
    }
    columns.sort_by_key(|(column, _)| *column);
    columns
}

/// Returns the first row to show.
fn first(selected: usize, rows: usize, height: usize) -> usize {
    selected.saturating_sub(height / 2).min(rows.saturating_sub(height))
}

fn line(
    model: &Model,
    theme: Theme,
    columns: &[(Column, usize)],
    it: &ServiceStatus,
    is_selected: bool,
) -> Line<'static> {
    let mut spans = vec![Span::raw(if is_selected { "> " } else { "  " })];
    for (i, &(column, width)) in columns.iter().enumerate() {
        let style = if column == Column::State { theme.state(it.state) } else { Style::new() };
        let gap = if i == 0 { "" } else { " " };
        spans.push(Span::raw(gap));
        spans.push(Span::styled(pad(&column.text(model, it), width), style));
    }
    let line = Line::from(spans);
    match model.link {
        _ if is_selected => line.patch_style(Modifier::REVERSED),
        Link::Lost { .. } => line.patch_style(Modifier::DIM),
        Link::Up => line,
    }
}

/// Says which restart in a row comes next, and in how long.
fn retry(restart: &Restart, paper: Paper) -> String {
    let number = restart.attempt;
    match restart.next_at.and_then(|at| paper.until(at)) {
        _ if restart.exhausted => "none".to_owned(),
        _ if restart.held => format!("#{number} held"),
        Some(time) => format!("#{number} {time}"),
        None => format!("#{number}"),
    }
}

// === impl Column ===

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::State => "STATE",
            Self::Ready => "READY",
            Self::Wanted => "WANTED",
            Self::Retry => "RETRY",
            Self::Generation => "GEN",
            Self::For => "FOR",
            Self::What => "WHAT",
        }
    }

    /// How wide it is, but for the two that take what there is.
    fn width(self) -> usize {
        match self {
            Self::Name | Self::What => 0,
            Self::State => 8,
            Self::Ready => 5,
            Self::Wanted => 7,
            Self::Generation => 4,
            Self::Retry => 8,
            Self::For => 6,
        }
    }

    fn text(self, model: &Model, it: &ServiceStatus) -> String {
        let paper = Paper { width: None, now: Some(model.now()) };
        match self {
            Self::Name => it.name.clone(),
            Self::State => it.state.as_str().to_owned(),
            Self::Ready => if it.ready { "yes" } else { "-" }.to_owned(),
            Self::Wanted if !it.enabled => "never".to_owned(),
            Self::Wanted => it.desired.as_str().to_owned(),
            Self::Retry => {
                it.restart.as_ref().map_or_else(|| "-".to_owned(), |it| retry(it, paper))
            }
            Self::Generation => it.generation.to_string(),
            Self::For => paper.ago(it.since).unwrap_or_default(),
            Self::What => what(it, paper),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_give_way_from_the_least_useful() {
        let names = |width| {
            let columns = columns(width, 10);
            let whole: usize = columns.iter().map(|(_, width)| width + 1).sum::<usize>() + 1;
            assert!(whole <= width.max(15), "{width}: {columns:?}");
            columns.iter().map(|(column, _)| column.head()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(80), "NAME STATE READY WANTED RETRY GEN FOR WHAT");
        assert_eq!(names(70), "NAME STATE READY WANTED RETRY FOR WHAT");
        assert_eq!(names(60), "NAME STATE READY RETRY FOR WHAT");
        assert_eq!(names(40), "NAME STATE WHAT");
        assert_eq!(names(24), "NAME STATE");
        assert_eq!(names(5), "NAME STATE");
    }

    #[test]
    fn the_selection_is_always_shown() {
        for rows in 0..40_usize {
            for height in 1..20 {
                for selected in 0..rows {
                    let first = first(selected, rows, height);
                    assert!((first..first + height).contains(&selected));
                    assert!(first + height <= rows || first == 0);
                }
            }
        }
    }
}
