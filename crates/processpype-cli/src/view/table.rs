//! Tables whose columns are as wide as their cells, and whose last one gives way.

use anstyle::Style;
use unicode_width::UnicodeWidthStr as _;

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
    let number = head.len();
    let widest =
        |column: usize| all.iter().map(|row| columns(&row[column].text)).max().unwrap_or(0);
    let mut widths: Vec<usize> = (0..number).map(widest).collect();
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
        let space = if i == last { 0 } else { width.saturating_sub(columns(&text)) };
        let text = if text.is_empty() { text } else { format!("{style}{text}{style:#}") };
        format!("{text}{:space$}", "")
    });
    let cells: Vec<String> = cells.collect();
    cells.join(GAP).trim_end().to_owned()
}

/// Cuts a text to a width, in columns of a terminal.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if columns(&kept) + 1 > width {
            kept.pop();
            break;
        }
    }
    // What joins two characters has nothing to join any more.
    format!("{}…", kept.trim_end_matches('\u{200d}').trim_end())
}

/// Fills a text up to a width, or cuts it to that.
#[cfg_attr(not(feature = "top"), expect(dead_code, reason = "only the live view fills cells"))]
pub(crate) fn pad(text: &str, width: usize) -> String {
    let text = cut(text, width);
    let space = width.saturating_sub(columns(&text));
    format!("{text}{:space$}", "")
}

/// How many columns of a terminal a text takes: most characters of East Asia and emoji take two,
/// and what combines with the character before it takes none.
pub(crate) fn columns(text: &str) -> usize {
    text.width()
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
    fn what_is_wide_takes_its_columns() {
        let cells = [vec![Cell::from("倉庫"), "x".into()], vec!["e\u{301}a".into(), "y".into()]];
        let text = anstream::adapter::strip_str(&table(&["N", "W"], &cells, None)).to_string();
        assert_eq!(text, "N     W\n倉庫  x\ne\u{301}a    y");
        for (written, width, expected) in [
            ("倉庫の中", 8, "倉庫の中"),
            ("倉庫の中", 7, "倉庫の…"),
            ("倉庫の中", 6, "倉庫…"),
            ("e\u{301}a", 2, "e\u{301}a"),
            ("👩\u{200d}🚒 fire", 4, "👩\u{200d}🚒…"),
            ("👩\u{200d}🚒 fire", 2, "…"),
        ] {
            assert_eq!(cut(written, width), expected, "{written} {width}");
            assert!(columns(&cut(written, width)) <= width, "{written} {width}");
            assert_eq!(columns(&pad(written, width)), width, "{written} {width}");
        }
    }

    #[test]
    fn the_last_column_gives_way() {
        check(None, "NAME  WHAT\napi   a long story\nb");
        check(Some(18), "NAME  WHAT\napi   a long story\nb");
        check(Some(15), "NAME  WHAT\napi   a long s…\nb");
        check(Some(3), "NAME  WHAT\napi   a long…\nb");
    }
}
