//! What a `Cargo.toml` says about its crate, as far as the floors need it.

use toml::de::{DeTable, DeValue};

/// Where a dependency is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `[dependencies]` or `[build-dependencies]`: part of what is built.
    Normal,
    /// `[dev-dependencies]`: seen by tests only.
    Dev,
}

/// One line of a dependency table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

const TABLES: &[(&str, Kind)] = &[
    ("dependencies", Kind::Normal),
    ("build-dependencies", Kind::Normal),
    ("dev-dependencies", Kind::Dev),
];

// === impl Manifest ===

impl Manifest {
    /// Reads a manifest; `None` for one without a package (the workspace's own).
    pub(crate) fn parse(path: &str, text: &str) -> Result<Option<Self>, toml::de::Error> {
        let document = DeTable::parse(text)?;
        let root = document.get_ref();
        let Some(package) = table(root, "package") else { return Ok(None) };
        let name = string(package, "name").unwrap_or_default();
        let mut dependencies = dependencies_in(root);
        for target in table(root, "target").into_iter().flat_map(DeTable::values) {
            let specific = target.get_ref().as_table();
            dependencies.extend(specific.into_iter().flat_map(dependencies_in));
        }
        Ok(Some(Self { path: path.to_owned(), name, dependencies }))
    }

    /// The directory of the crate, without a slash at the end.
    pub(crate) fn directory(&self) -> &str {
        self.path.strip_suffix("/Cargo.toml").unwrap_or_default()
    }

    /// The name by which code refers to the crate.
    pub(crate) fn identifier(&self) -> String {
        self.name.replace('-', "_")
    }
}

fn dependencies_in(root: &DeTable<'_>) -> Vec<Dependency> {
    let in_table = |(key, kind): &(&str, Kind)| {
        let entries = table(root, key).into_iter().flat_map(|table| table.iter());
        let kind = *kind;
        let read = entries.map(move |(key, value)| {
            let renamed = value.get_ref().as_table().and_then(|table| string(table, "package"));
            Dependency { name: renamed.unwrap_or_else(|| key.get_ref().to_string()), kind }
        });
        read.collect::<Vec<_>>()
    };
    TABLES.iter().flat_map(in_table).collect()
}

fn table<'a, 'i>(of: &'a DeTable<'i>, key: &str) -> Option<&'a DeTable<'i>> {
    of.get(key).and_then(|value| value.get_ref().as_table())
}

fn string(of: &DeTable<'_>, key: &str) -> Option<String> {
    match of.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[(&str, Kind)]) {
        let text = format!("[package]\nname = \"x\"\n{text}");
        let manifest = Manifest::parse("x/Cargo.toml", &text).expect("valid").expect("a package");
        let found: Vec<_> =
            manifest.dependencies.iter().map(|d| (d.name.as_str(), d.kind)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn every_table_is_read() {
        check("[dependencies]\na.workspace = true", &[("a", Kind::Normal)]);
        check("[build-dependencies]\na = \"1\"", &[("a", Kind::Normal)]);
        check("[dev-dependencies.a]\nversion = \"1\"", &[("a", Kind::Dev)]);
        check("[target.'cfg(unix)'.dependencies]\na = \"1\"", &[("a", Kind::Normal)]);
    }

    #[test]
    fn a_renamed_dependency_counts_by_its_package() {
        check("[dependencies]\na = { package = \"b\", path = \"..\" }", &[("b", Kind::Normal)]);
    }

    #[test]
    fn the_workspace_is_no_crate() {
        assert!(Manifest::parse("Cargo.toml", "[workspace]").expect("valid").is_none());
    }
}
