//! Why a control plane cannot be made or cannot listen.
//!
//! # Invariants
//!
//! 1. Every text says what to change.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use crate::listener::{InvalidListener, ListenAddress};
use crate::socket::ADDRESSES_MAX;
use crate::tls::TlsError;

/// `ENFILE` and `EMFILE`, the same numbers on every Unix: the system's limit, and the process's.
const TOO_MANY_FILES: [i32; 2] = [23, 24];

/// What to do about it: who cannot connect reads the log.
pub(crate) const TOO_MANY_FILES_HELP: &str = "raise the limit of open files (`ulimit -n`, \
    `LimitNOFILE=`), or see what holds them: `ls -l /proc/PID/fd`";

/// The control plane cannot listen.
///
/// # When to use what
///
/// [`BindError::is_address_in_use`] ends the process with exit code 69; every other one is a
/// mistake in the configuration, exit code 78.
#[derive(Debug)]
pub struct BindError {
    kind: Kind,
    source: Option<io::Error>,
}

/// The settings of the control plane do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    prefix: String,
    fault: &'static str,
}

#[derive(Debug)]
enum Kind {
    Refused(String, InvalidListener),
    Unix(String),
    UnixInUse(String),
    InUse(SocketAddr),
    Listen(SocketAddr),
    /// There is no file descriptor left.
    Files(String),
    Resolve(String),
    Many(String, usize),
    Tls(String, TlsError),
}

// === impl BindError ===

impl BindError {
    pub(crate) fn refused(address: &ListenAddress, reason: InvalidListener) -> Self {
        Self { kind: Kind::Refused(address.to_string(), reason), source: None }
    }

    pub(crate) fn unix(address: &ListenAddress, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::AddrInUse => Kind::UnixInUse(address.to_string()),
            _ if lacks_files(&error) => Kind::Files(address.to_string()),
            _ => Kind::Unix(address.to_string()),
        };
        Self { kind, source: Some(error) }
    }

    pub(crate) fn listen(address: SocketAddr, error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::AddrInUse => Kind::InUse(address),
            _ if lacks_files(&error) => Kind::Files(address.to_string()),
            _ => Kind::Listen(address),
        };
        Self { kind, source: Some(error) }
    }

    pub(crate) fn resolve(host: &str, error: impl Into<Option<io::Error>>) -> Self {
        Self { kind: Kind::Resolve(host.to_owned()), source: error.into() }
    }

    pub(crate) fn many(host: &str, addresses: usize) -> Self {
        Self { kind: Kind::Many(host.to_owned(), addresses), source: None }
    }

    pub(crate) fn tls(address: &ListenAddress, error: TlsError) -> Self {
        Self { kind: Kind::Tls(address.to_string(), error), source: None }
    }

    /// Returns whether another socket has the address: exit code 69.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        matches!(self.kind, Kind::InUse(_) | Kind::UnixInUse(_))
    }

    /// Returns whether it is refused on purpose, such as an address that other machines can reach
    /// while nobody is asked for a token.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.kind, Kind::Refused(..))
    }
}

/// Returns whether the process, or the system, has no file descriptor left.
///
/// ```
/// use std::io;
///
/// const EMFILE: i32 = 24;
/// assert!(processpype_control::lacks_files(&io::Error::from_raw_os_error(EMFILE)));
/// assert!(!processpype_control::lacks_files(&io::ErrorKind::AddrInUse.into()));
/// ```
#[must_use]
pub fn lacks_files(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|number| TOO_MANY_FILES.contains(&number))
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Files(address) => {
                let why = self.source.as_ref().map_or(String::new(), |why| format!(": {why}"));
                write!(f, "cannot listen on {address}{why}; {TOO_MANY_FILES_HELP}")
            }
            Kind::Refused(address, reason) => {
                write!(f, "the control plane refuses to listen on {address}: {reason}; ")?;
                f.write_str(reason.help())
            }
            Kind::UnixInUse(address) => write!(
                f,
                "{address} is in use, perhaps by another copy of this application; write another \
                 path in `server.listeners`",
            ),
            Kind::Unix(address) => {
                write!(f, "cannot listen on {address}")?;
                match &self.source {
                    Some(error) => write!(f, ": {error}; check its path in `server.listeners`"),
                    None => Ok(()),
                }
            }
            Kind::InUse(address) => write!(
                f,
                "address {address} is in use, perhaps by another copy of this application; find it \
                 with `ss -ltnp 'sport = :{port}'`, or set another `server.port`",
                port = address.port(),
            ),
            Kind::Listen(address) if address.port() != 0 && address.port() < 1024 => write!(
                f,
                "cannot listen on {address}; ports below 1024 are for privileged processes: set \
                 another `server.port`",
            ),
            Kind::Listen(address) => {
                let why = self.source.as_ref().map_or(String::new(), |why| format!(": {why}"));
                write!(f, "cannot listen on {address}{why}; check `server.host` and `server.port`")
            }
            Kind::Tls(address, error) => {
                write!(f, "cannot speak TLS on {address}: {error}; {}", error.help())
            }
            Kind::Many(host, addresses) => write!(
                f,
                "host `{host}` has {addresses} addresses, and at most {ADDRESSES_MAX} are listened \
                 on; write those that are meant in `server.listeners`",
            ),
            // An address with a user may have a password too.
            Kind::Resolve(host) if host.contains('@') => {
                f.write_str("the host is no host name; set `server.host` to 127.0.0.1")
            }
            Kind::Resolve(host) => {
                write!(f, "host `{host}` has no address; set `server.host` to 127.0.0.1")
            }
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|error| error as _)
    }
}

// === impl SettingsError ===

impl SettingsError {
    /// Checks `server.api_prefix`: empty, or such as `/api`.
    ///
    /// ```
    /// # use processpype_control as processpype;
    /// use processpype::SettingsError;
    ///
    /// assert!(SettingsError::check_prefix("/api/v1").is_ok());
    /// let error = SettingsError::check_prefix("/api/../v1").unwrap_err();
    /// assert_eq!(error.fault(), "a segment of it is empty or made of dots");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns itself if it is no prefix, or one that is taken.
    pub fn check_prefix(prefix: &str) -> Result<(), Self> {
        match fault(prefix) {
            None => Ok(()),
            Some(fault) => Err(Self { prefix: prefix.to_owned(), fault }),
        }
    }

    /// Returns what is wrong with it.
    #[must_use]
    pub fn fault(&self) -> &'static str {
        self.fault
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, fault } = self;
        write!(f, "`server.api_prefix` cannot be `{prefix}`: {fault}; write it like `/api/v1`")
    }
}

impl std::error::Error for SettingsError {}

fn fault(prefix: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let bad = |segment: &str| matches!(segment, "" | "." | "..");
    if prefix.is_empty() {
        None
    } else if !prefix.starts_with('/') {
        Some("it must begin with a slash")
    } else if prefix.ends_with('/') {
        Some("it must not end with a slash")
    } else if prefix[1..].split('/').any(bad) {
        Some("a segment of it is empty or made of dots")
    } else if !prefix[1..].chars().all(|c| plain(c) || c == '/') {
        Some("only letters, digits, `-`, `.`, `_` and `~` are allowed between the slashes")
    } else if prefix == "/health" || prefix.starts_with("/health/") {
        Some("the probes are there")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prefix: &str, is_good: bool) {
        assert_eq!(SettingsError::check_prefix(prefix).is_ok(), is_good, "{prefix:?}");
    }

    #[test]
    fn prefixes() {
        for good in ["", "/api", "/api/v1", "/a.b/c~d", "/healthy"] {
            check(good, true);
        }
        for bad in
            ["/", "api", "/api/", "/a//b", "/a b", "/{x}", "/..", "/health", "/health/x", "/ä"]
        {
            check(bad, false);
        }
    }

    #[test]
    fn texts_name_the_remedy() {
        let address = SocketAddr::from(([0, 0, 0, 0], 8080));
        let host = "0.0.0.0".to_owned();
        let there = ListenAddress::Tcp { host, port: 8080 };
        let open = BindError::refused(&there, InvalidListener::ControlWithoutTokens);
        assert!(open.is_refused() && open.to_string().contains("server.auth.tokens"), "{open}");
        let used = BindError::listen(address, io::ErrorKind::AddrInUse.into());
        assert!(used.is_address_in_use() && used.to_string().contains("sport = :8080"), "{used}");
    }

    #[test]
    fn a_lack_of_files_is_told_as_such_and_not_as_a_wrong_address() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        for number in TOO_MANY_FILES {
            let why = || io::Error::from_raw_os_error(number);
            let unix = ListenAddress::Unix("/run/a.sock".into());
            for error in [BindError::listen(address, why()), BindError::unix(&unix, why())] {
                let text = error.to_string();
                assert!(text.contains(&why().to_string()), "{text}");
                assert!(text.contains("LimitNOFILE=") && !text.contains("server."), "{text}");
            }
        }
        let other = io::Error::from(io::ErrorKind::AddrNotAvailable);
        let text = BindError::listen(SocketAddr::from(([10, 0, 0, 9], 8080)), other).to_string();
        assert!(text.contains("address not available; check `server.host`"), "{text}");
    }
}
