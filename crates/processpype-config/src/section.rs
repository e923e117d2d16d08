//! Views into a loaded configuration, and reading them into types.
//!
//! # Invariants
//!
//! 1. A section that was written nowhere reads as an empty map that knows its path, so defaults and
//!    missing keys work the same whether or not a file mentions it.
//! 2. `Debug` shows paths and origins, never values.
//! 3. A schema is compiled once per type and document.

mod body;
mod overlaid;
mod unresolved;

pub(crate) use self::body::body_node;
pub use self::body::read_json;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::check::{Slot, Walk};
use crate::effective::{self, Effective};
use crate::interpolate::Resolver;
use crate::limits::MAX_LISTED;
use crate::nearest::plain;
use crate::node::{Map, Node, Style};
use crate::origin::Origin;
use crate::path::Path;
use crate::report::{Problem, Problems, Report};
use crate::rules::Rules;
use crate::secrets::{Backends, SecretsConfig};
use crate::show;
use crate::source::{At, Source};
use crate::typed::{De, Typed};
use crate::types::Types;

/// A whole configuration, all layers merged. Cheap to clone, and the same for every thread.
///
/// It is a snapshot: files that change later do not change it. Load again for news.
#[derive(Clone, Debug)]
pub struct Document {
    root: Section,
}

/// A view of one part of a [`Document`]. Cheap to clone.
///
/// # Example
///
/// ```
/// use processpype_config::{Format, Loader};
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Debug, Deserialize, JsonSchema)]
/// struct Counter {
///     /// Added per tick.
///     #[schemars(range(min = 1))]
///     step: u64,
/// }
///
/// let text = "services:\n  counter:\n    step: 0\n    stp: 1\n";
/// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
/// let report = document.section(&["services", "counter"]).read::<Counter>().unwrap_err();
/// let text = report.to_string();
/// assert!(text.contains("app.yaml:3:11") && text.contains("is less than 1"), "{text}");
/// assert!(text.contains("app.yaml:4:5") && text.contains("did you mean `step`?"), "{text}");
/// # Ok::<(), processpype_config::Report>(())
/// ```
#[derive(Clone)]
pub struct Section {
    node: Option<Node>,
    path: Path,
    /// The key of this section, or of the nearest one above it that was written.
    key_at: Option<At>,
    shared: Arc<Shared>,
    /// Keys that stand beside these in the same section: unknown here, but perhaps meant.
    beside: Arc<[String]>,
}

/// What the sections of a document have in common.
#[derive(Default)]
struct Shared {
    root: Option<Node>,
    variables: BTreeMap<String, String>,
    backends: OnceLock<Backends>,
    schemas: Mutex<HashMap<String, Arc<Rules>>>,
}

// === impl Document ===

impl Document {
    pub(crate) fn new(root: Node, variables: BTreeMap<String, String>) -> Self {
        let shared = Shared { root: Some(root.clone()), variables, ..Shared::default() };
        let (path, shared) = (Path::default(), Arc::new(shared));
        Self { root: Section { node: Some(root), ..Section::absent(path, None, shared) } }
    }

    /// A configuration without anything in it.
    pub fn empty() -> Self {
        Self { root: Section::absent(Path::default(), None, Arc::default()) }
    }

    /// The whole of it as one section.
    pub fn root(&self) -> Section {
        self.root.clone()
    }

    /// The part at `path`; one that was written nowhere reads as an empty map.
    ///
    /// `document.section(&["services", "counter"])` is `root().get("services").get("counter")`.
    pub fn section(&self, path: &[&str]) -> Section {
        path.iter().fold(self.root(), |section, key| section.get(key))
    }

    /// A variable of the environment, whether it configures something or not.
    ///
    /// It tells where the process runs; what is configured stands in the sections.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.root.shared.variables.get(name).map(String::as_str)
    }
}

impl Default for Document {
    fn default() -> Self {
        Self::empty()
    }
}

// === impl Section ===

impl Section {
    /// A section that was written nowhere, at a path such as `services.counter`.
    pub fn empty(path: &str) -> Self {
        let keys = path.split('.').filter(|key| !key.is_empty());
        let path = keys.fold(Path::default(), |path, key| path.below(key));
        Self::absent(path, None, Arc::default())
    }

    fn absent(path: Path, key_at: Option<At>, shared: Arc<Shared>) -> Self {
        Self { node: None, path, key_at, shared, beside: Arc::default() }
    }

    /// The path, such as `services.counter`; empty for the root.
    pub fn path(&self) -> String {
        self.path.keys().iter().fold(String::new(), |path, key| show::join(&path, key))
    }

    /// Whether any layer wrote it.
    ///
    /// `counter:` with nothing after it counts as written.
    pub fn exists(&self) -> bool {
        self.node.is_some()
    }

    /// The keys in the order of the file, with the places they were written at.
    ///
    /// A section that is no map has none.
    pub fn keys(&self) -> Vec<(String, Origin)> {
        let entries = self.map().map_or(&[][..], Map::entries);
        entries.iter().map(|entry| (entry.key.to_string(), entry.key_at.origin())).collect()
    }

    /// The part below `key`.
    ///
    /// It is never missing: what was written nowhere reads as its defaults, or tells which keys it
    /// needs.
    #[must_use]
    pub fn get(&self, key: &str) -> Self {
        let (path, shared) = (self.path.below(key), Arc::clone(&self.shared));
        match self.map().and_then(|map| map.get(key)) {
            Some(entry) => Self {
                node: Some(entry.node.clone()),
                ..Self::absent(path, Some(entry.key_at.clone()), shared)
            },
            None => Self::absent(path, self.key_at.clone(), shared),
        }
    }

    /// Where it was written: its key, or the value itself if that is no map.
    pub fn origin(&self) -> Option<Origin> {
        let node = self.node.as_ref()?;
        let at = if node.as_map().is_some() { self.key_at.as_ref() } else { None };
        Some(at.unwrap_or(&node.at).origin())
    }

    /// Splits into a section with only `keys` and a section with the rest, both at the same path.
    ///
    /// This is how framework keys and a service's own fields share one section: each half is read
    /// into its own type, and each refuses what it does not know. A misspelt one of `keys` lands in
    /// the rest, whose report then names the nearest of both.
    ///
    /// ```
    /// use processpype_config::{Format, Loader};
    ///
    /// let text = "counter: {enabled: false, step: 2}";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let (framework, own) = document.section(&["counter"]).split(&["enabled", "kind"]);
    /// assert!(!framework.get("enabled").read::<bool>()?);
    /// assert_eq!(own.keys()[0].0, "step");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    #[must_use]
    pub fn split(&self, keys: &[&str]) -> (Self, Self) {
        let is_named = |key: &str| keys.contains(&key);
        let named = self.with_map(|map| map.filtered(is_named));
        let rest = self.with_map(|map| map.filtered(|key| !is_named(key)));
        let beside = keys.iter().map(|&key| key.to_owned()).collect();
        (named, Self { beside, ..rest })
    }

    fn with_map(&self, change: impl FnOnce(&Map) -> Map) -> Self {
        let node = self.node.as_ref().map(|node| match node.as_map() {
            Some(map) => {
                Node { extra: node.extra.clone(), ..Node::map(change(map), node.at.clone()) }
            }
            None => node.clone(),
        });
        Self { node, ..self.clone() }
    }

    /// Checks that there are no keys but `known`, and the user's own that begin with `x-`.
    ///
    /// # Errors
    ///
    /// One problem per unknown key, each with the nearest known one.
    pub fn known_keys(&self, known: &[&str]) -> Result<(), Report> {
        let mut problems = Problems::default();
        let names: Vec<String> = known.iter().map(|key| plain(key)).collect();
        for entry in self.map().map_or(&[][..], Map::entries) {
            let is_known = known.contains(&&*entry.key)
                || (entry.loose && names.contains(&plain(&entry.key)))
                || entry.key.starts_with("x-");
            if !is_known {
                problems.push_with(|| self.unknown_key(&entry.key, &entry.key_at, known));
            }
        }
        problems.finish()
    }

    fn unknown_key(&self, key: &str, at: &At, known: &[&str]) -> Problem {
        let (key, help) = show::stranger(key);
        let path = show::join(&self.path(), &key);
        let problem = at
            .problem(format!("unknown key `{path}`"), false)
            .in_path(path)
            .label("not known here")
            .hint_nearest(&key, known.iter().copied().chain(self.beside.iter().map(String::as_str)))
            .valid(known.iter().copied());
        match help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }

    /// Reads the section into a type: resolves `${…}`, checks the type's schema, deserializes.
    ///
    /// The type's JSON Schema is checked first and in full, so that one report has every mistake;
    /// serde runs on what passed, and its error is the last resort for what no schema can say.
    ///
    /// Keys that the schema does not know are refused, except those that begin with `x-`, with or
    /// without `deny_unknown_fields`. (`#[serde(alias)]` is not in the schema, so an alias is
    /// refused too.) An empty value (`counter:`) reads as an empty map where a map is wanted.
    ///
    /// # Errors
    ///
    /// Every problem of the section at once.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, Report> {
        self.read_collecting(&mut Vec::new())
    }

    /// Reads the section and adds every secret value in it to `sink`, for redaction elsewhere.
    ///
    /// The values are collected also when the section has problems.
    ///
    /// # Errors
    ///
    /// Every problem of the section at once.
    pub fn read_collecting<T: DeserializeOwned + JsonSchema>(
        &self,
        sink: &mut Vec<String>,
    ) -> Result<T, Report> {
        let rules = self.shared.rules::<T>();
        let resolver = Resolver {
            variables: &self.shared.variables,
            backends: self.shared.backends(),
            skip: false,
        };
        self.read_with(&rules, Some(resolver), sink)
    }

    fn read_with<T: DeserializeOwned>(
        &self,
        rules: &Rules,
        resolver: Option<Resolver<'_>>,
        sink: &mut Vec<String>,
    ) -> Result<T, Report> {
        let empty = Map::default();
        let absent;
        let node = match &self.node {
            Some(node) => node,
            None => {
                absent = self.absent_node(rules)?;
                &absent
            }
        };
        let mut walk = Walk::new(rules, resolver, self.path.keys(), &empty).beside(&self.beside);
        let slot = Slot { node, key_at: self.key_at.as_ref(), lenient: false };
        let typed = walk.visit(slot, &[rules.root()], false);
        let secrets = std::mem::take(&mut walk.secrets);
        let result = walk.problems.finish().and_then(|()| {
            T::deserialize(De(&typed))
                .map_err(|e| self.refused(&typed, &typed.located(e), &secrets))
        });
        sink.extend(secrets);
        result
    }

    /// What stands in for a section that was written nowhere.
    fn absent_node(&self, rules: &Rules) -> Result<Node, Report> {
        let at = At::whole(&Source::word(Origin::Default));
        let types = rules.types(rules.root());
        if types.has(Types::OBJECT) {
            Ok(Node::map(Map::default(), at))
        } else if types.has(Types::NULL) {
            Ok(Node::scalar("", Style::Plain, at))
        } else {
            let expected = crate::describe::expected(rules, &[rules.root()]);
            let message = format!("missing key `{}`", self.path());
            Err(self.problem(message).label(format!("expected {expected}")).into())
        }
    }

    /// The problem for what a `Deserialize` implementation refused after the schema was content.
    fn refused(
        &self,
        typed: &Typed<'_>,
        error: &crate::typed::Error,
        secrets: &[String],
    ) -> Report {
        let value = typed.follow(&error.path);
        let mut path = self.path();
        for key in &error.path {
            path = show::join(&path, key);
        }
        // A hand-written error may quote any value; what may not be shown is taken out.
        let hidden = typed.hidden();
        let hidden = hidden.iter().copied().chain(secrets.iter().map(String::as_str));
        let scrub = |text: String, hidden: &str| text.replace(hidden, "···");
        let message = hidden.fold(error.message.clone(), scrub);
        let subject = match &value.value {
            crate::typed::Value::Scalar(text, _) if value.show => {
                format!("{} was refused: ", show::value(text))
            }
            _ => String::new(),
        };
        let problem = value
            .place()
            .problem(format!("invalid value for `{path}`: {subject}{message}"), value.show)
            .in_path(path.as_str())
            .overriding(value.node.overrides().to_vec());
        let places = error.candidates.iter().take(MAX_LISTED).map(|keys| {
            let path = keys.iter().fold(path.clone(), |path, key| show::join(&path, key));
            format!("it may be the value at `{path}`, {}", value.follow(keys).place().origin())
        });
        places.fold(problem, Problem::note).into()
    }

    /// Starts a problem about this section, for a check of the caller's own.
    ///
    /// The problem points at the key of the section, or at the value if it is no map. The message
    /// must hold no value that could be secret; the source line is masked as always.
    ///
    /// # Example
    ///
    /// ```
    /// use processpype_config::{Format, Loader};
    ///
    /// let text = "services:\n  counter:\n    kind: tiker\n";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let kinds = ["ticker", "hello"];
    /// let problem = document
    ///     .section(&["services", "counter", "kind"])
    ///     .problem("unknown kind")
    ///     .hint_nearest("tiker", kinds)
    ///     .valid(kinds);
    /// assert!(problem.to_string().contains("app.yaml:3:11"), "{problem}");
    /// assert!(problem.to_string().contains("did you mean `ticker`?"), "{problem}");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn problem(&self, message: impl Into<String>) -> Problem {
        let node_at =
            self.node.as_ref().filter(|node| node.as_map().is_none()).map(|node| &node.at);
        let overrides = self.node.as_ref().map_or(&[][..], Node::overrides).to_vec();
        match node_at.or(self.key_at.as_ref()).or(self.node.as_ref().map(|node| &node.at)) {
            Some(at) => at.problem(message, false),
            None => Problem::new(message),
        }
        .in_path(self.path())
        .overriding(overrides)
    }

    /// Lists every leaf with its value, origin and what it overrides; defaults of the schema too.
    ///
    /// A value is shown only where the schema knows it and it is no secret; otherwise it is `***`.
    /// `${…}` is shown as it was written.
    pub fn effective(&self, schema: &Schema) -> Vec<Effective> {
        let rules = Rules::new(schema.as_value());
        effective::list(&rules, self.node.as_ref(), &self.path())
    }

    fn map(&self) -> Option<&Map> {
        self.node.as_ref().and_then(Node::as_map)
    }
}

impl Default for Section {
    fn default() -> Self {
        Self::empty("")
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys().into_iter();
        // Not every key was meant as one: `{password:hunter2}`.
        let keys: Vec<String> = keys.map(|(key, _)| show::stranger(&key).0.into_owned()).collect();
        f.debug_struct("Section")
            .field("path", &self.path())
            .field("origin", &self.origin())
            .field("keys", &keys)
            .finish()
    }
}

// === impl Shared ===

impl Shared {
    /// The compiled schema of a type.
    fn rules<T: JsonSchema>(&self) -> Arc<Rules> {
        let name = format!("{} {}", T::schema_id(), std::any::type_name::<T>());
        // A poisoned cache is still a cache: its entries are complete or absent.
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(schemas.entry(name).or_insert_with(|| Arc::new(rules_of::<T>())))
    }

    /// The declared backends; none if the section `secrets` is invalid, which its reader reports.
    fn backends(&self) -> &Backends {
        self.backends.get_or_init(|| {
            let section =
                self.root.as_ref().and_then(Node::as_map).and_then(|map| map.get("secrets"));
            let Some(entry) = section else { return Backends::default() };
            let section = Section { node: Some(entry.node.clone()), ..Section::empty("secrets") };
            let none = Backends::default();
            let resolver = Resolver { variables: &self.variables, backends: &none, skip: false };
            let rules = rules_of::<SecretsConfig>();
            let config =
                section.read_with::<SecretsConfig>(&rules, Some(resolver), &mut Vec::new());
            Backends(config.unwrap_or_default().backends)
        })
    }
}

fn rules_of<T: JsonSchema>() -> Rules {
    let generator = SchemaSettings::draft2020_12().for_deserialize().into_generator();
    Rules::new(generator.into_root_schema_for::<T>().as_value())
}
