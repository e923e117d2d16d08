//! What differs between two states of one section.
//!
//! # Invariants
//!
//! 1. Values are compared as they are, and shown as [`Section::effective`] shows them: a secret
//!    that has changed is told to have changed, and nothing of it is seen.
//! 2. A place alone is no difference: a value that moved to another line holds on.
//!
//! [`Section::effective`]: crate::Section::effective

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use crate::effective::{Leaf, leaves};
use crate::node::Node;
use crate::origin::Origin;
use crate::rules::Rules;

/// One value that differs; at least one side is there.
///
/// As text it is one line: `server.port: 80 -> 81 (app.yaml:3:9)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The path of the value, such as `services.counter.step`.
    pub path: String,
    /// What held before; `None` if there was nothing.
    pub old: Option<Side>,
    /// What holds then; `None` if there is nothing any more.
    pub new: Option<Side>,
}

/// A value on one side of a [`Difference`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Side {
    /// The value, or `***`.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// How a value differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// There was nothing.
    Added,
    /// There is nothing any more.
    Removed,
    /// It was another one.
    Changed,
}

// === impl Difference ===

impl Difference {
    /// A difference that the caller has seen, with values that may be shown.
    pub fn new(path: impl Into<String>, old: Option<Side>, new: Option<Side>) -> Self {
        Self { path: path.into(), old, new }
    }

    /// How the value differs.
    #[must_use]
    pub fn change(&self) -> Change {
        match (&self.old, &self.new) {
            (None, _) => Change::Added,
            (Some(_), None) => Change::Removed,
            (Some(_), Some(_)) => Change::Changed,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: &Option<Side>| {
            side.as_ref().map_or_else(|| "nothing".to_owned(), |side| side.value.clone())
        };
        write!(f, "{}: {} -> {}", self.path, side(&self.old), side(&self.new))?;
        match self.new.as_ref().or(self.old.as_ref()) {
            Some(side) => write!(f, " ({})", side.origin),
            None => Ok(()),
        }
    }
}

// === impl Side ===

impl Side {
    /// A value that the caller has decided to show.
    pub fn new(value: impl Into<String>, origin: Origin) -> Self {
        Self { value: value.into(), origin }
    }

    fn of(leaf: Leaf) -> Self {
        Self { value: leaf.shown.value, origin: leaf.shown.origin }
    }
}

// === impl Change ===

impl Change {
    /// The word as it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

/// Lists what differs: in the order of the newer one, then what is gone.
pub(crate) fn between(
    rules: &Rules,
    old: Option<&Node>,
    new: Option<&Node>,
    path: &str,
) -> Vec<Difference> {
    let mut order = Vec::new();
    let mut before: HashMap<String, Leaf> = HashMap::new();
    for leaf in values(rules, old, path) {
        order.push(leaf.shown.path.clone());
        before.insert(leaf.shown.path.clone(), leaf);
    }
    let mut all = Vec::new();
    for leaf in values(rules, new, path) {
        let old = before.remove(&leaf.shown.path);
        if old.as_ref().is_none_or(|old| old.raw != leaf.raw) {
            let path = leaf.shown.path.clone();
            all.push(Difference::new(path, old.map(Side::of), Some(Side::of(leaf))));
        }
    }
    let gone = order.into_iter().filter_map(|path| Some((before.remove(&path)?, path)));
    all.extend(gone.map(|(old, path)| Difference::new(path, Some(Side::of(old)), None)));
    all
}

/// What is there; a default that is null is nothing.
fn values(rules: &Rules, node: Option<&Node>, path: &str) -> impl Iterator<Item = Leaf> {
    let is_there = |leaf: &Leaf| leaf.shown.origin != Origin::Default || leaf.raw != "null";
    leaves(rules, node, path).into_iter().filter(is_there)
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, schema_for};

    use crate::{Format, Loader, Secret, Section};

    #[derive(JsonSchema)]
    #[allow(dead_code, reason = "only its schema is looked at")]
    struct Store {
        #[serde(default = "ten")]
        size: u32,
        name: Option<String>,
        tags: Vec<String>,
        password: Secret<String>,
    }

    fn ten() -> u32 {
        10
    }

    fn section(text: &str) -> Section {
        let loaded = Loader::new().text("a.yaml", Format::Yaml, format!("s: {{{text}}}")).load();
        loaded.unwrap_or_else(|report| panic!("{report}")).section(&["s"])
    }

    #[track_caller]
    fn check(old: &str, new: &str, expected: &[&str]) {
        let (one, two) = (section(old), section(new));
        let all = one.differences(&two, &schema_for!(Store));
        let told: Vec<String> = all
            .iter()
            .map(|it| {
                let text = it.to_string();
                format!("{} {}", it.change().as_str(), text.split(" (").next().unwrap_or_default())
            })
            .collect();
        assert_eq!(told, expected, "{old} | {new}");
        assert_eq!(one.says_what(&two), expected.is_empty(), "{old} | {new}");
    }

    #[test]
    fn values_are_told_and_secrets_are_not() {
        check("size: 1", "size: 1", &[]);
        check("size: 1, name: a", "name: a, size: 1", &[]);
        check("size: 1", "size: 2", &["changed s.size: 1 -> 2"]);
        check("", "size: 2", &["changed s.size: 10 -> 2"]);
        check("name: a", "", &["removed s.name: a -> nothing"]);
        check("", "name: a", &["added s.name: nothing -> a"]);
        check("password: x", "password: y", &["changed s.password: *** -> ***"]);
        check("pasword: x", "pasword: y", &["changed s.pasword: *** -> ***"]);
        let tags = ["changed s.tags[0]: a -> b", "added s.tags[1]: nothing -> c"];
        check("tags: [a]", "tags: [b, c]", &tags);
        // The beginning of a list is another list, and so is what has more behind it.
        check("tags: [a, b]", "tags: [a]", &["removed s.tags[1]: b -> nothing"]);
        check("tags: [a]", "tags: [a, b]", &["added s.tags[1]: nothing -> b"]);
        check("name: \"${A:-x}\"", "name: \"${B:-x}\"", &["changed s.name: ${A:-x} -> ${B:-x}"]);
    }
}
