//! Building the subscriber, and the handle that stays.
//!
//! # Invariants
//!
//! 1. Only [`TelemetryBuilder::install`] touches the process; everything else is a value.
//! 2. Handles are the same for every clone, and keep the writer alive; the writer ends after the
//!    last handle and the layer are gone.
//! 3. No wait here is without a bound: the longest is [`FLUSH_TIMEOUT`] on drop of a guard.

use std::{
    fmt,
    fs::OpenOptions,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use anstream::{AutoStream, ColorChoice};
use tracing::{Level, Subscriber};
use tracing_subscriber::{Layer, layer::SubscriberExt as _, registry::LookupSpan};

use crate::{
    backlog::Backlog,
    clock::{Clock, Stamp},
    config::{Destination, Format, LoggingConfig},
    error::TelemetryError,
    kept::Logs,
    layer::{LevelsFilter, LogLayer},
    layout::{Head, Layout},
    levels::Levels,
    output::Alarm,
    queue::{Queue, Sink},
    redact::{Redactor, SensitiveFields},
    scratch::Scratches,
    tap::Tap,
    text::Palette,
    writer::{self, LossLine},
    zone::Timezone,
};

/// How long a dropped [`FlushGuard`] waits for the last lines.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// The target of what this crate logs itself.
const OWN_TARGET: &str = "processpype::telemetry";

/// The logging of an application; begins with [`builder`](Self::builder).
///
/// ```
/// use processpype_telemetry::{LoggingConfig, Telemetry};
///
/// let (subscriber, handle) =
///     Telemetry::builder(LoggingConfig::default()).writer(std::io::sink()).build()?;
/// tracing::subscriber::with_default(subscriber, || tracing::info!("hello"));
/// handle.flush(std::time::Duration::from_secs(1))?;
/// assert_eq!(handle.lost_lines(), 0);
/// # Ok::<(), processpype_telemetry::TelemetryError>(())
/// ```
#[derive(Debug)]
pub struct Telemetry(());

/// What is to be built; made by [`Telemetry::builder`].
#[derive(Debug)]
#[must_use = "nothing is logged until it is built or installed"]
pub struct TelemetryBuilder {
    config: LoggingConfig,
    clock: Clock,
    zone: Timezone,
    redactor: Redactor,
    /// What the caller says about colours; `None` asks terminal and environment.
    colors: Option<bool>,
    /// Takes the place of the configured destination.
    writer: Option<Output>,
    /// Takes each line as well.
    tap: Option<Arc<dyn Tap>>,
}

/// A running log: its levels, its secrets, its newest lines, its losses. Cheap to clone.
///
/// Dropping a handle does nothing; see [`flush_on_drop`](Self::flush_on_drop).
#[derive(Clone, Debug)]
pub struct Handle {
    levels: Levels,
    redactor: Redactor,
    logs: Logs,
    queue: Arc<OpenQueue>,
}

/// Flushes the log when it is dropped, for at most [`FLUSH_TIMEOUT`].
///
/// What is not written by then is not reported here; call [`Handle::flush`] to know.
#[derive(Debug)]
#[must_use = "the log is flushed as soon as the guard is dropped"]
pub struct FlushGuard(Handle);

/// The queue, closed when the last that may log is gone.
#[derive(Debug)]
struct OpenQueue(Arc<Queue>);

/// Whatever takes bytes.
struct Output(Box<dyn Write + Send>);

// === impl Telemetry ===

impl Telemetry {
    /// Begins to build the logging that `config` describes.
    ///
    /// Nothing happens, and no file is opened, before [`build`](TelemetryBuilder::build),
    /// [`build_layer`](TelemetryBuilder::build_layer) or [`install`](TelemetryBuilder::install).
    pub fn builder(config: LoggingConfig) -> TelemetryBuilder {
        TelemetryBuilder {
            config,
            clock: Clock::system(),
            zone: Timezone::UTC,
            redactor: Redactor::default(),
            colors: None,
            writer: None,
            tap: None,
        }
    }
}

// === impl TelemetryBuilder ===

impl TelemetryBuilder {
    /// Shows the time in `zone` (`app.timezone`); without this, in UTC.
    ///
    /// Programs lose nothing by it: the offset is in every line.
    ///
    /// ```
    /// use processpype_telemetry::{LoggingConfig, Telemetry, Timezone};
    ///
    /// let builder =
    ///     Telemetry::builder(LoggingConfig::default()).timezone(Timezone::named("UTC")?);
    /// # drop(builder);
    /// # Ok::<(), processpype_telemetry::TelemetryError>(())
    /// ```
    pub fn timezone(mut self, zone: Timezone) -> Self {
        self.zone = zone;
        self
    }

    /// Takes the time from `clock` instead of the machine's: for golden lines in tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Shares the secrets of `redactor`; without this, the log begins with none.
    ///
    /// For secrets that were resolved before the log is built, and for two logs that hide the
    /// same.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Says whether [`Format::Auto`] has colours, instead of asking terminal and environment.
    pub fn colors(mut self, colors: bool) -> Self {
        self.colors = Some(colors);
        self
    }

    /// Writes to `out` instead of the configured destination.
    ///
    /// `out` is called on the writer's thread only, with whole lines, many at a time; it may
    /// block, and services go on. A panic or an error in it costs the lines at hand, which are
    /// counted.
    pub fn writer(mut self, out: impl Write + Send + 'static) -> Self {
        self.writer = Some(Output(Box::new(out)));
        self
    }

    /// Gives each line that the log shows to `tap` too, as parts.
    pub fn tap(mut self, tap: Arc<dyn Tap>) -> Self {
        self.tap = Some(tap);
        self
    }

    /// Builds a whole subscriber, and installs nothing.
    ///
    /// Use it with `tracing::subscriber::with_default` in tests and embedded applications. When
    /// other layers listen too, use [`build_layer`](Self::build_layer).
    ///
    /// # Errors
    ///
    /// [`TelemetryError::OpenFile`] if the log file cannot be opened, and
    /// [`TelemetryError::SpawnWriter`] if the system gives no thread.
    pub fn build(
        self,
    ) -> Result<(impl Subscriber + Send + Sync + 'static, Handle), TelemetryError> {
        let (layer, handle) = self.parts(true)?;
        Ok((tracing_subscriber::registry().with(layer), handle))
    }

    /// Builds a layer to be put on a registry beside others, and installs nothing.
    ///
    /// Its levels are its own: another layer on the same registry sees what this one does not
    /// show. That has a price while a service is more verbose than the default: `tracing` then
    /// evaluates the fields of events that this layer drops.
    ///
    /// ```
    /// use processpype_telemetry::{LoggingConfig, Telemetry};
    /// use tracing_subscriber::layer::SubscriberExt as _;
    ///
    /// let (layer, _handle) =
    ///     Telemetry::builder(LoggingConfig::default()).writer(std::io::sink()).build_layer()?;
    /// let subscriber = tracing_subscriber::registry().with(layer);
    /// tracing::subscriber::with_default(subscriber, || tracing::info!("hello"));
    /// # Ok::<(), processpype_telemetry::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_layer<S>(
        self,
    ) -> Result<(impl Layer<S> + Send + Sync + 'static, Handle), TelemetryError>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let (layer, handle) = self.parts(false)?;
        Ok((layer.with_filter(LevelsFilter(handle.levels.clone())), handle))
    }

    /// Builds, and makes the subscriber that of the whole process: for `main` only.
    ///
    /// Keep a [`FlushGuard`] in `main`, so that the last lines are written:
    ///
    /// ```no_run
    /// use processpype_telemetry::{LoggingConfig, Telemetry};
    ///
    /// let log = Telemetry::builder(LoggingConfig::default()).install()?;
    /// let _guard = log.flush_on_drop();
    /// tracing::info!("ready");
    /// # Ok::<(), processpype_telemetry::TelemetryError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), and [`TelemetryError::AlreadyInstalled`].
    pub fn install(self) -> Result<Handle, TelemetryError> {
        let (subscriber, handle) = self.build()?;
        tracing::subscriber::set_global_default(subscriber)
            .map_err(|_| TelemetryError::AlreadyInstalled)?;
        Ok(handle)
    }

    /// Starts the writer, and makes the layer that feeds it.
    fn parts(self, alone: bool) -> Result<(LogLayer, Handle), TelemetryError> {
        let layout = self.layout();
        let alarm = alarm(self.writer.is_none().then_some(&self.config.destination), &self.clock);
        let out = match self.writer {
            Some(Output(out)) => out,
            None => open(&self.config.destination)?,
        };
        let queue = Arc::new(Queue::default());
        let loss_line = loss_line(layout, self.clock.clone(), self.zone.clone());
        writer::spawn(Arc::clone(&queue), out, loss_line, alarm)?;
        let handle = Handle {
            levels: Levels::new(&self.config),
            redactor: self.redactor,
            logs: Logs::new(self.clock.clone()),
            queue: Arc::new(OpenQueue(queue)),
        };
        let layer = LogLayer {
            alone,
            layout,
            clock: self.clock,
            zone: self.zone,
            levels: handle.levels.clone(),
            redactor: handle.redactor.clone(),
            logs: handle.logs.clone(),
            sensitive: SensitiveFields::new(&self.config.redaction),
            sink: Arc::clone(&handle.queue) as Arc<dyn Sink>,
            tap: self.tap,
            scratches: Scratches::default(),
        };
        Ok((layer, handle))
    }

    /// The format, once the terminal was asked.
    fn layout(&self) -> Layout {
        match self.config.format {
            Format::Json => Layout::Json,
            Format::Text => Layout::Text(Palette::Plain),
            Format::Color => Layout::Text(Palette::Ansi),
            Format::Auto if self.wants_colors() => Layout::Text(Palette::Ansi),
            Format::Auto => Layout::Text(Palette::Plain),
        }
    }

    /// Whether the destination shows colours, and the user wants them.
    fn wants_colors(&self) -> bool {
        let asked = || match (&self.writer, &self.config.destination) {
            (Some(_), _) | (None, Destination::File(_)) => ColorChoice::Never,
            (None, Destination::Stderr) => AutoStream::choice(&io::stderr()),
            (None, Destination::Stdout) => AutoStream::choice(&io::stdout()),
        };
        self.colors.unwrap_or_else(|| asked() != ColorChoice::Never)
    }
}

/// Opens the configured destination.
fn open(destination: &Destination) -> Result<Box<dyn Write + Send>, TelemetryError> {
    Ok(match destination {
        Destination::Stderr => Box::new(io::stderr()),
        Destination::Stdout => Box::new(io::stdout()),
        Destination::File(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            Box::new(
                file.map_err(|source| TelemetryError::OpenFile { path: path.clone(), source })?,
            )
        }
    })
}

/// Who is told when the output fails; none if that would go the same way.
fn alarm(destination: Option<&Destination>, clock: &Clock) -> Alarm {
    let name = match destination {
        None => "its output".to_owned(),
        Some(Destination::Stderr) => "stderr".to_owned(),
        Some(Destination::Stdout) => "stdout".to_owned(),
        Some(Destination::File(path)) => path.display().to_string(),
    };
    let is_other = !matches!(destination, Some(Destination::Stderr));
    let out = is_other.then(|| Box::new(io::stderr()) as Box<dyn Write + Send>);
    Alarm::new(out, name, clock.clone())
}

/// What the writer says about lost lines.
fn loss_line(layout: Layout, clock: Clock, zone: Timezone) -> LossLine {
    Box::new(move |lost| {
        let (mut line, mut time) = (String::new(), String::new());
        let (mut message, mut fields) = (String::new(), String::new());
        Stamp::default().write(&mut time, clock.now(), &zone, layout.digits());
        layout.message(&mut message, &format!("{lost} log lines lost"));
        layout.field(&mut fields, "lost", &lost.to_string(), crate::layout::Kind::Bare);
        let head = Head {
            time: &time,
            level: Level::WARN,
            target: OWN_TARGET,
            service: None,
            generation: None,
        };
        layout.line(&mut line, &head, &message, &fields);
        line
    })
}

// === impl Handle ===

impl Handle {
    /// The levels, to be read and changed while the application runs.
    pub fn levels(&self) -> &Levels {
        &self.levels
    }

    /// The secrets that no line shows.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// The newest lines, kept in memory.
    pub fn logs(&self) -> &Logs {
        &self.logs
    }

    /// How many lines were lost since the start: the queue was full, or the output failed.
    ///
    /// The number only grows. The log tells of the same losses, where the lines are missing, as
    /// soon as it can be written again.
    pub fn lost_lines(&self) -> u64 {
        self.queue.0.lost()
    }

    /// How far the log is behind, for whoever shows numbers.
    pub fn backlog(&self) -> Backlog {
        Backlog(Arc::clone(&self.queue.0))
    }

    /// Waits until every line logged before the call is written, at most for `timeout`.
    ///
    /// Blocks the thread, by the clock of the machine: for the end of `main`, a panic hook or a
    /// test, not for a service. A line that could not be written counts as lost, not as waiting.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::FlushTimedOut`] if lines are still queued then.
    pub fn flush(&self, timeout: Duration) -> Result<(), TelemetryError> {
        self.queue.0.flush(timeout)
    }

    /// A guard that flushes when it is dropped, also by a panic that unwinds through `main`.
    pub fn flush_on_drop(&self) -> FlushGuard {
        FlushGuard(self.clone())
    }
}

// === impl FlushGuard ===

impl Drop for FlushGuard {
    fn drop(&mut self) {
        // Nothing is left to tell it to: the log itself is what does not answer.
        let _ = self.0.flush(FLUSH_TIMEOUT);
    }
}

// === impl OpenQueue ===

impl Sink for OpenQueue {
    fn line(&self, line: &str) {
        self.0.line(line);
    }

    fn lose(&self) {
        self.0.lose();
    }
}

impl Drop for OpenQueue {
    fn drop(&mut self) {
        self.0.close();
    }
}

// === impl Output ===

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output")
    }
}
