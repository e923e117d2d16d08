//! The problems that the walk finds, in words and with their places.
//!
//! # Invariants
//!
//! 1. A problem about a scalar points at the scalar; one about a map or a list points at its key,
//!    which is where a person looks for it.
//! 2. While an alternative is only tried, no problem is built: that would be slow and useless.
//!
//! # The parts of a problem
//!
//! | part | answers | example |
//! |---|---|---|
//! | message | what is wrong, with path and value | ``invalid value for `a.b`: 0 is less than 1`` |
//! | place and source line | where | `app.yaml:3:11` |
//! | label | what is expected | `expected a whole number of at least 1` |
//! | note | what it overrides, what it was made of | `overrides app.yaml:7:9` |
//! | nearest, valid | which word was meant | ``did you mean `step`?`` |
//! | help | what to do | `remove the quotes` |
//!
//! Each method here is one sort of mistake and decides which of these it has. Whether the value may
//! be named is asked before, by `check`, and comes in as an argument.

use std::borrow::Cow;

use crate::check::{Here, Slot, Step, View, Walk};
use crate::interpolate::Failure;
use crate::limits::MAX_STEPS;
use crate::loader::Format;
use crate::map::Entry;
use crate::masked::MASK;
use crate::nearest::nearest;
use crate::node::Kind;
use crate::origin::Origin;
use crate::report::Problem;
use crate::rules::{Id, Rule};
use crate::section::Keys;
use crate::source::{Shown, Spot};
use crate::{describe, duration, remedy, show};

/// A key that who may write it has written already.
const KIND: &str = "kind";

/// What stands beside the mark of a key that nobody knows there.
pub(crate) const STRANGE: &str = "not known here";

// === impl Problem ===

impl Problem {
    /// Whether it is a key that is not known where it stands.
    ///
    /// The last part of the [`path`](Self::path) is the key then.
    ///
    /// ```
    /// # mod processpype { pub use processpype_config as config; }
    /// use processpype::config::{Format, Loader};
    ///
    /// let document = Loader::new().text("app.yaml", Format::Yaml, "{prot: 1, port: x}").load()?;
    /// let unknown = document.root().known_keys(&["port"]).unwrap_err();
    /// assert!(unknown.problems()[0].is_unknown_key());
    /// let wrong = document.section(&["port"]).read::<u16>().unwrap_err();
    /// assert!(!wrong.problems()[0].is_unknown_key());
    /// # Ok::<(), processpype_config::Report>(())
    /// ```
    pub fn is_unknown_key(&self) -> bool {
        self.label_text() == STRANGE
    }

    /// Tells which keys would be known: a section's own, and unless it is clear which one was
    /// meant, those that stand beside them.
    ///
    /// A service without a `kind` was registered in code, and takes none.
    pub(crate) fn with_known(self, own: &[&str], beside: &[Box<str>]) -> Self {
        let keys = || beside.iter().map(AsRef::as_ref).filter(|key| *key != KIND);
        let is_clear = self.nearest_choice().is_some();
        let problem = self.valid(own.iter().copied());
        match own {
            _ if is_clear || beside.is_empty() => problem,
            [] => problem.valid(keys()),
            _ => {
                let keys: Vec<&str> = keys().collect();
                problem.note(format!("beside its own keys it may have {}", keys.join(", ")))
            }
        }
    }
}

// === impl Walk ===

impl<'a> Walk<'a> {
    /// A value of the right type that breaks a limit, or is none of the choices.
    pub(crate) fn invalid(
        &mut self,
        slot: Slot<'a>,
        ids: &[Id],
        text: Option<&Cow<'a, str>>,
        wrong: &str,
        rule: &Rule,
    ) {
        self.report(|walk| {
            let expected = describe::expected(walk.rules, ids);
            let choices = rule.choices.as_ref().map(|choices| describe::choices(choices));
            let shown = text.map(|text| show::value_of(slot.node, text));
            let subject = shown.as_deref().unwrap_or("the value");
            let message = format!("invalid value for `{}`: {subject} {wrong}", walk.path_text());
            let problem =
                walk.on(slot, message, shown.is_some()).label(format!("expected {expected}"));
            let meant = text.filter(|_| rule.format == duration::FORMAT && shown.is_some());
            let problem = match meant.and_then(|text| duration::meant(text)) {
                Some(help) => problem.help(help),
                None => problem,
            };
            match (choices, text) {
                (Some(choices), Some(text)) => {
                    problem.hint_nearest(text, choices.iter().map(String::as_str)).valid(choices)
                }
                (Some(choices), None) => problem.valid(choices),
                (None, _) => problem,
            }
            .shown_value(shown)
        });
    }

    /// A value of a type that cannot stand here. Where the key is missing its value, the key is
    /// marked.
    pub(crate) fn wrong_type(&mut self, slot: Slot<'a>, ids: &[Id], view: &View<'a>, secret: bool) {
        self.report(|walk| {
            let expected = describe::expected(walk.rules, ids);
            let here = Here { rules: ids.into(), secret, undecided: Vec::new() };
            let show = walk.may_show(&here, slot);
            let subject = match view {
                View::Seq(_) => "a list".to_owned(),
                View::Map(_) => "a map".to_owned(),
                View::Scalar(..) if slot.node.is_unwritten() => "an empty value".to_owned(),
                View::Scalar(..) if slot.node.is_null() => "null".to_owned(),
                View::Scalar(text, _) if show => show::value_of(slot.node, text),
                View::Scalar(..) => "the value".to_owned(),
            };
            let short = describe::short(walk.rules, ids);
            let wrong = match view {
                View::Scalar(text, style)
                    if remedy::is_too_great(walk.rules, ids, text, *style) =>
                {
                    "is too great a number".to_owned()
                }
                _ => describe::is_not(&short),
            };
            let message = format!("invalid value for `{}`: {subject} {wrong}", walk.path_text());
            let problem = walk.on(slot, message, show).label(format!("expected {expected}"));
            let whole = walk.whole_for(slot, ids, view, secret);
            let remedy = || remedy::remedy(walk.rules, ids, view, slot.node);
            let problem = problem.valid(whole.valid);
            let problem = match whole.help.or_else(remedy) {
                Some(help) => problem.help(help),
                None => problem,
            };
            let shown = show && matches!(view, View::Scalar(..));
            problem.shown_value(shown.then_some(subject))
        });
    }

    /// A list or map of the wrong size.
    pub(crate) fn wrong_whole(&mut self, slot: Slot<'a>, here: &Here, subject: &str, wrong: &str) {
        let expected = describe::expected(self.rules, &here.rules);
        self.report(|walk| {
            let message = format!("invalid value for `{}`: {subject} {wrong}", walk.path_text());
            walk.on(slot, message, false).label(format!("expected {expected}"))
        });
    }

    /// A key that no rule knows. Keys that are not used yet come first as suggestions: who wrote
    /// `prot` hardly meant a `port` that is there already.
    pub(crate) fn unknown_key(&mut self, entry: &'a Entry, here: &Here, map: Keys<'_>) {
        self.report(|walk| {
            let known: Vec<&str> = walk.known_keys(here).into_iter().map(|(key, _)| key).collect();
            if let Some(pattern) = walk.key_pattern(here) {
                return walk.strange_key(entry, pattern);
            }
            let unused: Vec<&str> =
                known.iter().copied().filter(|key| map.get(key).is_none()).collect();
            let problem = walk.unknown(entry, &known, &unused);
            let near = problem.nearest_choice().is_some();
            match replaced_beside(entry, map).filter(|_| !near) {
                Some(other) => {
                    let at = &other.node.at;
                    let place = match at.spot().format() {
                        Some(Format::Toml) => "in a variable or with `--set`",
                        Some(Format::Yaml | Format::Json) | None => "there",
                    };
                    problem.note(format!(
                        "maps of layers merge: at {} another value lies over one beside it; \
                         {place}, `null` for this key takes it away",
                        at.origin()
                    ))
                }
                None => problem,
            }
        });
    }

    /// The pattern that keys must match, if only patterns say what is known.
    pub(crate) fn key_pattern(&self, here: &Here) -> Option<&'a str> {
        let rules = self.rules;
        let mut all = here.rules.iter().map(|id| rules.get(*id));
        all.find_map(|rule| rule.pattern_properties.first()).map(|(regex, _)| regex.as_str())
    }

    /// A key of a map whose keys must match a pattern, such as numbers.
    pub(crate) fn strange_key(&self, entry: &Entry, pattern: &str) -> Problem {
        let key = if self.is_private() { MASK } else { entry.key() };
        let path = show::join(&self.path_text(), key);
        let expected = match pattern {
            r"^\d+$" => "a whole number of at least 0".to_owned(),
            r"^-?\d+$" => "a whole number".to_owned(),
            pattern => format!("a key that matches {pattern}"),
        };
        self.at(entry.key_at(), format!("invalid key `{path}`"), false)
            .in_path(path)
            .label(format!("expected {expected}"))
    }

    /// The problem of an unknown key. Below a secret it is named only if it is nearly a word that
    /// code has chosen: what is like nothing known may be a secret.
    pub(crate) fn unknown(&self, entry: &Entry, known: &[&str], unused: &[&str]) -> Problem {
        let (key, help) = show::stranger(entry.key());
        let beside = if self.path.is_empty() { self.section.beside() } else { &[] };
        let meant = unused.iter().chain(known).copied().chain(beside.iter().map(AsRef::as_ref));
        let near = nearest(&key, meant);
        let is_named = help.is_none() && (near.is_some() || !self.is_private());
        let told = if is_named || !self.is_private() { &key } else { MASK };
        let path = show::join(&self.path_text(), told);
        let problem = self
            .at(entry.key_at(), format!("unknown key `{path}`"), is_named)
            .in_path(path)
            .label(STRANGE)
            .hint_nearest(&key, near);
        if let Some(help) = help {
            problem.help(help)
        } else if let Some(help) = show::nested(&key, known) {
            problem.help(help).valid(known.iter().copied())
        } else if known.is_empty() && beside.is_empty() && problem.nearest_choice().is_none() {
            problem.help("this section takes no keys; remove it")
        } else {
            problem.with_known(known, beside)
        }
    }

    /// A required key that is not there: marked at the map, with the key's own documentation.
    pub(crate) fn missing(&mut self, slot: Slot<'a>, key: &str, id: Option<Id>) {
        self.report(|walk| {
            let ids: Vec<Id> = id.into_iter().collect();
            let expected = describe::expected(walk.rules, &ids);
            let path = show::join(&walk.path_text(), key);
            let message = format!("missing key `{path}`");
            // What is there of the map says what it is. One that is not there stands nowhere.
            let inside = Some(slot.node.at.spot());
            let inside = inside.filter(|it| it.has_lines() && !walk.is_private());
            let problem = walk
                .near(slot.key_at.unwrap_or(slot.node.at.spot()), message, false, inside)
                .label(format!("needs `{key}`: {expected}"))
                .in_path(path);
            let problem = match problem.origin() {
                Some(_) => problem,
                None => problem.help("write it in a configuration file, or pass it with --set"),
            };
            match describe::description(walk.rules, &ids) {
                Some(text) => problem.note(format!("`{key}`: {text}")),
                None => problem,
            }
        });
    }

    /// A reference that leads to no value. Where the reason is told elsewhere, that is told, once.
    pub(crate) fn unresolved(&mut self, slot: Slot<'a>, text: &str, failure: Failure) {
        match &failure.cause {
            None => self.report(|walk| {
                let at = failure.place(slot.node.at.spot(), text);
                let message = format!("in `{}`: {}", walk.path_text(), failure.message);
                walk.at(at.spot(), message, failure.show).help(failure.help).label(failure.label)
            }),
            Some(_) if self.trial => self.failed = true,
            Some(report) => report.problems().iter().for_each(|it| self.problems.push_once(it)),
        }
    }

    /// Keeps a problem; while an alternative is only tried, notices that there is one.
    pub(crate) fn report(&mut self, problem: impl FnOnce(&Self) -> Problem) {
        if self.trial {
            self.failed = true;
        } else if self.problems.has_room() {
            let problem = problem(self);
            self.problems.keep(problem);
        }
    }

    /// A problem with a value: points at the value.
    pub(crate) fn on(&self, slot: Slot<'_>, message: String, show: bool) -> Problem {
        match (slot.node.kind(), slot.key_at) {
            (Kind::Map(_) | Kind::Seq(_), Some(_)) => self.on_key(slot, message),
            (Kind::Scalar(..), Some(key_at)) if slot.node.is_unwritten() => {
                self.at(key_at, message, false)
            }
            (Kind::Scalar(..) | Kind::Seq(_) | Kind::Map(_), _) => {
                self.at(slot.node.at.spot(), message, show)
            }
        }
        .overriding(slot.node.overrides().to_vec())
        .notes_from(&self.made_of)
    }

    /// A problem with a map as a whole: points at its key.
    pub(crate) fn on_key(&self, slot: Slot<'_>, message: String) -> Problem {
        self.at(slot.key_at.unwrap_or(slot.node.at.spot()), message, false)
    }

    /// A problem at a place, with its path, and with the alias that it was used through.
    pub(crate) fn at(&self, at: Spot<'_>, message: String, show: bool) -> Problem {
        self.near(at, message, show, None)
    }

    /// [`at`](Self::at), with the keys shown that are around `near`.
    fn near(&self, at: Spot<'_>, message: String, value: bool, near: Option<Spot<'_>>) -> Problem {
        let words = &|word: &str| self.rules.has_key(word);
        let shown = Shown { value, near: self.secret_at.or(near), words };
        let problem = at.problem_with(message, shown).in_path(self.path_text());
        let used =
            self.used_at.last().map(|at| format!("used through an alias at {}", at.origin()));
        used.into_iter().fold(problem, Problem::note)
    }

    /// The path so far, as it is printed.
    pub(crate) fn path_text(&self) -> String {
        self.path.iter().fold(self.section.path(), |path, step| match step {
            Step::Key(key) => show::join(&path, key),
            Step::Private => show::join(&path, MASK),
            Step::Item(at) => format!("{path}[{at}]"),
        })
    }

    /// The walk took more steps than any honest section needs.
    pub(crate) fn too_much_work(&mut self, slot: Slot<'a>) {
        // Said once; the counter goes on.
        self.failed = true;
        if self.steps == MAX_STEPS + 1 {
            self.trial = false;
            self.report(|walk| {
                walk.on(slot, "too many alternatives to check".to_owned(), false)
                    .help("make the section smaller")
            });
        }
    }
}

/// A key beside `entry` in which a higher layer laid another value over one of the layer that wrote
/// `entry`: what it chose may take fewer keys.
///
/// What came over the API is left out, as `null` in a patch takes away what the API said.
fn replaced_beside<'a>(entry: &Entry, map: Keys<'a>) -> Option<&'a Entry> {
    let own = entry.node.at.origin();
    let is_other = |other: &&Entry| {
        let at = &other.node.at;
        let replaced = other.node.overrides();
        !at.shares_source(&entry.node.at)
            && !at.spot().was_sent()
            && replaced.iter().any(|origin| is_of_one_layer(origin, &own))
    };
    map.entries().find(is_other)
}

/// Whether both are places of one file, or of the same kind where there is none.
fn is_of_one_layer(one: &Origin, other: &Origin) -> bool {
    match (one, other) {
        (Origin::File { path: one, .. }, Origin::File { path: other, .. }) => one == other,
        _ => std::mem::discriminant(one) == std::mem::discriminant(other),
    }
}
