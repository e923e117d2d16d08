//! Spans on their way to the collector.
//!
//! # Invariants
//!
//! 1. No secret that the redactor knows, and no value of a sensitive field, leaves with a span.
//! 2. Every span that was admitted is delivered or counted as lost.

use std::time::Duration;

use opentelemetry::trace::Status;
use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};
use processpype_telemetry::{MASK, MAX_VALUE_BYTES, Redactor, SensitiveFields};

use crate::delivery::{BATCH_MAX, Delivery, QUEUE_MAX};

/// Hides what is secret, and counts what arrives.
#[derive(Debug)]
struct Outgoing<E> {
    inner: E,
    delivery: Delivery,
    redactor: Redactor,
    sensitive: SensitiveFields,
}

/// Admits what there is room for.
#[derive(Debug)]
pub(crate) struct Admitting {
    inner: BatchSpanProcessor,
    delivery: Delivery,
}

/// Puts together what takes spans when they have ended.
pub(crate) fn processor(
    exporter: impl SpanExporter + 'static,
    delivery: &Delivery,
    redactor: &Redactor,
    sensitive: SensitiveFields,
) -> Admitting {
    let (redactor, delivery) = (redactor.clone(), delivery.clone());
    let outgoing = Outgoing { inner: exporter, delivery: delivery.clone(), redactor, sensitive };
    // The SDK's own queue is never full before ours is.
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX + BATCH_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .build();
    let inner = BatchSpanProcessor::builder(outgoing).with_batch_config(batches).build();
    Admitting { inner, delivery }
}

// === impl Outgoing ===

impl<E> Outgoing<E> {
    fn scrub(&self, span: &mut SpanData) {
        span.name = self.redactor.scrub(&span.name).into();
        self.scrub_all(&mut span.attributes);
        for event in &mut span.events.events {
            event.name = self.redactor.scrub(&event.name).into();
            self.scrub_all(&mut event.attributes);
        }
        for link in &mut span.links.links {
            self.scrub_all(&mut link.attributes);
        }
        if let Status::Error { description } = &span.status {
            span.status = Status::error(self.redactor.scrub(description));
        }
    }

    fn scrub_all(&self, attributes: &mut [KeyValue]) {
        for attribute in attributes {
            if self.sensitive.hides(attribute.key.as_str()) {
                attribute.value = Value::from(MASK);
            } else if let Some(hidden) = self.hidden(&attribute.value) {
                attribute.value = hidden;
            }
        }
    }

    /// What stands for a value that is not as it may be sent. A number with a secret in it is no
    /// number any more, and what is too long is cut once nothing is secret in it.
    fn hidden(&self, value: &Value) -> Option<Value> {
        let hide = |text: &str| {
            let mut hidden = self.redactor.scrub(text);
            hidden.truncate(hidden.floor_char_boundary(MAX_VALUE_BYTES));
            (hidden != text).then_some(hidden)
        };
        match value {
            Value::String(text) => hide(text.as_str()).map(Value::from),
            Value::Array(Array::String(texts)) => {
                let kept =
                    |text: &StringValue| hide(text.as_str()).unwrap_or_else(|| text.to_string());
                let texts = texts.iter().map(|text| StringValue::from(kept(text)));
                Some(Value::Array(Array::String(texts.collect())))
            }
            other => hide(&other.as_str()).map(Value::from),
        }
    }
}

impl<E: SpanExporter> SpanExporter for Outgoing<E> {
    async fn export(&self, mut batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let export = async {
            batch.iter_mut().for_each(|span| self.scrub(span));
            self.inner.export(batch).await
        };
        self.delivery.deliver(count, export).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

// === impl Admitting ===

impl SpanProcessor for Admitting {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.delivery.admit() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use processpype_telemetry::RedactionConfig;

    use super::*;
    use crate::settings::Settings;

    /// Cannot be trusted.
    #[derive(Debug)]
    struct Panics;

    impl SpanExporter for Panics {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            assert!(batch.is_empty(), "this is the panic");
            Ok(())
        }
    }

    #[test]
    fn an_exporter_that_panics_loses_what_it_had_and_goes_on() {
        let settings = Settings::new("http://localhost:4318", "shop");
        let delivery = Delivery::of("traces", &settings);
        let sensitive = SensitiveFields::new(&RedactionConfig::default());
        let processor = processor(Panics, &delivery, &settings.redactor, sensitive);
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let tracer = provider.tracer("test");
        for round in 1..=3 {
            drop(tracer.start("span"));
            let _ = provider.force_flush();
            let exported = delivery.exported();
            assert_eq!((exported.pending(), exported.lost()), (0, round));
        }
    }
}
