//! The service of a simulation: it misbehaves by chance, and does what it is sent.
//!
//! # Invariants
//!
//! 1. What a generation does by itself follows from the seed, its service and its number; nothing
//!    depends on who is polled first.
//! 2. Once the world is calm, what begins behaves well, and what misbehaves comes to an end when
//!    it is asked to, or at its timeout.
//! 3. It counts itself: two generations at once, or a child that outlives its own, are seen.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, pending};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use processpype::{Context, Dep, EdgePolicy, Error, RestartPolicy, Result, Service};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::numbers::Numbers;
use super::sample::{Nature, Sample, name};
use crate::harness::{millis, secs};

/// How often a needy service looks whether its provider is there.
const LOOK: Duration = secs(17);

/// The role of the provider that is asked for by type.
pub(crate) struct Main;

/// What the services of one simulation share.
pub(crate) struct World {
    seed: u64,
    began: Instant,
    seats: Vec<Seat>,
    calm: AtomicBool,
    /// What must not happen, and did.
    wrong: Mutex<Vec<String>>,
    /// The children that were cut although they end at once when they are asked to.
    cut: Mutex<Vec<(usize, Instant)>>,
}

/// What outlives the generations of one service.
struct Seat {
    nature: Nature,
    mail: Mutex<Option<Fault>>,
    mailed: Notify,
    instances: AtomicU64,
    children: AtomicU64,
    /// The generations that said `cx.ready(false)` before they ran.
    unready: Mutex<BTreeSet<u64>>,
    /// When each generation beat last.
    beats: Mutex<BTreeMap<u64, Instant>>,
    /// The context of the last generation that ran.
    context: Mutex<Option<Context>>,
}

/// What happens to a running service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Fail,
    Panic,
    ChildFails,
    ChildPanics,
    /// `run` returns although nobody asked: the success of a oneshot.
    End,
    /// Says that it is not ready, for a time.
    Unready(Duration),
    /// Uses its provider: nothing happens if it is there.
    Use,
    /// From now on it ignores that it is asked to stop.
    Deaf,
    /// From now on it does not beat but with a context of an older generation.
    Silent,
}

/// What a hook does.
#[derive(Clone, Copy, Debug)]
enum Turn {
    Well(Duration),
    Fail(Duration),
    Panic(Duration),
    Hang,
}

/// What one generation does by itself.
struct Script {
    new: Turn,
    start: Turn,
    stop: Turn,
    /// How long after its start it is not ready.
    unready: Option<Duration>,
    /// How long `run` takes to end when it is asked to, and a child.
    ending: Duration,
    /// How long the work of a oneshot takes.
    work: Duration,
}

/// One generation of a service.
pub(crate) struct Actor {
    world: Arc<World>,
    id: usize,
    provider: Option<Dep<Actor, Main>>,
    deaf: AtomicBool,
    silent: AtomicBool,
    _present: Present,
}

/// A child, from its spawn to its end.
struct Child {
    present: Present,
    is_quick: bool,
    is_over: bool,
}

/// Counts something while it is there.
struct Present(Arc<World>, usize, fn(&Seat) -> &AtomicU64);

/// A constructor of a service without a typed provider.
pub(crate) fn alone(
    world: &Arc<World>,
    id: usize,
) -> impl Fn(Context) -> Making + Clone + Send + Sync + 'static + use<> {
    let world = Arc::clone(world);
    move |cx| Box::pin(Actor::make(Arc::clone(&world), id, cx, None))
}

/// A constructor of a service that asks for a provider.
pub(crate) fn with_provider(
    world: &Arc<World>,
    id: usize,
) -> impl Fn(Context, Dep<Actor, Main>) -> Making + Clone + Send + Sync + 'static + use<> {
    let world = Arc::clone(world);
    move |cx, provider| Box::pin(Actor::make(Arc::clone(&world), id, cx, Some(provider)))
}

type Making = std::pin::Pin<Box<dyn Future<Output = Result<Actor>> + Send>>;

// === impl World ===

impl World {
    pub(crate) fn new(sample: &Sample) -> Arc<Self> {
        let seats = sample.natures.iter().map(|nature| Seat::new(nature.clone())).collect();
        let (calm, wrong, cut) = (AtomicBool::new(false), Mutex::default(), Mutex::default());
        Arc::new(Self { seed: sample.seed, began: Instant::now(), seats, calm, wrong, cut })
    }

    pub(crate) fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Relaxed);
        if calm {
            self.seats.iter().for_each(|seat| *seat.mail() = None);
        }
    }

    /// Sends a fault; a service that does not run does not get it.
    pub(crate) fn send(&self, id: usize, fault: Fault) {
        *self.seats[id].mail() = Some(fault);
        self.seats[id].mailed.notify_waiters();
    }

    pub(crate) fn instances(&self, id: usize) -> u64 {
        self.seats[id].instances.load(Relaxed)
    }

    pub(crate) fn children(&self, id: usize) -> u64 {
        self.seats[id].children.load(Relaxed)
    }

    /// Whether a generation said that it is not ready before it ran.
    pub(crate) fn began_unready(&self, id: usize, generation: u64) -> bool {
        self.seats[id].unready.lock().unwrap().contains(&generation)
    }

    /// When a generation beat last, in milliseconds since the beginning.
    pub(crate) fn last_beat(&self, id: usize, generation: u64) -> Option<u64> {
        let last = self.seats[id].beats.lock().unwrap().get(&generation).copied();
        last.map(|at| (at - self.began).as_millis() as u64)
    }

    pub(crate) fn wrong(&self) -> Vec<String> {
        self.wrong.lock().unwrap().clone()
    }

    /// Which children were cut in spite of their good will, and when.
    pub(crate) fn cut(&self) -> Vec<(usize, Instant)> {
        self.cut.lock().unwrap().clone()
    }

    fn note(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    fn is_calm(&self) -> bool {
        self.calm.load(Relaxed)
    }

    fn script(&self, id: usize, generation: u64) -> Script {
        let numbers = &mut Numbers::of(self.seed, 1 + ((id as u64) << 32) + generation);
        let nature = &self.seats[id].nature;
        let frailty = if self.is_calm() { 0 } else { nature.frailty };
        let slow = nature.slow_stop;
        // Constructor and start together are in time, unless they misbehave.
        let slow_start = nature.start_timeout.as_millis() as u64 / 3;
        Script {
            new: Turn::draw(numbers, frailty / 2, slow_start),
            start: Turn::draw(numbers, frailty, slow_start),
            stop: Turn::draw(numbers, frailty, slow),
            unready: numbers.percent(nature.shyness).then(|| numbers.millis(20_000)),
            // Sometimes longer than there is time for.
            ending: if numbers.percent(frailty) { numbers.millis(2 * slow) } else { millis(0) },
            work: numbers.millis(120_000),
        }
    }
}

// === impl Seat ===

impl Seat {
    fn new(nature: Nature) -> Self {
        Self {
            nature,
            mail: Mutex::default(),
            mailed: Notify::new(),
            instances: AtomicU64::new(0),
            children: AtomicU64::new(0),
            unready: Mutex::default(),
            beats: Mutex::default(),
            context: Mutex::default(),
        }
    }

    fn mail(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.mail.lock().unwrap()
    }

    async fn next_fault(&self) -> Fault {
        loop {
            let mut mailed = std::pin::pin!(self.mailed.notified());
            mailed.as_mut().enable();
            if let Some(fault) = self.mail().take() {
                return fault;
            }
            mailed.await;
        }
    }
}

// === impl Fault ===

impl Fault {
    pub(crate) fn draw(numbers: &mut Numbers) -> Self {
        let time = numbers.millis(240_000);
        numbers.pick(&[
            Self::Fail,
            Self::Fail,
            Self::Panic,
            Self::ChildFails,
            Self::ChildPanics,
            Self::End,
            Self::Unready(time),
            Self::Use,
            Self::Use,
            Self::Deaf,
            Self::Silent,
        ])
    }
}

// === impl Turn ===

impl Turn {
    fn draw(numbers: &mut Numbers, frailty: u64, slow: u64) -> Self {
        let time = if numbers.percent(50) { millis(0) } else { numbers.millis(slow) };
        let turns = [Self::Fail(time), Self::Panic(time), Self::Hang];
        let turn = numbers.pick(&turns);
        if numbers.percent(frailty) { turn } else { Self::Well(time) }
    }

    async fn take(self) -> Result {
        match self {
            Self::Well(time) => wait(time).await,
            Self::Fail(time) => {
                wait(time).await;
                return Err(Error::public("as drawn"));
            }
            Self::Panic(time) => {
                wait(time).await;
                panic_quietly();
            }
            Self::Hang => pending().await,
        }
        Ok(())
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

/// Panics past the hook, which would print thousands of these.
fn panic_quietly() {
    std::panic::resume_unwind(Box::new("as drawn"));
}

// === impl Actor ===

impl Actor {
    async fn make(
        world: Arc<World>,
        id: usize,
        cx: Context,
        provider: Option<Dep<Self, Main>>,
    ) -> Result<Self> {
        let present = Present::begin(&world, id, |seat| &seat.instances);
        if world.instances(id) > 1 || world.children(id) > 0 {
            world.note(format!("{} has two generations at once", name(id)));
        }
        world.script(id, cx.generation().0).new.take().await?;
        let (deaf, silent) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { world, id, provider, deaf, silent, _present: present })
    }

    fn seat(&self) -> &Seat {
        &self.world.seats[self.id]
    }

    fn script(&self, cx: &Context) -> Script {
        self.world.script(self.id, cx.generation().0)
    }

    fn spawn_children(&self, cx: &Context, ending: Duration) {
        for child in 0..self.seat().nature.children {
            let present = Present::begin(&self.world, self.id, |seat| &seat.children);
            let spawned = Child { present, is_quick: ending.is_zero(), is_over: false };
            let context = cx.clone();
            cx.spawn(&format!("child {child}"), async move {
                context.stopping().await;
                wait(ending).await;
                spawned.end();
            });
        }
    }

    fn look_at_provider(&self) -> Result {
        if let Some(provider) = &self.provider {
            provider.get()?;
        }
        Ok(())
    }

    /// Whether it must do without its provider when that is not there: an optional one, or a
    /// oneshot, of which there is no instance once it has done its work. Who does not would never
    /// come to rest.
    fn must_do_without(&self) -> bool {
        self.seat().nature.edges.first().is_some_and(|&(provider, policy)| {
            policy == EdgePolicy::Optional || self.world.seats[provider].nature.oneshot
        })
    }

    /// Beats, if it has a heart; who is silent does so for an older generation only.
    fn beat(&self, cx: &Context) {
        let seat = self.seat();
        if !self.silent.load(Relaxed) {
            seat.beats.lock().unwrap().insert(cx.generation().0, Instant::now());
            cx.beat();
        } else if let Some(older) = &*seat.context.lock().unwrap() {
            older.beat();
        }
    }

    /// Lives for some time.
    async fn pass(&self, cx: &Context, time: Duration) {
        let until = Instant::now() + time;
        let step = self.seat().nature.beat_every();
        while Instant::now() < until {
            self.beat(cx);
            wait(step.min(until - Instant::now())).await;
        }
    }

    /// What is done until the service is asked to stop; an end is an end unasked.
    async fn work(&self, cx: &Context, script: &Script) -> Result {
        if let Some(unready) = script.unready {
            self.pass(cx, unready).await;
            cx.ready(true);
        }
        let mut work = std::pin::pin!(tokio::time::sleep(script.work));
        let mut look = Instant::now() + LOOK;
        loop {
            self.beat(cx);
            let nature = &self.seat().nature;
            // A job that is done again and again would never come to rest.
            let rests = nature.restart.policy == RestartPolicy::Always;
            let works = nature.oneshot && !(rests && self.world.is_calm());
            tokio::select! {
                biased;
                fault = self.seat().next_fault() => {
                    if self.suffer(cx, fault).await? {
                        return Ok(());
                    }
                }
                () = &mut work, if works => return Ok(()),
                () = tokio::time::sleep_until(look), if nature.needy => {
                    look += LOOK;
                    if !(self.world.is_calm() && self.must_do_without()) {
                        self.look_at_provider()?;
                    }
                }
                () = tokio::time::sleep(nature.beat_every()), if nature.heartbeat.is_some() => {}
            }
        }
    }

    /// Returns whether that is the end of `run`.
    async fn suffer(&self, cx: &Context, fault: Fault) -> Result<bool> {
        match fault {
            Fault::Fail => return Err(Error::public("as sent")),
            Fault::Panic => panic_quietly(),
            Fault::ChildFails => {
                cx.spawn("fails", async { Err::<(), _>(Error::public("as sent")) });
            }
            Fault::ChildPanics => {
                cx.spawn("panics", async { panic_quietly() });
            }
            Fault::End => return Ok(true),
            Fault::Unready(time) => {
                cx.ready(false);
                self.pass(cx, time).await;
                cx.ready(true);
            }
            Fault::Use => self.look_at_provider()?,
            Fault::Deaf => self.deaf.store(true, Relaxed),
            Fault::Silent => self.silent.store(true, Relaxed),
        }
        Ok(false)
    }
}

impl Service for Actor {
    async fn start(&self, cx: &Context) -> Result {
        let script = self.script(cx);
        if script.unready.is_some() {
            cx.ready(false);
            self.seat().unready.lock().unwrap().insert(cx.generation().0);
        }
        self.spawn_children(cx, script.ending);
        script.start.take().await?;
        let looks = self.seat().nature.needy && !self.must_do_without();
        if looks { self.look_at_provider() } else { Ok(()) }
    }

    async fn run(&self, cx: &Context) -> Result {
        let script = self.script(cx);
        *self.seat().mail() = None;
        if let Some(ended) = cx.until_stopped(self.work(cx, &script)).await {
            *self.seat().context.lock().unwrap() = Some(cx.clone());
            return ended;
        }
        *self.seat().context.lock().unwrap() = Some(cx.clone());
        if self.deaf.load(Relaxed) {
            pending::<()>().await;
        }
        wait(script.ending).await;
        Ok(())
    }

    async fn stop(&self, cx: &Context) -> Result {
        self.script(cx).stop.take().await
    }
}

// === impl Child ===

impl Child {
    fn end(mut self) {
        self.is_over = true;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.is_quick && !self.is_over {
            self.present.0.cut.lock().unwrap().push((self.present.1, Instant::now()));
        }
    }
}

// === impl Present ===

impl Present {
    fn begin(world: &Arc<World>, id: usize, count: fn(&Seat) -> &AtomicU64) -> Self {
        count(&world.seats[id]).fetch_add(1, Relaxed);
        Self(Arc::clone(world), id, count)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let before = (self.2)(&self.0.seats[self.1]).fetch_sub(1, Relaxed);
        assert!(before > 0, "what was counted is there");
    }
}
