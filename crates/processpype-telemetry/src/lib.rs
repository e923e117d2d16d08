//! Logging for applications of services: a `tracing` subscriber that knows services.
//!
//! It writes one line an event, for people ([`Format::Text`], [`Format::Color`]) or programs
//! ([`Format::Json`]); says to which service and generation a line belongs; hides secrets; changes
//! its [`Levels`] while the application runs, by target and by service; and never lets a slow
//! output hold up a service: lines wait in a bounded queue, and what does not fit is counted. The
//! newest lines of each service are kept in memory too ([`Logs`]), for whoever asks for them.
//!
//! ```
//! use std::time::Duration;
//! use processpype_telemetry::{Format, Level, LoggingConfig, Telemetry};
//!
//! let config = LoggingConfig { format: Format::Json, ..LoggingConfig::default() };
//! let (subscriber, handle) = Telemetry::builder(config).build()?;
//! handle.redactor().add("hunter2").expect("is long enough");
//! handle.levels().set_service("counter", Level::Debug);
//! tracing::subscriber::with_default(subscriber, || {
//!     let span = tracing::info_span!(
//!         target: "processpype", "service", service = %"counter", generation = 1
//!     );
//!     // {"time":"…","level":"debug","target":"…","service":"counter","generation":1,
//!     //  "message":"tick","fields":{"count":3,"password":"***"}}
//!     span.in_scope(|| tracing::debug!(count = 3, password = "hunter2", "tick"));
//! });
//! handle.flush(Duration::from_secs(1))?;
//! # Ok::<(), processpype_telemetry::TelemetryError>(())
//! ```
//!
//! # Invariants
//!
//! 1. A thread that logs never waits for an output, and runs user code only to format a value; a
//!    panic there costs that value, not the thread.
//! 2. No secret that the [`Redactor`] knows, and no value of a sensitive field, is in any line.
//! 3. Every line is whole, and every line that is missing is counted and told.
//! 4. Nothing is global but what [`TelemetryBuilder::install`] installs.
//! 5. Every buffer, queue, value and wait has a bound with a name.
//!
//! # How the parts fit
//!
//! | part | modules |
//! |---|---|
//! | what is set, and what is built of it | `config` `telemetry` `error` |
//! | whether a line is made, and of whom | `levels` `layer` `scope` |
//! | how it looks | `layout` `text` `json` `collect` `value` `scratch` `clock` `zone` |
//! | what is taken out of it | `redact` |
//! | where it goes | `queue` `writer` `output` `kept` `tap` `export` |
//! | what is told of that | `backlog` |

mod backlog;
mod clock;
mod collect;
mod config;
mod error;
mod export;
mod json;
mod kept;
mod layer;
mod layout;
mod levels;
mod output;
mod queue;
mod redact;
mod scope;
mod scratch;
mod tap;
mod telemetry;
mod text;
mod value;
mod writer;
mod zone;

pub use backlog::Backlog;
pub use clock::Clock;
pub use config::{Destination, Format, Level, LoggingConfig, RedactionConfig};
pub use error::TelemetryError;
pub use export::{Export, Exported};
pub use kept::{
    Log, LogFollower, LogLine, LogPage, LogQuery, Logs, SERVICE_LOG_BYTES, SERVICE_LOG_LINES,
    SERVICE_LOGS, SERVICE_LOGS_BYTES, WHOLE_LOG_BYTES, WHOLE_LOG_LINES,
};
pub use levels::Levels;
pub use queue::{QUEUE_BYTES, QUEUE_LINES};
pub use redact::{
    Hidden, MASK, MAX_SECRET_BYTES, MAX_SECRETS, MIN_SECRET_BYTES, Redactor, SensitiveFields,
    Unredactable,
};
pub use scope::{SERVICE_SPAN_NAME, SERVICE_SPAN_TARGET};
pub use scratch::MAX_NESTED_EVENTS;
pub use tap::{AnswerHead, RequestHead, RequestSpans, Tap, TappedLine};
pub use telemetry::{FLUSH_TIMEOUT, FlushGuard, Handle, Telemetry, TelemetryBuilder};
pub use text::one_line;
pub use value::MAX_VALUE_BYTES;
pub use zone::Timezone;
