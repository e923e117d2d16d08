//! A JSON Schema, compiled for checking many values.
//!
//! # Invariants
//!
//! 1. Every `$ref` is an index, every pattern is compiled, every tagged enum knows its tag: a check
//!    does no lookups by name except those of the value's own keys.
//! 2. What the schema says and this module does not know (`not`, `if`, `dependentSchemas`,
//!    `contains`) is left to serde; the derive of `schemars` writes none of these.
//!
//! # What compiling saves
//!
//! A schema is a tree of JSON objects that refer to each other by path. Walking it for every value
//! would mean string comparisons, regular expressions and pointer lookups without end. Compiled, a
//! schema object is a [`Rule`] in a vector, a reference is an index, and what depends on more than
//! one rule (which types are possible, whether a secret is in reach, how the variants of an enum
//! are told apart) is worked out once for each rule.
//!
//! A type that contains itself is a cycle of references. Its index is handed out before its target
//! is compiled, and questions that go through references have a depth; past it the answer is the
//! careful one: any type, and maybe a secret.
//!
//! # Rules in place
//!
//! A schema object says several things about one value at once: its own keywords, `$ref`, `allOf`
//! ([`Rule::also`], which always hold) and `anyOf`, `oneOf` ([`Rule::groups`], of which one
//! alternative holds). The *closure* of a rule is itself and everything that always holds with it.

mod compiler;

use processpype_core::{SortedMap, sort};
use regex_lite::Regex;
use serde_json::Value;
use smallvec::SmallVec;

use crate::pattern::Pattern;
use crate::types::Types;

/// Levels of schemas inside schemas that are followed when an enum's variants are compared.
const MAX_SHAPE_DEPTH: usize = 16;

/// The index of a [`Rule`].
pub(crate) type Id = usize;

/// The rules that apply to one value: a few, so they need no allocation.
pub(crate) type Ids = SmallVec<[Id; 4]>;

/// A compiled schema.
///
/// Made once for a type and a document; shared by all reads.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    rules: Vec<Rule>,
    types: Vec<Types>,
    secret: Vec<bool>,
    shown: Vec<bool>,
    root: Id,
}

/// One schema object.
///
/// `None` and empty mean that the schema does not say.
#[derive(Debug, Default)]
pub(crate) struct Rule {
    pub(crate) types: Types,
    pub(crate) secret: bool,
    pub(crate) format: String,
    /// The exact range of whole numbers that the format has, if it is one of integers.
    pub(crate) range: Option<(i128, u128)>,
    pub(crate) minimum: Option<f64>,
    pub(crate) maximum: Option<f64>,
    pub(crate) above: Option<f64>,
    pub(crate) below: Option<f64>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    pub(crate) pattern: Option<Box<Pattern>>,
    pub(crate) items: Option<Id>,
    pub(crate) prefix: Vec<Id>,
    pub(crate) min_items: Option<usize>,
    pub(crate) max_items: Option<usize>,
    pub(crate) unique: bool,
    /// Few, and looked up for every key: comparing them costs less than a hash.
    pub(crate) properties: SortedMap<String, Id>,
    pub(crate) pattern_properties: Vec<(Regex, Id)>,
    pub(crate) free_keys: FreeKeys,
    pub(crate) required: Vec<String>,
    pub(crate) min_keys: Option<usize>,
    pub(crate) max_keys: Option<usize>,
    /// From `enum` and `const`.
    pub(crate) choices: Option<Vec<Value>>,
    /// From `$ref` and `allOf`.
    pub(crate) also: Vec<Id>,
    /// From `anyOf` and `oneOf`.
    pub(crate) groups: Vec<Group>,
    pub(crate) default: Option<Value>,
    pub(crate) description: String,
    /// From `x-expected`: what is valid, in words.
    pub(crate) expected: Option<String>,
    /// The schema `false`.
    pub(crate) never: bool,
}

/// What a map may hold beside its properties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FreeKeys {
    /// The schema does not say: nothing, if it knows any property.
    #[default]
    Unsaid,
    /// Nothing.
    None,
    /// Any key, with values by this rule if there is one.
    Some(Option<Id>),
}

/// Alternatives, of which one holds.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) ids: Vec<Id>,
    pub(crate) shape: Shape,
}

/// How the alternatives for a map are told apart.
#[derive(Debug, Default)]
pub(crate) enum Shape {
    /// Only by trying.
    #[default]
    Untagged,
    /// By the value of this key.
    Tagged { key: String, variants: Vec<(String, Id)> },
    /// By which key there is.
    Keyed { variants: Vec<(String, Id)> },
}

// === impl Shape ===

impl Shape {
    /// How a map would be written: `{file: …}`, one for each key that tells alternatives apart.
    pub(crate) fn forms(&self) -> impl Iterator<Item = String> {
        let variants = match self {
            Self::Keyed { variants } => variants.as_slice(),
            Self::Untagged | Self::Tagged { .. } => &[],
        };
        variants.iter().map(|(name, _)| format!("{{{name}: …}}"))
    }
}

// === impl Rules ===

impl Rules {
    /// Compiles a schema.
    ///
    /// What is not understood is left out, never refused: then serde decides.
    pub(crate) fn new(schema: &Value) -> Self {
        let (rules, root) = compiler::compile(schema);
        let mut rules = Self { rules, root, ..Self::default() };
        let all = 0..rules.rules.len();
        rules.types = all.clone().map(|id| rules.types_within(id, MAX_SHAPE_DEPTH)).collect();
        rules.secret = all.clone().map(|id| rules.secret_within(id, MAX_SHAPE_DEPTH)).collect();
        rules.shown = all.map(|id| rules.is_shown(id)).collect();
        for at in 0..rules.rules.len() {
            for group in 0..rules.rules[at].groups.len() {
                let shape = rules.shape(&rules.rules[at].groups[group].ids);
                rules.rules[at].groups[group].shape = shape;
            }
        }
        rules
    }

    /// The rule of the whole.
    pub(crate) const fn root(&self) -> Id {
        self.root
    }

    /// An id always names a rule, since only compiling makes ids.
    pub(crate) fn get(&self, id: Id) -> &Rule {
        &self.rules[id]
    }

    /// Whether code has chosen the word for a key, wherever that is.
    pub(crate) fn has_key(&self, word: &str) -> bool {
        self.rules.iter().any(|rule| rule.properties.contains_key(word))
    }

    /// `id` and the rules that hold with it always, alternatives left out.
    ///
    /// Each rule once, so that a cycle of references ends.
    pub(crate) fn closure(&self, id: Id, out: &mut Vec<Id>) {
        if out.contains(&id) {
            return;
        }
        out.push(id);
        for also in &self.rules[id].also {
            self.closure(*also, out);
        }
    }

    /// The types that a value may have by this rule.
    ///
    /// Looked up: it was worked out when the schema was compiled.
    pub(crate) fn types(&self, id: Id) -> Types {
        self.types[id]
    }

    /// Own types, and what always holds, and one of each group.
    fn types_within(&self, id: Id, depth: usize) -> Types {
        let Some(depth) = depth.checked_sub(1) else { return Types::ANY };
        let rule = &self.rules[id];
        if rule.never {
            return Types::NONE;
        }
        let also = rule.also.iter().map(|id| self.types_within(*id, depth));
        let groups = rule.groups.iter().map(|group| {
            let each = group.ids.iter().map(|id| self.types_within(*id, depth));
            each.fold(Types::NONE, Types::or)
        });
        also.chain(groups).fold(rule.types, Types::and)
    }

    /// The named keys of some rules, with the rule of each.
    pub(crate) fn properties_of(&self, ids: &[Id]) -> Vec<(&String, Id)> {
        let mut properties = Vec::new();
        for id in ids {
            properties.extend(self.rules[*id].properties.iter().map(|(key, id)| (key, *id)));
        }
        properties
    }

    /// Whether this rule, or one that it may lead to in place, marks a secret.
    pub(crate) fn may_be_secret(&self, id: Id) -> bool {
        self.secret[id]
    }

    /// Whether a value may be shown as far as this rule says: it wants a scalar, of whatever kind,
    /// and leads to no secret.
    pub(crate) fn may_be_shown(&self, id: Id) -> bool {
        self.shown[id]
    }

    /// A rule that takes anything says nothing, unless it leads on to others.
    fn is_shown(&self, id: Id) -> bool {
        let rule = &self.rules[id];
        let any = rule.types == Types::ANY && rule.choices.is_none();
        let leads_on = !rule.also.is_empty() || !rule.groups.is_empty();
        let wants_scalar = self.types(id).has(Types::SCALAR.without(Types::NULL));
        (leads_on || !any) && wants_scalar && !self.may_be_secret(id)
    }

    /// A careful answer: a secret in one alternative of many makes all of them careful.
    fn secret_within(&self, id: Id, depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return true };
        let rule = &self.rules[id];
        let is_in = |ids: &[Id]| ids.iter().any(|id| self.secret_within(*id, depth));
        rule.secret || is_in(&rule.also) || rule.groups.iter().any(|group| is_in(&group.ids))
    }

    /// The texts that a rule allows, if it allows only certain texts.
    ///
    /// An `enum` with a number in it is no set of texts.
    pub(crate) fn texts(&self, id: Id) -> Option<Vec<&str>> {
        let mut ids = Vec::new();
        self.closure(id, &mut ids);
        let choices = ids.iter().find_map(|id| self.rules[*id].choices.as_ref())?;
        choices.iter().map(Value::as_str).collect()
    }

    /// Only alternatives for maps have a shape; texts and numbers decide themselves.
    fn shape(&self, ids: &[Id]) -> Shape {
        let maps: Vec<Id> =
            ids.iter().copied().filter(|id| self.types(*id).has(Types::OBJECT)).collect();
        if maps.len() < 2 && ids.len() < 2 {
            return Shape::Untagged;
        }
        self.tagged(&maps).or_else(|| self.keyed(&maps)).unwrap_or_default()
    }

    /// All alternatives require one same key with one constant text each.
    ///
    /// The first such key in the order of the alphabet; an enum with two tags is rare, and either
    /// decides.
    fn tagged(&self, maps: &[Id]) -> Option<Shape> {
        let first = self.required_texts(*maps.first()?);
        for (key, _) in first {
            let variants: Option<Vec<_>> = maps
                .iter()
                .map(|id| {
                    let texts = self.required_texts(*id);
                    texts.into_iter().find(|(k, _)| *k == key).map(|(_, text)| (text, *id))
                })
                .collect();
            if let Some(variants) = variants {
                return Some(Shape::Tagged { key, variants });
            }
        }
        None
    }

    /// The keys that a rule requires with one fixed text, with that text: candidates for a tag.
    fn required_texts(&self, id: Id) -> Vec<(String, String)> {
        let mut ids = Vec::new();
        self.closure(id, &mut ids);
        let mut found = Vec::new();
        for rule in ids.iter().map(|id| &self.rules[*id]) {
            for key in &rule.required {
                let texts = rule.properties.get(key).and_then(|id| self.texts(*id));
                if let Some([text]) = texts.as_deref() {
                    found.push((key.clone(), (*text).to_owned()));
                }
            }
        }
        sort(&mut found);
        found
    }

    /// Each alternative has exactly one property, which is required.
    ///
    /// The form that serde gives an enum without further attributes.
    fn keyed(&self, maps: &[Id]) -> Option<Shape> {
        let variant = |id: &Id| {
            let rule = &self.rules[*id];
            let [key] = rule.required.as_slice() else { return None };
            let alone = rule.properties.len() == 1 && rule.also.is_empty();
            (alone && rule.properties.contains_key(key)).then(|| (key.clone(), *id))
        };
        let variants: Vec<_> = maps.iter().map(variant).collect::<Option<_>>()?;
        let closed = maps.iter().all(|id| self.rules[*id].free_keys == FreeKeys::None);
        (variants.len() > 1 || (closed && !variants.is_empty()))
            .then_some(Shape::Keyed { variants })
    }
}
