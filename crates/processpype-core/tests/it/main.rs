//! The core, checked as a whole: every behaviour of small applications, mutants, tables,
//! properties.
#![allow(
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panic and print their counts"
)]

mod dags;
mod exhaustive;
mod explorer;
mod members;
mod moves;
mod mutants;
mod observer;
mod properties;
mod restart;
mod table;
mod throttle;
mod world;
