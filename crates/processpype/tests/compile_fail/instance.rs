//! An instance in place of what makes one.

use processpype::{Application, Service};

struct Counter;

impl Service for Counter {}

fn main() {
    let _ = Application::new().service(Counter);
}
