//! A whole process with the exporter installed: what its log says of a collector, and what is
//! global. One test, since there is one subscriber.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "../it/collector.rs"]
#[allow(dead_code, reason = "the other tests need more of it")]
mod collector;

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use processpype_otlp::opentelemetry::{Context, global};
use processpype_otlp::{Exporter, Settings};
use processpype_telemetry::{Format, LoggingConfig, Telemetry};

use crate::collector::{Answer, Collector, Delivery, attribute, shown};

/// How long an end may take that has something to deliver.
const END: Duration = Duration::from_secs(20);

/// What the log has written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Makes as many spans as go at once.
fn batch() {
    for _ in 0..512 {
        tracing::info_span!("span", key = "hunter2").in_scope(|| ());
    }
}

#[test]
fn a_collector_that_comes_and_goes_is_told_of_and_the_trace_is_sent_on() {
    let collector = Collector::start(Answer::status(400));
    let settings = Settings::new(collector.endpoint(), "shop");
    let mut exporter = Exporter::new(&settings).unwrap();
    let written = Written::default();
    let log = Telemetry::builder(LoggingConfig { format: Format::Text, ..Default::default() })
        .redactor(settings.redactor.clone());
    let log = exporter.install(log.writer(written.clone())).unwrap();
    log.redactor().add("hunter2").unwrap();
    let deliver = || {
        batch();
        while exporter.exported()[0].pending() > 0 {
            std::thread::yield_now();
        }
    };
    deliver();
    deliver();
    collector.answer(Answer::status(200));
    deliver();
    for sent in collector.all() {
        assert!(sent.head.contains("content-type: application/x-protobuf"), "{}", sent.head);
        assert_eq!(attribute(&sent.resource(), "service.name").unwrap(), "shop");
        assert!(sent.has("shop") && !sent.has("hunter2"));
    }
    let sent_on = tracing::info_span!("call").in_scope(|| {
        tracing::info!("calling");
        let mut headers = HashMap::new();
        global::get_text_map_propagator(|it| it.inject_context(&Context::current(), &mut headers));
        headers["traceparent"].clone()
    });
    exporter.shutdown(END);
    log.flush(END).unwrap();
    let all = collector.all();
    let records: Vec<_> = all.iter().flat_map(Delivery::records).collect();
    let bodies: Vec<_> = records.iter().map(|it| shown(it.body.as_ref().unwrap())).collect();
    assert_eq!(bodies, ["calling"], "what the exporter logs is not exported");
    let spans: Vec<_> = all.iter().flat_map(Delivery::spans).collect();
    let call = spans.iter().find(|span| span.name == "call").unwrap();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(sent_on, format!("00-{}-{}-01", hex(&call.trace_id), hex(&call.span_id)));
    let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let told = "the collector does not take traces: it answers 400 Bad Request; see whether";
    assert_eq!(written.matches(told).count(), 1, "{written}");
    assert!(written.contains(&format!("endpoint={}", settings.endpoint)), "{written}");
    assert_eq!(
        written.matches("takes traces again; 1024 were lost so far").count(),
        1,
        "{written}"
    );
}
