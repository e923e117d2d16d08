//! Tables whose columns are as wide as their cells, and whose last one gives way.

use anstyle::Style;

use crate::print::BOLD;

/// Between two columns.
const GAP: &str = "  ";

/// The least that a last column is cut to.
const LAST_MIN: usize = 8;

/// What stands in one place.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

// === impl Cell ===

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::styled(text, Style::new())
    }
}

/// Writes rows below a head.
pub(crate) fn table(head: &[&str], rows: &[Vec<Cell>], width: Option<usize>) -> String {
    let head: Vec<Cell> = head.iter().map(|text| Cell::styled(*text, BOLD)).collect();
    let all: Vec<&Vec<Cell>> = std::iter::once(&head).chain(rows).collect();
    let columns = head.len();
    let widest = |column: usize| all.iter().map(|row| count(&row[column].text)).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..columns).map(widest).collect();
    if let (Some(width), Some((last, others))) = (width, widths.split_last_mut()) {
        let before: usize = others.iter().map(|it| it + GAP.len()).sum();
        *last = (*last).min(width.saturating_sub(before).max(LAST_MIN));
    }
    let lines: Vec<String> = all.iter().map(|row| line(row, &widths)).collect();
    lines.join("\n")
}

fn line(row: &[Cell], widths: &[usize]) -> String {
    let last = row.len() - 1;
    let cells = row.iter().zip(widths).enumerate().map(|(i, (cell, width))| {
        let Cell { text, style } = cell;
        let text = cut(text, *width);
        let space = if i == last { 0 } else { width - count(&text) };
        let text = if text.is_empty() { text } else { format!("{style}{text}{style:#}") };
        format!("{text}{:space$}", "")
    });
    let cells: Vec<String> = cells.collect();
    cells.join(GAP).trim_end().to_owned()
}

/// Cuts a text to a width.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if count(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn count(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(width: Option<usize>, expected: &str) {
        let rows = [vec![Cell::from("api"), "a long story".into()], vec!["b".into(), "".into()]];
        let text =
            anstream::adapter::strip_str(&table(&["NAME", "WHAT"], &rows, width)).to_string();
        assert_eq!(text, expected);
    }

    #[test]
    fn the_last_column_gives_way() {
        check(None, "NAME  WHAT\napi   a long story\nb");
        check(Some(18), "NAME  WHAT\napi   a long story\nb");
        check(Some(15), "NAME  WHAT\napi   a long s…\nb");
        check(Some(3), "NAME  WHAT\napi   a long…\nb");
    }
}
