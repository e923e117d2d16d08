//! What a constructor may ask for, and what follows from it before anything runs.
//!
//! # Invariants
//!
//! 1. A constructor's needs follow from types alone: nothing is called to learn them.
//! 2. [`Declaration`] and [`Resolver`] go through the arguments in one order, so the n-th need has
//!    the n-th binding. That is why both are made by the same macro, over the same list of types.
//! 3. [`Argument`] is sealed: what can be asked for is closed, so that every need can be checked
//!    before anything runs.
//!
//! # The two passes
//!
//! At registration each argument *declares* (a type id, a role, how many providers). The binder
//! turns the declarations of all services into edges and bindings. At the start of a generation
//! each argument *resolves* against its service's wiring and configuration. Everything that can be
//! missing was refused between the two; the errors of resolving are there in case of a bug, not for
//! users.

use std::any::TypeId;
use std::sync::Arc;

use processpype_config::{Report, Section};
use processpype_core::ServiceName;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::cell::Cell;
use crate::config::Config;
use crate::context::Context;
use crate::dep::{Dep, Deps, Face, Sole};
use crate::error::{Error, Result};
use crate::generation::Orders;
use crate::kind::Kind;
use crate::shared::{Shared, SharedValues};

/// One argument of a service's constructor: its type is the declaration.
///
/// | argument | declares | is |
/// |---|---|---|
/// | [`Config<C>`](crate::Config) | a configuration type | the instance's own section, checked |
/// | [`Dep<S>`](crate::Dep) | one provider, which must exist | a handle |
/// | [`Dep<S, Role>`](crate::Dep) | one provider, chosen by `uses` | a handle |
/// | `Option<Dep<S>>` | a provider, if there is one | a handle or `None` |
/// | [`Deps<S>`](crate::Deps) | every provider, none included | handles |
/// | [`Shared<T>`](crate::Shared) | a value given with `.provide` | the value |
/// | [`Context`] | nothing | the generation's own side |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a service's constructor",
    label = "not one of `Config<C>`, `Dep<S>`, `Option<Dep<S>>`, `Deps<S>`, `Shared<T>`, `Context`",
    note = "a value that is no service is given with `.provide(value)` and taken as `Shared<T>`",
    note = "a reference will not do either: the framework makes the argument, and gives it away"
)]
pub trait Argument: sealed::Sealed + Sized + Send + 'static {
    /// Adds what this argument needs to a declaration.
    #[doc(hidden)]
    fn declare(declaration: &mut Declaration);

    /// Makes the argument for one generation.
    #[doc(hidden)]
    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self>;
}

/// A type that a section can be read into: whatever derives `Deserialize` and owns its values.
///
/// Nobody implements it by hand. It is there for what the compiler says where it is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the configuration of a service: it is not `Deserialize`",
    label = "derive `serde::Deserialize` for it",
    note = "a section is read into it: `#[derive(Deserialize, JsonSchema)]`, and it borrows nothing"
)]
pub trait ReadConfig: DeserializeOwned {}

/// A type whose section can be described and checked: whatever derives `JsonSchema`.
///
/// Nobody implements it by hand. It is there for what the compiler says where it is missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the configuration of a service: it is not `JsonSchema`",
    label = "derive `schemars::JsonSchema` for it",
    note = "limits, texts and unknown keys come from it: `#[derive(Deserialize, JsonSchema)]`",
    note = "it is the trait of `schemars` 1, as `processpype::schemars`; an older one is another"
)]
pub trait DescribeConfig: JsonSchema {}

#[diagnostic::do_not_recommend]
impl<C: DeserializeOwned> ReadConfig for C {}

#[diagnostic::do_not_recommend]
impl<C: JsonSchema> DescribeConfig for C {}

mod sealed {
    /// Only this crate knows how an argument is made.
    pub trait Sealed {}
}

/// What a kind needs, from the types of its constructor's arguments.
///
/// In the order of the arguments.
#[derive(Clone, Debug, Default)]
pub struct Declaration {
    pub(crate) needs: Vec<Need>,
    pub(crate) config: Vec<ConfigType>,
    pub(crate) shared: Vec<(TypeId, &'static str)>,
}

/// A dependency that a type declares.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    pub(crate) type_id: TypeId,
    pub(crate) type_name: &'static str,
    pub(crate) role: Option<&'static str>,
    pub(crate) amount: Amount,
}

/// How many providers a need takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    One,
    ZeroOrOne,
    All,
}

/// A configuration type, without its type.
///
/// Function pointers in place of a type: what is left of a `C` when services of all types stand in
/// one table.
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
/// /// Counts.
/// #[derive(Deserialize, JsonSchema)]
/// struct CounterConfig { step: u64 }
///
/// struct Counter;
/// impl Service for Counter {}
///
/// let kind = Kind::of(|_: Config<CounterConfig>| Counter);
/// let schema = kind.config_types()[0].own_schema();
/// assert_eq!(schema.get("description").unwrap(), "Counts.");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConfigType {
    type_id: TypeId,
    type_name: &'static str,
    schema: fn(&mut SchemaGenerator) -> Schema,
    own_schema: fn() -> Schema,
    check: fn(&Section, &mut Vec<String>) -> Result<(), Report>,
    check_unresolved: fn(&Section) -> Result<(), Report>,
}

/// What an instance is made from beside its configuration; the same for all its generations.
///
/// One value for all instances of a kind that needs nobody.
#[derive(Debug)]
pub(crate) struct Wiring {
    pub(crate) kind: Arc<Kind>,
    /// The providers of each need, in the order of declaration.
    pub(crate) bindings: Box<[Box<[Provider]>]>,
    pub(crate) shared: SharedValues,
}

/// A service that stands behind an argument, and as what it is seen.
pub(crate) type Provider = (Arc<Cell>, Face);

/// Makes the arguments of one generation, in the order of declaration.
///
/// Made for one generation and used up by it. The position moves with each need that is resolved.
#[derive(Debug)]
pub struct Resolver<'a> {
    orders: &'a Orders,
    context: &'a Context,
    next: usize,
}

// === impl ConfigType ===

impl ConfigType {
    fn of<C: DeserializeOwned + JsonSchema + 'static>() -> Self {
        Self {
            type_id: TypeId::of::<C>(),
            type_name: std::any::type_name::<C>(),
            schema: |generator| generator.subschema_for::<C>(),
            own_schema: || schemars::schema_for!(C),
            check: |section, secrets| section.read_collecting::<C>(secrets).map(drop),
            check_unresolved: Section::check::<C>,
        }
    }

    /// Returns the type's name.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// Returns the schema of the type as part of the document that `generator` makes.
    #[must_use]
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Returns the schema of the type as a document of its own.
    #[must_use]
    pub fn own_schema(&self) -> Schema {
        (self.own_schema)()
    }

    /// Checks a section against the type and adds the secret values in it to `secrets`.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section.
    pub fn check(&self, section: &Section, secrets: &mut Vec<String>) -> Result<(), Report> {
        (self.check)(section, secrets)
    }

    /// Checks a section against the type without looking up what references in it stand for.
    ///
    /// # Errors
    ///
    /// Returns every problem of the section.
    pub fn check_unresolved(&self, section: &Section) -> Result<(), Report> {
        (self.check_unresolved)(section)
    }
}

// === impl Declaration ===

impl Declaration {
    /// Returns the types of configuration that are asked for; more than one is refused later.
    pub(crate) fn config_types(&self) -> Vec<ConfigType> {
        let mut types: Vec<ConfigType> = Vec::new();
        for config in &self.config {
            if types.iter().all(|seen| seen.type_id != config.type_id) {
                types.push(*config);
            }
        }
        types
    }

    fn need<S: ?Sized + 'static>(&mut self, role: Option<&'static str>, amount: Amount) {
        let (type_id, type_name) = (TypeId::of::<S>(), std::any::type_name::<S>());
        self.needs.push(Need { type_id, type_name, role, amount });
    }
}

// === impl Resolver ===

impl<'a> Resolver<'a> {
    pub(crate) fn new(orders: &'a Orders, context: &'a Context) -> Self {
        Self { orders, context, next: 0 }
    }

    fn providers<S: ?Sized + Send + Sync + 'static, R>(&mut self) -> Vec<Dep<S, R>> {
        let bindings = self.orders.wiring.bindings.get(self.next).map_or(&[][..], |all| all);
        self.next += 1;
        let bind =
            |(cell, face): &Provider| face.cast().map(|cast| Dep::bound(Arc::clone(cell), cast));
        bindings.iter().filter_map(bind).collect()
    }
}

/// Returns the name of a role: its type in snake case, or none for [`Sole`].
fn role_of<R: 'static>() -> Option<&'static str> {
    (TypeId::of::<R>() != TypeId::of::<Sole>()).then(std::any::type_name::<R>)
}

/// Returns the key under which a need is bound in `uses`.
pub(crate) fn role_key(type_name: &str) -> String {
    let plain = type_name.trim_start_matches("dyn ");
    ServiceName::of_type(plain).map_or_else(|_| plain.to_owned(), |name| name.as_str().to_owned())
}

// === impl Argument ===

impl<C> sealed::Sealed for Config<C> {}

impl<C: ReadConfig + DescribeConfig + Send + Sync + 'static> Argument for Config<C> {
    fn declare(declaration: &mut Declaration) {
        declaration.config.push(ConfigType::of::<C>());
    }

    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self> {
        let checked = &resolver.orders.configured;
        Ok(Self::from(resolver.context.life.read::<C>(&checked.section, checked)?))
    }
}

impl<S: ?Sized, R> sealed::Sealed for Dep<S, R> {}

impl<S: ?Sized + Send + Sync + 'static, R: 'static> Argument for Dep<S, R> {
    fn declare(declaration: &mut Declaration) {
        declaration.need::<S>(role_of::<R>(), Amount::One);
    }

    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self> {
        let missing = || Error::from("a declared dependency has no provider");
        resolver.providers().pop().ok_or_else(missing)
    }
}

impl<S: ?Sized, R> sealed::Sealed for Option<Dep<S, R>> {}

impl<S: ?Sized + Send + Sync + 'static, R: 'static> Argument for Option<Dep<S, R>> {
    fn declare(declaration: &mut Declaration) {
        declaration.need::<S>(role_of::<R>(), Amount::ZeroOrOne);
    }

    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self> {
        Ok(resolver.providers().pop())
    }
}

impl<S: ?Sized> sealed::Sealed for Deps<S> {}

impl<S: ?Sized + Send + Sync + 'static> Argument for Deps<S> {
    fn declare(declaration: &mut Declaration) {
        declaration.need::<S>(None, Amount::All);
    }

    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self> {
        Ok(Self::of(resolver.providers()))
    }
}

impl<T: ?Sized> sealed::Sealed for Shared<T> {}

impl<T: ?Sized + Send + Sync + 'static> Argument for Shared<T> {
    fn declare(declaration: &mut Declaration) {
        declaration.shared.push((TypeId::of::<T>(), std::any::type_name::<T>()));
    }

    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self> {
        let missing = || Error::from("a shared value was not provided");
        resolver.orders.wiring.shared.get().ok_or_else(missing)
    }
}

impl sealed::Sealed for Context {}

impl Argument for Context {
    fn declare(_: &mut Declaration) {}

    fn resolve(resolver: &mut Resolver<'_>) -> Result<Self> {
        Ok(resolver.context.clone())
    }
}
