//! The crates of the repository and their Rust files.
//!
//! # Invariants
//!
//! 1. Each Rust file belongs to the crate in the nearest directory above it.
//! 2. A file that cannot be parsed is a violation and is left out, so that the other rules go on.
//! 3. Specimens (files that tests read and do not compile as their own) are no source.

use crate::manifest::Manifest;
use crate::modules::Reached;
use crate::source::{Place, Source};
use crate::tree::Tree;
use crate::violation::{Rule, Violation};

/// Directories below `tests/` that hold specimens.
const SPECIMENS: &[&str] =
    &["ui", "fail", "pass", "compile-fail", "compile_fail", "corpus", "fixtures", "golden"];

/// One crate with its files.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    pub(crate) manifest: Manifest,
    pub(crate) sources: Vec<Source>,
    pub(crate) reached: Reached,
}

/// All crates.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    pub(crate) crates: Vec<Crate>,
}

// === impl Workspace ===

impl Workspace {
    pub(crate) fn new(tree: &Tree) -> (Self, Vec<Violation>) {
        let mut found = Vec::new();
        let manifests = manifests(tree, &mut found);
        let directories: Vec<String> = manifests.iter().map(|m| m.directory().to_owned()).collect();
        let crates = manifests.into_iter().map(|manifest| {
            let sources = sources(tree, manifest.directory(), &directories, &mut found);
            Crate::new(manifest, sources)
        });
        let crates = crates.collect();
        (Self { crates }, found)
    }

    /// Every file, with the crate it belongs to.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (&Crate, &Source)> {
        self.crates.iter().flat_map(|of| of.sources.iter().map(move |source| (of, source)))
    }
}

// === impl Crate ===

impl Crate {
    fn new(manifest: Manifest, mut sources: Vec<Source>) -> Self {
        let reached = Reached::from_roots(manifest.directory(), &sources);
        for source in &mut sources {
            if reached.only_by_tests(&source.path) {
                source.place = Place::Test;
            }
        }
        Self { manifest, sources, reached }
    }

    pub(crate) fn name(&self) -> &str {
        &self.manifest.name
    }
}

fn manifests(tree: &Tree, found: &mut Vec<Violation>) -> Vec<Manifest> {
    let mut read = |(path, text)| match Manifest::parse(path, text) {
        Ok(manifest) => manifest,
        Err(error) => {
            found.push(Violation::new(Rule::Syntax, path, "", error.message()));
            None
        }
    };
    tree.ending("/Cargo.toml").filter_map(&mut read).collect()
}

fn sources(
    tree: &Tree,
    directory: &str,
    directories: &[String],
    found: &mut Vec<Violation>,
) -> Vec<Source> {
    let own = |path: &str| owner(path, directories) == Some(directory) && !is_specimen(path);
    let mut read = |(path, text)| match Source::parse(path, text, place(path)) {
        Ok(source) => Some(source),
        Err(error) => {
            let line = error.span().start().line;
            found.push(Violation::new(Rule::Syntax, path, "", error.to_string()).at(line));
            None
        }
    };
    tree.ending(".rs").filter(|(path, _)| own(path)).filter_map(&mut read).collect()
}

fn owner<'a>(path: &str, directories: &'a [String]) -> Option<&'a str> {
    let above = |directory: &&String| {
        path.strip_prefix(directory.as_str()).is_some_and(|rest| rest.starts_with('/'))
    };
    directories.iter().filter(above).max_by_key(|directory| directory.len()).map(String::as_str)
}

fn is_specimen(path: &str) -> bool {
    let in_tests = path.split_once("/tests/").map(|(_, below)| below);
    in_tests.is_some_and(|below| below.split('/').any(|part| SPECIMENS.contains(&part)))
}

fn place(path: &str) -> Place {
    let ends = ["/src/main.rs", "/build.rs"].iter().any(|end| path.ends_with(end));
    let program = ends || path.contains("/src/bin/") || path.contains("/examples/");
    if path.contains("/tests/") || path.contains("/benches/") {
        Place::Test
    } else if path.starts_with("examples/") || path.starts_with("benches/") || program {
        Place::Program
    } else {
        Place::Library
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_nearest_crate() {
        let directories = ["a".to_owned(), "a/b".to_owned()];
        assert_eq!(owner("a/b/src/lib.rs", &directories), Some("a/b"));
        assert_eq!(owner("a/bc/lib.rs", &directories), Some("a"));
        assert_eq!(owner("c/lib.rs", &directories), None);
    }

    #[test]
    fn files_have_a_place() {
        assert_eq!(place("crates/x/src/a.rs"), Place::Library);
        assert_eq!(place("crates/x/tests/it/a.rs"), Place::Test);
        assert_eq!(place("examples/x/src/a.rs"), Place::Program);
        assert_eq!(place("crates/x/examples/a.rs"), Place::Program);
        assert_eq!(place("benches/src/a.rs"), Place::Program);
        assert!(is_specimen("crates/x/tests/ui/wrong.rs"));
        assert!(!is_specimen("crates/x/src/ui/right.rs"));
    }

    #[test]
    fn what_cannot_be_parsed_is_a_violation_and_not_the_end() {
        let files = [
            ("crates/x/Cargo.toml", "[package]\nname = \"x\""),
            ("crates/x/src/lib.rs", "fn fn"),
            ("crates/y/Cargo.toml", "= ="),
        ];
        let (workspace, found) = Workspace::new(&Tree::from_files(files));
        assert_eq!(workspace.crates.len(), 1);
        assert!(found.iter().all(|violation| violation.rule == Rule::Syntax));
        assert_eq!(found.len(), 2);
    }
}
