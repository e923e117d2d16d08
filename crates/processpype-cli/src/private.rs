//! Files that only their owner can read.
//!
//! # Invariants
//!
//! 1. What was opened is what is looked at, not its name a second time.
//! 2. What is no plain file is not read, and nobody waits for it.

#[cfg(unix)]
mod system {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
    use std::path::Path;

    use processpype_api::not_private;

    /// What others may not do with a file that says whom to ask: change it.
    const WRITE: u32 = 0o022;

    /// The user whose process this is.
    pub(crate) fn user() -> u32 {
        rustix::process::geteuid().as_raw()
    }

    /// Opens a plain file, or the one that a link leads to.
    pub(crate) fn open(path: &Path) -> io::Result<File> {
        open_with(path, 0)
    }

    /// Opens a plain file that is no link.
    pub(crate) fn open_no_link(path: &Path) -> io::Result<File> {
        open_with(path, libc::O_NOFOLLOW)
    }

    fn open_with(path: &Path, flags: libc::c_int) -> io::Result<File> {
        let flags = libc::O_NONBLOCK | flags;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is no plain file"));
        }
        Ok(file)
    }

    /// Says why others can read what is in the file.
    pub(crate) fn leak(file: &File) -> io::Result<Option<&'static str>> {
        let metadata = file.metadata()?;
        Ok(not_private(metadata.uid(), metadata.mode(), user()))
    }

    /// Says why others can change what is in the file.
    pub(crate) fn tampering(file: &File) -> io::Result<Option<&'static str>> {
        let metadata = file.metadata()?;
        // Root can change everything anyway.
        let is_own = metadata.uid() == user() || metadata.uid() == 0;
        Ok(match metadata.mode() & WRITE {
            _ if !is_own => Some("it belongs to another user"),
            0 => None,
            _ => Some("other users may change it"),
        })
    }
}

/// Other systems have other ways to keep a file private, which are not known here.
#[cfg(not(unix))]
mod system {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub(crate) fn user() -> u32 {
        0
    }

    pub(crate) fn open(_: &Path) -> io::Result<File> {
        Err(io::ErrorKind::NotFound.into())
    }

    pub(crate) fn open_no_link(path: &Path) -> io::Result<File> {
        open(path)
    }

    pub(crate) fn leak(_: &File) -> io::Result<Option<&'static str>> {
        Ok(None)
    }

    pub(crate) fn tampering(_: &File) -> io::Result<Option<&'static str>> {
        Ok(None)
    }
}

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use system::open_no_link;
pub(crate) use system::{leak, open, tampering, user};

/// Reads the text of a private file that is no link, without the space at its end.
pub(crate) fn read(path: &Path, limit: usize) -> io::Result<String> {
    Ok(text(open_private(path)?, limit)?.trim_end().to_owned())
}

/// Opens a private file that is no link.
pub(crate) fn open_private(path: &Path) -> io::Result<File> {
    let file = open_no_link(path)?;
    match leak(&file)? {
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
        None => Ok(file),
    }
}

/// Reads a text of at most `limit` bytes.
pub(crate) fn text(file: File, limit: usize) -> io::Result<String> {
    let mut text = String::new();
    file.take(limit as u64 + 1).read_to_string(&mut text)?;
    if text.len() > limit {
        let why = format!("it is longer than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(text)
}
