//! Where `${secret://backend:key}` finds its values.
//!
//! # Invariants
//!
//! 1. A key never leaves its backend: for files it is one file name, without `/` and `..`.
//! 2. No text made here holds a secret's value.
//! 3. A declaration that is wrong makes no other one unknown, and whoever refers to it is told of
//!    the declaration alone.
//!
//! # When a backend is asked
//!
//! Only when a section is read that holds a reference, and only for that reference. A service that
//! is `enabled: false` is never read with its values, so its secrets need not exist. The
//! declaration of the backends is itself a section: it may use `${VAR}`, but not `${secret://…}`,
//! which would go round in a circle.
//!
//! # What a backend may do
//!
//! Files are read at once, without a cache: a rotated secret is seen by the next read. A value is
//! bounded, like everything that is put into a text. What fails names the backend, the key and the
//! remedy; these are names, not values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use processpype_core::SortedMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::interpolate::Variables;
use crate::limits::MAX_RESOLVED_BYTES;
use crate::nearest::nearest;
use crate::report::{Problem, Report};

/// The section `secrets`.
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::{Format, Loader};
///
/// let text = "
/// secrets: {backends: {env: {kind: env, prefix: APP_}}}
/// db: {password: \"${secret://env:DB_PASSWORD}\"}
/// ";
/// let document = Loader::new()
///     .text("app.yaml", Format::Yaml, text)
///     .environment([("APP_DB_PASSWORD".to_owned(), "hunter2".to_owned())])
///     .load()?;
/// let password: String = document.section(&["db", "password"]).read()?;
/// assert_eq!(password, "hunter2");
/// # Ok::<(), processpype_config::Report>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct SecretsConfig {
    /// Where secrets come from, by the name that `${secret://name:key}` uses.
    #[serde(default)]
    pub backends: BTreeMap<String, BackendConfig>,
}

/// One place that secrets come from.
///
/// | kind | `${secret://name:key}` is | for |
/// |---|---|---|
/// | `env` | the variable *prefix* + *key* | containers, systemd's `Environment=` |
/// | `file` | the content of *path*/*key*, less a last line feed | Docker, Kubernetes |
/// | `dotenv` | the line `key=value` of the file | a developer's machine |
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[non_exhaustive]
pub enum BackendConfig {
    /// Environment variables: the prefix, then the key.
    Env {
        /// Put in front of every key.
        #[serde(default)]
        prefix: String,
    },
    /// A directory with one file per secret, as Docker and Kubernetes mount them.
    File {
        /// The directory.
        path: PathBuf,
    },
    /// A file with a line `KEY=value` per secret.
    Dotenv {
        /// The file.
        path: PathBuf,
    },
}

/// The backends of one document.
///
/// In the order of names, which is the order in which they are suggested.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    /// As they are declared, or what is wrong with that.
    declared: SortedMap<String, Result<BackendConfig, Report>>,
    /// What is wrong with the section beside them.
    section: Option<Report>,
}

/// Why there is no value.
pub(crate) enum Missing {
    /// What went wrong and what to do, neither with a value in it.
    Here(String, String),
    /// The declarations are wrong, which is the whole story.
    Declared(Report),
}

// === impl Backends ===

impl Backends {
    /// The backends of a section of which every declaration is right.
    pub(crate) fn of(config: SecretsConfig) -> Self {
        let declared = config.backends.into_iter().map(|(name, config)| (name, Ok(config)));
        Self { declared: declared.collect(), section: None }
    }

    /// The backends of a section with mistakes: each as it was read by itself, and what is wrong
    /// with the `whole`.
    pub(crate) fn partly(
        declared: SortedMap<String, Result<BackendConfig, Report>>,
        whole: &Report,
    ) -> Self {
        let of_one = |problem: &&Problem| {
            let reports = declared.values().filter_map(|read| read.as_ref().err());
            reports.flat_map(Report::problems).any(|other| other.is_same(problem))
        };
        let others = whole.problems().iter().filter(|problem| !of_one(problem));
        let section = others.cloned().map(Report::from).reduce(Report::merge);
        Self { declared, section }
    }

    /// Looks up `backend:key`.
    ///
    /// The error is for the report at the place of the reference, or it is a report already.
    pub(crate) fn get(&self, name: &str, variables: &Variables) -> Result<String, Missing> {
        let Some((backend, key)) = name.split_once(':').filter(|(_, key)| !key.is_empty()) else {
            let message = "a secret needs a backend and a key".to_owned();
            return Err(Missing::Here(message, "write ${secret://backend:key}".to_owned()));
        };
        let config = match self.declared.get(backend) {
            Some(Ok(config)) => config,
            Some(Err(report)) => return Err(Missing::Declared(report.clone())),
            None => return Err(self.unknown(backend)),
        };
        match config {
            BackendConfig::Env { prefix } => {
                let variable = format!("{prefix}{key}");
                variables.get(&variable).cloned().ok_or_else(|| {
                    let message = format!("the secret `{key}` is not available from `{backend}`");
                    Missing::Here(message, format!("set the environment variable {variable}"))
                })
            }
            BackendConfig::File { path } => file(path, backend, key),
            BackendConfig::Dotenv { path } => dotenv(path, backend, key),
        }
    }

    /// Names the key to write, and the backend that was probably meant; where the section itself is
    /// wrong, that may be why.
    fn unknown(&self, backend: &str) -> Missing {
        if let Some(report) = &self.section {
            return Missing::Declared(report.clone());
        }
        let known = || self.declared.keys().map(String::as_str);
        let or = nearest(backend, known()).map(|near| format!("; did you mean `{near}`?"));
        let message = format!("there is no secret backend `{backend}`");
        let help = format!("declare it as secrets.backends.{backend}{}", or.unwrap_or_default());
        Missing::Here(message, help)
    }
}

/// One file for each secret. The key must be a plain name, or `../../etc/passwd` would be one too.
fn file(directory: &Path, backend: &str, key: &str) -> Result<String, Missing> {
    if key.contains(['/', '\\', '\0']) || key == ".." || key == "." {
        let message = format!("the key of a secret in `{backend}` must be a file name");
        let help = "name one file in the directory of the backend".to_owned();
        return Err(Missing::Here(message, help));
    }
    let path = directory.join(key);
    let text = read(&path, backend, key)?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |t| t.trim_end_matches('\r')).to_owned())
}

/// The first line that sets the key counts. `export` before it and quotes around the value are
/// allowed; escapes and references inside it are not looked at.
fn dotenv(path: &Path, backend: &str, key: &str) -> Result<String, Missing> {
    let text = read(path, backend, key)?;
    let line = text.lines().find_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or_else(|| line.trim());
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| unquoted(value.trim()).to_owned())
    });
    line.ok_or_else(|| {
        let message = format!("the secret `{key}` is not available from `{backend}`");
        Missing::Here(message, format!("add a line {key}=… to {}", path.display()))
    })
}

/// Takes one pair of equal quotes away.
fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

/// Reads at most one byte more than a value may have.
fn read(path: &Path, backend: &str, key: &str) -> Result<String, Missing> {
    use std::io::Read as _;
    let failed = |why: String| {
        let message = format!("the secret `{key}` is not available from `{backend}`: {why}");
        Missing::Here(message, format!("check {}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let limit = u64::try_from(MAX_RESOLVED_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    file.take(limit).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() > MAX_RESOLVED_BYTES {
        return Err(failed("the file is too large".to_owned()));
    }
    Ok(text)
}
