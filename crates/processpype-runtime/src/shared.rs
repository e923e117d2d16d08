//! Values that are no services, shared by those that ask for their type.
//!
//! # Invariants
//!
//! 1. There is one value of each type; which one is decided when the application is put together.
//! 2. A value has no lifecycle: it is there before the first service and after the last one.
//! 3. A panic of a value that is dropped with the application goes no further.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use crate::panic::Fragile;

/// A value given to the application with `.provide(value)` or `.provide_arc(value)`, as an argument
/// of a constructor.
///
/// ```
/// # use processpype_runtime as processpype;
/// use processpype::Shared;
///
/// struct Pool;
/// struct Users { pool: Shared<Pool> }
///
/// let users = Users { pool: Shared::from(Pool) };
/// # let _ = &users.pool;
/// ```
///
/// Unlike a [`Dep`](crate::Dep) it is always there and never changes, and nobody starts, stops or
/// watches it. What can fail by itself should be a service.
#[derive(Debug)]
pub struct Shared<T: ?Sized>(Arc<T>);

/// All shared values of an application, by type. Cheap to clone.
///
/// ```
/// use processpype_runtime::SharedValues;
///
/// let mut values = SharedValues::default();
/// assert!(values.insert("one".to_owned()));
/// assert!(!values.insert("another".to_owned()), "one value of each type");
/// ```
#[derive(Clone, Default)]
pub struct SharedValues(Arc<BTreeMap<TypeId, Value>>);

/// An `Arc<T>` of the type that it stands under.
#[derive(Clone)]
struct Value {
    type_name: &'static str,
    arc: Fragile<Arc<dyn Any + Send + Sync>>,
}

// === impl Shared ===

impl<T: ?Sized> Shared<T> {
    /// Makes the argument of a unit test from what is shared already, such as a trait object.
    ///
    /// ```
    /// # use processpype_runtime as processpype;
    /// use processpype::Shared;
    /// use std::sync::Arc;
    ///
    /// trait Clock: Send + Sync { fn hour(&self) -> u32; }
    /// struct Noon;
    /// impl Clock for Noon { fn hour(&self) -> u32 { 12 } }
    ///
    /// let clock: Shared<dyn Clock> = Shared::of(Arc::new(Noon));
    /// assert_eq!(clock.hour(), 12);
    /// ```
    #[must_use]
    pub fn of(value: Arc<T>) -> Self {
        Self(value)
    }

    /// Returns the shared value, to keep it.
    #[must_use]
    pub fn into_arc(self) -> Arc<T> {
        self.0
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T: ?Sized> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

// === impl SharedValues ===

impl SharedValues {
    /// Adds a value. Returns false, and changes nothing, if there is one of this type already.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> bool {
        self.insert_arc(Arc::new(value))
    }

    /// Adds a value that is shared already; its type may be a trait object's. Returns false, and
    /// changes nothing, if there is one of this type already.
    pub fn insert_arc<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) -> bool {
        let id = TypeId::of::<T>();
        let free = !self.0.contains_key(&id);
        if free {
            // What is kept is the pointer: a trait object is no `Any` itself.
            let value: Arc<dyn Any + Send + Sync> = Arc::new(value);
            let value = Value { type_name: std::any::type_name::<T>(), arc: value.into() };
            Arc::make_mut(&mut self.0).insert(id, value);
        }
        free
    }

    pub(crate) fn contains(&self, id: TypeId) -> bool {
        self.0.contains_key(&id)
    }

    /// The types that there are, in no order of anybody's.
    pub(crate) fn type_names(&self) -> impl Iterator<Item = &'static str> {
        self.0.values().map(|value| value.type_name)
    }

    pub(crate) fn get<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Shared<T>> {
        let value: &Value = self.0.get(&TypeId::of::<T>())?;
        let value: &Arc<T> = value.arc.downcast_ref()?;
        Some(Shared(Arc::clone(value)))
    }
}

impl std::fmt::Debug for SharedValues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedValues").field("len", &self.0.len()).finish()
    }
}
