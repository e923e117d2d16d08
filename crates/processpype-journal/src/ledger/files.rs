//! The files of a ledger: the newest, which is written, and the older ones with a number behind.
//!
//! # Invariants
//!
//! 1. A file only ever grows older: a rotation moves it to the next number, and no other way.
//! 2. Of the numbers below the last file at most one is free: the one that a rotation is about to
//!    fill, or was when its process ended. The next rotation fills it.
//! 3. What [`standing`] returns stood there at one moment: a rotation beside it neither hides a
//!    file nor shows one twice.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

/// How many numbers in a row may be free before a file.
const GAP: u32 = 1;

/// How often the files are looked for before a reader gives up.
///
/// A look takes microseconds, and a rotation comes once in as many events as a file holds.
const LOOKS: usize = 64;

/// Tells a file from every other one for as long as both are open.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    inode: (u64, u64),
    #[cfg(not(unix))]
    created: Option<std::time::SystemTime>,
}

/// Returns the path of the file that is so many rotations old.
pub(super) fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

/// Returns what has to be renamed, in this order, before a new file can be begun.
///
/// What lies behind the first free number need not make room. The last of `keep` older files is
/// overwritten.
pub(super) fn moves(path: &Path, keep: u32) -> Vec<(PathBuf, PathBuf)> {
    let free = (0..keep).find(|number| !numbered(path, *number).exists()).unwrap_or(keep);
    (0..free).rev().map(|number| (numbered(path, number), numbered(path, number + 1))).collect()
}

/// Opens every file, the newest first, with its number; none if there is none.
///
/// # Errors
///
/// Fails if one that is there cannot be opened, or if they are rotated all the time.
pub(super) fn standing(path: &Path) -> io::Result<Vec<(u32, File)>> {
    watched(path, || {})
}

/// As [`standing`]; `pause` is called before every touch of the file system.
fn watched(path: &Path, mut pause: impl FnMut()) -> io::Result<Vec<(u32, File)>> {
    for _ in 0..LOOKS {
        let mut files = Vec::new();
        let first = look(path, &mut pause, |number, path| {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            files.push((number, file));
            Ok(metadata)
        })?;
        // While they are open, no other file can be taken for one of them.
        if first == look(path, &mut pause, |_, path| fs::metadata(path))? {
            return Ok(files);
        }
    }
    Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is rotated faster than it can be read"))
}

/// Looks for every file, the newest first, and returns which stands where.
fn look(
    path: &Path,
    pause: &mut impl FnMut(),
    mut at: impl FnMut(u32, &Path) -> io::Result<Metadata>,
) -> io::Result<Vec<(u32, Identity)>> {
    let (mut found, mut free) = (Vec::new(), 0);
    for number in 0..=u32::MAX {
        pause();
        match at(number, &numbered(path, number)) {
            Ok(metadata) => {
                found.push((number, Identity::of(&metadata)));
                free = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound && free < GAP => free += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

// === impl Identity ===

impl Identity {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { inode: (metadata.dev(), metadata.ino()) }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        Self { created: metadata.created().ok() }
    }
}

#[cfg(test)]
mod tests;
