//! One open listener, and the clients that come in.
//!
//! # Invariants
//!
//! 1. A Unix socket has mode 0600 before anybody can connect to it: nobody else can ever open it.
//! 2. Only a socket that nobody answers is replaced; any other file is left alone.
//! 3. What is removed at the end is the own socket, not that of a successor.
//! 4. All addresses that a host name has on this machine are held, at one port, or none.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use processpype_runtime::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, lookup_host};

use crate::certificate::CertificateRule;
use crate::error::BindError;
use crate::gate::{Gate, Peer, Reach};
use crate::listener::{Ask, ListenAddress, Listener, Proofs};
use crate::tls::{Acceptor, TlsStream};
#[cfg(unix)]
use crate::unix::UnixSocket;

/// How many addresses one host name may have.
pub(crate) const ADDRESSES_MAX: usize = 16;

/// How often a free port is looked for that is free at all addresses of a host.
const PORT_TRIES: usize = 8;

/// A listener that holds its address, or all of its host's.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) gate: Gate,
    /// As it is told in the log.
    pub(crate) name: String,
    /// What speaks TLS, if that is spoken here.
    pub(crate) tls: Option<Arc<Acceptor>>,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(Doors),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// The addresses of one host; there is at least one.
#[derive(Debug)]
struct Doors {
    all: Vec<(TcpListener, SocketAddr)>,
    /// Who is looked at first, so that none is only looked at when nobody comes to another.
    next: AtomicUsize,
}

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

// === impl Open ===

impl Open {
    /// Takes the address, unless that would be careless.
    pub(crate) async fn bind(
        listener: &Listener,
        proofs: Proofs,
        rules: &[CertificateRule],
        now: Timestamp,
    ) -> Result<Self, BindError> {
        let refuse = |reason| BindError::refused(&listener.address, reason);
        listener.check(proofs).map_err(refuse)?;
        let tls = listener.tls.as_ref().map(|tls| Acceptor::open(tls, rules.to_vec(), now));
        let tls = tls.transpose().map_err(|error| BindError::tls(&listener.address, error))?;
        let gate = |reach| Gate { expose: listener.expose, ask: listener.ask, reach };
        match &listener.address {
            ListenAddress::Tcp { host, port } => {
                let addresses = resolve(host, *port).await?;
                let is_remote = !addresses.iter().all(|address| address.ip().is_loopback());
                listener.check_reach(is_remote, proofs).map_err(refuse)?;
                let reach = if is_remote { Reach::Network } else { Reach::Loopback };
                let doors = Doors::open(&addresses).await?;
                let name = format!("{}://{}", scheme(tls.is_some()), doors.all[0].1);
                let (gate, tls, socket) = (gate(reach), tls.map(Arc::new), Socket::Tcp(doors));
                Ok(Self { gate, name, tls, socket })
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let socket = UnixSocket::bind(path)
                    .await
                    .map_err(|error| BindError::unix(&listener.address, error))?;
                let owner = rustix::process::geteuid().as_raw();
                let reach = Reach::Unix { owner };
                let name = listener.address.to_string();
                Ok(Self { gate: gate(reach), name, tls: None, socket: Socket::Unix(socket) })
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => {
                let error = io::ErrorKind::Unsupported.into();
                Err(BindError::unix(&listener.address, error))
            }
        }
    }

    /// Says in the log where it can be reached, and for what.
    pub(crate) fn tell(&self) {
        let Gate { expose, ask, reach } = self.gate;
        let what = if expose.control {
            "control API listens"
        } else if expose.services {
            "routes of services are answered"
        } else {
            "probes are answered"
        };
        let scheme = scheme(self.tls.is_some());
        for address in self.addresses() {
            tracing::info!(%address, "{what} on {scheme}://{address}");
        }
        if self.address().is_none() {
            tracing::info!("{what} on {}", self.name);
        }
        if reach == Reach::Network && ask == Ask::Required && self.tls.is_none() {
            tracing::warn!(
                "tokens travel in plain text to {}: give it `tls`, or let a proxy that speaks TLS \
                 lead to it",
                self.name
            );
        }
        if reach == Reach::Loopback && ask == Ask::Nobody && expose.control {
            tracing::warn!(
                "everybody on this machine is an admin at {}: nobody is asked",
                self.name
            );
        }
    }

    /// Returns the first address, if it has any.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.addresses().next()
    }

    /// Returns every address.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let doors = match &self.socket {
            Socket::Tcp(doors) => &doors.all[..],
            #[cfg(unix)]
            Socket::Unix(_) => &[],
        };
        doors.iter().map(|(_, address)| *address)
    }

    /// Waits for a client.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(doors) => {
                let (stream, address) = poll_fn(|cx| doors.poll_accept(cx)).await?;
                // Answers are small and complete: waiting for more to send only delays them.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Address(address.ip())))
            }
            #[cfg(unix)]
            Socket::Unix(socket) => {
                let (stream, user) = socket.accept().await?;
                Ok((Stream::Unix(stream), Peer::User(user)))
            }
        }
    }
}

fn scheme(is_tls: bool) -> &'static str {
    if is_tls { "https" } else { "http" }
}

// === impl Doors ===

impl Doors {
    /// Takes all addresses of a host that this machine has, at one port.
    ///
    /// One that is there and cannot be taken is an error: a client that knows the name may try it
    /// first, and would find whoever has it.
    async fn open(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let is_any_port = addresses.iter().any(|address| address.port() == 0);
        for _ in 1..PORT_TRIES {
            match Self::try_open(addresses).await {
                // It was free at the address before.
                Err(error) if is_any_port && error.is_address_in_use() => {}
                other => return other,
            }
        }
        Self::try_open(addresses).await
    }

    async fn try_open(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let (mut all, mut missing) = (Vec::<(TcpListener, SocketAddr)>::new(), None);
        for address in addresses {
            let mut address = *address;
            if let Some((_, first)) = all.first() {
                address.set_port(first.port());
            }
            let refused = |error| BindError::listen(address, error);
            match TcpListener::bind(address).await {
                Ok(listener) => {
                    let bound = listener.local_addr().map_err(refused)?;
                    all.push((listener, bound));
                }
                Err(error) if is_absent(&error) => missing = Some(refused(error)),
                Err(error) => return Err(refused(error)),
            }
        }
        match missing {
            Some(missing) if all.is_empty() => Err(missing),
            _ => Ok(Self { all, next: AtomicUsize::new(0) }),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        let first = self.next.load(Relaxed);
        for at in (first..first + self.all.len()).map(|at| at % self.all.len()) {
            if let Poll::Ready(accepted) = self.all[at].0.poll_accept(cx) {
                self.next.store(at + 1, Relaxed);
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// Whether the machine has no such address, or none of its family.
fn is_absent(error: &io::Error) -> bool {
    #[cfg(unix)]
    let is_family = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    #[cfg(not(unix))]
    let is_family = false;
    is_family || error.kind() == io::ErrorKind::AddrNotAvailable
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let found = lookup_host((bare, port)).await;
    let found = found.map_err(|error| BindError::resolve(host, error))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for mut address in found {
        address.set_ip(address.ip().to_canonical());
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    match addresses.len() {
        0 => Err(BindError::resolve(host, None)),
        1..=ADDRESSES_MAX => Ok(addresses),
        count => Err(BindError::many(host, count)),
    }
}

// === impl Stream ===

impl Stream {
    /// Lets the current runtime watch the socket. One that speaks TLS stays where it was accepted:
    /// that costs a change of threads, and nothing else.
    pub(crate) fn settle(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => Ok(Self::Tcp(TcpStream::from_std(stream.into_std()?)?)),
            Self::Tls(stream) => Ok(Self::Tls(stream)),
            #[cfg(unix)]
            Self::Unix(stream) => {
                let stream = tokio::net::UnixStream::from_std(stream.into_std()?)?;
                Ok(Self::Unix(stream))
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buffer),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, slices),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 0)
    }

    #[tokio::test]
    async fn all_addresses_of_a_host_are_taken_at_one_port() {
        // Kept for documents: no machine has it.
        let absent = any_port("192.0.2.1");
        let host = [any_port("127.0.0.1"), absent, any_port("127.0.0.2")];
        let doors = Doors::open(&host).await.unwrap();
        let taken: Vec<SocketAddr> = doors.all.iter().map(|(_, address)| *address).collect();
        assert_eq!([taken[0].ip(), taken[1].ip()], [host[0].ip(), host[2].ip()]);
        assert!(taken.len() == 2 && taken[0].port() == taken[1].port(), "{taken:?}");
        // Who comes to one is not kept waiting by those who come to the other.
        let mut clients = Vec::new();
        for address in [taken[0], taken[0], taken[0], taken[1]] {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        let mut met = Vec::new();
        for _ in 0..2 {
            let (stream, _) = poll_fn(|cx| doors.poll_accept(cx)).await.unwrap();
            met.push(stream.local_addr().unwrap());
        }
        assert_eq!(met, taken);
        assert!(Doors::open(&[absent]).await.is_err_and(|error| !error.is_address_in_use()));
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_not_passed_over() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
        let mut other = any_port("127.0.0.2");
        other.set_port(taken.1.port());
        for host in [[taken.1, other], [other, taken.1]] {
            let refused = Doors::open(&host).await.unwrap_err();
            assert!(refused.is_address_in_use(), "{refused}");
            assert!(refused.to_string().contains(&taken.1.to_string()), "{refused}");
        }
        // What was taken before the other was found to be is free again.
        Doors::open(&[other]).await.unwrap();
    }
}
