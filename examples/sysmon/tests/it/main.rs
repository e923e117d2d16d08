//! Everything that is tested through the public surface, in one binary.
//! `services` runs the application in memory on paused time, `process` the program itself.

#![allow(clippy::panic, clippy::print_stderr, reason = "a test stops at the first surprise")]

mod process;
mod scratch;
mod services;
