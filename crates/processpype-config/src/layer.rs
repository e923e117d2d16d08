//! A layer that comes in at run time, as the body of a request, and lies over a section.
//!
//! # Invariants
//!
//! 1. `${…}` in it is text, for as long as it is kept: whoever may send a request may not read the
//!    environment of the process through an echo.
//! 2. A value that has not been accepted has the place of its body; one that has been has the
//!    origin that [`Layer::attributed`] gives it.
//! 3. Nothing in it is shown by `Debug`.
//!
//! # Put and patch
//!
//! A layer that is put takes the place of the one before; there `null` is a value, which hides what
//! lower layers say. A patch changes the layer as a JSON Merge Patch (RFC 7396) does: maps merge,
//! other values replace, and `null` takes a key out of the layer, so that what lower layers say
//! holds again.

use processpype_core::each;

use crate::loader::Loader;
use crate::map::{Entry, Map};
use crate::node::{Kind, Node, Style};
use crate::origin::Origin;
use crate::report::{Problem, Report};
use crate::section::{Section, body_node};
use crate::source::{At, Source};

/// Values that came over an API, to lie over a [`Section`]. Cheap to clone.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Layer, Loader, Origin};
///
/// let text = "counter: {step: 1, name: \"${USER:-nobody}\"}";
/// let document = Loader::new().text("app.yaml", Format::Yaml, text).load()?;
/// let layer = Layer::from_json(br#"{"step": 2}"#)?.attributed(&Origin::api("alice"));
/// let counter = document.section(&["counter"]).under(&layer);
/// assert_eq!(counter.get("step").read::<u64>()?, 2);
/// assert_eq!(counter.get("step").origin().unwrap().to_string(), "api:alice");
///
/// let layer = layer.patched(&Layer::from_json(br#"{"step": null, "name": "${HOME}"}"#)?);
/// let counter = document.section(&["counter"]).under(&layer);
/// assert_eq!(counter.get("step").read::<u64>()?, 1);
/// assert_eq!(counter.get("name").read::<String>()?, "${HOME}", "it is text");
/// # Ok::<(), processpype_config::Report>(())
/// ```
#[derive(Clone, Default)]
pub struct Layer {
    /// A map that is not empty.
    root: Option<Node>,
}

// === impl Layer ===

impl Layer {
    /// Reads the body of a request: one JSON map.
    ///
    /// Its values are not looked at: what they should be is known to the type that reads the
    /// section.
    ///
    /// # Errors
    ///
    /// What keeps the body from being a map: no JSON, too large, too deep, a key that stands twice.
    pub fn from_json(bytes: &[u8]) -> Result<Self, Report> {
        let root = body_node(bytes)?;
        match root {
            Some(node) if node.as_map().is_none() => {
                let problem = node.at.problem("the body must be a map of keys", false);
                Err(problem.help("write `{\"key\": value}`").into())
            }
            root => Ok(Self::of(root)),
        }
    }

    /// Makes the layer with one value, as if it stood in a body: `path` is its keys, outermost
    /// first.
    ///
    /// # Errors
    ///
    /// What keeps `json` from being one JSON value.
    pub fn single(path: &[&str], json: &str) -> Result<Self, Report> {
        if path.is_empty() {
            return Err(Problem::new("a value needs a key").into());
        }
        let quoted = |key: &&str| serde_json::Value::from(*key).to_string();
        let opened: String = path.iter().map(|key| format!("{{{}:", quoted(key))).collect();
        let closed = "}".repeat(path.len());
        Self::from_json(format!("{opened}{json}{closed}").as_bytes())
    }

    fn of(root: Option<Node>) -> Self {
        Self {
            root: root.filter(|node| node.as_map().is_some_and(|map| !map.entries().is_empty())),
        }
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// Its outermost keys.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let map = self.root.as_ref().and_then(Node::as_map);
        each(map.map_or(&[][..], Map::entries), Entry::key)
    }

    /// Whether `other` says the same, whoever said it.
    #[must_use]
    pub fn says_what(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (Some(one), Some(other)) => one.says_what(other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Returns this layer, changed by `patch` as by a JSON Merge Patch (RFC 7396).
    ///
    /// `null` in the patch takes a key out; a map that becomes empty goes too.
    #[must_use]
    pub fn patched(&self, patch: &Self) -> Self {
        match &patch.root {
            Some(patch) => Self::of(Some(merge(self.root.as_ref(), patch))),
            None => self.clone(),
        }
    }

    /// Returns this layer with `origin` as the origin of every value that is still one of a body.
    ///
    /// For the moment in which it is accepted: the body is gone then, and who sent it stays.
    #[must_use]
    pub fn attributed(&self, origin: &Origin) -> Self {
        let at = At::whole(&Source::word(origin.clone()));
        Self { root: self.root.as_ref().map(|node| attributed(node, &at)) }
    }
}

impl std::hash::Hash for Layer {
    /// Of what it says, in its order; who said it does not count.
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        fn of<H: std::hash::Hasher>(node: &Node, state: &mut H) {
            match node.kind() {
                Kind::Scalar(text, style) => (0_u8, text, style == Style::Quoted).hash(state),
                Kind::Seq(items) => {
                    (1_u8, items.len()).hash(state);
                    items.iter().for_each(|item| of(item, state));
                }
                Kind::Map(map) => {
                    (2_u8, map.entries().len()).hash(state);
                    for entry in map.entries() {
                        entry.key().hash(state);
                        of(&entry.node, state);
                    }
                }
            }
        }
        self.root.iter().for_each(|node| of(node, state));
    }
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Layer").field(&self.keys()).finish()
    }
}

// === impl Loader ===

impl Loader {
    /// Puts what code says below everything else; its origin is [`Origin::Code`].
    ///
    /// `${…}` in it is text. The last call counts.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Layer, Loader};
    ///
    /// let code = || Layer::single(&["app", "title"], "\"shop\"");
    /// let title = |loader: Loader| loader.load()?.section(&["app", "title"]).read::<String>();
    /// assert_eq!(title(Loader::new().code(&code()?))?, "shop");
    /// assert_eq!(title(Loader::new().code(&code()?).set("app.title=bazaar"))?, "bazaar");
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn code(mut self, layer: &Layer) -> Self {
        self.code = layer.attributed(&Origin::Code).root;
        self
    }
}

// === impl Section ===

impl Section {
    /// Lays a layer over this section: maps merge, everything else replaces.
    ///
    /// The result has the path of `self`, and what the layer overrides in `overrides`.
    #[must_use]
    pub fn under(&self, layer: &Layer) -> Self {
        match &layer.root {
            Some(node) => self.laid_over(node),
            None => self.clone(),
        }
    }
}

/// `patch` over `base`, without nulls.
fn merge(base: Option<&Node>, patch: &Node) -> Node {
    let Some(changes) = patch.as_map() else { return patch.clone() };
    let below = base.and_then(Node::as_map);
    let kept = |entry: &&Entry| changes.get(entry.key()).is_none();
    let low = below.map_or(&[][..], Map::entries);
    let mut entries: Vec<Entry> = low.iter().filter(kept).cloned().collect();
    for change in changes.entries().iter().filter(|change| !change.node.is_null()) {
        let base = below.and_then(|map| map.get(change.key())).map(|entry| &entry.node);
        let node = merge(base, &change.node);
        let is_left_empty = node.as_map().is_some_and(|map| map.entries().is_empty());
        let was_sent_empty = change.node.as_map().is_some_and(|map| map.entries().is_empty());
        if !is_left_empty || was_sent_empty {
            entries.push(change.with(node));
        }
    }
    Node::map(entries, patch.at.clone())
}

/// The same values at another place, where they are still a body's.
fn attributed(node: &Node, at: &At) -> Node {
    if !node.at.spot().is_of_body() {
        return node.with_items(|item| attributed(item, at));
    }
    let moved = match node.kind() {
        Kind::Scalar(text, style) => Node::scalar(text, style, at.clone()),
        Kind::Seq(items) => Node::seq(each(items, |item| attributed(item, at)).into(), at.clone()),
        Kind::Map(map) => {
            let entries = map.entries().iter().map(|entry| {
                let node = attributed(&entry.node, at);
                match entry.key_at().is_of_body() {
                    true => Entry::new(entry.key(), at.span(), entry.is_loose(), node),
                    false => entry.with(node),
                }
            });
            Node::map(entries.collect::<Vec<Entry>>(), at.clone())
        }
    };
    moved.with_that_of(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(json: &str) -> Layer {
        Layer::from_json(json.as_bytes()).unwrap_or_else(|report| panic!("{report}"))
    }

    /// What a layer says, as `key=text` leaf by leaf.
    fn told(layer: &Layer) -> String {
        fn walk(node: &Node, path: &str, out: &mut Vec<String>) {
            match node.kind() {
                Kind::Scalar(text, _) => out.push(format!("{path}={text}")),
                Kind::Seq(items) => out.push(format!("{path}=[{}]", items.len())),
                Kind::Map(map) if map.entries().is_empty() => out.push(format!("{path}={{}}")),
                Kind::Map(map) => {
                    map.entries()
                        .iter()
                        .for_each(|e| walk(&e.node, &format!("{path}.{}", e.key()), out));
                }
            }
        }
        let mut out = Vec::new();
        layer.root.iter().for_each(|node| walk(node, "", &mut out));
        out.join(" ")
    }

    #[track_caller]
    fn check(base: &str, patch: &str, expected: &str) {
        assert_eq!(told(&layer(base).patched(&layer(patch))), expected, "{base} {patch}");
    }

    #[test]
    fn a_patch_merges_replaces_and_takes_out() {
        check("{}", "{}", "");
        check(r#"{"a":1}"#, "{}", ".a=1");
        check(r#"{"a":1,"b":2}"#, r#"{"a":3}"#, ".b=2 .a=3");
        check(r#"{"a":1}"#, r#"{"a":null}"#, "");
        check(r#"{"a":{"b":1,"c":2}}"#, r#"{"a":{"b":null}}"#, ".a.c=2");
        check(r#"{"a":{"b":1}}"#, r#"{"a":{"b":null}}"#, "");
        check("{}", r#"{"a":{"b":null}}"#, "");
        check("{}", r#"{"a":{}}"#, ".a={}");
        check(r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, ".a=[1]");
        check(r#"{"a":1}"#, r#"{"a":{"b":1}}"#, ".a.b=1");
    }

    #[test]
    fn only_maps_are_layers() {
        for bad in ["[1]", "3", "\"x\"", "null", "{", ""] {
            assert!(Layer::from_json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(layer("{}").is_empty());
        assert_eq!(told(&Layer::single(&["a", "b\"c"], "[1]").expect("json")), ".a.b\"c=[1]");
        assert!(Layer::single(&["a"], "1}, {\"b\": 2").is_err());
    }

    #[test]
    fn who_sent_a_value_stays_with_it() {
        let first = layer(r#"{"a":1,"b":{"c":1}}"#).attributed(&Origin::api("alice"));
        let both = first.patched(&layer(r#"{"b":{"d":2}}"#)).attributed(&Origin::api("bob"));
        let section = Section::empty("s").under(&both);
        let origin = |path: &[&str]| {
            let section = path.iter().fold(section.clone(), |at, key| at.get(key));
            section.origin().map(|origin| origin.to_string())
        };
        assert_eq!(origin(&["a"]).as_deref(), Some("api:alice"));
        assert_eq!(origin(&["b", "c"]).as_deref(), Some("api:alice"));
        assert_eq!(origin(&["b", "d"]).as_deref(), Some("api:bob"));
        assert!(!format!("{both:?}").contains('2'));
    }
}
