//! What is told of a panic.
//!
//! # Invariants
//!
//! 1. A panic that ends the process is told twice: in the log, and, with the log's secrets taken
//!    out, on standard error, whatever becomes of the log.
//! 2. A panic that a catcher gets is the catcher's to tell: it knows whose it is.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use processpype_runtime::{PanicSite, Panicked, is_contained, record_panic};
use processpype_telemetry::{Handle as LogHandle, one_line};

use super::{FLUSH_TIME, thread};
use crate::cli::{BUG_HELP, say_error};
use crate::exit::Exit;

/// Whether nobody can catch a panic: the process ends with it.
const ABORTS: bool = cfg!(panic = "abort");

/// Tells the catcher of a panic where it was; panics that nobody catches are logged.
pub(super) fn install_hook(log: &LogHandle) {
    let log = log.clone();
    std::panic::set_hook(Box::new(move |info| {
        let site = site(info);
        if ABORTS || !is_contained() {
            let text = info.payload_as_str().unwrap_or("a value that is no text");
            let text = format!("panicked where nothing contains it: {text}, at {}", site.location);
            let backtrace = site.backtrace.as_deref().unwrap_or_default();
            tracing::error!(target: "processpype", "{text}\n{backtrace}");
            if ABORTS {
                say(&log, &text);
            }
        }
        record_panic(site);
    }));
}

fn site(info: &PanicHookInfo<'_>) -> PanicSite {
    let location = info.location();
    let location = location.map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    let backtrace = Backtrace::capture();
    let captured = backtrace.status() == BacktraceStatus::Captured;
    PanicSite { location, backtrace: captured.then(|| backtrace.to_string()) }
}

/// Tells of a panic of the main thread, with which the process ends.
pub(super) fn tell_last(panicked: &Panicked, log: &LogHandle) -> Exit {
    let exit = Exit::Bug;
    let text = format!("the main thread {panicked}");
    let backtrace = panicked.site.as_ref().and_then(|site| site.backtrace.as_deref());
    tracing::error!(
        target: "processpype", exit = exit.code(),
        "{text}; the process ends, and no service is stopped in order\n{}",
        backtrace.unwrap_or_default()
    );
    say(log, &text);
    exit
}

/// Tells of a panic of the supervisor's thread, with which the process ends. The hook has told
/// where it was.
pub(super) fn tell_supervisor(message: &str, log: &LogHandle) {
    let text = format!("the supervisor's thread panicked: {message}");
    tracing::error!(
        target: "processpype", exit = Exit::Bug.code(),
        "{text}; the process ends, and no service is stopped in order"
    );
    say(log, &text);
}

/// Writes the log, and says on standard error what ends the process.
fn say(log: &LogHandle, text: &str) {
    let _ = log.flush(FLUSH_TIME);
    let text = log.redactor().scrub(text);
    let text = format!("{}\n  = help: {BUG_HELP}", one_line(&text));
    // The log's writer holds standard error for as long as nobody reads it.
    let words = text.clone();
    let said = thread::within(FLUSH_TIME, "processpype-last-words", move || say_error(&words));
    if said.is_err() {
        say_error(&text);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use processpype_runtime::contain;
    use processpype_telemetry::{LoggingConfig, Telemetry};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_of_the_main_thread_ends_the_process_as_a_bug_and_is_the_last_line() {
        let paper = Paper::default();
        let builder = Telemetry::builder(LoggingConfig::default()).writer(paper.clone());
        let (subscriber, log) = builder.build().unwrap();
        log.redactor().replace(["sesame".to_owned()]);
        let exit = tracing::subscriber::with_default(subscriber, || {
            let outcome = contain(|| -> Exit { panic!("no sesame here") });
            tracing::info!("the last line before");
            tell_last(&outcome.unwrap_err(), &log)
        });
        assert_eq!(exit, Exit::Bug);
        let written = String::from_utf8(paper.0.lock().unwrap().clone()).unwrap();
        let (before, last) = written.trim_end().rsplit_once('\n').unwrap();
        assert!(before.ends_with("the last line before"), "{written}");
        let said = last.contains("the main thread panicked: no ***");
        assert!(said && last.contains("no service is stopped in order"), "{written}");
        assert!(!written.contains("sesame"), "{written}");
    }
}
