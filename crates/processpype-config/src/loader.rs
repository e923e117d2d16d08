//! The builder of layers.

use std::path::PathBuf;

use crate::report::Report;
use crate::section::Document;

/// The notation of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// TOML.
    Toml,
    /// JSON.
    Json,
}

/// Collects layers, low to high, and loads them.
#[derive(Clone, Debug, Default)]
pub struct Loader;

impl Loader {
    /// A loader without layers.
    pub fn new() -> Self {
        Self
    }
    /// Adds a file.
    #[must_use]
    pub fn file(self, _path: impl Into<PathBuf>) -> Self {
        self
    }
    /// Adds a file in memory.
    #[must_use]
    pub fn text(self, _name: &str, _format: Format, _text: impl Into<String>) -> Self {
        self
    }
    /// Adds the profile file beside the file.
    #[must_use]
    pub fn profile(self, _name: &str) -> Self {
        self
    }
    /// Adds variables.
    #[must_use]
    pub fn environment<I: IntoIterator<Item = (String, String)>>(self, _vars: I) -> Self {
        self
    }
    /// Adds the variables of this process.
    #[must_use]
    pub fn process_environment(self) -> Self {
        self
    }
    /// Adds `path=value`.
    #[must_use]
    pub fn set(self, _assignment: &str) -> Self {
        self
    }
    /// Loads.
    pub fn load(self) -> Result<Document, Report> {
        Ok(Document::empty())
    }
}
