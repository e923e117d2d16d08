//! The files of the repository, as a value.
//!
//! # Invariants
//!
//! 1. Paths are relative to the root and use `/`.
//! 2. Only files that a rule reads carry text ([`READ`]); of the others the name is enough.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Directories that are no part of the source.
const SKIPPED: &[&str] = &["target", ".git"];

/// Endings of the files whose text is read.
const READ: &[&str] = &["rs", "md", "toml"];

/// The files below the root of the repository.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, String>,
}

/// A file or directory could not be read.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    source: io::Error,
}

// === impl Tree ===

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    ///
    /// Returns [`ReadError`] if a directory cannot be listed or a source file is not readable text.
    pub fn read(root: impl AsRef<Path>) -> Result<Self, ReadError> {
        let mut tree = Self::default();
        tree.read_directory(root.as_ref(), "")?;
        Ok(tree)
    }

    /// Builds a tree in memory, from pairs of path and text.
    pub fn from_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let own = |(path, text): (&str, &str)| (path.to_owned(), text.to_owned());
        Self { files: files.into_iter().map(own).collect() }
    }

    /// Returns the text of a file.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Returns whether `path` is a file, or a directory with a file in it.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let below = format!("{path}/");
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&below))
    }

    pub(crate) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let all = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        all.filter(move |(path, _)| path.ends_with(end))
    }

    fn read_directory(&mut self, directory: &Path, prefix: &str) -> Result<(), ReadError> {
        let entries = fs::read_dir(directory).map_err(ReadError::at(directory))?;
        for entry in entries {
            let entry = entry.map_err(ReadError::at(directory))?;
            self.read_entry(&entry, prefix)?;
        }
        Ok(())
    }

    fn read_entry(&mut self, entry: &fs::DirEntry, prefix: &str) -> Result<(), ReadError> {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().map_err(ReadError::at(&path))?.is_dir() {
            let skipped = SKIPPED.contains(&name.as_str());
            let below = format!("{prefix}{name}/");
            return if skipped { Ok(()) } else { self.read_directory(&path, &below) };
        }
        self.files.insert(format!("{prefix}{name}"), text_of(&path)?);
        Ok(())
    }
}

fn text_of(path: &Path) -> Result<String, ReadError> {
    let read = path.extension().is_some_and(|end| READ.iter().any(|known| end == *known));
    if read { fs::read_to_string(path).map_err(ReadError::at(path)) } else { Ok(String::new()) }
}

// === impl ReadError ===

impl ReadError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot read {}", self.path.display())
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
