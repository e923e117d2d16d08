//! How much a file and a crate say about themselves.

use crate::source::Source;
use crate::violation::{Rule, Violation};
use crate::workspace::{Crate, Workspace};

/// Lines of documentation per hundred lines of code, in the crates that users see.
pub(crate) const DOCS_PER_HUNDRED: usize = 40;

/// The crates whose types users meet.
const SEEN: &[&str] =
    &["processpype", "processpype-runtime", "processpype-config", "processpype-core"];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let silent = workspace.sources().filter(|(_, source)| !source.has_doc);
    let silent = silent.map(|(_, source)| {
        let message = "no `//!` says what this file is for";
        Violation::new(Rule::ModuleDoc, &source.path, "", message).at(1)
    });
    silent.chain(workspace.crates.iter().filter_map(check_ratio)).collect()
}

/// Lines of documentation and of code, tests left out.
pub(crate) fn lines(of: &Crate) -> (usize, usize) {
    let source = format!("{}/src/", of.manifest.directory());
    let files = || of.sources.iter().filter(|file| file.path.starts_with(&source));
    (files().map(Source::doc_lines).sum(), files().map(Source::code_lines).sum())
}

fn check_ratio(of: &Crate) -> Option<Violation> {
    let (docs, code) = lines(of);
    let too_few = docs * 100 < code * DOCS_PER_HUNDRED;
    (too_few && SEEN.contains(&of.name())).then(|| {
        let message = format!(
            "{docs} lines of documentation for {code} of code; {DOCS_PER_HUNDRED} per hundred is \
             the least"
        );
        Violation::new(Rule::DocRatio, of.manifest.directory(), of.name(), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    #[track_caller]
    fn check(name: &str, code: &str, expected: &[Rule]) {
        let manifest = format!("[package]\nname = \"{name}\"");
        let files = [("crates/x/Cargo.toml", manifest.as_str()), ("crates/x/src/lib.rs", code)];
        let (workspace, _) = Workspace::new(&Tree::from_files(files));
        let found: Vec<_> = super::check(&workspace).into_iter().map(|v| v.rule).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_file_without_a_doc_is_caught() {
        check("any", "// Not a doc.\nuse a::b;", &[Rule::ModuleDoc]);
        check("any", "//! A doc.\nuse a::b;", &[]);
        check("any", "/// A doc of `b`.\nuse a::b;", &[Rule::ModuleDoc]);
    }

    #[test]
    fn a_crate_that_says_too_little_is_caught() {
        let code = |lines| format!("//! One.\n//! Two.\n{}", "use a::b;\n".repeat(lines));
        check("processpype-core", &code(5), &[]);
        check("processpype-core", &code(6), &[Rule::DocRatio]);
        check("processpype-control", &code(6), &[]);
    }
}
