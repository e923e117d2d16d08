//! Where a value comes from.
//!
//! # Invariants
//!
//! 1. An [`Origin`] never holds a value, only its place: it may be printed and sent anywhere.
//! 2. Lines and columns start at 1; columns count characters, not bytes.
//!
//! # How it fits
//!
//! An origin is the outside of a place: what can be printed, compared and sent. The inside, `At` in
//! `source`, knows the text too, and turns into an origin when a problem or a listing is made.
//! Nothing converts back.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// The place a value was written in.
///
/// Its text is what a person needs to find the place, and for files what editors and terminals can
/// jump to:
///
/// ```
/// # mod processpype { pub use processpype_config as config; }
/// use processpype::config::Origin;
///
/// assert_eq!(Origin::file("app.yaml", 3, 11).to_string(), "app.yaml:3:11");
/// assert_eq!(
///     Origin::environment("PROCESSPYPE_SERVER__PORT").to_string(),
///     "environment variable PROCESSPYPE_SERVER__PORT",
/// );
/// let flag = Origin::command_line("--set server.port");
/// assert_eq!(flag.to_string(), "command line --set server.port");
/// assert_eq!(Origin::api("alice").to_string(), "api:alice");
/// ```
///
/// As JSON it is an object with a `kind`: `{"kind": "file", "path": …, "line": …, "column": …}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// A configuration file.
    File {
        /// The path, as it was given to the loader.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
        /// The column in characters, from 1.
        column: u32,
    },
    /// A configuration file as a whole: it is missing, or cannot be read.
    WholeFile {
        /// The path, as it was given to the loader.
        path: PathBuf,
    },
    /// An environment variable.
    Environment {
        /// The whole name of the variable.
        variable: String,
    },
    /// A flag on the command line.
    CommandLine {
        /// The flag without its value, such as `--set server.port`.
        flag: String,
    },
    /// The default that the configuration type states.
    Default,
    /// Code that put the application together.
    Code,
    /// What was configured over the control API.
    Api {
        /// Who configured it.
        actor: String,
    },
    /// The body of an HTTP request.
    Body,
}

// === impl Origin ===

impl Origin {
    /// A place in a file.
    ///
    /// The path is shown as it is given; make it absolute before, if the reader stands elsewhere.
    pub fn file(path: impl Into<PathBuf>, line: u32, column: u32) -> Self {
        Self::File { path: path.into(), line, column }
    }

    /// A file as a whole, where no place in it can be named.
    ///
    /// It is missing, may not be read, or its ending says nothing. A problem *in* a file that was
    /// read has a line and a column, even where it is about the top of the file: then a person can
    /// jump to where something has to be written.
    pub fn whole_file(path: impl Into<PathBuf>) -> Self {
        Self::WholeFile { path: path.into() }
    }

    /// An environment variable.
    ///
    /// Its name only. The value of a variable is never part of an origin.
    pub fn environment(variable: impl Into<String>) -> Self {
        Self::Environment { variable: variable.into() }
    }

    /// A flag of the command line, without its value.
    ///
    /// `--set server.port`, not `--set server.port=9000`: what comes after the `=` may be a secret.
    pub fn command_line(flag: impl Into<String>) -> Self {
        Self::CommandLine { flag: flag.into() }
    }

    /// What `actor` configured over the API.
    ///
    /// The actor comes from the credential of the request, never from its body.
    pub fn api(actor: impl Into<String>) -> Self {
        Self::Api { actor: actor.into() }
    }

    /// Whether it came over an API: who sent it knows it, and a problem need not repeat it.
    pub(crate) fn was_sent(&self) -> bool {
        matches!(self, Self::Api { .. } | Self::Body)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::WholeFile { path } => write!(f, "{}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::CommandLine { flag } => write!(f, "command line {flag}"),
            Self::Default => f.write_str("default"),
            Self::Code => f.write_str("code"),
            Self::Api { actor } => write!(f, "api:{actor}"),
            Self::Body => f.write_str("request body"),
        }
    }
}
