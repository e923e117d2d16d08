//! The exporter against a collector that speaks OTLP over HTTP, on a real socket.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod collector;
mod export;
