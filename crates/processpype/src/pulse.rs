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
//! 3. While every worker is parked, or in reserve, there is no pulse: then whoever parked last has
//!    the driver, and an idle process wakes nobody.
//! 4. A worker that stays in one poll from one pulse to the next has a spare one take its place, if
//!    there is one in reserve.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::Notify;

use crate::reserve::{Reserve, Watch};

/// How often the services' runtime is woken while it works. A blocked thread is noticed by nobody
/// in less; ten times a second nothing is what cannot be measured.
const PULSE: Duration = Duration::from_millis(100);

/// What the services' workers show of themselves.
#[derive(Clone, Debug)]
pub(crate) struct Pulse(Arc<Shown>);

#[derive(Debug)]
struct Shown {
    workers: usize,
    /// How many of them are for work; the others are spare.
    for_work: usize,
    reserve: Arc<Reserve>,
    parked: AtomicUsize,
    /// Nobody looks before a worker goes to work.
    resting: AtomicBool,
    at_work: Notify,
}

// === impl Pulse ===

impl Pulse {
    /// Watches the `workers` of the runtime that `builder` will make, of which `for_work` are to
    /// work as long as none of them is blocked.
    pub(crate) fn of(builder: &mut Builder, workers: usize, for_work: usize) -> Self {
        let (parked, resting) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (reserve, at_work) = (Arc::default(), Notify::new());
        let shown = Shown { workers, for_work, reserve, parked, resting, at_work };
        let shown = Arc::new(shown);
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

    /// Holds the spare workers back, wakes a worker at every pulse, and lets spare ones go when
    /// others are blocked. Never returns.
    pub(crate) async fn keep_alive(self, services: Handle) {
        let Shown { workers, for_work, reserve, .. } = &*self.0;
        let spare = workers.saturating_sub(*for_work);
        reserve.hold(&services, spare);
        // One of those may have had the driver, which whoever is woken then takes.
        services.spawn(async {});
        tokio::time::sleep(PULSE).await;
        services.spawn(async {});
        let mut watch = Watch::new(&services);
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
                // Whoever is woken takes the driver with it when it has nothing to do and parks
                // again.
                services.spawn(async {});
                let (waiting, still) = (reserve.count(), watch.blocked());
                let blocked = still.saturating_sub(waiting);
                // If nobody is left to work, those behind the next ones that block must not wait
                // for yet another pulse.
                let is_anybody_left = still < *workers;
                reserve.keep(if is_anybody_left { spare.saturating_sub(blocked) } else { 0 });
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.0.parked.load(SeqCst) + self.0.reserve.count() >= self.0.workers
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::runtime::Runtime;

    use super::*;

    /// Long before this a timer of 200 ms is over, if anybody looks at it.
    const PATIENCE: Duration = Duration::from_secs(20);

    const WORKERS: usize = 4;
    const FOR_WORK: usize = 2;

    fn services() -> (Runtime, Pulse) {
        let mut builder = Builder::new_multi_thread();
        let pulse = Pulse::of(&mut builder, WORKERS, FOR_WORK);
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
        let pulse = pulse.keep_alive(services.handle().clone());
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
    fn spare_workers_wait_until_others_are_blocked() {
        let (services, pulse) = services();
        let reserve = Arc::clone(&pulse.0.reserve);
        let is_held = async || {
            while reserve.count() != WORKERS - FOR_WORK {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let let_go: Vec<_> = (0..WORKERS - 1)
            .map(|_| {
                let (let_go, blocks) = mpsc::channel::<()>();
                (let_go, async move { blocks.recv().is_ok() })
            })
            .collect();
        let (keep, block): (Vec<_>, Vec<_>) = let_go.into_iter().unzip();
        let work = async {
            tokio::time::timeout(PATIENCE, is_held()).await.expect("the spare ones wait");
            block.into_iter().for_each(|blocker| drop(services.spawn(blocker)));
            let last = tokio::time::timeout(PATIENCE, services.spawn(async {})).await;
            last.expect("there is a worker left").expect("it runs");
        };
        let supervisor = Builder::new_current_thread().enable_all().build();
        supervisor.expect("a runtime can be built").block_on(async {
            tokio::select! {
                () = pulse.clone().keep_alive(services.handle().clone()) => {}
                () = work => {}
            }
        });
        assert_eq!(reserve.count(), 0, "a few that block have a thread each");
        drop(keep);
        services.shutdown_background();
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
                () = pulse.clone().keep_alive(services.handle().clone()) => {}
                () = work => {}
            }
        });
        services.shutdown_background();
    }
}
