//! The control plane inside the HTTP server of the program that the application is part of.
//!
//! # Invariants
//!
//! 1. It asks everybody for a token: whom the program itself knows, and where a request comes from,
//!    opens nothing.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{ConnectInfo, OriginalUri, Request};
use processpype_control::NestError;

use super::Running;

// === impl Running ===

impl Running {
    /// Returns the control plane as a router, for the program's own HTTP server.
    ///
    /// All of it is there: the API, the services' own routes, probes and metrics. What the program
    /// has itself goes first if this is its fallback. For a place below a path, set
    /// `server.api_prefix` to that path, and nest the router there; the probes stay at the root,
    /// for which it has to be the fallback, too.
    ///
    /// ```
    /// use axum::{Router, routing::get};
    /// use processpype::config::Format;
    /// use processpype::{Application, Service};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// const FILE: &str = "
    /// server: {auth: {tokens: [{name: ops, role: operator, token: a-token-of-22-characters}]}}
    /// ";
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().service(|| Counter).without_server();
    /// let running = app.config_text("app.yaml", Format::Yaml, FILE).start().await?;
    /// let router: Router = Router::new()
    ///     .route("/hello", get(async || "hello"))
    ///     .fallback_service(running.router()?);
    /// # drop(router);
    /// # running.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Who may call
    ///
    /// What is said in the file, by the framework: as on a listener that other machines can reach,
    /// everything but the probes and the public routes of services asks for a token of
    /// `server.auth.tokens`, from loopback as well. `Host` and `Origin` are checked, with the names
    /// in `server.allowed_hosts`. A program that has found out by other means who asks, in a layer
    /// before this one, writes a token of the right role into `Authorization`.
    ///
    /// Bodies, commands and event streams have their limits here. Commands and streams are counted
    /// for each client where axum tells its address
    /// (`into_make_service_with_connect_info::<SocketAddr>()`); otherwise all share those of one. A
    /// header that a proxy writes is never believed.
    ///
    /// What is about connections is the program's: TLS, how many there are, how slow they may be.
    ///
    /// # At the end
    ///
    /// It goes on answering while the application stops, and its event streams end when that has;
    /// so stop the application before the server, which waits for them:
    /// `.with_graceful_shutdown(async { running.stop().await; })`.
    ///
    /// # Errors
    ///
    /// Returns [`NestError`] if the configuration has no token.
    pub fn router(&self) -> Result<Router, NestError> {
        self.nest.router(reached)
    }
}

/// Gives a request the address that it was sent to, before any nesting, and says who has sent it.
fn reached(request: &mut Request) -> Option<IpAddr> {
    if let Some(OriginalUri(uri)) = request.extensions_mut().remove() {
        *request.uri_mut() = uri;
    }
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map(|ConnectInfo(address)| address.ip())
}
