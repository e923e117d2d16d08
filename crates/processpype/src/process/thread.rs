//! The threads of a process, each with its name.

use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

use super::Notice;

/// Starts a thread that nobody joins.
///
/// The work is boxed: what std does for a thread is compiled for each type of it.
///
/// # Errors
///
/// Fails if the system has no thread left.
pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let work: Box<dyn FnOnce() + Send> = Box::new(work);
    Builder::new().name(name.to_owned()).spawn(work).map(drop)
}

/// Does `work` on a thread, and waits for its end no longer than `time`.
///
/// # Errors
///
/// Fails if the system has no thread left; then nothing is done.
pub(crate) fn within(
    time: Duration,
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    // Nobody sends a notice: the end of the thread ends the channel, also if it panics. A type of
    // its own would have std compile all of its channels once more.
    let (held, over) = sync_channel::<Notice>(1);
    start(name, move || {
        work();
        drop(held);
    })?;
    let _ = over.recv_timeout(time);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
    use std::sync::mpsc::channel;

    use super::*;

    /// Longer than any test.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn work_that_ends_in_time_has_ended() {
        let is_done = Arc::new(AtomicBool::new(false));
        let done = Arc::clone(&is_done);
        let work = move || {
            // Who does not wait is back long before.
            (0..10_000).for_each(|_| std::thread::yield_now());
            done.store(true, SeqCst);
        };
        within(LONG, "in-time", work).expect("there are threads");
        assert!(is_done.load(SeqCst));
    }

    #[test]
    fn work_that_goes_on_is_left_alone() {
        let (go, gone) = channel::<()>();
        let (done, is_done) = channel();
        let work = move || {
            let _ = gone.recv();
            let name = std::thread::current().name().map(str::to_owned);
            let _ = done.send(name);
        };
        within(Duration::from_millis(1), "goes-on", work).expect("there are threads");
        assert!(is_done.try_recv().is_err(), "it waits to be let go");
        drop(go);
        assert_eq!(is_done.recv_timeout(LONG), Ok(Some("goes-on".to_owned())));
    }

    #[test]
    fn a_panic_ends_the_wait() {
        // Without the hook, which would print it among the tests.
        let work = || std::panic::resume_unwind(Box::new("in the work"));
        within(LONG, "panics", work).expect("there are threads");
    }
}
