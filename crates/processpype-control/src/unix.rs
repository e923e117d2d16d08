//! A socket in the file system that only its owner can open.
//!
//! # Invariants
//!
//! 1. Nobody can connect before the mode is 0600: until then nothing listens. The socket gets its
//!    name by a rename after that.
//! 2. A name that is taken is freed only if it is a socket, and nobody answers there.
//! 3. The end removes the name only while it is still this socket's.
//! 4. Nobody is waited for: who is there and does not accept is there.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use processpype_config::check_directory_room;
use tokio::net::{UnixListener, UnixStream};

/// Only its owner may connect: that takes the right to write.
const MODE: u32 = 0o600;

/// How many may wait to be accepted: what tokio and the standard library take.
const BACKLOG: u32 = 1024;

/// The largest number of a process: `PID_MAX_LIMIT` of Linux.
const PROCESS_MAX: u32 = 4_194_304;

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
        let named = private(&hidden).and_then(|socket| {
            let listener = socket.listen(BACKLOG)?;
            let file = number(&fs::symlink_metadata(&hidden)?);
            fs::rename(&hidden, path)?;
            Ok((listener, file))
        });
        if named.is_err() {
            let _ = fs::remove_file(&hidden);
        }
        let (listener, file) = named?;
        Ok(Self { listener, path: path.to_owned(), file })
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

/// Checks whether [`UnixSocket::bind`] could take the name, without taking it.
///
/// A name that is in use is free for this: who asks may be its owner.
pub(crate) fn check_room(path: &Path) -> io::Result<()> {
    let mut longest = path.as_os_str().to_owned();
    longest.push(format!(".{PROCESS_MAX}"));
    std::os::unix::net::SocketAddr::from_pathname(&longest)?;
    check_directory_room(path.parent().unwrap_or(path))?;
    refuse_taken(path).or_else(|error| match error.kind() {
        io::ErrorKind::AddrInUse => Ok(()),
        _ => Err(error),
    })
}

/// Makes a socket that only its owner may open, and that does not listen yet: the mode with which
/// it comes into being is the umask's, which belongs to the whole process.
fn private(path: &Path) -> io::Result<tokio::net::UnixSocket> {
    let socket = tokio::net::UnixSocket::new_stream()?;
    socket.bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(socket)
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
    // A question of another type never waits for room, as one for a connection does: it is refused
    // at once, by whoever is there as being of the wrong type.
    match UnixDatagram::unbound()?.connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        // Whoever has it keeps it, also if its queue is full or it is somebody else's.
        Ok(()) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is in the way of a socket below a directory of its own; `true` if nothing is made.
    #[track_caller]
    fn check(name: &str, expected: Option<io::ErrorKind>) {
        let directory = std::env::temp_dir().join(format!("room-{}", std::process::id()));
        fs::create_dir_all(directory.join("there")).unwrap();
        fs::write(directory.join("file"), "").unwrap();
        let found = check_room(&directory.join(name)).map_err(|error| error.kind()).err();
        assert_eq!(found, expected, "{name}");
        assert!(fs::read_dir(directory.join("there")).unwrap().next().is_none(), "{name}");
    }

    #[test]
    fn there_is_room_where_a_socket_could_be_made() {
        check("there/a.sock", None);
        check("missing/a.sock", Some(io::ErrorKind::NotFound));
        check("file/a.sock", Some(io::ErrorKind::NotADirectory));
        check("file", Some(io::ErrorKind::AlreadyExists));
        check(&"x".repeat(100), Some(io::ErrorKind::InvalidInput));
    }

    #[tokio::test]
    async fn nobody_can_connect_before_it_is_private() {
        let path = std::env::temp_dir().join(format!("private-{}.sock", std::process::id()));
        let _ = fs::remove_file(&path);
        let socket = private(&path).unwrap();
        let connect = || std::os::unix::net::UnixStream::connect(&path);
        assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        let _listener = socket.listen(BACKLOG).unwrap();
        connect().unwrap();
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn who_listens_already_has_room() {
        let path = std::env::temp_dir().join(format!("room-{}.sock", std::process::id()));
        let _ = fs::remove_file(&path);
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        check_room(&path).unwrap();
        drop(listener);
        check_room(&path).unwrap();
        fs::remove_file(&path).unwrap();
    }
}
