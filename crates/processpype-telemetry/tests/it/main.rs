//! The log as an application sees it: through `tracing`, to the bytes that come out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod formats;
mod harness;
mod installed;
mod kept;
mod levels;
mod loss;
mod redaction;
mod robustness;
