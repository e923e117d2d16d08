//! One way to run code under a log and look at what was written.
//!
//! # Invariants
//!
//! 1. No test installs anything global, reads the clock, or sleeps.
//! 2. Every wait is for something that must happen, and fails loudly after [`PATIENCE`].

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, mpsc},
    time::{Duration, UNIX_EPOCH},
};

use processpype_telemetry::{
    Clock, Format, Handle, LoggingConfig, Telemetry, TelemetryBuilder, Timezone,
};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// The second on the fixed clock: 2026-11-23T11:24:05.123456789Z.
const NOW: Duration = Duration::new(1_795_433_045, 123_456_789);

/// Bytes that were written, shared with the writer.
#[derive(Clone, Default)]
pub(crate) struct Written(Arc<Mutex<Vec<u8>>>);

/// An output whose every write waits for leave.
pub(crate) struct Gated {
    pub(crate) written: Written,
    /// Told when a write has begun.
    begun: mpsc::Sender<()>,
    /// Gives leave; once the other side is dropped, always.
    leave: mpsc::Receiver<()>,
}

/// The other side of a [`Gated`] output.
pub(crate) struct Gate {
    begun: mpsc::Receiver<()>,
    leave: mpsc::Sender<()>,
}

/// A builder with a fixed clock.
pub(crate) fn builder(config: LoggingConfig) -> TelemetryBuilder {
    Telemetry::builder(config).clock(Clock::new(|| UNIX_EPOCH + NOW))
}

/// The default configuration in a format.
pub(crate) fn config(format: Format) -> LoggingConfig {
    LoggingConfig { format, ..LoggingConfig::default() }
}

/// What `run` writes under a log built by `builder`.
pub(crate) fn logged(builder: TelemetryBuilder, run: impl FnOnce(&Handle)) -> String {
    let written = Written::default();
    let (subscriber, handle) = builder.writer(written.clone()).build().unwrap();
    tracing::subscriber::with_default(subscriber, || run(&handle));
    handle.flush(PATIENCE).unwrap();
    written.text()
}

/// What `run` writes in `format`, in UTC.
pub(crate) fn logged_in(format: Format, run: impl FnOnce(&Handle)) -> String {
    logged(builder(config(format)), run)
}

/// The messages that `run` writes under `config`, one a line.
pub(crate) fn messages(config: LoggingConfig, run: impl FnOnce(&Handle)) -> Vec<String> {
    let config = LoggingConfig { format: Format::Json, ..config };
    let message = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["message"].as_str().unwrap().to_owned()
    };
    logged(builder(config), run).lines().map(message).collect()
}

/// The span in which the runtime runs a service.
pub(crate) fn service(name: &str, generation: u64) -> tracing::Span {
    tracing::info_span!(target: "processpype", "service", service = %name, generation)
}

/// Rome, an hour before UTC in November; says so where the machine does not know it.
#[expect(clippy::print_stderr, reason = "who reads the log of tests must see what was not")]
pub(crate) fn rome() -> Option<Timezone> {
    let rome = Timezone::named("Europe/Rome");
    rome.inspect_err(|error| eprintln!("skipped: {error}")).ok()
}

// === impl Written ===

impl Written {
    /// The bytes as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Gated ===

impl Gated {
    /// An output and its gate, closed.
    pub(crate) fn new() -> (Self, Gate, Written) {
        let written = Written::default();
        let (begin, begun) = mpsc::channel();
        let (leave, wait) = mpsc::channel();
        let output = Self { written: written.clone(), begun: begin, leave: wait };
        (output, Gate { begun, leave }, written)
    }
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The test may have stopped watching.
        let _ = self.begun.send(());
        let _ = self.leave.recv();
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// === impl Gate ===

impl Gate {
    /// Waits until the writer stands in a write.
    pub(crate) fn wait_for_write(&self) {
        self.begun.recv_timeout(PATIENCE).expect("the writer writes");
    }

    /// Lets every write through from now on.
    pub(crate) fn open(self) {
        drop(self.leave);
    }

    /// Lets every write through, and waits until the output is dropped; whether it was.
    pub(crate) fn open_and_wait_for_end(self) -> bool {
        drop(self.leave);
        loop {
            match self.begun.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(error) => break error == mpsc::RecvTimeoutError::Disconnected,
            }
        }
    }
}
