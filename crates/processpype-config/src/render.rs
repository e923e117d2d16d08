//! How problems look: the shape that Rust's own compiler made familiar.
//!
//! # Invariant
//!
//! `file:line:column` and the path of the value appear literally, so that an editor can jump there
//! and `grep` finds it. Colours only add; they never carry meaning alone.
//!
//! # The frame
//!
//! ```text
//! error: invalid value for `services.counter.step`: 0 is less than 1
//!   --> app.yaml:3:11
//!   |
//! 3 |     step: 0
//!   |           ^ expected a whole number of at least 1
//!   = note: overrides defaults.yaml:9:5
//!   = help: …
//! ```
//!
//! The mark stands below its characters however wide they are: places are counted in characters,
//! and marks in columns.
//!
//! The remarks come in a fixed order: why (notes), which word (nearest, valid), what to do (help).
//! The gutter is as wide as the line's number. A problem without a source line says its label as a
//! note.

use std::fmt::Write as _;
use std::str::Chars;

use processpype_core::each;
use unicode_width::UnicodeWidthChar as _;

use crate::limits::MAX_PRINTED;
use crate::origin::Origin;
use crate::report::{Problem, Report};

/// Terminal styles; all empty when colours are off.
///
/// Plain ANSI codes: writing them is the only dependency on a terminal.
struct Paint {
    error: &'static str,
    frame: &'static str,
    bold: &'static str,
    reset: &'static str,
}

const PLAIN: Paint = Paint { error: "", frame: "", bold: "", reset: "" };
const COLORED: Paint =
    Paint { error: "\x1b[1;31m", frame: "\x1b[1;34m", bold: "\x1b[1m", reset: "\x1b[0m" };

/// The text of a whole report.
pub(crate) fn report(report: &Report, color: bool) -> String {
    let shown = report.problems().len().min(MAX_PRINTED);
    let texts: Vec<_> = each(&report.problems()[..shown], |p| problem(p, color));
    let mut out = texts.join("\n");
    let more = report.count() - shown;
    if more > 0 {
        let _ = writeln!(out, "\nand {more} more");
    }
    out
}

/// The text of one problem, with a line feed at its end.
pub(crate) fn problem(problem: &Problem, color: bool) -> String {
    let paint = if color { &COLORED } else { &PLAIN };
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_problem(&mut out, problem, paint);
    out
}

/// The source line with its mark, one text for each line.
pub(crate) fn excerpt(problem: &Problem) -> Vec<String> {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = write_snippet(&mut out, problem, &PLAIN);
    out.lines().map(str::to_owned).collect()
}

/// Headline, place, source line, remarks.
fn write_problem(out: &mut String, problem: &Problem, paint: &Paint) -> std::fmt::Result {
    let Paint { error, frame, bold, reset } = paint;
    writeln!(out, "{error}error{reset}{bold}: {}{reset}", headline(problem))?;
    if let Some(place) = place(problem) {
        writeln!(out, "  {frame}-->{reset} {place}")?;
    }
    let gutter = write_snippet(out, problem, paint)?;
    for (word, text) in remarks(problem) {
        let mut lines = text.lines();
        let first = lines.next().unwrap_or_default();
        writeln!(out, "{:gutter$} {frame}={reset} {bold}{word}{reset}: {first}", "")?;
        // Lines to write stand below it, deeper than whatever begins a remark.
        for line in lines {
            writeln!(out, "{:gutter$}     {line}", "")?;
        }
    }
    Ok(())
}

/// The message; the path goes in front unless the message names it.
fn headline(problem: &Problem) -> String {
    let (path, message) = (problem.path(), problem.message());
    if path.is_empty() || message.contains(path) {
        message.to_owned()
    } else {
        format!("in `{path}`: {message}")
    }
}

fn place(problem: &Problem) -> Option<String> {
    match (problem.origin()?, problem.position()) {
        (Origin::Body, Some((line, column))) => Some(format!("request body:{line}:{column}")),
        (origin, _) => Some(origin.to_string()),
    }
}

/// The source line with its mark; returns the width of the line numbers.
fn write_snippet(
    out: &mut String,
    problem: &Problem,
    paint: &Paint,
) -> Result<usize, std::fmt::Error> {
    let Paint { error, frame, reset, .. } = paint;
    let (Some(snippet), Some((line, _))) = (problem.snippet(), problem.position()) else {
        return Ok(2);
    };
    let number = line.to_string();
    let width = number.len();
    let mut text = snippet.text.chars();
    let before = columns(&mut text, snippet.before);
    let mark = "^".repeat(columns(&mut text, snippet.marked).max(1));
    let label = problem.label_text();
    let gap = if label.is_empty() { "" } else { " " };
    writeln!(out, "{:width$} {frame}|{reset}", "")?;
    writeln!(out, "{frame}{number} |{reset} {}", snippet.text)?;
    writeln!(out, "{:width$} {frame}|{reset} {:before$}{error}{mark}{gap}{label}{reset}", "", "")?;
    Ok(width)
}

/// How many columns of a terminal the next `count` characters take; one each past the end.
fn columns(text: &mut Chars<'_>, count: usize) -> usize {
    let width = |c: Option<char>| c.map_or(1, |c| c.width().unwrap_or_default());
    (0..count).map(|_| width(text.next())).sum()
}

/// The lines below the snippet: word and text.
fn remarks(problem: &Problem) -> Vec<(&'static str, String)> {
    let mut remarks: Vec<_> = reasons(problem).into_iter().map(|it| ("note", it)).collect();
    if let Some(nearest) = problem.nearest_choice() {
        remarks.push(("help", format!("did you mean `{nearest}`?")));
    }
    if let Some(valid) = valid(problem) {
        remarks.push(("valid", valid));
    }
    remarks.extend(problem.help_text().map(|help| ("help", help.to_owned())));
    remarks
}

/// The notes.
pub(crate) fn reasons(problem: &Problem) -> Vec<String> {
    let label = problem.label_text();
    let label = (problem.snippet().is_none() && !label.is_empty()).then(|| label.to_owned());
    let first = label.into_iter().chain(overrides(problem));
    first.chain(problem.notes().iter().cloned()).collect()
}

/// The chain of places, nearest first.
fn overrides(problem: &Problem) -> Option<String> {
    let places: Vec<_> = each(problem.overrides(), ToString::to_string);
    (!places.is_empty()).then(|| format!("overrides {}", places.join(", which overrides ")))
}

/// What would be valid, cut to what a person reads.
fn valid(problem: &Problem) -> Option<String> {
    let (listed, more) = problem.listed();
    let list = listed.join(", ");
    match (listed.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(list),
        (false, more) => Some(format!("{list} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use crate::{Format, Loader};

    /// Checks that the mark stands below `mark`, and is as wide.
    #[track_caller]
    fn check(text: &str, mark: &str) {
        let report = Loader::new().text("app.yaml", Format::Yaml, text).load().expect_err("twice");
        let shown = report.to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let at = lines.iter().position(|line| line.contains('^')).expect("a mark");
        let (before, _) = lines[at - 1].rsplit_once(mark).expect("the line");
        let (space, _) = lines[at].split_once('^').expect("a mark");
        assert_eq!(space.width(), before.width(), "{shown}");
        assert_eq!(lines[at].matches('^').count(), mark.width(), "{shown}");
    }

    #[test]
    fn the_mark_stands_below_what_is_wide() {
        check("{a: 1, bc: 2, bc: 3}", "bc");
        check("{名前: 1, bc: 2, bc: 3}", "bc");
        check("{a: 1, 名前: 2, 名前: 3}", "名前");
        check("{e\u{301}: 1, bc: 2, bc: 3}", "bc");
    }
}
