//! An argument that is none of the kinds of arguments.

use processpype::{Application, Service};

struct Counter;

impl Service for Counter {}

fn counter(step: u64) -> Counter {
    let _ = step;
    Counter
}

fn main() {
    let _ = Application::new().service(counter);
}
