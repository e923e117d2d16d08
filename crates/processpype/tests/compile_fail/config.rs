//! A configuration type that cannot be read.

use processpype::{Application, Config, Service};

struct Step;

struct Counter;

impl Service for Counter {}

fn counter(step: Config<Step>) -> Counter {
    let _ = step;
    Counter
}

fn main() {
    let _ = Application::new().service(counter);
}
