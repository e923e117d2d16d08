//! The exporter: what is built of settings, and how it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{Tracer, TracerProvider as _};
use opentelemetry::{Key, KeyValue, Value, global};
use opentelemetry_otlp::{LogExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use processpype_telemetry::{
    Exported, Handle, Level, MASK, RequestSpans, SensitiveFields, Tap, TelemetryBuilder,
    TelemetryError,
};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter};

use crate::client::Client;
use crate::delivery::Delivery;
use crate::error::OtlpError;
use crate::requests::Requests;
use crate::settings::{HEADERS_MAX, Settings, check_endpoint, check_header};
use crate::{lines, spans, whose};

/// The name under which spans are made.
const TRACER: &str = "processpype";

/// Sends traces and logs to a collector. Keep it, and call [`shutdown`](Self::shutdown) at the end.
///
/// Making one starts a thread for each signal and sends nothing yet. A collector that is not there
/// is no error: it may come later. See the [crate](crate) for an example.
///
/// Dropping one without that delivers what is there too, and blocks the thread for up to 5 s for
/// each signal.
#[derive(Debug)]
#[must_use = "nothing more is sent once it is dropped"]
pub struct Exporter {
    traces: SdkTracerProvider,
    /// If lines are exported.
    logs: Option<(SdkLoggerProvider, Arc<lines::Lines>)>,
    exported: Vec<Arc<Exported>>,
    deliveries: Vec<Delivery>,
    level: Level,
    /// Until the layers are made.
    looking: Option<(whose::Looking, whose::LookingBack)>,
}

// === impl Exporter ===

impl Exporter {
    /// Makes what `settings` describe.
    ///
    /// # Errors
    ///
    /// [`OtlpError`] if the address or a header cannot be used, or the system gives no thread.
    pub fn new(settings: &Settings) -> Result<Self, OtlpError> {
        // The SDK panics where it gets no thread.
        let made = catch_unwind(AssertUnwindSafe(|| Self::made(settings)));
        made.unwrap_or(Err(OtlpError::NoThread))
    }

    fn made(settings: &Settings) -> Result<Self, OtlpError> {
        check_endpoint(&settings.endpoint)?;
        if settings.headers.len() > HEADERS_MAX {
            return Err(OtlpError::TooManyHeaders);
        }
        for (name, value) in &settings.headers {
            check_header(name, value)?;
        }
        let resource = resource(settings);
        let (looking, back, naming) = whose::all();
        let spans = Delivery::of("traces", settings);
        let processor = spans::processor(
            span_exporter(settings, &spans)?,
            &spans,
            &settings.redactor,
            SensitiveFields::new(&settings.redaction),
        );
        let ratio = Sampler::TraceIdRatioBased(settings.sample_ratio.clamp(0.0, 1.0));
        let traces = SdkTracerProvider::builder()
            .with_resource(resource.clone())
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_span_processor(naming)
            .with_span_processor(processor)
            .build();
        let mut exported = vec![Arc::clone(spans.exported())];
        let mut deliveries = vec![spans];
        let mut logs = None;
        if settings.logs {
            let sent = Delivery::of("logs", settings);
            exported.push(Arc::clone(sent.exported()));
            let provider = lines::provider(log_exporter(settings, &sent)?, &sent, resource);
            let lines = Arc::new(lines::Lines::new(&provider, sent.clone()));
            logs = Some((provider, lines));
            deliveries.push(sent);
        }
        let looking = Some((looking, back));
        Ok(Self { traces, logs, exported, deliveries, level: settings.level, looking })
    }

    /// Builds the log, and makes both the log's and this one's layers the subscriber of the whole
    /// process: for `main` only.
    ///
    /// OpenTelemetry's global tracer and propagator are set too, for clients that send the trace
    /// on.
    ///
    /// # Errors
    ///
    /// As [`TelemetryBuilder::install`].
    pub fn install(&mut self, log: TelemetryBuilder) -> Result<Handle, TelemetryError> {
        let (layer, handle) = self.tapped(log).build_layer()?;
        let subscriber = tracing_subscriber::registry().with(layer).with(self.layer());
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| TelemetryError::AlreadyInstalled)?;
        global::set_text_map_propagator(TraceContextPropagator::new());
        global::set_tracer_provider(self.traces.clone());
        Ok(handle)
    }

    /// Lets the lines of a log be exported too, if the settings say so.
    pub fn tapped(&self, log: TelemetryBuilder) -> TelemetryBuilder {
        match &self.logs {
            Some((_, lines)) => log.tap(Arc::clone(lines) as Arc<dyn Tap>),
            None => log,
        }
    }

    /// Makes the layer that sees spans, to be put on a registry beside others.
    ///
    /// The first one of an exporter names the service of each span; make one only.
    pub fn layer<S>(&mut self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let most = match self.level {
            Level::Off => LevelFilter::OFF,
            Level::Error => LevelFilter::ERROR,
            Level::Warn => LevelFilter::WARN,
            Level::Info => LevelFilter::INFO,
            Level::Debug => LevelFilter::DEBUG,
            Level::Trace => LevelFilter::TRACE,
        };
        let is_exported = move |metadata: &Metadata<'_>| {
            metadata.is_span() && !whose::is_service_span(metadata) && *metadata.level() <= most
        };
        let is_seen = move |metadata: &Metadata<'_>| {
            whose::is_service_span(metadata) || is_exported(metadata)
        };
        let bridge = tracing_opentelemetry::layer()
            .with_tracer(self.traces.tracer(TRACER))
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter::filter_fn(is_exported).with_max_level_hint(most));
        // The span of a service is of level `info`.
        let seen = filter::filter_fn(is_seen).with_max_level_hint(most.max(LevelFilter::INFO));
        let (looking, back) = self.looking.take().unzip();
        let (before, after) = (looking.with_filter(seen.clone()), back.with_filter(seen));
        before.and_then(bridge).and_then(after)
    }

    /// What makes a span of each request that the control plane lets in.
    #[must_use]
    pub fn request_spans(&self) -> Arc<dyn RequestSpans> {
        Arc::new(Requests::default())
    }

    /// What makes spans without `tracing`.
    #[must_use]
    pub fn tracer(&self) -> impl Tracer<Span: Send + Sync> + Send + Sync + 'static + use<> {
        self.traces.tracer(TRACER)
    }

    /// What has become of each signal.
    #[must_use]
    pub fn exported(&self) -> &[Arc<Exported>] {
        &self.exported
    }

    /// Delivers what is there, for at most `timeout`, and ends.
    ///
    /// Blocks the thread: for the end of `main`. What is not delivered by then is lost; nothing
    /// waits for it.
    pub fn shutdown(&self, timeout: Duration) {
        // Both at once; what is not taken is told below.
        let traces = || drop(self.traces.shutdown_with_timeout(timeout));
        let logs = || {
            if let Some((logs, _)) = &self.logs {
                let _ = logs.shutdown_with_timeout(timeout);
            }
        };
        std::thread::scope(|threads| {
            let spawned = std::thread::Builder::new().spawn_scoped(threads, traces);
            logs();
            if spawned.is_err() {
                traces();
            }
        });
        self.deliveries.iter().for_each(Delivery::close);
    }
}

/// What everything that is exported says of the application.
fn resource(settings: &Settings) -> Resource {
    let own = settings.resource.iter();
    // `OTEL_RESOURCE_ATTRIBUTES` of the environment lies under what the settings say.
    let all = Resource::builder()
        .with_attributes(own.map(|(key, value)| KeyValue::new(key.clone(), value.clone())))
        .with_service_name(settings.name.clone())
        .build();
    let sensitive = SensitiveFields::new(&settings.redaction);
    let shown = |(key, value): (&Key, &Value)| match sensitive.hides(key.as_str()) {
        true => KeyValue::new(key.clone(), MASK),
        false => KeyValue::new(key.clone(), settings.redactor.scrub(&value.as_str())),
    };
    Resource::builder_empty().with_attributes(all.iter().map(shown)).build()
}

fn span_exporter(settings: &Settings, delivery: &Delivery) -> Result<SpanExporter, OtlpError> {
    let builder = sending("traces", SpanExporter::builder().with_http(), settings, delivery);
    builder.build().map_err(|error| OtlpError::Exporter(error.into()))
}

fn log_exporter(settings: &Settings, delivery: &Delivery) -> Result<LogExporter, OtlpError> {
    let builder = sending("logs", LogExporter::builder().with_http(), settings, delivery);
    builder.build().map_err(|error| OtlpError::Exporter(error.into()))
}

/// Says how the exporter of a signal sends what it has.
fn sending<B: WithHttpConfig + WithExportConfig>(
    signal: &str,
    builder: B,
    settings: &Settings,
    delivery: &Delivery,
) -> B {
    builder
        .with_http_client(Client::new(settings, delivery.report()))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(settings.address(signal))
        .with_timeout(settings.timeout)
}
