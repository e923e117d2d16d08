//! Which service a span belongs to.
//!
//! # Invariants
//!
//! 1. The span in which a service runs is not exported: it lives as long as the service does, so a
//!    trace of it would never end. It names the service of what happens in it.
//! 2. What a thread remembers is written just before the bridge can begin a span; between that it
//!    is the owner of the span which the thread is in.
//!
//! # Why it is remembered
//!
//! The bridge from `tracing` begins a span of OpenTelemetry when it is entered, closed, or a child
//! of it is made, and shows nobody which span of `tracing` that is for. This layer stands before
//! it and sees the same calls first.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use opentelemetry::trace::Span as _;
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use processpype_telemetry::{SERVICE_SPAN_NAME, SERVICE_SPAN_TARGET};
use thread_local::ThreadLocal;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The attribute that names the service of a span or a line.
pub(crate) const SERVICE: &str = "processpype.service";

/// The attribute that tells which life of the service it was.
pub(crate) const GENERATION: &str = "processpype.generation";

/// The service that each thread is about to begin a span of.
type Seen = Arc<ThreadLocal<RefCell<Option<Arc<Owner>>>>>;

/// A life of a service.
#[derive(Debug, Default)]
struct Owner {
    service: String,
    generation: Option<i64>,
}

/// What a span of `tracing` keeps.
struct Belongs(Arc<Owner>);

/// Sees whose span is entered; it stands before the bridge.
#[derive(Debug)]
pub(crate) struct Looking(Seen);

/// Sees to it that what was only true for the bridge is not left behind; it stands after it.
#[derive(Debug)]
pub(crate) struct LookingBack(Looking);

/// Writes whose it is on each span that begins.
#[derive(Debug)]
pub(crate) struct Naming(Seen);

/// Makes those that belong together.
pub(crate) fn all() -> (Looking, LookingBack, Naming) {
    let seen = Seen::default();
    let looking = || Looking(Arc::clone(&seen));
    (looking(), LookingBack(looking()), Naming(Arc::clone(&seen)))
}

/// Whether this is the runtime's span around a service.
pub(crate) fn is_service_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && metadata.name() == SERVICE_SPAN_NAME
        && metadata.target() == SERVICE_SPAN_TARGET
}

// === impl Looking ===

impl Looking {
    fn look<S>(&self, id: &Id, cx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let owner = cx.span(id).and_then(|span| {
            span.extensions().get::<Belongs>().map(|Belongs(owner)| Arc::clone(owner))
        });
        *self.0.get_or_default().borrow_mut() = owner;
    }

    /// Whoever begins a span without `tracing` is in this one.
    fn look_at_current<S>(&self, cx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        match cx.lookup_current() {
            Some(current) => self.look(&current.id(), cx),
            None => *self.0.get_or_default().borrow_mut() = None,
        }
    }
}

impl<S> Layer<S> for Looking
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        let owner = match is_service_span(attributes.metadata()) {
            true => {
                let mut owner = Owner::default();
                attributes.record(&mut owner);
                Some(Arc::new(owner))
            }
            false => span.parent().and_then(|parent| {
                parent.extensions().get::<Belongs>().map(|Belongs(owner)| Arc::clone(owner))
            }),
        };
        if let Some(owner) = owner {
            span.extensions_mut().replace(Belongs(owner));
        }
        self.look(id, &cx);
    }

    fn on_enter(&self, id: &Id, cx: Context<'_, S>) {
        self.look(id, &cx);
    }

    fn on_exit(&self, _: &Id, cx: Context<'_, S>) {
        self.look_at_current(&cx);
    }

    fn on_close(&self, id: Id, cx: Context<'_, S>) {
        // If it was never entered, the bridge begins it after this.
        self.look(&id, &cx);
    }
}

// === impl LookingBack ===

impl<S> Layer<S> for LookingBack
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, _: &Attributes<'_>, _: &Id, cx: Context<'_, S>) {
        self.0.look_at_current(&cx);
    }

    fn on_close(&self, _: Id, cx: Context<'_, S>) {
        self.0.look_at_current(&cx);
    }
}

// === impl Owner ===

impl Visit for Owner {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "generation" {
            self.generation = i64::try_from(value).ok();
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "service" {
            value.clone_into(&mut self.service);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        if write!(text, "{value:?}").is_ok() {
            self.record_str(field, &text);
        }
    }
}

// === impl Naming ===

impl SpanProcessor for Naming {
    fn on_start(&self, span: &mut Span, _: &OtelContext) {
        let Some(owner) = self.0.get_or_default().borrow().clone() else { return };
        span.set_attribute(KeyValue::new(SERVICE, owner.service.clone()));
        if let Some(generation) = owner.generation {
            span.set_attribute(KeyValue::new(GENERATION, generation));
        }
    }

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}
