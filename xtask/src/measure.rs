//! The numbers behind the budgets, for people: `cargo run -p xtask -- measure`.

use std::fmt::Write;

use crate::budgets::lengths;
use crate::docs::lines;
use crate::tree::Tree;
use crate::workspace::{Crate, Workspace};

/// Returns a table with one line for each crate.
#[must_use]
pub fn measure(tree: &Tree) -> String {
    let (workspace, _) = Workspace::new(tree);
    let mut out = String::new();
    let columns = ("crate", "files", "code", "docs", "ratio", "fns", "median", "p90", "longest");
    let (name, files, code, docs, ratio, fns, median, p90, longest) = columns;
    let _ = writeln!(
        out,
        "{name:<24}{files:>6}{code:>7}{docs:>7}{ratio:>7}{fns:>6}{median:>8}{p90:>5}{longest:>9}"
    );
    workspace.crates.iter().for_each(|of| row(&mut out, of));
    out
}

fn row(out: &mut String, of: &Crate) {
    let (docs, code) = lines(of);
    let ratio = docs * 100 / code.max(1);
    let lengths = lengths(of);
    let at = |percent: usize| lengths.get(lengths.len() * percent / 100).copied().unwrap_or(0);
    let longest = lengths.last().copied().unwrap_or(0);
    let _ = writeln!(
        out,
        "{:<24}{:>6}{code:>7}{docs:>7}{ratio:>6}%{:>6}{:>8}{:>5}{longest:>9}",
        of.name(),
        of.sources.len(),
        lengths.len(),
        at(50),
        at(90),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_has_a_row() {
        let manifest = ("crates/x/Cargo.toml", "[package]\nname = \"x\"");
        let code = ("crates/x/src/lib.rs", "//! One.\nfn f() {\n    g();\n}\n");
        let table = measure(&Tree::from_files([manifest, code]));
        let words: Vec<_> =
            table.lines().nth(1).into_iter().flat_map(str::split_whitespace).collect();
        assert_eq!(words, ["x", "1", "3", "1", "33%", "1", "3", "3", "3"]);
    }
}
