//! What stands in for TLS where it is not built in: nothing can be opened.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use processpype_runtime::{Manager, Timestamp};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Refused, Tls, TlsError, TlsFault, TlsKey};
use crate::certificate::CertificateRule;

/// There is none.
#[derive(Debug)]
pub(crate) struct Acceptor(Infallible);

/// There is none.
#[derive(Debug)]
pub(crate) struct TlsStream(Infallible);

pub(crate) fn check(tls: &Tls, _: Timestamp) -> Result<(), TlsError> {
    Err(TlsError::new(TlsKey::Whole, &tls.certificate, TlsFault::NotBuiltIn))
}

// === impl Acceptor ===

impl Acceptor {
    pub(crate) fn open(
        tls: &Tls,
        _: Vec<CertificateRule>,
        now: Timestamp,
    ) -> Result<Self, TlsError> {
        match check(tls, now) {
            Ok(()) => unreachable!("without TLS every check fails"),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn accept(&self, _: TcpStream) -> io::Result<(TlsStream, Option<u16>)> {
        match self.0 {}
    }

    pub(crate) fn expires(&self) -> Timestamp {
        match self.0 {}
    }

    pub(crate) fn refused(&self) -> Option<Arc<Refused>> {
        match self.0 {}
    }

    pub(crate) async fn renew_forever(&self, _: &Manager) {
        match self.0 {}
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
