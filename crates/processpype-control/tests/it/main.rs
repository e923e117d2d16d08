//! The control plane from outside: through its router, and over real sockets.
#![allow(clippy::disallowed_methods, reason = "tests spawn tasks and measure real time")]
#![allow(clippy::panic, reason = "tests")]

mod access;
mod away;
mod commands;
mod documents;
mod events;
mod fixture;
mod leaving;
mod levels;
mod logs;
mod metrics;
mod operations;
mod outcomes;
mod passage;
mod probes;
mod restarts;
mod safety;
mod schema;
mod see;
mod sockets;
mod spans;
mod sse;
mod status;
mod takers;
#[cfg(feature = "tls")]
mod tls;
mod unread;
mod why;
