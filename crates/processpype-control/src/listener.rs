//! Where the control plane listens, what it shows there, and whom it asks who they are.
//!
//! # Invariants
//!
//! 1. A listener that exposes `control` to other machines without asking is not a listener: it is
//!    refused before an address is taken.
//! 2. What a listener does not expose is not there: it answers 404, as a path that never was.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::host::check_host;
use crate::tls::Tls;

/// One place to listen at.
///
/// ```
/// use processpype_control::{Ask, Listener, Proofs, Surfaces};
///
/// let listener = Listener::at("0.0.0.0:8081".parse()?);
/// assert_eq!(listener.ask, Ask::Required, "who comes from elsewhere is asked");
/// let listener = Listener { expose: Surfaces::PROBES, ask: Ask::Nobody, ..listener };
/// assert!(listener.check(Proofs::default()).is_ok(), "probes show no detail");
/// # Ok::<(), processpype_control::InvalidAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: ListenAddress,
    /// What it shows.
    pub expose: Surfaces,
    /// Whom it asks who they are.
    pub ask: Ask,
    /// TLS, if it is spoken here. Not on a Unix socket.
    pub tls: Option<Tls>,
}

/// How somebody from elsewhere could prove to be somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proofs {
    /// There are tokens.
    pub tokens: bool,
    /// There are rules about certificates, which count where a listener asks for those.
    pub certificates: bool,
}

/// Where to listen: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` or `unix:/run/shop.sock`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address or a host name, and a port; 0 = any free one.
    Tcp {
        /// The address or the name, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket in the file system, which only its owner can reach.
    Unix(PathBuf),
}

/// What a listener shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surfaces {
    /// Everything that is not one of the others: status, commands, events, documentation.
    pub control: bool,
    /// The services' own routes.
    pub services: bool,
    /// The probes.
    pub probes: bool,
    /// The metrics.
    pub metrics: bool,
}

/// Whom a listener asks who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Everybody. On a Unix socket the kernel answers for the client: its owner and root are
    /// admins.
    Required,
    /// Everybody, but for status, start, stop and restart. On loopback only.
    LoopbackOpen,
    /// Nobody. On loopback and on a Unix socket everybody is an admin then; elsewhere only what is
    /// public answers.
    Nobody,
}

/// A text that is no address to listen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidAddress(&'static str);

/// Why a listener is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidListener {
    /// It exposes nothing.
    Nothing,
    /// It exposes `control` to other machines and asks nobody.
    ControlUnasked,
    /// It exposes `control` to other machines, and there is no token that anybody could have.
    ControlWithoutTokens,
    /// It is open to loopback, and not on loopback.
    NotLoopback,
    /// It is a Unix socket, and has TLS.
    TlsOnSocket,
}

// === impl Listener ===

impl Listener {
    /// Makes one that exposes everything: open to loopback on loopback, asking everybody elsewhere
    /// and wherever a host name may lead.
    #[must_use]
    pub fn at(address: ListenAddress) -> Self {
        let ask = if address.is_loopback() { Ask::LoopbackOpen } else { Ask::Required };
        Self { address, expose: Surfaces::ALL, ask, tls: None }
    }

    /// Checks what can be known of it without taking its address.
    ///
    /// # Errors
    ///
    /// Says why it is refused.
    pub fn check(&self, proofs: Proofs) -> Result<(), InvalidListener> {
        let is_remote = match &self.address {
            ListenAddress::Unix(_) => false,
            // Where another name leads is known, and checked, when it is looked up.
            ListenAddress::Tcp { host, .. } => {
                host.parse::<IpAddr>().is_ok_and(|address| !address.is_loopback())
            }
        };
        if !self.is_tcp() && self.ask == Ask::LoopbackOpen {
            return Err(InvalidListener::NotLoopback);
        }
        if !self.is_tcp() && self.tls.is_some() {
            return Err(InvalidListener::TlsOnSocket);
        }
        self.check_reach(is_remote, proofs)
    }

    /// Checks it, now that it is known whether other machines can reach it.
    pub(crate) fn check_reach(
        &self,
        is_remote: bool,
        proofs: Proofs,
    ) -> Result<(), InvalidListener> {
        let Surfaces { control, services, probes, metrics } = self.expose;
        if !control && !services && !probes && !metrics {
            return Err(InvalidListener::Nothing);
        }
        match self.ask {
            _ if !is_remote => Ok(()),
            Ask::LoopbackOpen => Err(InvalidListener::NotLoopback),
            Ask::Nobody if control => Err(InvalidListener::ControlUnasked),
            Ask::Required if control && !self.can_be_proved(proofs) => {
                Err(InvalidListener::ControlWithoutTokens)
            }
            Ask::Required | Ask::Nobody => Ok(()),
        }
    }

    /// Returns whether anybody from elsewhere can prove to be somebody here.
    fn can_be_proved(&self, proofs: Proofs) -> bool {
        let asks = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        proofs.tokens || (proofs.certificates && asks)
    }

    fn is_tcp(&self) -> bool {
        matches!(self.address, ListenAddress::Tcp { .. })
    }
}

// === impl ListenAddress ===

impl ListenAddress {
    /// Checks whether a socket could be made there, without making it; every address of a network
    /// could.
    ///
    /// That somebody listens there, it may be this very application, counts for nothing.
    ///
    /// # Errors
    ///
    /// Says what is in its way: no directory, no right to write there, a name that is too long or
    /// another file's.
    pub fn check_room(&self) -> io::Result<()> {
        match self {
            Self::Tcp { .. } => Ok(()),
            #[cfg(unix)]
            Self::Unix(path) => crate::unix::check_room(path),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Returns whether it says that only this machine can reach it: an address of loopback, or
    /// `localhost`.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => host
                .parse::<IpAddr>()
                .map_or_else(|_| host == "localhost", |address| address.is_loopback()),
            Self::Unix(_) => false,
        }
    }
}

impl FromStr for ListenAddress {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            if !path.is_absolute() || path.file_name().is_none() {
                return Err(InvalidAddress("a socket is named by the whole path of its file"));
            }
            #[cfg(unix)]
            if std::os::unix::net::SocketAddr::from_pathname(&path).is_err() {
                return Err(InvalidAddress("the path is longer than that of a socket may be"));
            }
            return Ok(Self::Unix(path));
        }
        if text.parse::<std::net::Ipv6Addr>().is_ok() {
            return Err(InvalidAddress("an IPv6 address stands in brackets, a port behind them"));
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidAddress("it has no port"))?;
        let port = port.parse();
        let port = port.map_err(|_| InvalidAddress("its port is no number from 0 to 65535"))?;
        let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let host = match inner {
            Some(v6) if v6.parse::<std::net::Ipv6Addr>().is_ok() => v6,
            None if !host.contains([':', '%']) && check_host(host).is_ok() => host,
            Some(_) | None => {
                return Err(InvalidAddress("its host is neither an IP address nor a host name"));
            }
        };
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl InvalidAddress {
    /// Returns what is wrong with it, in words.
    pub const fn why(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address is like `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/shop.sock`")
    }
}

impl std::error::Error for InvalidAddress {}

// === impl Surfaces ===

impl Surfaces {
    /// Everything.
    pub const ALL: Self = Self { control: true, services: true, probes: true, metrics: true };

    /// Nothing.
    pub const NONE: Self = Self { control: false, services: false, probes: false, metrics: false };

    /// The probes alone.
    pub const PROBES: Self = Self { probes: true, ..Self::NONE };
}

// === impl InvalidListener ===

impl InvalidListener {
    /// Returns what to do about it.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Nothing => "list at least one of control, services, probes and metrics",
            Self::ControlUnasked => {
                "write `auth: required`, or leave `control` out of `expose`, or listen on 127.0.0.1"
            }
            Self::ControlWithoutTokens => {
                "add a token to `server.auth.tokens`, or `client_ca` to its `tls` and whom it asks \
                 for to `server.auth.certificates`, or listen on 127.0.0.1 and let an ssh tunnel \
                 lead to it"
            }
            Self::NotLoopback => "write `auth: required`, or listen on 127.0.0.1",
            Self::TlsOnSocket => "remove `tls`: nothing leaves the machine",
        }
    }
}

impl fmt::Display for InvalidListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "it would show nothing",
            Self::ControlUnasked => "other machines could stop services without being asked",
            Self::ControlWithoutTokens => {
                "other machines could stop services, and there is no token to ask them for"
            }
            Self::TlsOnSocket => "a Unix socket speaks no TLS",
            Self::NotLoopback => "`loopback-open` is for loopback only",
        })
    }
}

impl std::error::Error for InvalidListener {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for text in ["127.0.0.1:80", "[::1]:0", "localhost:8080", "unix:/run/a.sock"] {
            let address: ListenAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            "8080",
            ":8080",
            "127.0.0.1",
            "127.0.0.1:x",
            "127.0.0.1:99999",
            "::1:80",
            "[::1]",
            "[localhost]:80",
            "user:password@host:80",
            "http://host:80",
            "300.0.0.1:80",
            "a..b:80",
            "unix:",
            "unix:a.sock",
            "unix:/",
        ] {
            assert!(text.parse::<ListenAddress>().is_err(), "{text}");
        }
        let too_long = format!("unix:/{}", "a".repeat(120));
        for (text, why) in [
            ("127.0.0.1", "it has no port"),
            ("127.0.0.1:99999", "its port is no number from 0 to 65535"),
            ("::1:80", "an IPv6 address stands in brackets, a port behind them"),
            ("300.0.0.1:80", "its host is neither an IP address nor a host name"),
            ("unix:a.sock", "a socket is named by the whole path of its file"),
            (&too_long, "the path is longer than that of a socket may be"),
        ] {
            assert_eq!(text.parse::<ListenAddress>(), Err(InvalidAddress(why)));
        }
    }

    #[track_caller]
    fn check(address: &str, expose: Surfaces, ask: Ask, expected: [Option<InvalidListener>; 2]) {
        let address = address.parse().expect(address);
        let listener = Listener { address, expose, ask, tls: None };
        // Rules about certificates alone prove nothing where nobody is asked for one.
        let certificates = true;
        let check = |tokens| listener.check(Proofs { tokens, certificates });
        let found = [false, true].map(|has_tokens| check(has_tokens).err());
        assert_eq!(found, expected, "{listener:?}");
    }

    #[test]
    fn control_off_loopback_needs_tokens() {
        use InvalidListener::{ControlUnasked, ControlWithoutTokens, NotLoopback, Nothing};
        let routes = Surfaces { services: true, ..Surfaces::PROBES };
        for here in ["127.0.0.1:1", "[::1]:1", "localhost:1"] {
            for ask in [Ask::Required, Ask::LoopbackOpen, Ask::Nobody] {
                check(here, Surfaces::ALL, ask, [None, None]);
            }
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.0.2.1:1"] {
            check(open, Surfaces::ALL, Ask::Required, [Some(ControlWithoutTokens), None]);
            check(open, Surfaces::ALL, Ask::Nobody, [Some(ControlUnasked); 2]);
            check(open, Surfaces::ALL, Ask::LoopbackOpen, [Some(NotLoopback); 2]);
            check(open, routes, Ask::Nobody, [None, None]);
            check(open, routes, Ask::Required, [None, None]);
            check(open, routes, Ask::LoopbackOpen, [Some(NotLoopback); 2]);
            check(open, Surfaces::NONE, Ask::Required, [Some(Nothing); 2]);
        }
        // A name may lead anywhere.
        check("shop.internal:1", Surfaces::ALL, Ask::Required, [None, None]);
        assert_eq!(Listener::at("shop.internal:1".parse().expect("good")).ask, Ask::Required);
        check("unix:/a", Surfaces::ALL, Ask::Required, [None, None]);
        check("unix:/a", Surfaces::ALL, Ask::Nobody, [None, None]);
        check("unix:/a", Surfaces::ALL, Ask::LoopbackOpen, [Some(NotLoopback); 2]);
    }

    #[test]
    fn certificates_of_clients_are_as_good_as_tokens_where_they_are_asked_for() {
        let mut tls = Tls::new("a.crt", "a.key");
        tls.client_ca = Some("ca.crt".into());
        let open = Listener::at("0.0.0.0:1".parse().expect("good"));
        let listener = Listener { tls: Some(tls.clone()), ..open };
        let proofs = |certificates| Proofs { tokens: false, certificates };
        assert_eq!(listener.check(proofs(true)), Ok(()));
        let missing = Err(InvalidListener::ControlWithoutTokens);
        assert_eq!(listener.check(proofs(false)), missing);
        let unasked = Listener { ask: Ask::Nobody, ..listener };
        assert_eq!(unasked.check(proofs(true)), Err(InvalidListener::ControlUnasked));
        let socket = Listener { tls: Some(tls), ..Listener::at("unix:/a".parse().expect("good")) };
        assert_eq!(socket.check(proofs(true)), Err(InvalidListener::TlsOnSocket));
    }
}
