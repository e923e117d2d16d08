//! What the framework promises, shown through its public interface.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests may say what they expect"
)]

mod children;
mod closing;
mod harness;
mod health;
mod panics;
mod requests;
mod seed;
mod stopping;
