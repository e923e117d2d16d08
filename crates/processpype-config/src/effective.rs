//! What holds in the end: every leaf with its origin.
//!
//! # Invariant
//!
//! A value is shown only where the schema knows it and nothing says that it is a secret.
//!
//! # What is listed
//!
//! Each scalar that was written, by its path, with the place it was written in and the places it
//! overrides; then, for each map, the defaults of its schema for the keys that nobody wrote. A
//! default that is a map itself is listed leaf by leaf. References are shown as they stand in the
//! file (`${DB_PASSWORD}`): the listing resolves nothing, and so cannot show what it resolved to.
//!
//! # What is hidden
//!
//! A value is replaced by `***` if the schema does not know that a scalar stands there, if any rule
//! that may hold there (all alternatives of an enum are taken together) marks a secret, if it is
//! below such a value, or if its key sounds like a secret. Of URLs the user information is masked.

use serde::Serialize;
use serde_json::Value;

use crate::node::{Kind, Node};
use crate::origin::Origin;
use crate::rules::{FreeKeys, Id, Rules};
use crate::show;
use crate::types::Types;

/// What stands in for a value that is not shown.
const HIDDEN: &str = "***";

/// One leaf of the effective configuration.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Loader, Secret};
/// use schemars::{JsonSchema, schema_for};
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[allow(dead_code)]
/// struct Db { port: u16, password: Secret<String> }
///
/// let document = Loader::new()
///     .text("app.yaml", Format::Yaml, "db: {port: 1, password: hunter2}")
///     .set("db.port=2")
///     .load()?;
/// let all = document.section(&["db"]).effective(&schema_for!(Db));
/// assert_eq!((all[0].path.as_str(), all[0].value.as_str()), ("db.port", "2"));
/// assert_eq!(all[0].origin.to_string(), "command line --set db.port");
/// assert_eq!(all[0].overrides[0].to_string(), "app.yaml:1:12");
/// assert_eq!(all[1].value, "***");
/// # Ok::<(), processpype_config::Report>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Effective {
    /// The path of the value, such as `server.port`.
    pub path: String,
    /// The value as it was written, or `***`.
    pub value: String,
    /// The place it comes from.
    pub origin: Origin,
    /// The places of lower layers that it overrides, nearest first.
    pub overrides: Vec<Origin>,
}

// === impl Effective ===

impl Effective {
    /// A value that the caller has decided to show.
    pub fn new(
        path: impl Into<String>,
        value: impl Into<String>,
        origin: Origin,
        overrides: Vec<Origin>,
    ) -> Self {
        Self { path: path.into(), value: value.into(), origin, overrides }
    }
}

/// Lists the leaves of `node`, and the defaults of the schema for what is not written.
///
/// What was written comes first, in the order of the files, then the defaults in the order of
/// names.
pub(crate) fn list(rules: &Rules, node: Option<&Node>, path: &str) -> Vec<Effective> {
    leaves(rules, node, path).into_iter().map(|leaf| leaf.shown).collect()
}

/// A leaf as it may be shown, and as it is.
pub(crate) struct Leaf {
    pub(crate) shown: Effective,
    /// Never shown: for comparing.
    pub(crate) raw: String,
}

/// [`list`], with what a comparison needs.
pub(crate) fn leaves(rules: &Rules, node: Option<&Node>, path: &str) -> Vec<Leaf> {
    let mut lister = Lister { rules, out: Vec::new() };
    match node {
        Some(node) => lister.node(node, &[rules.root()], path, false),
        None => lister.defaults(&lister.closure(&[rules.root()]), None, path, false),
    }
    lister.out
}

/// One listing. It walks as the check does, but takes every alternative instead of choosing one.
struct Lister<'a> {
    rules: &'a Rules,
    out: Vec<Leaf>,
}

// === impl Lister ===

impl Lister<'_> {
    /// Lists what was written at and below a node.
    fn node(&mut self, node: &Node, ids: &[Id], path: &str, secret: bool) {
        let all = self.closure(ids);
        let secret =
            secret || all.iter().any(|id| self.rules.may_be_secret(*id) && self.is_leaf(*id));
        let secret = secret || all.iter().any(|id| self.rules.get(*id).secret);
        match node.kind() {
            Kind::Map(map) => {
                for entry in map.entries() {
                    let path = show::join(path, entry.key());
                    let named = secret || show::names_a_secret(entry.key());
                    self.node(&entry.node, &self.child(&all, entry.key()), &path, named);
                }
                self.defaults(&all, Some(node), path, secret);
            }
            Kind::Seq(items) => {
                let ids: Vec<Id> = all.iter().filter_map(|id| self.rules.get(*id).items).collect();
                for (at, item) in items.iter().enumerate() {
                    self.node(item, &ids, &format!("{path}[{at}]"), secret);
                }
            }
            Kind::Scalar(text, _) => {
                let shown = !secret && !ids.is_empty() && ids.iter().all(|id| self.is_scalar(*id));
                let value = if shown { show::without_userinfo(text) } else { HIDDEN.to_owned() };
                let (raw, overrides) = (text.to_string(), node.overrides().to_vec());
                self.push(raw, Effective::new(path, value, node.at.origin(), overrides));
            }
        }
    }

    /// The defaults of properties that are not written.
    fn defaults(&mut self, all: &[Id], node: Option<&Node>, path: &str, secret: bool) {
        let rules = self.rules;
        let mut properties = rules.properties_of(all);
        processpype_core::sort(&mut properties);
        properties.dedup_by_key(|(key, _)| *key);
        for (key, id) in properties {
            let there = node.and_then(Node::as_map).is_some_and(|map| map.get(key).is_some());
            let default = rules.get(id).default.as_ref().filter(|_| !there);
            if let Some(default) = default {
                let hidden = secret || rules.may_be_secret(id) || show::names_a_secret(key);
                self.default(default, hidden, &show::join(path, key));
            }
        }
    }

    /// Lists a default; one that is a map leaf by leaf.
    fn default(&mut self, value: &Value, hidden: bool, path: &str) {
        match value {
            Value::Object(map) if !map.is_empty() => {
                for (key, value) in map {
                    let hidden = hidden || show::names_a_secret(key);
                    self.default(value, hidden, &show::join(path, key));
                }
            }
            value => {
                let raw = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let shown = || show::without_userinfo(&raw);
                let text = if hidden { HIDDEN.to_owned() } else { shown() };
                self.push(raw, Effective::new(path, text, Origin::Default, Vec::new()));
            }
        }
    }

    fn push(&mut self, raw: String, shown: Effective) {
        self.out.push(Leaf { shown, raw });
    }

    /// The rules in place, with all alternatives: here it only matters what may be shown.
    ///
    /// Whether an alternative is the one that holds does not matter here; that it might be is
    /// enough.
    fn closure(&self, ids: &[Id]) -> Vec<Id> {
        let mut all = Vec::new();
        for id in ids {
            self.rules.closure(*id, &mut all);
        }
        let mut next = 0;
        while let Some(id) = all.get(next).copied() {
            next += 1;
            for group in &self.rules.get(id).groups {
                for id in &group.ids {
                    self.rules.closure(*id, &mut all);
                }
            }
        }
        all
    }

    /// The rules for the value below a key: named, else by pattern and for free keys.
    fn child(&self, all: &[Id], key: &str) -> Vec<Id> {
        let rules = || all.iter().map(|id| self.rules.get(*id));
        let named: Vec<Id> = rules().filter_map(|r| r.properties.get(key).copied()).collect();
        if !named.is_empty() {
            return named;
        }
        let mut ids = Vec::new();
        for rule in rules() {
            let matching = rule.pattern_properties.iter().filter(|(regex, _)| regex.is_match(key));
            ids.extend(matching.map(|(_, id)| *id));
        }
        ids.extend(rules().filter_map(|rule| match rule.free_keys {
            FreeKeys::Some(id) => id,
            FreeKeys::Unsaid | FreeKeys::None => None,
        }));
        ids
    }

    /// Whether the schema knows that a text or a number stands here.
    fn is_scalar(&self, id: Id) -> bool {
        let types = self.rules.types(id);
        types != Types::ANY && types.has(Types::SCALAR.without(Types::NULL))
    }

    /// Whether a scalar may stand here, so that a secret further down does not hide the whole map.
    fn is_leaf(&self, id: Id) -> bool {
        self.rules.types(id).has(Types::SCALAR)
    }
}
