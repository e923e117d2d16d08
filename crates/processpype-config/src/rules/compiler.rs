//! From the words of a JSON Schema to rules.
//!
//! # Invariants
//!
//! 1. A schema object has its index before what it refers to is compiled, so that a type may
//!    contain itself.
//! 2. A keyword that is not known, or has a value that makes no sense, says nothing.

use std::collections::HashMap;

use processpype_core::{SortedMap, each};
use regex_lite::Regex;
use serde_json::{Map, Value};

use super::{FreeKeys, Group, Id, Rule, Shape};
use crate::describe;
use crate::duration;
use crate::pattern::Pattern;
use crate::secret::X_SECRET;
use crate::types::Types;

/// Compiles a schema with all that it refers to; returns the rules, and which is that of the whole.
pub(super) fn compile(schema: &Value) -> (Vec<Rule>, Id) {
    let mut compiler = Compiler { schema, rules: Vec::new(), refs: HashMap::new() };
    let root = compiler.compile(schema);
    (compiler.rules, root)
}

/// The state of compiling one schema.
///
/// References are compiled when they are first met.
struct Compiler<'a> {
    schema: &'a Value,
    rules: Vec<Rule>,
    refs: HashMap<&'a str, Id>,
}

// === impl Compiler ===

impl<'a> Compiler<'a> {
    /// Reserves the index first, so that what is below can be compiled into the same vector.
    fn compile(&mut self, schema: &'a Value) -> Id {
        let id = self.rules.len();
        self.rules.push(Rule::default());
        let rule = match schema {
            Value::Object(object) => self.object(object),
            Value::Bool(false) => Rule { never: true, types: Types::NONE, ..Rule::default() },
            _ => Rule::default(),
        };
        self.rules[id] = rule;
        id
    }

    /// A few keywords are written of many that could be, so what is written is gone through.
    fn object(&mut self, s: &'a Map<String, Value>) -> Rule {
        let mut rule = Rule::default();
        for (keyword, value) in s {
            match value {
                Value::String(text) => text_keyword(&mut rule, keyword, text),
                Value::Number(_) => number_keyword(&mut rule, keyword, value),
                _ => self.keyword(&mut rule, keyword, value),
            }
        }
        rule.default = s.get("default").cloned();
        // What depends on two keywords; `const` is an `enum` of one.
        let pattern = s.get("pattern").filter(|_| rule.format != duration::FORMAT);
        rule.pattern = pattern.and_then(Value::as_str).map(|text| Box::new(Pattern::new(text)));
        if rule.choices.is_none() {
            rule.choices = s.get("const").map(|value| vec![value.clone()]);
        }
        if rule.free_keys == FreeKeys::Unsaid {
            rule.free_keys = self.free_keys(s.get("unevaluatedProperties"));
        }
        // After `allOf`, whatever the order of the keywords.
        let reference = s.get("$ref").and_then(Value::as_str);
        rule.also.extend(reference.and_then(|name| self.reference(name)));
        rule
    }

    /// A keyword whose value is a list, a map or a truth value.
    ///
    /// What stands below is compiled at once; `$ref` alone waits until all of it is known.
    fn keyword(&mut self, rule: &mut Rule, keyword: &str, value: &'a Value) {
        match keyword {
            "type" => rule.types = Types::of_schema(value),
            X_SECRET => rule.secret = value.as_bool().unwrap_or(false),
            "items" => rule.items = Some(self.compile(value)),
            "prefixItems" => rule.prefix = self.list(value),
            "uniqueItems" => rule.unique = value.as_bool().unwrap_or(false),
            "properties" => rule.properties = self.properties(value),
            "patternProperties" => rule.pattern_properties = self.pattern_properties(value),
            "additionalProperties" => rule.free_keys = self.free_keys(Some(value)),
            "required" => rule.required = texts(value),
            "enum" => rule.choices = value.as_array().cloned(),
            "allOf" => rule.also = self.list(value),
            // They are treated alike: which alternative holds is decided, not counted.
            "anyOf" | "oneOf" => {
                let ids = self.list(value);
                let group = Group { ids, shape: Shape::Untagged };
                rule.groups.extend(Some(group).filter(|group| !group.ids.is_empty()));
            }
            _ => {}
        }
    }

    /// Only references inside the document are followed, which is all that `schemars` writes.
    fn reference(&mut self, name: &'a str) -> Option<Id> {
        if let Some(id) = self.refs.get(name) {
            return Some(*id);
        }
        let target = self.schema.pointer(name.strip_prefix('#')?)?;
        // The index is known before the target is compiled, for types that contain themselves.
        let id = self.rules.len();
        self.refs.insert(name, id);
        Some(self.compile(target))
    }

    fn list(&mut self, list: &'a Value) -> Vec<Id> {
        each(items(list), |schema| self.compile(schema))
    }

    /// The rules of named keys.
    fn properties(&mut self, map: &'a Value) -> SortedMap<String, Id> {
        let Some(map) = map.as_object() else { return SortedMap::new() };
        map.iter().map(|(key, schema)| (key.clone(), self.compile(schema))).collect()
    }

    /// The rules of keys by pattern; a pattern that is no regular expression is left out.
    fn pattern_properties(&mut self, map: &'a Value) -> Vec<(Regex, Id)> {
        let Some(map) = map.as_object() else { return Vec::new() };
        map.iter()
            .filter_map(|(pattern, schema)| Some((Regex::new(pattern).ok()?, self.compile(schema))))
            .collect()
    }

    /// What other keys may hold.
    fn free_keys(&mut self, schema: Option<&'a Value>) -> FreeKeys {
        match schema {
            None => FreeKeys::Unsaid,
            Some(Value::Bool(false)) => FreeKeys::None,
            Some(Value::Bool(true)) => FreeKeys::Some(None),
            Some(schema) => FreeKeys::Some(Some(self.compile(schema))),
        }
    }
}

/// A keyword whose value is a text.
///
/// Others have no text as their value, or one that is needed later: `pattern`, `$ref`.
fn text_keyword(rule: &mut Rule, keyword: &str, text: &str) {
    match keyword {
        "type" => rule.types = Types::named(text),
        "format" => {
            rule.range = describe::range(text);
            text.clone_into(&mut rule.format);
        }
        "description" => text.clone_into(&mut rule.description),
        "x-expected" => rule.expected = Some(text.to_owned()),
        _ => {}
    }
}

/// A keyword whose value is a number.
///
/// A size that is too great for this machine is the greatest that there is; a multiple of nothing
/// is left out.
fn number_keyword(rule: &mut Rule, keyword: &str, value: &Value) {
    let number = value.as_f64();
    let size = || value.as_u64().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    match keyword {
        "minimum" => rule.minimum = number,
        "maximum" => rule.maximum = number,
        "exclusiveMinimum" => rule.above = number,
        "exclusiveMaximum" => rule.below = number,
        "multipleOf" => rule.multiple_of = number.filter(|n| *n > 0.0),
        "minLength" => rule.min_length = size(),
        "maxLength" => rule.max_length = size(),
        "minItems" => rule.min_items = size(),
        "maxItems" => rule.max_items = size(),
        "minProperties" => rule.min_keys = size(),
        "maxProperties" => rule.max_keys = size(),
        _ => {}
    }
}

/// The texts of a JSON list; anything else in it is left out.
fn texts(list: &Value) -> Vec<String> {
    items(list).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What is in a JSON list; nothing if it is none.
fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}
