//! Views into a loaded configuration, and reading them into types.
//!
//! # Invariants
//!
//! 1. A section that was written nowhere reads as an empty map that knows its path, so defaults and
//!    missing keys work the same whether or not a file mentions it.
//! 2. `Debug` shows paths and origins, never values.
//! 3. A schema is compiled once per type and document.
//! 4. A section is two pointers: to where it is ([`Place`]), and to which keys of it are meant
//!    ([`Part`]). One that was never anywhere, `Section::default()`, is none.

mod body;
mod by;
mod overlaid;
mod part;
mod place;
mod shared;
mod unresolved;

pub(crate) use self::body::body_node;
pub use self::body::read_json;
pub(crate) use self::part::{Keys, Part};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use processpype_core::each;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::check::{Slot, Walk};
use crate::collect::Problems;
use crate::complain::STRANGE;
use crate::effective::{self, Effective};
use crate::interpolate::Resolver;
use crate::limits::MAX_LISTED;
use crate::map::Entry;
use crate::nearest::plain;
use crate::node::{Node, Style};
use crate::origin::Origin;
use crate::report::{Problem, Report};
use crate::rules::Rules;
use crate::show;
use crate::source::{At, Source, Spot};
use crate::typed::{De, Typed};
use crate::types::Types;

use self::place::Place;
use self::shared::Shared;

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
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Loader};
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
#[derive(Clone, Default)]
pub struct Section {
    /// `None`: the root of nothing.
    place: Option<Arc<Place>>,
    /// Which keys belong to it; `None`: all.
    part: Option<Arc<Part>>,
}

// === impl Document ===

impl Document {
    /// A configuration without anything in it.
    pub fn empty() -> Self {
        Self { root: Section::default() }
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
        let place = self.root.place.as_ref()?;
        place.shared().variables.get(name).map(String::as_str)
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
        keys.fold(Self::default(), |section, key| section.get(key))
    }

    fn at(place: Place) -> Self {
        Self { place: Some(Arc::new(place)), part: None }
    }

    /// The path, such as `services.counter`; empty for the root.
    pub fn path(&self) -> String {
        self.place.as_ref().map_or_else(String::new, |place| place.path())
    }

    /// Whether any layer wrote it.
    ///
    /// `counter:` with nothing after it counts as written.
    pub fn exists(&self) -> bool {
        self.node().is_some()
    }

    /// Whether it was written as a map, be it an empty one: `counter:` alone is none, `{}` is.
    pub fn is_map(&self) -> bool {
        self.node().is_some_and(|node| node.as_map().is_some())
    }

    /// The keys in the order of the file, with the places they were written at.
    ///
    /// A section that is no map has none.
    pub fn keys(&self) -> Vec<(String, Origin)> {
        self.entries().map(|entry| (entry.key().to_owned(), entry.key_at().origin())).collect()
    }

    /// The keys in the order of the file; [`keys`](Self::keys) has their places too.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let text = "services: {web: {}, worker: {}}";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let services = document.section(&["services"]);
    /// assert!(services.names().eq(["web", "worker"]));
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries().map(Entry::key)
    }

    /// The part below `key`.
    ///
    /// It is never missing: what was written nowhere reads as its defaults, or tells which keys it
    /// needs.
    #[must_use]
    pub fn get(&self, key: &str) -> Self {
        let found = self.map().and_then(|map| map.position(key));
        Self::at(match (found, &self.place) {
            (Some(index), Some(place)) => Place::entry(place, index, key),
            (_, place) => Place::absent(place.clone(), key),
        })
    }

    /// The item of a list, counted from 0; the list itself if it has none there.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let text = "hosts: [{name: a}, {name: b}]";
    /// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
    /// let name = document.section(&["hosts"]).item(1).get("name");
    /// assert_eq!(name.path(), "hosts[1].name");
    /// assert_eq!(name.origin().unwrap().to_string(), "app.yaml:1:27");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    #[must_use]
    pub fn item(&self, index: usize) -> Self {
        let item = self.place.as_ref().and_then(|place| Place::item(place, index));
        item.map_or_else(|| self.clone(), Self::at)
    }

    /// Where it was written: its key, or the value itself if that is no map.
    pub fn origin(&self) -> Option<Origin> {
        let node = self.node()?;
        let at = if node.as_map().is_some() { self.key_at() } else { None };
        Some(at.unwrap_or(node.at.spot()).origin())
    }

    /// The same section with another value, and all keys of it.
    fn with(&self, node: Option<Node>) -> Self {
        let place = match (&self.place, node) {
            (place, None) => place.clone(),
            (Some(place), Some(node)) => Some(Arc::new(place.with(node))),
            (None, Some(node)) => Some(Arc::new(Place::alone(node))),
        };
        let beside = Some(self.beside()).filter(|keys| !keys.is_empty());
        Self { place, part: beside.map(|keys| Arc::new(Part::beside(keys))) }
    }

    /// Checks that there are no keys but `known`, and the user's own that begin with `x-`. A key
    /// that a higher layer takes away with `null` is not there.
    ///
    /// # Errors
    ///
    /// One problem per unknown key, each with the nearest known one.
    pub fn known_keys(&self, known: &[&str]) -> Result<(), Report> {
        let mut problems = Problems::default();
        let names: Vec<String> = each(known, |key| plain(key));
        for entry in self.entries() {
            let is_known = known.contains(&entry.key())
                || (entry.is_loose() && names.contains(&plain(entry.key())))
                || entry.key().starts_with("x-")
                || entry.node.takes_away();
            if !is_known {
                problems.push_with(|| self.unknown_key(entry.key(), entry.key_at(), known));
            }
        }
        problems.finish()
    }

    fn unknown_key(&self, key: &str, at: Spot<'_>, known: &[&str]) -> Problem {
        let (key, help) = show::stranger(key);
        let (path, beside) = (show::join(&self.path(), &key), self.beside());
        let problem = at
            .problem(format!("unknown key `{path}`"), false)
            .in_path(path)
            .label(STRANGE)
            .hint_nearest(&key, known.iter().copied().chain(beside.iter().map(AsRef::as_ref)))
            .with_known(known, beside);
        match help.map(Cow::Borrowed).or_else(|| show::nested(&key, known).map(Cow::Owned)) {
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
        self.read_by(shared::schema_of::<T>, sink)
    }

    fn read_with<T: DeserializeOwned>(
        &self,
        rules: &Rules,
        resolver: Option<Resolver<'_>>,
        sink: &mut Vec<String>,
    ) -> Result<T, Report> {
        let mut read = None;
        self.walk(rules, resolver, sink, &mut |typed| {
            read = Some(T::deserialize(typed)?);
            Ok(())
        })?;
        Ok(read.expect("what was read without an error is there"))
    }

    /// Checks the section, and lets it be read if nothing is wrong with it.
    ///
    /// The same code for all types; only `read` knows which one it is.
    fn walk(
        &self,
        rules: &Rules,
        resolver: Option<Resolver<'_>>,
        sink: &mut Vec<String>,
        read: &mut dyn FnMut(De<'_, '_>) -> Result<(), crate::typed::Error>,
    ) -> Result<(), Report> {
        let absent;
        let (written, key_at) = self.written();
        let node = match written {
            Some(node) => node,
            None => {
                absent = self.absent_node(rules)?;
                &absent
            }
        };
        let mut walk = Walk::new(rules, resolver, self);
        let slot = Slot { node, key_at, lenient: false };
        let typed = walk.visit(slot, &[rules.root()], false);
        let secrets = std::mem::take(&mut walk.secrets);
        let result = walk.problems.finish().and_then(|()| {
            read(De(&typed)).map_err(|e| self.refused(&typed, &typed.located(e), &secrets))
        });
        sink.extend(secrets);
        result
    }

    /// What stands in for a section that was written nowhere.
    fn absent_node(&self, rules: &Rules) -> Result<Node, Report> {
        let at = At::whole(&Source::word(Origin::Default));
        let types = rules.types(rules.root());
        if types.has(Types::OBJECT) {
            Ok(Node::map(Vec::new(), at))
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
        let path = typed.path_to(&error.path, self.path());
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
            let path = value.path_to(keys, path.clone());
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
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
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
        let own = self.node().filter(|node| node.as_map().is_none() && !node.is_unwritten());
        let node_at = own.map(|node| node.at.spot());
        let overrides = self.node().map_or(&[][..], Node::overrides).to_vec();
        match node_at.or(self.key_at()).or(self.node().map(|node| node.at.spot())) {
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
        effective::list(&rules, self.own_node().as_deref(), &self.path())
    }

    /// What was written, with all keys that the place has.
    fn node(&self) -> Option<&Node> {
        self.place.as_ref().and_then(|place| place.node())
    }

    /// What was written, and the place of the key that it hangs on.
    fn written(&self) -> (Option<&Node>, Option<Spot<'_>>) {
        self.place.as_ref().map_or((None, None), |place| place.written())
    }

    /// What was written, with the keys that belong to this section alone.
    fn own_node(&self) -> Option<Cow<'_, Node>> {
        let node = self.node()?;
        let part = self.part.as_deref().filter(|part| part.filters());
        let own = part.and_then(|part| node.filtered(|key| part.has(key)));
        Some(own.map_or(Cow::Borrowed(node), Cow::Owned))
    }

    fn map(&self) -> Option<Keys<'_>> {
        let map = self.node().and_then(Node::as_map)?;
        Some(Keys::new(map, self.part.as_deref()))
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.map().into_iter().flat_map(Keys::entries)
    }

    /// The key of this section, or of the nearest one above it that was written.
    fn key_at(&self) -> Option<Spot<'_>> {
        self.place.as_ref().and_then(|place| place.key_at())
    }

    /// Whether a key of its path names a secret.
    pub(crate) fn names_a_secret(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.names_a_secret())
    }

    /// Which keys belong to it, if not all.
    pub(crate) fn part(&self) -> Option<&Part> {
        self.part.as_deref()
    }

    /// Keys that stand beside these in the same section: unknown here, but perhaps meant.
    pub(crate) fn beside(&self) -> &[Box<str>] {
        self.part().map_or(&[], Part::neighbours)
    }

    fn shared(&self) -> Cow<'_, Arc<Shared>> {
        match &self.place {
            Some(place) => Cow::Borrowed(place.shared()),
            None => Cow::Owned(Arc::default()),
        }
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
