//! Whether a file that the configuration names could be opened for writing.
//!
//! # Invariants
//!
//! 1. Asking makes nothing that has a name, and changes nothing.
//! 2. It holds for now only: rights and directories may change before the file is made.

//!
//! # How it is asked
//!
//! | what | by |
//! |---|---|
//! | a file that is there | opening it at its end, and writing nothing |
//! | a file that is not there | whether its directory is one, and takes new files |
//! | a pipe, a device | nothing: opening one may wait for somebody, or do something |
//!
//! The bits of a mode do not tell who may write: there are lists of rights, groups, root, and file
//! systems that are only read. The call that would tell is unsafe, or in a library that costs more
//! to build than it is worth here (ADR 0032). So the system is asked by doing it.

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Checks whether a file could be appended to, or made if it is not there.
///
/// ```
/// use processpype_config::check_file_room;
///
/// let error = check_file_room("/no/such/directory/app.log".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "there is no directory /no/such/directory");
/// ```
///
/// # Errors
///
/// Says what is in its way: it is a directory, or its directory is missing, or the right to write
/// is.
pub fn check_file_room(path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"));
    }
    match fs::metadata(path) {
        Ok(there) if there.is_dir() => {
            let text = format!("{} is a directory", path.display());
            Err(io::Error::new(io::ErrorKind::IsADirectory, text))
        }
        Ok(there) => may_append(path, &there),
        // What a link leads to is made, not the link.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            check_directory_room(directory_of(&target(path)))
        }
        Err(error) => Err(error),
    }
}

/// Checks whether a file could be made in a directory.
///
/// ```
/// use processpype_config::check_directory_room;
///
/// assert!(check_directory_room(&std::env::temp_dir()).is_ok());
/// ```
///
/// # Errors
///
/// Says what is in its way: it is missing, or no directory, or the right to write there is missing.
pub fn check_directory_room(directory: &Path) -> io::Result<()> {
    let there = fs::metadata(directory).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), format!("there is no directory {}", directory.display()))
        }
        _ => error,
    })?;
    if !there.is_dir() {
        let text = format!("{} is no directory", directory.display());
        return Err(io::Error::new(io::ErrorKind::NotADirectory, text));
    }
    may_make_in(directory)
}

/// Opens what is there, as the log does, and writes nothing. A pipe or a device may be anything.
fn may_append(path: &Path, there: &Metadata) -> io::Result<()> {
    if !there.is_file() {
        return Ok(());
    }
    OpenOptions::new().append(true).open(path).map(drop).map_err(|error| refused(path, &error))
}

/// Makes a file without a name, which nobody sees, and which is gone at once: so the system decides
/// about rights and file systems that are only read. Where it has no such files, nothing is known.
#[cfg(target_os = "linux")]
fn may_make_in(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).open(directory);
    match made {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM | libc::EROFS) => Err(refused(directory, &error)),
            _ => Ok(()),
        },
    }
}

#[cfg(not(target_os = "linux"))]
fn may_make_in(_: &Path) -> io::Result<()> {
    Ok(())
}

fn refused(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} cannot be written: {error}", path.display()))
}

/// Where a link leads that leads to nothing; any other path is its own.
fn target(path: &Path) -> PathBuf {
    match fs::read_link(path) {
        Ok(target) => directory_of(path).join(target),
        Err(_) => path.to_owned(),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory of its own with a file, a directory and links that lead to nothing.
    fn ground() -> PathBuf {
        let ground = std::env::temp_dir().join(format!("room-of-{}", std::process::id()));
        fs::create_dir_all(ground.join("there")).unwrap();
        fs::write(ground.join("file"), "kept").unwrap();
        #[cfg(unix)]
        for (link, to) in [("good", "there/new"), ("bad", "missing/new")] {
            let _ = std::os::unix::fs::symlink(to, ground.join(link));
        }
        ground
    }

    #[test]
    fn there_is_room_where_a_file_could_be_opened() {
        let ground = ground();
        let kind = |name: &str| check_file_room(&ground.join(name)).err().map(|error| error.kind());
        assert_eq!(kind("file"), None);
        assert_eq!(kind("there/new"), None);
        assert_eq!(kind("there"), Some(io::ErrorKind::IsADirectory));
        assert_eq!(kind("missing/new"), Some(io::ErrorKind::NotFound));
        assert_eq!(kind("file/new"), Some(io::ErrorKind::NotADirectory));
        #[cfg(unix)]
        assert_eq!((kind("good"), kind("bad")), (None, Some(io::ErrorKind::NotFound)));
        assert!(check_file_room(Path::new("")).is_err());
        check_file_room(Path::new("a-name-alone.log")).unwrap();
        assert!(!ground.join("there/new").exists(), "nothing was made");
        assert_eq!(fs::read_to_string(ground.join("file")).unwrap(), "kept");
    }
}
