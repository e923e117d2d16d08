//! The file of events on a real disk.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod ledger;
