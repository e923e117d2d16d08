//! The span of a request.
//!
//! # Invariants
//!
//! 1. A trace that began elsewhere goes on: the span's parent is what `traceparent` names (W3C
//!    Trace Context).
//! 2. Names are few: a span is called by its method and the template of its route, as
//!    OpenTelemetry's conventions for HTTP ask for.
//! 3. Probes and metrics make no spans: somebody asks for them every few seconds, for ever.

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Status, TraceContextExt as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use processpype_telemetry::{AnswerHead, RequestHead, RequestSpans};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::whose::SERVICE;

/// The target of requests' spans.
pub(crate) const TARGET: &str = "processpype::request";

/// The methods that are told apart; others are `_OTHER`.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// What begins so is asked for again and again.
const UNSEEN: [&str; 2] = ["/health/", "/metrics"];

/// Makes spans of requests.
#[derive(Debug, Default)]
pub(crate) struct Requests(TraceContextPropagator);

/// The headers of a request, as a propagator reads them.
struct Headers<'a, 'b>(&'b RequestHead<'a>);

// === impl Requests ===

impl RequestSpans for Requests {
    fn begin(&self, request: &RequestHead<'_>) -> Span {
        if UNSEEN.iter().any(|path| request.path.starts_with(path)) {
            return Span::none();
        }
        let method = known(request.method);
        let span = tracing::info_span!(
            target: TARGET, parent: None, "request",
            otel.kind = "server", http.request.method = method, url.path = request.path
        );
        let parent = self.0.extract_with_context(&Context::new(), &Headers(request));
        if parent.has_active_span() {
            // It fails only once the span has begun, and nobody has seen it yet.
            let _ = span.set_parent(parent);
        }
        span
    }

    fn end(&self, span: &Span, answer: &AnswerHead<'_>) {
        let cx = span.context();
        let otel = cx.span();
        otel.set_attribute(KeyValue::new("http.response.status_code", i64::from(answer.status)));
        let method = known(answer.method);
        otel.update_name(match answer.route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        });
        if let Some(route) = answer.route {
            otel.set_attribute(KeyValue::new("http.route", route.to_owned()));
        }
        if let Some(service) = answer.service {
            otel.set_attribute(KeyValue::new(SERVICE, service.to_owned()));
        }
        if answer.status >= 500 {
            otel.set_attribute(KeyValue::new("error.type", answer.status.to_string()));
            otel.set_status(Status::error(""));
        }
    }
}

fn known(method: &str) -> &'static str {
    METHODS.iter().find(|known| **known == method).copied().unwrap_or("_OTHER")
}

// === impl Headers ===

impl Extractor for Headers<'_, '_> {
    fn get(&self, key: &str) -> Option<&str> {
        (self.0.header)(key)
    }

    fn keys(&self) -> Vec<&str> {
        // The propagator asks for its own by name.
        Vec::new()
    }
}
