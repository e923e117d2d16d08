//! Constructors as declarations: plain functions whose argument types say what a service needs.
//!
//! # How plain functions become declarations
//!
//! A blanket implementation over `Fn(A, B, …) -> R` would overlap for different numbers of
//! arguments, were it not for the marker `M`: it is `fn(A, B, …) -> R`, different for each, and
//! never written by anybody. In the same way [`Product`] has a marker for the case: a service, a
//! result of one, or a future of either. (axum's handlers and bevy's systems work like this.)
//!
//! # How the compiler says what is wrong
//!
//! Looking for a [`Constructor`] of an unknown marker it weighs nine implementations, drops those
//! whose bounds fail, and can only say that none is left. So [`Signature`] is asked first: it has
//! no bounds on arguments and result, fits once, and thereby settles the marker. Then there is one
//! implementation to weigh, and the bound that fails in it is what is told.
//!
//! # Invariants
//!
//! 1. A constructor is called inside of the generation's own task, anew for each generation.
//! 2. Its arguments are resolved before it is called, in their order.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::argument::{Argument, Declaration, Resolver};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::generation::{Making, Orders};
use crate::service::{BoxFuture, Service};

/// A function that makes a service from its arguments: `Fn(A, B, …) -> S`, `Result<S>`, or a future
/// of either, with up to eight arguments.
///
/// It runs inside the generation's own task, so that a panic, a block or a timeout in it is
/// contained; a restart calls it again, from the current configuration.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_runtime::*;
/// #     pub use processpype_runtime as registration;
/// # }
/// use processpype::{Context, Dep, Result, Service};
/// use processpype::registration::Kind;
///
/// struct Plain;
/// impl Service for Plain {}
/// struct Fallible;
/// impl Service for Fallible {}
/// struct Eventual;
/// impl Service for Eventual {}
///
/// impl Fallible {
///     fn new(_plain: Dep<Plain>) -> Result<Self> { Ok(Self) }
/// }
/// impl Eventual {
///     async fn new(_other: Option<Dep<Fallible>>, _cx: Context) -> Result<Self> { Ok(Self) }
/// }
///
/// let kinds = [Kind::of(|| Plain), Kind::of(Fallible::new), Kind::of(Eventual::new)];
/// assert_eq!(kinds[2].default_name()?.as_str(), "eventual");
/// # Ok::<(), processpype_runtime::Error>(())
/// ```
///
/// Do in it what makes the instance whole, and leave what takes long or can fail to
/// [`Service::start`], after which `stop` is sure to run; a constructor that fails has nothing to
/// stop. It must be `Clone`, as functions and most closures are: what a closure captures by value
/// is cloned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a constructor of a service",
    label = "this cannot make a service",
    note = "each restart makes another, so an instance will not do: give a function or a closure \
            that makes it, such as `|| Counter {{ … }}` in place of `Counter {{ … }}`",
    note = "it takes at most eight arguments, of `Config<C>`, `Dep<S>`, `Option<Dep<S>>`, \
            `Deps<S>`, `Shared<T>`, `Context`; join values in one type and `.provide(…)` it"
)]
pub trait Constructor<M>: Signature<M> + Clone + Send + Sync + 'static {
    /// What it makes.
    type Service: Service;

    /// Returns what the arguments declare.
    #[doc(hidden)]
    fn declare() -> Declaration;

    /// Makes the service for one generation.
    #[doc(hidden)]
    fn construct(&self, resolver: Resolver<'_>) -> Result<Finish<Self::Service>>;
}

/// A function that is a service by itself: `Fn(A, B, …) -> impl Future<Output = Result>`.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_runtime::*;
/// #     pub use processpype_runtime as registration;
/// # }
/// use processpype::{Context, Result};
/// use processpype::registration::Kind;
/// use std::time::Duration;
///
/// async fn heartbeat(cx: Context) -> Result {
///     while cx.sleep(Duration::from_secs(60)).await { /* tell somebody */ }
///     Ok(())
/// }
///
/// assert!(Kind::task(heartbeat).config_types().is_empty());
/// ```
///
/// A task has `run` alone. Once it needs `start`, `stop` or routes, it is time for a type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run as a task",
    label = "this function cannot be a task",
    note = "it takes at most eight arguments, of `Config<C>`, `Dep<S>`, `Option<Dep<S>>`, \
            `Deps<S>`, `Shared<T>`, `Context`",
    note = "it must return a `Send` future of `Result`, and must not borrow from what it \
            captures: clone first"
)]
pub trait TaskFunction<M>: Signature<M> + Clone + Send + Sync + 'static {
    /// Returns what the arguments declare.
    #[doc(hidden)]
    fn declare() -> Declaration;

    /// Begins one run.
    #[doc(hidden)]
    fn begin(&self, resolver: Resolver<'_>) -> Result<BoxFuture<'static, Result>>;
}

/// What arguments a function takes: every function has one, whether it can be a constructor or not.
///
/// It stands beside [`Constructor`] and [`TaskFunction`] for the sake of the compiler's messages:
/// with it they name the argument that is wrong. Who passes a constructor on asks for `Constructor`
/// alone.
///
/// ```
/// # mod processpype {
/// #     pub use processpype_runtime::*;
/// #     pub use processpype_runtime as registration;
/// # }
/// use processpype::Constructor;
/// use processpype::registration::Kind;
///
/// fn kind<M: 'static, C: Constructor<M>>(constructor: C) -> Kind {
///     Kind::of(constructor)
/// }
/// # struct Counter;
/// # impl processpype_runtime::Service for Counter {}
/// # assert_eq!(kind(|| Counter).default_name().unwrap().as_str(), "counter");
/// ```
pub trait Signature<M> {}

/// What a constructor may return; `K` tells the cases apart.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a constructor returns",
    note = "it must return `S`, `Result<S>`, or a `Send` future of either, where `S: Service`: \
            `impl Service for S {{}}` is enough, for every method has a default",
    note = "no `Arc<S>` and no `Box<dyn …>`: the framework shares the instance itself",
    note = "the `E` of a `Result<S, E>` is an error as `?` takes it: `std::error::Error + Send + \
            Sync`, or text; and a future is not `Send` that holds an `Rc`, a `RefCell`'s borrow or \
            a lock's guard over an `.await`"
)]
pub trait Product<K>: Send + 'static {
    /// The service in it.
    type Service: Service;

    /// Brings the service out.
    fn finish(self) -> Finish<Self::Service>;
}

/// What became of a constructor's call.
#[doc(hidden)]
pub enum Finish<S> {
    /// It has done all of its work.
    Now(Result<S>),
    /// The rest of it is to be awaited.
    Later(BoxFuture<'static, Result<S>>),
}

#[doc(hidden)]
#[derive(Debug)]
pub struct Plain;

#[doc(hidden)]
#[derive(Debug)]
pub struct Fallible;

#[doc(hidden)]
#[derive(Debug)]
pub struct Eventual<K>(PhantomData<K>);

/// A task as a service: its `run` calls the function.
///
/// The arguments are made when `run` begins, not before: a task has no constructor that could fail.
pub(crate) struct Task<F, M> {
    function: F,
    orders: Orders,
    marker: PhantomData<fn() -> M>,
}

// === impl Product ===

impl<S: Service> Product<Plain> for S {
    type Service = S;

    fn finish(self) -> Finish<S> {
        Finish::Now(Ok(self))
    }
}

impl<S: Service, E: Into<Error> + Send + 'static> Product<Fallible> for std::result::Result<S, E> {
    type Service = S;

    fn finish(self) -> Finish<S> {
        Finish::Now(self.map_err(Into::into))
    }
}

impl<F, K> Product<Eventual<K>> for F
where
    F: Future + Send + 'static,
    F::Output: Product<K>,
{
    type Service = <F::Output as Product<K>>::Service;

    fn finish(self) -> Finish<Self::Service> {
        Finish::Later(Box::pin(async move {
            match self.await.finish() {
                Finish::Now(made) => made,
                Finish::Later(making) => making.await,
            }
        }))
    }
}

// === impl Finish ===

impl<S: Service> Finish<S> {
    /// Forgets the type of what is made.
    pub(crate) fn erased(self) -> Making {
        match self {
            Self::Now(made) => Making::Now(made.map(|service| Arc::new(service) as _)),
            Self::Later(making) => {
                Making::Later(Box::pin(async move { Ok(Arc::new(making.await?) as _) }))
            }
        }
    }
}

impl<S> std::fmt::Debug for Finish<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Now(_) => "Now",
            Self::Later(_) => "Later",
        })
    }
}

// === impl Constructor ===

macro_rules! functions {
    ($($argument:ident),*) => {
        impl<F, R, K, $($argument),*> Signature<(K, fn($($argument),*) -> R)> for F
        where
            F: Fn($($argument),*) -> R,
        {
        }

        impl<F, R, K, $($argument),*> Constructor<(K, fn($($argument),*) -> R)> for F
        where
            F: Fn($($argument),*) -> R + Clone + Send + Sync + 'static,
            R: Product<K>,
            $($argument: Argument,)*
        {
            type Service = R::Service;

            fn declare() -> Declaration {
                #[allow(unused_mut, reason = "a constructor without arguments changes nothing")]
                let mut declaration = Declaration::default();
                $($argument::declare(&mut declaration);)*
                declaration
            }

            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one name for both")]
            fn construct(&self, mut resolver: Resolver<'_>) -> Result<Finish<Self::Service>> {
                $(let $argument = $argument::resolve(&mut resolver)?;)*
                let product = self($($argument),*);
                Ok(product.finish())
            }
        }

        impl<F, R, $($argument),*> TaskFunction<((), fn($($argument),*) -> R)> for F
        where
            F: Fn($($argument),*) -> R + Clone + Send + Sync + 'static,
            R: Future<Output = Result> + Send + 'static,
            $($argument: Argument,)*
        {
            fn declare() -> Declaration {
                #[allow(unused_mut, reason = "a task without arguments changes nothing")]
                let mut declaration = Declaration::default();
                $($argument::declare(&mut declaration);)*
                declaration
            }

            #[allow(non_snake_case, unused_mut, unused_variables, reason = "one name for both")]
            fn begin(&self, mut resolver: Resolver<'_>) -> Result<BoxFuture<'static, Result>> {
                $(let $argument = $argument::resolve(&mut resolver)?;)*
                Ok(Box::pin(self($($argument),*)))
            }
        }
    };
}

functions!();
functions!(A);
functions!(A, B);
functions!(A, B, C);
functions!(A, B, C, D);
functions!(A, B, C, D, E);
functions!(A, B, C, D, E, G);
functions!(A, B, C, D, E, G, H);
functions!(A, B, C, D, E, G, H, I);

// === impl Task ===

impl<F: TaskFunction<M>, M> Task<F, M> {
    pub(crate) fn new(function: F, orders: Orders) -> Self {
        Self { function, orders, marker: PhantomData }
    }
}

impl<F: TaskFunction<M>, M: 'static> Service for Task<F, M> {
    async fn run(&self, cx: &Context) -> Result {
        let future = self.function.begin(Resolver::new(&self.orders, cx))?;
        future.await
    }
}
