//! What only the runtime's own interface can show: services on a runtime of their own, and bounds.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests may fail, and misbehave on purpose"
)]

mod bodies;
mod bounds;
mod bugs;
mod calls;
mod checks;
mod harness;
mod keys;
mod late;
mod log;
mod members;
mod orphans;
mod panics;
mod threads;
mod waking;
mod watchdog;
