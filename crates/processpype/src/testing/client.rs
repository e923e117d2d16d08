//! A client of the application under test, as its control plane would see one on a socket.
//!
//! # Invariants
//!
//! 1. What a client may do is decided by the code that decides it for a real connection.

use std::net::Ipv4Addr;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use tower::ServiceExt as _;

use super::{TestApp, TestResponse};

/// Somebody who asks the application under test: the program itself, or a client that has to show
/// who it is.
///
/// See [`TestApp::local_client`] and [`TestApp::remote_client`].
#[derive(Clone, Debug)]
pub struct TestClient {
    router: Router,
    token: Option<String>,
}

// === impl TestApp ===

impl TestApp {
    /// Returns a client on this machine: what is open on loopback needs no token, the rest does.
    ///
    /// It is one of a listener with nothing set: `server.listeners` does not count.
    ///
    /// ```
    /// use processpype::config::Format;
    /// use processpype::{Application, Service, testing};
    ///
    /// struct Counter;
    /// impl Service for Counter {}
    ///
    /// const TOKENS: &str = "
    /// server: {auth: {tokens: [{name: ci, role: viewer, token: a-token-of-22-characters}]}}
    /// ";
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = Application::new().service(|| Counter);
    /// let app = testing::start(app.config_text("app.yaml", Format::Yaml, TOKENS)).await?;
    /// let client = app.local_client();
    /// assert_eq!(client.get("/services").await.status(), 200);
    /// assert_eq!(client.post("/services/counter/restart").await.status(), 200);
    /// assert_eq!(client.get("/events").await.status(), 401);
    /// let viewer = client.with_token("a-token-of-22-characters");
    /// assert_eq!(viewer.get("/events").await.status(), 200);
    /// assert_eq!(viewer.post("/reload").await.status(), 403);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn local_client(&self) -> TestClient {
        TestClient::new(self.server.router_from(Ipv4Addr::LOCALHOST.into()))
    }

    /// Returns a client on another machine: everything but probes and public routes needs a token.
    ///
    /// Its address is one that documents use (192.0.2.1, RFC 5737).
    ///
    /// ```
    /// use processpype::{Application, Routes, Service, testing};
    /// use std::sync::Arc;
    ///
    /// struct Shop;
    /// impl Service for Shop {
    ///     fn routes(self: Arc<Self>) -> Routes {
    ///         let offer = axum::routing::get(async || "apples");
    ///         Routes::from(axum::Router::new().route("/offer", offer)).public()
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let app = testing::start(Application::new().service(|| Shop)).await?;
    /// let client = app.remote_client();
    /// assert_eq!(client.get("/services/shop/offer").await.text(), "apples");
    /// assert_eq!(client.get("/services").await.status(), 401);
    /// # app.stop().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn remote_client(&self) -> TestClient {
        TestClient::new(self.server.router_from(Ipv4Addr::new(192, 0, 2, 1).into()))
    }
}

// === impl TestClient ===

impl TestClient {
    pub(super) fn new(router: Router) -> Self {
        Self { router, token: None }
    }

    /// The same client with a token, which it sends with every request.
    ///
    /// It counts if the configuration under test has it, in `server.auth.tokens`.
    #[must_use]
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Sends `GET path`.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// Sends `POST path` without a body.
    pub async fn post(&self, path: &str) -> TestResponse {
        self.send(Method::POST, path, Body::empty()).await
    }

    /// Sends a JSON body.
    pub async fn post_json(&self, path: &str, body: &serde_json::Value) -> TestResponse {
        self.send(Method::POST, path, Body::from(body.to_string())).await
    }

    /// Sends any request as it is; the client's token is not added.
    pub async fn request(&self, request: Request<Body>) -> TestResponse {
        match self.router.clone().oneshot(request).await {
            Ok(response) => TestResponse::read(response).await,
            Err(never) => match never {},
        }
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> TestResponse {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        match request.body(body) {
            Ok(request) => self.request(request).await,
            Err(error) => TestResponse::unsendable(&error.to_string()),
        }
    }
}
