//! The floors of the house: a crate uses only crates below it.
//!
//! Cargo refuses cycles between crates, but not a step up that makes no cycle yet. The table below
//! is the decision (`docs/adr/0001-floors.md`); manifests and code are both held to it.

use crate::manifest::{Dependency, Kind};
use crate::source::Source;
use crate::tokens::Token;
use crate::violation::{Rule, Violation};
use crate::workspace::{Crate, Workspace};

/// What one crate may use of the others.
struct Floor {
    name: &'static str,
    uses: &'static [&'static str],
    /// Beside `uses`, for its tests only.
    tests_use: &'static [&'static str],
}

const FLOORS: &[Floor] = &[
    Floor { name: "processpype-core", uses: &[], tests_use: &[] },
    Floor { name: "processpype-config", uses: &["processpype-core"], tests_use: &[] },
    Floor { name: "processpype-journal", uses: &[], tests_use: &[] },
    Floor { name: "processpype-telemetry", uses: &["processpype-core"], tests_use: &[] },
    Floor { name: "processpype-otlp", uses: &["processpype-telemetry"], tests_use: &[] },
    Floor {
        name: "processpype-runtime",
        uses: &["processpype-core", "processpype-config"],
        tests_use: &[],
    },
    Floor { name: "processpype-api", uses: &["processpype-core"], tests_use: &[] },
    Floor {
        name: "processpype-control",
        uses: &[
            "processpype-core",
            "processpype-config",
            "processpype-telemetry",
            "processpype-runtime",
            "processpype-api",
        ],
        tests_use: &[],
    },
    Floor {
        name: "processpype-cli",
        uses: &["processpype-config", "processpype-journal", "processpype-api"],
        tests_use: &[],
    },
    Floor {
        name: "processpype",
        uses: &[
            "processpype-cli",
            "processpype-core",
            "processpype-config",
            "processpype-journal",
            "processpype-otlp",
            "processpype-telemetry",
            "processpype-runtime",
            "processpype-api",
            "processpype-control",
        ],
        tests_use: &[],
    },
    Floor { name: "xtask", uses: &[], tests_use: &[] },
    // It measures floors by themselves, and nothing of ours may depend on it.
    Floor {
        name: "processpype-bench",
        uses: &[
            "processpype-core",
            "processpype-config",
            "processpype-telemetry",
            "processpype-runtime",
            "processpype",
        ],
        tests_use: &[],
    },
];

/// What every crate below `examples/` is held to: the same as a user.
const EXAMPLE: Floor = Floor { name: "", uses: &["processpype"], tests_use: &[] };

/// Crates without any dependency, ours or others', outside their tests.
const BARE: &[&str] = &["processpype-core"];

pub(crate) fn check(workspace: &Workspace) -> Vec<Violation> {
    let ours: Vec<&Crate> = workspace.crates.iter().collect();
    ours.iter().flat_map(|of| check_crate(of, &ours)).collect()
}

fn check_crate(of: &Crate, ours: &[&Crate]) -> Vec<Violation> {
    let Some(floor) = floor_of(of) else {
        let message = "this crate stands on no floor: add it to `FLOORS` in xtask/src/floors.rs";
        return vec![Violation::new(Rule::Floor, &of.manifest.path, of.name(), message)];
    };
    let declared = of.manifest.dependencies.iter();
    let mut found: Vec<_> = declared.filter_map(|d| check_dependency(of, floor, d, ours)).collect();
    found.extend(of.sources.iter().flat_map(|source| check_source(of, floor, source, ours)));
    found
}

fn floor_of(of: &Crate) -> Option<&'static Floor> {
    let named = FLOORS.iter().find(|floor| floor.name == of.name());
    let example = of.manifest.path.starts_with("examples/");
    if example { Some(&EXAMPLE) } else { named }
}

fn check_dependency(
    of: &Crate,
    floor: &Floor,
    dependency: &Dependency,
    ours: &[&Crate],
) -> Option<Violation> {
    let Dependency { name, kind } = dependency;
    let is_ours = ours.iter().any(|other| other.name() == name);
    let refused = match kind {
        Kind::Normal if BARE.contains(&of.name()) => true,
        Kind::Normal => is_ours && !allows(floor, name, false),
        // Tests of a crate are on its own floor: so they name the features that they see it with.
        Kind::Dev => is_ours && name != of.name() && !allows(floor, name, true),
    };
    let tests = if *kind == Kind::Dev { " in its tests" } else { "" };
    refused.then(|| {
        let message = format!("{} must not depend on {name}{tests}: see ADR 0001", of.name());
        Violation::new(Rule::Floor, &of.manifest.path, name, message)
    })
}

fn check_source(of: &Crate, floor: &Floor, source: &Source, ours: &[&Crate]) -> Vec<Violation> {
    let mut found = Vec::new();
    let others = ours.iter().filter(|other| other.name() != of.name());
    for other in others {
        let identifier = other.manifest.identifier();
        let named = (0..source.tokens.len()).filter(|at| names(&source.tokens, *at, &identifier));
        let lines = named.map(|at| source.tokens[at].line);
        found.extend(lines.filter(|l| !allows(floor, other.name(), source.is_test(*l))).map(|l| {
            let message = format!("{} must not use {}: see ADR 0001", of.name(), other.name());
            Violation::new(Rule::Floor, &source.path, other.name(), message).at(l)
        }));
    }
    found
}

fn allows(floor: &Floor, name: &str, test: bool) -> bool {
    floor.uses.contains(&name) || (test && floor.tests_use.contains(&name))
}

/// Whether the token at `at` names the crate `identifier`, and not a field or module so called.
fn names(tokens: &[Token], at: usize, identifier: &str) -> bool {
    let text = |index: Option<usize>| index.and_then(|i| tokens.get(i)).map(|t| t.text.as_str());
    let begins_path = text(at.checked_sub(1)) != Some("::") && text(Some(at + 1)) == Some("::");
    let is_used = matches!(text(at.checked_sub(1)), Some("use" | "crate"));
    tokens[at].text == identifier && (identifier.contains('_') || begins_path || is_used)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Tree;

    /// Expects breaches as (path, line, crate that is reached for), beside three empty crates.
    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[(&str, usize, &str)]) {
        let crates = ["core", "config", "runtime"].map(|name| {
            let path = format!("crates/processpype-{name}/Cargo.toml");
            (path, format!("[package]\nname = \"processpype-{name}\""))
        });
        let base = crates.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        let (workspace, unread) = Workspace::new(&Tree::from_files(base.chain(files.to_vec())));
        assert_eq!(unread, []);
        let found = super::check(&workspace);
        let found: Vec<_> =
            found.iter().map(|v| (v.path.as_str(), v.line, v.item.as_str())).collect();
        assert_eq!(found, expected);
    }

    const CONFIG: &str = "crates/processpype-config/Cargo.toml";
    const CORE: &str = "crates/processpype-core/Cargo.toml";

    #[test]
    fn a_dependency_that_reaches_up_is_caught() {
        let text = "[package]\nname = \"processpype-config\"\n[dependencies]\n\
                    serde = \"1\"\nprocesspype-runtime.workspace = true";
        check(&[(CONFIG, text)], &[(CONFIG, 0, "processpype-runtime")]);
    }

    #[test]
    fn a_dependency_of_tests_that_reaches_up_is_caught() {
        let text = "[package]\nname = \"processpype-core\"\n[dev-dependencies]\n\
                    proptest = \"1\"\nprocesspype-runtime.workspace = true";
        check(&[(CORE, text)], &[(CORE, 0, "processpype-runtime")]);
    }

    #[test]
    fn tests_of_a_crate_may_name_its_features() {
        let own = "[package]\nname = \"processpype-config\"\n[dev-dependencies]\n\
                   processpype-config = { workspace = true, features = [\"x\"] }";
        check(&[(CONFIG, own)], &[]);
        let text = own.replace("dev-dependencies", "dependencies");
        check(&[(CONFIG, &text)], &[(CONFIG, 0, "processpype-config")]);
    }

    #[test]
    fn the_core_has_no_dependency_at_all() {
        let text = "[package]\nname = \"processpype-core\"\n[build-dependencies]\nserde = \"1\"";
        check(&[(CORE, text)], &[(CORE, 0, "serde")]);
    }

    #[test]
    fn a_path_that_reaches_up_is_caught_also_in_a_macro() {
        let path = "crates/processpype-core/src/lib.rs";
        let code =
            "use processpype_config as c;\nm!(processpype_runtime::x);\n// processpype_config";
        let expected = [(path, 1, "processpype-config"), (path, 2, "processpype-runtime")];
        check(&[(path, code)], &expected);
    }

    #[test]
    fn an_example_sees_what_a_user_sees() {
        let (manifest, main) = ("examples/a/Cargo.toml", "examples/a/src/main.rs");
        let code = "use processpype_core::Name;\nuse processpype::App;";
        let files = [(manifest, "[package]\nname = \"a\""), (main, code)];
        check(&files, &[(main, 1, "processpype-core")]);
    }

    #[test]
    fn the_roof_is_out_of_reach_but_its_word_is_free() {
        let path = "crates/processpype-config/src/lib.rs";
        let roof = ("crates/processpype/Cargo.toml", "[package]\nname = \"processpype\"");
        let code = "use processpype::App;\nfn f() { let processpype = m::processpype::x(); }";
        check(&[roof, (path, code)], &[(path, 1, "processpype")]);
    }

    #[test]
    fn a_crate_without_a_floor_is_caught() {
        let path = "crates/new/Cargo.toml";
        check(&[(path, "[package]\nname = \"new\"")], &[(path, 0, "new")]);
    }
}
