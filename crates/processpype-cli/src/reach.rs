//! A connection to where an application is: over TCP, TLS above it, or a Unix socket.
//!
//! # Invariants
//!
//! 1. To connect may take [`CONNECT_TIME`], and so may TLS.
//! 2. Which token is shown is decided when it is known who answers.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::connect::Destination;
use crate::error::ClientError;
use crate::target::Place;
use crate::tls;
use crate::token::{Shown, Tokens};

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// What bytes go over.
pub(crate) type Socket = Box<dyn Bytewise>;

/// Whatever can be read and written.
pub(crate) trait Bytewise: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytewise for S {}

/// Connects, and says which of the tokens whoever answers may see.
pub(crate) async fn reach(
    destination: &Destination,
    tokens: &Tokens,
) -> Result<(Socket, Option<Shown>), ClientError> {
    let Destination { target, tls: files, .. } = destination;
    let url = || target.to_string();
    let (is_secure, host, port) = match target.place() {
        Place::Tcp { is_secure, host, port } => (*is_secure, host, *port),
        Place::Unix(path) => {
            let socket = in_time(url(), connect_to_file(path)).await?;
            return Ok((socket, tokens.for_peer(None)));
        }
    };
    let socket = in_time(url(), TcpStream::connect((Place::bare(host), port))).await?;
    let token = tokens.for_peer(socket.peer_addr().ok().map(|peer| peer.ip()));
    if !is_secure {
        return Ok((Box::new(socket), token));
    }
    let meeting = timeout(CONNECT_TIME, tls::secure(socket, target, host, files)).await;
    let late = |_| ClientError::Late { url: url(), waited: CONNECT_TIME };
    Ok((meeting.map_err(late)??, token))
}

async fn in_time<S>(
    url: String,
    connecting: impl Future<Output = io::Result<S>>,
) -> Result<S, ClientError> {
    match timeout(CONNECT_TIME, connecting).await {
        Ok(connected) => connected.map_err(|source| ClientError::Unreachable { url, source }),
        Err(_) => Err(ClientError::Late { url, waited: CONNECT_TIME }),
    }
}

#[cfg(unix)]
async fn connect_to_file(path: &Path) -> io::Result<Socket> {
    Ok(Box::new(tokio::net::UnixStream::connect(path).await?))
}

#[cfg(not(unix))]
async fn connect_to_file(_: &Path) -> io::Result<Socket> {
    Err(io::ErrorKind::Unsupported.into())
}
