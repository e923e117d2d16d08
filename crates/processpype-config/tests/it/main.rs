//! The one integration binary of this crate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod backends;
mod bounds;
mod canary;
mod corpus;
mod duplicates;
mod durations;
mod good;
mod layers;
mod neighbours;
mod nulls;
mod properties;
mod types;
