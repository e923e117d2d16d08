//! The token that an application has left for the machine that it runs on.
//!
//! # Invariants
//!
//! 1. What is read is a plain file of the own user that others cannot read, and no link.
//! 2. What was opened is what is looked at, not its name a second time.
//! 3. At most [`FILES_MAX`] names and [`TOKEN_LENGTH_MAX`] bytes are read.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use processpype_api::{TOKEN_LENGTH_MAX, is_local_token_at, local_token_directory};
use processpype_config::Secret;

use crate::private;

/// How many files of the directory are looked at for a port.
const FILES_MAX: usize = 1024;

/// There is a file that cannot be trusted.
#[derive(Debug)]
pub(crate) struct LocalTokenError {
    path: PathBuf,
    source: io::Error,
}

/// Finds and reads the token of whatever application has its control API at `port`.
///
/// `runtime_directory` is `$XDG_RUNTIME_DIR`, if there is one. `None`: there is no such file, or
/// there are several, of which all but one are stale.
///
/// # Errors
///
/// Returns [`LocalTokenError`] if the file is a link, or one that somebody else has or can read.
pub(crate) fn find_local_token_at(
    runtime_directory: Option<&Path>,
    port: u16,
) -> Result<Option<Secret<String>>, LocalTokenError> {
    let directory =
        local_token_directory(runtime_directory, &std::env::temp_dir(), private::user());
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(None) };
    let is_of_port = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| is_local_token_at(name, port))
    };
    let mut found = entries.take(FILES_MAX).flatten().map(|entry| entry.path()).filter(is_of_port);
    let (Some(path), None) = (found.next(), found.next()) else { return Ok(None) };
    match private::read(&path, TOKEN_LENGTH_MAX) {
        Ok(text) => Ok(Some(Secret::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalTokenError { path, source }),
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

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use processpype_api::local_token_file;

    use super::*;

    /// A runtime directory of one test, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = format!("processpype-client-{}-{name}", std::process::id());
            let place = std::env::temp_dir().join(place);
            let _ = fs::remove_dir_all(&place);
            fs::create_dir_all(place.join("processpype")).expect("a directory");
            Self(place)
        }

        fn token(&self, title: &str) -> PathBuf {
            self.0.join("processpype").join(local_token_file(title, 1))
        }

        fn write(&self, title: &str, mode: u32) {
            fs::write(self.token(title), "secret\n").expect("a file");
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.token(title), mode).expect("a mode");
        }

        /// Expects a token, none, or a file that is not trusted.
        #[track_caller]
        fn check(&self, expected: Result<Option<&str>, ()>) {
            let found = find_local_token_at(Some(&self.0), 1);
            let found = found.map(|token| token.map(|token| token.expose().clone()));
            assert_eq!(
                found.as_ref().map(Option::as_deref).map_err(|_| ()),
                expected,
                "{:?}",
                found.as_ref().err()
            );
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_private_file_is_read_if_it_is_the_only_one() {
        let place = Place::new("one");
        place.check(Ok(None));
        place.write("shop", 0o600);
        place.check(Ok(Some("secret")));
        place.write("other", 0o600);
        place.check(Ok(None));
    }

    #[test]
    fn what_others_can_read_or_plant_is_not_read() {
        let place = Place::new("planted");
        place.write("shop", 0o644);
        place.check(Err(()));
        fs::remove_file(place.token("shop")).expect("a file");
        let victim = place.0.join("victim");
        fs::write(&victim, "precious").expect("a file");
        symlink(&victim, place.token("shop")).expect("a link");
        place.check(Err(()));
        fs::remove_file(place.token("shop")).expect("a link");
        fs::create_dir(place.token("shop")).expect("a directory");
        place.check(Err(()));
    }
}
