//! Services that do what a test tells them to, and remember what was done to them.
//!
//! # Invariants
//!
//! 1. A probe is an ordinary service: it reaches nothing that a user's service could not reach.
//! 2. What was done to it is remembered by the [`Probe`], not by its instances, so that it can be
//!    looked at after they are gone.

use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use processpype_core::Generation;
use processpype_runtime::{Context, Error, Result, Service};

/// What a hook of a [`Probe`] does.
///
/// Times are the test's: under paused time they cost nothing. Zero is at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Act {
    /// Succeeds after a time; as `run`, also when asked to stop, if that comes first.
    Succeed(Duration),
    /// Fails after a time.
    Fail(Duration),
    /// Panics after a time.
    Panic(Duration),
    /// Does not end, whatever it is asked.
    Hang,
    /// As `run`: waits until asked to stop. As another hook: succeeds at once.
    Serve,
}

/// What one generation of a [`Probe`] does.
///
/// Say what differs and take the rest from [`Script::default`], which behaves well:
///
/// ```
/// use processpype::testing::{Act, Script};
///
/// let stubborn = Script { run: Act::Hang, ..Script::default() };
/// # assert_eq!(stubborn.start, Act::Serve);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Script {
    /// In `start`.
    pub start: Act,
    /// In `run`.
    pub run: Act,
    /// In `stop`.
    pub stop: Act,
}

/// A hook that was called.
///
/// Seen in [`Probe::calls`], to assert that `stop` was called once and not beside `run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hook {
    /// The constructor.
    New,
    /// `start`.
    Start,
    /// `run`.
    Run,
    /// `stop`.
    Stop,
}

/// A scripted service: one script for each generation, the last one for all that follow.
///
/// ```
/// use std::time::Duration;
/// use processpype::testing::{self, Act, Probe, Script};
/// use processpype::{Application, ServiceState};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broken = Script { start: Act::Fail(Duration::ZERO), ..Script::default() };
/// let probe = Probe::new(vec![broken, Script::default()]);
/// let app = testing::start(Application::new().service(probe.service()).named("db")).await?;
/// app.wait("db", ServiceState::Error).await?;
/// app.manager().start("db").await?;
/// assert_eq!(app.manager().state("db"), Some(ServiceState::Running));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Probe {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    scripts: Vec<Script>,
    calls: Mutex<Vec<(Generation, Hook)>>,
}

/// The service that a [`Probe`] makes.
#[derive(Debug)]
pub struct ProbeService {
    shared: Arc<Shared>,
}

// === impl Script ===

impl Default for Script {
    /// Behaves well.
    fn default() -> Self {
        Self { start: Act::Serve, run: Act::Serve, stop: Act::Serve }
    }
}

// === impl Probe ===

impl Probe {
    /// Makes a probe.
    ///
    /// The first generation follows the first script, and so on; generations beyond the last script
    /// follow the last. Without any script, every generation behaves well.
    #[must_use]
    pub fn new(scripts: Vec<Script>) -> Self {
        Self { shared: Arc::new(Shared { scripts, calls: Mutex::default() }) }
    }

    /// Returns the constructor to register.
    ///
    /// It can be registered several times; all instances then write to the same list of calls.
    pub fn service(
        &self,
    ) -> impl Fn(Context) -> ProbeService + Clone + Send + Sync + 'static + use<> {
        let shared = Arc::clone(&self.shared);
        move |cx: Context| {
            shared.note(&cx, Hook::New);
            ProbeService { shared: Arc::clone(&shared) }
        }
    }

    /// Returns every hook that was called, with its generation.
    ///
    /// ```
    /// use processpype::Application;
    /// use processpype::testing::{self, Hook, Probe};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> processpype::Result {
    /// let probe = Probe::new(Vec::new());
    /// let app = testing::start(Application::new().service(probe.service()).named("db")).await?;
    /// app.stop().await;
    /// let hooks: Vec<Hook> = probe.calls().into_iter().map(|(_, hook)| hook).collect();
    /// assert_eq!(hooks, [Hook::New, Hook::Start, Hook::Run, Hook::Stop]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn calls(&self) -> Vec<(Generation, Hook)> {
        self.shared.calls().clone()
    }
}

// === impl Shared ===

impl Shared {
    fn note(&self, cx: &Context, hook: Hook) {
        self.calls().push((cx.generation(), hook));
    }

    fn script(&self, cx: &Context) -> Script {
        let index = usize::try_from(cx.generation().0.saturating_sub(1)).unwrap_or(usize::MAX);
        let script = self.scripts.get(index).or(self.scripts.last());
        script.copied().unwrap_or_default()
    }

    fn calls(&self) -> MutexGuard<'_, Vec<(Generation, Hook)>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl ProbeService ===

impl Service for ProbeService {
    async fn start(&self, cx: &Context) -> Result {
        self.shared.note(cx, Hook::Start);
        act(self.shared.script(cx).start).await
    }

    async fn run(&self, cx: &Context) -> Result {
        self.shared.note(cx, Hook::Run);
        match self.shared.script(cx).run {
            Act::Serve => {
                cx.stopping().await;
                Ok(())
            }
            Act::Succeed(after) => {
                cx.sleep(after).await;
                Ok(())
            }
            other => act(other).await,
        }
    }

    async fn stop(&self, cx: &Context) -> Result {
        self.shared.note(cx, Hook::Stop);
        act(self.shared.script(cx).stop).await
    }
}

#[allow(clippy::panic, reason = "a probe panics when its script says so")]
async fn act(act: Act) -> Result {
    match act {
        Act::Serve => Ok(()),
        Act::Succeed(after) => {
            tokio::time::sleep(after).await;
            Ok(())
        }
        Act::Fail(after) => {
            tokio::time::sleep(after).await;
            Err(Error::public("failed as scripted"))
        }
        Act::Panic(after) => {
            tokio::time::sleep(after).await;
            std::panic::panic_any("panicked as scripted")
        }
        Act::Hang => pending().await,
    }
}
