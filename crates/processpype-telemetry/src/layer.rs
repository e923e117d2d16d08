//! From an event to a line: the layer, and the filter that stands before it.
//!
//! # Invariants
//!
//! 1. What is disabled costs no more than `tracing` itself: the filter's answer is cached by
//!    callsite, and asked each time only where it depends on the service.
//! 2. Making a line takes no lock but for the copy into [`Logs`], does no I/O, and runs user code
//!    only in `value`.
//! 3. A finished line leaves through one [`Sink`], and is kept in [`Logs`], whatever becomes of it
//!    there.

use std::sync::Arc;

use tracing::{
    Event, Metadata, Subscriber, level_filters::LevelFilter, span, subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, Filter},
    registry::LookupSpan,
};

use crate::{
    clock::Clock,
    collect::Collector,
    kept::{Logs, Rendered},
    layout::{Head, Layout},
    levels::Levels,
    queue::Sink,
    redact::{Redactor, SensitiveFields},
    scope::{self, Scope},
    scratch::{Scratch, Scratches},
    tap::{Tap, TappedLine},
    zone::Timezone,
};

/// Makes lines of events.
pub(crate) struct LogLayer {
    /// Nothing else listens: what the levels do not show is disabled for the whole subscriber.
    /// Otherwise a [`LevelsFilter`] stands before this layer, and others see what they like; then
    /// `tracing-subscriber` evaluates the fields of an event of mixed interest in any case.
    pub(crate) alone: bool,
    /// How a line looks.
    pub(crate) layout: Layout,
    /// Where its time comes from.
    pub(crate) clock: Clock,
    /// Where people read it.
    pub(crate) zone: Timezone,
    /// What is shown; shared with the handle.
    pub(crate) levels: Levels,
    /// What is hidden by value; shared with the handle.
    pub(crate) redactor: Redactor,
    /// What is hidden by name.
    pub(crate) sensitive: SensitiveFields,
    /// Where finished lines are kept; shared with the handle.
    pub(crate) logs: Logs,
    /// Where finished lines go.
    pub(crate) sink: Arc<dyn Sink>,
    /// Where they go in parts, if anywhere.
    pub(crate) tap: Option<Arc<dyn Tap>>,
    /// Where lines are made.
    pub(crate) scratches: Scratches,
}

/// Lets through what the levels show, for one layer among others.
pub(crate) struct LevelsFilter(pub(crate) Levels);

// === impl LogLayer ===

impl LogLayer {
    /// Makes the line of `event` in `scratch`, and keeps it in memory; returns whether it is to be
    /// shown.
    fn make(&self, event: &Event<'_>, scope: Option<&Scope>, scratch: &mut Scratch) -> bool {
        let metadata = event.metadata();
        scratch.clear();
        let callsite = scratch.callsite(metadata, &self.sensitive);
        event.record(&mut Collector {
            layout: self.layout,
            callsite,
            needles: &self.redactor.needles(),
            sensitive: &self.sensitive,
            value: &mut scratch.value,
            parts: &mut scratch.parts,
        });
        let Scratch { parts, line, json, time, stamp, .. } = scratch;
        let (service, generation) = innermost(&parts.service, parts.generation, scope);
        if !self.levels.confirms(metadata, service) {
            return false;
        }
        let at = self.clock.now();
        stamp.write(time, at, &self.zone, self.layout.digits());
        let (level, target) = (*metadata.level(), metadata.target());
        let head = Head { time, level, target, service, generation };
        self.layout.line(line, &head, &parts.message, &parts.fields);
        let (json, message, fields) = match self.layout {
            Layout::Json => (&*line, &parts.message, &parts.fields),
            Layout::Text(_) => {
                let (message, fields) = (&parts.json_message, &parts.json_fields);
                Layout::Json.line(json, &head, message, fields);
                (&*json, message, fields)
            }
        };
        if let Some(tap) = &self.tap {
            tap.line(&TappedLine { at, level, target, service, generation, message, fields });
        }
        let (message, fields) = (message.len(), fields.len());
        self.logs.keep(&Rendered { service, level, at, json, message, fields });
        true
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.alone { self.levels.interest(metadata) } else { Interest::always() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, cx: Context<'_, S>) -> bool {
        !self.alone || self.levels.enabled(metadata, || scope::current_service(&cx))
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.alone.then(|| self.levels.hint())
    }

    fn on_new_span(&self, attributes: &span::Attributes<'_>, id: &span::Id, cx: Context<'_, S>) {
        let Some(span) = cx.span(id) else { return };
        if let Some(scope) = scope::of_new_span(attributes, &span) {
            // Two layers of this kind on one registry agree about the scope.
            span.extensions_mut().replace(scope);
        }
    }

    fn on_event(&self, event: &Event<'_>, cx: Context<'_, S>) {
        let Some(mut scratch) = self.scratches.take() else {
            self.sink.lose();
            return;
        };
        let scope = cx.event_span(event).and_then(|span| scope::of_span(&span));
        if self.make(event, scope.as_ref(), &mut scratch) {
            self.sink.line(&scratch.line);
        }
    }
}

/// The service and generation of a line: the event's own words, else those of its span.
fn innermost<'a>(
    service: &'a str,
    generation: Option<u64>,
    scope: Option<&'a Scope>,
) -> (Option<&'a str>, Option<u64>) {
    match scope {
        Some(scope) if service.is_empty() || *service == *scope.service => {
            (Some(&scope.service), generation.or(scope.generation))
        }
        _ if service.is_empty() => (None, generation),
        Some(_) | None => (Some(service), generation),
    }
}

// === impl LevelsFilter ===

impl<S> Filter<S> for LevelsFilter
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &Metadata<'_>, cx: &Context<'_, S>) -> bool {
        self.0.enabled(metadata, || scope::current_service(cx))
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.0.interest(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(
        own: (&str, Option<u64>),
        scope: Option<(&str, Option<u64>)>,
        expected: (Option<&str>, Option<u64>),
    ) {
        let scope =
            scope.map(|(service, generation)| Scope { service: service.into(), generation });
        assert_eq!(innermost(own.0, own.1, scope.as_ref()), expected);
    }

    #[test]
    fn a_generation_never_goes_with_another_service() {
        check(("", None), None, (None, None));
        check(("", None), Some(("a", Some(1))), (Some("a"), Some(1)));
        check(("b", None), Some(("a", Some(1))), (Some("b"), None));
        check(("b", Some(2)), Some(("a", Some(1))), (Some("b"), Some(2)));
        check(("a", None), Some(("a", Some(1))), (Some("a"), Some(1)));
        check(("a", Some(3)), Some(("a", Some(1))), (Some("a"), Some(3)));
        check(("b", Some(2)), None, (Some("b"), Some(2)));
    }
}
