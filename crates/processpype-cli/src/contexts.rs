//! Named applications: where each is, and with which token it is asked.
//!
//! ```yaml
//! current: staging
//! contexts:
//!   staging: {url: "http://127.0.0.1:8080"}
//!   prod:
//!     url: http://127.0.0.1:9080      # an ssh tunnel
//!     token_file: ~/.config/processpype/prod.token
//!   shop:
//!     url: https://shop.internal
//!     cacert: ~/.config/processpype/ca.pem
//!     cert: ~/.config/processpype/me.pem      # and `key`, if it stands in a file of its own
//! ```
//!
//! # Invariants
//!
//! 1. As `ssh` does with its own files: a file that others can change says nothing to anybody, and
//!    a token that others can read is not used. Both are refused with the remedy.
//! 2. A token is never shown, in no listing and in no error.
//! 3. Whatever is wrong in the file is told with its place, all of it at once.

mod edit;
mod verb;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use processpype_api::TOKEN_LENGTH_MAX;
use processpype_config::{
    Document, Format, Loader, Report, Secret, Section, configuration_directory, home_directory,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::verb::{ContextVerb, context};
use crate::private;
use crate::target::Target;
use crate::tls_files::TlsFiles;

/// The variable that names a context.
pub(crate) const CONTEXT_VARIABLE: &str = "PROCESSPYPE_CONTEXT";

/// The variable that names the file of contexts.
pub(crate) const CONTEXTS_VARIABLE: &str = "PROCESSPYPE_CONTEXTS";

/// The longest file of contexts.
const FILE_MAX: usize = 1024 * 1024;

/// The keys of the file.
const KEYS: [&str; 2] = ["current", "contexts"];

/// The file, as it was read.
#[derive(Debug)]
pub(crate) struct Contexts {
    path: PathBuf,
    document: Document,
    current: Option<String>,
    all: BTreeMap<String, Entry>,
    /// Why a token that is written in the file must not be used.
    leak: Option<&'static str>,
}

/// One application, as it is written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The address of its control API.
    url: String,
    /// The token.
    token: Option<Secret<String>>,
    /// The file with the token.
    token_file: Option<PathBuf>,
    /// The PEM file of the authority to believe, instead of the system's.
    cacert: Option<PathBuf>,
    /// The PEM file of the certificate to show.
    cert: Option<PathBuf>,
    /// The PEM file of its key, if that is another one.
    key: Option<PathBuf>,
}

/// One application.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) target: Target,
    pub(crate) token: Option<Secret<String>>,
    pub(crate) tls: TlsFiles,
    /// Where all of it comes from.
    pub(crate) from: String,
}

// === impl Contexts ===

impl Contexts {
    /// Reads the file that was named, or the user's own, which need not exist.
    pub(crate) fn read(named: Option<&Path>) -> Result<Self, String> {
        let own = || configuration_directory().map(|it| it.join("processpype/contexts.yaml"));
        let Some(path) = named.map(Path::to_owned).or_else(own) else {
            return Ok(Self::none(PathBuf::new()));
        };
        let cannot = |error: io::Error| {
            format!("the file of contexts {} cannot be read: {error}", path.display())
        };
        let file = match private::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
                return Ok(Self::none(path));
            }
            Err(error) => return Err(cannot(error)),
        };
        if let Some(why) = private::tampering(&file).map_err(cannot)? {
            return Err(refusal(&path, "the file of contexts", why, "go-w"));
        }
        let leak = private::leak(&file).map_err(cannot)?;
        let text = private::text(file, FILE_MAX).map_err(cannot)?;
        Self::parse(path, &text, leak).map_err(|report| report.to_string())
    }

    fn none(path: PathBuf) -> Self {
        let (document, all) = (Document::empty(), BTreeMap::new());
        Self { path, document, current: None, all, leak: None }
    }

    fn parse(path: PathBuf, text: &str, leak: Option<&'static str>) -> Result<Self, Report> {
        let name = path.display().to_string();
        let document = Loader::new().text(&name, Format::Yaml, text).load()?;
        let root = document.root();
        root.known_keys(&KEYS)?;
        let current: Option<String> = root.get("current").read()?;
        let all: Option<BTreeMap<String, Entry>> = root.get("contexts").read()?;
        let contexts = Self { path, current, all: all.unwrap_or_default(), leak, document };
        contexts.check()?;
        Ok(contexts)
    }

    /// Checks what no schema can say.
    fn check(&self) -> Result<(), Report> {
        let mut problems = Vec::new();
        for (name, entry) in &self.all {
            let section = self.section(name);
            if let Err(error) = entry.url.parse::<Target>() {
                problems.push(section.get("url").problem(error.to_string()));
            }
            if entry.token.is_some() && entry.token_file.is_some() {
                let problem = section.get("token_file").problem("there is a `token` already");
                problems.push(problem.help("leave one of the two"));
            }
            if entry.key.is_some() && entry.cert.is_none() {
                let problem = section.get("key").problem("there is no certificate to go with it");
                problems.push(problem.help("name its file in `cert`"));
            }
        }
        if let Some(current) = self.current.as_ref().filter(|name| !self.all.contains_key(*name)) {
            let section = self.document.root().get("current");
            let problem = section.problem(format!("there is no context `{current}`"));
            problems.push(problem.valid(self.all.keys()));
        }
        let reports = problems.into_iter().map(Report::from);
        reports.reduce(Report::merge).map_or(Ok(()), Err)
    }

    fn section(&self, name: &str) -> Section {
        self.document.section(&["contexts", name])
    }

    /// Returns the name of the context that counts when none was named.
    pub(crate) fn current(&self) -> Option<&str> {
        self.current.as_deref()
    }

    /// Returns one of the applications, with its token.
    pub(crate) fn choose(&self, name: &str) -> Result<Chosen, String> {
        let entry = self.entry(name)?;
        let target = entry.url.parse().map_err(|error| format!("context `{name}`: {error}"))?;
        let from = format!("context `{name}` of {}", self.path.display());
        Ok(Chosen { target, token: self.token(name, entry)?, tls: entry.tls(), from })
    }

    fn entry(&self, name: &str) -> Result<&Entry, String> {
        self.all.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.all.keys().map(String::as_str).collect();
            let there = match &names[..] {
                [] => "there are none".to_owned(),
                names => format!("there are: {}", names.join(", ")),
            };
            format!("there is no context `{name}` in {}; {there}", self.path.display())
        })
    }

    fn token(&self, name: &str, entry: &Entry) -> Result<Option<Secret<String>>, String> {
        if let Some(token) = &entry.token {
            return match self.leak {
                None => Ok(Some(token.clone())),
                Some(why) => {
                    Err(refusal(&self.path, "the file of contexts has a token", why, "600"))
                }
            };
        }
        let Some(path) = &entry.token_file else { return Ok(None) };
        let path = at_home(path);
        let token = private::read(&path, TOKEN_LENGTH_MAX).map_err(|error| {
            let what = format!("the token file of context `{name}`");
            match error.kind() {
                io::ErrorKind::PermissionDenied => refusal(&path, &what, &error.to_string(), "600"),
                _ => format!("{what} {} cannot be read: {error}", path.display()),
            }
        })?;
        Ok(Some(Secret::new(token)))
    }
}

// === impl Entry ===

impl Entry {
    fn tls(&self) -> TlsFiles {
        let [cacert, cert, key] =
            [&self.cacert, &self.cert, &self.key].map(|path| path.as_deref().map(at_home));
        TlsFiles { cacert, cert, key }
    }
}

fn refusal(path: &Path, what: &str, why: &str, mode: &str) -> String {
    let path = path.display();
    format!("{what} ({path}) is not used: {why}\n  = help: `chmod {mode} {path}`, as its owner")
}

/// Returns a path with the user's home where it begins with `~`.
fn at_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), home_directory()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
current: staging
contexts:
  staging: {url: 'http://127.0.0.1:8080'}
  prod: {url: 'http://127.0.0.1:9080', token: correct-horse-battery-staple}
";

    fn parse(text: &str, leak: Option<&'static str>) -> Result<Contexts, String> {
        let contexts = Contexts::parse(PathBuf::from("contexts.yaml"), text, leak);
        contexts.map_err(|report| report.to_string())
    }

    /// Checks that a file is refused with these words, and without its token.
    #[track_caller]
    fn refused(text: &str, words: &[&str]) {
        let report = parse(text, None).expect_err("a problem");
        for word in words {
            assert!(report.contains(word), "no `{word}` in {report}");
        }
        assert!(!report.contains("battery"), "{report}");
    }

    #[test]
    fn a_context_is_chosen_with_its_token() {
        let contexts = parse(GOOD, None).expect("good");
        assert_eq!(contexts.current(), Some("staging"));
        let prod = contexts.choose("prod").expect("prod");
        assert_eq!(prod.target.to_string(), "http://127.0.0.1:9080");
        assert!(prod.token.is_some());
        assert!(!format!("{contexts:?}{prod:?}").contains("battery"));
        let unknown = contexts.choose("prd").expect_err("unknown");
        assert!(unknown.contains("there are: prod, staging"), "{unknown}");
    }

    #[test]
    fn a_token_that_others_can_read_is_not_used() {
        let contexts = parse(GOOD, Some("other users may read or change it")).expect("good");
        let error = contexts.choose("prod").expect_err("a leak");
        assert!(error.contains("chmod 600 contexts.yaml"), "{error}");
        assert!(contexts.choose("staging").is_ok(), "it has no token");
    }

    #[test]
    fn mistakes_are_told_with_their_places() {
        let token = "token: correct-horse-battery-staple";
        refused(
            &format!("contexts: {{a: {{ulr: x, {token}}}}}"),
            &["contexts.yaml:1:", "ulr", "url"],
        );
        refused(&format!("contexts: {{a: {{url: 'x://y', {token}}}}}"), &["contexts.a.url", ":1:"]);
        refused(&format!("contexts: {{a: {{url: h, token_file: x, {token}}}}}"), &["token_file"]);
        refused(
            "contexts: {a: {url: h, key: k.pem}}",
            &["contexts.a.key", "no certificate", ":1:"],
        );
        refused("current: b\ncontexts: {a: {url: h}}", &["no context `b`", ":1:10"]);
        refused("curent: a", &["curent", "current"]);
        refused("contexts: [", &[":1:"]);
    }
}
