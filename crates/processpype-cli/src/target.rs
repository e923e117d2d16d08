//! Where an application is: the address of its control API.
//!
//! # Invariants
//!
//! 1. A [`Target`] has a host, a port and a prefix that begins with a slash or is empty.
//! 2. An address with a user or a password is refused and never repeated in a text.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;

use crate::contexts::{CONTEXT_VARIABLE, CONTEXTS_VARIABLE};
use crate::tls_files::{CACERT_VARIABLE, CERT_VARIABLE, KEY_VARIABLE};
use crate::token::TOKEN_VARIABLE;

/// The variable that names the application to ask.
pub const URL_VARIABLE: &str = "PROCESSPYPE_URL";

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
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// The address of a control API.
///
/// ```
/// use processpype_cli::Target;
///
/// let target: Target = "http://127.0.0.1:8080/api/".parse()?;
/// assert_eq!(target.to_string(), "http://127.0.0.1:8080/api");
/// assert!("ftp://127.0.0.1".parse::<Target>().is_err());
/// # Ok::<(), processpype_cli::InvalidTarget>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    is_secure: bool,
    host: String,
    port: u16,
    prefix: String,
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
        let prefix = api_prefix.trim_end_matches('/').to_owned();
        Self { is_secure: false, host, port, prefix }
    }

    /// Returns the same place, asked over TLS or not.
    #[must_use]
    pub fn secure(self, is_secure: bool) -> Self {
        Self { is_secure, ..self }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Returns host and port, as the header `Host` has them.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Returns the host as a resolver takes it.
    pub(crate) fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
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
        if text.contains('@') {
            return Err(InvalidTarget("a user or a password in it is not understood"));
        }
        let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = text.parse().map_err(|_| InvalidTarget("it is no URL"))?;
        let (is_secure, port) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(InvalidTarget("it must begin with `http://` or `https://`")),
        };
        if uri.query().is_some() {
            return Err(InvalidTarget("a query has no meaning in it"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or(InvalidTarget("it has no host"))?;
        let target = Self::of_server(host, uri.port_u16().unwrap_or(port), uri.path());
        Ok(target.secure(is_secure))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_secure, host, port, prefix } = self;
        let scheme = if *is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{host}:{port}{prefix}")
    }
}

// === impl InvalidTarget ===

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; write it like {DEFAULT_URL}", self.0)
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
        for bad in ["", "http://", "ftp://shop", "http://anna:secret@shop", "http://shop/?a=b"] {
            check(bad, None);
        }
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
