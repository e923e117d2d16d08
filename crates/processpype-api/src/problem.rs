//! Problems as RFC 9457 describes them, with stable codes.
//!
//! # Invariants
//!
//! 1. A [`Code`] has one status, between 400 and 599, and never changes its meaning.
//! 2. Every text in a [`Problem`] may be shown to anybody who can reach the server.

mod advice;
mod fault;

use std::borrow::Cow;

use serde::Serialize;

pub use self::fault::Fault;
use crate::probe::Unready;
use crate::status::ServiceState;

/// What went wrong, as a stable word; `code` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Code {
    /// The request cannot be understood as HTTP for this server.
    MalformedRequest,
    /// It needs a token and has none, or a wrong one.
    Unauthenticated,
    /// A browser sent it on behalf of another site.
    CrossOrigin,
    /// The token's role is too small.
    Forbidden,
    /// No service has this name.
    UnknownService,
    /// There was no operation of this id in this run of the application.
    UnknownOperation,
    /// The operation ended so long ago that it is not known any more.
    OperationForgotten,
    /// Services of this kind may not be made at run time.
    KindNotCreatable,
    /// The application cannot be closed over HTTP.
    ShutdownDisabled,
    /// There is nothing at this path.
    UnknownPath,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The request did not arrive, or could not be answered, in time.
    RequestTimeout,
    /// The service is `enabled: false`.
    Disabled,
    /// A later command, or closing, took this one's place.
    Superseded,
    /// Somebody cancelled the operation.
    Cancelled,
    /// The operation has ended, or is a stop.
    NotCancellable,
    /// The service is in another generation than the request expects.
    StalePrecondition,
    /// The service failed with a new configuration, and the old one holds again.
    RolledBack,
    /// The application was put together without what checks configuration.
    NotConfigurable,
    /// There is a service of this name already.
    NameTaken,
    /// Others depend on the service.
    StillNeeded,
    /// No more services can join at run time.
    TooManyServices,
    /// A provider was stopped by an operator.
    ProviderStopped,
    /// What is left of the last generation may still run.
    Orphaned,
    /// The body is longer than the limit.
    BodyTooLarge,
    /// The address is longer than the limit.
    UriTooLong,
    /// The head of the request is longer than the limit, or has more headers.
    HeadTooLarge,
    /// The body is not JSON by its content type.
    UnsupportedMediaType,
    /// The `Host` header names no host of this server.
    UnknownHost,
    /// The body is no JSON text.
    MalformedBody,
    /// The body does not fit its schema.
    InvalidBody,
    /// A configuration, of a service or of the files, is not valid.
    InvalidConfig,
    /// The service does not fit into the application: its providers, its edges, its group.
    UnfitService,
    /// A query parameter is unknown or wrong.
    InvalidQuery,
    /// The key of the request belongs to another one.
    IdempotencyConflict,
    /// The same client asks too often.
    TooManyRequests,
    /// A bug in Processpype.
    Internal,
    /// The service's own handler panicked.
    HandlerPanicked,
    /// The new generation failed.
    StartFailed,
    /// The service did not end as it should.
    StopFailed,
    /// The log belongs to the program that the application is a part of.
    LogsUnavailable,
    /// The service does not run, so its routes do not answer.
    ServiceUnavailable,
    /// A service that should be ready is not.
    NotReady,
    /// The start of the application is not over.
    NotStarted,
    /// The application closes.
    Closing,
    /// A limit on what happens at once is reached.
    Busy,
}

/// An error answer, `application/problem+json`.
///
/// ```
/// use processpype_api::{Code, Problem};
///
/// let problem = Problem::new(Code::Disabled, "service `mail` is disabled");
/// assert_eq!((problem.code(), problem.status()), (Code::Disabled, 409));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problem(Box<Told>);

/// Boxed, because most results are no problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Told {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    #[serde(serialize_with = "as_word")]
    code: Code,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<ServiceState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unready: Vec<Unready>,
    #[serde(skip)]
    retry_after: Option<u64>,
    #[serde(skip)]
    allow: Option<Cow<'static, str>>,
}

// === impl Code ===

impl Code {
    /// Every code.
    pub const ALL: &'static [Self] = &[
        Self::MalformedRequest,
        Self::Unauthenticated,
        Self::CrossOrigin,
        Self::Forbidden,
        Self::UnknownService,
        Self::UnknownOperation,
        Self::OperationForgotten,
        Self::KindNotCreatable,
        Self::ShutdownDisabled,
        Self::UnknownPath,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::Disabled,
        Self::Superseded,
        Self::Cancelled,
        Self::NotCancellable,
        Self::StalePrecondition,
        Self::RolledBack,
        Self::NotConfigurable,
        Self::NameTaken,
        Self::StillNeeded,
        Self::TooManyServices,
        Self::ProviderStopped,
        Self::Orphaned,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::HeadTooLarge,
        Self::UnsupportedMediaType,
        Self::UnknownHost,
        Self::MalformedBody,
        Self::InvalidBody,
        Self::InvalidConfig,
        Self::UnfitService,
        Self::InvalidQuery,
        Self::IdempotencyConflict,
        Self::TooManyRequests,
        Self::Internal,
        Self::HandlerPanicked,
        Self::LogsUnavailable,
        Self::StartFailed,
        Self::StopFailed,
        Self::ServiceUnavailable,
        Self::NotReady,
        Self::NotStarted,
        Self::Closing,
        Self::Busy,
    ];

    /// Returns status, word and title.
    const fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (400, "malformed-request", "Malformed request"),
            Self::Unauthenticated => (401, "unauthenticated", "A token is needed"),
            Self::CrossOrigin => (403, "cross-origin", "Request of another site"),
            Self::Forbidden => (403, "forbidden", "Not allowed"),
            Self::KindNotCreatable => (403, "kind-not-creatable", "Kind is not creatable"),
            Self::ShutdownDisabled => (403, "shutdown-disabled", "Shutdown is off"),
            Self::UnknownService => (404, "unknown-service", "Unknown service"),
            Self::UnknownOperation => (404, "unknown-operation", "Unknown operation"),
            Self::OperationForgotten => (404, "operation-forgotten", "Operation is forgotten"),
            Self::UnknownPath => (404, "unknown-path", "Nothing here"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "Method not allowed"),
            Self::RequestTimeout => (408, "request-timeout", "Request timed out"),
            Self::Disabled => (409, "disabled", "Service is disabled"),
            Self::Superseded => (409, "superseded", "Superseded by a later command"),
            Self::Cancelled => (409, "cancelled", "Operation was cancelled"),
            Self::NotCancellable => (409, "not-cancellable", "Operation cannot be cancelled"),
            Self::StalePrecondition => (409, "stale-precondition", "Another generation"),
            Self::NameTaken => (409, "name-taken", "There is a service of this name"),
            Self::StillNeeded => (409, "still-needed", "Others depend on the service"),
            Self::TooManyServices => (409, "too-many-services", "No more services can join"),
            Self::ProviderStopped => (409, "provider-stopped", "A provider is stopped"),
            Self::Orphaned => (409, "orphaned", "Last generation is still there"),
            Self::BodyTooLarge => (413, "body-too-large", "Body too large"),
            Self::UriTooLong => (414, "uri-too-long", "Address too long"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "Not a JSON body"),
            Self::UnknownHost => (421, "unknown-host", "Not a host of this server"),
            Self::MalformedBody => (422, "malformed-body", "Malformed JSON"),
            Self::RolledBack => (409, "rolled-back", "Old configuration holds again"),
            Self::NotConfigurable => (409, "not-configurable", "Configuration is fixed"),
            Self::InvalidConfig => (422, "invalid-config", "Invalid configuration"),
            Self::InvalidBody => (422, "invalid-body", "Invalid body"),
            Self::UnfitService => (422, "unfit-service", "Service does not fit"),
            Self::InvalidQuery => (422, "invalid-query", "Invalid query"),
            Self::IdempotencyConflict => (422, "idempotency-conflict", "Key of another request"),
            Self::HeadTooLarge => (431, "head-too-large", "Head too large"),
            Self::TooManyRequests => (429, "too-many-requests", "Too many requests"),
            Self::Internal => (500, "internal", "Internal error"),
            Self::HandlerPanicked => (500, "handler-panicked", "The service's handler panicked"),
            Self::LogsUnavailable => (501, "logs-unavailable", "The log is not the application's"),
            Self::StartFailed => (503, "start-failed", "Start failed"),
            Self::StopFailed => (503, "stop-failed", "Stop failed"),
            Self::ServiceUnavailable => (503, "service-unavailable", "Service does not run"),
            Self::NotReady => (503, "not-ready", "Not ready"),
            Self::NotStarted => (503, "not-started", "Not started yet"),
            Self::Closing => (503, "closing", "Application is closing"),
            Self::Busy => (503, "busy", "Too much at once"),
        }
    }

    /// Returns the HTTP status, always 4xx or 5xx.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.parts().0
    }

    /// Returns the word as it stands on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.parts().1
    }

    /// Returns the title for people, the same for every problem of this code.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.parts().2
    }
}

// === impl Problem ===

impl Problem {
    /// Makes a problem whose `detail` may be shown to anybody.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Told {
            kind: format!("/docs#problem-{}", code.as_str()),
            title: code.title(),
            status: code.status(),
            code,
            detail: detail.into(),
            instance: None,
            help: None,
            service: None,
            state: None,
            provider: None,
            operation: None,
            errors: Vec::new(),
            unready: Vec::new(),
            retry_after: None,
            allow: None,
        }))
    }

    /// Puts the documentation page, to which `type` leads, below `prefix`.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.0.kind = format!("{prefix}/docs#problem-{}", self.0.code.as_str());
        self
    }

    /// Says which request it is about: its path.
    #[must_use]
    pub fn instance(mut self, path: impl Into<String>) -> Self {
        self.0.instance = Some(path.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.0.help = Some(text.into());
        self
    }

    /// Says which service it is about.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.0.service = Some(name.into());
        self
    }

    /// Says where that service is.
    #[must_use]
    pub fn state(mut self, state: impl Into<ServiceState>) -> Self {
        self.0.state = Some(state.into());
        self
    }

    /// Says more exactly what is in the way.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = detail.into();
        self
    }

    /// Says which provider is in the way.
    #[must_use]
    pub fn provider(mut self, name: impl Into<String>) -> Self {
        self.0.provider = Some(name.into());
        self
    }

    /// Says which operation it is about.
    #[must_use]
    pub fn operation(mut self, id: u64) -> Self {
        self.0.operation = Some(id);
        self
    }

    /// Lists the mistakes.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Fault>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Lists the services that should be ready and are not.
    #[must_use]
    pub fn unready(mut self, services: Vec<Unready>) -> Self {
        self.0.unready = services;
        self
    }

    /// Sends a `Retry-After` header, in seconds (at least 1).
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds.max(1));
        self
    }

    /// Sends an `Allow` header: the methods, joined by commas.
    #[must_use]
    pub fn allow(mut self, methods: impl Into<Cow<'static, str>>) -> Self {
        self.0.allow = Some(methods.into());
        self
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Returns the HTTP status, always 4xx or 5xx.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Returns what the `Retry-After` header should say, in seconds.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.0.retry_after
    }

    /// Returns what the `Allow` header should say.
    #[must_use]
    pub fn allowed_methods(&self) -> Option<&str> {
        self.0.allow.as_deref()
    }

    /// Returns the text for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.detail
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn as_word<S: serde::Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_are_distinct_and_only_errors() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| (400..600).contains(&code.status())));
        assert!(Code::ALL.iter().all(|code| !code.advice().is_empty()));
    }

    #[test]
    fn absent_members_are_left_out() {
        let problem = Problem::new(Code::Busy, "too many streams").under("/x").retry_after(0);
        assert_eq!(problem.retry_after_seconds(), Some(1));
        let json = serde_json::to_value(problem).expect("plain values");
        let expected = serde_json::json!({
            "type": "/x/docs#problem-busy", "title": "Too much at once", "status": 503,
            "code": "busy", "detail": "too many streams",
        });
        assert_eq!(json, expected);
    }
}
