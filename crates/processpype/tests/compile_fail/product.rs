//! A constructor whose value is no service.

use processpype::Application;

struct Counter;

fn counter() -> Counter {
    Counter
}

fn main() {
    let _ = Application::new().service(counter);
}
