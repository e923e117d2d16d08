//! The token that an application has left for the machine that it runs on.
//!
//! # Invariants
//!
//! 1. What is read is a plain file of the own user that others cannot read, and no link; one with
//!    nothing in it has no token.
//! 2. What was opened is what is looked at, not its name a second time.
//! 3. At most [`NAMES_MAX`] names, [`FILES_MAX`] files and of each [`TOKEN_LENGTH_MAX`] bytes are
//!    read.
//! 4. Of several files for a port one whose process lives goes before those that were left behind,
//!    and a newer one before an older one.

use std::fs::TryLockError;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use processpype_api::{
    LocalTokenError, TOKEN_LENGTH_MAX, local_token_address, local_token_directory,
};
use processpype_config::Secret;

use crate::private;

/// How many names of the directory are looked at.
const NAMES_MAX: usize = 65_536;

/// How many files for one port are looked at.
const FILES_MAX: usize = 64;

/// A token that an application has left.
#[derive(Debug)]
pub(crate) struct FoundToken {
    pub(crate) text: Secret<String>,
    /// The file that has it.
    pub(crate) path: PathBuf,
    /// The address that the application has bound.
    pub(crate) bound: IpAddr,
    /// The process that has written it has ended without removing it.
    pub(crate) is_left: bool,
}

/// Finds and reads the tokens of the applications whose control APIs are at `port` of some address,
/// the best first.
///
/// `runtime_directory` is `$XDG_RUNTIME_DIR`, if there is one.
///
/// # Errors
///
/// Returns [`LocalTokenError`] if the file is a link, or one that somebody else has or can read,
/// and there is no other.
pub(crate) fn find_local_tokens_at(
    runtime_directory: Option<&Path>,
    port: u16,
) -> Result<Vec<FoundToken>, LocalTokenError> {
    let directory =
        local_token_directory(runtime_directory, &std::env::temp_dir(), private::user());
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(Vec::new()) };
    let of_port = |path: PathBuf| {
        let bound = local_token_address(path.file_name()?.to_str()?, port)?;
        Some((path, bound))
    };
    let names = entries.take(NAMES_MAX).flatten().map(|entry| entry.path());
    let (mut candidates, mut refused) = (Vec::new(), None);
    for (path, bound) in names.filter_map(of_port).take(FILES_MAX) {
        match Candidate::read(&path, bound) {
            Ok(it) => candidates.push(it),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => refused = Some(LocalTokenError::new(path, source)),
        }
    }
    candidates.sort_by_key(|it| std::cmp::Reverse(it.rank()));
    match refused {
        Some(error) if candidates.is_empty() => Err(error),
        _ => Ok(candidates.into_iter().map(|it| it.found).collect()),
    }
}

/// A file that may have the token.
struct Candidate {
    found: FoundToken,
    /// Whether its process is known to hold it: a process that was killed does not.
    is_held: bool,
    written: SystemTime,
}

// === impl Candidate ===

impl Candidate {
    fn read(path: &Path, bound: IpAddr) -> io::Result<Self> {
        let file = private::open_private(path)?;
        let written = file.metadata()?.modified()?;
        // The process that wrote it keeps it locked; looking takes the lock for a moment.
        let lock = file.try_lock_shared();
        let is_held = matches!(lock, Err(TryLockError::WouldBlock));
        // Where nothing can be locked, nobody knows.
        let is_left = lock.is_ok();
        let text = private::text(file, TOKEN_LENGTH_MAX)?;
        let text = Secret::new(text.trim_end().to_owned());
        if text.expose().is_empty() {
            let why = "it is empty, as after a full disk: restart the application";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        let found = FoundToken { text, path: path.to_owned(), bound, is_left };
        Ok(Self { found, is_held, written })
    }

    /// What makes it the one to take.
    fn rank(&self) -> (bool, SystemTime) {
        (self.is_held, self.written)
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
            self.0.join("processpype").join(local_token_file(title, ([127, 0, 0, 1], 1).into()))
        }

        fn write(&self, title: &str, mode: u32) {
            fs::write(self.token(title), format!("secret of {title}\n")).expect("a file");
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(self.token(title), mode).expect("a mode");
        }

        /// Expects a token, none, or a file that is not trusted.
        #[track_caller]
        fn check(&self, expected: Result<Option<&str>, ()>) {
            let found = find_local_tokens_at(Some(&self.0), 1);
            let found = found.map(|all| all.first().map(|it| it.text.expose().clone()));
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

    /// Says that a file was written so many seconds after 1970.
    fn date(place: &Place, title: &str, seconds: u64) {
        let file = fs::File::options().write(true).open(place.token(title)).expect("a file");
        let at = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(at).expect("a time");
    }

    #[test]
    fn of_several_files_the_one_of_a_living_process_is_read_or_else_the_newest() {
        let place = Place::new("one");
        place.check(Ok(None));
        place.write("shop", 0o600);
        place.check(Ok(Some("secret of shop")));
        place.write("other", 0o600);
        date(&place, "shop", 2000);
        date(&place, "other", 1000);
        place.check(Ok(Some("secret of shop")));
        let held = fs::File::open(place.token("other")).expect("a file");
        held.lock().expect("a lock");
        place.check(Ok(Some("secret of other")));
        drop(held);
        date(&place, "other", 3000);
        place.check(Ok(Some("secret of other")));
        let open = fs::Permissions::from_mode(0o644);
        fs::set_permissions(place.token("other"), open).expect("a mode");
        place.check(Ok(Some("secret of shop")));
    }

    #[test]
    fn what_others_can_read_or_plant_is_not_read() {
        let place = Place::new("planted");
        place.write("shop", 0o644);
        place.check(Err(()));
        place.write("shop", 0o600);
        fs::write(place.token("shop"), "\n").expect("a file");
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
