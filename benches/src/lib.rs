//! Speed and size of Processpype, beside the floor that tokio sets and beside its peers.
//!
//! ```text
//! cargo run --release -p processpype-bench -- all [--runs N] [--json FILE]
//! cargo run --release -p processpype-bench --features peers -- w1 w2
//! ```
//!
//! # Invariants
//!
//! 1. Every sample is a process of its own, so that none finds the heap, the caches or the threads
//!    that another one left.
//! 2. Samples are paired: one run takes one of each subject, in turn, and a ratio is the median of
//!    the ratios within the runs. What disturbs the machine for a while disturbs all of them.
//! 3. A sample that has not done its work is no sample: each verifies that all ran, all came back,
//!    all ended, or that the bytes are the same, and fails otherwise.
//! 4. What is measured is what users run: the crates as they are, with their defaults unless the
//!    workload says what it changes.
//!
//! # How it fits
//!
//! | part | modules |
//! |---|---|
//! | what is measured | `workload` and one module for each of them |
//! | how it is measured | `command`, `sampler`, `helpers`, `launch`, `server`, `tally` |
//! | who is not there | `elsewhere` |
//! | what comes of it | `figure`, `table`, `record` |
//! | code that micro-benchmarks and instruction counts share | `hot`, `instructions` |

#![allow(
    clippy::disallowed_methods,
    reason = "measuring needs the machine's clock, tasks of its own, and the environment of cargo"
)]

mod cold;
mod command;
mod config;
mod contention;
mod crash;
mod elsewhere;
mod figure;
mod graph;
mod helpers;
pub mod hot;
mod http;
mod instructions;
mod launch;
mod log;
mod record;
mod sampler;
mod server;
mod start;
mod storm;
mod straggle;
mod table;
mod tally;
mod trees;
mod workload;

pub use crate::command::run;
pub use crate::figure::{Failure, Meter};
pub use crate::sampler::sample;
