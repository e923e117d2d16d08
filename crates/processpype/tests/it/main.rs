//! What the framework promises, shown through its public interface.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests may say what they expect"
)]

mod children;
mod closing;
mod deps;
mod harness;
mod health;
mod panics;
mod random;
mod requests;
mod setup;
mod stopping;
