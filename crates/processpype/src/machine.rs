//! What a start needs of the machine: the file of the log, and room for sockets.
//!
//! # Invariants
//!
//! 1. Nothing is bound, and nothing left behind, by asking.
//! 2. What is refused here would be refused at the start. What changes by itself is left to that:
//!    where a host name leads, and whether an address is taken.
//!
//! `run` and `check` ask. What does not run as a process of its own has no log to open, and what
//! only looks at the plan need not be on the machine that it is for.

use processpype_config::{Document, Report, check_file_room};
use processpype_telemetry::Destination;

use crate::access::Access;

/// Checks it; every problem is given to `problem`.
pub(crate) fn check(document: &Document, access: &Access, mut problem: impl FnMut(Report)) {
    log(document, &mut problem);
    sockets(document, access, &mut problem);
}

fn log(document: &Document, problem: &mut impl FnMut(Report)) {
    let section = document.section(&["observability", "logging", "destination"]);
    // One that cannot be read is told by whoever reads the whole section.
    let Some(Ok(Destination::File(path))) = section.exists().then(|| section.read()) else {
        return;
    };
    if let Err(error) = check_file_room(&path) {
        let text = format!("the log cannot be written: {error}");
        let help = "make what is missing, or name another file, or write `destination: stderr`";
        problem(section.get("file").problem(text).help(help).into());
    }
}

fn sockets(document: &Document, access: &Access, problem: &mut impl FnMut(Report)) {
    let section = document.section(&["server", "listeners"]);
    for (at, listener) in access.listeners.iter().enumerate() {
        if let Err(error) = listener.address.check_room() {
            let text = format!("cannot listen on {}: {error}", listener.address);
            let help = "make what is missing, or write another path after `unix:`";
            problem(section.item(at).get("address").problem(text).help(help).into());
        }
    }
}
