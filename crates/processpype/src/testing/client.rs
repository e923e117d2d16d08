//! A client of the application under test, as its control plane would see one on a socket.
//!
//! # Invariants
//!
//! 1. What a client may do is decided by the code that decides it for a real connection.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, header};
use tower::ServiceExt as _;

use super::TestResponse;

/// Somebody who asks the application under test: the program itself, or a client that has to show
/// who it is.
///
/// See [`TestApp::local_client`](super::TestApp::local_client) and
/// [`remote_client`](super::TestApp::remote_client).
#[derive(Clone, Debug)]
pub struct TestClient {
    router: Router,
    token: Option<String>,
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
