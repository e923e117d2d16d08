//! The one thread that writes lines, and may block as long as it likes.
//!
//! # Invariants
//!
//! 1. A batch is settled exactly once, written or counted, also when the output fails or panics.
//! 2. Lost lines are told in the log itself, at the place where they are missing, as soon as
//!    something can be written again.
//! 3. After a write that failed inside a line, the next begins on a line of its own.
//! 4. That the output fails, and works again, is told elsewhere, before the batch is settled.
//! 5. The thread ends when the queue is closed and empty.

use std::{
    io::{self, ErrorKind, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use crate::{
    error::TelemetryError,
    layout,
    output::Alarm,
    queue::{Batch, Queue},
};

/// The name of the writer's thread.
const THREAD_NAME: &str = "log-writer";
/// How often a write is tried again that would block (a non-blocking descriptor).
const WOULD_BLOCK_RETRIES: u32 = 100;
/// How long the writer waits before such a retry.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(10);

/// Renders the line that tells of lost ones.
pub(crate) type LossLine = Box<dyn FnMut(u64) -> String + Send>;

/// The state of the writing thread.
struct Writer {
    /// Where lines come from.
    queue: Arc<Queue>,
    /// Where they go; may block, fail and panic.
    out: Box<dyn Write + Send>,
    /// How the log tells of losses.
    loss_line: LossLine,
    /// Lost lines that the log has told of.
    told: u64,
    /// The output ends within a line.
    torn: bool,
    /// Why the last write failed, if it did.
    failure: Option<io::Error>,
    /// Who is told of that.
    alarm: Alarm,
}

/// Starts the thread that writes what is in `queue` to `out`.
///
/// # Errors
///
/// [`TelemetryError::SpawnWriter`] if the system gives no thread.
pub(crate) fn spawn(
    queue: Arc<Queue>,
    out: Box<dyn Write + Send>,
    loss_line: LossLine,
    alarm: Alarm,
) -> Result<(), TelemetryError> {
    let writer = Writer { queue, out, loss_line, told: 0, torn: false, failure: None, alarm };
    thread::Builder::new()
        .name(THREAD_NAME.to_owned())
        .spawn(move || writer.run())
        .map(drop)
        .map_err(|source| TelemetryError::SpawnWriter { source })
}

// === impl Writer ===

impl Writer {
    /// The whole life of the thread; two batches change places, so that nothing is allocated.
    fn run(mut self) {
        let mut spare = Batch::default();
        while let Some(mut batch) = self.queue.take(spare) {
            let lost = self.write(&batch.bytes);
            if lost == 0 {
                self.tell(batch.lost);
            }
            let missing = self.queue.lost() + lost;
            self.alarm.heed(self.failure.as_ref(), &self.queue.output, missing);
            self.queue.settle(batch.lines, lost);
            batch.clear();
            spare = batch;
        }
    }

    /// Writes that lines were lost, up to the `lost` counted, if the log does not say so yet.
    fn tell(&mut self, lost: u64) {
        if lost > self.told {
            let line = (self.loss_line)(lost - self.told);
            if self.write(line.as_bytes()) == 0 {
                self.told = lost;
            }
        }
    }

    /// Writes records; returns how many of them are not, or not wholly, written.
    fn write(&mut self, records: &[u8]) -> u64 {
        let mend: &[u8] = if self.torn { b"\n" } else { b"" };
        let (mended, outcome) = write_all(&mut *self.out, mend);
        if mended < mend.len() {
            self.failure = outcome.err();
            return layout::records(records);
        }
        let (written, outcome) = write_all(&mut *self.out, records);
        self.torn = match written.checked_sub(1) {
            Some(last) => records[last] != b'\n',
            None => false,
        };
        let flushed = outcome.and_then(|()| guarded(|| self.out.flush()));
        self.failure = flushed.err();
        match self.failure {
            None => 0,
            // What was written before is out; a record cut in two is lost.
            Some(_) => layout::records(records) - whole_records(records, written),
        }
    }
}

/// How many records end within the first `written` bytes of `records`.
fn whole_records(records: &[u8], written: usize) -> u64 {
    let begun = layout::records(&records[..written]);
    let at_border = written == records.len()
        || (records[..written].ends_with(b"\n") && records[written] != b' ');
    if at_border { begun } else { begun.saturating_sub(1) }
}

/// Writes as much as the output takes; returns how much that was.
fn write_all(out: &mut dyn Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let (mut written, mut retries) = (0, 0);
    while written < bytes.len() {
        match guarded(|| out.write(&bytes[written..])) {
            Ok(0) => return (written, Err(ErrorKind::WriteZero.into())),
            Ok(more) => {
                written = bytes.len().min(written + more);
                retries = 0;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                retries += 1;
                if retries > WOULD_BLOCK_RETRIES {
                    return (written, Err(error));
                }
                thread::sleep(WOULD_BLOCK_PAUSE);
            }
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Calls a user's output; a panic in it is a failure of the write.
fn guarded<T>(call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|payload| {
        // Dropping the payload is user code too, and could panic again.
        std::mem::forget(payload);
        Err(io::Error::other("the output panicked"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that follows a script: how much each call takes, or how it fails.
    struct Scripted {
        script: Vec<io::Result<usize>>,
        seen: Vec<u8>,
    }

    impl Write for Scripted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let take = if self.script.is_empty() { Ok(usize::MAX) } else { self.script.remove(0) };
            let taken = take?.min(bytes.len());
            self.seen.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check(script: Vec<io::Result<usize>>, expected: (usize, bool), seen: &str) {
        let mut out = Scripted { script, seen: Vec::new() };
        let (written, outcome) = write_all(&mut out, b"one\ntwo\n");
        assert_eq!((written, outcome.is_ok()), expected);
        assert_eq!(out.seen, seen.as_bytes());
    }

    #[test]
    fn short_and_interrupted_writes_go_on() {
        check(vec![], (8, true), "one\ntwo\n");
        check(vec![Ok(3), Err(ErrorKind::Interrupted.into()), Ok(2)], (8, true), "one\ntwo\n");
        check(vec![Ok(3), Err(ErrorKind::WouldBlock.into())], (8, true), "one\ntwo\n");
        check(vec![Ok(5), Err(ErrorKind::BrokenPipe.into())], (5, false), "one\nt");
        check(vec![Ok(4), Ok(0)], (4, false), "one\n");
    }

    #[test]
    fn only_whole_records_count_as_written() {
        let text = b"1 one\n    | more\n2 two\n";
        let whole: Vec<u64> = (0..=text.len()).map(|at| whole_records(text, at)).collect();
        assert_eq!(whole[5], 0);
        assert_eq!(whole[6], 0, "the continuation is missing");
        assert_eq!(whole[17], 1);
        assert_eq!(whole[22], 1);
        assert_eq!(whole[23], 2);
    }

    #[test]
    fn a_panic_of_the_output_is_an_error() {
        /// What a panic leaves, which panics once more when it is dropped.
        struct Again;
        impl Drop for Again {
            fn drop(&mut self) {
                panic!("in drop");
            }
        }
        assert!(guarded::<()>(|| panic!("in write")).is_err());
        assert!(guarded::<()>(|| std::panic::panic_any(Again)).is_err());
    }

    /// A writer whose output follows `script`; what it wrote comes out of `seen`.
    fn writer(script: Vec<io::Result<usize>>, seen: std::sync::mpsc::Sender<u8>) -> Writer {
        struct Told(Scripted, std::sync::mpsc::Sender<u8>);
        impl Write for Told {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let taken = self.0.write(bytes)?;
                for byte in &bytes[..taken] {
                    self.1.send(*byte).unwrap();
                }
                Ok(taken)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        Writer {
            queue: Arc::default(),
            out: Box::new(Told(Scripted { script, seen: Vec::new() }, seen)),
            loss_line: Box::new(|lost| format!("{lost} lost\n")),
            told: 0,
            torn: false,
            failure: None,
            alarm: Alarm::new(None, String::new(), crate::clock::Clock::system()),
        }
    }

    #[test]
    fn after_a_torn_record_the_next_has_its_own_line() {
        let (send, seen) = std::sync::mpsc::channel();
        let broken = || Err(ErrorKind::BrokenPipe.into());
        let mut writer = writer(vec![Ok(6), broken(), broken(), Ok(1)], send);
        assert_eq!(writer.write(b"1 one\n2 two\n3 three\n"), 2, "two are not out");
        assert_eq!(writer.write(b"4 four\n"), 1);
        assert!(!writer.torn, "the failure was between two records");
        writer.told = 1;
        writer.tell(4);
        writer.tell(4);
        drop(writer);
        assert_eq!(text(&seen), "1 one\n3 lost\n");
    }

    #[test]
    fn a_torn_record_is_mended_once() {
        let (send, seen) = std::sync::mpsc::channel();
        let broken = || Err(ErrorKind::BrokenPipe.into());
        let mut writer = writer(vec![Ok(3), broken(), broken()], send);
        assert_eq!(writer.write(b"1 one\n"), 1);
        assert_eq!(writer.write(b"2 two\n"), 1, "not even the mending came through");
        assert_eq!(writer.write(b"3 three\n4 four\n"), 0);
        assert_eq!(writer.write(b"5 five\n"), 0);
        drop(writer);
        assert_eq!(text(&seen), "1 o\n3 three\n4 four\n5 five\n");
    }

    /// Everything that was written.
    fn text(seen: &std::sync::mpsc::Receiver<u8>) -> String {
        String::from_utf8(seen.try_iter().collect()).unwrap()
    }
}
