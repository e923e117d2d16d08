//! The papers of the house: changelog, decision records, links between documents and into them.

use std::collections::BTreeMap;

use crate::anchors::anchors;
use crate::tree::Tree;
use crate::violation::{Rule, Violation};

const CHANGELOG: &str = "CHANGELOG.md";
const DECISIONS: &str = "docs/adr/";

/// Where every record is listed, and the number of the one that is none.
const INDEX: &str = "docs/README.md";
const TEMPLATE: &str = "0000";

/// What every record says; some say more.
const PARTS: [&str; 3] = ["## Question", "## Decision", "## Consequences"];

/// How a path in code marks begins; other words in code marks are no paths.
const PATHS: &[&str] = &["crates/", "examples/", "benches/", "xtask/", "docs/", ".ci/", ".config/"];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = check_changelog(tree);
    found.extend(check_decisions(tree));
    found.extend(tree.ending(".md").flat_map(|(path, text)| check_links(tree, path, text)));
    let at_the_root = |path: &str| !path.contains('/') && path != CHANGELOG;
    let guides = tree.ending(".md").filter(|(path, _)| at_the_root(path));
    found.extend(guides.flat_map(|(path, text)| check_paths(tree, path, text)));
    found
}

fn check_changelog(tree: &Tree) -> Vec<Violation> {
    let text = tree.text(CHANGELOG).unwrap_or_default();
    let heads = ["## Unreleased", "## [Unreleased]"];
    let present = text.lines().any(|line| heads.contains(&line.trim_end()));
    let message = "no `## Unreleased` section: the next change has nowhere to go";
    if present { vec![] } else { vec![Violation::new(Rule::Changelog, CHANGELOG, "", message)] }
}

fn check_decisions(tree: &Tree) -> Vec<Violation> {
    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for (path, text) in tree.ending(".md").filter(|(path, _)| path.starts_with(DECISIONS)) {
        let number = number_of(path);
        if number.is_none() {
            found.push(decision(
                path,
                "the name does not begin with a number of four digits and `-`",
            ));
        }
        if let Some(first) = number.and_then(|number| taken.insert(number, path)) {
            found.push(decision(path, &format!("the number is taken by {first}")));
        }
        if !has_title(text) {
            found.push(decision(path, "the first line is no `# title`"));
        }
        if number != Some(TEMPLATE) {
            found.extend(check_record(tree, path, text));
        }
    }
    found
}

fn check_record(tree: &Tree, path: &str, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    if !text.lines().any(|line| line.starts_with("Status: ") && line.contains(" · Date: ")) {
        found.push(decision(path, "there is no line `Status: … · Date: …`"));
    }
    let lacking = PARTS.iter().filter(|part| !text.lines().any(|line| line == **part));
    found.extend(lacking.map(|part| decision(path, &format!("there is no `{part}`"))));
    let index = tree.text(INDEX).unwrap_or_default();
    let is_it = |target: &str| resolve(INDEX, target).is_some_and(|listed| listed == path);
    let listed = links(index).into_iter().filter(|(_, target)| is_it(target)).count();
    if listed != 1 {
        found.push(decision(path, &format!("{INDEX} lists it {listed} times, not once")));
    }
    found
}

fn decision(path: &str, message: &str) -> Violation {
    Violation::new(Rule::Decision, path, "", message)
}

/// The four digits that begin a record's name.
fn number_of(path: &str) -> Option<&str> {
    let (number, _) = path.strip_prefix(DECISIONS)?.split_once('-')?;
    (number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit())).then_some(number)
}

fn has_title(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("# ").is_some_and(|title| !title.trim().is_empty())
}

fn check_links(tree: &Tree, path: &str, text: &str) -> Vec<Violation> {
    let dead = links(text).into_iter().filter_map(|(line, target)| {
        let message = fault(tree, path, target)?;
        Some(Violation::new(Rule::Link, path, target, message).at(line))
    });
    dead.collect()
}

/// Guides name files in code marks, seen from the root; records and the changelog tell of the past.
fn check_paths(tree: &Tree, path: &str, text: &str) -> Vec<Violation> {
    let gone = marked(text).into_iter().filter(|(_, named)| is_path(named) && !tree.has(named));
    gone.map(|(line, named)| {
        let message = format!("`{named}` is not there");
        Violation::new(Rule::Link, path, named, message).at(line)
    })
    .collect()
}

fn is_path(word: &str) -> bool {
    let plain = !word.contains(|mark: char| mark.is_whitespace() || "*{<…:".contains(mark));
    plain && PATHS.iter().any(|start| word.starts_with(start))
}

/// What stands between code marks, with its line.
fn marked(text: &str) -> Vec<(usize, &str)> {
    let numbered = text.lines().enumerate();
    numbered
        .flat_map(|(index, line)| {
            line.split('`').skip(1).step_by(2).map(move |word| (index + 1, word))
        })
        .collect()
}

/// Targets of `](target)`, with their lines, outside fenced code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        let rest = if fenced { "" } else { line };
        let targets = rest.split("](").skip(1).filter_map(|after| after.split([')', ' ']).next());
        found.extend(targets.map(|target| (index + 1, target)));
    }
    found
}

/// Says what is wrong with where a link leads, if anything is.
fn fault(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if file.is_empty() { Some(from.to_owned()) } else { resolve(from, file) };
    let Some(path) = path.filter(|path| tree.has(path)) else {
        return Some(format!("the link `{target}` leads to no file"));
    };
    let text = tree.text(&path).filter(|_| path.ends_with(".md") && !anchor.is_empty())?;
    let is_there = anchors(text).contains(anchor);
    (!is_there).then(|| format!("the link `{target}` leads to no heading of {path}"))
}

/// Resolves `target` against the directory of `from`; `None` when it leaves the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    let directory = from.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: (&str, &str) = (CHANGELOG, "# Changelog\n\n## Unreleased\n");

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[(Rule, usize)]) {
        let tree = Tree::from_files([GOOD].into_iter().chain(files.iter().copied()));
        let found: Vec<_> = super::check(&tree).into_iter().map(|v| (v.rule, v.line)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_changelog_without_unreleased_is_caught() {
        check(&[], &[]);
        check(&[(CHANGELOG, "# Changelog\n\n## 1.0\n")], &[(Rule::Changelog, 0)]);
        check(&[(CHANGELOG, "## [Unreleased]\n")], &[]);
    }

    /// A record with this first line, and all that a record has.
    fn record(title: &str) -> String {
        format!("{title}\n\nStatus: accepted · Date: 2026-01-01\n\n{}", PARTS.join("\n\n"))
    }

    #[test]
    fn a_decision_with_a_taken_number_or_no_title_is_caught() {
        let once = &[(Rule::Decision, 0)];
        let (a, b) = (record("# A"), record("# B"));
        let first = ("docs/adr/0001-a.md", a.as_str());
        check(
            &[first, ("docs/adr/0002-b.md", &b), (INDEX, "[](adr/0001-a.md) [](adr/0002-b.md)")],
            &[],
        );
        check(
            &[first, ("docs/adr/0001-b.md", &b), (INDEX, "[](adr/0001-a.md) [](adr/0001-b.md)")],
            once,
        );
        check(&[("docs/adr/0002-b.md", &record("B")), (INDEX, "[](adr/0002-b.md)")], once);
        check(&[("docs/adr/b.md", &b), (INDEX, "[](adr/b.md)")], once);
        check(&[("docs/adr/0000-template.md", "# A")], &[]);
    }

    #[test]
    fn a_decision_that_lacks_a_part_or_its_place_in_the_list_is_caught() {
        let once = &[(Rule::Decision, 0)];
        let (name, listed) = ("docs/adr/0001-a.md", (INDEX, "[A](adr/0001-a.md)"));
        let whole = record("# A");
        check(&[(name, &whole), listed], &[]);
        check(&[(name, &whole)], once);
        check(&[(name, &whole), (INDEX, "[A](adr/0001-a.md) [A](adr/0001-a.md)")], once);
        check(&[(name, &whole.replace("## Decision", "## Decided")), listed], once);
        check(&[(name, &whole.replace("Status: accepted", "accepted")), listed], once);
    }

    #[test]
    fn a_dead_link_is_caught() {
        let dead = &[(Rule::Link, 1)];
        check(&[("docs/a.md", "[b](b.md)"), ("docs/b.md", "")], &[]);
        check(&[("docs/a.md", "[b](b.md)")], dead);
        check(&[("docs/a.md", "[b](../b/c.rs#x)"), ("b/c.rs", "")], &[]);
        check(&[("crates/a/README.md", "[b](../b.md)")], dead);
        check(&[("docs/a.md", "[out](../../b.md)"), ("b.md", "")], dead);
        check(&[("README.md", "[docs](docs/)"), ("docs/a.md", "")], &[]);
        check(&[("README.md", "[web](https://example.org/a)")], &[]);
        check(&[("README.md", "```text\n[b](b.md)\n```\n[b](b.md)")], &[(Rule::Link, 4)]);
    }

    #[test]
    fn a_link_to_no_heading_is_caught() {
        let dead = &[(Rule::Link, 1)];
        check(&[("docs/a.md", "[here](#b)\n# B")], &[]);
        check(&[("docs/a.md", "[here](#c)\n# B")], dead);
        check(&[("docs/a.md", "[b](b.md#one-and-two)"), ("docs/b.md", "# One, and two")], &[]);
        check(&[("docs/a.md", "[b](b.md#one)"), ("docs/b.md", "# One, and two")], dead);
        check(&[("docs/a.md", "[web](https://example.org/a#b)")], &[]);
    }

    #[test]
    fn a_path_in_a_guide_that_is_not_there_is_caught() {
        let guide = "`crates/` and `crates/a.rs`, then `crates/*/b.rs` and `crates/b.rs`";
        check(&[("README.md", guide), ("crates/a.rs", "")], &[(Rule::Link, 1)]);
        check(&[("docs/a.md", "# `crates/b.rs`")], &[]);
    }
}
