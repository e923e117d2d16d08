//! Which service a line belongs to.
//!
//! # Invariants
//!
//! 1. Only the runtime's own span ([`SERVICE_SPAN_TARGET`], [`SERVICE_SPAN_NAME`]) and events of
//!    the framework's own targets name a service: a field that a user calls `service` is a field.
//! 2. The innermost wins, and a generation never goes with another service's name.
//! 3. Every span below a service span holds the scope itself, so that an event finds it in one
//!    step, however deep it is.

use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

use tracing::{
    Level, Metadata,
    field::{Field, Visit},
    span::Attributes,
};
use tracing_subscriber::{
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

/// The target of the span in which a service runs, and of the framework's own events.
///
/// The runtime makes that span so; nothing else names a service:
///
/// ```
/// let span = tracing::info_span!(
///     target: "processpype", "service", service = %"counter", generation = 1
/// );
/// # drop(span);
/// ```
pub const SERVICE_SPAN_TARGET: &str = "processpype";
/// The name of the span in which a service runs.
pub const SERVICE_SPAN_NAME: &str = "service";
/// The level of the span in which a service runs.
pub(crate) const SERVICE_SPAN_LEVEL: Level = Level::INFO;
/// The field that names the service.
pub(crate) const SERVICE_FIELD: &str = "service";
/// The field that counts the service's lives.
pub(crate) const GENERATION_FIELD: &str = "generation";

/// The service in which a span lies; kept in the extensions of the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The name of the service.
    pub(crate) service: Arc<str>,
    /// Which of its lives, if the span says so.
    pub(crate) generation: Option<u64>,
}

/// Reads the two fields of a service span.
#[derive(Default)]
struct ScopeVisitor {
    /// As it was recorded; without a name there is no scope.
    service: Option<String>,
    generation: Option<u64>,
}

/// Whether `metadata` is that of the runtime's span around a service.
pub(crate) fn is_service_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && metadata.name() == SERVICE_SPAN_NAME
        && metadata.target() == SERVICE_SPAN_TARGET
}

/// Whether `target` is one of the framework's own: `processpype`, its modules and its crates.
pub(crate) fn is_framework(target: &str) -> bool {
    target
        .strip_prefix(SERVICE_SPAN_TARGET)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('_'))
}

/// Whether events of this callsite say themselves to which service they belong.
pub(crate) fn names_service(metadata: &Metadata<'_>) -> bool {
    metadata.is_event()
        && is_framework(metadata.target())
        && metadata.fields().field(SERVICE_FIELD).is_some()
}

/// The scope of a new span: its own if it is a service span, else its parent's.
pub(crate) fn of_new_span<S>(attributes: &Attributes<'_>, span: &SpanRef<'_, S>) -> Option<Scope>
where
    S: for<'a> LookupSpan<'a>,
{
    own(attributes).or_else(|| span.parent().and_then(|parent| of_span(&parent)))
}

/// The scope that a span holds.
pub(crate) fn of_span<S>(span: &SpanRef<'_, S>) -> Option<Scope>
where
    S: for<'a> LookupSpan<'a>,
{
    span.extensions().get::<Scope>().cloned()
}

/// The service in whose span the current thread is.
pub(crate) fn current_service<S>(cx: &Context<'_, S>) -> Option<Arc<str>>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    cx.lookup_current().and_then(|span| of_span(&span)).map(|scope| scope.service)
}

/// The scope that a service span makes.
fn own(attributes: &Attributes<'_>) -> Option<Scope> {
    if !is_service_span(attributes.metadata()) {
        return None;
    }
    let mut visitor = ScopeVisitor::default();
    attributes.record(&mut visitor);
    let service = Arc::from(visitor.service?);
    Some(Scope { service, generation: visitor.generation })
}

// === impl ScopeVisitor ===

impl Visit for ScopeVisitor {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == GENERATION_FIELD {
            self.generation = Some(value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.record_u64(field, value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == SERVICE_FIELD {
            self.service = Some(value.to_owned());
        } else if let Ok(value) = value.parse() {
            // `generation = %n` is as good as `generation = n`.
            self.record_u64(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        if write!(text, "{value:?}").is_ok() {
            self.record_str(field, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_framework_is_told_from_its_neighbours() {
        for target in ["processpype", "processpype::supervisor", "processpype_runtime::x"] {
            assert!(is_framework(target), "{target}");
        }
        for target in ["processpypes", "my_processpype", "", "process"] {
            assert!(!is_framework(target), "{target}");
        }
    }
}
