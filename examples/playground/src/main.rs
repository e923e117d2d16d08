//! One kind of service for each way in which a service behaves.

use std::process::ExitCode;

use processpype::{Application, Context, Service};

struct Hello;

impl Service for Hello {}

fn main() -> ExitCode {
    Application::new().kind("hello", |_: Context| Hello).main()
}
