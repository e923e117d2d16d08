//! Where `${secret://backend:key}` finds its values.
//!
//! # Invariants
//!
//! 1. A key never leaves its backend: for files it is one file name, without `/` and `..`.
//! 2. No text made here holds a secret's value.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::limits::MAX_RESOLVED_BYTES;
use crate::nearest::nearest;

/// The section `secrets`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct SecretsConfig {
    /// Where secrets come from, by the name that `${secret://name:key}` uses.
    #[serde(default)]
    pub backends: BTreeMap<String, BackendConfig>,
}

/// One place that secrets come from.
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
#[derive(Debug, Default)]
pub(crate) struct Backends(pub(crate) BTreeMap<String, BackendConfig>);

/// What went wrong and what to do, neither with a value in it.
type Failure = (String, String);

// === impl Backends ===

impl Backends {
    /// Looks up `backend:key`.
    pub(crate) fn get(
        &self,
        name: &str,
        variables: &BTreeMap<String, String>,
    ) -> Result<String, Failure> {
        let Some((backend, key)) = name.split_once(':').filter(|(_, key)| !key.is_empty()) else {
            let message = "a secret needs a backend and a key".to_owned();
            return Err((message, "write ${secret://backend:key}".to_owned()));
        };
        let Some(config) = self.0.get(backend) else {
            return Err(self.unknown(backend));
        };
        match config {
            BackendConfig::Env { prefix } => {
                let variable = format!("{prefix}{key}");
                variables.get(&variable).cloned().ok_or_else(|| {
                    let message = format!("the secret `{key}` is not available from `{backend}`");
                    (message, format!("set the environment variable {variable}"))
                })
            }
            BackendConfig::File { path } => file(path, backend, key),
            BackendConfig::Dotenv { path } => dotenv(path, backend, key),
        }
    }

    fn unknown(&self, backend: &str) -> Failure {
        let known = || self.0.keys().map(String::as_str);
        let or = nearest(backend, known()).map(|near| format!("; did you mean `{near}`?"));
        let message = format!("there is no secret backend `{backend}`");
        let help = format!("declare it as secrets.backends.{backend}{}", or.unwrap_or_default());
        (message, help)
    }
}

fn file(directory: &Path, backend: &str, key: &str) -> Result<String, Failure> {
    if key.contains(['/', '\\', '\0']) || key == ".." || key == "." {
        let message = format!("the key of a secret in `{backend}` must be a file name");
        return Err((message, "name one file in the directory of the backend".to_owned()));
    }
    let path = directory.join(key);
    let text = read(&path, backend, key)?;
    Ok(text.strip_suffix('\n').map_or(text.as_str(), |t| t.trim_end_matches('\r')).to_owned())
}

fn dotenv(path: &Path, backend: &str, key: &str) -> Result<String, Failure> {
    let text = read(path, backend, key)?;
    let line = text.lines().find_map(|line| {
        let line = line.trim().strip_prefix("export ").unwrap_or_else(|| line.trim());
        let (name, value) = line.split_once('=')?;
        (name.trim() == key).then(|| unquoted(value.trim()).to_owned())
    });
    line.ok_or_else(|| {
        let message = format!("the secret `{key}` is not available from `{backend}`");
        (message, format!("add a line {key}=… to {}", path.display()))
    })
}

fn unquoted(value: &str) -> &str {
    ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(value)
}

fn read(path: &Path, backend: &str, key: &str) -> Result<String, Failure> {
    use std::io::Read as _;
    let failed = |why: String| {
        let message = format!("the secret `{key}` is not available from `{backend}`: {why}");
        (message, format!("check {}", path.display()))
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
