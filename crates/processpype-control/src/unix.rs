//! A socket in the file system that only its owner can open.
//!
//! # Invariants
//!
//! 1. The socket gets its name by a rename, when its mode is 0600 already.
//! 2. A name that is taken is freed only if it is a socket, and nobody answers there.
//! 3. The end removes the name only while it is still this socket's.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

/// Only its owner may connect: that takes the right to write.
const MODE: u32 = 0o600;

/// A listening socket; dropping it takes its name away.
#[derive(Debug)]
pub(crate) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and number of the file.
    file: (u64, u64),
}

// === impl UnixSocket ===

impl UnixSocket {
    /// Takes the name.
    pub(crate) fn bind(path: &Path) -> io::Result<Self> {
        refuse_taken(path)?;
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(format!(".{}", std::process::id()));
        let hidden = PathBuf::from(hidden);
        // Left by a process of the same number that was killed: nobody can be listening there.
        if let Ok(old) = fs::symlink_metadata(&hidden)
            && old.file_type().is_socket()
        {
            fs::remove_file(&hidden)?;
        }
        let listener = UnixListener::bind(&hidden)?;
        let named = name(&hidden, path);
        if named.is_err() {
            let _ = fs::remove_file(&hidden);
        }
        Ok(Self { listener, path: path.to_owned(), file: named? })
    }

    /// Waits for a client, and asks the kernel whose it is.
    pub(crate) async fn accept(&self) -> io::Result<(UnixStream, Option<u32>)> {
        let (stream, _) = self.listener.accept().await?;
        let user = stream.peer_cred().ok().map(|credentials| credentials.uid());
        Ok((stream, user))
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|now| number(&now) == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn name(hidden: &Path, path: &Path) -> io::Result<(u64, u64)> {
    fs::set_permissions(hidden, Permissions::from_mode(MODE))?;
    let file = number(&fs::symlink_metadata(hidden)?);
    fs::rename(hidden, path)?;
    Ok(file)
}

fn number(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Lets pass what is not there, and a socket that nobody answers.
fn refuse_taken(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    // A link is none either: what it leads to is not ours to replace.
    if !there.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "there is a file that is no socket",
        ));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // Whoever has it keeps it, also if its queue is full or it is somebody else's.
        Ok(_) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}
