//! Variables and `--set` flags, laid over the files.
//!
//! # Invariants
//!
//! 1. A value from here has no place in a file; its origin is the variable's or the flag's name.
//! 2. A name that is meant for us but hits no section is a problem, never silence.
//!
//! # From a name to a path
//!
//! `PROCESSPYPE_SERVICES__MY_SERVICE__PORT` loses its prefix, splits at `__`, and is lower case:
//! `services`, `my_service`, `port`. The name has lost whether a key was spelt `my-service`,
//! `my_service` or `myService`. So each word is looked up among the keys that files have at that
//! place, with `-`, `_` and case not counting, and takes their spelling. If no file has the key,
//! the word stands as it is and its entry is marked *loose*: whoever reads the section then matches
//! it against the names in the schema in the same forgiving way.
//!
//! A flag is a path with dots and means its keys as they are written; it goes through the same
//! lookup, since that never does harm.
//!
//! # What means us
//!
//! A variable with the prefix, and either `__` in it or the name of a section alone. Anything else
//! with the prefix is left alone, and is told as a [`Stray`] to who asks. What means us and hits no
//! section is a problem with the name that was probably meant, spelt as a variable.

use std::sync::Arc;

use crate::collect::Problems;
use crate::limits::{MAX_DEPTH, MAX_FILE_BYTES};
use crate::map::Entry;
use crate::nearest::{nearest, plain};
use crate::node::{Node, Style};
use crate::origin::Origin;
use crate::report::Problem;
use crate::source::{At, Source};
use crate::yaml;

/// A variable with the prefix that sets nothing: it has no `__`, and is no section's name.
///
/// It may be another program's, so it is no problem; most likely an underscore is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// The name of the variable.
    pub name: String,
    /// The name that was probably meant, such as `PROCESSPYPE_SERVER__PORT`.
    pub meant: Option<String>,
}

/// What names mean.
///
/// It reads the merged files and builds one more tree; it changes nothing itself.
pub(crate) struct Overlay<'a> {
    /// The prefix of variables, without the underscore.
    pub(crate) prefix: &'a str,
    /// The sections that may be named.
    pub(crate) known: &'a [String],
    /// What the files say; its keys are the ones that names mean.
    pub(crate) files: &'a Node,
}

// === impl Overlay ===

impl Overlay<'_> {
    /// Lays one variable over `top`, if it is meant for us; `None` is a value that is not UTF-8.
    ///
    /// `top` is laid over the files once, at the end: a merge costs as much as the files are large.
    pub(crate) fn variable(
        &self,
        top: &mut Option<Node>,
        name: &str,
        text: Option<&str>,
        problems: &mut Problems,
    ) {
        let Some(path) = self.path_of(name) else { return };
        let source = Source::word(Origin::environment(name));
        let at = At::whole(&source);
        if path.iter().any(String::is_empty) || path.len() > MAX_DEPTH {
            let problem = at.problem("the name of the variable has no path of keys", false);
            let like = format!("{}_SERVICES__MY_SERVICE__PORT", self.prefix);
            problems.push(problem.help(format!("write {like}, with `__` between two keys")));
            return;
        }
        let Some(text) = text else {
            problems.push(at.problem("the value is not valid UTF-8", false));
            return;
        };
        if let Some(problem) = self.unknown(&at, &path, |section| self.variable_of(section, name)) {
            problems.push(problem);
        } else if let Some(value) = value(&source, text, problems) {
            self.lay(top, &path, &at, value);
        }
    }

    /// Lays `path=value` over `top`.
    ///
    /// The text before `=` is a name and may be shown; without a `=` the whole may be a value, and
    /// is not.
    pub(crate) fn assignment(&self, top: &mut Option<Node>, text: &str, problems: &mut Problems) {
        let (path_text, value_text) = text.split_once('=').unwrap_or((text, ""));
        let source = Source::word(Origin::command_line(format!("--set {path_text}")));
        let at = At::whole(&source);
        let path: Vec<String> = path_text.trim().split('.').map(str::to_owned).collect();
        if !text.contains('=') {
            // Without `=` the whole text may be a value; it is not shown.
            let at = At::whole(&Source::word(Origin::command_line("--set")));
            let problem = at.problem("an assignment has no `=`", false);
            problems.push(problem.help("write --set services.my_service.port=9000"));
        } else if path.iter().any(String::is_empty) || path.len() > MAX_DEPTH {
            let problem = at.problem("an assignment needs a path of keys before the `=`", false);
            problems.push(problem.help("write --set services.my_service.port=9000"));
        } else if let Some(problem) = self.unknown(&at, &path, ToOwned::to_owned) {
            problems.push(problem);
        } else if let Some(value) = value(&source, value_text, problems) {
            self.lay(top, &path, &at, value);
        }
    }

    /// Later over earlier: of two flags for one path the second wins, and says what it overrode.
    fn lay(&self, top: &mut Option<Node>, path: &[String], at: &At, value: Node) {
        let node = nest([Some(self.files), top.as_ref()], path, at, value);
        *top = Some(match top.take() {
            Some(low) => node.over(&low),
            None => node,
        });
    }

    /// The path that a variable names, if the variable is meant for us; it may have empty keys.
    fn path_of(&self, name: &str) -> Option<Vec<String>> {
        let rest = name.strip_prefix(self.prefix)?.strip_prefix('_')?;
        let path: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
        let counts = path.len() > 1 || rest.starts_with('_') || self.is_known(rest);
        counts.then_some(path)
    }

    /// Whether a variable has the prefix and yet does not mean us, and what was meant perhaps.
    ///
    /// What Kubernetes sets for a `Service` of the same name is no such variable.
    pub(crate) fn stray(&self, name: &str, text: Option<&str>) -> Option<Stray> {
        let rest = name.strip_prefix(self.prefix)?.strip_prefix('_')?;
        if rest.is_empty() || self.path_of(name).is_some() || is_link(rest, text) {
            return None;
        }
        let meant = self.path_meant(rest).map(|path| self.variable_of(&path.join("."), name));
        Some(Stray { name: name.to_owned(), meant })
    }

    /// `SERVER_PORT` → `server`, `port`: the first section, and below it the first map of the
    /// files, that a name with single underscores begins with. What is left then is one key.
    fn path_meant(&self, rest: &str) -> Option<Vec<String>> {
        let known = || self.known.iter().map(String::as_str);
        let after = |key: &str| after(rest, key).map(|after| (key.to_owned(), after));
        let (section, mut rest) = known().find_map(after).or_else(|| {
            let (word, after) = rest.split_once('_')?;
            Some((nearest(&word.to_lowercase(), known())?.to_owned(), after))
        })?;
        let mut below = self.files.as_map().and_then(|map| map.get(&section));
        let mut path = vec![section];
        while let Some(map) = below.and_then(|entry| entry.node.as_map()) {
            let begins = |entry: &&Entry| {
                entry.node.as_map().is_some() && self::after(rest, entry.key()).is_some()
            };
            let Some(entry) = map.entries().iter().find(begins) else { break };
            path.push(entry.key().to_owned());
            rest = self::after(rest, entry.key()).unwrap_or_default();
            below = Some(entry);
        }
        path.push(rest.to_lowercase());
        Some(path)
    }

    /// Whether a section of this name may be set: the framework's, the caller's, or one that a file
    /// has.
    fn is_known(&self, section: &str) -> bool {
        self.known.iter().any(|known| plain(known) == plain(section))
    }

    /// The problem for a section that nobody knows, spelt as the writer would spell it; none if it
    /// is known.
    fn unknown(&self, at: &At, path: &[String], spell: impl Fn(&str) -> String) -> Option<Problem> {
        let section = path.first()?;
        if self.is_known(section) || section.starts_with("x-") {
            return None;
        }
        let known = || self.known.iter().map(String::as_str);
        let mut problem = at
            .problem(format!("there is no section `{section}`"), false)
            .in_path(section.as_str())
            .hint_nearest(section, known())
            .valid(known());
        if let Some(near) = nearest(section, known()) {
            problem = problem.help(format!("write {}", spell(&with_first(path, near).join("."))));
        }
        Some(problem)
    }

    /// The name of the variable for a path.
    ///
    /// For the remedy: a person should be able to copy it.
    fn variable_of(&self, path: &str, like: &str) -> String {
        let path = plain(path).to_uppercase().replace('.', "__");
        debug_assert!(like.starts_with(self.prefix), "only called for variables with the prefix");
        format!("{}_{path}", self.prefix)
    }
}

/// What stands in a name behind a key and an underscore.
fn after<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    let (word, after) = name.split_at_checked(key.len())?;
    let after = after.strip_prefix('_').filter(|after| !after.is_empty())?;
    (plain(word) == plain(key)).then_some(after)
}

/// Whether Kubernetes sets such a variable for a `Service`.
fn is_link(rest: &str, text: Option<&str>) -> bool {
    let of_port = ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| rest.contains(protocol));
    let is_url = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| text.is_some_and(|text| text.starts_with(scheme)));
    rest.ends_with("SERVICE_HOST")
        || rest.contains("SERVICE_PORT")
        || (rest.contains("PORT_") && of_port)
        || (rest.ends_with("PORT") && is_url)
}

/// The path, with another first key.
fn with_first(path: &[String], first: &str) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(path.iter().skip(1).cloned()).collect()
}

/// Reads the text of a variable or flag: YAML if it begins like a list or map, otherwise text.
///
/// A value that is meant as text and begins with `[` needs quotes of its own, as in YAML.
fn value(source: &Arc<Source>, text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_FILE_BYTES {
        problems.push(At::whole(source).problem("the value is too large", false));
        return None;
    }
    if text.trim_start().starts_with(['[', '{']) {
        return yaml::read(source, text, problems);
    }
    Some(Node::scalar(text, Style::Loose, At::whole(source)))
}

/// Builds the maps around a value, with the keys that one of the trees has already.
///
/// Goes down the trees and the path together, and builds the maps on the way back.
fn nest(trees: [Option<&Node>; 2], path: &[String], at: &At, value: Node) -> Node {
    let Some((word, rest)) = path.split_first() else { return value };
    let found = trees.map(|tree| tree.and_then(Node::as_map).and_then(|map| map.get_like(word)));
    let key = found.iter().flatten().next().map_or(word.as_str(), |entry| entry.key());
    let below = found.map(|entry| entry.map(|entry| &entry.node));
    single(key, at, nest(below, rest, at, value))
}

/// A map with one entry.
fn single(key: &str, at: &At, node: Node) -> Node {
    Node::map(vec![Entry::new(key, at.span(), true, node)], at.clone())
}
