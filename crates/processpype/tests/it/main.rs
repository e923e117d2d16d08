//! What the framework promises, shown through its public interface.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "tests may fail, and misbehave on purpose; constructors take their arguments by value"
)]

mod children;
mod churn;
mod cli;
mod closing;
mod compile_fail;
mod configure;
mod conformance;
mod deps;
mod diagnosis;
mod documents;
mod hang;
mod harness;
mod health;
mod interface;
mod last_words;
mod lost;
mod meant;
mod metrics;
mod mutations;
mod nested;
mod panics;
mod places;
mod registering;
mod reload;
mod requests;
mod restarts;
mod secrets;
mod seed;
mod setup;
mod simulation;
mod stopping;
mod storm;
mod together;
mod turnover;
