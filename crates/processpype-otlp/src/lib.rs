//! Traces and logs of an application of services, sent to an OpenTelemetry collector.
//!
//! Spans of `tracing` become spans of OpenTelemetry, lines of the log become its log records, and
//! both go to a collector by OTLP over HTTP, as protobuf. Each says to which service and generation
//! it belongs; a request that comes with a `traceparent` goes on with that trace; secrets are
//! hidden as in the log; a collector that is slow or away costs what is not delivered, counted and
//! told, and never holds up a service.
//!
//! Applications need none of this by hand: they build with the feature `otlp`, and their file has
//! a section `observability.tracing`. For a program that embeds services and has a subscriber of
//! its own:
//!
//! ```
//! use std::time::Duration;
//! use processpype_otlp::{Exporter, Settings};
//! use processpype_telemetry::{LoggingConfig, Telemetry};
//! use tracing_subscriber::layer::SubscriberExt as _;
//!
//! let mut exporter = Exporter::new(&Settings::new("http://127.0.0.1:4318", "shop"))?;
//! let log = Telemetry::builder(LoggingConfig::default()).writer(std::io::sink());
//! let (lines, _log) = exporter.tapped(log).build_layer()?;
//! let subscriber = tracing_subscriber::registry().with(lines).with(exporter.layer());
//! tracing::subscriber::with_default(subscriber, || {
//!     tracing::info_span!("order", id = 7).in_scope(|| tracing::info!("sold"));
//! });
//! // There is no collector: after this time it is given up.
//! exporter.shutdown(Duration::from_millis(50));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! 1. Nothing of the application waits for the collector: what is on its way has a bound
//!    ([`QUEUE_MAX`]), each delivery a time, the end a time of its own.
//! 2. Nothing leaves that the log would hide.
//! 3. Nothing is global but what [`Exporter::install`] installs.

mod client;
mod delivery;
mod error;
mod exporter;
mod lines;
mod requests;
mod settings;
mod spans;
mod whose;

pub use delivery::QUEUE_MAX;
pub use error::OtlpError;
pub use exporter::Exporter;
#[doc(no_inline)]
pub use opentelemetry;
pub use settings::{EXPORT_TIMEOUT, HEADERS_MAX, Settings, check_endpoint, check_header};
#[doc(no_inline)]
pub use tracing_subscriber;
