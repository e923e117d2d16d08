//! Where an application is: the address of its control API.
//!
//! # Invariants
//!
//! 1. A [`Target`] has a host and a port, or the absolute path of a socket's file, and a prefix
//!    that begins with a slash or is empty.
//! 2. A URL with a user or a password is refused and never repeated in a text.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use hyper::Uri;

use crate::contexts::{CONTEXT_VARIABLE, CONTEXTS_VARIABLE};
use crate::tls_files::{CACERT_VARIABLE, CERT_VARIABLE, KEY_VARIABLE};
use crate::token::TOKEN_VARIABLE;

/// The variable that names the application to ask.
pub(crate) const URL_VARIABLE: &str = "PROCESSPYPE_URL";

/// The variables that clients read, and applications do not.
///
/// ```
/// assert!(processpype_cli::CLIENT_VARIABLES.contains(&"PROCESSPYPE_URL"));
/// ```
pub const CLIENT_VARIABLES: [&str; 7] = [
    URL_VARIABLE,
    CONTEXT_VARIABLE,
    CONTEXTS_VARIABLE,
    TOKEN_VARIABLE,
    CACERT_VARIABLE,
    CERT_VARIABLE,
    KEY_VARIABLE,
];

/// Where an application listens unless it was told otherwise.
pub(crate) const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// What a Unix socket is named with, here and in the configuration of who listens there.
const UNIX: &str = "unix:";

/// The address of a control API.
///
/// A Unix socket is written as in `server.listeners`, or with two slashes more; a prefix stands
/// behind a colon.
///
/// ```
/// use processpype_cli::Target;
///
/// let target: Target = "http://127.0.0.1:8080/api/".parse()?;
/// assert_eq!(target.to_string(), "http://127.0.0.1:8080/api");
/// let target: Target = "unix:///run/shop.sock:/api".parse()?;
/// assert_eq!(target.to_string(), "unix:/run/shop.sock:/api");
/// assert!("ftp://127.0.0.1".parse::<Target>().is_err());
/// # Ok::<(), processpype_cli::InvalidTarget>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    prefix: String,
}

/// What a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Tcp {
        is_secure: bool,
        /// As a URL has it.
        host: String,
        port: u16,
    },
    /// The file of a socket.
    Unix(PathBuf),
}

/// Why a text is no address of a control API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTarget(&'static str);

// === impl Target ===

impl Target {
    /// Makes the address of an application from the section `server` of its configuration.
    ///
    /// An application that listens on every address is asked on loopback.
    #[must_use]
    pub fn of_server(host: &str, port: u16, api_prefix: &str) -> Self {
        let host = match host {
            "" | "0.0.0.0" => "127.0.0.1".to_owned(),
            "::" | "[::]" => "[::1]".to_owned(),
            host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
            host => host.to_owned(),
        };
        Self { place: Place::Tcp { is_secure: false, host, port }, prefix: prefix(api_prefix) }
    }

    /// Makes the address of an application that listens on a Unix socket.
    ///
    /// ```
    /// use processpype_cli::Target;
    ///
    /// let target = Target::of_socket("/run/shop.sock".as_ref(), "");
    /// assert_eq!(target.to_string(), "unix:/run/shop.sock");
    /// ```
    #[must_use]
    pub fn of_socket(path: &Path, api_prefix: &str) -> Self {
        Self { place: Place::Unix(path.to_owned()), prefix: prefix(api_prefix) }
    }

    /// Returns the same place, asked over TLS or not; a Unix socket speaks none.
    #[must_use]
    pub fn secure(self, is_secure: bool) -> Self {
        match self.place {
            Place::Tcp { host, port, .. } => {
                Self { place: Place::Tcp { is_secure, host, port }, ..self }
            }
            Place::Unix(_) => self,
        }
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Returns host and port, as the header `Host` has them. A socket has no name to tell, and
    /// takes any.
    pub(crate) fn authority(&self) -> String {
        match &self.place {
            Place::Tcp { host, port, .. } => format!("{host}:{port}"),
            Place::Unix(_) => "localhost".to_owned(),
        }
    }

    /// Returns the path with the prefix in front; probes and metrics have none.
    pub(crate) fn path(&self, path: &str) -> String {
        match path {
            fixed if fixed.starts_with("/health/") || fixed == "/metrics" => fixed.to_owned(),
            "/" if self.prefix.is_empty() => "/".to_owned(),
            "/" => self.prefix.clone(),
            path => format!("{}{path}", self.prefix),
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        if let Some(rest) = text.strip_prefix(UNIX) {
            return of_file(rest);
        }
        if text.contains('@') {
            return Err(InvalidTarget("a user or a password in it is not understood"));
        }
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|_| InvalidTarget("it is no URL"))?;
        let (is_secure, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(InvalidTarget("it must begin with `http://`, `https://` or `unix:`")),
        };
        if uri.query().is_some() {
            return Err(InvalidTarget("a query has no meaning in it"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidTarget("it has no host"))?;
        let port = match uri.authority().map_or("", |it| &it.as_str()[host.len()..]) {
            "" => port,
            written => written[1..].parse().map_err(|_| {
                // Not the scheme's own: something else may listen there.
                InvalidTarget("its port is no number from 0 to 65535")
            })?,
        };
        let target = Self::of_server(host, port, uri.path());
        Ok(target.secure(is_secure))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, prefix } = self;
        match place {
            Place::Tcp { is_secure, host, port } => {
                let scheme = if *is_secure { "https" } else { "http" };
                write!(f, "{scheme}://{host}:{port}{prefix}")
            }
            Place::Unix(path) if prefix.is_empty() => write!(f, "{UNIX}{}", path.display()),
            Place::Unix(path) => write!(f, "{UNIX}{}:{prefix}", path.display()),
        }
    }
}

fn prefix(written: &str) -> String {
    written.trim_end_matches('/').to_owned()
}

/// Reads what stands behind `unix:`: a path, and a prefix behind `:/`, as proxies write it.
fn of_file(text: &str) -> Result<Target, InvalidTarget> {
    let text = text.strip_prefix("//").unwrap_or(text);
    let (path, prefix) = text.find(":/").map_or((text, ""), |at| (&text[..at], &text[at + 1..]));
    let path = Path::new(path);
    if !path.is_absolute() || path.file_name().is_none() {
        return Err(InvalidTarget("a socket is named by the whole path of its file"));
    }
    Ok(Target::of_socket(path, prefix))
}

// === impl Place ===

impl Place {
    /// Returns a host as a resolver takes it.
    pub(crate) fn bare(host: &str) -> &str {
        host.trim_start_matches('[').trim_end_matches(']')
    }
}

// === impl InvalidTarget ===

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write it like {DEFAULT_URL} or {UNIX}/run/shop.sock", self.0)
    }
}

impl std::error::Error for InvalidTarget {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let target = text.parse::<Target>().map(|target| target.to_string());
        assert_eq!(target.ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn addresses() {
        check("http://localhost:8080", Some("http://localhost:8080"));
        check("localhost:9000/api/v1/", Some("http://localhost:9000/api/v1"));
        check("http://[::1]:9000", Some("http://[::1]:9000"));
        check("http://shop", Some("http://shop:80"));
        check("https://shop", Some("https://shop:443"));
        check("https://shop:8443/api/", Some("https://shop:8443/api"));
        for bad in ["http://shop:99999", "http://shop:", "shop:x", "http://[::1]:70000"] {
            check(bad, None);
        }
        for bad in ["", "http://", "ftp://shop", "http://anna:secret@shop", "http://shop/?a=b"] {
            check(bad, None);
        }
    }

    #[test]
    fn sockets() {
        check("unix:/run/shop.sock", Some("unix:/run/shop.sock"));
        check("unix:///run/shop@1.sock", Some("unix:/run/shop@1.sock"));
        check("unix:/run/shop.sock:/api/v1/", Some("unix:/run/shop.sock:/api/v1"));
        check("unix:/run/shop.sock:/", Some("unix:/run/shop.sock"));
        for bad in ["unix:", "unix:/", "unix:shop.sock", "unix://run/shop.sock", "/run/shop.sock"] {
            check(bad, None);
        }
        let target: Target = "unix:/run/shop.sock:/api".parse().expect("good");
        assert_eq!(target.path("/services"), "/api/services");
        assert_eq!((target.clone().secure(true), target.authority()), (target, "localhost".into()));
    }

    #[test]
    fn an_application_on_every_address_is_asked_on_loopback() {
        for (host, expected) in [
            ("0.0.0.0", "http://127.0.0.1:1/api"),
            ("::", "http://[::1]:1/api"),
            ("::1", "http://[::1]:1/api"),
            ("shop", "http://shop:1/api"),
        ] {
            assert_eq!(Target::of_server(host, 1, "/api").to_string(), expected);
        }
    }

    #[test]
    fn the_prefix_moves_all_but_probes_and_metrics() {
        let target = Target::of_server("127.0.0.1", 1, "/api");
        assert_eq!(target.path("/"), "/api");
        assert_eq!(target.path("/services"), "/api/services");
        assert_eq!(target.path("/health/ready"), "/health/ready");
        assert_eq!(target.path(crate::metrics::PATH), "/metrics");
        assert_eq!(Target::of_server("127.0.0.1", 1, "").path("/"), "/");
    }
}
