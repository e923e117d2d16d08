//! The table concept → counterpart → test of `docs/concepts.md`.
//!
//! # Invariants
//!
//! 1. Every id of [`CONCEPTS`] has exactly one row, and no row has another id.
//! 2. A row names at least one test, and each named test is a test that is there and not ignored.
//!    While [`ALLOW_PENDING`] holds, `pending` may stand in its place.

use std::collections::BTreeSet;

use crate::tokens::{Token, find, flatten};
use crate::tree::Tree;
use crate::violation::{Rule, Violation};

const TABLE: &str = "docs/concepts.md";

/// Whether a row may still lack its test. Ends with the foundation.
const ALLOW_PENDING: bool = false;

const PENDING: &str = "pending";

/// The columns: id, in Python, in Rust, test.
const COLUMNS: usize = 4;

/// What the Python framework has, and what was wrong with it.
const CONCEPTS: &[&str] = &[
    "application",
    "application-create",
    "application-start",
    "application-context-manager",
    "application-http-integration",
    "application-lifecycle-management",
    "application-configuration-management",
    "manager",
    "manager-registration",
    "manager-state",
    "manager-orchestration",
    "router",
    "models",
    "configuration-models",
    "endpoint-root",
    "endpoint-services",
    "endpoint-start",
    "endpoint-stop",
    "state-stopped",
    "state-starting",
    "state-running",
    "state-stopping",
    "state-error",
    "example-service",
    "example-service-name",
    "example-service-start",
    "example-service-stop",
    "example-configuration-model",
    "example-configure",
    "example-routes",
    "example-status-route",
    "example-error-handling",
    "lifecycle-registration",
    "lifecycle-configuration",
    "lifecycle-startup",
    "lifecycle-startup-configuration",
    "lifecycle-startup-resources",
    "lifecycle-startup-routes",
    "lifecycle-runtime-requests",
    "lifecycle-runtime-state",
    "lifecycle-runtime-health",
    "lifecycle-shutdown",
    "lifecycle-shutdown-resources",
    "lifecycle-shutdown-routes",
    "practice-set-state",
    "practice-set-error",
    "practice-check-state",
    "practice-typed-configuration",
    "practice-defaults",
    "practice-validate",
    "practice-resources-start",
    "practice-resources-stop",
    "practice-context-managers",
    "practice-catch",
    "practice-error-state",
    "practice-error-messages",
    "practice-http",
    "practice-route-prefix",
    "practice-openapi",
    "logging-structured",
    "logging-service-logger",
    "logging-configuration",
    "testing-unit",
    "testing-integration",
    "defect-stop-order",
    "defect-shutdown-delay",
    "defect-start-refused",
    "defect-misspelt-keys",
    "defect-password-shown",
    "defect-every-error-500",
];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    check_table(tree, CONCEPTS, ALLOW_PENDING)
}

/// One row of the table.
struct Row<'a> {
    line: usize,
    id: &'a str,
    tests: &'a str,
}

fn check_table(tree: &Tree, concepts: &[&str], allow_pending: bool) -> Vec<Violation> {
    let rows = rows(tree.text(TABLE).unwrap_or_default());
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for row in &rows {
        if !concepts.contains(&row.id) {
            found.push(row.breach("is not in the list in xtask/src/concepts.rs"));
        }
        if !seen.insert(row.id) {
            found.push(row.breach("has a row already"));
        }
        found.extend(check_row(tree, row, allow_pending));
    }
    let missing = concepts.iter().filter(|id| !seen.contains(*id));
    found.extend(missing.map(|id| breach(0, id, "has no row")));
    found
}

fn check_row(tree: &Tree, row: &Row<'_>, allow_pending: bool) -> Vec<Violation> {
    if row.tests == PENDING {
        let message = "is pending: name the test that shows it";
        return if allow_pending { vec![] } else { vec![row.breach(message)] };
    }
    let wrong = row.tests.split(',').filter_map(|test| check_test(tree, test.trim()));
    wrong.map(|message| row.breach(&message)).collect()
}

/// Returns what is wrong with `file.rs::function`, if anything is.
fn check_test(tree: &Tree, test: &str) -> Option<String> {
    let test = test.trim_matches('`');
    let Some((path, function)) = test.rsplit_once("::") else {
        return Some(format!("names `{test}`, which is not of the form `file.rs::function`"));
    };
    let Some(text) = tree.text(path).filter(|_| path.ends_with(".rs")) else {
        return Some(format!("names {path}, which is not there"));
    };
    let tokens = text.parse().map(flatten).unwrap_or_default();
    let is_there = find(&tokens, &format!("fn {function}")).any(|at| is_test(&tokens[..at]));
    (!is_there).then(|| format!("names `{function}`, which is no test in {path}"))
}

/// Whether the attributes that end `before` make the function that follows a test that runs.
fn is_test(before: &[Token]) -> bool {
    let is_end = |token: &&Token| matches!(token.text.as_str(), ";" | "{" | "}");
    let attributes = || before.iter().rev().take_while(|token| !is_end(token));
    let has = |word: &str| attributes().any(|token| token.text == word);
    has("test") && !has("ignore")
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let numbered = text.lines().enumerate().map(|(index, text)| (index + 1, text));
    numbered.filter_map(|(line, text)| row(line, text)).collect()
}

/// Reads `| id | … | … | test |`; `None` for what is no row, heads and rules included.
fn row(line: usize, text: &str) -> Option<Row<'_>> {
    let inner = text.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inner.split('|').map(str::trim).collect();
    let id = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
    let tests = if cells.len() == COLUMNS { cells[COLUMNS - 1] } else { "" };
    Some(Row { line, id, tests })
}

fn breach(line: usize, id: &str, message: &str) -> Violation {
    Violation::new(Rule::Concept, TABLE, id, format!("`{id}` {message}")).at(line)
}

// === impl Row ===

impl Row<'_> {
    fn breach(&self, message: &str) -> Violation {
        breach(self.line, self.id, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: (&str, &str) = (
        "a/tests/it/b.rs",
        "#[test] fn shown() {} fn helper() {} #[test] #[ignore = \"slow\"] fn ignored() {}\n\
         mod m { #[tokio::test(start_paused = true)] async fn deep() {} }\n\
         proptest! { #[test] fn random(a in 0..1) {} }",
    );

    #[track_caller]
    fn check(table: &str, allow_pending: bool, expected: &[&str]) {
        let tree = Tree::from_files([TEST, (TABLE, table)]);
        let found = check_table(&tree, &["one", "two"], allow_pending);
        let messages: Vec<_> = found.into_iter().map(|violation| violation.message).collect();
        assert_eq!(messages, expected);
    }

    fn table(first: &str) -> String {
        format!(
            "| Id | P | R | Test |\n|---|---|---|---|\n\
             | `one` | p | r | {first} |\n| `two` | p | r | pending |\n"
        )
    }

    #[test]
    fn a_missing_row_is_caught() {
        check("| `one` | p | r | pending |", true, &["`two` has no row"]);
        check("", true, &["`one` has no row", "`two` has no row"]);
    }

    #[test]
    fn a_foreign_or_second_row_is_caught() {
        let foreign = format!("{}| `six` | p | r | pending |", table("pending"));
        check(&foreign, true, &["`six` is not in the list in xtask/src/concepts.rs"]);
        let second = format!("{}| `one` | p | r | pending |", table("pending"));
        check(&second, true, &["`one` has a row already"]);
    }

    #[test]
    fn pending_ends_when_it_is_no_longer_allowed() {
        check(&table("pending"), true, &[]);
        let expected =
            ["one", "two"].map(|id| format!("`{id}` is pending: name the test that shows it"));
        check(&table("pending"), false, &[&expected[0], &expected[1]]);
    }

    #[test]
    fn a_test_must_be_there_and_be_a_test() {
        check(&table("`a/tests/it/b.rs::shown`"), true, &[]);
        check(&table("a/tests/it/b.rs::deep, a/tests/it/b.rs::random"), true, &[]);
        let no_test =
            |name: &str| format!("`one` names `{name}`, which is no test in a/tests/it/b.rs");
        for name in ["gone", "helper", "ignored"] {
            check(&table(&format!("a/tests/it/b.rs::{name}")), true, &[&no_test(name)]);
        }
        check(&table("a/c.rs::shown"), true, &["`one` names a/c.rs, which is not there"]);
        let form = "`one` names `later`, which is not of the form `file.rs::function`";
        check(&table("later"), true, &[form]);
    }
}
