//! The checks of the house, run by `cargo test` and by `cargo run -p xtask -- tidy`.
//!
//! # Invariants
//!
//! 1. A rule is a pure function from a [`Tree`] to violations: only [`Tree::read`] touches the
//!    disk, so each rule is tested on small trees that live in memory.
//! 2. Rust is read with a real parser and matched token by token: a rule never fires on a comment
//!    or on a string.
//! 3. What is let through stands in `exceptions.rs`, with a reason. An exception that excuses
//!    nothing is a violation itself.

mod anchors;
mod budgets;
mod concepts;
mod confinement;
mod docs;
mod exceptions;
mod floors;
mod manifest;
mod measure;
mod modules;
mod papers;
mod source;
mod tokens;
mod tree;
mod violation;
mod workspace;

pub use measure::measure;
pub use tree::{ReadError, Tree};
pub use violation::{Rule, Violation};

use exceptions::{EXCEPTIONS, Exception};
use workspace::Workspace;

/// Runs every rule over `tree` and returns what is wrong, in order of path and line.
#[must_use]
pub fn tidy(tree: &Tree) -> Vec<Violation> {
    judge(tree, EXCEPTIONS)
}

fn judge(tree: &Tree, exceptions: &[Exception]) -> Vec<Violation> {
    let (workspace, mut found) = Workspace::new(tree);
    found.extend(floors::check(&workspace));
    found.extend(confinement::check(&workspace));
    found.extend(budgets::check(&workspace));
    found.extend(docs::check(&workspace));
    found.extend(modules::check(&workspace));
    found.extend(papers::check(tree));
    found.extend(concepts::check(tree));
    let mut left = exceptions::apply(found, exceptions);
    left.sort();
    left.dedup();
    left
}
