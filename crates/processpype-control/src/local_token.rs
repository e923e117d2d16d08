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
//! 3. The end removes the file only while it is still this application's. What a process that was
//!    killed has left, the next start removes, of whatever application.
//!
//! Where it is, [`processpype_api`] says, for whoever writes it and for whoever reads it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use processpype_api::{LocalTokenError, local_token_directory, local_token_file};
use processpype_config::Secret;
use processpype_core::Role;

use crate::auth::{InvalidToken, Token};

/// The name of the token; its actor is `token:local`.
pub(crate) const LOCAL: &str = "local";

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
    /// What tells the own file from a successor's, and by its lock that the process lives.
    #[cfg(unix)]
    file: std::fs::File,
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

    /// Writes the file of the application `title` whose control API has bound `address`, and
    /// removes those that processes have left behind that were killed.
    ///
    /// # Errors
    ///
    /// Returns [`LocalTokenError`] if the directory is not private, or the file cannot be written.
    pub fn write(
        &self,
        runtime_directory: Option<&Path>,
        title: &str,
        address: SocketAddr,
    ) -> Result<LocalTokenFile, LocalTokenError> {
        let path = path(runtime_directory, title, address);
        match files::write(&path, self.text.expose()) {
            #[cfg(unix)]
            Ok(file) => {
                files::sweep(&path);
                Ok(LocalTokenFile { path, file })
            }
            #[cfg(not(unix))]
            Ok(()) => Ok(LocalTokenFile { path }),
            Err(source) => Err(LocalTokenError::new(path, source)),
        }
    }
}

fn path(runtime_directory: Option<&Path>, title: &str, address: SocketAddr) -> PathBuf {
    let directory = local_token_directory(runtime_directory, &std::env::temp_dir(), files::user());
    directory.join(local_token_file(title, address))
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
        files::remove(&self.path, &self.file);
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

    pub(super) fn write(_: &Path, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_file_lives_as_long_as_it_is_held_and_what_was_left_goes() {
        let place = std::env::temp_dir().join(format!("processpype-token-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&place).expect("a free name");
        let token = LocalToken::make().expect("chance");
        let write = |port: u16| {
            let address = ([127, 0, 0, 1], port).into();
            token.write(Some(&place), "Shop", address).expect("a private directory")
        };
        let kept = write(1);
        let left = write(2).path().to_owned();
        assert!(!left.exists(), "it goes with who holds it");
        std::fs::copy(kept.path(), &left).expect("readable");
        let _other = write(3);
        assert!(kept.path().exists() && !left.exists(), "nobody holds it");
        drop(kept);
        let _ = std::fs::remove_dir_all(&place);
    }
}
