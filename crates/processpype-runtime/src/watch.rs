//! A look into the hooks of one service, for tests: hold it at an await, see what was cut.
//!
//! # Invariants
//!
//! 1. Only what a test watches is wrapped; without a hold a watched service goes as an unwatched
//!    one does.
//! 2. A held hook is not polled until it is released. It can be dropped meanwhile, and that is what
//!    it is held for: a stop that comes exactly there.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll, Waker};

use crate::bell::{Bell, Ring as _};
use crate::blueprint::{Blueprint, Make};
use crate::context::Context;
use crate::diagnosis::Finding;
use crate::error::Result;
use crate::generation::{Making, Orders};
use crate::kind::made_by;
use crate::reconfigure::{NewConfig, Reconfigured};
use crate::routes::Routes;
use crate::service::{BoxFuture, ErasedService};

/// Watches the hooks of one service. For test kits; [`Blueprint::watch`] puts it in place.
///
/// ```
/// use processpype_runtime::{Assembly, Watch};
///
/// let mut blueprint = Assembly::default().check()?;
/// assert!(!blueprint.watch("nobody", &Watch::default()), "there is no such service");
/// # Ok::<(), processpype_runtime::PlanError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Watch {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// At which await of constructor and `start` it is held.
    hold_at: Option<u32>,
    /// How often constructor and `start` have waited so far.
    awaits: AtomicU32,
    held: AtomicBool,
    released: AtomicBool,
    /// Wakes what is held.
    waker: Mutex<Option<Waker>>,
    changed: Bell,
    run_cut: AtomicBool,
    stop_cut: AtomicBool,
}

/// A hook that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    /// Constructor or `start`.
    Begin,
    Run,
    Stop,
}

/// The future of a hook.
struct Watched<'a, T> {
    inner: BoxFuture<'a, T>,
    watch: Watch,
    hook: Hook,
    over: bool,
}

/// A service whose hooks are watched.
struct WatchedService {
    inner: Arc<dyn ErasedService>,
    watch: Watch,
}

/// A constructor that is watched.
#[derive(Debug)]
struct WatchedMake {
    inner: Arc<dyn Make>,
    watch: Watch,
}

// === impl Watch ===

impl Watch {
    /// Holds the service when its constructor and `start` have waited `awaits` times before.
    ///
    /// 0 is their first await. Who never waits so often is not held. They are counted together,
    /// over all generations, and it is held once.
    #[must_use]
    pub fn holding_at(awaits: u32) -> Self {
        let shared = Shared { hold_at: Some(awaits), ..Shared::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Resolves when the service is held.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn held(&self) {
        let held = |_: &_| self.shared.held.load(Ordering::Acquire).then_some(());
        self.shared.changed.until(held).await;
    }

    /// Lets a service that is held go on.
    pub fn release(&self) {
        self.shared.released.store(true, Ordering::Release);
        let waker = self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns whether a `run` was dropped before it had ended.
    #[must_use]
    pub fn run_was_cut(&self) -> bool {
        self.shared.run_cut.load(Ordering::Acquire)
    }

    /// Returns whether a `stop` was dropped before it had ended.
    #[must_use]
    pub fn stop_was_cut(&self) -> bool {
        self.shared.stop_cut.load(Ordering::Acquire)
    }

    fn wrap<'a, T>(&self, hook: Hook, inner: BoxFuture<'a, T>) -> Watched<'a, T> {
        Watched { inner, watch: self.clone(), hook, over: false }
    }

    fn is_held(&self) -> bool {
        self.shared.held.load(Ordering::Acquire) && !self.shared.released.load(Ordering::Acquire)
    }

    /// The hook has to wait; maybe it is held here.
    fn note_await(&self, waker: &Waker) {
        let before = self.shared.awaits.fetch_add(1, Ordering::AcqRel);
        if self.shared.hold_at == Some(before) {
            self.keep(waker);
            self.shared.held.store(true, Ordering::Release);
            self.shared.changed.ring();
        }
    }

    fn keep(&self, waker: &Waker) {
        let mut kept = self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(waker.clone());
    }
}

// === impl Blueprint ===

impl Blueprint {
    /// Watches one service; returns false if there is none of this name.
    ///
    /// For test kits.
    pub fn watch(&mut self, name: &str, watch: &Watch) -> bool {
        let spec = self.specs.iter_mut().find(|spec| spec.name.as_str() == name);
        if let Some(spec) = spec {
            // Other instances of the kind are not watched.
            let kind = Arc::make_mut(&mut spec.kind);
            let inner = Arc::clone(&kind.make);
            kind.make = made_by(WatchedMake { inner, watch: watch.clone() });
            return true;
        }
        false
    }
}

// === impl WatchedMake ===

impl Make for WatchedMake {
    fn make(&self, orders: &Orders, cx: &Context) -> Result<Making> {
        let making = self.inner.make(orders, cx)?;
        let making = self.watch.wrap(Hook::Begin, Box::pin(making.made()));
        let watch = self.watch.clone();
        Ok(Making::Later(Box::pin(async move {
            let inner = making.await?;
            let service: Arc<dyn ErasedService> = Arc::new(WatchedService { inner, watch });
            Ok(service)
        })))
    }
}

// === impl WatchedService ===

impl ErasedService for WatchedService {
    fn start(self: Arc<Self>, cx: Context) -> BoxFuture<'static, Result> {
        Box::pin(self.watch.wrap(Hook::Begin, Arc::clone(&self.inner).start(cx)))
    }

    fn run(self: Arc<Self>, cx: Context) -> BoxFuture<'static, Result> {
        Box::pin(self.watch.wrap(Hook::Run, Arc::clone(&self.inner).run(cx)))
    }

    fn stop<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Result> {
        Box::pin(self.watch.wrap(Hook::Stop, self.inner.stop(cx)))
    }

    fn reconfigure<'a>(
        &'a self,
        cx: &'a Context,
        new: NewConfig,
    ) -> BoxFuture<'a, Result<Reconfigured>> {
        self.inner.reconfigure(cx, new)
    }

    fn diagnose<'a>(&'a self, cx: &'a Context) -> BoxFuture<'a, Vec<Finding>> {
        self.inner.diagnose(cx)
    }

    fn routes(self: Arc<Self>) -> Routes {
        Arc::clone(&self.inner).routes()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        Arc::clone(&self.inner).into_any()
    }
}

// === impl Watched ===

impl<T> Future for Watched<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<T> {
        if self.hook == Hook::Begin && self.watch.is_held() {
            self.watch.keep(cx.waker());
            return Poll::Pending;
        }
        // A panic is an end too.
        self.over = true;
        let polled = self.inner.as_mut().poll(cx);
        self.over = polled.is_ready();
        if polled.is_pending() && self.hook == Hook::Begin {
            self.watch.note_await(cx.waker());
        }
        polled
    }
}

impl<T> Drop for Watched<'_, T> {
    /// The hook is cut, unless it was over.
    fn drop(&mut self) {
        let cut = match self.hook {
            _ if self.over => return,
            Hook::Begin => return,
            Hook::Run => &self.watch.shared.run_cut,
            Hook::Stop => &self.watch.shared.stop_cut,
        };
        cut.store(true, Ordering::Release);
    }
}
