//! A way for finished lines, and for the spans of requests, to a second place beside the log.
//!
//! # Invariants
//!
//! 1. What a [`Tap`] is given was made as the log shows it: levels, secrets and bounds hold.
//! 2. Without a tap a line costs one comparison more, and so does a request without spans.

use std::{fmt, time::SystemTime};

use tracing::Span;

/// Takes each line that the log shows, as parts.
///
/// It is called on the thread that logs, once the line is made: it must not block, and what it logs
/// itself comes back to it.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use processpype_telemetry::{LoggingConfig, Tap, TappedLine, Telemetry};
///
/// #[derive(Debug, Default)]
/// struct Messages(Mutex<Vec<String>>);
///
/// impl Tap for Messages {
///     fn line(&self, line: &TappedLine<'_>) {
///         self.0.lock().unwrap().push(line.message.to_owned());
///     }
/// }
///
/// let messages = Arc::new(Messages::default());
/// let builder = Telemetry::builder(LoggingConfig::default()).writer(std::io::sink());
/// let (subscriber, _log) = builder.tap(messages.clone()).build()?;
/// tracing::subscriber::with_default(subscriber, || tracing::info!(count = 3, "hello"));
/// assert_eq!(*messages.0.lock().unwrap(), ["hello"]);
/// # Ok::<(), processpype_telemetry::TelemetryError>(())
/// ```
pub trait Tap: fmt::Debug + Send + Sync {
    /// Takes a line.
    fn line(&self, line: &TappedLine<'_>);
}

/// A line of the log, in parts. Secrets are hidden in all of them.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TappedLine<'a> {
    /// When it was logged.
    pub at: SystemTime,
    /// How severe it is.
    pub level: tracing::Level,
    /// Who logged it: a module's path, if nothing else was said.
    pub target: &'a str,
    /// The service that it belongs to.
    pub service: Option<&'a str>,
    /// Which life of that service.
    pub generation: Option<u64>,
    /// What it says, with what JSON escapes within quotes.
    pub message: &'a str,
    /// Its fields, as the members of a JSON object without its braces.
    pub fields: &'a str,
}

/// Makes the span in which a request is answered.
///
/// For the control plane, which calls it for every request that passes its checks of host and
/// origin; a handler of a service runs within that span and the service's own.
pub trait RequestSpans: fmt::Debug + Send + Sync {
    /// Begins the span of a request. [`Span::none`] costs the request nothing more.
    fn begin(&self, request: &RequestHead<'_>) -> Span;

    /// The request has its answer. Of a body that is still to come nothing is known.
    fn end(&self, span: &Span, answer: &AnswerHead<'_>);
}

/// What is known of a request when it comes.
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// As it was sent, such as `GET`.
    pub method: &'a str,
    /// The path, without the query.
    pub path: &'a str,
    /// Looks up a header by its name in lower case.
    pub header: &'a dyn Fn(&str) -> Option<&'a str>,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AnswerHead<'a> {
    /// The request's method, as it was sent.
    pub method: &'a str,
    /// The status, such as 200.
    pub status: u16,
    /// The template of the route, such as `/services/{name}`; none where there is no such route.
    pub route: Option<&'a str>,
    /// The service whose own route it was.
    pub service: Option<&'a str>,
}

// === impl RequestHead ===

impl<'a> RequestHead<'a> {
    /// Puts together what is known of a request.
    #[must_use]
    pub fn new(
        method: &'a str,
        path: &'a str,
        header: &'a dyn Fn(&str) -> Option<&'a str>,
    ) -> Self {
        Self { method, path, header }
    }
}

impl fmt::Debug for RequestHead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, .. } = self;
        f.debug_struct("RequestHead").field("method", method).field("path", path).finish()
    }
}

// === impl AnswerHead ===

impl<'a> AnswerHead<'a> {
    /// Puts together what is known of an answer.
    #[must_use]
    pub fn new(
        method: &'a str,
        status: u16,
        route: Option<&'a str>,
        service: Option<&'a str>,
    ) -> Self {
        Self { method, status, route, service }
    }
}
