//! The threads of a process, each with its name.

use std::io;
use std::thread::Builder;

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
