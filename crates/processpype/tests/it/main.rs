//! The tests of the framework as its users see it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod seed;
