//! Black-box tests: the real program, as a process, over its sockets, its signals and its exit
//! code.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod access;
mod bad_input;
mod canary;
mod client;
mod collector;
mod commands;
mod defects;
mod dependencies;
mod exit_codes;
mod groups;
mod hang;
mod harness;
mod http;
mod journal;
mod load;
mod logs;
mod members;
mod night;
mod order;
mod random;
mod reload;
mod signals;
mod socket;
mod status;
mod storm;
mod stubborn;
mod tls;
#[cfg(target_os = "linux")]
mod top;
mod traces;
mod turmoil;
