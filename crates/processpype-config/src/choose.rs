//! Which alternative of an enum a value means.
//!
//! # Invariants
//!
//! 1. A tagged enum is decided by its tag alone, so that a mistake inside the variant is reported
//!    inside the variant.
//! 2. Where no alternative fits, exactly one problem is reported, at the value or at its tag.
//!
//! # How serde's enums look in a schema
//!
//! | serde | schema | decided by |
//! |---|---|---|
//! | unit variants | `enum`, or `oneOf` of `const` | the text |
//! | `tag = "kind"` | `oneOf`, each with a required `const` property | that property alone |
//! | default (external) | `oneOf`, each with exactly one property | which property there is |
//! | `untagged` | `anyOf` without any of these | trying, in order |
//! | `Option<T>` | `anyOf` of the type and `null` | the type of what stands there |
//!
//! Which of these a group is, was worked out when the schema was compiled (`rules`). Deciding by
//! tag rather than by trying is what keeps a mistake *inside* a variant from being told as "fits no
//! variant", with twenty forms listed.

use processpype_core::each;

use crate::check::{Slot, View, Walk};
use crate::describe;
use crate::map::Entry;
use crate::rules::{Group, Id, Ids, Shape};
use crate::section::Keys;
use crate::show;
use crate::types::Types;

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Decides; `None` means that a problem was reported.
    pub(crate) fn choose(
        &mut self,
        group: &Group,
        slot: Slot<'a>,
        view: &View<'a>,
        secret: bool,
    ) -> Option<Id> {
        match view {
            View::Scalar(text, style) => {
                let fits = |id: &Id| self.rules.types(*id).decide(text, *style).is_some();
                let fitting: Ids = group.ids.iter().copied().filter(fits).collect();
                self.choose_scalar(slot, text, &fitting, &group.shape, secret)
            }
            View::Seq(_) => self.choose_by_trial(group, slot, Types::LIST, secret),
            View::Map(map) => match &group.shape {
                Shape::Tagged { key, variants } => {
                    self.choose_tagged(slot, *map, (key, variants), secret)
                }
                Shape::Keyed { variants } => self.choose_keyed(slot, *map, variants),
                Shape::Untagged => self.choose_by_trial(group, slot, Types::OBJECT, secret),
            },
        }
    }

    /// Alternatives that take any text are tried; among those with fixed texts the text decides.
    fn choose_scalar(
        &mut self,
        slot: Slot<'a>,
        text: &str,
        fitting: &[Id],
        maps: &Shape,
        secret: bool,
    ) -> Option<Id> {
        if let [only] = fitting {
            return Some(*only);
        }
        let texts: Option<Vec<_>> = fitting.iter().map(|id| self.rules.texts(*id)).collect();
        let Some(texts) = texts else { return self.first_clean(slot, fitting, secret) };
        let found = texts.iter().position(|texts| texts.contains(&text));
        if let Some(at) = found {
            return Some(fitting[at]);
        }
        let words: Vec<&str> = texts.concat();
        let secret = secret
            || slot.node.at.spot().was_sent()
            || fitting.iter().any(|id| self.rules.may_be_secret(*id));
        self.report(|walk| {
            let shown = (!secret).then(|| show::value_of(slot.node, text));
            let subject = shown.as_deref().unwrap_or("the value");
            let path = walk.path_text();
            let message = format!("invalid value for `{path}`: {subject} is not a known variant");
            let key = path.rsplit('.').next().unwrap_or(&path);
            // A path where a word belongs is nearly certainly meant for the one form with a map.
            let mut forms = maps.forms();
            let meant = match (forms.next(), forms.next(), &shown) {
                (Some(form), None, Some(shown)) if text.contains(['/', '\\']) => {
                    Some(format!("write `{key}: {}`", form.replace('…', shown)))
                }
                _ => None,
            };
            let problem = walk
                .on(slot, message, !secret)
                .label("expected one of the valid values")
                .hint_nearest(if secret { "" } else { text }, words.iter().copied())
                .valid(words.iter().map(|&word| word.to_owned()).chain(maps.forms()))
                .shown_value(shown);
            match meant {
                Some(meant) => problem.help(meant),
                None => problem,
            }
        });
        None
    }

    /// If one alternative alone takes such a shape, that is the one that was meant, right or not.
    fn choose_by_trial(
        &mut self,
        group: &Group,
        slot: Slot<'a>,
        wanted: Types,
        secret: bool,
    ) -> Option<Id> {
        let fits = |id: &Id| self.rules.types(*id).has(wanted);
        let fitting: Ids = group.ids.iter().copied().filter(fits).collect();
        match fitting.as_slice() {
            [only] => Some(*only),
            several => self.first_clean(slot, several, secret),
        }
    }

    /// Tries the alternatives in their order, as serde does.
    fn first_clean(&mut self, slot: Slot<'a>, ids: &[Id], secret: bool) -> Option<Id> {
        if let Some(id) = ids.iter().find(|id| self.is_clean(slot, **id, secret)) {
            return Some(*id);
        }
        self.report(|walk| {
            let valid: Vec<String> = each(ids, |id| describe::expected(walk.rules, &[*id]));
            let path = walk.path_text();
            let message = format!("invalid value for `{path}`: it has none of the valid forms");
            walk.on(slot, message, false).label("expected one of the valid forms").valid(valid)
        });
        None
    }

    /// Visits the value in trial mode. Unknown keys at its top do not count against an alternative,
    /// as with serde; those further down do.
    fn is_clean(&mut self, slot: Slot<'a>, id: Id, secret: bool) -> bool {
        let (trial, failed) = (self.trial, self.failed);
        (self.trial, self.failed) = (true, false);
        self.visit(Slot { lenient: true, ..slot }, &[id], secret);
        let clean = !self.failed;
        (self.trial, self.failed) = (trial, failed);
        clean
    }

    /// A missing tag is told at the map, an unknown one at the tag.
    fn choose_tagged(
        &mut self,
        slot: Slot<'a>,
        map: Keys<'a>,
        (key, variants): (&str, &[(String, Id)]),
        secret: bool,
    ) -> Option<Id> {
        let names = || variants.iter().map(|(name, _)| name.as_str());
        let Some(entry) = map.get(key) else {
            self.report(|walk| {
                let path = show::join(&walk.path_text(), key);
                let message = format!("missing key `{path}`");
                walk.on_key(slot, message)
                    .in_path(path)
                    .label(format!("needs `{key}`: which variant this is"))
                    .valid(names())
            });
            return None;
        };
        let written = match entry.node.kind() {
            crate::node::Kind::Scalar(text, _) => Some(text),
            crate::node::Kind::Seq(_) | crate::node::Kind::Map(_) => None,
        };
        let found = variants.iter().find(|(name, _)| written == Some(name));
        if found.is_none() {
            self.report(|walk| {
                let path = show::join(&walk.path_text(), key);
                let is_hidden = secret || entry.node.at.spot().was_sent();
                let written = written.filter(|_| !is_hidden);
                let shown = written.map(show::value);
                let subject = shown.as_deref().unwrap_or("the value");
                let message =
                    format!("invalid value for `{path}`: {subject} is not a known variant");
                walk.at(entry.node.at.spot(), message, !secret)
                    .in_path(path)
                    .label("expected one of the valid values")
                    .hint_nearest(written.unwrap_or_default(), names())
                    .valid(names())
                    .overriding(entry.node.overrides().to_vec())
                    .shown_value(shown)
            });
        }
        found.map(|(_, id)| *id)
    }

    /// Exactly one key of the known ones must be there: none, a stranger and several are three
    /// problems. `null` takes a variant away if it leaves another one; alone it is a value.
    fn choose_keyed(
        &mut self,
        slot: Slot<'a>,
        map: Keys<'a>,
        variants: &[(String, Id)],
    ) -> Option<Id> {
        let of = |(name, id): &(String, Id)| Some((map.get(name)?, *id));
        let written: Vec<_> = variants.iter().filter_map(of).collect();
        let kept: Vec<_> = written.iter().filter(|(entry, _)| !entry.node.takes_away()).collect();
        let is_known = |entry: &Entry| written.iter().any(|(it, _)| it.key() == entry.key());
        let is_strange = |entry: &&Entry| {
            !is_known(entry) && !entry.node.takes_away() && !entry.key().starts_with("x-")
        };
        let stranger = map.entries().find(is_strange).filter(|_| kept.is_empty());
        match (kept.as_slice(), written.as_slice()) {
            ([(_, id)], _) => return Some(*id),
            // `null` is then what the variant holds.
            ([], [(_, id)]) if stranger.is_none() => return Some(*id),
            _ => {}
        }
        let names = || variants.iter().map(|(name, _)| name.as_str());
        self.report(|walk| {
            let path = walk.path_text();
            let problem = match stranger {
                Some(entry) => walk
                    .at(
                        entry.key_at(),
                        format!("unknown variant `{}` in `{path}`", entry.key()),
                        false,
                    )
                    .hint_nearest(entry.key(), names()),
                None if written.is_empty() => {
                    walk.on_key(slot, format!("missing variant in `{path}`"))
                }
                None => walk.on_key(slot, format!("more than one variant in `{path}`")),
            };
            problem.label("expected exactly one of the valid keys").valid(names())
        });
        None
    }
}
