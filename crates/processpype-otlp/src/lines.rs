//! Lines of the log on their way to the collector.
//!
//! # Invariants
//!
//! 1. A line leaves as the log shows it: its levels, its secrets hidden, its bounds. It carries the
//!    trace in which it was logged.
//! 2. Every line that was admitted is delivered or counted as lost; what the exporter itself logs
//!    is not exported.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{
    BatchConfigBuilder, BatchLogProcessor, LogBatch, LogExporter, SdkLogger, SdkLoggerProvider,
};
use processpype_telemetry::{Tap, TappedLine};
use serde_json::Value;

use crate::delivery::{BATCH_MAX, Delivery, QUEUE_MAX};
use crate::whose::{GENERATION, SERVICE};

/// Counts what arrives.
#[derive(Debug)]
struct Outgoing<E> {
    inner: E,
    delivery: Delivery,
}

/// Makes a record of each line.
#[derive(Debug)]
pub(crate) struct Lines {
    logger: SdkLogger,
    delivery: Delivery,
}

/// Puts together what takes lines.
pub(crate) fn provider(
    exporter: impl LogExporter + 'static,
    delivery: &Delivery,
    resource: Resource,
) -> SdkLoggerProvider {
    let outgoing = Outgoing { inner: exporter, delivery: delivery.clone() };
    // The SDK's own queue is never full before ours is.
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(QUEUE_MAX + BATCH_MAX)
        .with_max_export_batch_size(BATCH_MAX)
        .build();
    let processor = BatchLogProcessor::builder(outgoing).with_batch_config(batches).build();
    SdkLoggerProvider::builder().with_resource(resource).with_log_processor(processor).build()
}

// === impl Lines ===

impl Lines {
    pub(crate) fn new(provider: &SdkLoggerProvider, delivery: Delivery) -> Self {
        Self { logger: provider.logger("processpype"), delivery }
    }
}

impl Tap for Lines {
    fn line(&self, line: &TappedLine<'_>) {
        if Context::is_current_telemetry_suppressed() || !self.delivery.admit() {
            return;
        }
        let mut record = self.logger.create_log_record();
        record.set_timestamp(line.at);
        let (severity, word) = severity(line.level);
        record.set_severity_number(severity);
        record.set_severity_text(word);
        record.set_target(line.target.to_owned());
        record.set_body(AnyValue::from(text(line.message)));
        if let Some(service) = line.service {
            record.add_attribute(SERVICE, service.to_owned());
        }
        if let Some(generation) = line.generation.and_then(|number| i64::try_from(number).ok()) {
            record.add_attribute(GENERATION, generation);
        }
        for (name, value) in fields(line.fields) {
            if let Some(value) = any(value) {
                record.add_attribute(name, value);
            }
        }
        self.logger.emit(record);
    }
}

/// What stands between the quotes of a JSON string.
fn text(escaped: &str) -> String {
    match serde_json::from_str(&format!("\"{escaped}\"")) {
        Ok(Value::String(text)) => text,
        _ => escaped.to_owned(),
    }
}

/// The members of a JSON object, whose braces are not there.
fn fields(members: &str) -> serde_json::Map<String, Value> {
    match serde_json::from_str(&format!("{{{members}}}")) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    }
}

fn any(value: Value) -> Option<AnyValue> {
    Some(match value {
        Value::Bool(value) => AnyValue::Boolean(value),
        Value::Number(value) => match (value.as_i64(), value.as_f64()) {
            (Some(value), _) => AnyValue::Int(value),
            (None, Some(value)) => AnyValue::Double(value),
            (None, None) => AnyValue::from(value.to_string()),
        },
        Value::String(value) => AnyValue::from(value),
        // Fields are texts, numbers and truths.
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    })
}

/// The levels of `tracing` in OpenTelemetry's scale of 24.
fn severity(level: tracing::Level) -> (Severity, &'static str) {
    match level {
        tracing::Level::ERROR => (Severity::Error, "ERROR"),
        tracing::Level::WARN => (Severity::Warn, "WARN"),
        tracing::Level::INFO => (Severity::Info, "INFO"),
        tracing::Level::DEBUG => (Severity::Debug, "DEBUG"),
        tracing::Level::TRACE => (Severity::Trace, "TRACE"),
    }
}

// === impl Outgoing ===

impl<E: LogExporter> LogExporter for Outgoing<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let count = batch.iter().count();
        self.delivery.deliver(count, self.inner.export(batch)).await
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
    use super::*;

    #[test]
    fn each_level_has_its_place_in_the_scale() {
        let numbers = [
            (tracing::Level::TRACE, 1),
            (tracing::Level::DEBUG, 5),
            (tracing::Level::INFO, 9),
            (tracing::Level::WARN, 13),
            (tracing::Level::ERROR, 17),
        ];
        for (level, number) in numbers {
            let (severity, word) = severity(level);
            assert_eq!((severity as i32, word), (number, level.as_str()));
        }
    }

    #[test]
    fn parts_of_a_line_are_read_as_they_were_written() {
        assert_eq!(text(r#"say \"hello\"\n"#), "say \"hello\"\n");
        let read = fields(r#""a":1,"b":1.5,"c":"x","d":true,"e":18446744073709551615"#);
        let read: Vec<_> =
            read.into_iter().filter_map(|(name, it)| Some((name, any(it)?))).collect();
        let expected = [
            ("a", AnyValue::Int(1)),
            ("b", AnyValue::Double(1.5)),
            ("c", AnyValue::from("x")),
            ("d", AnyValue::Boolean(true)),
            ("e", AnyValue::Double(18_446_744_073_709_551_615.0)),
        ];
        let read: Vec<_> = read.iter().map(|(name, it)| (name.as_str(), it.clone())).collect();
        assert_eq!(read, expected);
        assert!(fields("").is_empty());
    }
}
