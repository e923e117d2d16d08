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
//! 3. While every worker is parked there is no pulse: then whoever parked last has the driver, and
//!    an idle process wakes nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use processpype_runtime::PULSE;
use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

/// What the services' workers show of themselves.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    workers: usize,
    parked: AtomicUsize,
    /// Nobody looks before a worker goes to work.
    resting: AtomicBool,
    at_work: Notify,
}

// === impl Pulse ===

impl Pulse {
    /// Watches the `workers` of the runtime that `builder` will make.
    pub(crate) fn of(builder: &mut Builder, workers: usize) -> Self {
        let (parked, resting) = (AtomicUsize::new(0), AtomicBool::new(false));
        let shown = Arc::new(Shown { workers, parked, resting, at_work: Notify::new() });
        let (parks, unparks) = (Arc::clone(&shown), Arc::clone(&shown));
        builder
            .worker_threads(workers)
            .on_thread_park(move || {
                parks.parked.fetch_add(1, SeqCst);
            })
            .on_thread_unpark(move || {
                unparks.parked.fetch_sub(1, SeqCst);
                if unparks.resting.swap(false, SeqCst) {
                    unparks.at_work.notify_one();
                }
            });
        Self(shown)
    }

    /// Wakes a worker at every pulse, and counts it. Never returns.
    pub(crate) async fn keep_alive(self, services: Handle, count: impl Fn()) {
        loop {
            // Said first and looked at then: a worker that goes to work in between is seen by one
            // of both.
            self.0.resting.store(true, SeqCst);
            if self.is_quiet() {
                self.0.at_work.notified().await;
            }
            self.0.resting.store(false, SeqCst);
            tokio::time::sleep(PULSE).await;
            if !self.is_quiet() {
                count();
                // Whoever is woken takes the driver with it when it has nothing to do and parks
                // again.
                services.spawn(async {});
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.0.parked.load(SeqCst) >= self.0.workers
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use tokio::runtime::Runtime;

    use super::*;

    /// Long before this a timer of 200 ms is over, if anybody looks at it.
    const PATIENCE: Duration = Duration::from_secs(20);

    const WORKERS: usize = 4;

    fn services() -> (Runtime, Pulse) {
        let mut builder = Builder::new_multi_thread();
        let pulse = Pulse::of(&mut builder, WORKERS);
        (builder.enable_all().build().expect("threads can be started"), pulse)
    }

    #[test]
    fn a_thread_that_blocks_does_not_stop_the_timers_of_others() {
        let (services, pulse) = services();
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
        let pulse = pulse.keep_alive(services.handle().clone(), || {});
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

    #[test]
    fn workers_that_are_all_parked_are_left_alone_until_one_goes_to_work() {
        let (services, pulse) = services();
        let is_resting = |pulse: &Pulse| pulse.is_quiet() && pulse.0.resting.load(SeqCst);
        let supervisor = Builder::new_current_thread().enable_all().build();
        let supervisor = supervisor.expect("a runtime can be built");
        let rests = async || {
            while !is_resting(&pulse) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let work = async {
            tokio::time::timeout(PATIENCE, rests()).await.expect("it comes to rest");
            services.spawn(async {}).await.expect("it runs");
            tokio::time::timeout(PATIENCE, rests()).await.expect("it comes to rest again");
        };
        supervisor.block_on(async {
            tokio::select! {
                () = pulse.clone().keep_alive(services.handle().clone(), || {}) => {}
                () = work => {}
            }
        });
        services.shutdown_background();
    }
}
