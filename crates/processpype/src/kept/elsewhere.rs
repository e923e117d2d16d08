//! A key of the framework that was written where nobody knows it: where it belongs.
//!
//! # Invariants
//!
//! 1. The places are those of the schemas; none is listed by hand.
//! 2. A service's own configuration goes first: where a key of its own is near, or what is unknown
//!    stands deeper in it, nobody is sent away from there.
//! 3. The key is matched whole: what is only like a key of the framework elsewhere was hardly
//!    meant.

use std::cmp::Reverse;

use processpype_config::{Problem, SecretsConfig};
use schemars::schema_for;
use serde_json::{Map, Value};

use super::{definitions, schema_of};
use crate::groups::GroupSection;
use crate::kept::Kept as _;
use crate::settings::{FRAMEWORK_KEYS, SECTIONS, ServiceKeys};

/// How many places are named.
const PLACES_NAMED: usize = 3;

/// How deep a schema is looked into: more than any is.
const DEPTH_MAX: usize = 16;

/// Stands for a name that whoever writes the file chooses.
const NAME: &str = "NAME";

/// What follows the name of a list whose items have the key.
const ITEM: &str = "[]";

/// Every key of the framework, by the path that leads to it.
pub(crate) struct Places(Vec<Vec<String>>);

/// Says where an unknown key belongs, if it is one of the framework's. Other problems stay as they
/// are. The table is made with the first that needs it.
pub(crate) fn told(problem: &Problem, places: &mut Option<Places>) -> Problem {
    let problem = problem.clone();
    if !problem.is_unknown_key() {
        return problem;
    }
    let written: Vec<&str> = problem.path().split('.').collect();
    let Some((key, within)) = written.split_last() else { return problem };
    let is_own = within.len() > 1 && within[0] == "services" && !is_framework(within);
    if is_own && within.len() > 2 {
        return problem;
    }
    let places = places.get_or_insert_with(Places::of_all);
    let (found, are_near) = places.of(key, within);
    let Some(first) = found.first() else { return problem };
    let text = told_in_words(key, &found);
    if problem.nearest_choice().is_some() || (is_own && !are_near) {
        return problem.note(text);
    }
    let text = format!("{text}:\n{}", example(first, within));
    problem.help(text)
}

/// Whether a path below `services.NAME` leads into what the framework knows.
fn is_framework(within: &[&str]) -> bool {
    within.get(2).is_some_and(|key| FRAMEWORK_KEYS.contains(key))
}

fn told_in_words(key: &str, found: &[Vec<String>]) -> String {
    let paths = found.iter().take(PLACES_NAMED).map(|path| format!("`{}`", path.join(".")));
    let paths: Vec<String> = paths.collect();
    let more = match found.len().saturating_sub(PLACES_NAMED) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("the framework's `{}` is {}{more}", plain(key), paths.join(", or "))
}

/// The lines to write: into the map that has the key now, or else from what both places are in.
fn example(path: &[String], within: &[&str]) -> String {
    let common = in_common(path, within);
    let from = if common == within.len() { common } else { common.saturating_sub(1) };
    let below = path.get(from..).unwrap_or_default();
    let Some((key, above)) = below.split_last() else { return String::new() };
    let (mut lines, mut lead) = (String::new(), String::new());
    for step in above {
        let indent = " ".repeat(lead.len());
        lines.push_str(&format!("{lead}{}:\n", step.trim_end_matches(ITEM)));
        lead = indent + if step.ends_with(ITEM) { "  - " } else { "  " };
    }
    lines + &format!("{lead}{key}: …")
}

/// How many steps two paths have in common.
fn in_common(path: &[String], within: &[&str]) -> usize {
    path.iter().zip(within).take_while(|(a, b)| a == b).count()
}

/// The form in which keys are compared.
fn plain(key: &str) -> String {
    key.to_lowercase().replace('-', "_")
}

// === impl Places ===

impl Places {
    fn of_all() -> Self {
        let definitions = definitions();
        let mut places = Self(Vec::new());
        for section in SECTIONS {
            let mut path = vec![section.to_owned()];
            places.0.push(path.clone());
            match section {
                "services" => {
                    path.push(NAME.to_owned());
                    places.add_type(ServiceKeys::NAME, &definitions, &mut path);
                }
                "groups" => {
                    path.push(NAME.to_owned());
                    places.add_type(GroupSection::NAME, &definitions, &mut path);
                }
                "secrets" => {
                    let schema = schema_for!(SecretsConfig);
                    let own = schema.get("$defs").and_then(Value::as_object);
                    let own = own.cloned().unwrap_or_default();
                    places.add(schema.as_value(), &own, &mut path);
                }
                _ => {
                    let schema = schema_of(section).map(Value::from).unwrap_or_default();
                    places.add(&schema, &definitions, &mut path);
                }
            }
        }
        places
    }

    fn add_type(&mut self, name: &str, types: &Map<String, Value>, path: &mut Vec<String>) {
        if let Some(schema) = types.get(name) {
            self.add(schema, types, path);
        }
    }

    /// Adds what a schema knows below `path`.
    fn add(&mut self, schema: &Value, types: &Map<String, Value>, path: &mut Vec<String>) {
        if path.len() > DEPTH_MAX {
            return;
        }
        if let Some(name) = schema["$ref"].as_str() {
            self.add_type(name.trim_start_matches("#/$defs/"), types, path);
        }
        for one in ["anyOf", "oneOf", "allOf"].iter().filter_map(|any| schema[any].as_array()) {
            one.iter().for_each(|schema| self.add(schema, types, path));
        }
        for (key, below) in schema["properties"].as_object().into_iter().flatten() {
            path.push(key.clone());
            if !self.0.contains(path) {
                self.0.push(path.clone());
            }
            self.add(below, types, path);
            path.pop();
        }
        if let (Value::Object(_), Some(list)) = (&schema["items"], path.last_mut()) {
            list.push_str(ITEM);
            self.add(&schema["items"], types, path);
            if let Some(list) = path.last_mut() {
                list.truncate(list.len() - ITEM.len());
            }
        }
        if schema["additionalProperties"].is_object() {
            path.push(NAME.to_owned());
            self.add(&schema["additionalProperties"], types, path);
            path.pop();
        }
    }

    /// Returns where a key belongs that was written `within` something, the likeliest place first;
    /// and whether that is in the same section. An item of a list is meant only there.
    fn of(&self, key: &str, within: &[&str]) -> (Vec<Vec<String>>, bool) {
        let key = plain(key);
        let same = |path: &Vec<String>| match within {
            [section @ ("services" | "groups"), _, ..] => path[0] == *section && path.len() > 2,
            [section, ..] => path[0] == *section,
            [] => false,
        };
        let all = self.0.iter().filter(|path| path.last().is_some_and(|last| *last == key));
        let (near, far): (Vec<_>, Vec<_>) = all.partition(|path| same(path));
        let far = far.into_iter().filter(|path| !path.iter().any(|it| it.ends_with(ITEM)));
        let are_near = !near.is_empty();
        let mut found: Vec<Vec<String>> = match are_near {
            true => near.into_iter().cloned().collect(),
            false => far.cloned().collect(),
        };
        if let ([section, name, ..], true) = (within, are_near)
            && ["services", "groups"].contains(section)
        {
            found.iter_mut().for_each(|path| path[1] = (*name).to_owned());
        }
        found.sort_by_key(|path| (Reverse(in_common(path, within)), path.len()));
        (found, are_near)
    }
}
