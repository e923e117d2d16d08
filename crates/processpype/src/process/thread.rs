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
