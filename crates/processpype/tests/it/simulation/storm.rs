//! How one simulation goes, from the start of its application to the end.
//!
//! # Invariants
//!
//! 1. Every command is kept until its end was seen.
//! 2. What must be true at one moment only (at rest, at the end) is checked here; what must be true
//!    always is read from the events afterwards, by the observer.

use std::sync::Arc;
use std::time::Duration;

use processpype::testing::{self, TestApp};
use processpype::{
    CommandError, Desired, Event, Manager, Operation, Request, ServiceState, Status, Subscription,
    Verb,
};
use tokio::runtime::RuntimeMetrics;
use tokio::time::Instant;

use super::Run;
use super::actor::{Fault, World};
use super::checks::{OPERATOR, Observer};
use super::numbers::Numbers;
use super::sample::{Sample, id_of, name};
use crate::harness::{millis, secs};

/// How long an application has to come to rest once the faults have stopped.
///
/// The longest backoff is 5 min, and a chain of services may have to wait for it.
const REST: Duration = secs(3600);

/// How long everything has to come up once an operator starts it.
///
/// Where one at a time may start, each takes up to 20 s.
const RECOVERY: Duration = secs(1800);

/// Of how many of the last operations one is cancelled now and then.
const LATEST: usize = 6;

/// A simulation under way.
pub(crate) struct Storm<'a> {
    sample: &'a Sample,
    numbers: Numbers,
    /// What an operator takes back, and when restarts pause: apart, so that the rest goes as
    /// without it.
    meddling: Numbers,
    world: Arc<World>,
    manager: Manager,
    subscription: Subscription,
    operations: Vec<(String, Operation)>,
    events: Vec<Arc<Event>>,
    wrong: Vec<String>,
    /// How many events there were whenever everything had come to rest.
    rests: Vec<usize>,
    tasks: RuntimeMetrics,
    /// How many tasks live beside those of services.
    other_tasks: usize,
    /// When it began, by both clocks.
    began: (Instant, u64),
}

// === impl Storm ===

impl<'a> Storm<'a> {
    pub(crate) async fn run(sample: &'a Sample) -> Run {
        let world = World::new(sample);
        let tasks = tokio::runtime::Handle::current().metrics();
        let before = tasks.num_alive_tasks();
        let app = testing::begin(sample.application(&world)).expect("every sample is valid");
        let manager = app.manager().clone();
        let mut storm = Self {
            sample,
            numbers: Numbers::of(sample.seed, u64::MAX),
            meddling: Numbers::of(sample.seed, u64::MAX - 1),
            world,
            subscription: manager.subscribe(0),
            began: (Instant::now(), manager.now().0),
            manager,
            operations: Vec::new(),
            events: Vec::new(),
            wrong: Vec::new(),
            rests: Vec::new(),
            other_tasks: tasks.num_alive_tasks(),
            tasks,
        };
        storm.rage().await;
        storm.calm().await;
        let aborted = storm.end(app).await;
        storm.pass(millis(1)).await;
        if storm.tasks.num_alive_tasks() != before {
            let left = storm.tasks.num_alive_tasks() - before;
            storm.wrong.push(format!("{left} tasks are left at the end"));
        }
        storm.judge(aborted)
    }

    /// Some hours of faults and commands, in bursts and with pauses.
    async fn rage(&mut self) {
        for _ in 0..40 + self.numbers.below(160) {
            if self.manager.is_closing() {
                return;
            }
            self.one_blow().await;
            self.meddle().await;
            let pause = self.numbers.pick(&[1, 1, 50, 2_000, 60_000, 400_000]);
            let pause = self.numbers.millis(pause);
            self.pass(pause).await;
        }
    }

    async fn one_blow(&mut self) {
        let id = self.numbers.index(self.sample.natures.len());
        if self.numbers.percent(65) {
            let fault = Fault::draw(&mut self.numbers);
            self.world.send(id, fault);
        } else {
            let verb = self.numbers.pick(&[
                Verb::start(),
                Verb::start().with_dependencies(),
                Verb::stop(),
                Verb::stop().cascade(),
                Verb::start().with_dependencies().force(),
                Verb::restart(),
                Verb::restart().with_dependents(),
            ]);
            self.command(id, verb).await;
        }
    }

    /// Takes a command back that may still wait, or lets restarts pause for a while, or go on.
    async fn meddle(&mut self) {
        let by = || Request::by(OPERATOR);
        match self.meddling.below(100) {
            0..10 => {
                let last = self.operations.len().saturating_sub(LATEST);
                let latest = &self.operations[last..];
                if !latest.is_empty() {
                    let id = latest[self.meddling.index(latest.len())].1.id();
                    // Most have ended, and a stop is not taken back.
                    let _ = self.manager.cancel(id, by()).await;
                }
            }
            10..13 => {
                let time = self.meddling.pick(&[1_000, 60_000, 900_000]);
                let time = self.meddling.millis(time);
                let _ = self.manager.pause_restarts(time, by()).await;
            }
            13..16 => drop(self.manager.resume_restarts(by()).await),
            _ => {}
        }
    }

    async fn command(&mut self, id: usize, verb: Verb) {
        let by = Request::by(OPERATOR);
        let what = format!("{} {}", verb.as_str(), name(id));
        match self.manager.command(&name(id), verb, by).await {
            Ok(operation) => self.operations.push((what, operation)),
            Err(CommandError::Closing) if self.manager.is_closing() => {}
            Err(error) => self.wrong.push(format!("{what} was not taken: {error}")),
        }
    }

    /// Lets time pass, and reads what happens meanwhile.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            tokio::select! {
                biased;
                page = self.subscription.next(usize::MAX) => {
                    if page.lost > 0 {
                        self.wrong.push(format!("{} events were lost", page.lost));
                    }
                    self.events.extend(page.events);
                }
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    /// The faults stop: what should run and can comes to run; then an operator wants all of it.
    async fn calm(&mut self) {
        self.world.set_calm(true);
        let _ = self.manager.resume_restarts(Request::by(OPERATOR)).await;
        self.pass(REST).await;
        if self.manager.is_closing() {
            return;
        }
        self.check_rest();
        self.check_tasks();
        for id in 0..self.sample.natures.len() {
            self.command(id, Verb::start().with_dependencies()).await;
        }
        self.pass(RECOVERY).await;
        self.check_all_run();
        self.check_tasks();
    }

    fn check_rest(&mut self) {
        for id in 0..self.sample.natures.len() {
            let status = self.status(id);
            if let Some(what) = self.unrest(id, &status) {
                self.wrong.push(format!("at rest {} {what}: {status:?}", name(id)));
            }
        }
    }

    /// What is wrong with a service that has had all the time it needs.
    fn unrest(&self, id: usize, status: &Status) -> Option<&'static str> {
        let is_down = matches!(status.state, ServiceState::Stopped | ServiceState::Error);
        let mut gating = self.sample.gating(id).map(|provider| self.status(provider));
        // A oneshot that runs is ready, and nobody starts on it yet.
        let is_missing = gating.any(|provider| !provider.completed && !self.serves(&provider));
        // Who restarts it with itself was given up.
        let mut mates = (0..self.sample.natures.len())
            .filter(|&mate| self.sample.restarts(mate, id))
            .map(|mate| self.status(mate));
        let is_missing =
            is_missing || mates.any(|mate| mate.restart.is_some_and(|restart| restart.exhausted));
        let can_wait = is_down && is_missing && !status.waiting_on.is_empty();
        let gave_up = status.state == ServiceState::Error && self.gave_up(id, status);
        match status.desired {
            _ if status.state.is_transient() => Some("is on its way"),
            Desired::Stopped if is_down => None,
            Desired::Stopped => Some("runs although it should not"),
            // A provider that went away leaves it running.
            Desired::Running if status.ready || status.completed || can_wait || gave_up => None,
            Desired::Running => Some("should run"),
        }
    }

    fn serves(&self, provider: &Status) -> bool {
        provider.ready && !self.sample.natures[id_of(provider.name.as_str())].oneshot
    }

    fn gave_up(&self, id: usize, status: &Status) -> bool {
        let never = self.sample.natures[id].restart.policy == processpype::RestartPolicy::Never;
        never || status.restart.is_some_and(|restart| restart.exhausted)
    }

    fn check_all_run(&mut self) {
        for id in 0..self.sample.natures.len() {
            let status = self.status(id);
            // A job that is done again and again does not come to its end while all is calm.
            let works = |&provider: &usize| {
                self.sample.natures[provider].oneshot && self.status(provider).ready
            };
            let waits = self.sample.required(id).iter().any(works);
            if !status.ready && !status.completed && !waits {
                self.wrong.push(format!("{} was started and is down: {status:?}", name(id)));
            }
        }
    }

    /// Nothing lives but what is known to: one task for each generation, and its children.
    fn check_tasks(&mut self) {
        self.rests.push(self.events.len());
        let mut expected = self.other_tasks;
        for id in 0..self.sample.natures.len() {
            let status = self.status(id);
            let lives = !matches!(status.state, ServiceState::Stopped | ServiceState::Error);
            expected += usize::from(lives) + self.world.children(id) as usize;
            if self.world.instances(id) != u64::from(lives) {
                let instances = self.world.instances(id);
                self.wrong.push(format!("{instances} instances live: {status:?}"));
            }
        }
        let alive = self.tasks.num_alive_tasks();
        if alive != expected {
            self.wrong.push(format!("{alive} tasks live where {expected} are known"));
        }
    }

    fn status(&self, id: usize) -> Arc<Status> {
        self.manager.status(&name(id)).expect("it is there")
    }

    /// Closes under fire. Returns when everything was aborted, if it was.
    async fn end(&mut self, mut app: TestApp) -> Option<u64> {
        self.world.set_calm(false);
        for _ in 0..self.numbers.below(6) {
            self.one_blow().await;
        }
        let mut aborted = None;
        let choice = self.numbers.below(4);
        if choice > 0 {
            self.manager.close();
        }
        if choice == 1 {
            let time = self.numbers.millis(3_000);
            self.pass(time).await;
        }
        if choice <= 1 {
            aborted = Some(self.manager.now().0);
            self.manager.abort();
        }
        for _ in 0..self.numbers.below(6) {
            self.one_blow().await;
            let time = self.numbers.millis(200);
            self.pass(time).await;
        }
        // How long it may take is read from the events.
        if tokio::time::timeout(REST, app.closed()).await.is_err() {
            self.wrong.push("it does not close".to_owned());
        }
        drop(app);
        for (what, operation) in std::mem::take(&mut self.operations) {
            if tokio::time::timeout(secs(1), operation.outcome()).await.is_err() {
                self.wrong.push(format!("{what} never ended"));
            }
        }
        self.pass(millis(1)).await;
        for status in self.manager.statuses() {
            let comes = status.restart.is_some_and(|restart| restart.next_at.is_some());
            if comes || status.ready || !status.waiting_on.is_empty() {
                self.wrong.push(format!("after the end something is to come: {status:?}"));
            }
        }
        aborted
    }

    fn judge(self, aborted: Option<u64>) -> Run {
        let hours = self.began.0.elapsed().as_secs_f64() / 3600.0;
        let mut wrong = self.world.wrong();
        let mut observer = Observer::new(self.sample, &self.world);
        observer.read(&self.events, &self.rests, aborted);
        wrong.append(&mut observer.wrong);
        wrong.extend(self.wrong);
        for (id, at) in self.world.cut() {
            let at = self.began.1 + (at - self.began.0).as_millis() as u64;
            if observer.abort_at.is_none_or(|abort| at < abort) {
                wrong.push(format!("a child of {} was given no time to end, at {at}", name(id)));
            }
        }
        for id in 0..self.sample.natures.len() {
            if self.world.instances(id) > 0 || self.world.children(id) > 0 {
                wrong.push(format!("something of {} is left at the end", name(id)));
            }
        }
        Run { events: self.events, wrong, hours }
    }
}
