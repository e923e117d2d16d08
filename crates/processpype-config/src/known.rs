//! Which keys a map may have, and which rules hold for the value below each.
//!
//! # Invariants
//!
//! 1. A key in a file means what it says: a wrong spelling is a mistake there. Only a key that a
//!    variable's name has made is matched with `-`, `_` and case not counting.
//! 2. A map is closed as soon as one rule in place names keys, or says that it takes none.
//!
//! # Several rules at once
//!
//! `flatten`, `allOf` and enums put several rules on one map, and each knows some of its keys. So a
//! key is known if any of them knows it, and its value has to keep the rules of all that do:
//!
//! | the rules say | the value below the key |
//! |---|---|
//! | `properties` has the key | keeps the rule of each that has it |
//! | `patternProperties` matches it | keeps that rule too |
//! | neither, but `additionalProperties` is a schema | keeps that one |
//! | neither, and nothing more | is an unknown key, unless the map is open |

use std::borrow::Cow;

use crate::check::{Here, Walk};
use crate::map::Entry;
use crate::nearest::plain;
use crate::rules::{FreeKeys, Id, Ids};
use crate::types::Types;

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Whether keys that no rule names are welcome.
    ///
    /// A map is closed as soon as any rule in place names keys or says that it takes none: unknown
    /// keys are refused with or without `deny_unknown_fields`.
    pub(crate) fn is_open(&self, here: &Here) -> bool {
        let rules = || here.rules.iter().map(|id| self.rules.get(*id));
        let said = rules().any(|rule| {
            !rule.properties.is_empty()
                || !rule.types.has(Types::LIST)
                || rule.free_keys == FreeKeys::None
        });
        let said = said || !here.undecided.is_empty();
        !said || rules().any(|rule| matches!(rule.free_keys, FreeKeys::Some(None)))
    }

    /// The key as the schema spells it, for keys that come from a variable's name.
    ///
    /// A key that was written in a file is taken as it is; a wrong spelling there is a mistake.
    pub(crate) fn canonical(&self, entry: &'a Entry, here: &Here) -> Cow<'a, str> {
        let key = Cow::Borrowed(entry.key());
        if !entry.is_loose() || !self.rules_of(&key, here).is_empty() {
            return key;
        }
        let word = plain(&key);
        let names = self.known_keys(here).into_iter();
        names
            .map(|(name, _)| name)
            .find(|name| plain(name) == word)
            .map_or(key, |name| Cow::Owned(name.to_owned()))
    }

    /// The rules for the value below a key: named, else by pattern, else for free keys.
    pub(crate) fn rules_of(&self, key: &str, here: &Here) -> Ids {
        let rules = || here.rules.iter().map(|id| self.rules.get(*id));
        let mut ids = Ids::new();
        for rule in rules() {
            if let Some(id) = rule.properties.get(key) {
                ids.push(*id);
            }
        }
        for rule in rules() {
            for (regex, id) in &rule.pattern_properties {
                if regex.is_match(key) {
                    ids.push(*id);
                }
            }
        }
        if ids.is_empty() {
            for rule in rules() {
                if let FreeKeys::Some(Some(id)) = rule.free_keys {
                    ids.push(id);
                }
            }
        }
        ids
    }

    /// Whether a rule in place names the key.
    pub(crate) fn names(&self, here: &Here, key: &str) -> bool {
        here.rules.iter().any(|id| self.rules.get(*id).properties.contains_key(key))
    }

    /// Every key that some rule names, in order, each once.
    pub(crate) fn known_keys(&self, here: &Here) -> Vec<(&'a str, Id)> {
        let mut known = Vec::new();
        let rules = self.rules;
        for id in &here.rules {
            known.extend(rules.get(*id).properties.iter().map(|(key, id)| (key.as_str(), *id)));
        }
        processpype_core::sort(&mut known);
        known.dedup_by_key(|(key, _)| *key);
        known
    }
}
