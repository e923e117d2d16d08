//! One kind of service for each way in which a service behaves, well or badly.
//!
//! Every instance comes from the file: `services: {NAME: {kind: …}}`. It is the specimen for the
//! black-box tests beside it and for the documentation.
//!
//! # Invariants
//!
//! 1. Every kind answers `GET /services/{name}/status` with `{"state":"running"}` while it runs.
//! 2. What a kind does badly it does for real, and only when its configuration says so.

mod flaky;
mod hangs;
mod hello;
mod hoarder;
mod moody;
mod reader;
mod slow;
mod status;
mod stubborn;
mod ticker;
mod trigger;
mod vault;

use std::process::ExitCode;

use processpype::Application;

use crate::flaky::Flaky;
use crate::hangs::Hangs;
use crate::hello::Hello;
use crate::hoarder::Hoarder;
use crate::moody::Moody;
use crate::reader::Reader;
use crate::slow::Slow;
use crate::stubborn::Stubborn;
use crate::ticker::Ticker;
use crate::trigger::{Trigger, Victim};
use crate::vault::Vault;

fn main() -> ExitCode {
    Application::new()
        .kind("hello", Hello::new)
        .kind("ticker", Ticker::new)
        .kind("flaky", Flaky::new)
        .kind("hangs", Hangs::new)
        .kind("hoarder", Hoarder::new)
        .kind("moody", Moody::new)
        .kind("reader", Reader::new)
        .kind("slow", Slow::new)
        .kind("stubborn", Stubborn::new)
        .kind("trigger", Trigger::new)
        .kind("victim", Victim::new)
        .kind("vault", Vault::new)
        .main()
}
