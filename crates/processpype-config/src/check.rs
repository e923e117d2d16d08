//! The walk over a located tree beside its schema: all problems of a section at once.
//!
//! # Invariants
//!
//! 1. One mistake gives one problem: a value of the wrong type is not checked further, and serde
//!    runs only when the walk found nothing.
//! 2. A value is shown only if every rule that applies to it is known, wants a scalar, and is no
//!    secret.
//! 3. The walk ends: depth is bounded by the readers, work by [`MAX_STEPS`].
//!
//! # One mistake, one problem
//!
//! The walk goes over the tree and the schema side by side, once, and at each value asks in this
//! order:
//!
//! 1. Which rules hold here? The schema's own, what it refers to, and of each group of alternatives
//!    the one that the value means (`choose`).
//! 2. Is it of a type that all of them take? If not, that is *the* problem; ranges and patterns of
//!    a value of the wrong type would be echoes.
//! 3. Does it keep every limit? The first broken one is told.
//! 4. For a map: is every key known, is every required key there, and the same again for each
//!    child.
//!
//! A value with a problem is replaced by a placeholder, and the walk goes on with its neighbours.
//! Where no alternative was right, unknown keys below are not told either: which keys are known
//! depends on the alternative. serde runs only if nothing was found, so it never repeats a problem
//! in worse words.
//!
//! # Trying
//!
//! An untagged enum has nothing that says which alternative is meant. The walk then visits the same
//! value with each of them in turn, in *trial* mode: problems set a flag and are not built, and the
//! first one ends the trial. Nested untagged enums multiply; [`MAX_STEPS`] bounds the product.
//!
//! # What may be shown
//!
//! The question is asked at one place, [`Walk::may_show`], and the answer is no unless everything
//! says yes: the schema is known and wants a scalar, no rule in reach marks a secret, no reference
//! put a secret in, no key on the path has a name like `password`. A value of the wrong type is
//! judged the same way: a password that was written where a port belongs is what this is for, hence
//! the question about the key.

use std::borrow::Cow;
use std::collections::HashSet;

use smallvec::SmallVec;

use crate::collect::Problems;
use crate::describe;
use crate::interpolate::Resolver;
use crate::limits::MAX_STEPS;
use crate::node::{Kind, Node, Style, is_null};
use crate::rules::{Id, Ids, Rules};
use crate::section::{Keys, Section};
use crate::show;
use crate::source::Spot;
use crate::typed::{Typed, Value};
use crate::types::{Scalar, Types};

/// The state of one walk.
///
/// One walk checks one section. It borrows everything and keeps only problems and secrets.
pub(crate) struct Walk<'a> {
    pub(crate) rules: &'a Rules,
    /// Resolves `${…}`; `None` where that is not allowed.
    resolver: Option<Resolver<'a>>,
    pub(crate) problems: Problems,
    /// Every secret value that was seen.
    pub(crate) secrets: Vec<String>,
    /// What is read.
    pub(crate) section: &'a Section,
    /// The way from there.
    pub(crate) path: SmallVec<[Step<'a>; 4]>,
    /// How many keys of the whole path name a secret.
    secret_keys: usize,
    /// Below a secret by the schema: the place of the key that it stands at.
    pub(crate) secret_at: Option<Spot<'a>>,
    pub(crate) used_at: Vec<Spot<'a>>,
    /// The variables that the scalar in question was made of.
    pub(crate) made_of: Vec<String>,
    pub(crate) steps: usize,
    /// Set while an alternative is only tried: problems are noticed, not kept.
    pub(crate) trial: bool,
    pub(crate) failed: bool,
}

/// One level of the way down.
pub(crate) enum Step<'a> {
    Key(Cow<'a, str>),
    /// A key below a secret, which may be one itself.
    Private,
    Item(usize),
}

/// A value and where it hangs.
///
/// Copied at will; the place of the key is what problems about maps and lists point at.
#[derive(Clone, Copy)]
pub(crate) struct Slot<'a> {
    pub(crate) node: &'a Node,
    pub(crate) key_at: Option<Spot<'a>>,
    /// Unknown keys of this very map do not count.
    pub(crate) lenient: bool,
}

/// What a slot holds, `${…}` resolved.
///
/// A null where a map is wanted is seen as an empty map.
pub(crate) enum View<'a> {
    Scalar(Cow<'a, str>, Style),
    Seq(&'a [Node]),
    Map(Keys<'a>),
}

/// The rules that apply to one value.
///
/// Collected by [`Walk::gather`], asked by everything after it.
#[derive(Default)]
pub(crate) struct Here {
    pub(crate) rules: Ids,
    pub(crate) secret: bool,
    /// The alternatives of which none was right.
    pub(crate) undecided: Vec<Id>,
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// `section` is what is read, so that problems name the whole path.
    pub(crate) fn new(
        rules: &'a Rules,
        resolver: Option<Resolver<'a>>,
        section: &'a Section,
    ) -> Self {
        Self {
            rules,
            resolver,
            problems: Problems::default(),
            secrets: Vec::new(),
            section,
            path: SmallVec::new(),
            secret_keys: usize::from(section.names_a_secret()),
            secret_at: None,
            used_at: Vec::new(),
            made_of: Vec::new(),
            steps: 0,
            trial: false,
            failed: false,
        }
    }

    /// Checks one value against all of `ids` and decides its types.
    ///
    /// Always gives a value: one with a problem is a placeholder, and its problem is kept.
    pub(crate) fn visit(&mut self, slot: Slot<'a>, ids: &[Id], secret: bool) -> Typed<'a> {
        let (used, outside) = (slot.node.used_at(), self.secret_at);
        self.used_at.extend(used);
        let typed = self.visit_used(slot, ids, secret);
        self.used_at.truncate(self.used_at.len() - usize::from(used.is_some()));
        self.secret_at = outside;
        typed
    }

    /// [`visit`](Self::visit) without the note about aliases.
    fn visit_used(&mut self, slot: Slot<'a>, ids: &[Id], secret: bool) -> Typed<'a> {
        if self.trial && self.failed {
            return nothing(slot);
        }
        self.steps += 1;
        let mut here = Here { secret: secret || self.any_secret(ids), ..Here::default() };
        if self.steps > MAX_STEPS {
            self.too_much_work(slot);
            return nothing(slot);
        }
        let types = ids.iter().map(|id| self.rules.types(*id)).fold(Types::ANY, Types::and);
        self.note_secret(slot, &here);
        let Some(view) = self.view(slot, types, &mut here) else { return nothing(slot) };
        let (fits, decided) = match &view {
            View::Scalar(text, style) => {
                let decided = types.decide(text, *style);
                (decided.is_some(), decided)
            }
            View::Seq(_) => (types.has(Types::LIST), None),
            View::Map(_) => (types.has(Types::OBJECT), None),
        };
        if !fits {
            self.wrong_type(slot, ids, &view, here.secret);
            return nothing(slot);
        }
        for id in ids {
            self.gather(*id, slot, &view, &mut here);
        }
        self.note_secret(slot, &here);
        match view {
            View::Scalar(text, style) => {
                let decided = (types, decided);
                self.scalar(slot, &here, decided, text, style)
            }
            View::Seq(items) => self.seq(slot, &here, items),
            View::Map(map) => self.map(slot, &here, map),
        }
    }

    /// Notes where the secret begins that the value is, or is below.
    fn note_secret(&mut self, slot: Slot<'a>, here: &Here) {
        if here.secret {
            // An item of a list has no key: what is around it is what is before it.
            let before = || slot.node.at.spot().before();
            self.secret_at.get_or_insert_with(|| slot.key_at.unwrap_or_else(before));
        }
    }

    /// Whether keys of a map here may be secrets, unless the schema names them.
    pub(crate) const fn is_private(&self) -> bool {
        self.secret_at.is_some() || self.secret_keys > 0
    }

    /// Whether one of the rules marks a secret by itself; what is below a secret is secret.
    fn any_secret(&self, ids: &[Id]) -> bool {
        ids.iter().any(|id| self.rules.get(*id).secret)
    }

    /// What stands here, with `${…}` put in; `None` means that a problem was reported.
    fn view(&mut self, slot: Slot<'a>, types: Types, here: &mut Here) -> Option<View<'a>> {
        self.made_of.clear();
        match slot.node.kind() {
            Kind::Seq(items) => Some(View::Seq(items)),
            // Of the outermost map, only some keys may belong to the section.
            Kind::Map(map) => {
                let part = self.section.part().filter(|_| self.path.is_empty());
                Some(View::Map(Keys::new(map, part)))
            }
            // `counter:` with nothing after it is a section without keys.
            Kind::Scalar(text, Style::Plain)
                if types.has(Types::OBJECT) && !types.has(Types::NULL) && is_null(text) =>
            {
                Some(View::Map(Keys::default()))
            }
            Kind::Scalar(text, style) => self.resolve(slot, text, style, here),
        }
    }

    /// Puts variables and secrets in. What was put together has no quotes and no type of its own
    /// any more, so it becomes whatever the target wants, like a variable.
    fn resolve(
        &mut self,
        slot: Slot<'a>,
        text: &'a str,
        style: Style,
        here: &mut Here,
    ) -> Option<View<'a>> {
        let resolver = self.resolver.filter(|_| refers(text) && slot.node.at.spot().interpolates());
        let Some(resolver) = resolver else {
            return Some(View::Scalar(Cow::Borrowed(text), style));
        };
        if resolver.skip {
            return None;
        }
        match resolver.resolve(text) {
            Ok(resolved) => {
                here.secret |= resolved.secret;
                self.made_of = resolved.names;
                let style = if resolved.changed { Style::Loose } else { style };
                Some(View::Scalar(Cow::Owned(resolved.text), style))
            }
            Err(failure) => {
                self.unresolved(slot, text, failure);
                None
            }
        }
    }

    /// Collects the rules that apply in place, with the right one of each group of alternatives.
    ///
    /// Types that contain themselves end here: a rule is collected once.
    pub(crate) fn gather(&mut self, id: Id, slot: Slot<'a>, view: &View<'a>, here: &mut Here) {
        if here.rules.contains(&id) {
            return;
        }
        here.rules.push(id);
        let rules = self.rules;
        let rule = rules.get(id);
        here.secret |= rule.secret;
        for also in &rule.also {
            self.gather(*also, slot, view, here);
        }
        for group in &rule.groups {
            match self.choose(group, slot, view, here.secret) {
                Some(chosen) => self.gather(chosen, slot, view, here),
                None => here.undecided.extend(&group.ids),
            }
        }
    }

    // --- scalars

    /// Decides the scalar's type by all rules together and checks its limits. What the outermost
    /// of them have `decided` holds if the others take the same types.
    fn scalar(
        &mut self,
        slot: Slot<'a>,
        here: &Here,
        decided: (Types, Option<Scalar<'a>>),
        text: Cow<'a, str>,
        style: Style,
    ) -> Typed<'a> {
        let rules = self.rules;
        let each = || here.rules.iter().map(|id| rules.get(*id));
        let types = each().map(|rule| rule.types).fold(decided.0, Types::and);
        let show = self.may_show(here, slot);
        if here.secret && !self.trial && !text.is_empty() {
            self.secrets.push(text.clone().into_owned());
        }
        let scalar = if types == decided.0 { decided.1 } else { types.decide(&text, style) };
        let Some(scalar) = scalar else { return nothing(slot) };
        if here.undecided.is_empty()
            && let Some((rule, wrong)) =
                each().find_map(|r| Some((r, describe::wrong(r, &scalar)?)))
        {
            self.invalid(slot, &here.rules, show.then_some(&text), &wrong, rule);
        }
        let value = Value::Scalar(text, scalar);
        Typed { show, ..Typed::of(slot.node, slot.key_at, value) }
    }

    /// Whether the value may stand in a report.
    pub(crate) fn may_show(&self, here: &Here, slot: Slot<'_>) -> bool {
        // Who sent a body knows what is in it; who reads a log of answers should not. A variable
        // that is named like a secret may stand where it was not meant to.
        !here.secret
            && !self.made_of.iter().any(|name| show::names_a_secret(name))
            && self.secret_keys == 0
            && !here.rules.is_empty()
            && here.rules.iter().all(|id| self.rules.may_be_shown(*id))
            && slot.node.is_scalar()
            && !slot.node.at.spot().was_sent()
    }

    // --- lists

    /// Checks a list: its length, each item by its position, and that items differ where they must.
    fn seq(&mut self, slot: Slot<'a>, here: &Here, items: &'a [Node]) -> Typed<'a> {
        let rules = self.rules;
        for rule in here.rules.iter().map(|id| rules.get(*id)) {
            if let Some(wrong) = describe::wrong_count(rule.min_items, rule.max_items, items.len())
            {
                self.wrong_whole(slot, here, "the list", &wrong);
                break;
            }
        }
        let mut typed = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            let ids: Ids = here
                .rules
                .iter()
                .filter_map(|id| rules.get(*id).prefix.get(at).copied().or(rules.get(*id).items))
                .collect();
            self.path.push(Step::Item(at));
            typed.push(self.visit(
                Slot { node: item, key_at: None, lenient: false },
                &ids,
                here.secret,
            ));
            self.path.pop();
        }
        if here.rules.iter().any(|id| rules.get(*id).unique) {
            self.unique(items, &typed);
        }
        Typed::of(slot.node, slot.key_at, Value::Seq(typed))
    }

    /// Only scalars are compared: as text, for that is what the writer sees twice.
    fn unique(&mut self, items: &'a [Node], typed: &[Typed<'a>]) {
        let mut seen = HashSet::new();
        for (at, item) in typed.iter().enumerate() {
            if let Value::Scalar(text, _) = &item.value
                && !seen.insert(text.as_ref())
            {
                self.report(|walk| {
                    let path = format!("{}[{at}]", walk.path_text());
                    let message =
                        format!("duplicate item `{path}`: the items of this list must differ");
                    walk.at(items[at].at.spot(), message, item.show)
                        .in_path(path)
                        .label("written before")
                });
            }
        }
    }

    // --- maps

    /// Checks a map: each key, each value, what is missing, how many there are.
    fn map(&mut self, slot: Slot<'a>, here: &Here, map: Keys<'a>) -> Typed<'a> {
        let open = self.is_open(here);
        // Which keys an undecided variant takes is not known; its problem is reported already.
        let lenient = slot.lenient || !here.undecided.is_empty();
        let private = self.is_private();
        let mut typed = Vec::with_capacity(map.at_most());
        for entry in map.entries() {
            let key = self.canonical(entry, here);
            let ids = self.rules_of(&key, here);
            if ids.is_empty() && !open {
                // A body has no anchors to keep, so in it `x-` is a key like any other.
                let is_own = key.starts_with("x-") && !entry.key_at().is_of_body();
                if !is_own && !lenient && !entry.node.takes_away() {
                    self.unknown_key(entry, here, map);
                }
                continue;
            }
            let is_secret = show::names_a_secret(&key);
            let private = private && !self.names(here, &key);
            self.path.push(if private { Step::Private } else { Step::Key(key.clone()) });
            self.secret_keys += usize::from(is_secret);
            let below = Slot { node: &entry.node, key_at: Some(entry.key_at()), lenient: false };
            let child = self.visit(below, &ids, here.secret);
            self.secret_keys -= usize::from(is_secret);
            self.path.pop();
            typed.push((key, Typed { private, ..child }));
        }
        self.missing_keys(slot, here, &typed);
        let rules = self.rules;
        for rule in here.rules.iter().map(|id| rules.get(*id)) {
            if let Some(wrong) = describe::wrong_count(rule.min_keys, rule.max_keys, typed.len()) {
                self.wrong_whole(slot, here, "the map", &wrong);
                break;
            }
        }
        Typed::of(slot.node, slot.key_at, Value::Map(typed))
    }

    /// A key that several rules require is missing once.
    fn missing_keys(&mut self, slot: Slot<'a>, here: &Here, typed: &[(Cow<'a, str>, Typed<'a>)]) {
        let rules = self.rules;
        let mut told = Vec::new();
        for rule in here.rules.iter().map(|id| rules.get(*id)) {
            for key in &rule.required {
                let there = typed.iter().any(|(there, _)| there == key);
                if !there && !told.contains(&key) {
                    told.push(key);
                    self.missing(slot, key, rule.properties.get(key).copied());
                }
            }
        }
    }
}

/// A placeholder for a value that has a problem.
fn nothing(slot: Slot<'_>) -> Typed<'_> {
    let value = Value::Scalar(Cow::Borrowed(""), Scalar::Null);
    Typed::of(slot.node, slot.key_at, value)
}

/// Whether a text may hold a reference; asked for every scalar.
fn refers(text: &str) -> bool {
    text.contains('$') && text.contains("${")
}
