//! One open listener, and the clients that come in.
//!
//! # Invariants
//!
//! 1. A Unix socket has mode 0600 before it has its name: nobody else can ever open it.
//! 2. Only a socket that nobody answers is replaced; any other file is left alone.
//! 3. What is removed at the end is the own socket, not that of a successor.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
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

/// A listener that holds its address.
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
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(UnixSocket),
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
                let (socket, address) = listen(&addresses).await?;
                let socket = Socket::Tcp(socket, address);
                let scheme = if tls.is_some() { "https" } else { "http" };
                let name = format!("{scheme}://{address}");
                Ok(Self { gate: gate(reach), name, tls: tls.map(Arc::new), socket })
            }
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                let socket = UnixSocket::bind(path)
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
        match self.address() {
            Some(address) => tracing::info!(%address, "{what} on {}", self.name),
            None => tracing::info!("{what} on {}", self.name),
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

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(_, address) => Some(*address),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }

    /// Waits for a client.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.socket {
            Socket::Tcp(listener, _) => {
                let (stream, address) = listener.accept().await?;
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

/// Takes the first address of a host that this machine has; there is at least one.
///
/// One that is there and cannot be taken is an error: clients that know the host's name would try
/// it first as well, and find whoever has it.
async fn listen(addresses: &[SocketAddr]) -> Result<(TcpListener, SocketAddr), BindError> {
    let mut missing = None;
    for address in addresses {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let bound = listener.local_addr();
                let bound = bound.map_err(|error| BindError::listen(*address, error))?;
                return Ok((listener, bound));
            }
            Err(error) if is_absent(&error) => missing = Some((*address, error)),
            Err(error) => return Err(BindError::listen(*address, error)),
        }
    }
    let (address, error) =
        missing.unwrap_or_else(|| (addresses[0], io::ErrorKind::NotFound.into()));
    Err(BindError::listen(address, error))
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
    let addresses: Vec<SocketAddr> = found.collect();
    if addresses.is_empty() { Err(BindError::resolve(host, None)) } else { Ok(addresses) }
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

    #[tokio::test]
    async fn an_address_that_is_taken_is_not_passed_over() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = taken.local_addr().map(|address| (taken, address)).unwrap();
        let free: SocketAddr = "127.0.0.2:0".parse().unwrap();
        let refused = listen(&[taken.1, free]).await.unwrap_err();
        assert!(refused.is_address_in_use(), "{refused}");
        // Kept for documents: no machine has it.
        let absent: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let (_, address) = listen(&[absent, free]).await.unwrap();
        assert_eq!(address.ip(), free.ip());
        assert!(!listen(&[absent]).await.unwrap_err().is_address_in_use());
    }
}
