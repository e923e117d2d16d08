//! Which files the compiler sees: `mod` lines, followed from the roots of a crate.

use std::collections::BTreeMap;

use crate::source::{Module, Place, Source};
use crate::violation::{Rule, Violation};
use crate::workspace::Workspace;

/// The files that are reached; the value tells whether tests alone reach them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reached {
    files: BTreeMap<String, bool>,
}

/// Reports files under `src/` that no `mod` line leads to.
pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let dead = workspace.sources().filter(|(of, source)| {
        source.path.starts_with(&format!("{}/src/", of.manifest.directory()))
            && !of.reached.files.contains_key(&source.path)
    });
    let message = "no `mod` line leads to this file: declare it or delete it";
    dead.map(|(_, source)| Violation::new(Rule::DeadFile, &source.path, "", message)).collect()
}

// === impl Reached ===

impl Reached {
    pub(crate) fn from_roots(directory: &str, sources: &[Source]) -> Self {
        let mut reached = Self::default();
        let roots = sources.iter().filter(|source| is_root(directory, &source.path));
        for root in roots {
            reached.follow(root, root.place == Place::Test, sources);
        }
        reached
    }

    pub(crate) fn only_by_tests(&self, path: &str) -> bool {
        self.files.get(path) == Some(&true)
    }

    fn follow(&mut self, source: &Source, test: bool, sources: &[Source]) {
        // A file already reached without tests stays so, and everything below it was followed.
        if self.files.get(&source.path).is_some_and(|before| !before || test) {
            return;
        }
        self.files.insert(source.path.clone(), test);
        for module in &source.modules {
            let candidates = candidates(source, module);
            let target = sources.iter().find(|other| candidates.contains(&other.path));
            target.into_iter().for_each(|file| self.follow(file, test || module.test, sources));
        }
    }
}

fn is_root(directory: &str, path: &str) -> bool {
    let Some(below) = path.strip_prefix(directory).and_then(|rest| rest.strip_prefix("/src/"))
    else {
        return false;
    };
    matches!(below, "lib.rs" | "main.rs") || below.starts_with("bin/")
}

/// Where the file of `module`, declared in `source`, may be.
fn candidates(source: &Source, module: &Module) -> Vec<String> {
    let (directory, file) = source.path.rsplit_once('/').unwrap_or_default();
    if let Some(path) = &module.path {
        return vec![format!("{directory}/{path}")];
    }
    let stem = file.strip_suffix(".rs").unwrap_or(file);
    let names = module.names.join("/");
    let base = match stem {
        "lib" | "main" | "mod" => format!("{directory}/{names}"),
        _ => format!("{directory}/{stem}/{names}"),
    };
    vec![format!("{base}.rs"), format!("{base}/mod.rs")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    fn workspace(files: &[(&str, &str)]) -> Workspace {
        let manifest = ("crates/x/Cargo.toml", "[package]\nname = \"x\"");
        Workspace::new(&Tree::from_files(files.iter().copied().chain([manifest]))).0
    }

    #[test]
    fn a_file_without_a_mod_line_is_dead() {
        let workspace = workspace(&[
            ("crates/x/src/lib.rs", "mod a;"),
            ("crates/x/src/a.rs", "mod b;"),
            ("crates/x/src/a/b.rs", ""),
            ("crates/x/src/c.rs", ""),
            ("crates/x/tests/it/main.rs", ""),
        ]);
        let found = check(&workspace);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].path, "crates/x/src/c.rs");
    }

    #[test]
    fn a_file_below_a_test_module_is_test() {
        let workspace = workspace(&[
            ("crates/x/src/lib.rs", "#[cfg(test)] mod tests; mod a;"),
            ("crates/x/src/tests.rs", "mod deep;"),
            ("crates/x/src/tests/deep.rs", ""),
            ("crates/x/src/a.rs", ""),
        ]);
        let is_test = |path: &str| {
            workspace.sources().any(|(_, s)| s.path.ends_with(path) && s.place == Place::Test)
        };
        assert!(is_test("src/tests/deep.rs"));
        assert!(!is_test("src/a.rs"));
    }
}
