//! A thousand kills: everything comes back, or exactly those are given up that must be.
//!
//! The figures are those of the acceptance: fifty services that need each other, a thousand kills
//! by chance, restarts after 100 ms, doubling to 1 s at most.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use processpype::testing::{self, TestApp};
use processpype::{
    Backoff, EdgePolicy, Event, RestartLimit, RestartOptions, RestartRate, ServiceState,
};
use tokio::time::Instant;

use super::actor::{Fault, World};
use super::checks::Observer;
use super::numbers::Numbers;
use super::sample::{Nature, Sample, name};
use super::{lines, on_paused_time};
use crate::harness::{millis, secs};

const SERVICES: usize = 50;
const KILLS: usize = 1000;

/// After so long all are ready again.
const RECOVERY: Duration = secs(5);

/// The longest wait between two kills, in milliseconds.
const PAUSE: u64 = 400;

const NOBODY: [usize; 0] = [];

/// Kills one service after the other, and remembers who was killed when.
struct Killer {
    sample: Sample,
    numbers: Numbers,
    world: Arc<World>,
    app: TestApp,
    began: Instant,
    kills: Vec<(usize, Duration)>,
    events: Vec<Arc<Event>>,
    rests: Vec<usize>,
}

/// Fifty services that behave well until they are killed.
fn fifty(seed: u64, restart: RestartOptions) -> Sample {
    let numbers = &mut Numbers::of(seed, 0);
    let natures = (0..SERVICES).map(|id| {
        let mut edges = Vec::new();
        for _ in 0..if id == 0 { 0 } else { numbers.below(4) } {
            let provider = numbers.index(id);
            if edges.iter().all(|edge: &(usize, _)| edge.0 != provider) {
                edges.push((provider, numbers.pick(EdgePolicy::ALL)));
            }
        }
        Nature {
            declared: edges.clone(),
            edges,
            restart,
            oneshot: false,
            significant: false,
            autostart: true,
            start_timeout: millis(300),
            stop_timeout: secs(10),
            frailty: 0,
            children: numbers.below(3),
            needy: false,
            shyness: 0,
            slow_stop: 1,
            heartbeat: None,
        }
    });
    let (closing_timeout, drain_delay) = (secs(25), Duration::ZERO);
    Sample {
        seed,
        natures: natures.collect(),
        groups: Vec::new(),
        rate: RestartRate::default(),
        starts_at_once: 1024,
        closing_timeout,
        drain_delay,
    }
}

// === impl Killer ===

impl Killer {
    async fn start(sample: Sample) -> Self {
        let world = World::new(&sample);
        world.set_calm(true);
        let app = testing::start(sample.application(&world)).await.expect("it is valid");
        let numbers = Numbers::of(sample.seed, 1);
        let mut killer = Self {
            sample,
            numbers,
            world,
            app,
            began: Instant::now(),
            kills: Vec::new(),
            events: Vec::new(),
            rests: Vec::new(),
        };
        killer.pass(secs(1)).await;
        killer
    }

    async fn pass(&mut self, time: Duration) {
        tokio::time::sleep(time).await;
        let after = self.events.len() as u64;
        let page = self.app.manager().events(after, usize::MAX);
        assert_eq!(page.lost, 0, "the events are read often enough");
        self.events.extend(page.events);
    }

    /// Kills one of those that run, chosen by `pick`, and waits a little.
    async fn kill(&mut self, pick: fn(&mut Numbers, &[usize]) -> usize) {
        let running =
            |id: &usize| self.app.manager().state(&name(*id)) == Some(ServiceState::Running);
        let running: Vec<usize> = (0..SERVICES).filter(running).collect();
        if !running.is_empty() {
            let id = pick(&mut self.numbers, &running);
            let ways = [Fault::Fail, Fault::Panic, Fault::ChildFails, Fault::ChildPanics];
            self.world.send(id, self.numbers.pick(&ways));
            self.kills.push((id, self.began.elapsed()));
        }
        let pause = self.numbers.millis(PAUSE) + millis(1);
        self.pass(pause).await;
    }

    fn unready(&self) -> Vec<usize> {
        let ready = |id: &usize| self.app.manager().status(&name(*id)).is_some_and(|it| it.ready);
        (0..SERVICES).filter(|id| !ready(id)).collect()
    }

    fn exhausted(&self) -> BTreeSet<usize> {
        let statuses = (0..SERVICES).filter_map(|id| self.app.manager().status(&name(id)));
        let is_exhausted = statuses.map(|it| it.restart.is_some_and(|it| it.exhausted));
        is_exhausted.enumerate().filter(|(_, is)| *is).map(|(id, _)| id).collect()
    }

    /// Closes, and asserts what must hold in every history.
    async fn end(mut self) {
        let manager = self.app.manager().clone();
        let closed = self.app.stop().await;
        assert_eq!(closed.stragglers, []);
        self.events.extend(manager.events(self.events.len() as u64, usize::MAX).events);
        let mut observer = Observer::new(&self.sample, &self.world);
        observer.read(&self.events, &self.rests, None);
        assert!(observer.wrong.is_empty(), "{:#?}", observer.wrong);
        assert_eq!(self.world.wrong(), Vec::<String>::new());
    }
}

/// Who is given up, by the times of the kills alone: more than so many in so long a time.
fn predict(kills: &[(usize, Duration)], limit: RestartLimit) -> BTreeSet<usize> {
    let most = limit.max_restarts().expect("there is a limit") as usize;
    let is_given_up = |id: &usize| {
        let times: Vec<Duration> =
            kills.iter().filter(|kill| kill.0 == *id).map(|kill| kill.1).collect();
        times.windows(most + 1).any(|times| times[most] - times[0] <= limit.within())
    };
    (0..SERVICES).filter(is_given_up).collect()
}

async fn a_thousand_kills_without_a_limit(seed: u64) {
    let backoff = Backoff::new(millis(100), secs(1), 2.0, 0.2).expect("a good backoff");
    let limit = RestartLimit::NONE;
    let restart = RestartOptions { backoff, limit, ..RestartOptions::default() };
    let mut killer = Killer::start(fifty(seed, restart)).await;
    let tasks = tokio::runtime::Handle::current().metrics();
    let before = tasks.num_alive_tasks();
    assert_eq!(killer.unready(), NOBODY, "seed {seed}: all are ready at first");
    // Now and then nobody runs.
    for _ in 0..2 * KILLS {
        if killer.kills.len() < KILLS {
            killer.kill(Numbers::pick).await;
        }
    }
    assert_eq!(killer.kills.len(), KILLS, "seed {seed}: somebody runs mostly");
    let last = killer.kills.last().expect("there was one").1;
    let left = (last + RECOVERY).saturating_sub(killer.began.elapsed());
    killer.pass(left).await;
    assert_eq!(killer.unready(), NOBODY, "seed {seed}: {:#?}", lines(&killer.events));
    assert_eq!(tasks.num_alive_tasks(), before, "seed {seed}: tasks are left");
    killer.rests.push(killer.events.len());
    let ends = killer.events.iter().filter(|event| event.cause == "restart-scheduled").count();
    assert_eq!(ends, KILLS, "seed {seed}: each kill was one");
    killer.end().await;
}

async fn a_thousand_kills_within_the_default_limit(seed: u64) -> (usize, usize) {
    let restart = RestartOptions::default();
    let mut killer = Killer::start(fifty(seed, restart)).await;
    for _ in 0..KILLS {
        // A few are killed much more often than the others.
        killer
            .kill(|numbers, running| {
                let often: Vec<usize> = running.iter().copied().filter(|id| id % 5 == 0).collect();
                let few = numbers.percent(60) && !often.is_empty();
                if few { numbers.pick(&often) } else { numbers.pick(running) }
            })
            .await;
        // Time for most to grow old.
        killer.pass(millis(900)).await;
    }
    killer.pass(secs(60)).await;
    let (found, expected) = (killer.exhausted(), predict(&killer.kills, restart.limit));
    assert_eq!(found, expected, "seed {seed}");
    let kills = killer.kills.len();
    killer.end().await;
    (found.len(), kills)
}

#[test]
fn after_a_thousand_kills_all_are_ready_within_five_seconds() {
    for seed in 0..4 {
        on_paused_time(a_thousand_kills_without_a_limit(seed));
    }
}

#[test]
fn with_the_default_limit_exactly_the_predicted_services_are_exhausted() {
    let found = (0..4).map(|seed| on_paused_time(a_thousand_kills_within_the_default_limit(seed)));
    let found: Vec<(usize, usize)> = found.collect();
    let is_telling = |&(exhausted, _): &(usize, usize)| exhausted > 0 && exhausted < SERVICES;
    assert!(found.iter().all(is_telling), "{found:?}");
    super::say(&format!("kills: with the default limit (exhausted, kills): {found:?}"));
}
