//! Traces and log lines for a collector, with the feature `otlp`.
//!
//! Under [`main`](crate::Application::main) the section `observability.tracing` of the file is all
//! that is needed. What is here with the feature is for two others: a program that
//! [embeds](crate::Application::start) services puts an `Exporter` on its own subscriber, and a
//! service that calls others sends its trace on with `opentelemetry`:
//!
//! ```ignore
//! use processpype::export::opentelemetry::{Context, global};
//!
//! let mut headers = std::collections::HashMap::new();
//! global::get_text_map_propagator(|it| it.inject_context(&Context::current(), &mut headers));
//! // `headers` has a `traceparent`: send it with the request.
//! ```
//!
//! # Invariants
//!
//! 1. What cannot be sent is found by `check`, also whether it is built in.
//! 2. Only `.main()` exports: it has the log, and its end.

use std::collections::BTreeMap;
#[cfg(feature = "otlp")]
use std::time::Duration;

use processpype_config::{HumanDuration, Report, Secret, Section};
use processpype_core::SortedMap;
#[cfg(not(feature = "otlp"))]
use processpype_telemetry::Level;
use serde::Deserialize;

use crate::settings::entries;
#[cfg(feature = "otlp")]
use crate::settings::times;

/// How many headers may be sent with each delivery.
/// The schema holds it, and is made from it.
#[cfg(test)]
const HEADERS_MAX: usize = 32;

/// The shortest time for a delivery.
#[cfg(feature = "otlp")]
const TIMEOUT_MIN: Duration = Duration::from_millis(100);

/// How much more may be said of the application with everything.
/// The schema holds it, and is made from it.
#[cfg(test)]
const RESOURCE_MAX: usize = 64;

/// Traces and log lines, sent to a collector. Needs the feature `otlp`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub(crate) struct TracingSection {
    /// The collector's address for OTLP over HTTP, such as `http://localhost:4318`; spans go to
    /// `/v1/traces` below it, lines to `/v1/logs`. Default: none, nothing is sent.
    pub(crate) endpoint: Option<String>,
    /// Headers of each delivery, such as `authorization`; their values are secrets.
    #[cfg_attr(test, schemars(length(max = HEADERS_MAX)))]
    #[serde(deserialize_with = "entries::read")]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, Secret<String>>"))]
    pub(crate) headers: SortedMap<String, Secret<String>>,
    /// Which part of the traces that begin here is sent; one that comes with a request is sent if
    /// it is where it began. Default: 1.
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub(crate) sample_ratio: Option<f64>,
    /// The least severe level of spans that are sent. Default: info.
    pub(crate) level: Option<Level>,
    /// Whether the lines of the log are sent too. Default: true.
    pub(crate) logs: Option<bool>,
    /// How long one delivery may take, with its retries. Default: 10s.
    pub(crate) timeout: Option<HumanDuration>,
    /// What is said of the application with everything, beside its title, version and environment,
    /// such as `service.namespace`.
    #[cfg_attr(test, schemars(length(max = RESOURCE_MAX)))]
    pub(crate) resource: BTreeMap<String, String>,
}

/// Checks what the file says; every problem is given to `problem`.
pub(crate) fn check(written: &TracingSection, section: &Section, problem: impl FnMut(Report)) {
    if written.endpoint.is_some() {
        check_endpoint(written, section, problem);
    }
}

#[cfg(not(feature = "otlp"))]
fn check_endpoint(_: &TracingSection, section: &Section, problem: impl FnMut(Report)) {
    refuse_endpoint(section, problem);
}

/// Says that nothing can be sent.
#[cfg(any(not(feature = "otlp"), test))]
fn refuse_endpoint(section: &Section, mut problem: impl FnMut(Report)) {
    let message = "this program cannot send traces: it is built without the feature `otlp`";
    let told = section.get("endpoint").problem(message);
    problem(told.help("build `processpype` with the feature `otlp`, or take this out").into());
}

#[cfg(feature = "otlp")]
fn check_endpoint(written: &TracingSection, section: &Section, mut problem: impl FnMut(Report)) {
    use processpype_otlp::{check_endpoint, check_header};

    if let Some(Err(error)) = written.endpoint.as_deref().map(check_endpoint) {
        let told = section.get("endpoint").problem(error.to_string());
        problem(told.help("write an address such as `http://localhost:4318`").into());
    }
    times::check(section, &[("timeout", written.timeout)]).unwrap_or_else(&mut problem);
    let timeout = written.timeout.map_or(TIMEOUT_MIN, Into::into);
    if timeout < TIMEOUT_MIN {
        let told = section.get("timeout").problem("nothing would arrive in that time");
        problem(told.help("write `100ms` or more; 10s is the default").into());
    }
    let headers = section.get("headers");
    for (name, value) in written.headers.iter() {
        if let Err(error) = check_header(name, value.expose()) {
            let told = headers.get(name).problem(error.to_string());
            problem(told.help("write it as in HTTP: `authorization: Bearer …`").into());
        }
    }
}

#[cfg(feature = "otlp")]
pub use processpype_otlp::{
    EXPORT_TIMEOUT, Exporter, OtlpError, QUEUE_MAX, Settings, opentelemetry, tracing_subscriber,
};
/// What an `Exporter` takes and gives: the log, whose lines it sends, and what it hides.
#[cfg(feature = "otlp")]
pub use processpype_telemetry::{
    Exported, Handle, Level, LoggingConfig, RedactionConfig, Redactor, RequestSpans, Telemetry,
    TelemetryBuilder, TelemetryError,
};

#[cfg(feature = "otlp")]
pub(crate) use self::exporting::{Exporting, install};

#[cfg(not(feature = "otlp"))]
pub(crate) use self::absent::{Exporting, install};

/// What stands in where it is not built in.
#[cfg(not(feature = "otlp"))]
mod absent {
    use std::time::Duration;

    use processpype_control::ControlSettings;
    use processpype_telemetry::{Handle, TelemetryBuilder, TelemetryError};

    use crate::settings::Settings;

    /// There is none.
    pub(crate) struct Exporting;

    pub(crate) fn install(
        _: &Settings,
        _: &[String],
        log: TelemetryBuilder,
    ) -> Result<(Handle, Exporting), TelemetryError> {
        Ok((log.install()?, Exporting))
    }

    impl Exporting {
        pub(crate) fn show(&self, _: &mut ControlSettings) {}

        pub(crate) fn end(self, time: Duration, flush: impl FnOnce(Duration)) {
            flush(time);
        }
    }
}

/// What is sent by an application that runs.
#[cfg(feature = "otlp")]
mod exporting {
    use std::time::Duration;

    use processpype_control::ControlSettings;
    use processpype_otlp::{Exporter, Settings as OtlpSettings};
    use processpype_telemetry::{Export, Handle, Redactor, TelemetryBuilder, TelemetryError};

    use crate::settings::Settings;

    /// Which part of the last time the collector has; the rest is the log's.
    const DELIVERY_SHARE: (u32, u32) = (3, 5);

    /// What sends, if anything does.
    pub(crate) struct Exporting(Option<Exporter>);

    /// Installs the log, and what sends if the file names a collector.
    pub(crate) fn install(
        settings: &Settings,
        secrets: &[String],
        log: TelemetryBuilder,
    ) -> Result<(Handle, Exporting), TelemetryError> {
        let redactor = Redactor::default();
        for secret in secrets {
            // Which cannot be hidden is told once the log is there.
            let _ = redactor.add(secret);
        }
        let log = log.redactor(redactor.clone());
        let Some(otlp) = otlp(settings, redactor) else {
            return Ok((log.install()?, Exporting(None)));
        };
        match Exporter::new(&otlp) {
            Ok(mut exporter) => Ok((exporter.install(log)?, Exporting(Some(exporter)))),
            Err(error) => {
                // `check` has seen address and headers; the application is worth more than this.
                let handle = log.install()?;
                tracing::error!(target: "processpype", "nothing is sent to the collector: {error}");
                Ok((handle, Exporting(None)))
            }
        }
    }

    fn otlp(settings: &Settings, redactor: Redactor) -> Option<OtlpSettings> {
        let (app, written) = (&settings.app, &settings.observability.tracing);
        let mut otlp = OtlpSettings::new(written.endpoint.clone()?, app.title.clone());
        let header = |(name, value): (&String, &processpype_config::Secret<String>)| {
            (name.clone(), value.expose().clone())
        };
        otlp.headers = written.headers.iter().map(header).collect();
        otlp.sample_ratio = written.sample_ratio.unwrap_or(otlp.sample_ratio);
        otlp.level = written.level.unwrap_or(otlp.level);
        otlp.logs = written.logs.unwrap_or(otlp.logs);
        otlp.timeout = written.timeout.map_or(otlp.timeout, Into::into);
        otlp.resource = written.resource.clone();
        for (key, value) in
            [("service.version", &app.version), ("deployment.environment.name", &app.environment)]
        {
            otlp.resource.entry(key.to_owned()).or_insert_with(|| value.clone());
        }
        otlp.redactor = redactor;
        otlp.redaction = settings.observability.logging.redaction.clone();
        Some(otlp)
    }

    impl Exporting {
        /// Lets requests have spans, and metrics what was sent.
        pub(crate) fn show(&self, control: &mut ControlSettings) {
            if let Some(exporter) = &self.0 {
                control.export = Export {
                    request_spans: Some(exporter.request_spans()),
                    exported: exporter.exported().to_vec(),
                };
            }
        }

        /// Delivers what is there, and flushes the log after it: what was lost stands in that. Both
        /// together take at most `time`.
        pub(crate) fn end(self, time: Duration, flush: impl FnOnce(Duration)) {
            let Some(exporter) = self.0 else { return flush(time) };
            let share = time * DELIVERY_SHARE.0 / DELIVERY_SHARE.1;
            exporter.shutdown(share);
            flush(time - share);
        }
    }
}

#[cfg(test)]
mod tests {
    use processpype_config::{Format, Loader};

    use super::*;

    #[test]
    fn without_the_feature_an_endpoint_is_refused_with_its_place_and_the_remedy() {
        let text = "observability:\n  tracing:\n    endpoint: http://localhost:4318\n";
        let document = Loader::new().text("a.yaml", Format::Yaml, text).load().expect("it is YAML");
        let mut told = Vec::new();
        refuse_endpoint(&document.section(&["observability", "tracing"]), |it| told.push(it));
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        let [told] = &told[..] else { panic!("{told:?}") };
        for part in [
            "this program cannot send traces: it is built without the feature `otlp`",
            "a.yaml:3:15",
            "build `processpype` with the feature `otlp`, or take this out",
        ] {
            assert!(told.contains(part), "{told}");
        }
    }

    #[test]
    #[cfg(not(feature = "otlp"))]
    fn without_the_feature_a_section_without_an_endpoint_is_nothing() {
        let document = Loader::new().text("a.yaml", Format::Yaml, "").load().expect("it is YAML");
        let section = document.section(&["observability", "tracing"]);
        check(&TracingSection::default(), &section, |it| panic!("{it}"));
        let endpoint = Some("http://localhost:4318".to_owned());
        let mut refused = 0;
        let written = TracingSection { endpoint, ..TracingSection::default() };
        check(&written, &section, |_| refused += 1);
        assert_eq!(refused, 1);
    }
}
