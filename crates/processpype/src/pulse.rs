//! Wakes the services' runtime now and then, so that one that blocks its thread stops no clock.
//!
//! A runtime of tokio has one driver for timers and sockets, and no thread of its own for it: the
//! worker that was parked last holds it. That worker gives the driver up when it goes to work, and
//! the next one that parks takes it. But if all others sleep by then, nobody takes it, and if what
//! the worker works on blocks, every timer and socket of every other service stands still, however
//! many threads there are, until something from outside wakes a worker. On a quiet runtime that is
//! the rule and not the exception. (tokio's own remedy, `enable_eager_driver_handoff`, is unstable
//! and wakes a worker each time that one goes to work.)
//!
//! # Invariants
//!
//! 1. What blocks one thread delays the others by [`PULSE`] once, as long as a thread is left.
//! 2. The pulse comes from a thread on which no service runs.

use std::time::Duration;

use tokio::runtime::Handle;

/// How often the services' runtime is woken. A blocked thread is noticed by nobody in less; ten
/// times a second nothing is what cannot be measured.
const PULSE: Duration = Duration::from_millis(100);

/// Wakes a worker at every pulse. Never returns.
pub(crate) async fn keep_alive(services: Handle) {
    loop {
        tokio::time::sleep(PULSE).await;
        // Whoever is woken takes the driver with it when it has nothing to do and parks again.
        services.spawn(async {});
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Builder;

    use super::*;

    /// Long before this a timer of 200 ms is over, if anybody looks at it.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn a_thread_that_blocks_does_not_stop_the_timers_of_others() {
        let services = Builder::new_multi_thread().worker_threads(4).enable_all().build();
        let services = services.expect("threads can be started");
        let (told, over) = mpsc::channel();
        let (let_go, blocks) = mpsc::channel::<()>();
        services.spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let _ = told.send(());
        });
        services.spawn(async move {
            // By then all others sleep, and this one holds the driver.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let _ = blocks.recv();
        });
        let pulse = keep_alive(services.handle().clone());
        let _supervisor = std::thread::spawn(move || {
            let supervisor = Builder::new_current_thread().enable_all().build();
            let supervisor = supervisor.expect("a runtime can be built");
            supervisor.block_on(async { tokio::time::timeout(PATIENCE, pulse).await })
        });
        let is_over = over.recv_timeout(PATIENCE);
        drop(let_go);
        services.shutdown_background();
        assert_eq!(is_over, Ok(()));
    }
}
