//! Which texts can be the host of a listener.
//!
//! # Invariants
//!
//! 1. What is refused here can never be resolved; whether the rest leads anywhere is known when a
//!    listener is opened.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The longest host name, in bytes: RFC 1035, section 2.3.4.
const NAME_MAX: usize = 253;

/// The longest part of a host name between two dots, in bytes: RFC 1035, section 2.3.4.
const LABEL_MAX: usize = 63;

/// Why a text is no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidHost {
    /// There is no text.
    Empty,
    /// It is a URL.
    Url,
    /// It has a port.
    Port,
    /// It ends in a number and is no address: RFC 1123, section 2.1.
    Number,
    /// It has a character, or a part, that no host name has.
    Name,
}

/// Checks the form of an IP address or a host name, without looking it up.
///
/// An IPv6 address may have brackets, and a zone as in `fe80::1%eth0`.
///
/// ```
/// use processpype_control::{InvalidHost, check_host};
///
/// assert!(check_host("127.0.0.1").is_ok() && check_host("shop.internal").is_ok());
/// assert_eq!(check_host("300.1.1.1"), Err(InvalidHost::Number));
/// assert_eq!(check_host("localhost:8080"), Err(InvalidHost::Port));
/// ```
///
/// # Errors
///
/// Says what is wrong with it.
pub fn check_host(host: &str) -> Result<(), InvalidHost> {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = inner.unwrap_or(host);
    let bare = address.split_once('%').map_or(address, |(bare, _)| bare);
    if address.parse::<IpAddr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok() {
        return Ok(());
    }
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    match host.rsplit_once(':') {
        _ if host.is_empty() => Err(InvalidHost::Empty),
        _ if host.contains("://") => Err(InvalidHost::Url),
        Some((_, port)) if is_port(port) => Err(InvalidHost::Port),
        None if is_port(last) => Err(InvalidHost::Number),
        None if name.len() <= NAME_MAX && name.split('.').all(is_label) => Ok(()),
        Some(_) | None => Err(InvalidHost::Name),
    }
}

/// Underscores are in no host name, and in many that are used.
fn is_label(label: &str) -> bool {
    let is_plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    (1..=LABEL_MAX).contains(&label.len()) && label.bytes().all(is_plain)
}

// === impl InvalidHost ===

impl InvalidHost {
    /// Returns what to do about it.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Port => "write the port as `server.port`",
            Self::Url => "write the host alone, such as 127.0.0.1, and the port as `server.port`",
            Self::Empty | Self::Number | Self::Name => {
                "write 127.0.0.1 or `::1` for this machine alone, 0.0.0.0 or `::` for every \
                 network, or a host name"
            }
        }
    }
}

impl fmt::Display for InvalidHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a host is missing",
            Self::Url => "it is a URL, and a host is wanted",
            Self::Port => "it is a host with a port, and a host alone is wanted",
            Self::Number => "it ends in a number like an IP address, and is none",
            Self::Name => "it is neither an IP address nor a host name",
        })
    }
}

impl std::error::Error for InvalidHost {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: Result<(), InvalidHost>) {
        assert_eq!(check_host(host), expected, "{host:?}");
    }

    #[test]
    fn addresses_and_names_are_hosts() {
        let long = format!("{}.example.org.", "a".repeat(LABEL_MAX));
        for host in ["127.0.0.1", "::", "[::1]", "fe80::1%eth0", "localhost", "a-b.c_d", &long] {
            check(host, Ok(()));
        }
    }

    #[test]
    fn other_texts_are_none() {
        check("", Err(InvalidHost::Empty));
        check("http://localhost", Err(InvalidHost::Url));
        check("localhost:80", Err(InvalidHost::Port));
        check("[::1]:80", Err(InvalidHost::Port));
        for host in ["300.1.1.1", "127.0.0", "127.0.0.1.", "80"] {
            check(host, Err(InvalidHost::Number));
        }
        let long = "a".repeat(LABEL_MAX + 1);
        let longer = "a.".repeat(NAME_MAX / 2 + 2);
        for host in
            ["a b", "u:p@host", "a..b", ".", "ä", "[localhost]", "0.0.0.0/0", &long, &longer]
        {
            check(host, Err(InvalidHost::Name));
        }
    }
}
