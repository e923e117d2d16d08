//! The token that an application makes at every start for the machine that it runs on.
//!
//! It lies in a file that only its owner can read. Whoever can read it could send signals to the
//! process as well, so it makes nobody more powerful; it lets the command line prove that it is not
//! a web page.
//!
//! # Invariants
//!
//! 1. The directory is nobody else's and nobody else can write in it, or there is no file.
//! 2. The file has mode 0600 from its first byte, and gets its name by a rename: a link that lies
//!    in the way is replaced, never followed, and no reader sees half of a token.
//! 3. What is read is a file of the own user that others cannot read, and no link.
//! 4. The end removes the file only while it is still this application's.
//!
//! # Where
//!
//! `$XDG_RUNTIME_DIR/processpype/NAME-PORT.token`, and without that variable
//! `processpype-UID/NAME-PORT.token` in the system's directory of temporary files. NAME is the
//! application's title in lower case, with `-` for what is neither a letter nor a digit.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use processpype_config::Secret;
use processpype_core::Role;

use crate::auth::{InvalidToken, Token};

/// The name of the token; its actor is `token:local`.
pub(crate) const LOCAL: &str = "local";

/// The most characters that the title contributes to the name of the file.
const TITLE_MAX: usize = 64;

/// How many files of the directory are looked at for a port.
const FILES_MAX: usize = 1024;

/// A token that was made, before its file is written: the port has to be known first.
#[derive(Debug)]
pub struct LocalToken {
    token: Token,
    text: Secret<String>,
}

/// The file of a token. Dropping it removes the file, unless another start has replaced it.
#[derive(Debug)]
pub struct LocalTokenFile {
    path: PathBuf,
    /// What tells the own file from a successor's.
    #[cfg(unix)]
    file: (u64, u64),
}

/// The file of a token cannot be written or trusted.
#[derive(Debug)]
pub struct LocalTokenError {
    path: PathBuf,
    source: io::Error,
}

/// Finds and reads the token of the application `title` whose control API is at `port`, as its
/// client.
///
/// `runtime_directory` is `$XDG_RUNTIME_DIR`, if there is one: see
/// [`processpype_config::runtime_directory`]. `None`: there is no such file; no application of that
/// title runs here as this user, or its token could not be written.
///
/// ```
/// use processpype_control::find_local_token;
///
/// let nowhere = std::env::temp_dir().join("processpype-doc-without-token");
/// assert!(find_local_token(Some(&nowhere), "Shop", 8080)?.is_none());
/// # Ok::<(), processpype_control::LocalTokenError>(())
/// ```
///
/// # Errors
///
/// Returns [`LocalTokenError`] if there is a file that cannot be trusted: a link, or one that
/// somebody else has or can read.
pub fn find_local_token(
    runtime_directory: Option<&Path>,
    title: &str,
    port: u16,
) -> Result<Option<Secret<String>>, LocalTokenError> {
    let path = path(runtime_directory, title, port);
    match files::read(&path) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalTokenError { path, source }),
    }
}

/// Finds and reads the token of whatever application has its control API at `port`, as a client
/// that knows no title.
///
/// `None`: there is no such file, or there are several, of which one is stale.
///
/// ```
/// use processpype_control::find_local_token_at;
///
/// let nowhere = std::env::temp_dir().join("processpype-doc-without-token");
/// assert!(find_local_token_at(Some(&nowhere), 8080)?.is_none());
/// # Ok::<(), processpype_control::LocalTokenError>(())
/// ```
///
/// # Errors
///
/// Returns [`LocalTokenError`] if there is a file that cannot be trusted: a link, or one that
/// somebody else has or can read.
pub fn find_local_token_at(
    runtime_directory: Option<&Path>,
    port: u16,
) -> Result<Option<Secret<String>>, LocalTokenError> {
    let end = format!("-{port}.token");
    let Ok(entries) = std::fs::read_dir(directory(runtime_directory)) else { return Ok(None) };
    let of_port = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&end))
    };
    let mut found = entries.take(FILES_MAX).flatten().map(|entry| entry.path()).filter(of_port);
    let (Some(path), None) = (found.next(), found.next()) else { return Ok(None) };
    match files::read(&path) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalTokenError { path, source }),
    }
}

// === impl LocalToken ===

impl LocalToken {
    /// Makes a new one, of role admin.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidToken::NoChance`] if the system gives no random numbers.
    pub fn make() -> Result<Self, InvalidToken> {
        let (token, text) = Token::make(LOCAL, Role::Admin)?;
        Ok(Self { token, text: Secret::new(text) })
    }

    /// Returns what the control plane compares with.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Returns what clients send, for the log's redaction.
    #[must_use]
    pub fn text(&self) -> &Secret<String> {
        &self.text
    }

    /// Writes the file of the application `title` whose control API is at `port`.
    ///
    /// # Errors
    ///
    /// Returns [`LocalTokenError`] if the directory is not private, or the file cannot be written.
    pub fn write(
        &self,
        runtime_directory: Option<&Path>,
        title: &str,
        port: u16,
    ) -> Result<LocalTokenFile, LocalTokenError> {
        let path = path(runtime_directory, title, port);
        match files::write(&path, self.text.expose()) {
            #[cfg(unix)]
            Ok(file) => Ok(LocalTokenFile { path, file }),
            #[cfg(not(unix))]
            Ok(()) => Ok(LocalTokenFile { path }),
            Err(source) => Err(LocalTokenError { path, source }),
        }
    }
}

fn path(runtime_directory: Option<&Path>, title: &str, port: u16) -> PathBuf {
    directory(runtime_directory).join(format!("{}-{port}.token", file_title(title)))
}

fn directory(runtime_directory: Option<&Path>) -> PathBuf {
    match runtime_directory {
        Some(directory) => directory.join("processpype"),
        None => std::env::temp_dir().join(format!("processpype-{}", files::user())),
    }
}

fn file_title(title: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    title.chars().take(TITLE_MAX).map(letter).collect()
}

// === impl LocalTokenFile ===

impl LocalTokenFile {
    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(unix)]
impl Drop for LocalTokenFile {
    fn drop(&mut self) {
        files::remove(&self.path, self.file);
    }
}

// === impl LocalTokenError ===

impl fmt::Display for LocalTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the token file {}: {}", self.path.display(), self.source)
    }
}

impl std::error::Error for LocalTokenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(unix)]
mod files;

/// Other systems have other ways to keep a file private, which are not known here.
#[cfg(not(unix))]
mod files {
    use std::io;
    use std::path::Path;

    pub(super) fn user() -> u32 {
        0
    }

    pub(super) fn read(_: &Path) -> io::Result<String> {
        Err(io::ErrorKind::NotFound.into())
    }

    pub(super) fn write(_: &Path, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
