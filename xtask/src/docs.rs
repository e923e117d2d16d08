//! How much a file and a crate say about themselves.

use crate::source::Source;
use crate::violation::{Rule, Violation};
use crate::workspace::{Crate, Workspace};

/// Lines of documentation per hundred lines of code, in the crates that users see.
pub(crate) const DOCS_PER_HUNDRED: usize = 40;

/// The crates whose types users meet.
const SEEN: &[&str] =
    &["processpype", "processpype-runtime", "processpype-config", "processpype-core"];

/// Headings of one paragraph, or one list, that come last: what else is said stands before them.
const LAST: &[&str] = &["/// # Errors", "/// # Panics", "/// # Cancel safety"];

/// The heading of the map of a crate: a table whose last column names every module.
const MAP: &str = "//! # How the parts fit";

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let silent = workspace.sources().filter(|(_, source)| !source.has_doc);
    let silent = silent.map(|(_, source)| {
        let message = "no `//!` says what this file is for";
        Violation::new(Rule::ModuleDoc, &source.path, "", message).at(1)
    });
    let orders = workspace.sources().flat_map(|(_, source)| check_order(source));
    let maps = workspace.sources().flat_map(|(_, source)| check_map(source));
    let ratios = workspace.crates.iter().filter_map(check_ratio);
    silent.chain(orders).chain(maps).chain(ratios).collect()
}

fn check_order(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    // How many paragraphs the section has so far, while it is one of those.
    let mut section: Option<usize> = None;
    let mut is_between = false;
    for (index, line) in source.text.lines().map(str::trim).enumerate() {
        if !line.starts_with("///") || line.starts_with("/// # ") {
            section = LAST.contains(&line).then_some(0);
            is_between = true;
        } else if line == "///" {
            is_between = true;
        } else if let Some(paragraphs) = section.as_mut().filter(|_| is_between) {
            is_between = false;
            let is_list = line.starts_with("/// - ");
            *paragraphs += usize::from(!is_list);
            if *paragraphs > 1 {
                let message = "it stands below a heading that it does not belong to: move it up";
                found.push(Violation::new(Rule::DocOrder, &source.path, "", message).at(index + 1));
                section = None;
            }
        }
    }
    found
}

/// A map that leaves a room out is worse than none.
fn check_map(source: &Source) -> Vec<Violation> {
    let Some((_, map)) = source.text.split_once(MAP).filter(|_| source.path.ends_with("/lib.rs"))
    else {
        return Vec::new();
    };
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | ")?.split_once(" | "));
    let shown: Vec<&str> =
        rows.flat_map(|(_, names)| names.split('`').skip(1).step_by(2)).collect();
    let declared = source.text.lines().filter_map(|line| {
        let line = line.strip_prefix("pub ").unwrap_or(line);
        line.strip_prefix("mod ")?.strip_suffix(';')
    });
    let declared: Vec<&str> = declared.collect();
    let violation = |name: &str, message: &str| {
        Violation::new(Rule::ModuleMap, &source.path, name, format!("`{name}` {message}"))
    };
    let lost = declared.iter().filter(|name| !shown.contains(name));
    let lost = lost.map(|name| violation(name, "is not in the map of the crate's parts"));
    let stale = shown.iter().filter(|name| !declared.contains(name));
    let stale = stale.map(|name| violation(name, "is in the map of the crate's parts, and gone"));
    lost.chain(stale).collect()
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
    fn a_map_that_is_not_true_is_caught() {
        let code = |modules: &str| {
            format!(
                "//! A doc.\n{MAP}\n//!\n//! | a part | `a` `b` |\n//! | more | `c` |\n{modules}"
            )
        };
        check("any", &code("mod a;\npub mod b;\nmod c;"), &[]);
        check("any", &code("mod a;\nmod b;\nmod c;\nmod d;"), &[Rule::ModuleMap]);
        check("any", &code("mod a;\nmod b;"), &[Rule::ModuleMap]);
        check("any", "//! A doc.\nmod a;", &[]);
    }

    #[test]
    fn prose_below_a_heading_of_one_paragraph_is_caught() {
        let code = |doc: &str| format!("//! A doc.\n{doc}\nuse a::b;");
        let last =
            "/// One.\n///\n/// More.\n///\n/// # Errors\n///\n/// Says why,\n/// at length.";
        check("any", &code(last), &[]);
        check("any", &code(&format!("{last}\n///\n/// # Panics\n///\n/// Never.")), &[]);
        check("any", &code(&format!("{last}\n///\n/// - a list")), &[]);
        check("any", &code(&format!("{last}\n///\n/// And prose.")), &[Rule::DocOrder]);
        check("any", &code(&format!("{last}\n///\n/// ```\n/// ```")), &[Rule::DocOrder]);
        check("any", &code(&format!("{last}\nfn a() {{}}\n/// Other.\n///\n/// More.")), &[]);
    }

    #[test]
    fn a_crate_that_says_too_little_is_caught() {
        let code = |lines| format!("//! One.\n//! Two.\n{}", "use a::b;\n".repeat(lines));
        check("processpype-core", &code(5), &[]);
        check("processpype-core", &code(6), &[Rule::DocRatio]);
        check("processpype-control", &code(6), &[]);
    }
}
