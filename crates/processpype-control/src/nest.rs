//! The control plane inside another HTTP server, which is the embedding program's.
//!
//! # Invariants
//!
//! 1. Who asks that way is from elsewhere, whatever address they have: nothing is open to them that
//!    would not be on a listener that other machines can reach. Where a proxy stands before the
//!    program, everybody comes from loopback.
//! 2. It proves nobody's right by itself: tokens of the configuration count, and nothing that the
//!    program says. Without one there is no router.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::{HeaderValue, Version};

use crate::entry::Entry;
use crate::gate::{Gate, Peer, Visitor};
use crate::own;
use crate::server::Control;

/// The control plane, for a server that is not its own.
///
/// It outlives the [`Server`](crate::Server), whose end ends its streams.
#[derive(Clone, Debug)]
pub struct Nest(Arc<Control>);

/// Why the control plane is not given to another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NestError {
    /// There is no token to ask clients for.
    NoTokens,
}

// === impl Nest ===

impl Nest {
    pub(crate) fn new(control: &Arc<Control>) -> Self {
        Self(Arc::clone(control))
    }

    /// Returns the whole control plane as a router that asks everybody for a token.
    ///
    /// `reached` prepares each request and says from which address it comes. All whose address is
    /// not known share the limits of one client.
    ///
    /// # Errors
    ///
    /// Returns [`NestError`] if there is no token that anybody could have.
    pub fn router(
        &self,
        reached: impl Fn(&mut Request) -> Option<IpAddr> + Clone + Send + Sync + 'static,
    ) -> Result<Router, NestError> {
        if !self.0.settings.has_tokens() {
            return Err(NestError::NoTokens);
        }
        let entry = Entry::new(&self.0);
        let answer = move |mut request: Request| {
            let peer = reached(&mut request).map_or(Peer::User(None), Peer::Address);
            let visitor = Visitor { gate: Gate::ELSEWHERE, peer, certificate: None };
            name_host(&mut request);
            let own = own::service(request.uri().path().as_bytes(), entry.control.prefix());
            let entry = entry.clone();
            async move { entry.answer(visitor, request, own).await }
        };
        Ok(Router::new().fallback(answer))
    }
}

/// HTTP/2 has the host in the address alone; all that is checked is checked in the header.
fn name_host(request: &mut Request) {
    if request.version() < Version::HTTP_2 || request.headers().contains_key(HOST) {
        return;
    }
    let authority = request.uri().authority().map(|host| HeaderValue::from_str(host.as_str()));
    if let Some(Ok(host)) = authority {
        request.headers_mut().insert(HOST, host);
    }
}

// === impl NestError ===

impl fmt::Display for NestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTokens => f.write_str(
                "whoever reaches the other server could stop services, and there is no token to \
                 ask them for; add one to `server.auth.tokens`",
            ),
        }
    }
}

impl std::error::Error for NestError {}
