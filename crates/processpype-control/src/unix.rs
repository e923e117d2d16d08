//! A socket in the file system that only its owner can open.
//!
//! # Invariants
//!
//! 1. Nobody can connect before the mode is 0600: until then nothing listens. The socket gets its
//!    name by a rename after that.
//! 2. A name that is taken is freed only if it is a socket, and nobody answers there.
//! 3. The end removes the name only while it is still this socket's.
//! 4. Nobody is waited for: who is there and does not accept is there.
//! 5. Of several that take one name at a time one gets it: whoever looks whether it is free has its
//!    directory to itself until it has the name. Who cannot have that in time goes on without.

use std::fs::{self, File, Metadata, Permissions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use processpype_config::check_directory_room;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

/// Only its owner may connect: that takes the right to write.
const MODE: u32 = 0o600;

/// How many may wait to be accepted: what tokio and the standard library take.
const BACKLOG: u32 = 1024;

/// The largest number of a process: `PID_MAX_LIMIT` of Linux.
const PROCESS_MAX: u32 = 4_194_304;

/// How often the directory is asked for, and how long apart: who has it needs it for a moment. It
/// may be somebody else's for long, such as one who keeps it from being tidied up.
const LOCK_TRIES: usize = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How many names of the directory are looked at for what was left.
const NAMES_MAX: usize = 4096;

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
    ///
    /// # Cancel safety
    ///
    /// Dropping it takes no name: it only waits before it begins.
    pub(crate) async fn bind(path: &Path) -> io::Result<Self> {
        let alone = lock_directory(path).await;
        refuse_taken(path)?;
        if alone.is_some() {
            remove_left(path);
        }
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

/// Waits, for a time, until nobody else takes a name in the directory; it is so until the file is
/// dropped.
async fn lock_directory(path: &Path) -> Option<File> {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or(Path::new("."))).ok()?;
    for _ in 0..LOCK_TRIES {
        match directory.try_lock() {
            Ok(()) => return Some(directory),
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE).await,
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Removes what processes have left that were killed before their socket had its name.
fn remove_left(path: &Path) {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    let names = fs::read_dir(directory.unwrap_or(Path::new("."))).into_iter().flatten();
    for entry in names.take(NAMES_MAX).flatten() {
        let name = entry.file_name();
        let number = path.file_name().and_then(|own| {
            let rest = name.as_bytes().strip_prefix(own.as_bytes())?.strip_prefix(b".")?;
            std::str::from_utf8(rest).ok()?.parse().ok().and_then(Pid::from_raw)
        });
        let is_dead = number.is_some_and(|it| test_kill_process(it) == Err(Errno::SRCH));
        if is_dead && entry.file_type().is_ok_and(|it| it.is_socket()) {
            // Whoever may not has left nothing there.
            let _ = fs::remove_file(entry.path());
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
    use futures_util::FutureExt as _;

    use super::*;

    /// A directory of one test, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let place = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&place);
            fs::create_dir_all(&place).unwrap();
            Self(place)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    /// What is in the way of a socket below a directory of its own; nothing is made there.
    #[track_caller]
    fn check(name: &str, expected: Option<io::ErrorKind>) {
        let place = Place::new("room");
        fs::create_dir_all(place.0.join("there")).unwrap();
        fs::write(place.0.join("file"), "").unwrap();
        let found = check_room(&place.0.join(name)).map_err(|error| error.kind()).err();
        assert_eq!(found, expected, "{name}");
        assert!(fs::read_dir(place.0.join("there")).unwrap().next().is_none(), "{name}");
    }

    #[tokio::test]
    async fn of_two_at_a_time_one_gets_the_name() {
        let place = Place::new("two");
        let path = place.0.join("a.sock");
        // Nobody answers there.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        // The other one has looked and found it free, and takes it now.
        let other = lock_directory(&path).await;
        let mut second = std::pin::pin!(UnixSocket::bind(&path));
        assert!(second.as_mut().now_or_never().is_none());
        fs::remove_file(&path).unwrap();
        let first = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(other);
        assert_eq!(second.await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        drop(UnixSocket::bind(&path).await.unwrap());
        assert!(!path.exists());
    }

    #[tokio::test(start_paused = true)]
    async fn a_directory_that_somebody_keeps_is_no_obstacle() {
        let place = Place::new("kept");
        let path = place.0.join("a.sock");
        let _kept = lock_directory(&path).await.unwrap();
        UnixSocket::bind(&path).await.unwrap();
    }

    #[tokio::test]
    async fn what_the_dead_have_left_is_removed() {
        let place = Place::new("left");
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let own = |number: &dyn std::fmt::Display| place.0.join(format!("a.sock.{number}"));
        let lives = std::os::unix::process::parent_id();
        let left = [own(&dead.id()), own(&lives), own(&"x"), place.0.join("b.sock.1")];
        for path in &left {
            drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        }
        let _socket = UnixSocket::bind(&place.0.join("a.sock")).await.unwrap();
        assert_eq!(left.map(|path| path.exists()), [false, true, true, true]);
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
        let place = Place::new("private");
        let path = place.0.join("a.sock");
        let socket = private(&path).unwrap();
        let connect = || std::os::unix::net::UnixStream::connect(&path);
        assert_eq!(connect().unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(fs::symlink_metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        let _listener = socket.listen(BACKLOG).unwrap();
        connect().unwrap();
    }

    #[test]
    fn who_listens_already_has_room() {
        let place = Place::new("listens");
        let path = place.0.join("a.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        check_room(&path).unwrap();
        drop(listener);
        check_room(&path).unwrap();
    }
}
