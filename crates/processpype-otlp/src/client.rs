//! HTTP to the collector, from the exporter's own threads.
//!
//! # Invariants
//!
//! 1. A request ends within what is left of the time of its delivery, whatever the other side does.
//! 2. Of an answer no more than [`ANSWER_BYTES`] are read.
//! 3. Why a delivery went wrong is kept in its [`Report`]: the SDK's own exporter tells that to
//!    nobody.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use rustls_native_certs::load_native_certs;
use ureq::Agent;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::settings::Settings;

/// How much of an answer is read: it says at most what was not taken.
const ANSWER_BYTES: u64 = 64 * 1024;

/// A client that blocks the thread which exports.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    headers: HeaderMap,
    report: Report,
}

/// What is known of the delivery that is under way.
#[derive(Clone, Debug)]
pub(crate) struct Report(Arc<Mutex<Going>>);

#[derive(Debug)]
struct Going {
    /// How long a delivery may take.
    timeout: Duration,
    /// When this one has to be over.
    by: Instant,
    trouble: Option<String>,
    rejected: u64,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(settings: &Settings, report: Report) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("processpype-otlp/", env!("CARGO_PKG_VERSION")));
        let config = match settings.endpoint.starts_with("https:") {
            true => config.tls_config(TlsConfig::builder().root_certs(roots()).build()),
            false => config,
        };
        Self { agent: config.build().new_agent(), headers: headers(&settings.headers), report }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut parts, body) = request.into_parts();
        // The last word is the settings': the SDK takes more of them from the environment.
        for (name, value) in &self.headers {
            parts.headers.insert(name, value.clone());
        }
        let request = Request::from_parts(parts, &body[..]);
        let left = self.report.left().ok_or("its time is over")?;
        let request = self.agent.configure_request(request).timeout_global(Some(left)).build();
        let answer = self.agent.run(request)?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }
}

/// Those that can be sent; which cannot, the exporter has refused.
fn headers(written: &BTreeMap<String, String>) -> HeaderMap {
    let read = |(name, value): (&String, &String)| {
        let (name, mut value) =
            (name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?);
        // Nobody who writes a request, or this client, with `{:?}` may show it.
        value.set_sensitive(true);
        Some((name, value))
    };
    written.iter().filter_map(read).collect()
}

/// Whom the system believes (`SSL_CERT_FILE` names others); where it says nothing, whom Mozilla
/// does.
fn roots() -> RootCerts {
    let found = load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    let roots: Vec<_> = found.iter().map(|der| Certificate::from_der(der).to_owned()).collect();
    RootCerts::new_with_certs(&roots)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // It makes threads to look names up, and panics where there are no more.
        let sent = catch_unwind(AssertUnwindSafe(|| self.send(request)));
        let sent = sent.unwrap_or_else(|_| Err("it could not be begun".into()));
        self.report.note(&sent);
        sent
    }
}

// === impl Report ===

impl Report {
    pub(crate) fn new(timeout: Duration) -> Self {
        let going = Going { timeout, by: now(), trouble: None, rejected: 0 };
        Self(Arc::new(Mutex::new(going)))
    }

    fn going(&self) -> std::sync::MutexGuard<'_, Going> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A delivery begins: its time does, and nothing is known of it.
    pub(crate) fn begin(&self) {
        let mut going = self.going();
        going.by = now() + going.timeout;
        (going.trouble, going.rejected) = (None, 0);
    }

    /// What is left of its time.
    fn left(&self) -> Option<Duration> {
        let left = self.going().by.saturating_duration_since(now());
        (!left.is_zero()).then_some(left)
    }

    /// Keeps what came of one attempt.
    fn note(&self, sent: &Result<Response<Bytes>, HttpError>) {
        let (trouble, rejected) = match sent {
            Err(error) => (Some(error.to_string()), 0),
            Ok(answer) if !answer.status().is_success() => {
                (Some(format!("it answers {}", answer.status())), 0)
            }
            Ok(answer) => rejected(answer),
        };
        let mut going = self.going();
        (going.trouble, going.rejected) = (trouble, rejected);
    }

    /// Takes why the delivery went wrong, if it did, and how many of it were refused.
    pub(crate) fn take(&self) -> (Option<String>, u64) {
        let mut going = self.going();
        (going.trouble.take(), std::mem::take(&mut going.rejected))
    }
}

/// What a good answer says was not taken. Those of all signals are alike.
///
/// A page for people is somebody else's answer; what is in neither form is believed by its status.
fn rejected(answer: &Response<Bytes>) -> (Option<String>, u64) {
    let media = answer.headers().get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if media.starts_with(b"text/html") {
        return (Some("it answers, and not as a collector does".to_owned()), u64::MAX);
    }
    let Ok(answer) = ExportTraceServiceResponse::decode(&answer.body()[..]) else {
        return (None, 0);
    };
    let partial = answer.partial_success.unwrap_or_default();
    let count = u64::try_from(partial.rejected_spans).unwrap_or_default();
    let said = || format!("it refuses {count} of them: {}", partial.error_message);
    ((count > 0).then(said), count)
}

#[allow(clippy::disallowed_methods, reason = "a collector keeps no paused time")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_header_shows_in_debug() {
        let mut settings = Settings::new("http://localhost:4318", "shop");
        settings.headers.insert("authorization".to_owned(), "Bearer hunter22".to_owned());
        let client = Client::new(&settings, Report::new(settings.timeout));
        assert_eq!(client.headers["authorization"], "Bearer hunter22");
        for shown in [format!("{client:?}"), format!("{settings:?}")] {
            assert!(shown.contains("authorization") && !shown.contains("hunter22"), "{shown}");
        }
    }
}
