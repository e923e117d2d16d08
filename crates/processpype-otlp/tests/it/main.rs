//! The exporter against a collector that speaks OTLP over HTTP, on a real socket.

mod collector;
mod export;
