//! Handles to other services.
//!
//! # Invariants
//!
//! 1. A [`Dep`] is bound to an instance name once, at registration, and stays valid over its
//!    restarts.
//! 2. It never owns the provider's instance strongly.
//!
//! # How it works
//!
//! A bound handle is an `Arc` of the provider's cell and a cast. The cell's slot holds the living
//! instance, without its type; `get` loads the slot (no lock) and casts. The cast was made where
//! the types were known: for the service's own type when its kind was registered, for a trait
//! object by `.provides`. A [`Face`] carries it, typed again by the `TypeId` that it was stored
//! under.
//!
//! A handle holds no instance, so a provider can end while a thousand handles point at it. A
//! [`Ref`] does hold one, for as long as one use lasts; the lifetime ties it to the handle, which
//! keeps it out of structs by accident. [`Ref::into_arc`] is the way out, on purpose and visible.

use std::any::TypeId;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use processpype_core::{Generation, ServiceName, ServiceState};

use crate::cell::{AnyService, Cell};
use crate::error::Unavailable;
use crate::panic::Fragile;

/// The role of a dependency that needs no name, because one provider fits.
///
/// Never written by hand: `Dep<Counter>` is `Dep<Counter, Sole>`.
#[derive(Clone, Copy, Debug)]
pub struct Sole;

/// A handle to another service; as an argument of a constructor, the declared dependency itself.
///
/// It is a slot, not a value: it stays valid over restarts of the provider. The instance is there
/// from the moment the provider's `start` succeeded until its stop begins.
///
/// Where two providers of one type are needed, give each a role, a type of your own, and bind it
/// with `.uses("left", "fast")` or `uses: {left: fast}` in the file:
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Dep;
/// # struct Counter;
/// struct Left;
/// struct Right;
///
/// struct Sum { left: Dep<Counter, Left>, right: Dep<Counter, Right> }
/// ```
///
/// In a unit test it is made from an instance, or made unavailable:
///
/// ```
/// # use processpype_runtime::Dep;
/// struct Counter(u32);
///
/// let dep: Dep<Counter> = Dep::of(Counter(3));
/// assert_eq!(dep.get().unwrap().0, 3);
/// assert!(Dep::<Counter>::unavailable().get().is_err());
/// ```
///
/// # Which question to ask
///
/// | you want | use | while the provider is away |
/// |---|---|---|
/// | to call it now | [`get`](Self::get) | an error at once, which `?` passes on |
/// | to begin once it can work | [`wait`](Self::wait) | waits, without a bound of its own |
/// | to notice that it was replaced | [`changed`](Self::changed) | waits for the next generation |
/// | to show or decide | [`state`](Self::state), [`generation`](Self::generation) | tells |
///
/// The constructor need not wait: a service starts only when its providers are ready. In `run`, ask
/// again for every piece of work and keep no instance; then a restarted provider is simply used.
///
/// # Which argument to take
///
/// `Dep<S>` if nothing works without it; `Option<Dep<S>>` if it may be missing from the application
/// (it is `None` if no enabled service is one, never because one is stopped); [`Deps<S>`](Deps) for
/// all there are, none included.
pub struct Dep<S: ?Sized + 'static, R = Sole> {
    source: Source<S>,
    role: PhantomData<fn() -> R>,
}

/// Every provider of a type, as an argument of a constructor.
///
/// Instances that are `enabled: false` are left out. Each one is a dependency like a [`Dep`]: all
/// of them are ready before the service starts.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::{Dep, Deps};
///
/// struct Sensor(f64);
///
/// fn mean(sensors: &Deps<Sensor>) -> Option<f64> {
///     // A sensor that is down does not spoil the others.
///     let values: Vec<f64> =
///         sensors.iter().filter_map(|sensor| sensor.get().ok().map(|s| s.0)).collect();
///     (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
/// }
///
/// let sensors = Deps::of(vec![Dep::of(Sensor(20.0)), Dep::of(Sensor(22.0)), Dep::unavailable()]);
/// assert_eq!(mean(&sensors), Some(21.0));
/// ```
pub struct Deps<S: ?Sized + 'static> {
    all: Vec<Dep<S>>,
}

/// A provider's instance in use. Usable across awaits; not storable.
///
/// Holding one does not keep the provider from stopping.
///
/// It dereferences to the instance. Take a new one for the next piece of work rather than holding
/// one for long: a provider that was stopped meanwhile still answers through it, though its loop
/// has ended.
pub struct Ref<'a, S: ?Sized> {
    instance: Arc<S>,
    dep: PhantomData<&'a ()>,
}

/// Where an instance comes from: a running application, or a unit test.
///
/// Two cases and no third: so the pointer to the cell also tells which one it is, and a read of a
/// state is one read of memory less.
enum Source<S: ?Sized> {
    Bound {
        cell: Arc<Cell>,
        cast: Cast<S>,
    },
    /// For a unit test: a fixed instance, or none that ever comes.
    Double(Option<Arc<S>>),
}

/// Turns an instance into the type under which it is provided.
pub(crate) type Cast<S> = Arc<dyn Fn(AnyService) -> Option<Arc<S>> + Send + Sync>;

/// One type under which a kind's instances can be used.
#[derive(Clone)]
pub(crate) struct Face {
    pub(crate) type_id: TypeId,
    pub(crate) type_name: &'static str,
    /// A `Cast<S>` for the `S` of `type_id`.
    cast: Fragile<Arc<dyn std::any::Any + Send + Sync>>,
}

// === impl Dep ===

impl<S: ?Sized + Send + Sync + 'static, R> Dep<S, R> {
    /// Makes a handle to a fixed instance, for a unit test.
    ///
    /// It is always ready, in generation 1, and named `test-double`. A trait object is given as an
    /// `Arc`:
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::Dep;
    /// use std::sync::Arc;
    ///
    /// trait Store: Send + Sync { fn len(&self) -> usize; }
    /// struct Fake;
    /// impl Store for Fake { fn len(&self) -> usize { 3 } }
    ///
    /// let fake: Arc<dyn Store> = Arc::new(Fake);
    /// let store: Dep<dyn Store> = Dep::of(fake);
    /// assert_eq!(store.get().unwrap().len(), 3);
    /// ```
    #[must_use]
    pub fn of(instance: impl Into<Arc<S>>) -> Self {
        Self { source: Source::Double(Some(instance.into())), role: PhantomData }
    }

    /// Makes a handle whose provider is never there, for a unit test.
    ///
    /// For the path that is hardest to see in production: what the service does without its
    /// provider.
    #[must_use]
    pub fn unavailable() -> Self {
        Self { source: Source::Double(None), role: PhantomData }
    }

    pub(crate) fn bound(cell: Arc<Cell>, cast: Cast<S>) -> Self {
        Self { source: Source::Bound { cell, cast }, role: PhantomData }
    }

    /// Returns the provider's name.
    ///
    /// With several instances of one type this tells which one was bound.
    #[must_use]
    pub fn name(&self) -> ServiceName {
        match &self.source {
            Source::Bound { cell, .. } => cell.name().clone(),
            Source::Double(_) => fixed_name(),
        }
    }

    /// Returns the provider's current instance.
    ///
    /// It never waits for the provider, and takes no lock while that is there. A provider that runs
    /// but says `ready(false)` is there; ask [`wait`](Self::wait) where that matters.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{Dep, Result};
    ///
    /// struct Counter(u64);
    ///
    /// fn read(counter: &Dep<Counter>) -> Result<u64> {
    ///     Ok(counter.get()?.0)
    /// }
    ///
    /// assert_eq!(read(&Dep::of(Counter(7)))?, 7);
    /// let error = read(&Dep::unavailable()).unwrap_err();
    /// assert!(error.unavailable().is_some(), "the supervisor sees why it ended");
    /// # Ok::<(), processpype_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Unavailable`] before the provider has started and from the moment its stop begins.
    /// Passed on with `?` from a hook, it makes the exit one of kind `dependency`.
    pub fn get(&self) -> Result<Ref<'_, S>, Unavailable> {
        match &self.source {
            Source::Double(Some(instance)) => Ok(Ref::new(Arc::clone(instance))),
            Source::Double(None) => Err(nothing()),
            Source::Bound { cell, cast } => {
                let published = cell.instance();
                let instance = published
                    .as_deref()
                    .and_then(Option::as_ref)
                    .and_then(|published| cast(Arc::clone(&published.instance)));
                instance.map(Ref::new).ok_or_else(|| cell.unavailable())
            }
        }
    }

    /// Waits until the provider is ready and returns its instance.
    ///
    /// The wait has no bound of its own: put it in
    /// [`Context::until_stopped`](crate::Context::until_stopped) or in a timeout.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::{Context, Dep, Result};
    ///
    /// struct Queue;
    ///
    /// async fn run(queue: &Dep<Queue>, cx: &Context) -> Result {
    ///     while let Some(queue) = cx.until_stopped(queue.wait()).await {
    ///         let _queue = queue?;
    ///         // one piece of work
    /// #       break;
    ///     }
    ///     Ok(())
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result { run(&Dep::of(Queue), &Context::detached("worker")).await }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`Unavailable`] if the provider can never be there: it has left the application
    /// (`Manager::deregister`), or there is none ([`Dep::unavailable`]).
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn wait(&self) -> Result<Ref<'_, S>, Unavailable> {
        if let Source::Bound { cell, .. } = &self.source {
            let there = |cell: &Cell| {
                let instance = if cell.is_ready() { self.get().ok() } else { None };
                // Looked at last: who has left is not ready any more.
                let left = || cell.is_retired().then(|| Err(cell.unavailable()));
                instance.map(Ok).or_else(left)
            };
            return cell.wait_for(there).await;
        }
        self.get()
    }

    /// Waits for a generation of the provider other than `seen`, and returns it.
    ///
    /// For caches of what the provider said: take the generation first, then fill the cache, then
    /// wait for a change of that generation. A generation counts from its beginning, not from
    /// ready; follow with [`wait`](Self::wait). With a fixed instance it never resolves, nor with a
    /// provider that has left the application: [`wait`](Self::wait) tells that one.
    ///
    /// # Cancel safety
    ///
    /// Safe: ask again at any time.
    pub async fn changed(&self, seen: Generation) -> Generation {
        match &self.source {
            Source::Bound { cell, .. } => {
                let other = |cell: &Cell| Some(cell.generation()).filter(|now| *now != seen);
                cell.wait_for(other).await
            }
            Source::Double(_) => std::future::pending().await,
        }
    }

    /// Returns the provider's current generation.
    ///
    /// 0 means that it was never started.
    #[must_use]
    pub fn generation(&self) -> Generation {
        match &self.source {
            Source::Bound { cell, .. } => cell.generation(),
            Source::Double(instance) => Generation(instance.is_some().into()),
        }
    }

    /// Returns the provider's state.
    ///
    /// It may be another one by the time it is looked at. To decide whether to call, call
    /// [`get`](Self::get): it decides and holds in one step.
    #[must_use]
    pub fn state(&self) -> ServiceState {
        match &self.source {
            Source::Bound { cell, .. } => cell.state(),
            Source::Double(Some(_)) => ServiceState::Running,
            Source::Double(None) => ServiceState::Stopped,
        }
    }
}

impl<S: ?Sized, R> Clone for Dep<S, R> {
    fn clone(&self) -> Self {
        let source = match &self.source {
            Source::Bound { cell, cast } => {
                Source::Bound { cell: Arc::clone(cell), cast: Arc::clone(cast) }
            }
            Source::Double(instance) => Source::Double(Option::clone(instance)),
        };
        Self { source, role: PhantomData }
    }
}

impl<S: ?Sized, R> std::fmt::Debug for Dep<S, R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match &self.source {
            Source::Bound { cell, .. } => cell.name().as_str(),
            Source::Double(Some(_)) => "(fixed)",
            Source::Double(None) => "(unavailable)",
        };
        f.debug_tuple("Dep").field(&name).finish()
    }
}

/// The name of what belongs to no application.
fn fixed_name() -> ServiceName {
    ServiceName::new("test-double").expect("the literal is a valid name")
}

/// What a handle without a provider says.
fn nothing() -> Unavailable {
    Unavailable::new(fixed_name(), ServiceState::Stopped, None)
}

// === impl Deps ===

impl<S: ?Sized + Send + Sync + 'static> Deps<S> {
    /// Makes the handles of a unit test.
    #[must_use]
    pub fn of(all: Vec<Dep<S>>) -> Self {
        Self { all }
    }

    /// Returns the handles, in the order of names.
    pub fn iter(&self) -> std::slice::Iter<'_, Dep<S>> {
        self.all.iter()
    }

    /// Returns how many providers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl<S: ?Sized> Clone for Deps<S> {
    fn clone(&self) -> Self {
        Self { all: self.all.clone() }
    }
}

impl<'a, S: ?Sized> IntoIterator for &'a Deps<S> {
    type Item = &'a Dep<S>;
    type IntoIter = std::slice::Iter<'a, Dep<S>>;

    fn into_iter(self) -> Self::IntoIter {
        self.all.iter()
    }
}

impl<S: ?Sized> std::fmt::Debug for Deps<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.all).finish()
    }
}

// === impl Ref ===

impl<S: ?Sized> Ref<'_, S> {
    pub(crate) fn new(instance: Arc<S>) -> Self {
        Self { instance, dep: PhantomData }
    }

    /// Returns the instance itself, to keep it.
    ///
    /// A kept instance may outlive its generation; the supervisor reports that as
    /// `instance-leaked`.
    ///
    /// For code that demands `'static`, such as a spawned task; give it back soon.
    #[must_use]
    pub fn into_arc(self) -> Arc<S> {
        self.instance
    }
}

impl<S: ?Sized> Deref for Ref<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.instance
    }
}

impl<S: ?Sized> std::fmt::Debug for Ref<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ref<{}>", std::any::type_name::<S>())
    }
}

// === impl Face ===

impl Face {
    /// The face under which `cast` makes an instance usable.
    pub(crate) fn new<S, F>(cast: F) -> Self
    where
        S: ?Sized + 'static,
        F: Fn(AnyService) -> Option<Arc<S>> + Send + Sync + 'static,
    {
        let cast: Cast<S> = Arc::new(cast);
        let type_name = std::any::type_name::<S>();
        let cast: Arc<dyn std::any::Any + Send + Sync> = Arc::new(cast);
        Self { type_id: TypeId::of::<S>(), type_name, cast: cast.into() }
    }

    /// The face of a service as its own type.
    pub(crate) fn of_itself<S: Send + Sync + 'static>() -> Self {
        Self::new(|any: AnyService| any.downcast::<S>().ok())
    }

    /// The cast, if this is the face for `S`.
    pub(crate) fn cast<S: ?Sized + 'static>(&self) -> Option<Cast<S>> {
        self.cast.downcast_ref::<Cast<S>>().cloned()
    }
}

impl std::fmt::Debug for Face {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Face").field(&self.type_name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_a_cell_and_a_cast() {
        let words = |size: usize| size / size_of::<usize>();
        assert_eq!(words(size_of::<Dep<u8>>()), 3, "the pointer to the cell tells the case");
        assert_eq!(words(size_of::<Dep<dyn std::any::Any>>()), 3);
    }

    #[test]
    fn a_double_is_there_or_it_never_is() {
        let (there, never) = (Dep::<u8>::of(7), Dep::<u8>::unavailable());
        assert_eq!((there.state(), there.generation()), (ServiceState::Running, Generation(1)));
        assert_eq!((never.state(), never.generation()), (ServiceState::Stopped, Generation(0)));
    }

    #[tokio::test]
    async fn nobody_waits_for_a_provider_that_has_left() {
        let cell = Cell::detached(ServiceName::new("gone").expect("a name"));
        let cast: Cast<u8> = Arc::new(|any| any.downcast().ok());
        let dep = Dep::<u8>::bound(Arc::clone(&cell), cast);
        let leaving = async {
            tokio::task::yield_now().await;
            cell.retire();
        };
        let (waited, ()) = futures_util::future::join(dep.wait(), leaving).await;
        assert!(waited.is_err(), "it is not there");
    }
}
