//! A private file in a private directory.
//!
//! # Invariants
//!
//! 1. Nothing is followed: neither the directory nor the file may be a link.
//! 2. A file is locked before it gets its name, and as long as its process lives: one that is not
//!    was left behind, by a process that was killed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use processpype_api::not_private;

/// The user whose process this is.
pub(super) fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// How many names of the directory are looked at for files that were left behind.
const NAMES_MAX: usize = 65_536;

/// Writes a token, and returns its file, which is locked.
pub(super) fn write(path: &Path, text: &str) -> io::Result<File> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    private_directory(directory)?;
    let hidden = path.with_extension(format!("{}.new", std::process::id()));
    let written = create(&hidden, text).and_then(|file| {
        // Where nothing can be locked, who reads takes the newest file.
        let _ = file.try_lock();
        fs::rename(&hidden, path)?;
        Ok(file)
    });
    if written.is_err() {
        let _ = fs::remove_file(&hidden);
    }
    written
}

/// Removes a file if it is still the one that was opened.
pub(super) fn remove(path: &Path, file: &File) {
    let is_it = |now: Metadata| file.metadata().is_ok_and(|it| number(&it) == number(&now));
    if fs::symlink_metadata(path).is_ok_and(is_it) {
        let _ = fs::remove_file(path);
    }
}

/// Removes the tokens beside `path` whose processes have ended without doing so.
pub(super) fn sweep(path: &Path) {
    let Some(Ok(entries)) = path.parent().map(fs::read_dir) else { return };
    let others = entries.take(NAMES_MAX).flatten().map(|entry| entry.path());
    let is_token = |other: &PathBuf| other.extension() == path.extension() && other != path;
    for other in others.filter(is_token) {
        if let Some(file) = left_behind(&other) {
            remove(&other, &file);
        }
    }
}

/// Opens a token that no process holds; a link or another user's file is none.
fn left_behind(path: &Path) -> Option<File> {
    let is_own = |it: &Metadata| it.is_file() && check_private(it).is_ok();
    let named = fs::symlink_metadata(path).ok().filter(is_own)?;
    let file = File::open(path).ok()?;
    let is_it = number(&file.metadata().ok()?) == number(&named);
    (is_it && file.try_lock().is_ok()).then_some(file)
}

/// Makes a new file; one that lies in the way was left by a process of the same number.
fn create(path: &Path, text: &str) -> io::Result<File> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn private_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(path)?;
    if !metadata.is_dir() {
        return Err(refused("its directory is no directory"));
    }
    check_private(&metadata)
}

fn check_private(metadata: &Metadata) -> io::Result<()> {
    not_private(metadata.uid(), metadata.mode(), user()).map_or(Ok(()), |why| Err(refused(why)))
}

fn number(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// A directory of one test, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = format!("processpype-files-{}-{name}", std::process::id());
            let place = std::env::temp_dir().join(place);
            let _ = fs::remove_dir_all(&place);
            fs::create_dir(&place).unwrap();
            Self(place)
        }

        fn token(&self) -> PathBuf {
            self.0.join("run/shop-1.token")
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_can_read_it() {
        let place = Place::new("mode");
        let file = write(&place.token(), "secret").unwrap();
        assert_eq!((mode(&place.0.join("run")), mode(&place.token())), (0o700, 0o600));
        assert_eq!(fs::read_to_string(place.token()).unwrap(), "secret");
        assert_eq!(fs::read_dir(place.0.join("run")).unwrap().count(), 1, "nothing else is left");
        remove(&place.token(), &file);
        assert_eq!(fs::read(place.token()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_successors_file_stays() {
        let place = Place::new("successor");
        let first = write(&place.token(), "first").unwrap();
        let _second = write(&place.token(), "second").unwrap();
        remove(&place.token(), &first);
        assert_eq!(fs::read_to_string(place.token()).unwrap(), "second");
    }

    #[test]
    fn what_a_killed_process_has_left_is_removed_and_nothing_else() {
        let place = Place::new("sweep");
        let beside = |name: &str| place.token().with_file_name(name);
        let _own = write(&place.token(), "own").unwrap();
        let _living = write(&beside("living-1.token"), "living").unwrap();
        drop(write(&beside("killed-1.token"), "killed").unwrap());
        drop(write(&beside("killed-2.token"), "killed").unwrap());
        fs::write(beside("notes.txt"), "mine").unwrap();
        let victim = place.0.join("victim.token");
        drop(create(&victim, "precious").unwrap());
        symlink(&victim, beside("link-1.token")).unwrap();
        sweep(&place.token());
        let names = fs::read_dir(place.0.join("run")).unwrap().map(|it| it.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["link-1.token", "living-1.token", "notes.txt", "shop-1.token"]);
        assert!(victim.exists());
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let place = Place::new("link");
        let victim = place.0.join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::create_dir(place.0.join("run")).unwrap();
        fs::set_permissions(place.0.join("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&victim, place.token()).unwrap();
        let hidden = place.token().with_extension(format!("{}.new", std::process::id()));
        symlink(&victim, hidden).unwrap();
        write(&place.token(), "secret").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(fs::symlink_metadata(place.token()).unwrap().is_file());
        assert_eq!(fs::read_to_string(place.token()).unwrap(), "secret");
    }

    #[test]
    fn a_directory_that_others_can_write_in_is_refused() {
        let place = Place::new("directory");
        let run = place.0.join("run");
        fs::create_dir(&run).unwrap();
        fs::set_permissions(&run, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(write(&place.token(), "secret").is_err());
        fs::remove_dir(&run).unwrap();
        symlink(std::env::temp_dir(), &run).unwrap();
        assert!(write(&place.token(), "secret").is_err());
    }
}
