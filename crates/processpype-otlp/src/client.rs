//! HTTP to the collector, from the exporter's own threads.
//!
//! # Invariants
//!
//! 1. A request ends within its time, whatever the other side does.
//! 2. Of an answer no more than [`ANSWER_BYTES`] are read.

use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How much of an answer is read: it says at most what was not taken.
const ANSWER_BYTES: u64 = 64 * 1024;

/// A client that blocks the thread which exports.
#[derive(Debug)]
pub(crate) struct Client(Agent);

// === impl Client ===

impl Client {
    pub(crate) fn new(timeout: Duration) -> Self {
        let tls = TlsConfig::builder().root_certs(roots()).build();
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("processpype-otlp/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Self(config.new_agent())
    }
}

/// Whom the system believes (`SSL_CERT_FILE` names others); where it says nothing, whom Mozilla
/// does.
fn roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    let roots: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    RootCerts::new_with_certs(&roots)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.0.run(Request::from_parts(parts, &body[..]))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}
