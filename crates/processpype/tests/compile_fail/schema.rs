//! A configuration type that can be read, and says nothing about itself.

use processpype::serde::Deserialize;
use processpype::{Application, Config, Service};

#[derive(Deserialize)]
#[serde(crate = "processpype::serde")]
struct Step {
    size: u64,
}

struct Counter;

impl Service for Counter {}

fn counter(step: Config<Step>) -> Counter {
    let _ = step.size;
    Counter
}

fn main() {
    let _ = Application::new().service(counter);
}
