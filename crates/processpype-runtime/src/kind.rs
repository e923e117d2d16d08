//! Kinds of services: a constructor, what it declares, and under which types its instances are
//! used.
//!
//! # Invariants
//!
//! 1. What a kind needs is known from types alone, before anything is made.
//! 2. A kind is shared by its instances and never changes once the application is checked.
//! 3. `faces` and `make` agree: what `make` returns can be cast by every face.
//! 4. What a constructor has captured is user code when it is dropped: a panic of that goes no
//!    further, whoever has held the kind last.
//!
//! A service registered with `.service` is an anonymous kind with one instance, and a task is a
//! kind whose service calls a function: there is one path through this crate.

use std::any::TypeId;
use std::marker::PhantomData;
use std::sync::Arc;

use processpype_core::{InvalidName, ServiceName};

use crate::argument::{ConfigType, Declaration, Resolver};
use crate::cell::AnyService;
use crate::constructor::{Constructor, Signature, Task, TaskFunction};
use crate::context::Context;
use crate::dep::Face;
use crate::error::Result;
use crate::generation::{Making, Orders};
use crate::panic::Fragile;

/// A kind of service. Its instances differ in name and configuration.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_runtime::*;
/// #     pub use processpype_runtime as registration;
/// # }
/// use processpype::{Config, Service};
/// use processpype::registration::Kind;
/// use schemars::JsonSchema;
/// use serde::Deserialize;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct TickerConfig { interval_ms: u64 }
///
/// struct Ticker;
/// impl Service for Ticker {}
///
/// let kind = Kind::of(|_: Config<TickerConfig>| Ticker);
/// assert_eq!(kind.config_types().len(), 1);
/// ```
#[derive(Clone, Debug)]
pub struct Kind {
    pub(crate) type_name: &'static str,
    type_id: TypeId,
    pub(crate) declaration: Declaration,
    pub(crate) faces: Vec<Face>,
    pub(crate) make: Fragile<Arc<dyn Make>>,
}

/// Makes an instance of a kind for one generation.
pub(crate) trait Make: Send + Sync + std::fmt::Debug {
    fn make(&self, orders: &Orders, cx: &Context) -> Result<Making>;
}

// === impl Kind ===

impl Kind {
    /// Makes a kind from a constructor.
    ///
    /// Nothing is called: the declaration comes from the types of the arguments.
    #[must_use]
    pub fn of<M: 'static, C: Signature<M> + Constructor<M>>(constructor: C) -> Self {
        Self {
            type_name: std::any::type_name::<C::Service>(),
            type_id: TypeId::of::<C::Service>(),
            declaration: C::declare(),
            faces: vec![Face::of_itself::<C::Service>()],
            make: made_by(MakeService { constructor, marker: PhantomData }),
        }
    }

    /// Makes a kind from a function that is a service by itself.
    ///
    /// Nobody can depend on it by type, for it has none that could be named; `depends_on` works.
    #[must_use]
    pub fn task<M: 'static, F: Signature<M> + TaskFunction<M>>(function: F) -> Self {
        Self {
            type_name: std::any::type_name::<F>(),
            type_id: TypeId::of::<Task<F, M>>(),
            declaration: F::declare(),
            faces: Vec::new(),
            make: made_by(MakeTask { function, marker: PhantomData }),
        }
    }

    /// Lets instances be used as `D`, through `cast`. Returns false if the kind does not make `S`.
    ///
    /// The types meet here for the last time: from here on an instance is an `Arc<dyn Any>`, and
    /// the face alone knows how to see a `D` in it.
    pub fn provides<S, D, F>(&mut self, cast: F) -> bool
    where
        S: Send + Sync + 'static,
        D: ?Sized + 'static,
        F: Fn(Arc<S>) -> Arc<D> + Send + Sync + 'static,
    {
        let matches = TypeId::of::<S>() == self.type_id;
        if matches {
            let cast = move |any: AnyService| any.downcast::<S>().ok().map(&cast);
            self.faces.push(Face::new::<D, _>(cast));
        }
        matches
    }

    /// Returns the name of the type that the kind makes.
    ///
    /// With its path; for messages.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Returns whether instances can be used as a type.
    #[doc(hidden)]
    #[must_use]
    pub fn is_one(&self, type_id: TypeId) -> bool {
        self.faces.iter().any(|face| face.type_id == type_id)
    }

    /// Returns whether instances are of this very type.
    pub(crate) fn makes(&self, type_id: TypeId) -> bool {
        self.type_id == type_id
    }

    /// Returns the default name of the kind's only instance.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidName`] if the type has no plain name.
    pub fn default_name(&self) -> Result<ServiceName, InvalidName> {
        ServiceName::of_type(self.type_name)
    }

    /// Returns whether instances may have routes: a task never has.
    #[must_use]
    pub fn may_have_routes(&self) -> bool {
        !self.faces.is_empty()
    }

    /// Returns the types of configuration that the constructor asks for: at most one is accepted.
    #[must_use]
    pub fn config_types(&self) -> Vec<ConfigType> {
        self.declaration.config_types()
    }
}

pub(crate) fn made_by(make: impl Make + 'static) -> Fragile<Arc<dyn Make>> {
    let make: Arc<dyn Make> = Arc::new(make);
    make.into()
}

struct MakeService<C, M> {
    constructor: C,
    marker: PhantomData<fn() -> M>,
}

impl<C: Constructor<M>, M> Make for MakeService<C, M> {
    fn make(&self, orders: &Orders, cx: &Context) -> Result<Making> {
        Ok(self.constructor.construct(Resolver::new(orders, cx))?.erased())
    }
}

struct MakeTask<F, M> {
    function: F,
    marker: PhantomData<fn() -> M>,
}

impl<F: TaskFunction<M>, M: 'static> Make for MakeTask<F, M> {
    fn make(&self, orders: &Orders, _: &Context) -> Result<Making> {
        let task: Task<F, M> = Task::new(self.function.clone(), orders.clone());
        Ok(Making::Now(Ok(Arc::new(task))))
    }
}

impl<C, M> std::fmt::Debug for MakeService<C, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<C>())
    }
}

impl<F, M> std::fmt::Debug for MakeTask<F, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::any::type_name::<F>())
    }
}
