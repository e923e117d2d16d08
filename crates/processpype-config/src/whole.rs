//! What to write for one value that stands where a map or a list belongs.
//!
//! # Invariants
//!
//! 1. What is told is a line to copy: `restart: {policy: always}`, in the notation of the place.
//! 2. A key is named only if the value fits it better than every other, or as well as few others.
//!    Text fits any key for texts, so it names one only where there is no second.
//! 3. A value is told only if code has chosen the word, or if nothing that could have been meant
//!    is a secret; a text that stands for a map never is. `…` takes its place.
//!
//! # How well a value fits
//!
//! | fit | the key takes | example |
//! |---|---|---|
//! | `Word` | certain words, or texts of a certain form | `logging: debug`, `retention: 1d` |
//! | `Whole` | whole numbers | `server: 8080` |
//! | `Number` | any number | |
//! | `Text` | any text | `store: ./data` |
//!
//! A truth value fits `enabled` alone: who writes `tls: false` does not mean some key of it that
//! happens to be one. Who writes `off` for a service means the same as `false`.
//!
//! Of the framework's keys of a service two can be meant by one word: that one, and `log_level` by
//! `debug`.
//!
//! # Why the best fit alone
//!
//! Every key for texts takes `debug`, and every key for numbers takes `8080`; to offer all of them
//! would be the list of keys, which is told anyway. A value that is one of a few words was hardly
//! written for a key that takes any text. Where several keys fit equally well (`retention: 1d`
//! fits two times) the writer knows which was meant, and each is offered; past
//! [`MAX_OFFERED`] it is a guess, and none is.
//!
//! # The notation
//!
//! | the value is in | what is told |
//! |---|---|
//! | YAML | `restart: {policy: always}` |
//! | TOML | `restart = {policy = "always"}` |
//! | JSON, a body too | `"restart": {"policy": "always"}` |
//! | a variable | `PROCESSPYPE_DEFAULTS__RESTART__POLICY=always` |
//! | a flag | `--set defaults.restart.policy=always` |
//!
//! # What may be told again
//!
//! A password may stand anywhere that somebody took for the right place, so a value that stands for
//! a map is told by one of two reasons only. Either it is a word of the schema: whoever reads the
//! report could have read it there. Or it is a number, a time or an address, and no key of the map
//! is a secret by its schema or its name. A path or a host name is a text like any other, and is
//! `…`. What stands for a list is held to the rule for the items of that list.

use std::borrow::Cow;

use processpype_core::each;

use crate::check::{Slot, Step, View, Walk};
use crate::describe;
use crate::duration::HumanDuration;
use crate::loader::Format;
use crate::node::Style;
use crate::origin::Origin;
use crate::remedy::close_colon;
use crate::rules::{FreeKeys, Id, Rules, Shape};
use crate::section::Part;
use crate::show;
use crate::types::{Scalar, Types};

/// As many keys are offered for one value.
const MAX_OFFERED: usize = 3;

/// Levels of alternatives inside alternatives that are looked at.
const MAX_DEPTH: usize = 8;

/// The longest value that is told again.
const MAX_TOLD: usize = 40;

/// The key for truth values, in a map of the user's or among the framework's keys of a service.
const ENABLED: &str = "enabled";

/// The framework's key of a service that is meant by one of [`LEVELS`].
const LOG_LEVEL: &str = "log_level";

/// Words that hardly mean anything else. `off` is none of them.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// What people write for a service that shall run, or shall not.
const SWITCHES: [(&str, bool); 8] = [
    ("true", true),
    ("yes", true),
    ("on", true),
    ("enabled", true),
    ("false", false),
    ("no", false),
    ("off", false),
    ("disabled", false),
];

/// How well a value fits a key, from the least telling to the most.
///
/// The order is the decision: only what fits best is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Text,
    Number,
    Whole,
    Word,
}

/// A key that a value fits.
///
/// In a map whose keys are the writer's, such as names of loggers, the key is `…`.
struct Offer<'a> {
    key: &'a str,
    fit: Fit,
    /// The value is a word that code has chosen.
    is_chosen: bool,
    /// What to write instead of the value, which means the same.
    instead: Option<&'static str>,
}

/// What to do, and which keys there are.
///
/// Without `help` the general remedy holds, which names no key; `valid` is empty where a list is
/// wanted, or where another half of the section has its own.
pub(crate) struct Advice {
    pub(crate) help: Option<String>,
    pub(crate) valid: Vec<String>,
}

// === impl Offer ===

impl<'a> Offer<'a> {
    /// A key that takes this very word.
    fn of_word(key: &'a str, instead: Option<&'static str>) -> Self {
        Self { key, fit: Fit::Word, is_chosen: true, instead }
    }
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// Says what to write for a value where only a map or only a list can stand.
    ///
    /// Nothing, where something else could stand as well: then which of them was meant is not
    /// known. `secret` says that a rule in reach marks a secret; nothing is told again then.
    pub(crate) fn whole_for(
        &self,
        slot: Slot<'a>,
        ids: &[Id],
        view: &View<'a>,
        secret: bool,
    ) -> Advice {
        let wanted = describe::types(self.rules, ids).without(Types::NULL);
        let mut advice = Advice { help: None, valid: Vec::new() };
        let View::Scalar(text, style) = view else { return advice };
        let ids = in_place(self.rules, ids);
        if wanted == Types::LIST {
            // Where the items are maps, there is no telling which key of one is meant.
            let items = ids.iter().find_map(|id| self.rules.get(*id).items);
            let is_shown = !secret && items.is_some_and(|item| self.rules.may_be_shown(item));
            let fits =
                items.is_none_or(|item| fit(self.rules, item, text, *style, MAX_DEPTH).is_some());
            advice.help = self.list_of(slot, text, is_shown).filter(|_| fits);
        } else if wanted == Types::OBJECT && describe::is_std_duration(self.rules, &ids) {
            advice.help = Some(self.as_std_duration(slot, text, !secret));
        } else if wanted == Types::OBJECT {
            let mut offers = offers(self.rules, &ids, text, *style);
            // Of a section in two halves, the one that is the user's own tells what to write.
            let half = self.section.part().filter(|_| self.path.is_empty());
            if let Some(half) = half {
                let own = std::mem::take(&mut offers);
                offers = of_framework(half, text);
                if half.is_named() {
                    advice.help = close_colon(text, *style)
                        .or_else(|| self.map_of(slot, &offers, text, false));
                    return advice;
                }
                offers.extend(own);
            }
            let keys = self.rules.properties_of(&ids);
            let is_secret =
                |key: &str, id: Id| self.rules.may_be_secret(id) || show::names_a_secret(key);
            let may_be_secret = keys.iter().any(|(key, id)| is_secret(key, *id));
            let is_shown = !secret && !may_be_secret;
            advice.help =
                close_colon(text, *style).or_else(|| self.map_of(slot, &offers, text, is_shown));
            advice.valid = each(&keys, |(key, _)| (*key).clone());
        }
        advice
    }

    /// The lines to write for a map: one for each key that fits best.
    ///
    /// `is_shown` says that no key of the map is a secret.
    fn map_of(
        &self,
        slot: Slot<'a>,
        offers: &[Offer<'_>],
        text: &str,
        is_shown: bool,
    ) -> Option<String> {
        let best = offers.iter().map(|offer| offer.fit).max()?;
        let best: Vec<&Offer<'_>> = offers.iter().filter(|offer| offer.fit == best).collect();
        let most = if best.first()?.fit == Fit::Text { 1 } else { MAX_OFFERED };
        if best.len() > most {
            return None;
        }
        let line = |offer: &&Offer<'_>| {
            let told = offer.is_chosen || (is_shown && offer.fit > Fit::Text);
            self.in_map(slot, offer.key, self.told(slot, offer.instead.unwrap_or(text), told))
        };
        let lines: Vec<String> = each(&best, line);
        Some(format!("write {}", lines.join(" or ")))
    }

    /// The line to write for a list of one item.
    ///
    /// An item of a list has no key, and no line that could be copied.
    fn list_of(&self, slot: Slot<'a>, text: &str, is_shown: bool) -> Option<String> {
        let value = self.told(slot, text, is_shown);
        let key = self.key()?;
        Some(match notation(slot) {
            Some(Format::Yaml) => format!("write `{key}: [{value}]`, or one `- item` per line"),
            Some(Format::Toml) => format!("write `{key} = [{}]`", quoted(value)),
            Some(Format::Json) => format!("write `\"{key}\": [{}]`", quoted(value)),
            None => format!("write [{value}]"),
        })
    }

    /// What to write for a time where serde wants the parts of one; and what the author of the
    /// configuration can do, so that the time itself may stand there.
    fn as_std_duration(&self, slot: Slot<'a>, text: &str, is_shown: bool) -> String {
        let told = self.told(slot, text, is_shown);
        let (secs, nanos) = match told.parse::<HumanDuration>() {
            Ok(time) => (time.as_secs().to_string(), time.subsec_nanos().to_string()),
            Err(_) => ("…".to_owned(), "0".to_owned()),
        };
        let line = match (notation(slot), self.key()) {
            (Some(Format::Toml), Some(key)) => {
                format!("`{key} = {{secs = {secs}, nanos = {nanos}}}`")
            }
            (Some(Format::Json), _) => format!("`{{\"secs\": {secs}, \"nanos\": {nanos}}}`"),
            (Some(Format::Yaml), Some(key)) => format!("`{key}: {{secs: {secs}, nanos: {nanos}}}`"),
            (Some(_), _) => format!("`{{secs: {secs}, nanos: {nanos}}}`"),
            (None, _) => {
                let parts = [("secs", &secs), ("nanos", &nanos)];
                parts.map(|(key, value)| self.in_map(slot, key, value)).join(" and ")
            }
        };
        format!(
            "write {line}; times such as 1m30s are read by a field of type `HumanDuration` in \
             place of `std::time::Duration`"
        )
    }

    /// The value, or what stands for one that is not told.
    ///
    /// What would need quotes in some notation, or is long, is not told either: the line has to be
    /// right as it stands.
    fn told<'t>(&self, slot: Slot<'a>, text: &'t str, is_shown: bool) -> &'t str {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
        let is_simple = text.len() <= MAX_TOLD && text.chars().all(is_plain);
        let is_open = self.is_open_here(slot) && !text.is_empty();
        if is_shown && is_simple && is_open { text } else { "…" }
    }

    /// Whether what is written here may be told as far as its place says.
    fn is_open_here(&self, slot: Slot<'a>) -> bool {
        !self.is_private()
            && !self.made_of.iter().any(|name| show::names_a_secret(name))
            && !slot.node.at.spot().was_sent()
    }

    /// The line with the value as that of `inner`.
    ///
    /// A variable and a flag get one more part of their path, in their own spelling.
    fn in_map(&self, slot: Slot<'a>, inner: &str, value: &str) -> String {
        let key = self.key();
        match (notation(slot), key) {
            (Some(Format::Yaml), Some(key)) => format!("`{key}: {{{inner}: {value}}}`"),
            (Some(Format::Yaml), None) => format!("`{{{inner}: {value}}}`"),
            (Some(Format::Toml), Some(key)) => format!("`{key} = {{{inner} = {}}}`", quoted(value)),
            (Some(Format::Toml), None) => format!("`{{{inner} = {}}}`", quoted(value)),
            (Some(Format::Json), Some(key)) => {
                format!("`\"{key}\": {{\"{inner}\": {}}}`", quoted(value))
            }
            (Some(Format::Json), None) => format!("`{{\"{inner}\": {}}}`", quoted(value)),
            (None, _) => match slot.node.at.spot().origin() {
                Origin::Environment { variable } => {
                    format!("`{variable}__{}={value}`", inner.to_uppercase().replace('-', "_"))
                }
                Origin::CommandLine { flag } => format!("`{flag}.{inner}={value}`"),
                _ => format!("`{{{inner}: {value}}}`"),
            },
        }
    }

    /// The key that the value has; an item of a list has none.
    fn key(&self) -> Option<String> {
        match self.path.last() {
            Some(Step::Key(key)) => Some(key.to_string()),
            Some(Step::Private | Step::Item(_)) => None,
            None => {
                let path = self.section.path();
                crate::path::keys_of(&path).last().map(ToString::to_string)
            }
        }
    }
}

/// The notation of a place; a variable or a flag has none.
fn notation(slot: Slot<'_>) -> Option<Format> {
    slot.node.at.spot().format()
}

/// A value as TOML and JSON write it.
///
/// Numbers and truth values are bare; everything else that is told is plain enough to need no
/// escapes.
fn quoted(value: &str) -> Cow<'_, str> {
    let numbers = Types::WHOLE.or(Types::NUMBER).or(Types::BOOL);
    let is_bare = value == "…" || numbers.decide(&Cow::Borrowed(value), Style::Plain).is_some();
    if is_bare { Cow::Borrowed(value) } else { Cow::Owned(format!("\"{value}\"")) }
}

/// The rules that hold here always, and those of a type that may be left out.
///
/// `Option<T>` is a choice between `T` and nothing in a schema: with a value there it is `T`.
fn in_place(rules: &Rules, ids: &[Id]) -> Vec<Id> {
    let mut all = Vec::new();
    ids.iter().for_each(|id| rules.closure(*id, &mut all));
    let mut at = 0;
    while let Some(id) = all.get(at).copied() {
        for group in &rules.get(id).groups {
            let mut some = group.ids.iter().filter(|id| rules.types(**id) != Types::NULL);
            if let (Some(only), None) = (some.next(), some.next()) {
                rules.closure(*only, &mut all);
            }
        }
        at += 1;
    }
    all
}

/// The keys that the value fits, in the order of the alphabet.
///
/// The tag of an enum is a key too, if the value is the name of a variant.
fn offers<'r>(rules: &'r Rules, ids: &[Id], text: &str, style: Style) -> Vec<Offer<'r>> {
    let mut offers = Vec::new();
    for rule in ids.iter().map(|id| rules.get(*id)) {
        for (key, id) in rule.properties.iter() {
            if let Some(fit) = fit(rules, *id, text, style, MAX_DEPTH)
                .filter(|_| !is_truth(text) || key == ENABLED)
            {
                let is_chosen = fit == Fit::Word && is_chosen(rules, *id, text, MAX_DEPTH);
                offers.push(Offer { key, fit, is_chosen, instead: None });
            }
        }
        // A map of names that are the writer's: hosts, loggers, roles.
        if let FreeKeys::Some(Some(id)) = rule.free_keys
            && rule.properties.is_empty()
            && let Some(fit) = fit(rules, id, text, style, MAX_DEPTH).filter(|it| *it > Fit::Text)
        {
            let is_chosen = is_chosen(rules, id, text, MAX_DEPTH);
            offers.push(Offer { key: "…", fit, is_chosen, instead: None });
        }
        for group in &rule.groups {
            if let Shape::Tagged { key, variants } = &group.shape
                && variants.iter().any(|(name, _)| name == text)
            {
                offers.push(Offer::of_word(key, None));
            }
        }
    }
    offers
}

/// The keys that a value fits among those which the framework gives to every service.
fn of_framework(half: &Part, text: &str) -> Vec<Offer<'static>> {
    let has = |key: &str| half.names(key);
    let switch = switch_of(text).filter(|_| has(ENABLED));
    let level = LEVELS.contains(&text) && has(LOG_LEVEL);
    let meant = |is_on| if is_on { "true" } else { "false" };
    let switch = switch.map(|is_on| Offer::of_word(ENABLED, Some(meant(is_on))));
    switch.into_iter().chain(level.then(|| Offer::of_word(LOG_LEVEL, None))).collect()
}

/// Returns what a word means that people write to switch something on or off.
///
/// For advice alone: in a file only `true` and `false` do it.
///
/// ```
/// use processpype_config::switch_of;
///
/// assert_eq!(switch_of("Yes"), Some(true));
/// assert_eq!(switch_of("disabled"), Some(false));
/// assert_eq!(switch_of("debug"), None);
/// ```
#[must_use]
pub fn switch_of(word: &str) -> Option<bool> {
    let found = SWITCHES.iter().find(|(known, _)| word.eq_ignore_ascii_case(known));
    found.map(|(_, is_on)| *is_on)
}

fn is_truth(text: &str) -> bool {
    matches!(Types::BOOL.decide(&Cow::Borrowed(text), Style::Plain), Some(Scalar::Bool(_)))
}

/// How well a value fits a rule; `None` if it does not.
///
/// Of alternatives the one that fits best counts. `depth` ends types that contain themselves.
fn fit(rules: &Rules, id: Id, text: &str, style: Style, depth: usize) -> Option<Fit> {
    let depth = depth.checked_sub(1)?;
    let types = rules.types(id);
    let scalar = types.decide(&Cow::Borrowed(text), style)?;
    let mut best = match scalar {
        Scalar::Null => return None,
        // What looks like something else is no text that somebody meant.
        Scalar::Text(_) if is_truth(text) => return None,
        Scalar::Text(_) => Fit::Text,
        Scalar::Bool(_) => Fit::Word,
        Scalar::Whole(_) | Scalar::Huge(_) if !types.has(Types::NUMBER) => Fit::Whole,
        Scalar::Whole(_) | Scalar::Huge(_) | Scalar::Float(_) => Fit::Number,
    };
    let mut all = Vec::new();
    rules.closure(id, &mut all);
    for rule in all.iter().map(|id| rules.get(*id)) {
        if describe::wrong(rule, &scalar).is_some() {
            return None;
        }
        let has_form = rule.pattern().is_some() || describe::has_form(&rule.format);
        if rule.choices.is_some() || (has_form && best == Fit::Text) {
            best = Fit::Word;
        }
        for group in &rule.groups {
            let each = group.ids.iter().filter_map(|id| fit(rules, *id, text, style, depth));
            best = best.max(each.max()?);
        }
    }
    Some(best)
}

/// Whether a value is one of the words that a rule names, in `enum`, `const` or an alternative.
fn is_chosen(rules: &Rules, id: Id, text: &str, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let mut all = Vec::new();
    rules.closure(id, &mut all);
    all.iter().any(|id| {
        let rule = rules.get(*id);
        let choices = rule.choices.as_deref().unwrap_or_default();
        let is_in = |ids: &[Id]| ids.iter().any(|id| is_chosen(rules, *id, text, depth));
        choices.iter().any(|choice| choice.as_str() == Some(text))
            || rule.groups.iter().any(|group| is_in(&group.ids))
    })
}
