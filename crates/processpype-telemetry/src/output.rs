//! How the output of the log is doing, and who is told when it fails.
//!
//! # Invariants
//!
//! 1. What [`Condition`] holds is always so; only telling it on standard error is limited, to one
//!    failure and its end in [`QUIET`].
//! 2. Nobody is told on standard error that standard error fails.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use crate::clock::Clock;

/// How long after a failure was told the next one is not.
const QUIET: Duration = Duration::from_secs(60);

/// Whether the output takes what is written to it.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    /// Why it does not.
    error: Mutex<Option<Arc<str>>>,
    /// How often that has changed.
    changes: AtomicU64,
}

/// Tells people that the log cannot be written, and that it can be again.
pub(crate) struct Alarm {
    /// Where to tell it; none if that is what fails.
    out: Option<Box<dyn Write + Send>>,
    /// What is written to, for people.
    name: String,
    clock: Clock,
    told_at: Option<SystemTime>,
    /// A failure was told, and its end not yet.
    is_told: bool,
}

// === impl Condition ===

impl Condition {
    /// Why the output fails now.
    pub(crate) fn error(&self) -> Option<Arc<str>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often that has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Relaxed)
    }

    fn set(&self, text: Option<String>) {
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if error.as_deref() != text.as_deref() {
            *error = text.map(Into::into);
            self.changes.fetch_add(1, Relaxed);
        }
    }
}

// === impl Alarm ===

impl Alarm {
    pub(crate) fn new(out: Option<Box<dyn Write + Send>>, name: String, clock: Clock) -> Self {
        Self { out, name, clock, told_at: None, is_told: false }
    }

    /// Takes how the last write went; `lost` lines are missing since the start.
    pub(crate) fn heed(&mut self, failure: Option<&io::Error>, condition: &Condition, lost: u64) {
        condition.set(failure.map(ToString::to_string));
        match failure {
            Some(error) if !self.is_told && !self.is_quiet() => {
                self.is_told = true;
                self.told_at = Some(self.clock.now());
                self.tell(&format!(
                    "cannot write the log to {}: {error}; the application goes on, and counts \
                     the lines that are lost",
                    self.name
                ));
            }
            None if self.is_told => {
                self.is_told = false;
                self.tell(&format!(
                    "the log is written to {} again; {lost} lines are lost since the start",
                    self.name
                ));
            }
            Some(_) | None => {}
        }
    }

    fn tell(&mut self, what: &str) {
        if let Some(out) = &mut self.out {
            // If that fails too, nobody is left to be told.
            let _ = out.write_all(format!("processpype: {what}\n").as_bytes());
        }
    }

    fn is_quiet(&self) -> bool {
        // A clock that was set back says nothing: it is told once more, rather than not for hours.
        let since = |told_at| self.clock.now().duration_since(told_at).ok();
        self.told_at.and_then(since).is_some_and(|since| since < QUIET)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::UNIX_EPOCH};

    use super::*;

    /// Gives what is written to it to a test.
    struct Heard(mpsc::Sender<String>);

    impl Write for Heard {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(String::from_utf8(bytes.to_vec()).unwrap()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Checks what is told of these writes: the second of each, and whether it failed.
    #[track_caller]
    fn check(writes: &[(u64, bool)], expected: &[&str]) {
        let (sender, heard) = mpsc::channel();
        let second = Arc::new(AtomicU64::new(0));
        let now = Arc::clone(&second);
        let clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(now.load(Relaxed)));
        let mut alarm = Alarm::new(Some(Box::new(Heard(sender))), "app.log".to_owned(), clock);
        let condition = Condition::default();
        for (at, fails) in writes {
            second.store(*at, Relaxed);
            let error = fails.then(|| io::Error::other("full"));
            alarm.heed(error.as_ref(), &condition, 7);
            assert_eq!(condition.error().as_deref(), fails.then_some("full"));
        }
        drop(alarm);
        let told: Vec<String> = heard.iter().collect();
        assert_eq!(told, expected);
    }

    const FAILS: &str = "processpype: cannot write the log to app.log: full; the application goes \
                         on, and counts the lines that are lost\n";
    const WORKS: &str =
        "processpype: the log is written to app.log again; 7 lines are lost since the start\n";

    #[test]
    fn a_failure_and_its_end_are_told_once() {
        check(&[(0, false), (1, false)], &[]);
        check(&[(0, true), (1, true), (99, true)], &[FAILS]);
        check(&[(0, true), (1, false), (2, false)], &[FAILS, WORKS]);
    }

    #[test]
    fn an_output_that_comes_and_goes_is_told_once_in_a_while() {
        check(&[(0, true), (1, false), (2, true), (3, false)], &[FAILS, WORKS]);
        check(&[(0, true), (1, false), (2, true), (60, true)], &[FAILS, WORKS, FAILS]);
        check(&[(0, true), (1, false), (59, true)], &[FAILS, WORKS]);
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nothing_quiet() {
        check(&[(7200, true), (7201, false), (5, true)], &[FAILS, WORKS, FAILS]);
    }

    #[test]
    fn a_change_is_counted_once() {
        let condition = Condition::default();
        let texts = [None, Some("full"), Some("full"), Some("gone"), None];
        let changes = texts.map(|text: Option<&str>| {
            condition.set(text.map(str::to_owned));
            condition.changes()
        });
        assert_eq!(changes, [0, 1, 1, 2, 3]);
    }
}
