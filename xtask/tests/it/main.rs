//! The house itself, held to its rules.

use xtask::{Tree, tidy};

#[test]
fn the_house_is_tidy() {
    let tree = Tree::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../"));
    let violations = tidy(&tree.expect("the sources can be read"));
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn the_tree_of_the_house_is_not_empty() {
    let tree = Tree::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../"));
    let tree = tree.expect("the sources can be read");
    assert!(tree.has("crates/processpype-core/src/lib.rs"));
    assert!(tree.has("xtask/src"));
    assert!(!tree.has("target"));
}
