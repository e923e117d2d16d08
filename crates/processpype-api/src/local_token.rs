//! Where an application leaves the token for its own machine, and where its clients look for it.
//!
//! The application writes the file, a client reads it; what both must agree on is here, and neither
//! does more than name and judge it here.
//!
//! # Invariants
//!
//! 1. Nothing is touched: names in, names out.
//!
//! # Where
//!
//! `$XDG_RUNTIME_DIR/processpype/NAME-ADDRESS-PORT.token`, and without that variable
//! `processpype-UID/NAME-ADDRESS-PORT.token` in the system's directory of temporary files. NAME is
//! the application's title in lower case, with `-` for what is neither a letter nor a digit;
//! ADDRESS is the IP address that it has bound: another process may have the same port of another
//! one, and is not to be shown the token.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The most characters of a token; a longer one is not looked at, wherever it comes from.
pub const TOKEN_LENGTH_MAX: usize = 512;

/// The most characters that the title contributes to the name of the file.
const TITLE_MAX: usize = 64;

/// What others may do with the file or the directory: nothing.
const OTHERS: u32 = 0o077;

/// The file of a token cannot be written, read or trusted.
///
/// ```
/// use processpype_api::LocalTokenError;
///
/// let source = std::io::Error::other("the disk is gone");
/// let error = LocalTokenError::new("/run/shop-1.token", source);
/// assert_eq!(error.to_string(), "the token file /run/shop-1.token: the disk is gone");
/// ```
#[derive(Debug)]
pub struct LocalTokenError {
    path: PathBuf,
    source: io::Error,
}

// === impl LocalTokenError ===

impl LocalTokenError {
    /// Makes one about the file at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self { path: path.into(), source }
    }
}

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

/// Returns the directory of the token files of `user`.
///
/// `runtime` is `$XDG_RUNTIME_DIR`, if there is one; `temporary` the system's directory of
/// temporary files.
///
/// ```
/// use std::path::Path;
///
/// use processpype_api::local_token_directory;
///
/// let (run, tmp) = (Path::new("/run/user/1000"), Path::new("/tmp"));
/// assert_eq!(local_token_directory(Some(run), tmp, 1000), run.join("processpype"));
/// assert_eq!(local_token_directory(None, tmp, 1000), tmp.join("processpype-1000"));
/// ```
#[must_use]
pub fn local_token_directory(runtime: Option<&Path>, temporary: &Path, user: u32) -> PathBuf {
    match runtime {
        Some(runtime) => runtime.join("processpype"),
        None => temporary.join(format!("processpype-{user}")),
    }
}

/// Returns the name of the file of the application `title` whose control API has bound `address`.
///
/// ```
/// use processpype_api::{local_token_address, local_token_file};
///
/// let address = "127.0.0.1:8080".parse()?;
/// let name = local_token_file("My Shop", address);
/// assert_eq!(name, "my-shop-127.0.0.1-8080.token");
/// assert_eq!(local_token_address(&name, 8080), Some(address.ip()));
/// assert_eq!(local_token_address(&name, 80), None);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[must_use]
pub fn local_token_file(title: &str, address: SocketAddr) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let title: String = title.chars().take(TITLE_MAX).map(letter).collect();
    format!("{title}-{}{}", address.ip().to_canonical(), end(address.port()))
}

/// Returns the address that the application at `port` has bound whose file has that name; `None` if
/// it is the file of no application at `port`.
#[must_use]
pub fn local_token_address(name: &str, port: u16) -> Option<IpAddr> {
    let (_, address) = name.strip_suffix(&end(port))?.rsplit_once('-')?;
    address.parse().ok()
}

/// Returns whether whatever answers at `peer`, an address of this machine, is who has bound
/// `bound`.
///
/// Only that one is shown the token: the same port of another address may be another user's.
///
/// ```
/// use processpype_api::is_bound_at;
///
/// # fn main() -> Result<(), std::net::AddrParseError> {
/// let check = |bound: &str, peer: &str| Ok(is_bound_at(bound.parse()?, peer.parse()?));
/// assert!(check("127.0.0.1", "127.0.0.1")? && !check("127.0.0.1", "::1")?);
/// assert!(check("0.0.0.0", "127.0.0.1")? && !check("0.0.0.0", "::1")?);
/// assert!(check("::", "::1")? && check("::", "127.0.0.1")?, "it has both");
/// assert!(!check("127.0.0.1", "127.0.0.2")? && !check("::", "10.0.0.1")?);
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn is_bound_at(bound: IpAddr, peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    let has_family = bound.is_ipv6() || peer.is_ipv4();
    peer.is_loopback() && (bound == peer || bound.is_unspecified() && has_family)
}

/// Says why a file or directory is not private to `user`, from its owner and its mode; `None` if it
/// is.
///
/// ```
/// use processpype_api::not_private;
///
/// assert_eq!(not_private(1000, 0o100_600, 1000), None);
/// assert!(not_private(1000, 0o100_640, 1000).is_some());
/// assert!(not_private(0, 0o100_600, 1000).is_some());
/// ```
#[must_use]
pub fn not_private(owner: u32, mode: u32, user: u32) -> Option<&'static str> {
    if owner != user {
        Some("it belongs to another user")
    } else if mode & OTHERS != 0 {
        Some("other users may read or change it")
    } else {
        None
    }
}

fn end(port: u16) -> String {
    format!("-{port}.token")
}
